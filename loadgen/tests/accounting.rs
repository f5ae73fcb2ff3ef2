//! Every request ends in exactly one counter, whatever the server does to its connection.

mod support;

use loadgen::record::{IntervalPhase, Record, State};
use loadgen::{Engine, LoadError, Options, Process, Stage, WarmUp};
use protocol::Workload;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{Manner, Server, check_identities};

/// Everything a server can do wrong, next to connections that work.
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

/// Longer than any pause of a busy test machine.
const LONG: Duration = Duration::from_secs(10);

fn options(target: String) -> Options {
    Options {
        target,
        connections: 24,
        duration: Duration::from_millis(700),
        warmup: WarmUp::Fixed(Duration::from_millis(50)),
        timeout: Duration::from_millis(200),
        connect_timeout: Duration::from_millis(300),
        ..Options::default()
    }
}

/// For tests that must lose nothing, however slow the machine.
fn patient(target: String) -> Options {
    Options { timeout: LONG, connect_timeout: LONG, ..options(target) }
}

fn run(options: &Options) -> Record {
    let begun = Instant::now();
    let record = support::run(options);
    assert!(begun.elapsed() < Duration::from_secs(60), "the run must end: {:?}", begun.elapsed());
    record
}

fn workloads_and_engines() -> impl Iterator<Item = (Workload, Engine)> {
    let engines = [Engine::Epoll, Engine::IoUring];
    engines.into_iter().flat_map(|engine| Workload::ALL.map(|workload| (workload, engine)))
}

fn state(record: &Record, id: &str) -> State {
    record.verdict.checks.iter().find(|check| check.id == id).unwrap().state
}

#[test]
fn identities_hold_on_a_hostile_server() {
    for (workload, engine) in workloads_and_engines() {
        let mut completed = 0;
        // If the machine pauses for a quarter of a second, any of these may be missing from a run.
        let mut seen = BTreeSet::new();
        for (rate, threads, pipeline) in [(None, 1, 1), (None, 2, 5), (Some(2000.0), 1, 1), (Some(2000.0), 3, 1)] {
            let server = Server::start(workload, &MANNERS);
            let options = Options { engine, rate, threads, pipeline, ..options(server.target()) };
            let record = run(&options);
            let name = format!("{workload:?} {engine:?} {rate:?} {threads} {pipeline}: {:?}", record.requests);
            completed += record.requests.completed;
            seen.extend(record.requests.errors.keys().cloned());
            // In a batch, unsolicited bytes look like a wrong reply to the next request.
            seen.extend(record.connections.errors.keys().cloned());
            assert_eq!(record.verdict.state, State::Invalid, "{name}");
            assert_eq!(state(&record, "V9"), State::Invalid, "lost connections must be noticed: {name}");
            assert!(record.connections.reconnects > 0, "{name}");
        }
        let wrong = if workload == Workload::Echo { "wrong_body" } else { "malformed" };
        for name in ["timeout", "unsolicited_bytes", wrong] {
            assert!(seen.contains(name), "{workload:?} {engine:?}: no {name} among {seen:?}");
        }
        assert!(completed > 0, "{workload:?} {engine:?}: good connections go on beside bad ones");
    }
}

#[test]
fn a_good_server_loses_nothing() {
    for (workload, engine) in workloads_and_engines() {
        for (rate, process) in [
            (None, Process::Poisson),
            (Some(1000.0), Process::Poisson),
            (Some(1000.0), Process::Constant),
            (Some(1000.0), Process::Bursts),
        ] {
            let server = Server::start(workload, &[Manner::Good]);
            let record = run(&Options { engine, rate, process, threads: 2, ..patient(server.target()) });
            let (requests, connections) = (&record.requests, &record.connections);
            assert!(requests.errors.is_empty() && connections.errors.is_empty(), "{requests:?}");
            assert_eq!((connections.established, connections.held), (24, 24));
            assert_eq!((connections.attempts, connections.lost), (24, 0));
            // What a starved machine did not finish by the end is reported, not lost.
            assert_eq!(requests.completed + requests.unsent + requests.censored, requests.scheduled, "{requests:?}");
            assert!(record.syscalls.epoll_ctl == 0 && record.syscalls.connect == 0, "{:?}", record.syscalls);
            assert_eq!(engine == Engine::IoUring, record.syscalls.io_uring_enter > 0, "{:?}", record.syscalls);
            assert_eq!(record.time_to_first_response_us.count, 24);
            assert_eq!(record.first_byte_us.count, requests.completed);
            let in_intervals: u64 = record
                .intervals
                .iter()
                .filter(|interval| interval.phase != IntervalPhase::WarmUp)
                .map(|interval| interval.completed)
                .sum();
            assert_eq!(in_intervals, requests.completed);
            if rate.is_some() {
                // 700 ms of 1,000/s; ten standard deviations of a Poisson count.
                assert!((430..970).contains(&requests.scheduled), "{requests:?}");
                assert_eq!(record.lateness_us.count, requests.sent, "{requests:?}");
            }
        }
    }
}

