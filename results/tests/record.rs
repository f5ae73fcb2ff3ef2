//! Records survive JSON, run directories replace nothing and are read back, and tables say what the record says.

mod sample;

use std::fs;

use results::histogram::Latencies;
use results::hlog;
use results::record::{Loop, Metric, Point, Record, Summary};
use results::report::{agreement_table, table_rows};
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
    assert_eq!((row[0].as_str(), row[1].as_str()), ("ours on nginx", "1.010 [0.96, 1.09]"));
    assert_eq!(row[6], "equal in 2 of 3");
}

#[test]
fn a_directory_is_read_back_with_its_histograms_and_points() {
    let directory = std::env::temp_dir().join(format!("results-open-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let record = record();
    fs::write(directory.join("record.json"), serde_json::to_string(&record).unwrap()).unwrap();
    let encoded = |us: u64| {
        let mut latencies = Latencies::new();
        latencies.record(us * 1000, 1000).unwrap();
        latencies.encode().unwrap()
    };
    let (low, high) = (encoded(100), encoded(300));
    let key = record.cells[0].key.as_str();
    let line = |start_us, encoded| hlog::Line { tag: key, start_us, duration_us: 1, max_ns: 1, encoded };
    fs::write(directory.join("latency.hlog"), hlog::text(0, [line(0, low.as_str()), line(1, high.as_str())])).unwrap();
    let point = Point { cell: key.to_owned(), duration_s: 0.1, p50_us: Some(7.0), ..Point::default() };
    fs::write(directory.join("series.jsonl"), serde_json::to_string(&point).unwrap() + "\n\n").unwrap();

    let run = run::open(&directory).unwrap();
    assert_eq!((&run.record, &run.points), (&record, &vec![point]));
    let [curve] = run.curves.as_slice() else { panic!("{:?}", run.curves) };
    let near = |us: f64, expected: f64| (us / expected - 1.0).abs() < 0.01;
    assert_eq!(curve.cell, key);
    assert!(
        curve.points.iter().all(|(quantile, us)| near(*us, if *quantile <= 0.5 { 100.0 } else { 300.0 })),
        "merged"
    );
    // 2,000 values support a quantile with ten above it: 0.995.
    let last = curve.points.last().unwrap().0;
    assert!(last > 0.994 && last <= 0.995, "{last}");

    fs::write(directory.join("series.jsonl"), "{}\n").unwrap();
    let error = run::open(&directory).unwrap_err();
    assert!(error.to_string().contains("series.jsonl"), "{error}");
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_record_of_schema_1_gets_what_its_names_say() {
    let directory = std::env::temp_dir().join(format!("results-schema-1-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let mut record = record();
    record.metric = Metric::ClientCpu;
    record.cells.truncate(1);
    record.cells[0].key = String::new();
    record.cells[0].arm = "wrk on busy nginx".to_owned();
    fs::write(directory.join("record.json"), serde_json::to_string(&record).unwrap()).unwrap();
    let cell = run::read(&directory).unwrap().cells.remove(0);
    assert_eq!(cell.key, "echo-c64-rate20000-p1-wrk-on-busy-nginx");
    assert_eq!((cell.generator.as_str(), cell.server.as_str()), ("wrk", "busy nginx"));
    fs::remove_dir_all(&directory).unwrap();
}
