//! Reports say what the record says and no more: verdicts, their sentences, and the files.

mod sample;

use results::record::{Cell, Decision, Point, Record, VerdictState};
use results::report::{
    answer_in_a_line, champions_table, find_readme_block, markdown, memory_table, overview_table, plain, ratio_tables,
    readme_block, render, spread_table, table_rows,
};
use results::run::Curve;
use results::stats::Judgement;
use sample::{cell, record};

/// A record of one load with these arms.
fn of(cells: Vec<Cell>) -> Record {
    Record { cells, ..record() }
}

/// The ratios of six repeats to a reference of 10, which are far apart or near.
fn scaled(arm: &str, ratios: [f64; 6]) -> Cell {
    cell(arm, &ratios.map(|ratio| ratio * 10.0))
}

#[test]
fn the_report_has_every_part_in_order() {
    let text = markdown(&record());
    let headings: Vec<&str> = text.lines().filter(|line| line.starts_with("# ") || line.starts_with("## ")).collect();
    assert_eq!(
        headings,
        [
            "# echo-cpu",
            "## Verdicts",
            "## Results",
            "## Memory",
            "## Six questions to every benchmark",
            "## Host",
            "## How to repeat it",
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
        "git checkout abcdef1\ncargo build --release\ntarget/release/c10m bench echo-cpu --seed 42\n",
        "- Did it even happen? The load generator's count of good replies equals the server's count of requests in 16 of 16 runs",
        "- Did it fail? 0 failed requests, 3,200,000 answered correctly. Of 16 runs, 16 are VALID, 0 WARN, 0 INVALID.",
        "| congestion control | bbr |",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing from:\n{text}");
    }
    for line in text.lines().filter(|line| line.starts_with('|')) {
        assert!(line.ends_with('|'), "{line}");
    }
    assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
    assert!(!text.contains("!["), "without its files it shows none");
}

#[test]
fn the_answer_names_winners_losers_and_the_undecided() {
    let record = of(vec![
        scaled("base", [1.0; 6]),
        scaled("quick", [0.8, 0.81, 0.79, 0.8, 0.82, 0.8]),
        scaled("slow", [2.0, 2.1, 1.9, 2.0, 2.2, 2.0]),
        scaled("same", [1.0, 1.005, 0.995, 1.0, 1.01, 1.0]),
        scaled("wild", [0.5, 2.0, 1.0, 0.7, 1.5, 1.1]),
    ]);
    let text = markdown(&record);
    for expected in [
        "> Each arm against base, in core CPU per request, where less is better, over one load.",
        "> Better: quick (0.80 ×).",
        "> Worse: slow (2.00 ×).",
        "> No measurable difference: same (1.00 ×).",
        "> Inconclusive: wild (1.05 ×).",
        "quick 0.80 × [0.79, 0.82], better",
        "slow 2.00 × [1.90, 2.20], worse",
        "4 comparisons in this report, not adjusted for their number.",
        "would show up to 0.1 as different (at most 3 % each)",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing from:\n{text}");
    }
    assert_eq!(
        answer_in_a_line(&record),
        "Core CPU per request against base, over one load. Better: quick. Worse: slow. No measurable difference: 1 of 4 \
         comparisons. Inconclusive: 1 of 4 comparisons."
    );
    let table = overview_table(&record).unwrap();
    assert_eq!(table.rows[0][1..], ["10.0 µs", "▼ 0.80", "▲ 2.00", "= 1.00", "? 1.05"]);
    let ratios = &ratio_tables(&record)[0].rows;
    assert_eq!(ratios[0][..], ["quick", "8.00", "0.800", "0.790", "0.820", "97 %", "6", "0", "better"]);
}

#[test]
fn the_reference_is_the_one_the_record_names() {
    let mut record = of(vec![scaled("a", [2.0; 6]), scaled("b", [1.0; 6])]);
    record.decision = Decision { reference: Some("b".to_owned()), ..Decision::default() };
    assert!(markdown(&record).contains("> Worse: a (2.00 ×)."));
    record.decision.reference = Some("c".to_owned());
    let text = markdown(&record);
    assert!(text.contains("not compared, because the reference was not run"), "{text}");
    assert!(!text.contains("Worse: a"), "{text}");
}

#[test]
fn a_generator_is_compared_on_its_own_server() {
    let on = |generator: &str, server: &str, ratio: f64| {
        let mut cell = scaled(&format!("{generator} on {server}"), [ratio; 6]);
        (cell.generator, cell.server) = (generator.to_owned(), server.to_owned());
        cell.runs.iter_mut().for_each(|run| run.client_cpu_us_per_request = Some(ratio));
        cell
    };
    let mut record =
        of(vec![on("ours", "fast", 0.5), on("wrk", "fast", 1.0), on("ours", "slow", 9.0), on("wrk", "slow", 3.0)]);
    record.metric = results::record::Metric::ClientCpu;
    let table = overview_table(&record).unwrap();
    let fields: Vec<&str> = table.rows.iter().map(|row| row[2].as_str()).collect();
    assert_eq!(fields, ["▼ 0.50", "▲ 3.00"]);
}

#[test]
fn few_repeats_and_invalid_runs_support_no_claim() {
    let mut record = of(vec![cell("base", &[6.0, 6.1, 6.2]), cell("near", &[7.0, 6.6, 7.2]), cell("bad", &[1.0; 3])]);
    for run in &mut record.cells[2].runs {
        run.verdict.state = VerdictState::Invalid;
    }
    let text = markdown(&record);
    assert!(text.contains("near 1.16 × ["), "{text}");
    assert!(text.contains("bad cannot be compared: no repeat of both may be used"), "{text}");
    assert!(text.contains("3 pairs of runs were left out"), "{text}");
    assert!(text.contains("With fewer than 6 pairs no such interval reaches 95 %"), "{text}");
    // When only its times are in doubt, its CPU time counts.
    record.cells[2].runs.iter_mut().for_each(|run| run.verdict.times_only = true);
    let contests = results::report::contests(&record);
    assert_eq!((contests[0].entries[1].left_out, contests[0].entries[1].judgement()), (0, Judgement::Better));
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
    assert_eq!(answer_in_a_line(&record), "No run was recorded, so there is no answer.");
    let alone = of(vec![scaled("base", [1.0; 6])]);
    let answer = "There is no arm to compare another with, so there is no verdict.";
    assert_eq!(answer_in_a_line(&alone), answer, "what is below in a report is not below in a list");
    assert!(text.contains("Linux unknown, unknown, unknown processors"));
    assert!(memory_table(&record).is_none());
    assert!(!text.contains("## Not run") && !text.contains("## Verdicts"));
    assert!(render(&record, &[], &[]).len() == 2 && table_rows(&record).is_empty());
}

/// The page and the charts, for a record with every kind of thing in it.
#[test]
fn all_files_are_rendered_and_named() {
    let mut record = of(vec![scaled("a <b>", [1.0; 6]), scaled("c & d", [2.0, 2.1, 1.9, 2.0, 2.2, 2.0])]);
    let mut more = record.cells.clone();
    for cell in &mut more {
        cell.connections = 1000;
        cell.key += "-c1000";
    }
    record.cells.extend(more);
    record.waits = vec!["3 s for orphans".to_owned()];
    record.resumed = 2;
    let curve = |cell: &Cell| Curve { cell: cell.key.clone(), points: vec![(0.0, 10.0), (0.9, 20.0), (0.99, 400.0)] };
    let curves: Vec<Curve> = record.cells.iter().map(curve).collect();
    let points: Vec<Point> = (0..20)
        .map(|i| Point {
            cell: record.cells[0].key.clone(),
            repeat: 1,
            start_s: f64::from(i) / 10.0,
            duration_s: 0.1,
            p50_us: Some(100.0),
            p99_us: Some(if i == 7 { 9000.0 } else { 300.0 }),
            counters: [("retransmits".to_owned(), f64::from(u8::from(i == 7)))].into(),
            ..Point::default()
        })
        .collect();
    let files = render(&record, &curves, &points);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "report.md",
            "report.html",
            "ratios.svg",
            "cpu.svg",
            "latency-echo-64-connections-20-000-requests-s-pipeline-1.svg",
            "latency-echo-1-000-connections-20-000-requests-s-pipeline-1.svg",
            "time-a-b-2.svg",
            "connections-echo-20-000-requests-s-pipeline-1.svg",
        ]
    );
    let (md, html) = (&files[0].1, &files[1].1);
    for (name, svg) in &files[2..] {
        assert!(md.contains(&format!("]({name})")), "{name} is not shown");
        assert!(svg.starts_with("<svg") && !svg.contains("NaN"), "{name}: {svg}");
    }
    assert_eq!(html.matches("<svg").count(), files.len() - 2, "every chart is in the page");
    assert!(html.contains("a &#60;b&#62;") && !html.contains("a <b>"), "names are escaped");
    for page in [md, html] {
        for part in ["3 s for orphans", "taken up again, 2 times", "30.0 times the median interval"] {
            assert!(page.contains(part), "{part} is missing from {page}");
        }
    }
    assert_eq!(files, render(&record, &curves, &points), "the same record gives the same report");
}

