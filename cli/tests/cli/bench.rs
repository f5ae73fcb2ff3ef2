//! `c10m bench`.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use results::record::{Cell, Metric, Record, Role, VerdictState};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::{Server, c10m, eventually, finish, refuses, run};

/// A directory for results, removed when dropped.
struct Out(PathBuf);

impl Out {
    fn new(name: &str) -> Out {
        Out(std::env::temp_dir().join(format!("c10m-bench-{}-{name}", std::process::id())))
    }

    fn text(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }

    /// `bench smoke` in its longer form. The machine of a test is never quiet.
    fn smoke(&self, more: &[&str]) -> Command {
        let mut command = c10m(&["bench", "smoke", "--profile", "full", "--noisy", "--out", self.text()]);
        command.args(more);
        command
    }

    fn journal(&self) -> PathBuf {
        self.0.join(".smoke-full.unfinished/journal.jsonl")
    }

    /// The one published run.
    fn published(&self) -> PathBuf {
        let entries = fs::read_dir(&self.0).expect("readable").map(|entry| entry.expect("readable").path());
        // Beside it there may be a list of runs.
        let directories: Vec<PathBuf> = entries.filter(|path| !path.ends_with("README.md")).collect();
        let [directory] = directories.as_slice() else { panic!("{directories:?}") };
        directory.clone()
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        // A test that failed early has made nothing.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// On a busy machine every run may be INVALID, which is exit code 4; the files are written all the same.
fn is_complete(code: i32) -> bool {
    matches!(code, 0 | 4)
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Starts an experiment and interrupts it as soon as `count` more runs are in its journal. Returns what it said.
fn interrupted_after(out: &Out, count: usize, signal: Signal, more: &[&str]) -> String {
    let finished = || lines(&out.journal()).iter().filter(|line| line.starts_with("{\"run\"")).count();
    // One that has finished none is perhaps not ready for a signal.
    let before = finished();
    let mut child = out.smoke(more).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    eventually("a finished run", || finished() >= before + count);
    kill_process(Pid::from_child(&child), signal).expect("it runs");
    let mut said = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut said).expect("UTF-8");
    assert_eq!(child.wait().expect("it ran").code(), Some(1), "{said}");
    said
}

fn runs_of(record: &Record) -> Vec<(u32, &str, u32)> {
    let runs = |cell: &'_ results::record::Cell| cell.runs.len();
    assert!(record.cells.iter().all(|cell| {
        let starts = if cell.role == Role::Reference { 2 } else { 1 };
        runs(cell) == starts * record.design.blocks as usize
    }));
    let mut all: Vec<_> = record
        .cells
        .iter()
        .flat_map(|cell| cell.runs.iter().map(|run| (run.order, cell.key.as_str(), run.block)))
        .collect();
    all.sort_unstable();
    all
}

#[test]
fn the_list_explains_each_experiment() {
    let (code, stdout, _) = run(&["bench", "list"]);
    assert_eq!(code, 0);
    for name in ["quick", "generator", "agreement", "backends", "ladder", "peers", "churn", "uring", "c10m", "omission"]
    {
        assert!(stdout.contains(name), "{stdout}");
    }
    let (code, stdout, _) = run(&["bench", "list", "--json"]);
    let listed: Value = serde_json::from_str(&stdout).expect("one JSON document");
    assert_eq!((code, listed.as_array().map(Vec::len)), (0, Some(19)));
}

#[test]
fn what_cannot_be_run_is_refused() {
    refuses(&["bench", "fast"], 2, &["\"fast\"", "quick, generator"]);
    refuses(&["bench", "--seconds", "0"], 2, &["0.1"]);
    refuses(&["bench", "--seconds", "0.5"], 2, &["--seconds", "side by side", "--apart"]);
    refuses(&["bench", "backends", "--profile", "slow"], 2, &["slow", "quick", "full"]);
    refuses(&["bench", "generator", "--profile", "quick"], 2, &["only the profile full"]);
    refuses(&["bench", "quick", "--budget", "1s", "--repeats", "4"], 2, &["--budget", "--repeats"]);
    refuses(&["bench", "quick", "--profile", "full"], 2, &["only the profile quick"]);
    refuses(&["bench", "omission", "--profile", "quick"], 2, &["only the profile full"]);
    refuses(&["bench", "omission", "--noisy"], 2, &["--noisy"]);
}

#[test]
fn a_place_for_results_that_cannot_be_used_is_a_usage_error() {
    let out = Out::new("place");
    fs::write(&out.0, "a file").expect("writable");
    let below = format!("{}/below", out.text());
    for experiment in ["smoke", "omission", "c10m"] {
        for (place, words) in
            [(out.text(), "it is no directory"), (&below, "Not a directory"), ("/proc/c10m", "No such")]
        {
            refuses(
                &["bench", experiment, "--out", place],
                2,
                &[&format!("--out {place}: "), words, "name a directory"],
            );
        }
    }
    fs::remove_file(&out.0).expect("ours");
}

/// A whole experiment with a foreign generator, as short as it can be: its figures mean nothing, its files
/// must be complete.
#[test]
fn a_run_writes_record_report_and_histograms() {
    let out = Out::new("generator");
    let list = out.0.join("README.md");
    fs::create_dir(&out.0).and_then(|()| fs::write(&list, results::report::runs_list(vec![]))).expect("writable");
    let arguments = ["bench", "generator", "--repeats", "1", "--seconds", "0.3", "--seed", "7", "--noisy"];
    let (code, stdout, stderr) = finish(c10m(&arguments).args(["--out", out.text()]));
    assert!(is_complete(code), "{stderr}");
    assert!(stdout.contains("c10m load, epoll, http 64, epoll level"), "{stdout}");
    let directory = out.published();
    assert!(directory.to_string_lossy().ends_with("-generator"), "{directory:?}");
    let run = results::run::open(&directory).expect("a run that adds up");
    let record = &run.record;
    assert_eq!((record.seed, record.design.blocks, record.metric), (7, 1, Metric::ClientCpu));
    // On a busy machine 1,000 connections may complete nothing in so short a window; ours say so then.
    let runs = |is_own| {
        record.cells.iter().filter(move |cell| cell.arm.starts_with("c10m") == is_own).flat_map(|cell| &cell.runs)
    };
    assert!(runs(true).all(|run| run.completed > 0 || run.times == VerdictState::Invalid), "{record:?}");
    assert!([true, false].map(|is_own| runs(is_own).any(|run| run.completed > 0)) == [true; 2], "{record:?}");
    for (name, text) in results::report::render(record, &run.curves) {
        let written = fs::read(directory.join(&name)).expect("a file of the report");
        assert_eq!(written, text, "{name} is not that of the record");
    }
    // Times that are INVALID are in no histogram, and on a busy machine all may be.
    let has_times = |cell: &&Cell| cell.arm.starts_with("c10m") && cell.summary.times_invalid < cell.summary.starts;
    let own = record.cells.iter().filter(has_times).count();
    let logged = lines(&directory.join("latency.hlog")).iter().filter(|line| line.starts_with("Tag=")).count();
    assert_eq!(logged, own, "one line for each cell with a histogram");
    let list = fs::read_to_string(list).expect("a list");
    let name = directory.file_name().expect("a name").to_str().expect("UTF-8");
    assert!(list.contains(&format!("[generator]({name}/report.md)")), "where there is a list it has the run: {list}");
    // In so short a window on a busy machine, 1,000 connections answer little more than they took to open.
    let is_plain = |cell: &&Cell| cell.server == "epoll level" && cell.connections == 64;
    for run in record.cells.iter().filter(is_plain).flat_map(|cell| &cell.runs) {
        // A receive and a send, and a wait for some of them.
        assert!(run.syscalls_per_request.is_some_and(|calls| (1.9..4.0).contains(&calls)), "{run:?}");
    }
}

#[test]
fn an_interrupted_experiment_goes_on_where_it_stopped() {
    let out = Out::new("resumed");
    let said = interrupted_after(&out, 3, Signal::INT, &["--seed", "5"]);
    assert!(said.contains("interrupted; ") && said.contains("of 40 starts are finished"), "{said}");
    assert!(said.contains("goes on with the rest"), "{said}");
    let before = lines(&out.journal());
    // A second interruption, by the other signal, and a last line that a power cut tore.
    let said = interrupted_after(&out, 1, Signal::TERM, &[]);
    assert!(said.contains("seed 5: goes on after"), "{said}");
    assert!(lines(&out.journal()).starts_with(&before), "nothing that was finished is measured again");
    let torn = fs::read_to_string(out.journal()).expect("UTF-8") + "{\"run\":{\"cell\":\"echo";
    fs::write(out.journal(), torn).expect("writable");

    let (code, stdout, stderr) = finish(&mut out.smoke(&["--json"]));
    assert!(is_complete(code), "{stderr}");
    assert!(stderr.contains("torn"), "{stderr}");
    let directory = out.published();
    let record = results::run::open(&directory).expect("a run that adds up").record;
    let printed: Record = serde_json::from_str(&stdout).expect("one JSON document");
    assert_eq!((record.seed, record.resumed, &record.findings), (5, 2, &printed.findings));
    let runs = runs_of(&record);
    // Two loads, each with the reference twice, an arm and both controls; four blocks.
    assert_eq!(runs.iter().map(|run| run.0).collect::<Vec<_>>(), (0..40).collect::<Vec<_>>());
    // The second of two blocks is the mirror image of the first, load by load.
    for pair in [0, 20] {
        for load in [0, 5] {
            let first: Vec<&str> = runs[pair + load..pair + load + 5].iter().map(|run| run.1).collect();
            let mut second: Vec<&str> = runs[pair + 10 + load..pair + 15 + load].iter().map(|run| run.1).collect();
            second.reverse();
            assert_eq!(first, second);
        }
    }
    let series = fs::read(directory.join(results::run::SERIES)).expect("a table");
    let points: Vec<Interval> = results::columns::rows(&series).expect("rows");
    for (order, key, _) in runs {
        assert!(points.iter().any(|point| point.cell == key && point.order == order), "{key} {order}");
    }
    // On a busy machine a turn may be over before anything is answered.
    let took_time = |point: &Interval| point.counters_run_us.is_some_and(|us| us > 0.0 || point.completed == 0);
    assert!(points.iter().all(took_time) && points.iter().any(|point| point.completed > 0), "a turn took no CPU time");
}

/// A row of the series, as far as this test reads it.
#[derive(serde::Deserialize)]
struct Interval {
    cell: String,
    order: u32,
    completed: u64,
    counters_run_us: Option<f64>,
}

#[test]
fn a_journal_only_takes_what_belongs_to_it() {
    let out = Out::new("mismatch");
    interrupted_after(&out, 1, Signal::INT, &["--seed", "5"]);
    for (more, word) in [
        (&["--seed", "6"][..], "seed was 5 and is now 6"),
        (&["--repeats", "5"], "repeats was 4 and is now 5"),
        (&["--apart", "--seconds", "0.3"], "seconds was 0.2 and is now 0.3"),
    ] {
        let (code, stdout, stderr) = finish(&mut out.smoke(more));
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains(word) && stderr.contains("--fresh"), "{stderr}");
    }
    let (code, _, stderr) = finish(&mut out.smoke(&["--fresh", "--seed", "6", "--repeats", "1"]));
    assert!(is_complete(code), "{stderr}");
    let record: Record = results::run::read(&out.published()).expect("a record");
    assert_eq!((record.seed, record.resumed, record.design.blocks), (6, 0, 1));
}

#[test]
fn a_second_process_keeps_out() {
    let out = Out::new("locked");
    let mut first = out.smoke(&[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
    eventually("a journal", || out.journal().is_file());
    let (code, _, stderr) = finish(&mut out.smoke(&[]));
    kill_process(Pid::from_child(&first), Signal::TERM).expect("it runs");
    let ended = first.wait().expect("it ran").code();
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("another process runs this experiment"), "{stderr}");
    assert_eq!(ended, Some(1), "the first was still running");
}

/// A server that never starts is tried three times and then left out; the others are measured.
#[test]
fn an_arm_that_always_fails_is_left_out_with_the_reason() {
    let (out, programs) = (Out::new("failing"), Out::new("failing-programs"));
    fs::create_dir_all(&programs.0).expect("writable");
    let nginx = programs.0.join("nginx");
    let script =
        "#!/bin/sh\ncase $1 in -v|-V) echo 'nginx version: broken/1' >&2;; *) echo 'no licence' >&2; exit 1;; esac\n";
    fs::write(&nginx, script).expect("writable");
    fs::set_permissions(&nginx, fs::Permissions::from_mode(0o755)).expect("ours");
    let path = format!("{}:{}", programs.text(), std::env::var("PATH").expect("a path"));
    let arguments = ["bench", "generator", "--repeats", "1", "--seconds", "0.2", "--noisy", "--out", out.text()];
    let (code, _, stderr) = finish(c10m(&arguments).env("PATH", path));
    assert!(is_complete(code), "{stderr}");
    let record: Record = results::run::read(&out.published()).expect("a record");
    assert!(record.cells.iter().all(|cell| cell.server == "epoll level"), "{stderr}");
    assert!(!record.cells.is_empty());
    let left_out: Vec<&String> = record.skipped.iter().filter(|line| line.contains("failed 3 times")).collect();
    let failures = record.notes.iter().filter(|note| note.starts_with("A run failed: ")).count();
    assert!(left_out.iter().all(|line| line.contains("no licence")), "{left_out:?}");
    assert_eq!((left_out.len() > 1, failures), (true, 3 * left_out.len()), "{:?}", record.notes);
}

#[test]
fn a_busy_machine_is_refused_unless_told_otherwise() {
    let out = Out::new("busy");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let arguments = ["bench", "smoke", "--wait-max", "0s", "--out", out.text()];
        let (code, stdout, stderr) = finish(&mut c10m(&arguments));
        stop.store(true, Ordering::Relaxed);
        assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
        assert!(stderr.contains("did not begin the pilot") && stderr.contains("--noisy"), "{stderr}");
    });
}

/// What experiments rely on: connections that are closed by a reset leave nothing in TIME-WAIT.
#[test]
fn a_load_with_reset_closes_every_connection_by_one() {
    for engine in ["epoll", "io_uring"] {
        let server = Server::start(&["echo", "--reactors", "1"]);
        let target = format!("tcp://{}", server.address);
        let arguments = ["load", &target, "-c", "20", "-d", "100ms", "--warmup", "0s", "--engine", engine];
        let (code, _, stderr) = finish(c10m(&arguments).args(["--reset", "--json"]));
        assert!(is_complete(code), "{stderr}");
        let (code, account) = server.drain();
        assert_eq!((code, account["totals"]["closes"]["reset"].as_u64()), (0, Some(20)), "{engine}: {account}");
    }
}
