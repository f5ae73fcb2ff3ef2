//! `c10m load`: its files, its help and its live display.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::interchange::python_command;
use crate::program::{Server, c10m, finish, refuses, run};
use crate::scratch::Scratch;

#[test]
fn results_of_an_earlier_run_are_never_replaced() {
    let server = Server::start(&["echo"]);
    let target = format!("tcp://{}", server.address);
    let scratch = Scratch::new("again");
    let out = scratch.path("a/b");
    let arguments = ["load", target.as_str(), "-c", "3", "-d", "200ms", "--warmup", "0s", "--out", out.as_str()];
    let (code, _, stderr) = run(&arguments);
    assert!(code == 0 || code == 4, "{stderr}");
    let names = |path: &str| {
        let entries = fs::read_dir(path).expect("a directory");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("readable").file_name()).collect();
        names.sort();
        names
    };
    let before = names(&out);
    for name in ["record.json", "series.csv", "latency.hlog", "response.hgrm", "connect.hgrm"] {
        assert!(before.iter().any(|found| found == name), "no {name} in {before:?}");
    }
    let hidden = before.iter().filter(|name| name.to_string_lossy().starts_with('.')).count();
    assert_eq!(hidden, 0, "temporary files are left: {before:?}");
    let record = fs::read(Path::new(&out).join("record.json")).expect("written");

    refuses(&arguments, 2, &["--out", &out, "earlier run"]);
    assert_eq!(names(&out), before);
    assert_eq!(fs::read(Path::new(&out).join("record.json")).expect("still there"), record);
    assert_eq!(server.drain().1["totals"]["accepts"], 3, "the second run was refused before its first connect");
}

#[test]
fn a_place_that_cannot_be_written_is_refused_before_the_run() {
    let scratch = Scratch::new("file");
    let path = scratch.path("file");
    fs::write(&path, "").expect("writable");
    refuses(&["load", "tcp://127.0.0.1:1", "--out", &path], 2, &["--out", &path]);
    // What is wrong with the rest is said first, and leaves no directory behind.
    let path = scratch.path("new");
    refuses(&["load", "tcp://127.0.0.1:1", "-c", "0", "--out", &path], 2, &["--connections"]);
    assert!(!Path::new(&path).exists());
}

/// The directory vanishes while the run is under way, as a disk does that is full: exit code 1, and
/// the record on stdout all the same.
#[test]
fn a_record_that_cannot_be_written_is_printed() {
    for json in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let target = format!("tcp://{}", listener.local_addr().expect("bound"));
        let scratch = Scratch::new(&format!("vanished-{json}"));
        let out = scratch.path("out");
        let arguments =
            ["load", &target, "-c", "1", "-d", "200ms", "--warmup", "0s", "--timeout", "200ms", "--out", &out];
        let mut command = c10m(&arguments);
        command.args(json.then_some("--json")).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (connection, _) = listener.accept().expect("the run has begun");
        fs::remove_dir_all(&out).expect("it was made before");
        let (mut stdout, mut stderr) = (String::new(), String::new());
        child.stdout.take().expect("piped").read_to_string(&mut stdout).expect("UTF-8");
        child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("UTF-8");
        assert_eq!(child.wait().expect("it ran").code(), Some(1), "{stderr}");
        assert!(stderr.contains("cannot write") && stderr.contains(&out), "{stderr}");
        assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
        let last = stdout.lines().last().expect("lines");
        let record: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {stdout}"));
        assert_eq!(record["schema"], 1);
        assert_eq!(stdout.lines().count() == 1, json, "{stdout}");
        drop(connection);
    }
}

#[test]
fn help_is_in_groups_and_fits_60_columns() {
    let (code, stdout, _) = finish(c10m(&["load", "--help"]).env("COLUMNS", "60"));
    assert_eq!(code, 0);
    for line in stdout.lines() {
        assert!(line.chars().count() <= 60, "{line:?}");
    }
    let mut rest = stdout.as_str();
    for heading in
        ["Load", "Schedule", "Connections", "Requests", "Measurement", "Output", "Safety", "Examples", "Exit codes"]
    {
        let place = rest.find(&format!("\n{heading}:")).unwrap_or_else(|| panic!("no {heading} here: {rest}"));
        rest = &rest[place + 1..];
    }
    assert!(stdout.starts_with("Load a server"), "{stdout}");
}

/// Runs the program on a terminal of Python's making, which says that it has 0 columns; what it writes
/// is its stdout.
fn on_a_terminal(arguments: &[&str], terminal: &str) -> String {
    let mut command: Command = python_command();
    command.args(["-c", "import pty, sys; pty.spawn(sys.argv[1:])", env!("CARGO_BIN_EXE_c10m")]);
    command.args(arguments).env("TERM", terminal);
    let (code, stdout, stderr) = finish(&mut command);
    assert_eq!(code, 0, "{stderr}");
    stdout
}

#[test]
fn the_display_is_drawn_on_a_terminal_and_erased() {
    const ERASE: &str = "\r\x1b[J\r";
    let server = Server::start(&["echo"]);
    let target = format!("tcp://{}", server.address);
    let arguments = ["load", target.as_str(), "-r", "500", "-d", "1s", "--warmup", "0s"];
    let output = on_a_terminal(&arguments, "xterm");
    let (display, tables) = output.rsplit_once(ERASE).expect("it is erased");
    assert!(display.contains("measuring") && display.contains("open 10/10"), "{display:?}");
    assert!(tables.contains("response") && !tables.contains('\x1b'), "{tables:?}");
    // Nothing below the last drawing survives, and the cursor is never hidden.
    assert!(!output.contains("\x1b[?25l"), "{output:?}");

    let quiet = on_a_terminal(&[&arguments[..], &["--quiet"]].concat(), "xterm");
    let dumb = on_a_terminal(&arguments, "dumb");
    for output in [quiet, dumb] {
        assert!(!output.contains('\x1b') && output.contains("response"), "{output:?}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let server = Server::start(&["echo"]);
    let target = format!("tcp://{}", server.address);
    let mut command = c10m(&["load", &target, "-d", "300ms", "--warmup", "0s"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("UTF-8");
    let code = child.wait().expect("it ran").code();
    assert!(code == Some(0) || code == Some(4), "{code:?} {stderr}");
    assert_eq!(stderr, "");
}
