//! `c10m load`.

use std::io::Read;
use std::net::TcpListener;
use std::process::Stdio;

use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process};
use serde_json::Value;

use crate::program::{Server, c10m, eventually, refuses, run};

fn record(arguments: &[&str]) -> (i32, Value) {
    let (code, stdout, stderr) = run(&[&["load", "--json"], arguments].concat());
    (code, serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout:?} {stderr}")))
}

fn count(record: &Value, pointer: &str) -> u64 {
    record.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {pointer} in {record}"))
}

#[test]
fn wrong_words_are_usage_errors() {
    refuses(&["load"], 2, &["<TARGET>"]);
    refuses(&["load", "gopher://127.0.0.1:1/"], 2, &["gopher", "tcp://", "http://"]);
    refuses(&["load", "tcp://127.0.0.1"], 2, &["127.0.0.1"]);
    refuses(&["load", "tcp://127.0.0.1:1", "-c", "0"], 2, &["connection"]);
    refuses(&["load", "tcp://127.0.0.1:1", "-d", "soon"], 2, &["--duration"]);
    refuses(&["load", "tcp://127.0.0.1:1", "-r", "-5"], 2, &[]);
    refuses(&["load", "tcp://127.0.0.1:1", "--payload", "0"], 2, &["payload"]);
}

#[test]
fn other_peoples_hosts_are_not_loaded() {
    // TEST-NET-1 and a private address: neither is connected to.
    refuses(&["load", "http://192.0.2.1:80/"], 2, &["192.0.2.1"]);
    refuses(&["load", "tcp://10.1.2.3:7"], 2, &["--allow-private"]);
}

#[test]
fn a_target_that_refuses_is_one_clear_line() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    refuses(&["load", &format!("tcp://{address}"), "-d", "1s"], 1, &[&address.to_string(), "ECONNREFUSED"]);
}

#[test]
fn more_connections_than_descriptors_are_refused_before_the_first_connect() {
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    if hard < 1_000_000 {
        let server = Server::start(&["echo"]);
        let target = format!("tcp://{}", server.address);
        refuses(&["load", &target, "-c", &(hard + 1).to_string()], 2, &["descriptor", "-t"]);
        assert_eq!(server.drain().1["totals"]["accepts"], 0);
    }
}

#[test]
fn both_sides_count_alike() {
    for (workload, scheme, extra) in [
        ("echo", "tcp", vec!["--payload", "200"]),
        ("http", "http", vec!["--expect-body", "Hello, World!", "--pipeline", "8"]),
        ("http", "http", vec!["--rate", "2000"]),
        ("http", "http", vec!["--engine", "io_uring", "--warmup", "200ms"]),
        ("http", "http", vec!["--rate", "2000", "--engine", "io_uring", "--warmup", "200ms"]),
    ] {
        let server = Server::start(&[workload, "--reactors", "2"]);
        let target = format!("{scheme}://{}", server.address);
        let arguments = [target.as_str(), "-c", "20", "-t", "2", "-d", "400ms", "--seed", "7"];
        let warm_up = if extra.contains(&"--warmup") { &[][..] } else { &["--warmup", "0s"] };
        let (code, record) = record(&[&arguments, &extra[..], warm_up].concat());
        let (server_code, exit) = server.drain();
        assert!(code == 0 || code == 4, "{code}");
        assert_eq!(server_code, 0);
        let requests = |name: &str| count(&record, &format!("/requests/{name}"));
        assert_eq!(requests("scheduled"), requests("sent") + requests("unsent"));
        assert_eq!(
            requests("sent"),
            requests("completed") + requests("failed") + requests("timed_out") + requests("censored")
        );
        assert_eq!((requests("failed"), requests("timed_out"), requests("censored")), (0, 0, 0), "{record}");
        assert!(requests("completed") > 100);
        assert_eq!(count(&record, "/connections/established"), 20);
        assert_eq!(count(&exit, "/totals/accepts"), 20);
        if workload == "http" {
            assert_eq!(count(&exit, "/totals/requests"), requests("completed_whole_run"));
            let has_warm_up = warm_up.is_empty();
            assert_eq!(has_warm_up, requests("completed_whole_run") > requests("completed"), "{record}");
        }
        assert_eq!(record["seed"], 7);
        assert!(record["verdict"]["checks"].as_array().is_some_and(|checks| checks.len() >= 8));
    }
}

