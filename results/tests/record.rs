//! Records survive JSON, run directories replace nothing, and reports say what the record says.

mod sample;

use std::fs;

use results::histogram::Latencies;
use results::record::{Loop, Record, Summary, VerdictState};
use results::report::{agreement_table, markdown, memory_table, table_rows};
use results::run;
use sample::{cell, record, run_of};

#[test]
fn a_record_survives_json() {
    let record = record();
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (pointer, expected) in [
        ("/cells/0/loop", serde_json::json!({"open": {"rate": 20_000.0}})),
        ("/cells/3/loop", serde_json::json!("closed")),
        ("/cells/0/runs/0/verdict/state", serde_json::json!("VALID")),
        ("/cells/0/summary/p99_9_us", serde_json::json!(null)),
        ("/cells/0/summary/server_core_us_per_request/median", serde_json::json!(6.0)),
    ] {
        assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}");
    }
}

#[test]
fn a_number_that_is_none_is_read_back_as_none() {
    let mut record = record();
    record.cells[0].runs[0].syscalls_per_request = Some(f64::NAN);
    let text = serde_json::to_string(&record).unwrap();
    let read: Record = serde_json::from_str(&text).unwrap();
    assert_eq!(read.cells[0].runs[0].syscalls_per_request, None);
}

#[test]
fn summaries_say_how_many_runs_they_cover() {
    let mut runs = vec![run_of(0, 6.0), run_of(1, 5.0), run_of(2, 9.0)];
    runs[1].syscalls_per_request = None;
    runs[2].syscalls_per_request = Some(f64::INFINITY);
    runs.iter_mut().for_each(|run| run.enters_per_request = None);
    let mut responses = Latencies::new();
    responses.record(2_000_000, 1000).unwrap();
    let summary = Summary::of(&runs, Some(&responses));
    let core = summary.server_core_us_per_request.unwrap();
    assert_eq!((core.median, core.min, core.max, core.count), (6.0, 5.0, 9.0, 3));
    assert_eq!(summary.syscalls_per_request.unwrap().count, 1);
    assert_eq!(summary.enters_per_request, None);
    assert!((summary.p99_us.unwrap() - 2000.0).abs() < 2.0);
    assert_eq!(summary.p99_9_us, None, "1,000 values do not support p99.9");
    assert_eq!(Summary::of(&[], None), Summary::default());
}

#[test]
fn a_run_directory_replaces_nothing() {
    let base = std::env::temp_dir().join(format!("results-runs-{}", std::process::id()));
    let mut responses = Latencies::new();
    responses.record(1000, 5).unwrap();
    let histograms = vec![("echo epoll level".to_owned(), responses)];
    let record = record();
    let paths: Vec<_> = (0..3)
        .map(|_| run::write(&base, "2026-10-03-vm-abcdef1-echo", &record, "# report\n", &histograms).unwrap())
        .collect();
    let mut names: Vec<String> =
        fs::read_dir(&base).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let name = "2026-10-03-vm-abcdef1-echo";
    assert_eq!(names, [name.to_owned(), format!("{name}-2"), format!("{name}-3")]);
    assert_eq!(paths[1], base.join(format!("{name}-2")));
    assert_eq!(run::read(&paths[2]).unwrap(), record);
    assert_eq!(run::read(&paths[2].join("record.json")).unwrap(), record);
    assert!(paths[0].join("echo-epoll-level.hgrm").is_file());

    // Two arms with the same file name: nothing is published and nothing is left over.
    let twice = vec![histograms[0].clone(), histograms[0].clone()];
    assert!(run::write(&base, "collision", &record, "", &twice).is_err());
    assert_eq!(fs::read_dir(&base).unwrap().count(), 3);
    fs::remove_dir_all(&base).unwrap();
}

#[test]
fn the_tables_follow_the_order_of_the_record() {
    let tables = table_rows(&record());
    let titles: Vec<&str> = tables.iter().map(|table| table.title.as_str()).collect();
    assert_eq!(
        titles,
        ["echo, 64 connections, 20,000 requests/s, pipeline 1", "http, 1,000 connections, closed loop, pipeline 4"]
    );
    let arms: Vec<&str> = tables[0].rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(arms, ["epoll level", "mio edge", "io_uring multishot"]);
    assert!(tables.iter().all(|table| table.rows.iter().all(|row| row.len() == table.header.len())));
    assert_eq!(
        tables[0].rows[0],
        ["epoll level", "20,000", "n/a", "n/a", "n/a", "0.200", "5.50", "6.00", "2.00", "7 %", "8.00", "5 VALID"]
    );
    assert_eq!(tables[1].rows[0][9], "n/a", "one run has no spread");
}

