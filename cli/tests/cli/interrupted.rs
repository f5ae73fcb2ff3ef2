//! `c10m load` that is ended before its time, or has next to no time: it says so, and draws no figure from it.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::{Server, c10m, eventually, run};

/// A load that ends with its test, whatever becomes of that.
struct Load(Child);

impl Drop for Load {
    fn drop(&mut self) {
        // Errors mean that it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(arguments: &[&str]) -> Load {
    let mut command = c10m(&[&["load"], arguments].concat());
    Load(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts"))
}

/// Exit code and stdout after the signal; stderr stays empty.
fn interrupt(mut load: Load, signal: Signal) -> (Option<i32>, String) {
    let child = &mut load.0;
    let (stdout, stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    // Read while it ends: a record is longer than a pipe.
    let [stdout, stderr] = [thread::spawn(|| text(stdout)), thread::spawn(|| text(stderr))];
    kill_process(Pid::from_child(child), signal).expect("it runs");
    eventually("the end", || child.try_wait().expect("ours").is_some());
    let code = child.wait().expect("it ended").code();
    assert_eq!(stderr.join().expect("no panic"), "");
    (code, stdout.join().expect("no panic"))
}

fn text(mut stream: impl Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("UTF-8");
    text
}

/// A server that tells ten times a second how it is loaded.
fn serve() -> Server {
    Server::start(&["http", "--stats", "100ms"])
}

/// The load has gone on for a tenth of a second when two lines in a row tell of requests.
fn wait_for_load(server: &mut Server) {
    let mut lines = 0;
    while lines < 2 {
        lines = if server.line()["requests_per_s"].as_f64() > Some(0.0) { lines + 1 } else { 0 };
    }
}

fn wait_for_thread(load: &Load, name: &str) {
    let tasks = format!("/proc/{}/task", load.0.id());
    eventually(name, || {
        let tasks = fs::read_dir(&tasks).expect("it runs");
        tasks
            .flatten()
            .any(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name))
    });
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn checks(record: &Value) -> &[Value] {
    record["verdict"]["checks"].as_array().expect("checks")
}

#[test]
fn a_window_that_was_cut_short_says_after_how_long() {
    let mut server = serve();
    let target = format!("http://{}", server.address);
    let load = [target.as_str(), "-d", "500s", "--warmup", "0s"];
    let child = start(&load);
    wait_for_load(&mut server);
    let (code, text) = interrupt(child, Signal::INT);
    assert_eq!(code, Some(1), "{text}");
    let verdict = text.lines().find(|line| line.starts_with("verdict ")).expect("a verdict");
    assert!(verdict.contains(", interrupted after ") && verdict.ends_with(" of 500 s"), "{text}");

    let mut server = serve();
    let child = start(&[&["--json", &format!("http://{}", server.address)], &load[1..]].concat());
    wait_for_load(&mut server);
    let (code, text) = interrupt(child, Signal::TERM);
    let record = parse(&text);
    assert_eq!(code, Some(1), "{record}");
    assert_eq!((&record["interrupted"], &record["interrupted_during"]), (&true.into(), &"window".into()));
    assert!(record["duration_us"].as_u64() < record["duration_planned_us"].as_u64());
    assert!(record["achieved_per_second"].as_f64() > Some(0.0), "{record}");
}

/// It once took the whole warm-up to end, and then reported 5,141,700 % of a CPU and to "add --threads".
#[test]
fn before_the_window_nothing_was_measured() {
    for (arguments, rate) in [(["--warmup", "1h"], "1000"), (["--warmup", "auto"], "20")] {
        let mut server = serve();
        let target = format!("http://{}", server.address);
        // At a rate this low no interval has the samples to be called steady, so `auto` warms up for 10 s.
        let more = [target.as_str(), "-r", rate, "-d", "20s", "--watch-cpus", "0"];
        let child = start(&[&more[..], &arguments].concat());
        wait_for_load(&mut server);
        let (code, text) = interrupt(child, Signal::INT);
        assert_eq!(code, Some(1), "{text}");
        let verdict = "verdict INVALID, interrupted during the warm-up: nothing was measured";
        assert_eq!(text.lines().last(), Some(verdict), "{text}");
        for nonsense in ["%", "--threads", "CPU", "requests/s"] {
            assert!(!text.contains(nonsense), "{nonsense}: {text}");
        }
    }
}

#[test]
fn a_record_of_nothing_has_no_shares_and_no_judgement() {
    let mut server = serve();
    let target = format!("http://{}", server.address);
    let child = start(&["--json", &target, "-r", "4000", "-d", "20s", "--warmup", "1h", "--slo", "p99<5ms"]);
    wait_for_load(&mut server);
    let (code, text) = interrupt(child, Signal::TERM);
    let record = parse(&text);
    assert_eq!((code, &record["interrupted_during"]), (Some(1), &"warm_up".into()), "{record}");
    assert_eq!((&record["duration_us"], &record["duration_planned_us"]), (&0.into(), &20_000_000.into()));
    for pointer in [
        "/requests_per_second",
        "/offered_per_second",
        "/achieved_per_second",
        "/queue/growth_per_second",
        "/cpu/busiest_worker_share",
    ] {
        assert_eq!(record.pointer(pointer), Some(&Value::Null), "{pointer}");
    }
    assert_eq!(record["requests"]["scheduled"], 0);
    assert_eq!(record["verdict"]["state"], "INVALID");
    for check in checks(&record) {
        let (state, why) = (check["state"].as_str().expect("a state"), check["why"].as_str().expect("a reason"));
        match check["id"].as_str() {
            Some("V7") => assert_eq!(state, "VALID", "{check}"),
            Some("V13") => assert!(state == "INVALID" && why.contains("nothing was measured"), "{check}"),
            _ => assert!(state == "SKIPPED" && why.starts_with("not judged: "), "{check}"),
        }
    }
}

#[test]
fn connecting_can_be_interrupted() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let target = format!("tcp://{}", listener.local_addr().expect("bound"));
    // At this rate it would take a quarter of an hour.
    let child = start(&[&target, "-c", "1000", "--connect-rate", "1", "-d", "20s"]);
    let _accepted = listener.accept().expect("a connection");
    let (code, text) = interrupt(child, Signal::INT);
    assert_eq!(code, Some(1), "{text}");
    let verdict = "verdict INVALID, interrupted while connecting: nothing was measured";
    assert_eq!(text.lines().last(), Some(verdict), "{text}");
    assert!(!text.contains('%'), "{text}");
}

#[test]
fn tests_of_the_generator_say_that_they_prove_nothing() {
    let child = start(&["--self-test=http,poisson", "--seed", "5"]);
    wait_for_thread(&child, "null-server");
    let (code, text) = interrupt(child, Signal::INT);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.replace('\n', " ").contains("http requests/s at random times (seed 5) on 400 connections"), "{text}");
    assert_eq!(text.lines().last(), Some("V16 not judged: interrupted, so the test proves nothing"), "{text}");

    let server = Server::start(&["http"]);
    let child = start(&[&format!("http://{}", server.address), "--calibrate", "-r", "1000"]);
    wait_for_thread(&child, "null-server");
    let (code, text) = interrupt(child, Signal::INT);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.ends_with("interrupted while connecting: nothing was measured\n"), "{text}");
}

