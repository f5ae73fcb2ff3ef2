//! `c10m report` and `c10m compare`.

use std::fs;
use std::path::{Path, PathBuf};

use results::record::Record;
use results::report::{find_readme_block, readme_block};
use serde_json::Value;

use crate::program::{refuses, run};
use crate::scratch::Scratch;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

/// The newest checked-in run of an experiment.
fn published(experiment: &str) -> PathBuf {
    let runs = fs::read_dir(root().join("results/runs")).expect("runs").map(|entry| entry.expect("readable").path());
    // The label follows the commit: `…-quick`, and not `…-c10m-quick`.
    let is_own = |run: &PathBuf| {
        let name = run.to_string_lossy();
        let commit = name.strip_suffix(&format!("-{experiment}")).and_then(|rest| rest.rsplit('-').next());
        commit.is_some_and(|commit| commit.len() == 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    runs.filter(is_own).max().unwrap_or_else(|| panic!("no run of {experiment}"))
}

/// All checked-in runs. What begins with a dot is a run under way.
fn published_runs() -> Vec<String> {
    let entries = fs::read_dir(root().join("results/runs")).expect("runs").map(|entry| entry.expect("readable"));
    let is_run =
        |entry: &fs::DirEntry| entry.path().is_dir() && !entry.file_name().as_encoded_bytes().starts_with(b".");
    entries.filter(is_run).map(|entry| entry.path().into_os_string().into_string().expect("UTF-8")).collect()
}

/// A published record, changed.
fn record(scratch: &Scratch, name: &str, change: impl Fn(&mut Record)) -> String {
    let mut record = results::run::read(&published("quick")).expect("a record");
    change(&mut record);
    scratch.run(name, &record)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("readable");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// What a reader sees first of the results is what the record says, today and after every change of the rules.
#[test]
fn the_results_show_what_their_record_says() {
    let docs = root().join("docs");
    let text = fs::read_to_string(docs.join("results.md")).expect("the results");
    let (named, block) = find_readme_block(&text).expect("a block of results");
    let record = results::run::read(&docs.join(named)).expect("the run that it names");
    assert_eq!(block, readme_block(&record, named), "run `c10m report {named} --readme` in docs/ and paste");
    assert_eq!(text.matches("<!-- results: ").count(), 1);
}

#[test]
fn every_published_run_can_be_rendered() {
    let scratch = Scratch::new("report-all");
    let runs = published_runs();
    let out = scratch.path("out");
    let mut arguments = vec!["report", "--json", "--out", &out];
    arguments.extend(runs.iter().map(String::as_str));
    let (code, stdout, stderr) = run(&arguments);
    assert_eq!(code, 0, "{stderr}");
    let json: Value = serde_json::from_str(&stdout).expect("one JSON document");
    let rendered = json["runs"].as_array().expect("runs");
    assert_eq!(rendered.len(), runs.len());
    for run in rendered {
        let directory = Path::new(run["directory"].as_str().expect("a directory"));
        let files: Vec<&str> = run["files"].as_array().expect("files").iter().filter_map(Value::as_str).collect();
        assert!(files.starts_with(&["report.md", "report.html"]) && files.len() > 2, "{run}");
        assert_eq!(names(directory).len(), files.len(), "nothing else is left: {run}");
        let page = fs::read_to_string(directory.join("report.html")).expect("a page");
        assert!(page.trim_end().ends_with("</html>") && page.contains("<svg"), "{run}");
    }
}

/// Whoever checks in a run, or changes how answers are worded, writes the list again.
#[test]
fn the_list_of_published_runs_is_that_of_their_records() {
    let scratch = Scratch::new("report-list");
    let runs = published_runs();
    for run in &runs {
        let name = Path::new(run).file_name().expect("a name").to_str().expect("UTF-8");
        std::os::unix::fs::symlink(run, scratch.path(name)).expect("new");
    }
    let directory = scratch.path("");
    let (code, stdout, stderr) = run(&["report", "--list", &directory, "--json"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let json: Value = serde_json::from_str(&stdout).expect("one JSON document");
    assert_eq!(json["runs"], runs.len());
    let list = fs::read_to_string(json["list"].as_str().expect("a path")).expect("a list");
    let checked_in = fs::read_to_string(root().join("results/runs/README.md")).expect("it is checked in");
    assert_eq!(list, checked_in, "run `c10m report --list results/runs` and commit what it writes");
    assert_eq!(list.matches("/report.md) | ").count(), runs.len());
}

#[test]
fn a_list_is_written_of_runs_alone_and_replaces_nothing_else() {
    let scratch = Scratch::new("report-list-other");
    let directory = scratch.path("");
    let list = || fs::read_to_string(scratch.path("README.md")).expect("a list");
    let evil = "a|b](http://h) <script>\n# h\u{1b}[2J";
    record(&scratch, "run (1)", |record| evil.clone_into(&mut record.question));
    record(&scratch, ".hidden", |_| ());
    fs::create_dir(scratch.path("empty")).expect("new");
    let (code, _, stderr) = run(&["report", "--list", &directory]);
    assert!(code == 0 && stderr.contains("with 1 runs"), "{stderr}");
    assert!(list().contains("[quick](run%20%281%29/report.md)"), "{}", list());
    assert!(!list().contains("](http") && !list().contains("\n# h") && !list().contains('\u{1b}'), "{}", list());

    // Written again it is the same; what somebody else wrote stays.
    let before = list();
    assert_eq!(run(&["report", "--list", &directory]).0, 0);
    assert_eq!(list(), before);
    fs::write(scratch.path("README.md"), "mine").expect("writable");
    refuses(&["report", "--list", &directory], 2, &["README.md is no list of runs"]);
    assert_eq!(list(), "mine");
    fs::remove_file(scratch.path("README.md")).expect("ours");
    fs::write(scratch.path("run (1)/record.json"), "{").expect("writable");
    refuses(&["report", "--list", &directory], 1, &["record.json"]);
    refuses(&["report", "--list", &scratch.path("none")], 2, &["--list"]);
    refuses(&["report", "--list", &directory, "--readme"], 2, &["--readme"]);
    assert!(!Path::new(&scratch.path("README.md")).exists());
}

#[test]
fn a_report_replaces_the_one_beside_its_record() {
    let scratch = Scratch::new("report-again");
    let directory = record(&scratch, "run", |_| ());
    fs::write(format!("{directory}/report.md"), "old").expect("writable");
    let (code, stdout, stderr) = run(&["report", &directory]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("epoll level") && stdout.contains("Core CPU per request of each arm"), "{stdout}");
    let text = fs::read_to_string(format!("{directory}/report.md")).expect("a report");
    assert!(text.starts_with("# quick\n") && text.contains("](ratios.svg)"), "{text}");
    let found = names(Path::new(&directory));
    assert!(found.contains(&"ratios.svg".to_owned()) && found.contains(&"record.json".to_owned()), "{found:?}");
    assert!(!found.iter().any(|name| name.starts_with('.')), "{found:?}");

    let (code, block, _) = run(&["report", &directory, "--readme"]);
    assert_eq!(code, 0);
    assert!(block.starts_with(&format!("<!-- results: {directory} -->\n")) && block.ends_with("<!-- /results -->\n"));
}

#[test]
fn what_is_no_run_is_refused() {
    let scratch = Scratch::new("report-none");
    let empty = scratch.path("");
    refuses(&["report", &empty], 2, &["no record.json", "c10m bench"]);
    refuses(&["report"], 2, &["RUN"]);
    fs::write(scratch.path("record.json"), "{").expect("writable");
    refuses(&["report", &empty], 1, &["record"]);
    refuses(&["compare", &empty, &empty], 1, &["is no record"]);
    fs::write(scratch.path("record.json"), "{}").expect("writable");
    refuses(&["compare", &empty, &empty], 2, &["neither a run of"]);
}

#[test]
fn alike_runs_are_compared_cell_by_cell() {
    let scratch = Scratch::new("report-compare");
    let first = record(&scratch, "first", |_| ());
    let slower = |record: &mut Record| {
        for run in record.cells.iter_mut().flat_map(|cell| &mut cell.runs) {
            run.server_core_us_per_request = run.server_core_us_per_request.map(|us| us * 20.0);
        }
    };
    let second = record(&scratch, "second", slower);
    let (code, stdout, stderr) = run(&["compare", &first, &second, "--json"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let json: Value = serde_json::from_str(&stdout).expect("one JSON document");
    let cells = json["cells"].as_array().expect("cells");
    let ratio = |cell: &Value| cell["comparison"]["ratio"].as_f64().expect("a ratio");
    assert!(cells.len() > 20 && cells.iter().all(|cell| (ratio(cell) - 20.0).abs() < 1e-6), "{stdout}");
    // Three repeats of a noisy host do not decide every cell, not even at twenty times as much.
    let worse = cells.iter().filter(|cell| cell["comparison"]["judgement"] == "worse").count();
    assert!(worse * 10 > cells.len() * 9, "{worse} of {}", cells.len());
    let (code, stdout, _) = run(&["compare", &format!("{first}/record.json"), &first]);
    assert_eq!(code, 0);
    for part in ["second over first", "0 better, 0 worse", "different times", "1.000"] {
        assert!(stdout.contains(part), "{part} is missing from {stdout}");
    }
    let invalid = record(&scratch, "invalid", |record| {
        let runs = record.cells.iter_mut().flat_map(|cell| &mut cell.runs);
        runs.for_each(|run| {
            (run.verdict.state, run.verdict.times_only) = (results::record::VerdictState::Invalid, false);
        });
    });
    let (code, _, stderr) = run(&["compare", &first, &invalid]);
    assert_eq!(code, 4, "{stderr}");
}

#[test]
fn runs_that_differ_are_not_compared() {
    let scratch = Scratch::new("report-differ");
    let first = record(&scratch, "first", |_| ());
    let other = published("baseline").to_str().expect("UTF-8").to_owned();
    refuses(&["compare", &first, &other], 2, &["not comparable", "experiment: quick against baseline"]);
    let omission = published("omission").to_str().expect("UTF-8").to_owned();
    refuses(&["compare", &first, &omission], 2, &["neither a run of"]);
    let longer = record(&scratch, "longer", |record| record.seconds_per_run = 60.0);
    refuses(&["compare", &first, &longer, "--despite", "curious"], 2, &["seconds per run"]);

    let moved = record(&scratch, "moved", |record| record.host["kernel"]["release"] = "9.9".into());
    refuses(&["compare", &first, &moved], 2, &["different hosts", "kernel: ", "9.9", "--despite REASON"]);
    refuses(&["compare", &first, &moved, "--despite", " "], 2, &["needs a reason"]);
    refuses(&["compare", &first, &first, "--despite", "why"], 2, &["of one"]);
    let (code, stdout, stderr) = run(&["compare", &first, &moved, "--despite", "a new kernel"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("WARNING") && stderr.contains("kernel: a new kernel"), "{stderr}");
    assert!(stdout.contains("second over first"), "{stdout}");
}

/// One run each: figures, and no claim.
#[test]
fn two_loads_are_put_side_by_side() {
    let scratch = Scratch::new("report-loads");
    let server = crate::program::Server::start(&["echo", "--reactors", "1"]);
    let target = format!("tcp://{}", server.address);
    let mut outs = Vec::new();
    for name in ["a", "b"] {
        let out = scratch.path(name);
        let (code, _, stderr) =
            run(&["load", &target, "-c", "4", "--rate", "500", "-d", "300ms", "--out", &out, "--json"]);
        assert!(code == 0 || code == 4, "{stderr}");
        outs.push(out);
    }
    let (code, stdout, stderr) = run(&["compare", &outs[0], &outs[1], "--json"]);
    assert!(code == 0 || (code == 4 && stderr.contains("INVALID")), "{code} {stderr}");
    let json: Value = serde_json::from_str(&stdout).expect("one JSON document");
    assert_eq!(json["judgement"], "inconclusive");
    assert!(json["figures"][0]["ratio"].as_f64().expect("both completed requests") > 0.0, "{stdout}");
    let run_of_bench = record(&scratch, "bench", |_| ());
    refuses(&["compare", &outs[0], &run_of_bench], 2, &["two of a kind"]);
}
