//! `c10m bench c10m`, and loads that do not fit the host.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Server, c10m, children, eventually, refused, refuses, run};
use crate::serve::{X86_64, under};

/// unshare(2); the second number is that of all later architectures.
const UNSHARE: i64 = if X86_64 { 272 } else { 97 };

#[test]
fn more_connections_than_memory_are_refused_with_what_would_fit() {
    for more in [&["-t", "1000"][..], &["--engine", "tun", "-t", "500"]] {
        let arguments = [&["load", "tcp://127.0.0.1:1", "-c", "4000000000"], more].concat();
        refuses(&arguments, 2, &["4,000,000,000 connections", "to spare", "would fit", "c10m tune plan"]);
    }
}

#[test]
fn memory_that_runs_short_ends_the_ramp_and_leaves_nothing_behind() {
    let server = Server::start(&["echo"]);
    let target = format!("tcp://{}", server.address);
    // More than any host has: the first look finds it short.
    let arguments =
        ["load", &target, "-c", "5000", "--connect-rate", "1000", "--rate", "0", "--memory-reserve", "1000000G"];
    refuses(&arguments, 1, &["stopped with", "of 5000 connections open", "--memory-reserve"]);
    refuses(&["load", &target, "--memory-reserve", "much"], 2, &["64M"]);
    let (code, exit) = server.drain();
    let closes: u64 =
        exit["totals"]["closes"].as_object().expect("closes").values().filter_map(|count| count.as_u64()).sum();
    assert_eq!((code, exit["totals"]["accepts"].as_u64()), (0, Some(closes)), "{exit}");
}

#[test]
fn the_experiment_takes_no_repeats_and_has_profiles_of_its_own() {
    refuses(&["bench", "c10m", "--profile", "full"], 2, &["quick, c1m, c5m"]);
    refuses(&["bench", "c10m", "--repeats", "2"], 2, &["--repeats"]);
    refuses(&["bench", "generator", "--profile", "c1m"], 2, &["only the profile full"]);
    let (code, stdout, _) = run(&["bench", "list"]);
    assert!(code == 0 && stdout.contains("c5m") && stdout.contains("churn"), "{stdout}");
}

/// Said once, before anything is made or tried: not by each of its runs, three times.
#[test]
fn without_the_right_to_make_namespaces_nothing_begins() {
    let out = std::env::temp_dir().join(format!("c10m-cli-namespaces-{}", std::process::id()));
    for experiment in ["c10m", "churn"] {
        let arguments = ["bench", experiment, "--noisy", "--out", out.to_str().expect("UTF-8")];
        for (errno, words) in [
            (Errno::PERM, ["CAP_SYS_ADMIN", "unshare --user --map-root-user --net"]),
            (Errno::NOSPC, ["user.max_net_namespaces", "sysctl -w"]),
        ] {
            let arguments = arguments.map(str::to_owned);
            let texts = arguments.clone();
            let result = under((UNSHARE, vec![]), errno, move || run(&texts.each_ref().map(String::as_str)));
            let [noun, command] = words;
            let name = format!("{experiment} cannot be run here");
            refused(result, &arguments.each_ref().map(String::as_str), 1, &[&name, noun, command]);
        }
        assert!(!out.exists(), "{experiment} left a directory");
    }
}

/// Needs CAP_SYS_ADMIN, like the experiment.
#[test]
fn an_interrupted_experiment_leaves_no_process_behind() {
    let out = std::env::temp_dir().join(format!("c10m-cli-c10m-{}", std::process::id()));
    let arguments = ["bench", "c10m", "--noisy", "--out", out.to_str().expect("UTF-8")];
    let mut child = c10m(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut said = String::new();
    while !said.contains("step 1 of") {
        assert!(stderr.read_line(&mut said).expect("UTF-8") > 0, "{said}");
    }
    // Server, probe and load generator.
    eventually("the processes of a step", || children(child.id()).len() == 3);
    let pids = children(child.id());
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    while stderr.read_line(&mut said).expect("UTF-8") > 0 {}
    assert_eq!(child.wait().expect("it ran").code(), Some(1), "{said}");
    assert!(said.contains("interrupted"), "{said}");
    let is_ours = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.contains("0.0.0.0:7000") || line.contains(":7000\0"))
    };
    eventually("the end of its processes", || !pids.iter().any(is_ours));
    fs::remove_dir_all(&out).expect("the journal was kept");
}
