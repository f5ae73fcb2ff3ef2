//! Records survive JSON and their tables, run directories replace nothing and are read back whole or not at all.

mod sample;

use std::fs;
use std::path::{Path, PathBuf};

use results::histogram::Latencies;
use results::record::{Record, RunOfCell, Summary, Turns, VerdictState};
use results::run::{self, NamedFile};
use results::{columns, hlog};
use sample::{record, start};

/// A directory of its own for each test, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        Scratch(std::env::temp_dir().join(format!("results-{name}-{}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn runs(record: &Record) -> Vec<RunOfCell> {
    record.cells.iter().flat_map(|cell| cell.runs.clone()).collect()
}

/// The files of a run, with response times for the first cell.
fn files(record: &mut Record) -> Vec<NamedFile> {
    let mut latencies = Latencies::new();
    latencies.record(100_000, 1500).unwrap();
    latencies.record(300_000, 500).unwrap();
    let cell = &mut record.cells[0];
    cell.summary = Summary::of(&cell.runs, Some(&latencies));
    let encoded = latencies.encode().unwrap();
    let line = hlog::Line { tag: &cell.key, start_us: 0, duration_us: 1, max_ns: 1, encoded: &encoded };
    let log = hlog::text(0, [line]);
    vec![
        ("record.json".to_owned(), serde_json::to_vec(record).unwrap()),
        (run::RUNS.to_owned(), columns::file(&["cell"], &runs(record)).unwrap()),
        (run::LATENCIES.to_owned(), log.into_bytes()),
    ]
}

#[test]
fn turns_of_one_length_are_read_as_they_were_once_written() {
    let mut record = record();
    let turns = Turns { rounds: 8, window_s: 0.025, loads: vec!["echo × 64 closed".to_owned()] };
    record.design.turns = vec![turns.clone()];
    let mut json = serde_json::to_value(&record).unwrap();
    let read = |json: &serde_json::Value| serde_json::from_value::<Record>(json.clone()).map(|read| read.design.turns);
    assert_eq!(read(&json).unwrap(), vec![turns.clone()]);
    json["design"]["turns"] = serde_json::to_value(&turns).unwrap();
    assert_eq!(read(&json).unwrap(), [turns]);
    json["design"]["turns"] = serde_json::Value::Null;
    assert_eq!(read(&json).unwrap(), []);
    json["design"]["turns"] = 8.into();
    assert!(read(&json).is_err());
}

#[test]
fn a_record_survives_json_and_its_starts_their_table() {
    let record = record();
    let text = serde_json::to_string(&record).unwrap();
    let mut read: Record = run::of_json(serde_json::from_str(&text).unwrap()).unwrap();
    assert!(read.cells.iter().all(|cell| cell.runs.is_empty()), "the starts are not in the document");
    let table = columns::file(&["cell"], &runs(&record)).unwrap();
    run::fill_in(&mut read, columns::rows(&table).unwrap());
    assert_eq!(read, record);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (pointer, expected) in [
        ("/cells/0/loop", serde_json::json!("closed")),
        ("/cells/0/role", serde_json::json!("reference")),
        ("/cells/0/summary/p99_9_us", serde_json::json!(null)),
        ("/cells/6/handicap_ns", serde_json::json!(200)),
        ("/findings/pooled/0/finding", serde_json::json!("cheaper")),
    ] {
        assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}");
    }
}

#[test]
fn summaries_leave_out_what_a_start_lacks() {
    let mut runs = vec![start("a", 0, 0, 6.0), start("a", 1, 1, 5.0), start("a", 2, 2, 9.0)];
    runs[1].syscalls_per_request = None;
    runs[2].syscalls_per_request = Some(f64::INFINITY);
    (runs[0].repeated, runs[1].is_disturbed, runs[2].cpu) = (2, true, VerdictState::Invalid);
    runs[1].served_whole_run = Some(1);
    let mut responses = Latencies::new();
    responses.record(2_000_000, 1000).unwrap();
    let summary = Summary::of(&runs, Some(&responses));
    let cost = summary.server_run_us_per_request.unwrap();
    assert_eq!((cost.median, cost.min, cost.max, cost.count), (6.0, 5.0, 9.0, 3));
    assert_eq!(summary.syscalls_per_request.unwrap().count, 1);
    assert_eq!(summary.enters_per_request, None);
    assert_eq!((summary.starts, summary.repeated, summary.disturbed, summary.invalid), (3, 2, 1, 1));
    assert_eq!((summary.counts_equal, summary.counts_both, summary.times_invalid), (2, 3, 0));
    assert!((summary.p99_us.unwrap() - 2000.0).abs() < 2.0);
    assert_eq!(summary.p99_9_us, None, "1,000 values do not support p99.9");
    assert_eq!(Summary::of(&[], None), Summary::default());
}

