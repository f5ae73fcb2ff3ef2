//! `c10m bench fd-limit --explain`: each limit is hit for real, and what cannot be hit says why.

use std::process::Command;

use serde_json::Value;

use crate::program::{finish, refuses, run};

/// Its whole output, in a shell in which the program may have 500 descriptors: too few for the watches of a user, which
/// would take a gigabyte.
fn walked(arguments: &str) -> (i32, String, String) {
    let line = format!("ulimit -n 500; exec {} bench fd-limit --explain {arguments}", env!("CARGO_BIN_EXE_c10m"));
    finish(Command::new("sh").args(["-c", &line]))
}

#[test]
fn each_wall_is_hit_or_says_why_not() {
    let (code, stdout, stderr) = walked("--json");
    assert_eq!(code, 0, "{stderr}");
    let walk: Value = serde_json::from_str(&stdout).expect("one JSON document");
    let walls = walk["walls"].as_array().expect("walls");
    let wall = |name: &str| walls.iter().find(|wall| wall["wall"] == name).expect("a wall of this name");
    for wall in walls {
        assert!(wall["mends"].as_array().is_some_and(|mends| !mends.is_empty()), "{wall}");
        let is_told = match wall["outcome"].as_str() {
            Some("hit") => wall["errno"]["number"].as_i64() > Some(0),
            _ => wall["reason"].as_str().is_some_and(|reason| reason.len() > 20),
        };
        assert!(is_told, "{wall}");
    }
    for name in ["soft", "hard"] {
        let wall = wall(name);
        assert_eq!((wall["outcome"].as_str(), wall["at"].as_u64()), (Some("hit"), Some(500)), "{wall}");
        assert_eq!(wall["errno"]["name"], "EMFILE");
        assert_eq!(wall["errno"]["message"], "Too many open files");
        let seen = wall["seen"].to_string();
        for part in ["highest descriptor was 499", "stayed readable", "Opening a file failed, too: EMFILE", "at once"] {
            assert!(seen.contains(part), "{part}: {seen}");
        }
    }
    assert_eq!(wall("file-max")["outcome"], "not_hit", "it would harm others");
    let watches = wall("epoll-watches");
    assert!(
        watches["reason"].as_str().is_some_and(|reason| reason.contains("500 descriptors are too few")),
        "{watches}"
    );
    if wall("ring-table")["outcome"] == "hit" {
        assert_eq!(
            (wall("ring-table")["errno"]["name"].as_str(), wall("ring-table")["at"].as_u64()),
            (Some("EMFILE"), Some(500))
        );
        assert_eq!(wall("ring-slots")["errno"]["name"], "ENFILE");
    }
    let generators = walk["generators"]["met"].as_array().expect("generators");
    let own = generators.iter().find(|met| met["program"] == "c10m").expect("this one is always installed");
    assert!(own["exit_code"].as_i64() > Some(0) && own["ended_by_itself"] == true, "{own}");
    assert!(own["said"].as_str().is_some_and(|said| said.contains("descriptor")), "{own}");
}

/// The whole of it for people, without a word that a narrow terminal would break.
#[test]
fn people_read_the_same() {
    let (code, stdout, stderr) = walked("");
    assert_eq!(code, 0, "{stderr}");
    for part in [
        "1. The soft limit",
        "EMFILE (24, \"Too many open files\")",
        "not hit",
        "$ ulimit -Sn",
        "LimitNOFILE",
        "On the client",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    assert!(stdout.lines().all(|line| line.chars().count() <= 80), "{stdout}");
}

/// Another limit gives another wall: what is told is what was met.
#[test]
fn a_wall_stands_where_the_limit_is() {
    for limit in [64, 300] {
        let line = format!("ulimit -n {limit}; exec {} run-into soft", env!("CARGO_BIN_EXE_c10m"));
        let (code, stdout, stderr) = finish(Command::new("sh").args(["-c", &line]));
        assert_eq!(code, 0, "{stderr}");
        let met: Value = serde_json::from_str(&stdout).expect("a line of JSON");
        assert_eq!((met["at"].as_u64(), met["errno"]["number"].as_i64()), (Some(limit), Some(24)), "{met}");
    }
}

#[test]
fn only_fd_limit_has_a_walk() {
    refuses(&["bench", "quick", "--explain"], 2, &["fd-limit"]);
    refuses(&["bench", "nothing", "--explain"], 2, &["no experiment"]);
    refuses(&["bench", "fd-limit", "--explain", "--repeats", "2"], 2, &["--explain"]);
    refuses(&["run-into", "nothing"], 2, &["soft"]);
    let (_, help, _) = run(&["--help"]);
    assert!(!help.contains("run-into"), "it is a step of the walk only: {help}");
}
