//! `c10m slow`: each kind of slowness against a server with and without the limit that answers it.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::{Server, c10m, eventually, refuses, run};

fn slow(kind: &str, server: &Server, path: &str, more: &[&str]) -> Value {
    let target = format!("http://{}{path}", server.address);
    let (code, stdout, stderr) = run(&[&["slow", kind, &target, "-c", "20", "--json"], more].concat());
    assert_eq!(code, 0, "{kind}: {stderr}");
    let record: Value = serde_json::from_str(&stdout).expect("one JSON document");
    let of = |name: &str| record[name].as_u64().unwrap_or_else(|| panic!("no {name} in {record}"));
    let lost: u64 = record["lost"].as_object().expect("errors").values().filter_map(Value::as_u64).sum();
    assert_eq!(of("opened"), of("closed_by_server") + of("reset") + of("open_at_end") + lost, "{record}");
    record
}

fn serve(more: &[&str]) -> Server {
    Server::start(&[&["http", "--reactors", "1"], more].concat())
}

const NO_LIMIT: [&str; 6] = ["--header-timeout", "0s", "--stall-timeout", "0s", "--idle-timeout", "0s"];

/// Each kind is held as long as it stays where nothing limits it.
#[test]
fn without_limits_nobody_is_sent_away() {
    let server = serve(&NO_LIMIT);
    for (kind, path, more) in [
        ("heads", "/", &["--interval", "20ms"][..]),
        ("bodies", "/echo", &["--interval", "20ms", "--ahead", "1k"]),
        ("unread", "/bytes/10000000", &[]),
        ("idle", "/", &[]),
    ] {
        let record = slow(kind, &server, path, &[more, &["-d", "700ms"]].concat());
        assert_eq!((&record["opened"], &record["open_at_end"]), (&20.into(), &20.into()), "{record}");
        assert!(record["received_bytes"] == 0 && record["held_us"]["count"] == 0, "{record}");
        assert_eq!(record["sent_bytes"] == 0, kind == "idle", "{record}");
    }
    let record = slow("segments", &server, "/", &["--interval", "1ms", "-d", "700ms"]);
    assert!(record["statuses"]["200"].as_u64() > Some(20), "each asks again and again: {record}");
    server.signal(Signal::TERM);
    let (code, _) = server.account();
    assert_eq!(code, 0);
}

#[test]
fn each_limit_answers_its_kind() {
    let server = serve(&["--header-timeout", "300ms", "--stall-timeout", "500ms", "--idle-timeout", "400ms"]);
    for (kind, path, more, status) in [
        ("heads", "/", &["--interval", "50ms"][..], Some("408")),
        // Slower than the stall timeout; a byte in time is progress.
        ("bodies", "/echo", &["--interval", "5s"], Some("408")),
        ("idle", "/", &[], None),
    ] {
        let record = slow(kind, &server, path, &[more, &["-d", "10s"]].concat());
        assert_eq!(record["open_at_end"], 0, "{record}");
        assert_eq!(record["held_us"]["count"], 20, "{record}");
        let longest = record["held_us"]["max"].as_u64().expect("a time");
        assert!(longest > 200_000 && record["duration_us"].as_u64() < Some(9_000_000), "{record}");
        match status {
            Some(status) => assert_eq!(record["statuses"][status], 20, "{record}"),
            None => assert_eq!(record["statuses"].as_object().map(|statuses| statuses.len()), Some(0), "{record}"),
        }
    }
    // Those that do not read do not notice a FIN behind what they did not read: the server knows.
    slow("unread", &server, "/bytes/10000000", &["-d", "2s"]);
    server.signal(Signal::TERM);
    let (_, account) = server.account();
    let closes = &account["totals"]["closes"];
    let of = |reason: &str| closes[reason].as_u64();
    assert_eq!((of("header_timeout"), of("idle_timeout"), of("stall_timeout")), (Some(20), Some(20), Some(40)));
}

#[test]
fn those_who_come_back_are_sent_away_again() {
    let server = serve(&["--header-timeout", "200ms"]);
    let record = slow("heads", &server, "/", &["--interval", "50ms", "-d", "1500ms", "--reopen"]);
    assert!(record["opened"].as_u64() > Some(40) && record["open_max"] == 20, "{record}");
}

#[test]
fn what_cannot_be_is_refused() {
    let slow = |arguments: &[&'static str]| [&["slow"], arguments].concat();
    refuses(&slow(&["heads", "http://192.0.2.1/"]), 2, &["public address", "--i-own"]);
    refuses(&slow(&["heads", "http://10.0.0.1/"]), 2, &["--allow-private"]);
    refuses(&slow(&["idle", "http://127.0.0.1/", "--interval", "1s"]), 2, &["--interval", "heads, bodies or segments"]);
    refuses(&slow(&["heads", "http://127.0.0.1/", "--ahead", "1"]), 2, &["--ahead", "bodies"]);
    refuses(&slow(&["heads", "tcp://127.0.0.1:1"]), 2, &["http://"]);
    refuses(&slow(&["idle", "tcp://127.0.0.1:1"]), 1, &["ECONNREFUSED"]);
    refuses(&slow(&["idle", "tcp://127.0.0.1:1", "-c", "10M"]), 2, &["connections"]);
}

/// Ctrl-C ends it at once, with a record of what was seen.
#[test]
fn an_interrupt_ends_it_in_order() {
    let server = serve(&NO_LIMIT);
    let target = format!("http://{}/", server.address);
    let mut command = c10m(&["slow", "heads", &target, "-d", "1h", "--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let pid = Pid::from_child(&child);
    // Handlers are there before the first connect.
    let table = format!("/proc/{}/fd", child.id());
    eventually("connections", || std::fs::read_dir(&table).is_ok_and(|table| table.count() > 50));
    thread::sleep(Duration::from_millis(100));
    kill_process(pid, Signal::INT).expect("it runs");
    let output = child.wait_with_output().expect("it ran");
    let record: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!((output.status.code(), &record["interrupted"]), (Some(1), &Value::Bool(true)));
    assert!(record["open_at_end"].as_u64() > Some(0), "{record}");
}