#[test]
fn an_interrupt_ends_it_with_a_full_report() {
    let server = Server::start(&["http"]);
    let target = format!("http://{}/", server.address);
    let mut command = c10m(&["load", "--json", &target, "-d", "10m", "--warmup", "0s"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
    // A tenth of a second of the server's CPU time is many requests, however slow the machine is.
    wait_until_it_worked_for(10, server.child.id());
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    let mut text = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut text).expect("UTF-8");
    child.wait().expect("it runs");
    let record: Value = serde_json::from_str(&text).expect("a record");
    assert_eq!(record["interrupted"], true);
    assert!(count(&record, "/requests/completed") > 0);
}

#[test]
fn a_server_that_is_killed_leaves_the_identities_exact() {
    for engine in ["epoll", "io_uring"] {
        let server = Server::start(&["http"]);
        let target = format!("http://{}/", server.address);
        let mut command = c10m(&["load", "--json", &target, "-c", "20", "-t", "2", "-d", "3s", "--warmup", "0s"]);
        command.args(["--engine", engine, "--rate", "5000"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
        wait_until_it_worked_for(2, server.child.id());
        server.signal(Signal::KILL);
        let mut text = String::new();
        child.stdout.take().expect("piped").read_to_string(&mut text).expect("UTF-8");
        let code = child.wait().expect("it runs").code();
        assert!(matches!(code, Some(0 | 4)), "{engine}: {code:?}");
        let record: Value = serde_json::from_str(&text).expect("a record");
        let requests = |name: &str| count(&record, &format!("/requests/{name}"));
        assert_eq!(requests("scheduled"), requests("sent") + requests("unsent"), "{engine}");
        let ended = ["completed", "failed", "timed_out", "censored"].map(requests);
        assert_eq!(requests("sent"), ended.iter().sum::<u64>(), "{engine}: {ended:?}");
        let errors = record["requests"]["errors"].as_object().expect("errors by name");
        let failed: u64 = errors.values().filter_map(Value::as_u64).sum();
        assert_eq!(failed, requests("failed"), "{engine}: {errors:?}");
        // What was scheduled after the end had no connection to go out on.
        assert!(requests("failed") + requests("unsent") + requests("censored") > 0, "{engine}: {record}");
        let checks = record["verdict"]["checks"].as_array().expect("checks");
        let accounting = checks.iter().find(|check| check["id"] == "V7").expect("V7");
        assert_eq!(accounting["state"], "VALID", "{engine}: {accounting}");
    }
}

/// So many hundredths of a second of CPU time.
fn wait_until_it_worked_for(ticks_min: u64, pid: u32) {
    let stat = format!("/proc/{pid}/stat");
    eventually("load", || {
        let fields = std::fs::read_to_string(&stat).expect("it runs");
        let ticks = fields.rsplit(')').next().expect("fields").split_whitespace().skip(11).take(2);
        ticks.map(|ticks| ticks.parse::<u64>().expect("a number")).sum::<u64>() >= ticks_min
    });
}

#[test]
fn a_reconnect_policy_is_recorded_and_shown() {
    let server = Server::start(&["echo"]);
    let target = format!("tcp://{}", server.address);
    let arguments = ["load", &target, "-d", "300ms", "--warmup", "0s", "--reconnect", "full-jitter,budget=10%"];
    let (code, stdout, stderr) = run(&arguments);
    assert!(code == 0 || code == 4, "{stderr}");
    let policy = "full-jitter,base=100ms,cap=10s,budget=10%";
    assert!(stdout.contains(&format!("reconnect {policy}: no connection was lost")), "{stdout}");
    let (_, with) = record(&arguments[1..]);
    assert_eq!(with["reconnect"]["policy"], policy);
    assert_eq!((count(&with, "/reconnect/losses"), count(&with, "/reconnect/attempts")), (0, 0));
    assert_eq!(count(&with, "/intervals/0/reconnect/lost"), 0);
    let (_, without) = record(&arguments[1..6]);
    assert_eq!((without.get("reconnect"), without["intervals"][0].get("reconnect")), (None, None));
}

#[test]
fn people_get_a_table_that_fits() {
    let server = Server::start(&["echo"]);
    let (code, stdout, stderr) = run(&["load", &format!("tcp://{}", server.address), "-d", "300ms"]);
    assert!(code == 0 || code == 4, "{stderr}");
    assert!(stdout.contains("p50") && stdout.contains("p99"), "{stdout}");
    assert!(stdout.lines().all(|line| line.chars().count() <= 80), "{stdout}");
    assert_eq!(stderr, "", "quiet when piped");
}