#[test]
fn what_only_some_experiments_count_has_its_tables() {
    use results::report::{connection_memory_table, operations_table};
    let mut record = of(vec![scaled("a", [1.0; 6]), scaled("b", [1.0; 6])]);
    assert!(operations_table(&record).is_none() && connection_memory_table(&record).is_none());
    for (run, bytes) in record.cells[1].runs.iter_mut().zip([10.0, 30.0, 20.0]) {
        run.sqes_per_request = Some(1.5);
        run.kernel_bytes_per_connection = Some(bytes);
    }
    let load = "echo, 64 connections, 20,000 requests/s, pipeline 1";
    assert_eq!(operations_table(&record).unwrap().rows, [["b", "2.00", "n/a", "1.50", "n/a", load]]);
    assert_eq!(connection_memory_table(&record).unwrap().rows, [["b", "n/a", "20.0", load]]);
    let text = markdown(&record);
    assert!(
        text.contains("### Operations of the server") && text.contains("### Memory for each connection under load")
    );
}

#[test]
fn the_block_of_a_readme_is_found_again() {
    let block = readme_block(&record(), "results/runs/x");
    let text = format!("# Title\n\n{block}\nmore\n");
    assert_eq!(find_readme_block(&text), Some(("results/runs/x", block.as_str())));
    assert!(block.contains("[echo-cpu](results/runs/x/report.md), 5 repeats of 10 s, 16 runs"), "{block}");
    assert!(block.contains("| echo, 64 connections, 20,000 requests/s, pipeline 1 | 6.00 µs | ▲ 1.17 |"), "{block}");
    assert_eq!(find_readme_block("<!-- results: x -->"), None);
    assert_eq!(plain("a | <b>\n c"), "a \\| \\<b> c");
}

