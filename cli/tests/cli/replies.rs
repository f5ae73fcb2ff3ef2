//! What `load` makes of replies: how many there are to be, which are a success, what is no failure of the server, and
//! what a person reads when nothing went well.

use std::fs;
use std::io::{Read, Write};

use serde_json::Value;

use crate::program::{Server, answering, refuses, run};
use crate::scratch::Scratch;

fn record(arguments: &[&str]) -> (i32, Value, String) {
    let (code, stdout, stderr) = run(&[&["load", "--json"], arguments].concat());
    let record = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout:?} {stderr}"));
    (code, record, stderr)
}

fn count(record: &Value, pointer: &str) -> u64 {
    record.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {pointer} in {record}"))
}

#[test]
fn the_server_counts_as_many_requests_as_were_asked_for() {
    for (requests, extra) in [
        ("1000", &["--pipeline", "7"][..]),
        ("1001", &["-t", "3", "--engine", "io_uring", "--pipeline", "8"]),
        ("2", &["--engine", "io_uring"]),
        ("300", &["--rate", "3000"]),
        ("301", &["--rate", "3000", "--engine", "io_uring", "-t", "2", "--schedule", "constant"]),
    ] {
        let server = Server::start(&["http"]);
        let target = format!("http://{}/", server.address);
        let (code, record, stderr) = record(&[&[target.as_str(), "-c", "10", "-n", requests], extra].concat());
        let (_, exit) = server.drain();
        assert!(matches!(code, 0 | 4), "{stderr}");
        let asked: u64 = requests.parse().expect("a number");
        assert_eq!(count(&exit, "/totals/requests"), asked, "{extra:?} {}", record["requests"]);
        for name in ["asked", "scheduled", "sent", "completed", "completed_whole_run"] {
            assert_eq!(count(&record, &format!("/requests/{name}")), asked, "{name} {extra:?}");
        }
        assert_eq!(record.get("duration_planned_us"), None, "it had no end but the requests");
        assert_eq!((&record["interrupted"], &record["warmup_us"]), (&false.into(), &0.into()));
    }
}

#[test]
fn what_a_number_of_requests_excludes_is_refused() {
    let target = "http://127.0.0.1:1/";
    for (extra, word) in [
        (&["-n", "0"][..], "not in 1..="),
        (&["-n", "9", "--warmup", "1s"], "--warmup"),
        (&["-n", "9", "--warmup", "auto"], "--warmup"),
        (&["-n", "9", "--rate", "0"], "--rate"),
        (&["-n", "9", "--heartbeat", "1s"], "--heartbeat"),
        (&["-n", "9", "--stages", "5@1s"], "--stages"),
        (&["-n", "9", "--find-knee", "p50<1ms"], "--find-knee"),
        (&["--expect-status", "1xx"], "interim"),
        (&["--expect-status", "fine"], "2xx,304"),
        (&["--body", "@/nowhere/at/all"], "/nowhere/at/all"),
    ] {
        refuses(&[&["load", target], extra].concat(), 2, &[word]);
    }
    refuses(&["load", "tcp://127.0.0.1:1", "--expect-status", "200"], 2, &["--expect-status", "http://"]);
}

#[test]
fn more_threads_than_connections_are_lowered_and_said() {
    let server = Server::start(&["echo"]);
    let target = format!("tcp://{}", server.address);
    let (code, record, stderr) = record(&[&target, "-c", "2", "-t", "8", "-n", "50"]);
    assert!(matches!(code, 0 | 4), "{stderr}");
    assert_eq!((count(&record, "/threads"), count(&record, "/requests/completed")), (2, 50));
    assert_eq!(stderr.trim_end(), "c10m: --threads 8 is lowered to 2: each worker needs a connection");
}

#[test]
fn a_body_comes_from_a_file_and_is_expected_back() {
    let scratch = Scratch::new("replies-body");
    let path = scratch.path("body");
    fs::write(&path, b"\x00 any bytes \xff\r\n").expect("writable");
    let server = Server::start(&["http"]);
    let (target, file) = (format!("http://{}/echo", server.address), format!("@{path}"));
    let post = [target.as_str(), "-c", "2", "-n", "20", "--method", "POST", "--body", &file, "--expect-body"];
    for (expected, completed) in [(file.as_str(), 20), ("@@nothing", 0)] {
        let (_, record, stderr) = record(&[&post[..], &[expected]].concat());
        assert_eq!(count(&record, "/requests/completed"), completed, "{stderr} {}", record["requests"]);
    }
}

