//! `c10m null-server`, and the comparison of load generators that needs it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::{PATIENCE, c10m, eventually, finish, full_pipe, refuses, run};

#[test]
fn it_announces_itself_serves_and_accounts_for_it() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut command = c10m(&["null-server", "http", "--stall", "50ms", "--every", "100ms"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        let ready: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(ready["event"], "ready");
        let mut stream = TcpStream::connect(ready["address"].as_str().expect("an address")).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        for _ in 0..3 {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("connected");
            let mut reply = [0; 12];
            stream.read_exact(&mut reply).expect("a reply");
            assert_eq!(&reply, b"HTTP/1.1 200");
            // The rest of it, which comes along with its beginning.
            assert!(stream.read(&mut [0; 1024]).expect("the rest") > 0);
        }
        // Longer than a period: at least one stall is over, unless this machine paused the server.
        std::thread::sleep(std::time::Duration::from_millis(250));
        kill_process(Pid::from_child(&child), signal).expect("it runs");
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).expect("UTF-8");
        let exit: Value = serde_json::from_str(rest.trim()).expect("one line of JSON");
        assert_eq!((&exit["event"], exit["requests"].as_u64()), (&Value::from("exit"), Some(3)));
        for stall in exit["stalls"].as_array().expect("a list") {
            assert!(stall[0].as_u64() < stall[1].as_u64(), "{stall}");
        }
        assert!(child.wait().expect("it ended").success());
    }
}

