//! Files that are no record, or not the one that was meant: `report` and `compare` say why, print nothing that acts on
//! a terminal, and replace nothing.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use serde_json::{Value, json};

use crate::program::{c10m, finish, refuses, run};
use crate::scratch::{Scratch, published};

/// A record of each kind: one that was published, and what is enough to tell the others.
fn comparison() -> Value {
    let text = fs::read_to_string(published("quick").join("record.json")).expect("readable");
    serde_json::from_str(&text).expect("JSON")
}

fn load() -> Value {
    let summary = json!({ "count": 1, "p50": 1.0, "p90": 1.0, "p99": null, "p99_9": null });
    json!({
        "schema": 1, "workload": "echo", "mode": "open", "schedule": "poisson", "rate": 10.0, "pipeline": 1,
        "requests_per_connection": 0, "duration_planned_us": 1, "engine": "epoll", "threads": 1,
        "connections": { "target": 1 }, "requests": { "failed": 0 }, "requests_per_second": 10.0, "host": {},
        "response_us": summary, "service_us": summary, "lateness_us": summary, "verdict": { "state": "VALID" },
    })
}

#[test]
fn what_is_no_file_is_refused() {
    let scratch = Scratch::new("records-file");
    let whole = scratch.comparison("whole", &comparison());
    let socket = scratch.path("socket");
    let _listener = UnixListener::bind(&socket).expect("a socket");
    let (nowhere, empty) = (scratch.path("nowhere"), scratch.path(""));
    for (named, code, words) in [
        ("/dev/zero", 2, ["is no record", "a device"]),
        (&socket, 2, ["is no record", "a socket"]),
        (&nowhere, 2, ["no record.json", "c10m bench"]),
        (&empty, 2, ["no record.json", "c10m bench"]),
    ] {
        refuses(&["report", named], code, &words);
        refuses(&["report", &whole, named], code, &words);
        refuses(&["compare", named, &whole], code, &words);
        refuses(&["compare", &whole, named], code, &words);
    }
}

/// The opening of a pipe waits for its writer, and there is none.
#[test]
fn a_pipe_is_not_waited_for() {
    let scratch = Scratch::new("records-pipe");
    let pipe = scratch.path("record.json");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo starts");
    assert!(made.success());
    for named in [&pipe, &scratch.path("")] {
        refuses(&["report", named], 2, &["a pipe"]);
        refuses(&["compare", named, named], 2, &["a pipe"]);
    }
}

#[test]
fn a_file_without_end_is_not_read_to_the_end() {
    let scratch = Scratch::new("records-huge");
    let path = scratch.path("record.json");
    // Sparse: it takes no room.
    fs::File::create(&path).and_then(|file| file.set_len(1 << 40)).expect("a large file");
    refuses(&["report", &path], 1, &["cannot read the record", "64 MiB"]);
    refuses(&["compare", &path, &path], 1, &["cannot read the record", "64 MiB"]);
    let run = scratch.run("run", &comparison());
    fs::File::create(format!("{run}/runs.csv.zst")).and_then(|file| file.set_len(1 << 40)).expect("a large file");
    refuses(&["report", &run], 1, &["runs.csv.zst", "64 MiB"]);
}

#[test]
fn damaged_records_are_refused() {
    let scratch = Scratch::new("records-damaged");
    let whole = comparison();
    let text = whole.to_string();
    for part in ["", "{", "nonsense", &text[..text.len() / 2], "\u{1b}[31m{"] {
        let run = scratch.run("part", &whole);
        fs::write(format!("{run}/record.json"), part).expect("writable");
        refuses(&["report", &run], 1, &["is no record"]);
        refuses(&["compare", &run, &run], 1, &["is no record"]);
    }
    for field in ["design", "seed", "metric", "schema", "cells"] {
        let mut lacking = whole.clone();
        lacking.as_object_mut().expect("an object").remove(field);
        let run = scratch.run(field, &lacking);
        // Without its cells it is of no kind.
        let code = if field == "cells" { 2 } else { 1 };
        refuses(&["report", &run], code, &["record"]);
        refuses(&["compare", &run, &run], code, &["record"]);
    }
    let mut outside = whole.clone();
    outside["cells"][0]["key"] = "../../etc/passwd".into();
    refuses(&["report", &scratch.run("outside", &outside)], 1, &["key"]);
    for pointer in ["engine", "response_us", "verdict", "host"] {
        let mut lacking = load();
        // What both lack must not pass as what both have.
        lacking.as_object_mut().expect("an object").remove(pointer);
        let run = scratch.run(pointer, &lacking);
        let code = if pointer == "response_us" { 2 } else { 1 };
        refuses(&["compare", &run, &run], code, &["record"]);
    }
}

