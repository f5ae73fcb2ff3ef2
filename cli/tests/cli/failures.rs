//! The experiments about failures, on hosts of their own: what they publish, what they refuse, and what they leave behind.
//! All need CAP_SYS_ADMIN, like the experiments.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use random::Random;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::{c10m, children, eventually, refused, refuses, run};
use crate::serve::{X86_64, under};

/// sendto(2), by which netlink requests leave.
const SENDTO: i64 = if X86_64 { 44 } else { 206 };

/// A directory for results, removed when dropped.
struct Out(PathBuf);

impl Out {
    fn new(name: &str) -> Out {
        Out(std::env::temp_dir().join(format!("c10m-failures-{}-{name}", std::process::id())))
    }

    fn arguments<'a>(&'a self, experiment: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["bench", experiment, "--out", self.0.to_str().expect("UTF-8")], more].concat()
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        // A test of a refusal has made nothing.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The network namespace of each process.
fn namespaces() -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").expect("readable").flatten();
    processes.filter_map(|process| fs::read_link(process.path().join("ns/net")).ok()).collect()
}

/// The namespaces in which the children of a process are.
fn of_children(pid: u32) -> BTreeSet<PathBuf> {
    children(pid).iter().filter_map(|pid| fs::read_link(format!("/proc/{pid}/ns/net")).ok()).collect()
}

/// Two of the experiments are played in every run of the tests; the others, each alone, where C10M_FAILURES=all asks for
/// them: on a machine that is busy with other tests they do not show what they are about.
fn is_long() -> bool {
    std::env::var("C10M_FAILURES").is_ok_and(|wish| wish == "all")
}

/// Whether to play an experiment of the long form, and the turn to do so.
fn turn() -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed in its turn has nothing that the next one needs.
    is_long().then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

fn median(record: &Value, arm: &str, figure: &str) -> f64 {
    let names = record["figures"].as_array().expect("figures");
    let index = names.iter().position(|known| known["name"] == figure).expect("a figure of this name");
    let arms = record["remedies"].as_array().expect("arms");
    let arm = arms.iter().find(|known| known["name"] == arm).expect("an arm of this name");
    arm["runs"][0]["figures"][index].as_f64().expect("a value")
}

/// What the kernel counted in the first run of an arm.
fn count(record: &Value, arm: &str, counter: &str) -> f64 {
    let names = record["counters"].as_array().expect("counters");
    let index = names.iter().position(|known| known["name"] == counter).expect("a counter of this name");
    let arms = record["remedies"].as_array().expect("arms");
    let arm = arms.iter().find(|known| known["name"] == arm).expect("an arm of this name");
    arm["runs"][0]["counters"][index].as_f64().expect("a count")
}

/// One repeat has no intervals, but shows the fault, and that its remedies mend it.
#[test]
fn ports_run_out_and_remedies_help() {
    let out = Out::new("ports");
    let (code, stdout, stderr) = run(&out.arguments("ports", &["--repeats", "1", "--seconds", "2", "--json"]));
    assert_eq!(code, 0, "{stderr}");
    let record: Value = serde_json::from_str(&stdout).expect("one JSON document");
    assert!(median(&record, "nothing", "connects that failed") > 0.0);
    for (arm, figure) in [("nothing", "client's TIME-WAITs"), ("tw_reuse", "client's TIME-WAITs")] {
        assert_eq!(median(&record, arm, figure), 500.0, "{arm}: as many as there are ports");
    }
    assert_eq!(median(&record, "reset", "client's TIME-WAITs"), 0.0);
    assert!(median(&record, "server closes", "server's TIME-WAITs") > 0.0);
    for arm in ["reset", "server closes", "keep-alive"] {
        assert_eq!(median(&record, arm, "connects that failed"), 0.0, "{arm}");
    }
    // The record renders again as it was published.
    let directory =
        fs::read_dir(&out.0).expect("readable").flatten().map(|entry| entry.path()).find(|path| path.is_dir());
    let directory = directory.expect("a run");
    let before = fs::read_to_string(directory.join("report.md")).expect("a report");
    assert!(before.contains("EADDRNOTAVAIL") && before.contains("ports.svg"), "{before}");
    let (code, ..) = run(&["report", directory.to_str().expect("UTF-8")]);
    assert_eq!((code, fs::read_to_string(directory.join("report.md")).expect("a report")), (0, before));
}

