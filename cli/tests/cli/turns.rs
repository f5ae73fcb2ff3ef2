//! `c10m turns`, with which `bench` compares servers.

use std::process::Command;

use loadgen::turns::Record;

use crate::program::{Server, refuses, run};

/// What a server burns for each request: far more than any of them needs, on the busiest machine, too.
const PLANTED_NS: f64 = 500_000.0;

/// One of three servers is made dearer, and only that one is seen as dearer, by what was planted.
#[test]
fn a_server_that_is_dearer_is_seen_as_that() {
    let planted = PLANTED_NS.to_string();
    let servers = [
        Server::start(&["http", "--reactors", "1"]),
        Server::start(&["http", "--reactors", "1", "--handicap", &planted]),
        Server::start(&["http", "--reactors", "1"]),
    ];
    let mut arguments: Vec<String> = ["turns", "http", "--connections", "8", "--rounds", "3"].map(str::to_owned).into();
    for server in &servers {
        arguments.extend(["--target".to_owned(), format!("{},{}", server.address, server.child.id())]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (code, stdout, stderr) = run(&arguments);
    assert_eq!(code, 0, "{stderr}");
    let record: Record = serde_json::from_str(&stdout).expect("a record");
    let costs: Vec<f64> = (0..servers.len())
        .map(|number| {
            let turns = record.turns.iter().filter(|turn| turn.target == number);
            let (run_ns, completed) = turns.fold((0, 0), |sum, turn| (sum.0 + turn.run_ns, sum.1 + turn.completed));
            run_ns as f64 / completed as f64
        })
        .collect();
    assert!(costs[1] - costs[0].max(costs[2]) > PLANTED_NS / 2.0, "{costs:?}");
    assert!(costs[0].max(costs[2]) < PLANTED_NS, "{costs:?}");
    assert!(record.targets.iter().all(|whole| whole.process_bytes_grown.is_some()), "{:?}", record.targets);
}

/// Each client has a table of descriptors of its own, so the limit bounds the connections to one server. Also, the servers
/// see a connection for each request where connections come and go.
#[test]
fn connections_to_all_servers_may_exceed_the_limit_of_one_process() {
    let servers = [Server::start(&["echo", "--reactors", "1"]), Server::start(&["echo", "--reactors", "1"])];
    let targets: Vec<String> =
        servers.iter().map(|server| format!("{},{}", server.address, server.child.id())).collect();
    for (churn, connections, code_expected) in [("", "40", 0), ("--churn", "40", 0), ("", "80", 1)] {
        let script = format!(
            "ulimit -n 64; exec {} turns echo --rounds 1 --connections {connections} {churn} --target {} --target {}",
            env!("CARGO_BIN_EXE_c10m"),
            targets[0],
            targets[1]
        );
        let output = Command::new("sh").args(["-c", &script]).output().expect("a shell");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code_expected), "{churn} {connections}: {stderr}");
        assert_eq!(stderr.contains("Too many open files"), code_expected == 1, "{stderr}");
    }
    for server in servers {
        let (code, exit) = server.drain();
        let (accepts, requests) = (exit["totals"]["accepts"].as_u64(), exit["totals"]["requests"].as_u64());
        assert_eq!(code, 0, "{exit}");
        // What stays answered many requests on 40; what goes has one connection for each.
        assert!(accepts > Some(40 + 40) && accepts < requests, "{accepts:?} {requests:?}");
    }
}

#[test]
fn what_is_no_server_is_refused() {
    refuses(&["turns", "http", "--target", "127.0.0.1:80"], 2, &["127.0.0.1:8080,4711"]);
    refuses(&["turns", "http"], 2, &["--target"]);
    let nobody = format!("127.0.0.1:1,{}", std::process::id());
    refuses(&["turns", "echo", "--target", &nobody], 1, &["127.0.0.1:1: cannot connect"]);
}