#[test]
fn it_ends_by_itself_and_refuses_nonsense() {
    let (code, stdout, _) = run(&["null-server", "echo", "--for", "50ms"]);
    assert_eq!((code, stdout.lines().count()), (0, 2), "{stdout}");
    let full = fs::File::options().write(true).open("/dev/full").expect("every Linux has it");
    let lost = c10m(&["null-server", "echo", "--for", "50ms"]).stdout(full).output().expect("the program starts");
    let said = String::from_utf8(lost.stderr).expect("UTF-8");
    assert_eq!(lost.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write the account to stdout: No space left"), "{said}");
    refuses(&["null-server", "http", "--stall", "2s"], 2, &["2s", "1s"]);
    refuses(&["null-server", "http", "--for", "0s"], 2, &["--for"]);
    refuses(&["null-server", "sockperf", "--message-len", "3"], 2, &["14"]);
    let (_, help, _) = run(&["--help"]);
    assert!(!help.contains("null-server"), "it is for experiments only: {help}");
}

/// The announcement waits in a full pipe; neither a signal nor the end of its life may wait behind it.
#[test]
fn a_reader_that_does_not_read_holds_up_no_end() {
    for (life, signal) in [("1h", Some(Signal::TERM)), ("50ms", None)] {
        let (reader, writer) = full_pipe();
        // An address of this process, because the port cannot be read.
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        let address = SocketAddr::from(([127, 64 + high % 64, middle, low], 20_777));
        let mut command = c10m(&["null-server", "echo", "--for", life, "--listen", &address.to_string()]);
        let mut child = command.stdout(writer).stderr(Stdio::piped()).spawn().expect("the program starts");
        if let Some(signal) = signal {
            eventually("a server that listens", || TcpStream::connect(address).is_ok());
            kill_process(Pid::from_child(&child), signal).expect("it runs");
        }
        eventually("the end", || child.try_wait().expect("ours").is_some());
        let output = child.wait_with_output().expect("it ended");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot write the account to stdout: nobody reads it"), "{said}");
        drop(reader);
    }
}

/// Tools that an empty PATH does not hide: what `scripts/generators.sh` builds is oha, which is compared in two ways.
fn built_tools() -> usize {
    let oha = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/bin/oha");
    if Path::new(oha).is_file() { 2 } else { 0 }
}

/// Without other tools, as on a fresh machine: what is missing is named, the rest is compared. The
/// figures of one second mean nothing.
#[test]
fn the_comparison_leaves_out_what_is_not_installed() {
    let base = std::env::temp_dir().join(format!("c10m-omission-{}", std::process::id()));
    let out = base.join("runs");
    let out_text = out.to_str().expect("UTF-8");
    let arguments = ["bench", "omission", "--repeats", "1", "--seconds", "1", "--seed", "7", "--out", out_text];
    let (code, stdout, stderr) = finish(c10m(&arguments).env("PATH", ""));
    assert_eq!(code, 0, "{stderr}");
    for part in ["the truth", "c10m load, constant", "Reported / true"] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    let directories: Vec<_> =
        fs::read_dir(&out).expect("the base").map(|entry| entry.expect("readable").path()).collect();
    let [directory] = directories.as_slice() else { panic!("{directories:?}") };
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let record: Value = serde_json::from_str(&read("record.json")).expect("JSON");
    assert_eq!((record["seed"].as_u64(), &record["experiment"]), (Some(7), &Value::from("omission")));
    let arms = record["arms"].as_array().expect("arms");
    let (there, skipped) = (3 + built_tools(), 9 - built_tools());
    assert_eq!(
        (arms.len(), record["skipped"].as_array().map(Vec::len)),
        (there, Some(skipped)),
        "{}",
        record["skipped"]
    );
    for arm in arms {
        let run = &arm["runs"][0];
        assert!(run["reported"]["requests"].as_u64() > Some(0), "{run}");
        assert!(run["served"].as_u64() >= run["reported"]["requests"].as_u64(), "{run}");
    }
    let (report, svg) = (read("report.md"), read("omission.svg"));
    assert!(report.contains("](omission.svg)") && report.contains("wrk is not installed"), "{report}");
    assert!(svg.starts_with("<svg") && svg.contains("c10m load, Poisson"), "{svg}");
    for name in ["constant", "poisson", "closed"] {
        assert!(read(&format!("c10m-load-{name}.hgrm")).contains("#[Max"), "{name}");
    }
    fs::remove_dir_all(base).expect("ours");
}

#[test]
fn an_interrupted_comparison_goes_on_where_it_stopped() {
    let base = std::env::temp_dir().join(format!("c10m-omission-again-{}", std::process::id()));
    let out = base.to_str().expect("UTF-8");
    let arguments = ["bench", "omission", "--repeats", "2", "--seconds", "1", "--out", out];
    let child = c10m(&[&arguments[..], &["--seed", "7"]].concat())
        .env("PATH", "")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let journal = base.join(".omission-full.unfinished/journal.jsonl");
    let lines = || fs::read_to_string(&journal).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
    let start = Instant::now();
    while lines().len() < 2 {
        assert!(start.elapsed() < PATIENCE, "no run was finished");
        std::thread::sleep(Duration::from_millis(10));
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    let ended = child.wait_with_output().expect("ours");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    let runs = 2 * (3 + built_tools() as u64);
    assert!(said.contains(&format!("of {runs} runs are finished and kept")) && said.contains("goes on"), "{said}");
    let before = lines();

    // The seed is that of the first part.
    let (code, stdout, stderr) = finish(c10m(&[&arguments[..], &["--json"]].concat()).env("PATH", ""));
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains(&format!("seed 7: goes on after {} that are finished", before.len() - 1)), "{stderr}");
    let record: Value = serde_json::from_str(&stdout).expect("one JSON document");
    let arms = record["arms"].as_array().expect("arms");
    let mut orders: Vec<u64> = Vec::new();
    for run in arms.iter().flat_map(|arm| arm["runs"].as_array().expect("runs")) {
        orders.push(run["order"].as_u64().expect("a number"));
    }
    orders.sort_unstable();
    assert_eq!(orders, (0..runs).collect::<Vec<_>>(), "each is run once");
    assert!(!journal.exists(), "the results are where they belong");
    fs::remove_dir_all(base).expect("ours");
}
