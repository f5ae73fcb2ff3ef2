//! How a run treats replies: which are a success, how many there should be, what happens to requests that a server
//! left unprocessed, and that failures never make a server look faster.

mod support;

use loadgen::record::{CauseKind, State};
use loadgen::{Engine, Options, Process, WHATEVER_IT_TAKES, WarmUp};
use protocol::Workload;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{Act, Manner, Server, check_identities, run};

const ENGINES: [Engine; 2] = [Engine::Epoll, Engine::IoUring];
/// Longer than any pause of a busy test machine.
const LONG: Duration = Duration::from_secs(30);

fn options(target: String) -> Options {
    Options {
        target,
        connections: 4,
        duration: Duration::from_millis(600),
        warmup: WarmUp::Fixed(Duration::ZERO),
        timeout: LONG,
        connect_timeout: LONG,
        ..Options::default()
    }
}

fn counted(target: String, requests: u64) -> Options {
    Options { requests: Some(requests), duration: WHATEVER_IT_TAKES, ..options(target) }
}

#[test]
fn statuses_are_a_success_when_they_are_expected() {
    let server = Server::start(Workload::Http, &[Manner::NotFound]);
    for (expect_status, body, is_good) in
        [("404", None, true), ("4xx", Some("no"), true), ("2xx,304", None, false), ("404", Some("yes!"), false)]
    {
        let options = Options {
            expect_status: Some(expect_status.parse().unwrap()),
            expect_body: body.map(|body| body.as_bytes().to_vec()),
            ..options(server.target())
        };
        let record = run(&options);
        let requests = &record.requests;
        assert_eq!(record.expect_status.as_deref(), Some(expect_status));
        assert_eq!((requests.completed > 0, requests.failed == 0), (is_good, is_good), "{expect_status}: {requests:?}");
    }
    let record = run(&options(Server::start(Workload::Http, &[Manner::Good]).target()));
    assert_eq!(record.expect_status.as_deref(), Some("2xx"));
}

/// The fault: requests that ended with a reset or close had no response time, so a server looked better the
/// fewer of its hard requests it answered.
#[test]
fn requests_that_end_badly_do_not_make_a_server_look_fast() {
    let wait = Duration::from_millis(200);
    let check = |rate, engine| {
        let run = |manner| {
            let server = Server::start(Workload::Http, &[manner]);
            run(&Options {
                engine,
                rate,
                connections: 16,
                duration: Duration::from_secs(1),
                ..options(server.target())
            })
        };
        let (slow, resetting) = (run(Manner::LateEvery(5, wait)), run(Manner::ResetEvery(5, wait)));
        let shown = format!("{rate:?} {engine:?}: {:?} {:?}", slow.response_us, resetting.response_us);
        assert!(slow.response_us.p90 >= Some(200_000.0), "one in five is late: {shown}");
        // One in five was reset after 200 ms: its response time is at least that, but unknown.
        assert!(resetting.requests.errors.contains_key("connection_reset"), "{shown} {:?}", resetting.requests);
        assert!(resetting.response_us.count >= 100 && resetting.response_us.p50.is_some(), "{shown}");
        assert_eq!(resetting.response_us.p90, None, "{shown}");
        assert!(resetting.response_us.max >= Some(200_000.0), "at least the wait: {shown}");
        for interval in &resetting.intervals {
            let is_failing = interval.failed * 10 > interval.response_us.count;
            assert!(!is_failing || interval.response_us.p90.is_none(), "{interval:?}");
        }
    };
    std::thread::scope(|scope| {
        for (rate, engine) in [(None, Engine::Epoll), (None, Engine::IoUring), (Some(200.0), Engine::Epoll)] {
            scope.spawn(move || check(rate, engine));
        }
    });
}

#[test]
fn a_refusal_is_no_quick_reply() {
    let server = Server::start(Workload::Http, &[Manner::Late(Duration::from_millis(20)), Manner::NotFound]);
    let record = run(&options(server.target()));
    // Two of four connections refuse at once: there are far more refusals than replies, and nothing else is
    // known.
    assert!(
        record.requests.failed > record.requests.completed && record.requests.completed > 0,
        "{:?}",
        record.requests
    );
    assert_eq!(record.response_us.p50, None, "{:?}", record.response_us);
    assert!(record.response_us.min >= Some(20_000.0), "the least of the good replies: {:?}", record.response_us);
    assert!(record.likely_cause.is_none(), "some went well");
}

