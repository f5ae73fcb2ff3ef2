//! Faults of servers, and the name under which the run record counts each.

mod support;

use loadgen::record::State;
use loadgen::{Engine, Options, WarmUp};
use protocol::Workload;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::Act::{self, Ask, Close, Echo, Flood, Hang, Reset, Say};
use support::{Manner, Server, check_identities};

/// Where a fault is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    /// In `requests.errors`; no request is completed.
    Request(&'static str),
    /// In `connections.errors`: no request was outstanding.
    Connection(&'static str),
}
use Counted::{Connection, Request};

struct Case {
    what: &'static str,
    workload: Workload,
    expect_body: Option<&'static str>,
    acts: &'static [Act],
    counted: Counted,
    /// How it is counted if a request was sent before the bytes arrived.
    or: &'static str,
}

impl Case {
    const fn or(self, name: &'static str) -> Case {
        Case { or: name, ..self }
    }
}

const fn http(what: &'static str, acts: &'static [Act], counted: Counted) -> Case {
    Case { what, workload: Workload::Http, expect_body: None, acts, counted, or: "" }
}

/// The client expects the body `hello`.
const fn expecting(what: &'static str, acts: &'static [Act], counted: Counted) -> Case {
    Case { expect_body: Some("hello"), ..http(what, acts, counted) }
}

const fn echo(what: &'static str, acts: &'static [Act], counted: Counted) -> Case {
    Case { workload: Workload::Echo, ..http(what, acts, counted) }
}

const LINE: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

const CASES: &[Case] = &[
    http("speaks another protocol", &[Ask, Say("220 mail\r\n"), Hang], Request("malformed")),
    http("gives no status", &[Ask, Say("HTTP/1.1 OK\r\n\r\n"), Hang], Request("malformed")),
    http(
        "switches to another protocol unasked",
        &[Ask, Say("HTTP/1.1 101 Now\r\nUpgrade: x\r\n\r\n"), Hang],
        Request("malformed"),
    ),
    http("never ends a header", &[Ask, Say(LINE), Say("X: "), Flood("x")], Request("head_too_long")),
    http("never ends the headers", &[Ask, Say(LINE), Flood("X: y\r\n")], Request("head_too_long")),
    http("never ends its interim replies", &[Ask, Flood("HTTP/1.1 102 Wait\r\n\r\n")], Request("too_many_interim")),
    http("closes behind an interim reply", &[Ask, Say("HTTP/1.1 100 Go on\r\n\r\n"), Close], Request("truncated")),
    http("closes within the head", &[Ask, Say(LINE), Say("Content-Le"), Close], Request("truncated")),
    http("closes within the body", &[Ask, Say(LINE), Say("Content-Length: 3\r\n\r\nok"), Close], Request("truncated")),
    http("closes within a chunk", &[Ask, Say(CHUNKED), Say("3\r\nok"), Close], Request("truncated")),
    http("closes in front of the last chunk", &[Ask, Say(CHUNKED), Say("2\r\nok\r\n"), Close], Request("truncated")),
    http(
        "announces two lengths",
        &[Ask, Say(LINE), Say("Content-Length: 1\r\nContent-Length: 2\r\n\r\nok"), Hang],
        Request("bad_framing"),
    ),
    http(
        "announces a negative length",
        &[Ask, Say(LINE), Say("Content-Length: -1\r\n\r\n"), Hang],
        Request("bad_framing"),
    ),
    http(
        "sends more than the chunk it announced",
        &[Ask, Say(CHUNKED), Say("1\r\nok\r\n"), Hang],
        Request("bad_framing"),
    ),
    http(
        "announces a body of 5 GB",
        &[Ask, Say(LINE), Say("Content-Length: 5000000000\r\n\r\n"), Flood("x")],
        Request("body_too_long"),
    ),
    http("announces a chunk of 2 GiB", &[Ask, Say(CHUNKED), Say("80000000\r\n"), Flood("x")], Request("body_too_long")),
    http("never ends its chunks", &[Ask, Say(CHUNKED), Flood("2\r\nok\r\n")], Request("body_too_long")),
    http("never ends a body without length", &[Ask, Say(LINE), Say("\r\n"), Flood("x")], Request("body_too_long")),
    http("stops within the reply", &[Ask, Say(LINE), Say("Content-Length: 3\r\n\r\nok"), Hang], Request("timeout")),
    http("never answers", &[Ask, Hang], Request("timeout")),
    expecting(
        "sends another body",
        &[Ask, Say(LINE), Say("Content-Length: 5\r\n\r\nhallo"), Hang],
        Request("wrong_body"),
    ),
    expecting("announces another length", &[Ask, Say(OK), Hang], Request("wrong_length")),
    expecting("sends fewer chunks", &[Ask, Say(CHUNKED), Say("4\r\nhell\r\n0\r\n\r\n"), Hang], Request("wrong_length")),
    http("refuses", &[Ask, Say("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")], Request("status_503")),
    http("resets instead of a reply", &[Ask, Reset], Request("connection_reset")),
    http("closes instead of a reply", &[Ask, Close], Request("closed_by_peer")),
    http("sends more than it announced", &[Ask, Say(OK), Say("!")], Connection("unsolicited_bytes")),
    http("answers twice", &[Ask, Say(OK), Say(OK)], Connection("unsolicited_bytes")),
    http("talks before it is asked", &[Flood("x")], Connection("unsolicited_bytes")).or("malformed"),
    echo("talks before it is asked", &[Flood("x")], Connection("unsolicited_bytes")).or("wrong_body"),
    echo("closes at once", &[Close], Connection("closed_by_peer")),
    echo("closes within the reply", &[Ask, Echo(63), Close], Request("truncated")),
    echo("resets within the reply", &[Ask, Echo(63), Reset], Request("connection_reset")),
    echo("changes the last byte", &[Ask, Echo(63), Say("?"), Hang], Request("wrong_body")),
    echo("sends one byte more", &[Ask, Echo(64), Say("?")], Connection("unsolicited_bytes")),
    echo("stops within the reply", &[Ask, Echo(63), Hang], Request("timeout")),
    echo("never answers", &[Ask, Hang], Request("timeout")),
];

/// Loads the server of `case` and checks what the record says about it.
fn check(case: &Case, engine: Engine, rate: Option<f64>) {
    let server = Server::start(case.workload, &[Manner::Acts(case.acts)]);
    let options = Options {
        target: server.target(),
        connections: 4,
        rate,
        // With this seed the last byte of an echo message is not a question mark.
        seed: Some(1),
        expect_body: case.expect_body.map(|body| body.as_bytes().to_vec()),
        warmup: WarmUp::Fixed(Duration::ZERO),
        engine,
        body_len_max: 1 << 16,
        duration: Duration::from_millis(700),
        timeout: Duration::from_millis(200),
        connect_timeout: Duration::from_millis(300),
        ..Options::default()
    };
    let begun = Instant::now();
    let record = loadgen::load(&options, &AtomicBool::new(false), |_| {}).unwrap().record;
    let (requests, connections) = (&record.requests, &record.connections);
    let shown =
        format!("{:?} {} at rate {rate:?} on {engine:?}: {requests:?} {connections:?}", case.workload, case.what);
    assert!(begun.elapsed() < Duration::from_secs(20), "the run must end, whatever the server does: {shown}");
    check_identities(&record);
    let (name, errors) = match case.counted {
        Request(name) => (name, &requests.errors),
        Connection(name) => (name, &connections.errors),
    };
    let is_otherwise = rate != Some(0.0) && requests.errors.contains_key(case.or);
    assert!(errors.contains_key(name) || is_otherwise, "{name} is missing: {shown}");
    // On a busy machine a connect or a reply may always be late.
    let allowed = [name, case.or, "timeout", "ETIMEDOUT"];
    let found: BTreeSet<_> = requests.errors.keys().chain(connections.errors.keys()).collect();
    assert!(found.iter().all(|name| allowed.contains(&name.as_str())), "{found:?} beside {name}: {shown}");
    assert!(matches!(case.counted, Connection(_)) || requests.completed == 0, "{shown}");
    assert_ne!(record.verdict.state, State::Valid, "{shown}");
}

#[test]
fn every_fault_of_a_server_is_counted_under_its_name() {
    let mut runs: Vec<_> = CASES.iter().flat_map(|case| [(case, None), (case, Some(200.0))]).collect();
    // Without requests there is only one name.
    runs.extend(CASES.iter().filter(|case| !case.or.is_empty()).map(|case| (case, Some(0.0))));
    let engines = [Engine::Epoll, Engine::IoUring];
    let runs: Vec<_> = runs.into_iter().flat_map(|(case, rate)| engines.map(|engine| (case, engine, rate))).collect();
    let next = AtomicUsize::new(0);
    // The runs mostly wait for timers, not for the CPU.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some((case, engine, rate)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(case, *engine, *rate);
                }
            });
        }
    });
}