#[test]
fn an_announced_close_is_no_fault() {
    let server = Server::start(Workload::Http, &[Manner::CloseEach]);
    let record = run(&patient(server.target()));
    assert!(record.requests.completed_whole_run > 0 && record.requests.failed == 0, "{:?}", record.requests);
    assert!(record.connections.reconnects > 0, "{:?}", record.connections);
    assert_eq!(record.connections.lost, 0, "{:?} {:?}", record.requests, record.connections);
    assert_ne!(state(&record, "V9"), State::Invalid);
}

#[test]
fn refusals_are_counted_by_status() {
    let server = Server::start(Workload::Http, &[Manner::NotFound]);
    let record = run(&patient(server.target()));
    assert_eq!(record.requests.errors.keys().collect::<Vec<_>>(), ["status_404"]);
    assert_eq!(record.requests.completed, 0);
}

/// A server that takes a request, thinks for 300 ms and resets must not look like one without slow replies.
#[test]
fn a_request_that_waited_and_was_reset_counts_as_at_least_so_long() {
    const WAIT: Duration = Duration::from_millis(300);
    let check = |workload, engine, rate, pipeline| {
        let server = Server::start(workload, &[Manner::Good, Manner::Good, Manner::ResetEvery(5, WAIT)]);
        let record = run(&Options { engine, rate, pipeline, timeout: LONG, ..options(server.target()) });
        let (requests, response) = (&record.requests, &record.response_us);
        let name = format!("{workload:?} {engine:?} {rate:?} {pipeline}: {requests:?} {response:?}");
        assert!(requests.failed > 0 && requests.errors.contains_key("connection_reset"), "{name}");
        assert_eq!(response.count, requests.completed + requests.without_good_reply(), "{name}");
        // The generator's clock started before the server's; the histogram keeps three digits.
        assert!(response.max >= Some(299_000.0), "{name}");
        let slow = record.intervals.iter().filter(|interval| interval.response_us.max >= Some(299_000.0));
        assert!(slow.count() > 0, "{name}");
    };
    let check = &check;
    std::thread::scope(|scope| {
        for (workload, engine) in workloads_and_engines() {
            for (rate, pipeline) in [(None, 4), (Some(200.0), 1)] {
                scope.spawn(move || check(workload, engine, rate, pipeline));
            }
        }
    });
}

/// Nor must one that never answers: a request that timed out waited for its timeout, and one that was without a reply
/// when the run ended waited until then.
#[test]
fn a_request_that_was_never_answered_counts_as_at_least_so_long() {
    const TIMEOUT: Duration = Duration::from_millis(250);
    let check = |engine, rate, timeout: Duration| {
        let server = Server::start(Workload::Echo, &[Manner::Good, Manner::Never]);
        let record = run(&Options {
            engine,
            rate,
            timeout,
            connections: 8,
            // What is sent before the window belongs to the warm-up, and never answered it would be all.
            warmup: WarmUp::Fixed(Duration::ZERO),
            ..options(server.target())
        });
        let (requests, response) = (&record.requests, &record.response_us);
        let name = format!("{engine:?} {rate:?} {timeout:?}: {requests:?} {response:?}");
        // The grace lasts as long as a timeout, at most; with a long one, the end of the run comes first.
        let (least_us, is_counted) = match timeout == TIMEOUT {
            true => (249_000.0, requests.timed_out > 0),
            false => (600_000.0, requests.censored > 0),
        };
        assert!(is_counted, "{name}");
        assert_eq!(response.count, requests.completed + requests.without_good_reply(), "{name}");
        assert!(response.max >= Some(least_us), "{name}");
        assert!(response.min < response.max && requests.completed > 0, "the others were answered: {name}");
    };
    let check = &check;
    std::thread::scope(|scope| {
        for engine in [Engine::Epoll, Engine::IoUring] {
            for rate in [None, Some(200.0)] {
                for timeout in [TIMEOUT, LONG] {
                    scope.spawn(move || check(engine, rate, timeout));
                }
            }
        }
    });
}

