//! A load that was killed and is started again: the engine `tun` calls from the same addresses and ports, and the
//! server still has the connections of the dead run. In a network namespace of its own, as in `loadgen/tests/tun.rs`:
//! where that is impossible the test fails and says why, unless `C10M_WITHOUT_TUN=1` leaves it out.

use std::fs;
use std::process::{Child, Stdio};
use std::thread;

use serde_json::Value;

use crate::program::{Server, c10m, eventually, run};

const CONNECTIONS: u64 = 5000;

/// Connections that the kernel counts as established in the namespace of this thread (RFC 4022, tcpCurrEstab).
fn established() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/net/snmp").expect("readable");
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let mut pairs = names.split(' ').zip(values.split(' '));
    pairs.find(|(name, _)| *name == "CurrEstab").expect("a count").1.parse().expect("a number")
}

/// A process that is killed when dropped, as by `kill -9`.
struct Doomed(Child);

impl Drop for Doomed {
    fn drop(&mut self) {
        // Errors mean that it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn again() {
    let server = Server::start_at("0.0.0.0:0", &["echo", "--reactors", "1"]);
    let target = format!("tcp://198.18.0.1:{}", server.address.port());
    let count = CONNECTIONS.to_string();
    let common = ["load", &target, "--engine", "tun", "-c", &count, "--warmup", "0s", "--i-own", "198.18.0.1"];
    let mut first = c10m(&[&common[..], &["-r", "0", "-d", "600s", "--quiet"]].concat());
    let first = Doomed(first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts"));
    eventually("all are established", || established() == CONNECTIONS);
    drop(first);
    assert_eq!(established(), CONNECTIONS, "the server does not know yet");

    let (code, stdout, stderr) = run(&[&common[..], &["-r", "100", "-d", "300ms", "--json"]].concat());
    assert!(code == 0 || code == 4, "{code}: {stderr}");
    let record: Value = serde_json::from_str(&stdout).expect("one JSON document");
    let connections = &record["connections"];
    for (name, expected) in
        [("established", CONNECTIONS), ("held", CONNECTIONS), ("attempts", CONNECTIONS), ("failed", 0), ("lost", 0)]
    {
        assert_eq!(connections[name], expected, "{name} of {connections}");
    }
    assert_eq!(connections["replaced"], CONNECTIONS, "{connections}");
    // The timer of a SYN that got lost runs for a second. None got lost.
    let p50_us = record["connect_us"]["p50"].as_f64().expect("connects");
    assert!(p50_us < 1e6, "half of the connects waited for a timer: {}", record["connect_us"]);
    let checks = record["verdict"]["checks"].as_array().expect("checks");
    let v9 = checks.iter().find(|check| check["id"] == "V9").expect("it is there");
    assert_eq!(v9["state"], "VALID", "{v9}");
}

#[test]
fn a_load_that_was_killed_gets_its_connections_back() {
    if std::env::var_os("C10M_WITHOUT_TUN").is_some_and(|value| value == "1") {
        eprintln!("left out: C10M_WITHOUT_TUN=1");
        return;
    }
    // The children of the thread are in its namespace, which ends with the last of them.
    let thread = thread::spawn(|| {
        sys::namespace::enter_new().unwrap_or_else(|error| {
            panic!("no network namespace ({error}): needs CAP_SYS_ADMIN; C10M_WITHOUT_TUN=1 leaves this out")
        });
        again();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