#[test]
fn newer_schemas_and_other_kinds_are_named() {
    let scratch = Scratch::new("records-kinds");
    let whole = scratch.comparison("whole", &comparison());
    let mut newer = comparison();
    newer["schema"] = 99.into();
    let newer = scratch.run("newer", &newer);
    refuses(&["report", &newer], 2, &["schema 99", "up to 3", "newer one"]);
    refuses(&["compare", &whole, &newer], 2, &["schema 99"]);
    for (name, record, command) in [
        ("load", load(), "`c10m load`"),
        ("knee", json!({ "schema": 1, "knee": {}, "probes": [] }), "--find-knee"),
        ("self-test", json!({ "schema": 1, "stall_us": 1, "attempts": [] }), "--self-test"),
    ] {
        let run = scratch.run(name, &record);
        refuses(&["report", &run], 2, &[command, "no report"]);
        if name == "load" {
            refuses(&["compare", &run, &whole], 2, &["two of a kind"]);
        } else {
            refuses(&["compare", &whole, &run], 2, &["neither a run of", command]);
        }
    }
    let (code, _, stderr) = run(&["compare", &scratch.run("a", &load()), &scratch.run("b", &load())]);
    assert_eq!(code, 0, "{stderr}");
}

/// Moves the cursor, sets the title, and begins a line of its own.
const EVIL: &str = "\u{1b}]0;title\u{7}\u{9b}2J\r\nc10m: all is well | `";

#[test]
fn what_acts_on_a_terminal_is_shown() {
    let scratch = Scratch::new("records-evil");
    let mut record = comparison();
    for name in ["experiment", "question", "started_at", "version", "commit"] {
        record[name] = format!("{EVIL}{name}").into();
    }
    record["notes"] = json!([EVIL]);
    record["host"]["kernel"]["release"] = EVIL.into();
    for cell in record["cells"].as_array_mut().expect("cells") {
        cell["arm"] = format!("{EVIL}arm").into();
        cell["workload"] = EVIL.into();
    }
    let evil = scratch.comparison("evil", &record);
    record["experiment"] = "another".into();
    record["host"]["kernel"]["release"] = "6".into();
    record["host"][format!("{EVIL}key")] = 1.into();
    let (other, plain) = (scratch.comparison("other", &record), scratch.comparison("plain", &comparison()));
    let mut kernel: Value =
        serde_json::from_str(&fs::read_to_string(format!("{evil}/record.json")).expect("readable")).expect("JSON");
    kernel["host"]["kernel"]["release"] = "7".into();
    let kernel = scratch.comparison("kernel", &kernel);
    let mut unread = comparison();
    unread["metric"] = EVIL.into();
    let unread = scratch.run("unread", &unread);
    let nowhere = format!("{}/{}", scratch.path("nowhere"), EVIL.replace('\0', ""));
    for arguments in [
        &["report", &evil][..],
        &["report", &evil, "--readme"],
        &["report", &evil, "--json"],
        &["compare", &evil, &evil],
        &["compare", &evil, &evil, "--json"],
        &["compare", &evil, &other],
        &["compare", &plain, &evil],
        &["compare", &evil, &kernel],
        &["compare", &evil, &kernel, "--despite", EVIL],
        &["report", &unread],
        &["report", &unread, "--readme"],
        &["compare", &unread, &evil],
        &["report", &nowhere],
    ] {
        let (_, stdout, stderr) = run(arguments);
        for text in [&stdout, &stderr] {
            assert_eq!(text.find(|c: char| c.is_control() && c != '\n'), None, "{arguments:?}: {text:?}");
            let is_forged =
                text.lines().any(|line| line.starts_with("c10m: all is well") && !arguments.contains(&EVIL));
            assert!(!is_forged, "{arguments:?}: {text}");
        }
        assert!(!stdout.is_empty() || !stderr.is_empty(), "{arguments:?}");
    }
    for file in fs::read_dir(&evil).expect("readable").map(|entry| entry.expect("readable").path()) {
        let text = String::from_utf8_lossy(&fs::read(&file).expect("readable")).into_owned();
        let is_rendered = file.extension().is_some_and(|extension| extension != "json" && extension != "zst");
        assert!(!is_rendered || !text.contains(|c: char| c.is_control() && c != '\n'), "{}", file.display());
    }
}

