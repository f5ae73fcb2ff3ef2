//! `c10m tune audit`: files with mistakes, for people, for programs, and for CI.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::program::{refuses, run};
use crate::scratch::Scratch;

/// A copy of a host whose only file for sysctl(8) has these lines.
fn copy(scratch: &Scratch, name: &str, lines: &str) -> String {
    let root = scratch.path(name);
    for (path, text) in [
        ("proc/sys/net/core/somaxconn", "4096\n"),
        ("proc/sys/net/ipv4/tcp_syncookies", "1\n"),
        ("proc/sys/kernel/osrelease", "6.18.0\n"),
        ("proc/meminfo", "MemTotal: 16384000 kB\nMemAvailable: 12000000 kB\n"),
        ("etc/sysctl.d/99-tuning.conf", lines),
    ] {
        let path = Path::new(&root).join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
    root
}

const WRONG: &str = "# copied from a forum\nnet.ipv4.tcp_tw_recycle = 1\nnet.core.somaxconn = 128\n";
const RIGHT: &str = "net.core.somaxconn = 4096\n";

#[test]
fn mistakes_in_files_are_found_with_their_lines() {
    let scratch = Scratch::new("tune-audit");
    let root = copy(&scratch, "wrong", WRONG);
    let (code, stdout, stderr) = run(&["tune", "audit", "--root", &root, "--json"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    let audit: Value = serde_json::from_str(&stdout).expect("JSON");
    let mistakes = audit["lint"]["mistakes"].as_array().expect("a list");
    let found =
        |id: &str| mistakes.iter().find(|mistake| mistake["id"] == id).unwrap_or_else(|| panic!("no {id}: {stdout}"));
    let dead = found("removed-key");
    assert_eq!((dead["line"].as_u64(), dead["file"].as_str()), (Some(2), Some("/etc/sysctl.d/99-tuning.conf")));
    assert_eq!(found("somaxconn-lowered")["line"].as_u64(), Some(3));
    assert!(!stdout.contains(&root), "the copy's place is nobody's business");
    let (_, text, _) = run(&["tune", "audit", "--root", &root]);
    assert!(text.contains("/etc/sysctl.d/99-tuning.conf:2 (removed-key)"), "{text}");
    assert!(text.contains("| net.ipv4.tcp_tw_recycle = 1"), "{text}");
    assert!(text.lines().filter(|line| !line.contains('→')).all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn code_hosts_get_sarif() {
    let scratch = Scratch::new("tune-sarif");
    let root = copy(&scratch, "wrong", WRONG);
    let (code, stdout, _) = run(&["tune", "audit", "--root", &root, "--sarif"]);
    assert_eq!(code, 0);
    let document: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(document["version"], "2.1.0");
    let results = document["runs"][0]["results"].as_array().expect("results");
    let rules = document["runs"][0]["tool"]["driver"]["rules"].as_array().expect("rules");
    for result in results {
        assert!(rules.iter().any(|rule| rule["id"] == result["ruleId"]), "{result}");
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().expect("a level")), "{result}");
        assert!(result["message"]["text"].as_str().is_some_and(|text| text.len() > 20), "{result}");
    }
    let dead = results.iter().find(|result| result["ruleId"] == "removed-key").expect("the dead key");
    let place = &dead["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "etc/sysctl.d/99-tuning.conf");
    assert_eq!(place["region"]["startLine"], 2);
}

#[test]
fn ci_gets_an_exit_code() {
    let scratch = Scratch::new("tune-ci");
    let (wrong, right) = (copy(&scratch, "wrong", WRONG), copy(&scratch, "right", RIGHT));
    let code = |root: &str, fail_on: &str| {
        let (code, stdout, stderr) =
            run(&["tune", "audit", "--root", root, "--connections", "100", "--fail-on", fail_on]);
        assert_eq!(stderr, "", "{stdout}");
        code
    };
    assert_eq!((code(&wrong, "warn"), code(&right, "bad")), (1, 0));
    refuses(&["tune", "audit", "--sarif", "--json"], 2, &["--json"]);
    refuses(&["tune", "audit", "--goal", "c1m", "--connections", "5"], 2, &["--goal"]);
    refuses(&["tune", "audit", "--fail-on", "ok"], 2, &["warn"]);
    refuses(&["tune", "prove", "tcp_tw_recycl"], 2, &["tcp_tw_recycl", "net.ipv4.tcp_tw_reuse"]);
}
