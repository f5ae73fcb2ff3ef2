//! `c10m tune audit` and `c10m tune plan`.

use serde_json::Value;
use tuning::budget;

use crate::program::{Server, refuses, run};

fn json(arguments: &[&str]) -> Value {
    let (code, stdout, stderr) = run(arguments);
    assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
    serde_json::from_str(&stdout).expect("one JSON document")
}

#[test]
fn the_audit_reads_this_host() {
    let audit = json(&["tune", "audit", "--json", "--connections", "1M"]);
    assert_eq!(audit["connections"], 1_000_000);
    let rows = audit["rows"].as_array().expect("rows");
    for id in ["net.core.somaxconn", "kernel.io_uring_disabled", "net.ipv4.ip_local_port_range"] {
        assert!(rows.iter().any(|row| row["id"].as_str().is_some_and(|found| found.contains(id))), "no row {id}");
    }
    for row in rows {
        assert!(row["source"].as_str().is_some_and(|source| !source.is_empty()), "a rule without a source: {row}");
    }
}

#[test]
fn people_get_a_table_that_fits() {
    let (code, stdout, _) = run(&["tune", "audit"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("congestion control"), "{stdout}");
    assert!(stdout.lines().all(|line| line.chars().count() <= 80), "{stdout}");
}

#[test]
fn a_plan_is_complete_in_json() {
    let plan = json(&["tune", "plan", "--connections", "2.5M", "--side", "both", "--heartbeat", "60s", "--json"]);
    assert_eq!(plan["request"]["connections"], 2_500_000);
    assert_eq!(plan["request"]["heartbeat_ms"], 60_000);
    let chain = plan["chain"].as_array().expect("a chain");
    let hit: Vec<u64> = chain.iter().map(|link| link["hit_at"].as_u64().unwrap_or(u64::MAX)).collect();
    assert!(hit.is_sorted(), "{hit:?}");
    for id in ["RLIMIT_NOFILE (server)", "RLIMIT_NOFILE (generator)", "memory", "net.ipv4.tcp_ehash_entries"] {
        assert!(chain.iter().any(|link| link["id"] == id), "no link {id}");
    }
    let parts = plan["prediction"]["parts"].as_array().expect("parts");
    let sum: u64 = parts.iter().map(|part| part["bytes"].as_u64().expect("bytes")).sum();
    assert_eq!(plan["needs"]["memory_bytes"], sum);
    assert!(plan["commands"].as_array().is_some_and(|commands| commands.len() >= 2));
}

#[test]
fn a_plan_that_does_not_fit_is_an_answer() {
    let (code, stdout, stderr) = run(&["tune", "plan", "--connections", "18446744073709551615"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("Impossible: "), "{stdout}");
    let (code, large, stderr) = run(&["tune", "plan", "--connections", "1000000M"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(large.contains("First wall") && !large.contains("Impossible"), "{large}");
    let copied = |line: &&str| line.contains('→') || line.starts_with("  ");
    let people = stdout.lines().filter(|line| !copied(line));
    assert!(people.clone().count() > 20 && people.clone().all(|line| line.chars().count() <= 80), "{stdout}");
}

#[test]
fn a_connection_of_the_generator_is_as_large_as_planned() {
    let server = Server::start(&["echo"]);
    let target = format!("tcp://{}", server.address);
    // So short a run may be no valid measurement (exit code 4); its sizes are what they are.
    let (_, stdout, _) = run(&["load", &target, "-c", "2", "-r", "0", "-d", "50ms", "--warmup", "0ms", "--json"]);
    let record: Value = serde_json::from_str(&stdout).expect("one JSON document");
    assert_eq!(record["memory"]["connection_struct_bytes_max"], budget::GENERATOR_CONNECTION_BYTES);
}

#[test]
fn wrong_words_are_usage_errors() {
    let (code, _, stderr) = run(&["tune"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("audit") && stderr.contains("plan"), "{stderr}");
    refuses(&["tune", "audit", "--connections", "many"], 2, &["many"]);
    refuses(&["tune", "plan"], 2, &["--connections"]);
    for (flag, value) in [
        ("--connections", "0"),
        ("--connections", "2.5"),
        ("--connections", "-1"),
        ("--connections", "18446744073709551616"),
        ("--connections", "18446744073710M"),
        ("--backend", "kqueue"),
        ("--workload", "smtp"),
        ("--side", "left"),
        ("--heartbeat", "0s"),
        ("--reactors", "0"),
        ("--sources", "few"),
    ] {
        let mut arguments = vec!["tune", "plan"];
        if flag != "--connections" {
            arguments.extend(["--connections", "10k"]);
        }
        let given = format!("{flag}={value}");
        arguments.push(&given);
        refuses(&arguments, 2, &[value]);
    }
}