/// Without the fault an experiment must not find it, or it would find it anywhere.
#[test]
fn a_control_without_the_fault_finds_nothing() {
    let short: &[&str] = &["ports", "fd-limit"];
    let long: &[&str] = &["ports", "fd-limit", "storm", "drain", "slow-clients", "tail", "blocking", "database"];
    for experiment in if is_long() { long } else { short } {
        let out = Out::new(&format!("control-{experiment}"));
        let asked = ["--repeats", "1", "--seconds", "1", "--no-fault", "--json"];
        let (code, stdout, stderr) = run(&out.arguments(experiment, &asked));
        assert_eq!(code, 0, "{experiment}: {stderr}");
        let record: Value = serde_json::from_str(&stdout).expect("one JSON document");
        assert_eq!(record["without_fault"], true);
        let run = fs::read_dir(&out.0).expect("readable").flatten().next().expect("a run").path();
        assert!(run.to_str().is_some_and(|name| name.ends_with("-no-fault")), "{run:?}");
        let report = fs::read_to_string(run.join("report.md")).expect("a report");
        assert!(report.contains("not seen, as it should be"), "{report}");
    }
    let out = Out::new("control-refused");
    refuses(&out.arguments("quick", &["--no-fault"]), 2, &["controls of its own"]);
    refuses(&out.arguments("omission", &["--no-fault"]), 2, &["about no failure"]);
}

/// Handing over loses nothing under a full load, and stopping does. What nobody asked for could not be lost, so each replacement has
/// to meet the load; and what was never sent counts.
#[test]
fn only_handing_over_loses_nothing() {
    let Some(_turn) = turn() else { return };
    let out = Out::new("drain");
    let (code, stdout, stderr) = run(&out.arguments("drain", &["--repeats", "1", "--seconds", "2", "--json"]));
    assert_eq!(code, 0, "{stderr}");
    let record: Value = serde_json::from_str(&stdout).expect("one JSON document");
    let of = |arm, figure| median(&record, arm, figure);
    assert!(of("stop and start", "lost requests") >= 1000.0 && of("stop and start", "failed connects") >= 1.0);
    for arm in ["stop and start", "hand over, epoll", "hand over, io_uring", "passed sockets"] {
        assert!(of(arm, "load met") >= 50.0, "{arm}: {} %", of(arm, "load met"));
        assert!(of(arm, "until the old one is gone") > 0.0, "{arm}");
    }
    for arm in ["hand over, epoll", "hand over, io_uring", "passed sockets"] {
        let figures = ["lost requests", "failed connects", "never sent", "cut off"].map(|figure| of(arm, figure));
        assert_eq!(figures, [0.0; 4], "{arm}");
        assert!(of(arm, "replacements") >= 2.0, "{arm}");
    }
    // The kernel's own count: a connection for nearly each of 1,500 requests a second.
    let opened = count(&record, "hand over, epoll", "ActiveOpens");
    assert!(opened >= 0.9 * 1500.0 * 2.0, "{opened}");
}

/// Clients that try again at once are not served by a server that is back and busy; a short queue and random times bring them back.
#[test]
fn a_storm_keeps_clients_out_and_a_short_queue_with_jitter_does_not() {
    let Some(_turn) = turn() else { return };
    let out = Out::new("storm");
    let (code, stdout, stderr) = run(&out.arguments("storm", &["--repeats", "1", "--seconds", "2", "--json"]));
    assert_eq!(code, 0, "{stderr}");
    let record: Value = serde_json::from_str(&stdout).expect("one JSON document");
    let of = |arm, figure| median(&record, arm, figure);
    let best = "short queue, jitter and spread";
    for arm in ["immediate", best] {
        assert!(of(arm, "outages") >= 90.0, "{arm}");
    }
    assert!(of("immediate", "logins for nobody") > 50.0 && of(best, "logins for nobody") < 10.0, "{record}");
    assert!(of("immediate", "clients served again") < 80.0 && of(best, "clients served again") >= 90.0, "{record}");
    assert!(of("short queue", "longest accept queue") <= 501.0 && of("immediate", "longest accept queue") > 4000.0);
    assert!(count(&record, "immediate", "ListenOverflows") > count(&record, best, "ListenOverflows"));
}

/// Every arm of the full profiles can be played, as shortly as may be: their figures mean nothing.
#[test]
fn the_full_profiles_are_played_whole() {
    let Some(_turn) = turn() else { return };
    for experiment in ["storm", "fd-limit", "ports", "drain", "slow-clients", "tail", "blocking", "database"] {
        let out = Out::new(&format!("full-{experiment}"));
        let asked = ["--profile", "full", "--repeats", "1", "--seconds", "1", "--json"];
        let (_, stdout, stderr) = run(&out.arguments(experiment, &asked));
        let record: Value =
            serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{experiment}: {error}: {stderr}"));
        let lists = ["skipped", "incidents"].map(|list| record[list].clone());
        assert!(lists.iter().all(|list| list.as_array().is_none_or(Vec::is_empty)), "{experiment}: {lists:?}");
        let arms = record["remedies"].as_array().expect("arms");
        assert!(arms.iter().all(|arm| arm["runs"].as_array().is_some_and(|runs| !runs.is_empty())), "{experiment}");
    }
}