/// The twin: what ends by itself says nothing of the kind.
#[test]
fn a_run_that_ends_by_itself_was_not_interrupted() {
    let server = Server::start(&["http"]);
    let target = format!("http://{}", server.address);
    let (code, text, _) = run(&["load", &target, "-d", "200ms", "--warmup", "0s"]);
    assert!(code == 0 || code == 4, "{text}");
    assert!(text.contains("verdict ") && text.contains(", 0.2 s, seed"), "{text}");
    assert!(!text.contains("interrupted") && !text.contains("not judged"), "{text}");
    let (_, text, _) = run(&["load", "--json", &target, "-d", "200ms", "--warmup", "0s"]);
    let record = parse(&text);
    assert_eq!((&record["interrupted"], record.get("interrupted_during")), (&false.into(), None));
    assert!(record["cpu"]["busiest_worker_share"].as_f64() > Some(0.0), "{record}");
}

#[test]
fn a_window_of_next_to_no_length_has_no_shares() {
    let server = Server::start(&["http"]);
    let target = format!("http://{}", server.address);
    for more in [&[][..], &["-r", "1000"], &["-r", "0"]] {
        let (_, text, _) = run(&[&["load", "--json", &target, "-d", "1ms", "--warmup", "0s"], more].concat());
        let record = parse(&text);
        assert_eq!(record["cpu"]["busiest_worker_share"], Value::Null, "{more:?}");
        assert_eq!((&record["requests_per_second"], &record["achieved_per_second"]), (&Value::Null, &Value::Null));
        for check in checks(&record).iter().filter(|check| ["V4", "V5", "V6"].iter().any(|id| check["id"] == *id)) {
            assert_eq!(check["state"], "SKIPPED", "{check}");
            assert_eq!(check["why"], "not judged: the window lasted 1 ms; needs 10 ms at least");
        }
        let (_, text, _) = run(&[&["load", &target, "-d", "1ms", "--warmup", "0s"], more].concat());
        assert!(text.contains(", 1 ms, seed "), "{text}");
        assert!(text.contains("  not judged: rates and shares of a window of 1 ms; they need 10 ms\n"), "{text}");
    }
}

/// One arrival where a tenth was expected once made a rate of 1,000 %, and the generator was told to thin out.
#[test]
fn few_arrivals_or_none_are_no_fault() {
    let server = Server::start(&["http"]);
    let target = format!("http://{}", server.address);
    let window = ["-d", "300ms", "--warmup", "0s", "--seed", "7"];
    let constant = [&["load", "--json", &target, "-r", "0.1", "--schedule", "constant"], &window[..]].concat();
    let record = parse(&run(&constant).1);
    assert_eq!(record["requests"]["scheduled"], 1, "a constant rate begins with an arrival");
    let arrivals = checks(&record).iter().find(|check| check["id"] == "V11").expect("a row");
    assert_eq!(arrivals["state"], "VALID", "{arrivals}");

    let none = [&["load", &target, "-r", "0.01"], &window[..]].concat();
    let (code, text, _) = run(&none);
    assert_eq!(code, 4, "{text}");
    let first = "no request was due in the window of 0.3 s: --rate 0.01 has one in 100 s on average";
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.starts_with(first), "{text}");
    let record = parse(&run(&[&none[..], &["--json"]].concat()).1);
    for id in ["V1", "V2", "V3", "V8"] {
        let check = checks(&record).iter().find(|check| check["id"] == id).expect("a row");
        assert_eq!(check["state"], "SKIPPED", "{check}");
    }
}
