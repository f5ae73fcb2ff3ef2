//! `c10m report` and `c10m compare`.

use std::fs;
use std::path::{Path, PathBuf};

use results::judged::Judged;
use results::record::{Record, RunOfCell, Summary, VerdictState};
use results::report::{find_readme_block, readme_block};
use serde_json::Value;

use crate::program::{refuses, run};
use crate::scratch::{Scratch, published};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
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
    scratch.comparison(name, &record)
}

/// The same with other starts.
fn with_starts(scratch: &Scratch, name: &str, change: impl Fn(&mut RunOfCell)) -> String {
    let run = results::run::open(&published("quick")).expect("a run");
    let mut record = run.record;
    record.cells.iter_mut().flat_map(|cell| &mut cell.runs).for_each(change);
    for cell in &mut record.cells {
        let quantiles = (cell.summary.p50_us, cell.summary.p99_us, cell.summary.p99_9_us);
        cell.summary = Summary::of(&cell.runs, None);
        (cell.summary.p50_us, cell.summary.p99_us, cell.summary.p99_9_us) = quantiles;
    }
    record.findings = Judged::of(&record).findings;
    let directory = scratch.comparison(name, &record);
    let starts: Vec<RunOfCell> = record.cells.iter().flat_map(|cell| cell.runs.clone()).collect();
    let table = results::columns::file(&["cell"], &starts).expect("a table");
    fs::write(format!("{directory}/{}", results::run::RUNS), table).expect("writable");
    directory
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
    let record = results::run::open(&docs.join(named)).expect("the run that it names").record;
    assert_eq!(block, readme_block(&record, named), "run `c10m report {named} --readme` in docs/ and paste");
    assert_eq!(text.matches("<!-- results: ").count(), 1);
}

#[test]
fn every_published_run_can_be_rendered_as_it_was() {
    let scratch = Scratch::new("report-all");
    let runs = published_runs();
    assert!(runs.len() >= 5, "{runs:?}");
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
        let text = fs::read_to_string(directory.join("report.md")).expect("a text");
        let words = text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count();
        assert!(words <= 1500, "{words} words, which nobody reads: {run}");
        let published = Path::new(run["run"].as_str().expect("a path"));
        for file in files {
            let [now, then] = [directory, published].map(|place| fs::read(place.join(file)).expect("a file"));
            assert!(now == then, "{file} of {run} is not what its record gives");
        }
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
    assert!(stdout.contains("epoll level") && stdout.contains("Server CPU per request"), "{stdout}");
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

/// Twenty times as much in everything is the host's; twice as much in one arm is that arm's.
#[test]
fn alike_runs_are_compared_by_their_ratios() {
    let scratch = Scratch::new("report-compare");
    let first = record(&scratch, "first", |_| ());
    let scaled = |factor: f64, arm: &'static str| {
        move |run: &mut RunOfCell| {
            if run.cell.ends_with(arm) {
                run.server_run_us_per_request = run.server_run_us_per_request.map(|us| us * factor);
            }
        }
    };
    let second = with_starts(&scratch, "second", scaled(20.0, ""));
    let (code, stdout, stderr) = run(&["compare", &first, &second, "--json"]);
    assert!(code == 0 || code == 4, "{stderr}");
    let json: Value = serde_json::from_str(&stdout).expect("one JSON document");
    let arms = json["arms"].as_array().expect("arms");
    let ratio = |arm: &Value| arm["change"]["ratio"].as_f64().expect("a ratio");
    assert!(arms.len() > 10 && arms.iter().all(|arm| (ratio(arm) - 1.0).abs() < 1e-6), "{stdout}");
    let dearer = with_starts(&scratch, "dearer", scaled(2.0, "mio-edge"));
    let (_, stdout, _) = run(&["compare", &first, &dearer, "--json"]);
    let json: Value = serde_json::from_str(&stdout).expect("one JSON document");
    for arm in json["arms"].as_array().expect("arms").iter().filter(|arm| arm["load"].is_null()) {
        let is_dearer = arm["change"]["finding"] == "dearer";
        assert_eq!(is_dearer, arm["arm"] == "mio edge", "{arm}");
    }
    let (_, stdout, _) = run(&["compare", &format!("{first}/record.json"), &first]);
    for part in ["all loads together", "0 cheaper, 0 dearer", "ratio to the reference", "1.000"] {
        assert!(stdout.contains(part), "{part} is missing from {stdout}");
    }
    let invalid = with_starts(&scratch, "invalid", |run| run.cpu = VerdictState::Invalid);
    let (code, _, stderr) = run(&["compare", &first, &invalid]);
    assert_eq!(code, 4, "{stderr}");
}

#[test]
fn runs_that_differ_are_not_compared() {
    let scratch = Scratch::new("report-differ");
    let first = record(&scratch, "first", |_| ());
    let other = record(&scratch, "other", |record| record.experiment = "churn".into());
    refuses(&["compare", &first, &other], 2, &["not comparable", "experiment: quick against churn"]);
    let omission = published("omission").to_str().expect("UTF-8").to_owned();
    refuses(&["compare", &first, &omission], 2, &["neither a run of"]);
    let longer = record(&scratch, "longer", |record| record.design.seconds_per_run = 60.0);
    refuses(&["compare", &first, &longer, "--despite", "curious"], 2, &["seconds per run"]);

    let moved = record(&scratch, "moved", |record| record.host["kernel"]["release"] = "9.9".into());
    refuses(&["compare", &first, &moved], 2, &["different hosts", "kernel: ", "9.9", "--despite REASON"]);
    refuses(&["compare", &first, &moved, "--despite", " "], 2, &["needs a reason"]);
    refuses(&["compare", &first, &first, "--despite", "why"], 2, &["of one"]);
    let (code, stdout, stderr) = run(&["compare", &first, &moved, "--despite", "a new kernel"]);
    assert!(code == 0 || code == 4, "{stderr}");
    assert!(stderr.contains("WARNING") && stderr.contains("kernel: a new kernel"), "{stderr}");
    assert!(stdout.contains("all loads together"), "{stdout}");
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