#[test]
fn reports_of_runs_with_one_name_are_all_there() {
    let scratch = Scratch::new("records-names");
    let named = |directory: &str, question: &str| {
        let mut record = comparison();
        record["question"] = question.into();
        scratch.comparison(directory, &record)
    };
    let runs = [named("a/q", "first?"), named("b/q", "second?"), named("c/q-2", "third?")];
    let out = scratch.path("out");
    let file = format!("{}/record.json", runs[1]);
    let (code, stdout, stderr) = run(&["report", &runs[0], &file, &runs[2], "--out", &out, "--json"]);
    assert_eq!(code, 0, "{stderr}");
    let json: Value = serde_json::from_str(&stdout).expect("one JSON document");
    for (index, (name, question)) in [("q", "first?"), ("q-2", "second?"), ("q-2-2", "third?")].into_iter().enumerate()
    {
        let directory = format!("{out}/{name}");
        assert_eq!(json["runs"][index]["directory"], directory);
        let report = fs::read_to_string(format!("{directory}/report.md")).expect("a report");
        assert!(report.contains(question), "{directory}");
    }
    // Neither that of another time, nor that beside another record.
    refuses(&["report", &runs[1], "--out", &format!("{out}/q")], 2, &["--out", "report.md"]);
    refuses(&["report", &runs[1], &runs[0], "--out", &out], 2, &["--out", "report.md"]);
    refuses(&["report", &runs[0], "--out", &runs[1]], 2, &["--out", "record.json"]);
    assert!(!Path::new(&runs[1]).join("report.md").exists());
}

/// What it says of `--out` is true, and no file of somebody else is replaced.
#[test]
fn a_place_for_a_report_is_its_own_or_free() {
    let scratch = Scratch::new("records-place");
    let run_of_bench = scratch.comparison("q", &comparison());
    for _ in 0..2 {
        let (code, _, stderr) = run(&["report", &run_of_bench, "--out", &format!("{run_of_bench}/../q")]);
        assert_eq!(code, 0, "the run's own directory: {stderr}");
    }
    refuses(&["report", &run_of_bench, "--out", "/dev/null"], 2, &["--out /dev/null", "no directory"]);
    for (name, is_link) in [("report.html", false), ("report.md", true)] {
        let place = scratch.path(&format!("foreign-{name}"));
        fs::create_dir(&place).expect("new");
        let foreign = format!("{place}/{name}");
        match is_link {
            true => std::os::unix::fs::symlink("/nonexistent", &foreign).expect("a link"),
            false => fs::write(&foreign, "foreign").expect("writable"),
        }
        refuses(&["report", &run_of_bench, "--out", &place], 2, &["--out", name]);
        assert_eq!(fs::read_dir(&place).expect("readable").count(), 1, "nothing else was written");
    }
}

/// A name need not be UTF-8, and JSON has no other form for one.
#[test]
fn a_path_that_is_no_text_is_a_path() {
    let scratch = Scratch::new("records-bytes");
    let directory = scratch.0.join(OsStr::from_bytes(b"q\xff"));
    fs::create_dir(&directory).expect("new");
    for file in ["record.json", results::run::RUNS, results::run::LATENCIES] {
        fs::copy(published("quick").join(file), directory.join(file)).expect("a published run");
    }
    for arguments in [&["report", "--json"][..], &["report"], &["compare", "--json"]] {
        let mut command = c10m(arguments);
        command.arg(&directory);
        if arguments[0] == "compare" {
            command.arg(&directory);
        }
        let (code, _, stderr) = finish(&mut command);
        assert!(code == 0 || arguments[0] == "compare" && code == 4, "{arguments:?}: {code} {stderr}");
    }
}

#[test]
fn the_record_of_a_run_stands_for_the_run() {
    let scratch = Scratch::new("records-record");
    let directory = scratch.comparison("q", &comparison());
    let (code, _, stderr) = run(&["report", &format!("{directory}/record.json")]);
    assert_eq!(code, 0, "{stderr}");
    assert!(Path::new(&directory).join("report.md").is_file());
    let (code, block, _) = run(&["report", &format!("{directory}/record.json"), "--readme"]);
    assert!(code == 0 && block.starts_with(&format!("<!-- results: {directory} -->\n")), "{block}");
    let copy = scratch.path("copy.json");
    fs::copy(format!("{directory}/record.json"), &copy).expect("a copy");
    refuses(&["report", &copy], 2, &["without its run", "record.json"]);
    // What is compared are the starts, which are beside the record.
    refuses(&["compare", &copy, &directory], 1, &[results::run::RUNS]);
}