#[test]
fn the_report_has_every_part_in_order() {
    let text = markdown(&record());
    let headings: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(
        headings,
        [
            "# echo-cpu",
            "## How it was measured",
            "## What the numbers say",
            "## Results",
            "### echo, 64 connections, 20,000 requests/s, pipeline 1",
            "### http, 1,000 connections, closed loop, pipeline 4",
            "## Memory",
            "### The server's own memory for each idle connection",
            "## Not run",
            "## Notes and limits",
        ]
    );
    for expected in [
        "`c10m bench echo-cpu` (c10m 0.1.0, commit abcdef1)",
        "Linux 6.18.0, Some CPU, 2 processors",
        "5 repeats, arms interleaved",
        "co-located",
        "seed 42",
        "| epoll level | 1,000,000 | 4 | 48.5 | 64 | echo |",
        "- io_uring poll: EPERM \\| no ring",
        "absolute throughput is not claimed",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing from:\n{text}");
    }
    for line in text.lines().filter(|line| line.starts_with('|')) {
        assert!(line.ends_with('|'), "{line}");
    }
    assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
}

#[test]
fn findings_claim_no_more_than_the_ranges() {
    let text = markdown(&record());
    let finding = text.lines().find(|line| line.starts_with("- echo, 64")).unwrap();
    assert_eq!(
        finding,
        "- echo, 64 connections, 20,000 requests/s, pipeline 1: the lowest median core CPU per request is \
         epoll level's, 6.00 µs; io_uring multishot needs 1.02 × (paired 1.02 ×), within the spread: no measurable \
         difference; mio edge needs 1.17 × (paired 1.17 ×), ranges apart: a measurable difference."
    );
    let alone = text.lines().find(|line| line.starts_with("- http, 1,000")).unwrap();
    assert!(alone.contains("no arm to compare it with"), "{alone}");
}

#[test]
fn few_repeats_and_invalid_runs_support_no_claim() {
    let mut record = record();
    record.cells = vec![
        cell("epoll level", &[6.0, 6.1, 6.2]),
        cell("mio edge", &[7.0, 7.1, 7.2]),
        cell("io_uring poll", &[1.0, 1.0, 1.0]),
    ];
    record.cells[2].runs[1].verdict.state = VerdictState::Invalid;
    let text = markdown(&record);
    assert!(text.contains("lie apart by chance in 10 % of cases: inconclusive"), "{text}");
    assert!(text.contains("Left out, for an INVALID run or no CPU time: io_uring poll."), "{text}");
    assert!(!text.contains("a measurable difference"), "{text}");
}

#[test]
fn the_order_of_runs_is_read_and_not_promised() {
    let mut record = record();
    assert!(markdown(&record).contains("arms interleaved"));
    record.cells[1].runs.iter_mut().for_each(|run| run.order += 5);
    assert!(markdown(&record).contains("arms one after another"));
    record.cells.drain(..3);
    assert!(markdown(&record).contains("no arms to interleave"));
}

#[test]
fn an_empty_record_still_renders() {
    let mut record = record();
    record.cells.clear();
    record.memory.clear();
    record.skipped.clear();
    record.host = serde_json::Value::Null;
    let text = markdown(&record);
    assert!(text.contains("No run was recorded."));
    assert!(text.contains("Linux unknown, unknown, unknown processors"));
    assert!(memory_table(&record).is_none());
    assert!(!text.contains("## Not run"));
}

#[test]
fn the_open_loop_is_told_from_the_closed() {
    let mut record = record();
    record.cells = vec![cell("a", &[1.0]), cell("a", &[1.0])];
    record.cells[1].load_loop = Loop::Closed;
    assert_eq!(table_rows(&record).len(), 2);
}

#[test]
fn generators_are_compared_run_by_run_with_the_reference() {
    let of = |generator: &str, server: &str, rates: &[f64]| {
        let mut cell = sample::cell(&format!("{generator} on {server}"), &vec![6.0; rates.len()]);
        (cell.generator, cell.server) = (generator.to_owned(), server.to_owned());
        for (run, rate) in cell.runs.iter_mut().zip(rates) {
            run.requests_per_second = *rate;
        }
        cell
    };
    let mut record = sample::record();
    assert!(agreement_table(&record).is_none(), "no generators, no table");
    record.cells = vec![
        of("ours", "nginx", &[101.0, 210.0, 303.0]),
        of("wrk", "nginx", &[100.0, 200.0, 300.0]),
        of("ours", "other", &[1.0]),
    ];
    record.cells[0].runs[2].served_whole_run = Some(7);
    let table = agreement_table(&record).expect("two generators on one server");
    assert_eq!(table.rows.len(), 1, "a server without the reference has no row: {table:?}");
    let row = &table.rows[0];
    assert_eq!((row[0].as_str(), row[1].as_str()), ("ours on nginx", "1.010 (1.01–1.05)"));
    assert_eq!(row[6], "equal in 2 of 3");
}