#[test]
fn so_many_requests_reach_the_server_and_no_more() {
    for (workload, engine) in [
        (Workload::Http, Engine::Epoll),
        (Workload::Http, Engine::IoUring),
        (Workload::Echo, Engine::Epoll),
        (Workload::Echo, Engine::IoUring),
    ] {
        for (requests, threads, pipeline, rate, churn) in [
            (1, 2, 1, None, 0),
            (3, 4, 1, None, 0),
            (1000, 1, 1, None, 0),
            (1001, 3, 7, None, 0),
            (5, 1, 8, None, 0),
            (500, 2, 1, Some(5000.0), 0),
            (100, 2, 1, None, 3),
        ] {
            let server = Server::start(workload, &[Manner::Good]);
            let options = Options {
                engine,
                threads,
                pipeline,
                rate,
                requests_per_connection: churn,
                ..counted(server.target(), requests)
            };
            let begun = Instant::now();
            let record = run(&options);
            let shown =
                format!("{workload:?} {engine:?} {requests} {threads} {pipeline} {rate:?}: {:?}", record.requests);
            assert_eq!(server.answered(), requests, "{shown}");
            let found = &record.requests;
            let counts = [found.scheduled, found.sent, found.completed, found.completed_whole_run];
            assert_eq!((counts, found.asked), ([requests; 4], Some(requests)), "{shown}");
            assert!(record.duration_us <= begun.elapsed().as_micros() as u64 && record.duration_us > 0, "{shown}");
            assert_eq!((record.duration_planned_us, record.interrupted), (None, false), "{shown}");
        }
    }
}

#[test]
fn failures_count_as_requests_sent() {
    let server = Server::start(Workload::Http, &[Manner::ResetEvery(10, Duration::ZERO)]);
    let record = run(&counted(server.target(), 200));
    assert_eq!((record.requests.sent, record.requests.completed + record.requests.failed), (200, 200));
    assert!(record.requests.failed >= 20, "{:?}", record.requests);
}

#[test]
fn a_duration_is_a_ceiling_for_the_requests() {
    let server = Server::start(Workload::Http, &[Manner::Late(Duration::from_millis(50))]);
    for rate in [None, Some(20.0)] {
        let duration = Duration::from_millis(500);
        let record = run(&Options { rate, duration, ..counted(server.target(), 1_000_000) });
        let requests = &record.requests;
        assert!(requests.completed > 0 && requests.scheduled < 1000, "{requests:?}");
        assert_eq!((requests.asked, record.duration_planned_us), (Some(1_000_000), Some(500_000)));
    }
}

#[test]
fn a_server_that_goes_away_does_not_keep_a_counted_run_for_ever() {
    for rate in [None, Some(500.0)] {
        let mut server = Server::start(Workload::Http, &[Manner::Good]);
        let connect_timeout = Duration::from_millis(500);
        let options = Options { rate, connect_timeout, threads: 2, ..counted(server.target(), 1 << 40) };
        let record = std::thread::scope(|scope| {
            let run = scope.spawn(|| run(&options));
            while server.answered() < 20 && !run.is_finished() {
                std::thread::sleep(Duration::from_millis(10));
            }
            server.vanish();
            run.join().unwrap()
        });
        assert!(record.requests.scheduled < 1 << 40, "{:?}", record.requests);
        assert_eq!(record.verdict.state, State::Invalid);
    }
}

/// The fault: requests after the last reply of a connection were counted as `closed_by_peer` and `batch_lost`, as
/// failures of the server.
#[test]
fn requests_behind_an_announced_close_are_sent_again() {
    for (engine, close_after, pipeline, requests) in [
        (Engine::Epoll, 10, 4, 400),
        (Engine::IoUring, 10, 4, 400),
        (Engine::Epoll, 1, 8, 64),
        (Engine::IoUring, 3, 16, 100),
    ] {
        let server = Server::start(Workload::Http, &[Manner::CloseAfter(close_after)]);
        let record = run(&Options { engine, pipeline, ..counted(server.target(), requests) });
        let found = &record.requests;
        let shown = format!("{engine:?} {close_after} {pipeline}: {found:?} {:?}", record.connections);
        assert_eq!((found.completed, found.failed, found.timed_out, found.censored), (requests, 0, 0, 0), "{shown}");
        assert!(found.errors.is_empty() && record.connections.errors.is_empty(), "{shown}");
        assert_eq!(server.answered(), requests, "{shown}");
        assert!(found.resent > 0 && record.connections.lost == 0, "{shown}");
        assert_eq!(record.response_us.count, requests, "{shown}");
        if close_after == 1 && record.connections.opened > 0 {
            // Seven of eight, then six, and so on: the last request waits for all of these connections.
            let per_batch: u64 = (1..u64::from(pipeline)).sum();
            assert_eq!(found.resent, per_batch * requests / u64::from(pipeline), "{shown}");
        }
    }
}

