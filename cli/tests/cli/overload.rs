//! `c10m load` at a rate that its target cannot reach, and at one that it can.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::program::{Server, answering, run};

/// How long the slow server takes for each reply, whatever else it is asked meanwhile.
const REPLY_S: f64 = 0.25;

/// A request at a time, which is what an open loop has on a connection.
fn answer(mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        request.extend_from_slice(&buffer[..count]);
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            thread::sleep(Duration::from_secs_f64(REPLY_S));
            if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                return;
            }
        }
    }
}

fn record(target: &str, arguments: &[&str]) -> Value {
    let (_, stdout, stderr) = run(&[&["load", "--json", target], arguments].concat());
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout:?} {stderr}"))
}

fn number(record: &Value, pointer: &str) -> f64 {
    record.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {pointer} in {record}"))
}

fn check<'a>(record: &'a Value, id: &str) -> &'a Value {
    let checks = record["verdict"]["checks"].as_array().expect("checks");
    checks.iter().find(|check| check["id"] == id).expect("every check is a row")
}

/// The backlog of the warm-up once took the whole window: nothing that was meant to be sent in it was, and
/// nothing said what the server had done meanwhile.
#[test]
fn a_rate_that_cannot_be_reached_is_told_as_such() {
    let target = format!("http://{}/", answering(answer));
    let ways: [&[&str]; 4] = [
        &["-r", "80", "-d", "1500ms"],
        &["-r", "80", "-d", "1500ms", "--engine", "io_uring", "--schedule", "constant", "-t", "2"],
        &["--stages", "100@1s,60@500ms"],
        &["--heartbeat", "50ms", "-d", "1500ms"],
    ];
    thread::scope(|scope| {
        for way in ways {
            let target = &target;
            scope.spawn(move || judge(way, &record(target, &[&["-c", "4", "--warmup", "1s"], way].concat())));
        }
    });
}

fn judge(way: &[&str], record: &Value) {
    let name = way.join(" ");
    let requests = |key: &str| number(record, &format!("/requests/{key}"));
    let window_s = number(record, "/duration_us") / 1e6;
    // Four connections, none of which gets more than a reply in a quarter of a second.
    let answered = number(record, "/achieved_per_second") * window_s;
    assert!(answered > 0.0 && answered <= 4.0 * (window_s / REPLY_S + 1.0), "{name}: {answered} in {window_s} s");
    assert!((number(record, "/offered_per_second") * window_s - requests("scheduled")).abs() < 0.5, "{name}");
    assert!(requests("sent") > 0.0, "the warm-up took the window: {name}: {}", record["requests"]);
    let queue = &record["queue"];
    assert_eq!(queue["is_growing"], true, "{name}: {queue}");
    assert!(queue["dropped"].as_u64() > Some(0), "{name}: {queue}");
    let (start, end) = (number(record, "/queue/start"), number(record, "/queue/end"));
    assert!((number(record, "/queue/growth_per_second") * window_s - (end - start)).abs() < 0.5, "{name}: {queue}");
    // What waited at the end was sent in the grace, or never.
    assert!(end >= requests("unsent") && end <= start + requests("scheduled"), "{name}: {queue}");
    assert_eq!(
        record["intervals"].as_array().and_then(|all| all.last()).map(|last| &last["phase"]),
        Some(&"grace".into())
    );
    assert!(
        record["intervals"].as_array().expect("a list").iter().any(|one| one["waiting"].as_u64() > Some(0)),
        "{name}"
    );
    let back_pressure = check(record, "V3");
    assert_eq!(back_pressure["state"], "WARN", "{name}: {back_pressure}");
    assert!(back_pressure["why"].as_str().is_some_and(|why| why.contains("a longer window has longer ones")), "{name}");
    assert_eq!(check(record, "V7")["state"], "VALID", "{name}: {}", check(record, "V7"));
}

#[test]
fn it_is_the_first_thing_that_is_said() {
    let target = format!("http://{}/", answering(answer));
    let (code, stdout, _) = run(&["load", &target, "-c", "4", "-r", "80", "-d", "1500ms", "--warmup", "0s"]);
    assert_eq!(code, 4, "{stdout}");
    let text = stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let (first, rest) = text.split_once(" waiting at the end)").expect("the queue");
    assert!(first.starts_with("offered ") && !first.contains("http://"), "{stdout}");
    assert!(first.contains("/s: the target cannot keep up; the queue grew by "), "{stdout}");
    assert!(rest.contains("connections busy, and there are 4: more of them (-c) may help"), "{stdout}");
    assert!(stdout.lines().all(|line| line.chars().count() <= 80), "{stdout}");
}

/// More connections than arrivals: nothing ever waits, however slow the machine is.
#[test]
fn a_rate_that_is_reached_has_no_queue() {
    let server = Server::start(&["http"]);
    let target = format!("http://{}", server.address);
    let load = ["-c", "300", "-r", "200", "-d", "500ms", "--warmup", "300ms"];
    let record = record(&target, &load);
    let queue = &record["queue"];
    for key in ["start", "end", "dropped"] {
        assert_eq!(queue[key], 0, "{queue}");
    }
    assert_eq!((&queue["is_growing"], number(&record, "/queue/growth_per_second")), (&false.into(), 0.0));
    let (code, stdout, stderr) = run(&[&["load", &target], &load[..]].concat());
    assert!(code == 0 || code == 4, "{stderr}");
    assert!(!stdout.contains("cannot keep up") && !stdout.contains("queue grew"), "{stdout}");
    // A closed loop has no queue, and no rate that was offered.
    let (_, stdout, _) = run(&["load", "--json", &target, "-d", "100ms", "--warmup", "0s"]);
    let record: Value = serde_json::from_str(&stdout).expect("a record");
    assert_eq!((&record["queue"], &record["offered_per_second"]), (&Value::Null, &Value::Null));
    assert!(number(&record, "/achieved_per_second") > 0.0);
}

/// More than half of the requests were answered within an hour, if the grace counts: that once held, at a rate
/// whose queue grows for as long as a probe lasts.
#[test]
fn no_rate_that_is_not_kept_up_with_is_a_knee() {
    let target = format!("http://{}/", answering(answer));
    let search =
        ["load", "--json", &target, "-c", "3", "--find-knee", "p50<1h", "-r", "43", "-d", "1s", "--warmup", "0s"];
    let (code, stdout, stderr) = run(&[&search[..], &["--seed", "7"]].concat());
    let document: Value = serde_json::from_str(&stdout).expect("a document");
    let knee = &document["knee"];
    // On a machine that is too busy to judge every probe, the search says so: that is no knee either.
    let is_right = (code, &knee["end"]) == (3, &"never_held".into()) || (code, &knee["end"]) == (4, &"invalid".into());
    assert!(is_right && knee["rate"].is_null() && stderr.is_empty(), "{stdout}{stderr}");
    for probe in document["probes"].as_array().expect("probes") {
        assert_eq!(probe["held"], false, "{document}");
        // Three connections; what came in behind the window is not achieved in it.
        assert!(probe["achieved"].as_f64() <= Some(3.0 * (1.0 / REPLY_S + 1.0)), "{document}");
    }
}