#[test]
fn two_runs_are_compared_only_when_they_are_alike() {
    use results::compare::{compare, conflicts};
    let first = of(vec![scaled("a", [1.0, 1.01, 0.99, 1.0, 1.02, 0.98]), scaled("b", [1.0; 6])]);
    let mut second = of(vec![scaled("a", [1.5, 1.51, 1.49, 1.5, 1.52, 1.48]), scaled("c", [1.0; 6])]);
    assert_eq!(conflicts(&first, &second), []);
    let pair = compare(&first, &second);
    assert_eq!((pair.only_first, pair.only_second), (vec!["b".to_owned()], vec!["c".to_owned()]));
    let [cell] = pair.cells.as_slice() else { panic!("{:?}", pair.cells) };
    assert_eq!((cell.key.as_str(), cell.judgement(), cell.left_out), ("a", Judgement::Worse, 0));
    second.cells[0].runs[0].verdict.state = VerdictState::Invalid;
    assert_eq!(compare(&first, &second).cells[0].left_out, 1);

    let changed = |change: fn(&mut Record)| {
        let mut other = first.clone();
        change(&mut other);
        let found = conflicts(&first, &other).into_iter().map(|conflict| (conflict.what, conflict.is_host));
        found.collect::<Vec<_>>()
    };
    let of = |what: &str, is_host| vec![(what.to_owned(), is_host)];
    assert_eq!(changed(|record| record.experiment = "x".into()), of("experiment", false));
    assert_eq!(changed(|record| record.seconds_per_run = 1.0), of("seconds per run", false));
    assert_eq!(changed(|record| record.host["kernel"]["release"] = "7.0".into()), of("kernel", true));
    assert_eq!(
        changed(|record| record.host["tcp"]["congestion_control"] = "reno".into()),
        of("congestion control", true)
    );
    let loads = changed(|record| record.cells.iter_mut().for_each(|cell| cell.connections = 1));
    assert_eq!(loads, of("loads", false));
    let keys = changed(|record| record.cells.iter_mut().for_each(|cell| cell.key += "x"));
    assert_eq!(keys, of("loads and arms (none is in both)", false));
}

#[test]
fn the_cheapest_of_each_side_meet() {
    let mut record = record();
    record.cells = vec![
        cell("epoll level", &[10.0, 10.0, 10.0, 10.0]),
        cell("io_uring inline", &[8.0, 8.1, 7.9, 8.0]),
        cell("nginx", &[20.0, 20.0, 20.0, 20.0]),
        cell("hyper", &[16.0, 16.2, 15.8, 16.0]),
    ];
    let table = champions_table(&record).expect("a table");
    let row = &table.rows[0];
    assert_eq!((table.rows.len(), row[3].as_str(), row[7].as_str()), (1, "0.500", "io_uring inline / hyper"));
    assert_eq!(row[8], "better");
    assert!(markdown(&record).contains("cheapest other server"));
    record.cells.pop();
    assert_eq!(champions_table(&record), None, "one other server stands in the other tables");
    // What a record says of an arm holds, whatever the arm is called.
    record.cells.push(Cell { is_own: Some(false), ..cell("epoll elsewhere", &[16.0, 16.2, 15.8, 16.0]) });
    let table = champions_table(&record).expect("two other servers");
    assert_eq!(table.rows[0][7], "io_uring inline / epoll elsewhere");
}

#[test]
fn how_connections_were_spread_has_a_table_where_there_was_a_choice() {
    let mut record = record();
    assert_eq!(spread_table(&record), None);
    record.cells[0].runs[0].accepts_max_over_mean = Some(1.25);
    record.cells[0].requests_per_connection = 1;
    let table = spread_table(&record).expect("a table");
    assert_eq!((table.rows.len(), table.rows[0][1].as_str()), (1, "1.25"));
    assert!(table.rows[0][3].ends_with("pipeline 1, 1 request a connection"), "{:?}", table.rows[0]);
}