/// A queue without bound is full of queries whose clients have gone; a short one is worked off in time.
#[test]
fn a_database_is_overloaded_and_a_short_queue_helps() {
    let Some(_turn) = turn() else { return };
    let out = Out::new("database");
    let (code, stdout, stderr) = run(&out.arguments("database", &["--repeats", "1", "--seconds", "2", "--json"]));
    assert_eq!(code, 0, "{stderr}");
    let record: Value = serde_json::from_str(&stdout).expect("one JSON document");
    let of = |arm, figure| median(&record, arm, figure);
    for (arm, refused, queue) in [
        ("unbounded queue", false, 300.0..1e6),
        ("1,024 places", true, 300.0..1025.0),
        ("128 places", true, 100.0..129.0),
    ] {
        assert_eq!(of(arm, "answered 503") > 0.0, refused, "{arm}");
        assert!(queue.contains(&of(arm, "longest queue")), "{arm}: {}", of(arm, "longest queue"));
    }
    assert!(of("unbounded queue", "queries for nobody") > 20.0 && of("128 places", "queries for nobody") < 20.0);
    // What came within the window is no more than the threads can do, but for what chance moves in so short a time.
    assert!(of("128 places", "good replies") <= 1.03 * of("128 places", "capacity foretold"), "{record}");
    assert!(of("rising load", "knee measured") > 300.0, "{record}");
    // Four threads at a little more than 2.1 ms each; four times as many can do four times as much.
    let [four, sixteen] = ["128 places", "16 threads"].map(|arm| of(arm, "capacity foretold"));
    assert!((400.0..1905.0).contains(&four) && (2.0..8.0).contains(&(sixteen / four)), "{four}, {sixteen}");
}

/// Short requests wait for those that block, and that is foretold. Times only grow on a busy machine, so nothing here is
/// about how short one is.
#[test]
fn a_loop_that_blocks_keeps_everybody_waiting() {
    let Some(_turn) = turn() else { return };
    let play = |control: bool| {
        let out = Out::new(if control { "blocking-control" } else { "blocking" });
        let mut asked = vec!["--repeats", "1", "--seconds", "1", "--json"];
        asked.extend(control.then_some("--no-fault"));
        let (code, stdout, stderr) = run(&out.arguments("blocking", &asked));
        let record: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("no record: {stderr}"));
        let of = |arm, figure| median(&record, arm, figure);
        let foretold_us = of("block", "p99 foretold") - of("block", "p50");
        let blocked = ["block", "pool", "two loops", "a server apart"].map(|arm| of(arm, "loop blocked"));
        (code, of("block", "p99"), foretold_us, blocked)
    };
    // Some twenty calls of 3 ms take a sixteenth of the time, so the last hundredth waits for most of one, and seldom for two.
    let (_, p99_us, foretold_us, blocked) = play(false);
    assert!(p99_us > 1500.0 && (1500.0..7000.0).contains(&foretold_us), "{p99_us}, {foretold_us}");
    assert!((2.0..12.0).contains(&blocked[0]) && (1.0..6.0).contains(&blocked[2]), "{blocked:?}");
    assert_eq!((blocked[1], blocked[3]), (0.0, 0.0));
    let (code, _, foretold_us, blocked) = play(true);
    assert!(code == 0 && foretold_us < 1000.0, "{code}, {foretold_us}");
    assert_eq!(blocked, [0.0; 4]);
}

#[test]
fn descriptors_run_out_and_only_the_naive_loop_burns() {
    let out = Out::new("fd-limit");
    let (code, stdout, stderr) = run(&out.arguments("fd-limit", &["--repeats", "1", "--seconds", "1", "--json"]));
    assert_eq!(code, 0, "{stderr}");
    let record: Value = serde_json::from_str(&stdout).expect("one JSON document");
    assert!(median(&record, "try again", "failing accepts") > 1000.0);
    let resting = median(&record, "rest", "failing accepts");
    assert!(resting > 0.0 && resting <= 20.0, "it meets the limit, and hardly tries in vain: {resting}");
    assert!(median(&record, "rest", "pauses of accept") > 0.0);
    for figure in ["failing accepts", "pauses of accept", "hung", "reset", "refused"] {
        assert_eq!(median(&record, "raise the soft limit", figure), 0.0, "{figure}");
    }
    assert!(median(&record, "turn away", "reset") > 0.0 && median(&record, "rest", "hung") > 0.0);
    // How much is for a machine that is quiet.
    for figure in ["server's CPU per reply", "server's CPU while short", "recovery"] {
        assert!(median(&record, "rest", figure) > 0.0, "{figure}");
    }
}