#[test]
fn what_is_sent_again_keeps_its_intended_time_and_is_awaited_at_the_end() {
    for engine in ENGINES {
        let server = Server::start(Workload::Http, &[Manner::CloseAfter(3)]);
        let record = run(&Options { engine, pipeline: 8, ..options(server.target()) });
        let found = &record.requests;
        assert!(found.resent > 0 && found.failed == 0 && found.errors.is_empty(), "{engine:?} {found:?}");
        // A batch of eight needs three connections, so most replies waited for another connect.
        let (p50, connect) = (record.response_us.p50, record.connect_us.min);
        assert!(p50 > connect, "{engine:?} {:?} {:?}", record.response_us, record.connect_us);
    }
    // The server disappears while requests wait to be sent again: they were sent but have no reply.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("http://{}/", listener.local_addr().unwrap());
    let serve = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        drop(listener);
        let mut buffer = [0; 4096];
        std::io::Read::read(&mut stream, &mut buffer).unwrap();
        let reply = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        std::io::Write::write_all(&mut stream, reply).unwrap();
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    });
    let record = run(&Options { connections: 1, pipeline: 4, ..options(target) });
    serve.join().unwrap();
    let found = &record.requests;
    assert_eq!((found.completed, found.censored, found.resent), (1, 3, 0), "{found:?}");
}

/// Answers everything on connection `first`; announces the end of connection `second` with its first reply.
fn serve_one_of_two(first: TcpStream, second: TcpStream) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, mut bytes, mut answered, mut buffer) = (&first, Vec::new(), 0, [0; 4096]);
            while let Ok(len @ 1..) = stream.read(&mut buffer) {
                bytes.extend_from_slice(&buffer[..len]);
                let asked = bytes.windows(4).filter(|window| window == b"\r\n\r\n").count();
                let replies = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".repeat(asked - answered);
                answered = asked;
                if stream.write_all(&replies).is_err() {
                    return;
                }
            }
        });
        let (mut stream, mut buffer) = (&second, [0; 4096]);
        let _ = stream.read(&mut buffer).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").unwrap();
        // Read until the peer has closed too, because a reset would overtake the reply. Either result means
        // that it has.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
}

/// The fault: requests that waited for a new connection had no deadline, so a counted run never ended if one
/// connection stayed open and another could not be reopened.
#[test]
fn requests_that_cannot_be_sent_again_time_out() {
    for engine in ENGINES {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = format!("http://{}/", listener.local_addr().unwrap());
        let serve = std::thread::spawn(move || {
            let (first, second) = (listener.accept().unwrap().0, listener.accept().unwrap().0);
            drop(listener);
            serve_one_of_two(first, second);
        });
        let timeout = Duration::from_secs(1);
        let options = Options { engine, timeout, connections: 2, pipeline: 4, ..counted(target, 40) };
        let stop = AtomicBool::new(false);
        let record = std::thread::scope(|scope| {
            let run = scope.spawn(|| loadgen::load(&options, &stop, |_| {}).unwrap().record);
            let begun = Instant::now();
            while !run.is_finished() && begun.elapsed() < LONG {
                std::thread::sleep(Duration::from_millis(10));
            }
            stop.store(true, Ordering::SeqCst);
            run.join().unwrap()
        });
        serve.join().unwrap();
        check_identities(&record);
        let found = &record.requests;
        assert!(!record.interrupted, "{engine:?}: it went on for ever: {found:?}");
        assert_eq!((found.sent, found.completed, found.timed_out), (40, 37, 3), "{engine:?}: {found:?}");
    }
}

/// The fault: the window lasts until the queue is worked off, so an unreachable rate looked like a lower one that
/// was reached.
#[test]
fn counted_requests_do_not_hide_an_unreachable_rate() {
    for (manner, is_growing) in [(Manner::Late(Duration::from_millis(250)), true), (Manner::Good, false)] {
        let server = Server::start(Workload::Http, &[manner]);
        let record = run(&Options { rate: Some(40.0), process: Process::Constant, ..counted(server.target(), 40) });
        let queue = record.queue.as_ref().unwrap();
        let shown = format!("{manner:?}: {:?} {queue:?} {:?}", record.offered_per_second, record.requests);
        // Forty arrivals have 39 gaps, and the last is noticed late on a busy machine; all of the drain takes 1.5 s more.
        assert!(record.offered_per_second.is_some_and(|rate| (28.0..42.0).contains(&rate)), "{shown}");
        assert_eq!((queue.is_growing, record.requests.completed), (is_growing, 40), "{shown}");
        assert_eq!(record.achieved_per_second < Some(25.0), is_growing, "{:?} {shown}", record.achieved_per_second);
    }
}

/// The fault: between two connects of a slow ramp no connection is open, and the run took that for the end of the
/// server.
#[test]
fn a_slow_ramp_of_short_connections_is_no_end() {
    for engine in ENGINES {
        let server = Server::start(Workload::Http, &[Manner::Good]);
        let record = run(&Options {
            engine,
            connections: 1,
            requests_per_connection: 1,
            connect_rate: Some(3.0),
            connect_timeout: Duration::from_millis(100),
            ..counted(server.target(), 4)
        });
        assert_eq!((record.requests.sent, server.answered()), (4, 4), "{engine:?}: {:?}", record.requests);
    }
}