#[test]
fn idle_connections_are_held_without_a_request() {
    let server = Server::start(Workload::Echo, &[Manner::Good]);
    let connect_timeout = Duration::from_secs(10);
    let record = run(&Options { rate: Some(0.0), connections: 100, connect_timeout, ..options(server.target()) });
    assert_eq!(record.connections.held, 100);
    assert_eq!((record.requests.scheduled, record.bytes_out), (0, 0));
    // Other activity of the host may cause a warning.
    assert_ne!(record.verdict.state, State::Invalid, "{:?}", record.verdict);
}

#[test]
fn a_server_that_goes_away_ends_neither_the_run_nor_the_generator() {
    for (rate, engine) in [(None, Engine::Epoll), (Some(500.0), Engine::Epoll), (None, Engine::IoUring)] {
        let mut server = Server::start(Workload::Echo, &[Manner::Good]);
        let options = Options { engine, rate, duration: Duration::from_millis(1500), ..options(server.target()) };
        let record = std::thread::scope(|scope| {
            let run = scope.spawn(|| run(&options));
            // Once all connections are open, the run cannot take it for a target that refuses.
            while server.accepted() < 24 && !run.is_finished() {
                std::thread::sleep(Duration::from_millis(10));
            }
            std::thread::sleep(Duration::from_millis(300));
            server.vanish();
            run.join().unwrap()
        });
        assert!(record.requests.completed_whole_run > 0, "{:?}", record.requests);
        assert!(record.connections.errors.contains_key("ECONNREFUSED"), "{:?}", record.connections);
        // 24 connections, 10 ms doubling to 1 s: about 8 attempts each in the remaining time.
        assert!(record.connections.attempts < 24 * 15, "{:?}", record.connections);
        assert_eq!(record.verdict.state, State::Invalid);
    }
}

