//! `c10m fan-out`: pages of many replies, and second copies, against a null server with replies that come late.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::{c10m, refuses, run};

/// A null server that holds back a tenth of its replies, killed when dropped.
struct Late {
    child: Child,
    address: String,
    output: BufReader<std::process::ChildStdout>,
}

impl Late {
    fn start(late: &[&str]) -> Late {
        let mut command = c10m(&[&["null-server", "http", "--for", "60s"], late].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("UTF-8");
        let ready: Value = serde_json::from_str(&line).expect("a JSON line");
        Late { address: ready["address"].as_str().expect("an address").to_owned(), child, output }
    }

    fn target(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Its account.
    fn end(mut self) -> Value {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("UTF-8");
        serde_json::from_str(&line).expect("a JSON line")
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Late times are many times what a busy machine adds.
const LATE: [&str; 4] = ["--late-permille", "100", "--late-by", "300ms"];

fn fan_out(targets: &[&Late], more: &[&str]) -> Value {
    let targets: Vec<String> = targets.iter().map(|late| late.target()).collect();
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    let usual = ["-d", "2s", "--warmup", "300ms", "--slow-above", "150ms", "--json"];
    let (code, stdout, stderr) = run(&[&["fan-out"], &targets[..], &usual, more].concat());
    // On a busy machine the client itself is late.
    assert!(code == 0 || code == 4, "{stderr}");
    let record: Value = serde_json::from_str(&stdout).expect("one JSON document");
    let of = |pointer: &str| {
        record.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}: {record}"))
    };
    let parts = |name: &str| of(&format!("/parts/{name}"));
    assert_eq!(of("/requests/scheduled"), of("/requests/completed") + of("/requests/failed"), "{record}");
    let ends = ["won", "discarded", "failed", "timed_out", "unanswered"];
    assert_eq!(parts("copies"), ends.map(parts).iter().sum::<u64>(), "{record}");
    assert_eq!(parts("asked"), of("/requests/scheduled") * of("/parts_per_request"), "{record}");
    assert_eq!(of("/requests/failed"), 0, "{record}");
    record
}

fn share(record: &Value, name: &str) -> f64 {
    record[name].as_f64().unwrap_or_else(|| panic!("no {name} in {record}"))
}

/// The page is there with its last reply: ten of them meet a late one more often than one does, as foretold.
#[test]
fn pages_are_late_with_their_latest_reply() {
    let server = Late::start(&LATE);
    let record = fan_out(&[&server], &["--parts", "10", "-r", "100"]);
    let (part, page) = (share(&record, "slow_parts"), share(&record, "slow_requests"));
    let foretold = 1.0 - (1.0 - part).powi(10);
    assert!((0.05..0.25).contains(&part), "{record}");
    assert!((page - foretold).abs() < 0.2 && page > 2.0 * part, "{page}, foretold {foretold}: {record}");
    assert_eq!((&record["parts"]["copies"], &record["parts"]["second"]), (&record["parts"]["asked"], &0.into()));
    let account = server.end();
    assert_eq!(account["requests"], record["parts"]["replies_whole_run"], "{account}");
    assert!(account["late_replies"].as_u64() > Some(50), "{account}");
}

#[test]
fn second_copies_make_fewer_pages_late_for_what_they_cost() {
    let (one, other) = (Late::start(&LATE), Late::start(&[&LATE[..], &["--seed", "2"]].concat()));
    let plain = share(&fan_out(&[&one, &other], &["--parts", "5", "-r", "100"]), "slow_requests");
    for (more, share_min, share_max) in [
        // A tenth is late, so a hedge after 40 ms is sent for about a tenth.
        (&["--hedge", "after=40ms,budget=50%"][..], 0.03, 0.4),
        (&["--hedge", "after=p80,budget=30%"], 0.03, 0.31),
        (&["--tied"], 0.99, 1.0),
    ] {
        let record = fan_out(&[&one, &other], &[&["--parts", "5", "-r", "100"], more].concat());
        let parts = |name: &str| record["parts"][name].as_f64().unwrap_or_else(|| panic!("{name}: {record}"));
        let second = parts("second") / parts("asked");
        assert!((share_min..=share_max).contains(&second), "{more:?}: {second}: {record}");
        let slow = share(&record, "slow_requests");
        assert!(slow < plain / 2.0, "{more:?}: {slow} instead of {plain}: {record}");
        assert!(parts("won_by_second") > 0.0 && parts("discarded") > 0.0, "{record}");
    }
    let record = fan_out(&[&one, &other], &["-r", "500", "--hedge", "after=40ms,budget=1%"]);
    let parts = |name: &str| record["parts"][name].as_f64().unwrap_or_else(|| panic!("{name}: {record}"));
    // What the warm-up left over is ten copies at most.
    assert!(parts("second") <= parts("asked") * 0.01 + 10.0 && parts("over_budget") > 0.0, "{record}");
}

/// A server that is always late is helped out by the other one only if no second copy comes back to it. They did where second
/// copies took turns too.
#[test]
fn second_copies_go_to_another_server() {
    let (slow, quick) = (Late::start(&["--late-permille", "1000", "--late-by", "300ms"]), Late::start(&[]));
    for more in [&["--hedge", "after=40ms,budget=100%"][..], &["--tied"]] {
        let record = fan_out(&[&slow, &quick], &[&["--parts", "5", "-r", "40"], more].concat());
        // Half of the first copies go to the slow one, and every third second copy would without a rule.
        assert!(share(&record, "slow_parts") < 0.05, "{more:?}: {record}");
    }
}

/// Where nothing is late, second copies find nothing to win.
#[test]
fn without_late_replies_a_hedge_gains_nothing() {
    let server = Late::start(&[]);
    let record = fan_out(&[&server], &["--parts", "10", "-r", "50", "--hedge", "after=100ms,budget=100%"]);
    let parts = |name: &str| record["parts"][name].as_f64().unwrap_or_else(|| panic!("{name}: {record}"));
    assert!(parts("second") < parts("asked") * 0.05, "{record}");
    assert!(share(&record, "slow_requests") < 0.1, "{record}");
}

#[test]
fn what_cannot_be_is_refused() {
    let target = "http://127.0.0.1:1/";
    refuses(&["fan-out", target], 1, &["ECONNREFUSED"]);
    refuses(&["fan-out", "tcp://127.0.0.1:1"], 2, &["http://"]);
    refuses(&["fan-out", "http://10.0.0.1/"], 2, &["--allow-private"]);
    refuses(&["fan-out", target, "--parts", "101"], 2, &["--connections", "101 parts"]);
    refuses(&["fan-out", target, "--hedge", "p95"], 2, &["after=p95,budget=5%"]);
    refuses(&["fan-out", target, "--hedge", "after=p95,budget=5%", "--warmup", "0s"], 2, &["--warmup"]);
    refuses(&["fan-out", target, "--hedge", "after=p95,budget=5%", "--tied"], 2, &["--tied"]);
    refuses(&["null-server", "http", "--late-permille", "1001", "--late-by", "1ms"], 2, &["1001"]);
}