#[test]
fn a_status_is_a_success_when_it_is_expected() {
    let server = Server::start(&["http"]);
    let target = format!("http://{}/no/such/path", server.address);
    for (extra, completed, shown) in [(&[][..], 0, "2xx"), (&["--expect-status", "2xx,404"], 20, "2xx,404")] {
        let (code, record, _) = record(&[&[target.as_str(), "-c", "2", "-n", "20"], extra].concat());
        assert_eq!((count(&record, "/requests/completed"), &record["expect_status"]), (completed, &shown.into()));
        assert_eq!(code == 4, completed == 0 || record["verdict"]["state"] == "INVALID");
    }
}

#[test]
fn requests_behind_the_last_reply_of_a_connection_are_no_failures() {
    let address = answering(|mut stream| {
        let (mut pending, mut buffer) = (Vec::new(), [0; 4096]);
        for number in 1..=5 {
            while !pending.windows(4).any(|part| part == b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(len @ 1..) => pending.extend_from_slice(&buffer[..len]),
                    _ => return,
                }
            }
            let end = pending.windows(4).position(|part| part == b"\r\n\r\n").expect("found") + 4;
            pending.drain(..end);
            let connection = if number == 5 { "close" } else { "keep-alive" };
            let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: {connection}\r\n\r\n");
            if stream.write_all(reply.as_bytes()).is_err() {
                return;
            }
        }
        // A FIN, and no reset for what comes behind it.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let target = format!("http://{address}/");
    for engine in ["epoll", "io_uring"] {
        let arguments = [target.as_str(), "-c", "2", "-n", "120", "--pipeline", "4", "--engine", engine];
        let (_, record, stderr) = record(&arguments);
        let requests = &record["requests"];
        assert_eq!((count(requests, "/completed"), count(requests, "/failed")), (120, 0), "{requests} {stderr}");
        assert!(count(requests, "/resent") > 0 && requests["errors"] == serde_json::json!({}), "{requests}");
        assert_eq!(count(&record, "/connections/lost"), 0);
        let (_, stdout, _) = run(&[&["load"], &arguments[..]].concat());
        let text = stdout.replace("\n  ", " ");
        assert!(
            text.contains("requests were sent again ") && text.contains("about 5 requests (keepalive_requests"),
            "{stdout}"
        );
        assert!(!text.contains("lost to"), "{stdout}");
    }
}

#[test]
fn when_nothing_went_well_the_likely_cause_comes_first() {
    let banner = answering(|mut stream| {
        // The peer may be gone.
        let _ = stream.write_all(b"SSH-2.0-\x1b]0;title\x07\r\n");
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let server = Server::start(&["http"]);
    let missing = format!("http://{}/no/such/path", server.address);
    for (target, kind, first) in [
        (
            format!("http://{banner}/"),
            "not_http",
            "nothing went well: the server does not speak HTTP/1.1: this is an SSH",
        ),
        (missing.clone(), "status", "nothing went well: all replies were 404: nothing is there"),
    ] {
        let arguments = [target.as_str(), "-c", "2", "-d", "300ms", "--warmup", "0s", "--connect-timeout", "300ms"];
        let (code, stdout, stderr) = run(&[&["load"], &arguments[..]].concat());
        assert_eq!(code, 4, "{stderr}");
        assert!(stdout.starts_with(first), "{stdout}");
        let before_target = stdout.split(&target).next().expect("the target");
        assert!(before_target.contains("the first bad reply begins: "), "{stdout}");
        assert!(stdout.chars().all(|sign| sign == '\n' || !sign.is_control()), "{stdout:?}");
        assert!(!stdout.contains("INVALID V8") && stdout.contains("follow from the first line"), "{stdout}");
        let (_, record, _) = record(&arguments);
        assert_eq!(record["likely_cause"]["kind"], kind, "{}", record["likely_cause"]);
        let checks = record["verdict"]["checks"].as_array().expect("checks");
        let missing = checks.iter().find(|check| check["id"] == "V8").expect("V8");
        assert_eq!((&missing["state"], &missing["follows"]), (&"INVALID".into(), &true.into()));
    }
    // A search of the knee says so as well.
    let search = [missing.as_str(), "--find-knee", "p50<5ms", "-d", "200ms", "-r", "220", "--warmup", "0s"];
    let (code, stdout, stderr) = run(&[&["load"], &search[..]].concat());
    assert_eq!(code, 3, "{stdout} {stderr}");
    assert!(stdout.starts_with("nothing went well: all replies were 404"), "{stdout}");
    let (_, document, _) = record(&search);
    assert_eq!(document["likely_cause"]["kind"], "status", "{document}");
}