#[test]
fn a_stop_ends_the_run_with_a_full_record() {
    for (rate, manner) in
        [(None, Manner::Good), (Some(500.0), Manner::Good), (Some(0.0), Manner::Good), (None, Manner::Never)]
    {
        let server = Server::start(Workload::Echo, &[manner]);
        let long = Duration::from_secs(60);
        let options = Options { rate, duration: long, timeout: long, ..options(server.target()) };
        let stop = AtomicBool::new(false);
        let (record, took) = std::thread::scope(|scope| {
            let run = scope.spawn(|| loadgen::load(&options, &stop, |_| {}).unwrap().record);
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
    // Bound and not listening: it refuses, and no other test can get its port meanwhile.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let gone = socket.local_addr().unwrap().as_socket().unwrap();
    let options = Options { threads: 2, ..options(format!("tcp://{gone}")) };
    let error = loadgen::load(&options, &AtomicBool::new(false), |_| {}).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("target {gone} refused the connection (ECONNREFUSED): is the server running?")
    );
    assert_eq!(error.exit_code(), 1);
    assert!(matches!(error, LoadError::Unreachable { .. }));
}

#[test]
fn more_sources_than_one_are_bound() {
    let server = Server::start(Workload::Echo, &[Manner::Good]);
    let sources = vec!["127.1.0.1".parse().unwrap(), "127.1.0.2".parse().unwrap()];
    let record = run(&Options { sources, ..patient(server.target()) });
    assert_eq!(record.connections.sources, 2);
    assert_eq!(record.connections.held, 24, "{:?} {:?}", record.requests, record.connections);
}

#[test]
fn churn_opens_each_connection_again_and_loses_nothing() {
    for (workload, engine) in workloads_and_engines() {
        for rate in [None, Some(1000.0)] {
            let server = Server::start(workload, &[Manner::Good]);
            let record = run(&Options { engine, rate, requests_per_connection: 3, ..patient(server.target()) });
            let (requests, connections) = (&record.requests, &record.connections);
            let name = format!("{workload:?} {engine:?} {rate:?} {requests:?} {connections:?}");
            assert!(requests.completed > 0 && requests.failed == 0 && connections.lost == 0, "{name}");
            assert!(connections.closed > 0 && connections.reconnects > 0, "{name}");
            // When the run ends, each connection may have sent one or two of its three requests.
            let closed = requests.completed_whole_run.saturating_sub(24 * 2) / 3..=requests.completed_whole_run / 3;
            assert!(closed.contains(&connections.closed), "{name}: {closed:?}");
            assert!(connections.reconnects + 24 >= connections.closed, "{name}");
            let first = &record.time_to_first_response_us;
            assert!(first.count >= connections.reconnects, "{name}: {first:?}");
            assert_ne!(state(&record, "V9"), State::Invalid, "a planned close is no loss: {name}");
        }
    }
}

#[test]
fn every_connection_has_its_heartbeat() {
    for (manner, engine) in
        [(Manner::Good, Engine::Epoll), (Manner::Good, Engine::IoUring), (Manner::Never, Engine::Epoll)]
    {
        let server = Server::start(Workload::Echo, &[manner]);
        let heartbeat = Some(Duration::from_millis(100));
        let timeout = if manner == Manner::Good { LONG } else { Duration::from_millis(200) };
        let record = run(&Options { engine, heartbeat, timeout, threads: 2, ..options(server.target()) });
        assert_eq!(record.mode, loadgen::Mode::Heartbeat);
        // 24 connections, 7 periods, and every beat is counted, whatever happened to it.
        assert_eq!(record.requests.scheduled, 24 * 7, "{:?}", record.requests);
        if manner == Manner::Good {
            assert_eq!((record.requests.failed, record.requests.timed_out), (0, 0), "{:?}", record.requests);
            assert!(record.requests.completed >= 24, "{:?}", record.requests);
        } else {
            assert!(record.requests.unsent > 0 && record.requests.timed_out > 0, "{:?}", record.requests);
        }
    }
}

#[test]
fn stages_change_the_rate_and_replay_exactly() {
    let server = Server::start(Workload::Echo, &[Manner::Good]);
    let stage = |rate, ms| Stage { rate, duration: Duration::from_millis(ms) };
    let stages = vec![stage(500.0, 200), stage(0.0, 200), stage(2000.0, 200)];
    let options = Options { stages, seed: Some(7), process: Process::Poisson, ..options(server.target()) };
    let (one, two) = (run(&options), run(&options));
    assert_eq!(one.duration_planned_us, Some(600_000));
    // 100 + 0 + 400 expected; the seed fixes the number.
    assert!((400..=600).contains(&one.requests.scheduled), "{:?}", one.requests);
    assert_eq!(one.requests.scheduled, two.requests.scheduled);
    let other = run(&Options { seed: Some(8), ..options });
    assert_ne!(one.requests.scheduled, other.requests.scheduled);
}

#[test]
fn a_ramp_takes_its_time() {
    for engine in [Engine::Epoll, Engine::IoUring] {
        let server = Server::start(Workload::Echo, &[Manner::Good]);
        let begun = Instant::now();
        let record = run(&Options { engine, connect_rate: Some(40.0), threads: 2, ..patient(server.target()) });
        // 24 connects at 40 a second, and 0.75 s of load.
        assert!(begun.elapsed() > Duration::from_millis(24 * 25 + 600), "{:?}", begun.elapsed());
        assert_eq!(record.connections.held, 24, "{:?} {:?}", record.requests, record.connections);
    }
}

#[test]
fn the_warm_up_ends_when_steady_or_at_its_limit() {
    let server = Server::start(Workload::Echo, &[Manner::Late(Duration::from_millis(5))]);
    let limit = Duration::from_secs(30);
    let warmup = WarmUp::UntilSteady(limit);
    let record = run(&Options { warmup, rate: Some(500.0), ..patient(server.target()) });
    assert!(record.warmup_us < limit.as_micros() as u64, "steady after {} us", record.warmup_us);
    assert!(record.intervals[0].phase == IntervalPhase::WarmUp && record.intervals[0].start_us < 0);
    assert!(record.requests.completed > 0, "{:?}", record.requests);
    // Too few replies for a median: only the limit ends the warm-up.
    let warmup = WarmUp::UntilSteady(Duration::from_millis(500));
    let record = run(&Options { warmup, rate: Some(20.0), ..options(server.target()) });
    assert!(record.warmup_us >= 500_000, "{} us", record.warmup_us);
}