/// The fault: when room for the rest of a request came together with an early reply, the rest was sent first. That
/// failed, and the reply was never read.
#[test]
fn an_early_refusal_is_read_before_the_rest_is_sent() {
    const REQUESTS: u64 = 5;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("http://{}/", listener.local_addr().unwrap());
    let serve = std::thread::spawn(move || {
        for _ in 0..REQUESTS {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            // The peer fills the buffers of the connection meanwhile.
            std::thread::sleep(Duration::from_millis(50));
            // Closing with unread bytes sends a reset (RFC 2525 section 2.17).
            stream.write_all(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
    });
    let body = vec![b'x'; 8 << 20];
    let record = run(&Options { method: "POST".into(), body, connections: 1, ..counted(target, REQUESTS) });
    serve.join().unwrap();
    assert_eq!(record.requests.errors, [("status_413".to_owned(), REQUESTS)].into(), "{:?}", record.requests);
}

#[test]
fn the_likely_cause_comes_with_a_sample() {
    const SSH: &[Act] = &[Act::Say("SSH-2.0-OpenSSH\x1b[2J\r\n"), Act::Hang];
    const ALERT: &[Act] = &[Act::Ask, Act::Say("\x15\x03\x01\x00\x02\x02F"), Act::Close];
    const MOVED: &[Act] = &[
        Act::Ask,
        Act::Say("HTTP/1.1 301 Moved\r\nLocation: https://a.test/\r\n"),
        Act::Say("Content-Length: 0\r\n\r\n"),
    ];
    const BAD: &[Act] = &[Act::Ask, Act::Say("HTTP/1.1 400 Bad Request\r\n\r\n"), Act::Close];
    const SILENT: &[Act] = &[Act::Ask, Act::Hang];
    const CLOSING: &[Act] = &[Act::Ask, Act::Close];
    for (workload, manner, kind, text, sample) in [
        (Workload::Http, Manner::Acts(SSH), CauseKind::NotHttp, "SSH", Some("SSH-2.0-OpenSSH\\x1b[2J\\r\\n")),
        (Workload::Http, Manner::Acts(ALERT), CauseKind::Tls, "TLS", Some("\\x15\\x03\\x01\\x00\\x02\\x02F")),
        (Workload::Http, Manner::Acts(MOVED), CauseKind::Moved, "https://a.test/", Some("HTTP/1.1 301 Moved")),
        (Workload::Http, Manner::NotFound, CauseKind::Status, "all replies were 404", Some("HTTP/1.1 404 No")),
        (Workload::Echo, Manner::Acts(BAD), CauseKind::Http, "http://", Some("HTTP/1.1 400 Bad")),
        (Workload::Http, Manner::Acts(SILENT), CauseKind::NoReply, "did not answer", None),
        (Workload::Http, Manner::Acts(CLOSING), CauseKind::ClosedEarly, "before a good reply", None),
    ] {
        let server = Server::start(workload, &[manner]);
        let patience = Duration::from_millis(300);
        let record = run(&Options { timeout: patience, connect_timeout: patience, ..options(server.target()) });
        let shown = format!("{manner:?}: {:?} {:?}", record.likely_cause, record.requests);
        let cause = record.likely_cause.as_ref().unwrap_or_else(|| panic!("{shown}"));
        assert_eq!(cause.kind, kind, "{shown}");
        assert!(cause.text.contains(text), "{shown}");
        match sample {
            Some(sample) => assert!(cause.sample.as_ref().is_some_and(|found| found.starts_with(sample)), "{shown}"),
            None => assert_eq!(cause.sample, None, "{shown}"),
        }
        let checks = &record.verdict.checks;
        assert!(checks.iter().any(|check| check.id == "V8" && check.follows), "{shown}");
        assert!(checks.iter().all(|check| check.id != "V7" || !check.follows), "{shown}");
        assert_eq!(record.verdict.state, State::Invalid, "{shown}");
    }
    // An echo returns the request, whose headers must not be shown.
    const ECHO: &[Act] = &[Act::Ask, Act::Echo(60), Act::Hang];
    let server = Server::start(Workload::Http, &[Manner::Acts(ECHO)]);
    let headers = vec![("Authorization".to_owned(), "secret".to_owned())];
    let cause = run(&Options { headers, ..options(server.target()) }).likely_cause.unwrap();
    assert_eq!((cause.kind, cause.sample.as_deref()), (CauseKind::Echo, Some("GET / HTTP/1.1…")));
    let good = run(&options(Server::start(Workload::Http, &[Manner::Good]).target()));
    assert!(good.likely_cause.is_none() && good.verdict.checks.iter().all(|check| !check.follows));
}
