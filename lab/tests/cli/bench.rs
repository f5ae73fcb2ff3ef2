//! `c10m bench`.

use std::fs;

use results::record::{Metric, Record};

use crate::program::{c10m, finish, refuses, run};

#[test]
fn the_list_explains_each_experiment() {
    let (code, stdout, _) = run(&["bench", "list"]);
    assert_eq!(code, 0);
    for name in ["quick", "baseline", "generator", "agreement", "omission"] {
        assert!(stdout.contains(name), "{stdout}");
    }
    refuses(&["bench", "fast"], 2, &["\"fast\"", "quick, baseline, generator"]);
    refuses(&["bench", "--seconds", "0"], 2, &["0.1"]);
}

/// A whole experiment, as short as it can be: its figures mean nothing, its files must be complete.
#[test]
fn a_run_writes_record_report_and_histograms() {
    let base = std::env::temp_dir().join(format!("c10m-bench-{}", std::process::id()));
    let out = base.join("runs");
    let out_text = out.to_str().expect("UTF-8");
    let arguments = ["bench", "generator", "--repeats", "1", "--seconds", "0.3", "--seed", "7", "--out", out_text];
    let (code, stdout, stderr) = finish(&mut c10m(&arguments));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("c10m load, epoll on epoll level"), "{stdout}");
    let directories: Vec<_> =
        fs::read_dir(&out).expect("the base").map(|entry| entry.expect("readable").path()).collect();
    let [directory] = directories.as_slice() else { panic!("{directories:?}") };
    assert!(directory.to_string_lossy().ends_with("-generator"), "{directory:?}");
    let record: Record = results::run::read(directory).expect("a record");
    assert_eq!((record.seed, record.repeats, record.metric), (7, 1, Metric::ClientCpu));
    assert!(record.cells.iter().all(|cell| cell.runs.len() == 1 && cell.runs[0].completed > 0));
    let report = fs::read_to_string(directory.join("report.md")).expect("a report");
    assert_eq!(report, results::report::markdown(&record), "the report is not that of the record");
    let curves = fs::read_dir(directory).expect("readable").filter(|entry| {
        entry.as_ref().expect("readable").path().extension().is_some_and(|extension| extension == "hgrm")
    });
    let own = record.cells.iter().filter(|cell| cell.arm.starts_with("c10m")).count();
    assert_eq!(curves.count(), own, "one curve for each cell with a histogram");
    fs::remove_dir_all(base).expect("ours");
}
