//! Every request ends in exactly one counter, whatever the server does to its connection.

mod support;

use loadgen::record::{Record, State};
use loadgen::{LoadError, Options, Process};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{Manner, Server, Speech, check_identities};

/// Everything a server can do wrong, side by side with connections that work.
const MANNERS: [Manner; 8] = [
    Manner::Good,
    Manner::ResetAfter(20),
    Manner::CloseAtOnce,
    Manner::Malformed,
    Manner::Late(Duration::from_millis(20)),
    Manner::Never,
    Manner::TruncateAfter(7),
    Manner::Chatty,
];

fn options(target: String) -> Options {
    Options {
        target,
        connections: 24,
        duration: Duration::from_millis(700),
        warmup: Duration::from_millis(50),
        timeout: Duration::from_millis(200),
        connect_timeout: Duration::from_millis(300),
        ..Options::default()
    }
}

fn run(options: &Options) -> Record {
    let begun = Instant::now();
    let record = loadgen::run(options, &AtomicBool::new(false), |_| {}).unwrap().record;
    assert!(begun.elapsed() < Duration::from_secs(20), "the run must end: {:?}", begun.elapsed());
    check_identities(&record);
    // The record is read back by other programs.
    let json = serde_json::to_string(&record).unwrap();
    check_identities(&serde_json::from_str(&json).unwrap());
    record
}

fn state(record: &Record, id: &str) -> State {
    record.verdict.checks.iter().find(|check| check.id == id).unwrap().state
}

#[test]
fn identities_hold_on_a_hostile_server() {
    for speech in [Speech::Echo, Speech::Http] {
        for (rate, threads, pipeline) in [(None, 1, 1), (None, 2, 5), (Some(2000.0), 1, 1), (Some(2000.0), 3, 1)] {
            let server = Server::start(speech, &MANNERS);
            let options = Options { rate, threads, pipeline, ..options(server.target()) };
            let record = run(&options);
            let name = format!("{speech:?} {rate:?} {threads} {pipeline}: {:?}", record.requests);
            assert!(record.requests.completed > 0, "{name}");
            assert!(record.requests.errors.contains_key("timeout"), "{name}");
            // In a batch, bytes nobody asked for look like a wrong reply to the next request.
            assert!(pipeline > 1 || record.connections.errors.contains_key("unsolicited_bytes"), "{name}");
            let wrong = if speech == Speech::Echo { "wrong_body" } else { "malformed" };
            assert!(record.requests.errors.contains_key(wrong), "{name}");
            assert_eq!(record.verdict.state, State::Invalid, "{name}");
            assert_eq!(state(&record, "V9"), State::Invalid, "lost connections must be noticed: {name}");
            assert!(record.connections.reconnects > 0, "{name}");
        }
    }
}

#[test]
fn a_good_server_loses_nothing() {
    for speech in [Speech::Echo, Speech::Http] {
        for (rate, process) in
            [(None, Process::Poisson), (Some(1000.0), Process::Poisson), (Some(1000.0), Process::Constant)]
        {
            let server = Server::start(speech, &[Manner::Good]);
            let record = run(&Options { rate, process, threads: 2, ..options(server.target()) });
            let (requests, connections) = (&record.requests, &record.connections);
            assert!(requests.errors.is_empty() && connections.errors.is_empty(), "{requests:?}");
            assert_eq!((connections.established, connections.held), (24, 24));
            assert_eq!((connections.attempts, connections.lost), (24, 0));
            assert_eq!(requests.completed, requests.scheduled);
            assert!(record.syscalls.epoll_ctl == 0 && record.syscalls.connect == 0, "{:?}", record.syscalls);
            if rate.is_some() {
                // 700 ms of 1,000/s; ten standard deviations of a Poisson count.
                assert!((430..970).contains(&requests.scheduled), "{requests:?}");
                assert_eq!(record.lateness_us.count, requests.sent);
            }
        }
    }
}