#[test]
fn a_run_directory_replaces_nothing() {
    let scratch = Scratch::new("runs");
    let files = files(&mut record());
    let name = "2026-10-03-vm-abcdef1-echo";
    let paths: Vec<_> = (0..3).map(|_| run::write_files(&scratch.0, name, &files).unwrap()).collect();
    let mut names: Vec<String> =
        fs::read_dir(&scratch.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, [name.to_owned(), format!("{name}-2"), format!("{name}-3")]);
    assert_eq!(paths[1], scratch.0.join(&names[1]));
    // Two files of one name: nothing is published and nothing is left over.
    let twice = vec![files[0].clone(), files[0].clone()];
    assert!(run::write_files(&scratch.0, "collision", &twice).is_err());
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 3);
}

#[test]
fn a_directory_is_read_back_whole() {
    let scratch = Scratch::new("open");
    let mut record = record();
    let directory = run::write_files(&scratch.0, "run", &files(&mut record)).unwrap();
    let run = run::open(&directory).unwrap();
    assert_eq!(run.record, record);
    let [curve] = run.curves.as_slice() else { panic!("{:?}", run.curves) };
    let near = |us: f64, expected: f64| (us / expected - 1.0).abs() < 0.01;
    assert_eq!(curve.cell, record.cells[0].key);
    assert!(curve.points.iter().all(|(quantile, us)| near(*us, if *quantile <= 0.75 { 100.0 } else { 300.0 })));
    // 2,000 values support a quantile with ten above it: 0.995.
    let last = curve.points.last().unwrap().0;
    assert!(last > 0.994 && last <= 0.995, "{last}");
}

/// A figure that the files beside a record do not give is not published.
#[test]
fn a_record_that_its_files_do_not_add_up_to_is_refused() {
    let whole = |name: &str| {
        let scratch = Scratch::new(name);
        let directory = run::write_files(&scratch.0, "run", &files(&mut record())).unwrap();
        (scratch, directory)
    };
    let refused = |directory: &Path, word: &str| {
        let error = run::open(directory).expect_err(word).to_string();
        assert!(error.contains(word), "{error}");
    };
    let (_scratch, directory) = whole("lost");
    fs::remove_file(directory.join(run::RUNS)).unwrap();
    refused(&directory, run::RUNS);
    let (_scratch, directory) = whole("changed");
    let mut changed = record();
    changed.cells[1].runs[4].server_run_us_per_request = Some(7.0);
    fs::write(directory.join(run::RUNS), columns::file(&["cell"], &runs(&changed)).unwrap()).unwrap();
    refused(&directory, "do not add up");
    let (_scratch, directory) = whole("torn");
    fs::write(directory.join(run::LATENCIES), "Tag=a\n").unwrap();
    refused(&directory, run::LATENCIES);
    let (_scratch, directory) = whole("without-times");
    fs::remove_file(directory.join(run::LATENCIES)).unwrap();
    refused(&directory, "do not add up");
}

#[test]
fn older_and_newer_schemas_are_named() {
    for (schema, words) in [(2, "c10m of the commit that it names"), (4, "its schema is 4")] {
        let mut document = serde_json::to_value(record()).unwrap();
        document["schema"] = schema.into();
        let error = run::of_json(document).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let mut document = serde_json::to_value(record()).unwrap();
    document["cells"][0]["key"] = "../x".into();
    assert!(run::of_json(document).unwrap_err().to_string().contains("key"));
}