/// Slow clients starve the others, the limits that answer them do not let them, and a byte in time passes a stall timeout.
#[test]
fn slow_clients_take_all_places_and_the_right_limits_give_them_back() {
    let Some(_turn) = turn() else { return };
    let out = Out::new("slow-clients");
    let (code, stdout, stderr) = run(&out.arguments("slow-clients", &["--repeats", "1", "--seconds", "2", "--json"]));
    assert_eq!(code, 0, "{stderr}");
    let record: Value = serde_json::from_str(&stdout).expect("one JSON document");
    let answered = |arm| median(&record, arm, "ordinary requests answered");
    for (without, with) in [("heads", "heads, head timeout"), ("bodies", "bodies, body timeout")] {
        assert!(answered(with) > answered(without) + 10.0, "{with}: {} and {}", answered(without), answered(with));
        assert!(median(&record, with, "closed by limits") >= 1000.0, "{with}");
        assert_eq!(median(&record, without, "closed by limits"), 0.0, "{without}");
    }
    assert_eq!(median(&record, "bodies, stall timeout", "closed by limits"), 0.0);
    assert!(median(&record, "bodies", "server's buffers") > median(&record, "heads", "server's buffers") + 10.0);
}

/// Pages are late as foretold, and second copies make fewer of them so.
#[test]
fn pages_are_late_and_second_copies_help() {
    let Some(_turn) = turn() else { return };
    let out = Out::new("tail");
    let (code, stdout, stderr) = run(&out.arguments("tail", &["--repeats", "1", "--seconds", "2", "--json"]));
    let record: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    let late = |arm| median(&record, arm, "late pages");
    assert!(late("pages of 100") > late("pages of 10") && late("pages of 10") > late("pages of 2"), "{record}");
    assert!(late("10, hedged") < late("pages of 10") / 2.0, "{record}");
    assert!(
        median(&record, "10, tied", "server's work") > 1.9 && median(&record, "pages of 10", "server's work") < 1.1
    );
    // A stall of a tenth of a second hides from whoever waits for replies, or counts from when it sent.
    let (seen, hidden) =
        (median(&record, "c10m load, constant", "p99"), median(&record, "c10m load, closed loop", "p99"));
    assert!(seen > 50.0 && median(&record, "c10m load, constant", "p99 in truth") > 80.0, "{seen}: {record}");
    assert!(hidden < seen / 2.0, "{hidden} beside {seen}");
    // A busy machine holds up whole pages, which is not by reply.
    assert!(code == 0 || stderr.contains("foretell") || stdout.contains("foretell"), "{code}: {stderr}");
}

/// Said once, before anything is made or tried.
#[test]
fn without_a_cable_between_hosts_nothing_begins() {
    let out = Out::new("refused");
    let arguments: Vec<String> = out.arguments("ports", &[]).into_iter().map(str::to_owned).collect();
    let texts = arguments.clone();
    let result =
        under((SENDTO, vec![]), Errno::PERM, move || run(&texts.iter().map(String::as_str).collect::<Vec<_>>()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    refused(result, &arguments, 1, &["ports cannot be run here", "veth"]);
    assert!(!out.0.exists());
    refuses(&out.arguments("ports", &["--arm", "reset"]), 2, &["measured whole", "--arm"]);
}

/// Killed at any moment, by Ctrl-C or for good, it leaves no process and no namespace behind. The moments are random;
/// C10M_SEED repeats them.
#[test]
fn an_end_at_any_moment_leaves_nothing_behind() {
    let here = fs::read_link("/proc/self/ns/net").expect("readable");
    let by_clock = || std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_nanos() as u64;
    let seed = std::env::var("C10M_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(by_clock);
    println!("C10M_SEED={seed}");
    let mut random = Random::new(seed);
    for signal in [Signal::INT, Signal::KILL, Signal::INT, Signal::KILL] {
        let out = Out::new("killed");
        let mut command = c10m(&out.arguments("storm", &["--repeats", "1", "--seconds", "3"]));
        let mut child: Child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
        let mut own = BTreeSet::new();
        eventually("a host of its own with a process", || {
            own.append(&mut of_children(child.id()));
            own.remove(&here);
            !own.is_empty()
        });
        thread::sleep(Duration::from_millis(random.up_to(4000) as u64));
        own.append(&mut of_children(child.id()));
        own.remove(&here);
        kill_process(Pid::from_child(&child), signal).expect("it runs");
        let code = child.wait().expect("it ran").code();
        assert_eq!(code, (signal == Signal::INT).then_some(1), "{signal:?}");
        // A namespace is gone with its last process; its devices and rules go with it.
        eventually("the end of its processes", || !namespaces().iter().any(|namespace| own.contains(namespace)));
    }
}
