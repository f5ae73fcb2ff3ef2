//! `c10m load --find-knee`. What it finds is not looked at here: that depends on the machine.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::{Server, c10m, eventually, refuses, run};
use crate::scratch::Scratch;

#[test]
fn wrong_words_are_usage_errors() {
    let target = "tcp://127.0.0.1:1";
    refuses(&["load", target, "--find-knee", "p98<5ms"], 2, &["p98", "p50, p90, p99, p99.9, p99.99"]);
    refuses(&["load", target, "--find-knee", "fast"], 2, &["p99<5ms"]);
    refuses(&["load", target, "--find-knee", "p99<5ms", "-r", "100"], 2, &["1,000 replies", "at least 387", "3s"]);
    refuses(&["load", target, "--find-knee", "p99<5ms", "--pipeline", "4"], 2, &["--pipeline"]);
}

#[test]
fn a_target_that_refuses_is_one_clear_line() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    drop(listener);
    refuses(&["load", &format!("tcp://{address}"), "--find-knee", "p50<1s"], 1, &[&address, "ECONNREFUSED"]);
}

/// No server answers within a nanosecond: two good probes at the first rate and two at the lowest.
#[test]
fn a_condition_that_never_holds() {
    let server = Server::start(&["echo"]);
    let target = format!("tcp://{}", server.address);
    let scratch = Scratch::new("knee");
    let search = ["load", &target, "--find-knee", "p50<1ns", "-r", "400", "-d", "200ms", "--warmup", "0s"];
    let out = scratch.path("out");
    let (code, stdout, stderr) = run(&[&search[..], &["--json", "--seed", "7", "--out", &out]].concat());
    assert_eq!(stderr, "");
    let document: Value = serde_json::from_str(&stdout).expect("one JSON document");
    let written = fs::read_to_string(scratch.path("out/knee.json")).expect("written");
    assert_eq!(serde_json::from_str::<Value>(&written).expect("JSON"), document);
    assert_eq!((&document["schema"], &document["condition"]), (&1.into(), &"p50<1ns".into()));
    assert_eq!(document["knee"]["rate"], Value::Null);
    let probes = document["probes"].as_array().expect("a list");
    let of = |spoiled: bool| probes.iter().filter(move |probe| probe["spoiled"] == spoiled);
    // At 211/s a probe has twice the 20 replies that p50 needs. A probe that a busy host spoiled is made again, and at
    // most four times it is the rate's only answer.
    for rate in [400.0, 211.0] {
        let count = |spoiled| of(spoiled).filter(|probe| probe["rate"].as_f64().map(f64::floor) == Some(rate)).count();
        assert!(count(false) == 2 || (count(false) < 2 && count(true) >= 4), "{rate}: {document}");
    }
    let is_measured = probes.last().is_some_and(|probe| probe["spoiled"] == false);
    let expected = if is_measured { (3, "never_held") } else { (4, "invalid") };
    assert_eq!((code, document["knee"]["end"].as_str()), (expected.0, Some(expected.1)), "{document}");
    let seeds: Vec<_> = probes.iter().map(|probe| probe["seed"].as_u64().expect("a seed")).collect();
    assert_eq!(seeds, (7..).take(seeds.len()).collect::<Vec<_>>(), "repeats are not the same arrivals again");
    assert!(probes.iter().all(|probe| probe["held"] == false && probe["achieved"].as_f64() > Some(0.0)), "{document}");

    refuses(&[&search[..], &["--out", &out]].concat(), 2, &["knee.json"]);
    let (code, stdout, stderr) = run(&search);
    let words = if code == 3 { "p50<1ns held at no rate down to 211/s" } else { "no knee: every measurement down to" };
    assert!((code == 3 || code == 4) && stderr.is_empty(), "{code} {stderr}");
    assert!(in_one_line(&stdout).contains(words), "{stdout}");
    assert!(stdout.lines().all(|line| line.chars().count() <= 80), "{stdout}");
}

/// A paragraph in one line.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every server answers within an hour, so the search goes on until it is ended; and on a machine so
/// busy that every measurement is invalid, it has many lower rates to try.
#[test]
fn an_interrupt_gives_what_is_known() {
    let server = Server::start(&["echo"]);
    let target = format!("tcp://{}", server.address);
    let search = ["load", "--json", &target, "--find-knee", "p50<1h", "-r", "5000", "-d", "300ms", "--warmup", "0s"];
    let mut child = c10m(&search).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    // Connections beyond those of one probe mean that a second has begun, whatever became of the first.
    let tcp = format!("/proc/{}/net/tcp", server.child.id());
    let port = format!(":{:04X} ", server.address.port());
    let mut seen = std::collections::BTreeSet::new();
    eventually("a second probe", || {
        let table = fs::read_to_string(&tcp).expect("it runs");
        seen.extend(table.lines().filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let (local, remote) = (fields.next()?, fields.next()?);
            format!("{local} ").ends_with(&port).then(|| remote.to_owned())
        }));
        // Ten connections a probe, and the listener's own line.
        seen.len() > 11
    });
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.take().expect("piped").read_to_string(&mut stdout).expect("UTF-8");
    child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("UTF-8");
    assert_eq!((child.wait().expect("it ran").code(), stderr.as_str()), (Some(1), ""), "{stdout}");
    let document: Value = serde_json::from_str(&stdout).expect("one JSON document");
    assert_eq!(document["knee"]["end"], "interrupted");
    assert!(document["probes"].as_array().is_some_and(|probes| !probes.is_empty()), "{document}");
}
