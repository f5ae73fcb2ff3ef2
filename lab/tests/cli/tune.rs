//! `c10m tune audit`.

use serde_json::Value;

use crate::program::{refuses, run};

#[test]
fn the_audit_reads_this_host() {
    let (code, stdout, stderr) = run(&["tune", "audit", "--json", "--connections", "1M"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let audit: Value = serde_json::from_str(&stdout).expect("one JSON document");
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
fn wrong_words_are_usage_errors() {
    let (code, _, stderr) = run(&["tune"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("audit"), "{stderr}");
    refuses(&["tune", "audit", "--connections", "many"], 2, &["many"]);
}