#[test]
fn an_announced_close_is_no_fault() {
    let server = Server::start(Speech::Http, &[Manner::CloseEach]);
    let record = run(&options(server.target()));
    assert!(record.requests.completed > 24 && record.requests.failed == 0, "{:?}", record.requests);
    assert!(record.connections.reconnects > 0, "{:?}", record.connections);
    assert_eq!(record.connections.lost, 0);
    assert_ne!(state(&record, "V9"), State::Invalid);
}

#[test]
fn refusals_are_counted_by_status() {
    let server = Server::start(Speech::Http, &[Manner::NotFound]);
    let record = run(&options(server.target()));
    assert_eq!(record.requests.errors.keys().collect::<Vec<_>>(), ["status_404"]);
    assert_eq!(record.requests.completed, 0);
}

#[test]
fn idle_connections_are_held_without_a_request() {
    let server = Server::start(Speech::Echo, &[Manner::Good]);
    let connect_timeout = Duration::from_secs(10);
    let record = run(&Options { rate: Some(0.0), connections: 100, connect_timeout, ..options(server.target()) });
    assert_eq!(record.connections.held, 100);
    assert_eq!((record.requests.scheduled, record.bytes_out), (0, 0));
    assert_eq!(record.verdict.state, State::Valid, "{:?}", record.verdict);
}

#[test]
fn a_server_that_goes_away_ends_neither_the_run_nor_the_generator() {
    for rate in [None, Some(500.0)] {
        let mut server = Server::start(Speech::Echo, &[Manner::Good]);
        let options = Options { rate, duration: Duration::from_millis(1500), ..options(server.target()) };
        let record = std::thread::scope(|scope| {
            let run = scope.spawn(|| run(&options));
            std::thread::sleep(Duration::from_millis(400));
            server.vanish();
            run.join().unwrap()
        });
        assert!(record.requests.completed > 0, "{:?}", record.requests);
        assert!(record.connections.errors.contains_key("ECONNREFUSED"), "{:?}", record.connections);
        // 24 connections, 10 ms doubling to 1 s: about 8 attempts each in the time that was left.
        assert!(record.connections.attempts < 24 * 15, "{:?}", record.connections);
        assert_eq!(record.verdict.state, State::Invalid);
    }
}

#[test]
fn a_stop_ends_the_run_with_a_full_record() {
    for (rate, manner) in
        [(None, Manner::Good), (Some(500.0), Manner::Good), (Some(0.0), Manner::Good), (None, Manner::Never)]
    {
        let server = Server::start(Speech::Echo, &[manner]);
        let long = Duration::from_secs(60);
        let options = Options { rate, duration: long, timeout: long, ..options(server.target()) };
        let stop = AtomicBool::new(false);
        let (record, took) = std::thread::scope(|scope| {
            let run = scope.spawn(|| loadgen::run(&options, &stop, |_| {}).unwrap().record);
            std::thread::sleep(Duration::from_millis(500));
            stop.store(true, Ordering::Relaxed);
            let stopped = Instant::now();
            (run.join().unwrap(), stopped.elapsed())
        });
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert!(record.interrupted);
        assert!(record.duration_us < 5_000_000, "{}", record.duration_us);
        check_identities(&record);
    }
}

#[test]
fn a_target_that_refuses_is_named() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = Options { threads: 2, ..options(format!("tcp://{gone}")) };
    let error = loadgen::run(&options, &AtomicBool::new(false), |_| {}).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("target {gone} refused the connection (ECONNREFUSED): is the server running?")
    );
    assert_eq!(error.exit_code(), 1);
    assert!(matches!(error, LoadError::Unreachable { .. }));
}

#[test]
fn more_sources_than_one_are_bound() {
    let server = Server::start(Speech::Echo, &[Manner::Good]);
    let sources = vec!["127.1.0.1".parse().unwrap(), "127.1.0.2".parse().unwrap()];
    let record = run(&Options { sources, ..options(server.target()) });
    assert_eq!(record.connections.sources, 2);
    assert_eq!(record.connections.held, 24);
}
