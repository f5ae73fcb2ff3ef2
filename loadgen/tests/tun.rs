//! The engine `tun` against the kernel: connections whose client side no kernel knows, in a network namespace
//! made for each test. If that is impossible the tests fail and say why, unless `C10M_WITHOUT_TUN=1` skips
//! them.

use host::HostFacts;
use loadgen::null_server::{Config, NullServer, Speech};
use loadgen::record::Record;
use loadgen::{Engine, LoadError, Options, WHATEVER_IT_TAKES, WarmUp};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Runs a test in a thread with its own network namespace, which ends with it.
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    if std::env::var_os("C10M_WITHOUT_TUN").is_some_and(|value| value == "1") {
        eprintln!("left out: C10M_WITHOUT_TUN=1");
        return;
    }
    let thread = thread::spawn(|| {
        sys::namespace::enter_new().unwrap_or_else(|error| {
            panic!("no network namespace ({error}): needs CAP_SYS_ADMIN; C10M_WITHOUT_TUN=1 leaves this out")
        });
        test();
        let devices = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        assert!(!devices.contains("c10m"), "a device is left: {devices}");
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// An echo server that listens on every address of the namespace.
fn serve(message_len: u32) -> NullServer {
    serve_at(0, message_len)
}

fn serve_at(port: u16, message_len: u32) -> NullServer {
    let speech = Speech::Echo { message_len };
    NullServer::start(Config { speech, listen: ([0, 0, 0, 0], port).into(), cpu: None, stall: None, late: None })
        .unwrap()
}

fn options(port: u16) -> Options {
    Options {
        target: format!("tcp://198.18.0.1:{port}"),
        engine: Engine::Tun,
        connections: 1000,
        duration: Duration::from_secs(1),
        warmup: WarmUp::Fixed(Duration::from_millis(200)),
        // A second may be too short while other tests run.
        timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(20),
        // Needed if the namespace of the first process cannot be read.
        i_own: Some("198.18.0.1".into()),
        ..Options::default()
    }
}

fn run(options: &Options) -> Record {
    match loadgen::load(options, &AtomicBool::new(false), |_| {}) {
        Ok(outcome) => outcome.record,
        Err(error) => panic!("{error}; C10M_WITHOUT_TUN=1 leaves this out"),
    }
}

/// Checks that every connection was held, every reply was what was sent, and the server counted the same.
fn check(record: &Record, server: &NullServer) {
    let (connections, requests) = (&record.connections, &record.requests);
    assert_eq!(connections.established, connections.target, "{connections:?}");
    assert!(connections.lost == 0 && connections.failed == 0, "{connections:?}");
    assert!(requests.completed > 0 && requests.failed == 0 && requests.timed_out == 0, "{requests:?}");
    assert_eq!(requests.completed_whole_run, server.requests(), "{requests:?}");
    assert_eq!(record.engine, Engine::Tun);
}

#[test]
fn so_many_requests_reach_the_server() {
    in_namespace(|| {
        for (rate, pipeline, requests) in [(None, 4, 2001), (Some(5000.0), 1, 1000)] {
            let server = serve(64);
            let options = Options {
                rate,
                pipeline,
                connections: 100,
                requests: Some(requests),
                duration: WHATEVER_IT_TAKES,
                warmup: WarmUp::Fixed(Duration::ZERO),
                ..options(server.address().port())
            };
            let record = run(&options);
            check(&record, &server);
            assert_eq!((record.requests.sent, server.requests()), (requests, requests), "{:?}", record.requests);
        }
    });
}

#[test]
fn heartbeats_come_back_byte_for_byte() {
    in_namespace(|| {
        let server = serve(64);
        let heartbeat = Some(Duration::from_millis(500));
        let record = run(&Options { heartbeat, ..options(server.address().port()) });
        check(&record, &server);
        assert_eq!(record.connections.held, 1000);
        assert!((1999..=2001).contains(&record.requests.completed), "two beats each: {:?}", record.requests);
        // One each for the request and for the acknowledgement of its reply; those of the last turn, 64 at most, may
        // come after the window.
        assert!(record.syscalls.write + 64 >= 2 * record.requests.completed, "{:?}", record.syscalls);
        assert!(record.syscalls.read >= record.requests.completed && record.syscalls.recv == 0);
    });
}

#[test]
fn workers_have_devices_of_their_own() {
    in_namespace(|| {
        let server = serve(64);
        let record = run(&Options { threads: 3, connections: 100, ..options(server.address().port()) });
        check(&record, &server);
    });
}

#[test]
fn the_server_stays_reachable_whichever_worker_ends_first() {
    in_namespace(|| {
        let server = serve(64);
        let options = Options { threads: 3, connections: 30, ..options(server.address().port()) };
        let (mut times_max, never) = (0, AtomicBool::new(false));
        let outcome = loadgen::load(&options, &never, |_| {
            let tables = std::fs::read_to_string("/proc/thread-self/net/fib_trie").unwrap();
            let leaf = tables.split("|-- 198.18.0.1\n").nth(1).unwrap_or_default();
            times_max = leaf.lines().take_while(|line| line.contains("/32 host LOCAL")).count().max(times_max);
        });
        check(&outcome.unwrap().record, &server);
        assert_eq!(times_max, 3, "the server's address goes with the device of a worker");
    });
}

/// Messages longer than the server takes at once, and replies that the kernel did not cut into segments.
#[test]
fn large_messages_are_cut_and_joined() {
    in_namespace(|| {
        let server = serve(65_536);
        let record =
            run(&Options { payload_len: 65_536, pipeline: 2, connections: 20, ..options(server.address().port()) });
        check(&record, &server);
    });
}

/// Each connection ends with FINs and is opened again at once with the same address and port.
#[test]
fn connections_are_closed_and_opened_again() {
    in_namespace(|| {
        let server = serve(64);
        let record = run(&Options { requests_per_connection: 3, connections: 50, ..options(server.address().port()) });
        check(&record, &server);
        let connections = &record.connections;
        assert!(connections.reconnects > 50 && connections.closed >= connections.reconnects, "{connections:?}");
    });
}

/// The server goes away and comes back; idle clients try again and say hello.
#[test]
fn clients_come_back_by_their_policy() {
    in_namespace(|| {
        let mut server = serve(64);
        let port = server.address().port();
        let options = Options {
            rate: Some(0.0),
            connections: 100,
            duration: Duration::from_secs(60),
            interval: Some(Duration::from_millis(100)),
            reconnect: Some("full-jitter,base=20ms,cap=200ms".parse().unwrap()),
            ..options(port)
        };
        let (stop, has_begun) = (AtomicBool::new(false), AtomicBool::new(false));
        let record = thread::scope(|scope| {
            let run = scope.spawn(|| {
                loadgen::load(&options, &stop, |seen| {
                    has_begun.fetch_or(seen.last.is_some(), Ordering::Relaxed);
                })
            });
            let wait_for = |is_so: &dyn Fn() -> bool| {
                while !is_so() && !run.is_finished() {
                    thread::sleep(Duration::from_millis(10));
                }
            };
            wait_for(&|| has_begun.load(Ordering::Relaxed));
            server.stop().unwrap();
            thread::sleep(Duration::from_millis(200));
            server = serve_at(port, 64);
            wait_for(&|| server.requests() >= 100);
            stop.store(true, Ordering::Relaxed);
            run.join().unwrap().unwrap().record
        });
        let found = record.reconnect.unwrap();
        // Some come back to a server that is about to stop, and are lost again.
        let lost_again = found.lost_again;
        assert_eq!((found.losses, found.served_again, found.unserved), (100 + lost_again, 100, 0), "{found:?}");
        assert!(found.hellos.answered >= 100 && server.requests() >= 100, "{found:?}");
        assert_eq!(record.requests.completed_whole_run, 0, "{:?}", record.requests);
    });
}

#[test]
fn nobody_listens() {
    in_namespace(|| {
        let error = loadgen::load(&options(9), &AtomicBool::new(false), |_| {}).map(|_| ()).unwrap_err();
        assert!(matches!(&error, LoadError::Unreachable { error, .. } if error == "ECONNREFUSED"), "{error}");
    });
}

#[test]
fn two_runs_cannot_share_a_namespace() {
    in_namespace(|| {
        let server = serve(64);
        let long = Options { duration: Duration::from_secs(60), ..options(server.address().port()) };
        let (stop, has_begun) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            let first = scope.spawn(|| {
                loadgen::load(&long, &stop, |seen| {
                    has_begun.fetch_or(seen.connections_open > 0, Ordering::Relaxed);
                })
            });
            while !has_begun.load(Ordering::Relaxed) && !first.is_finished() {
                thread::sleep(Duration::from_millis(10));
            }
            let error = loadgen::load(&long, &AtomicBool::new(false), |_| {}).map(|_| ()).unwrap_err();
            assert!(error.to_string().contains("device c10m0 exists"), "{error}");
            stop.store(true, Ordering::Relaxed);
            assert!(first.join().unwrap().unwrap().record.interrupted);
        });
    });
}

/// The host's own network is left alone, whatever the options say.
#[test]
fn the_hosts_namespace_is_refused() {
    if HostFacts::read().is_in_own_namespace {
        eprintln!("left out: this is a namespace of its own already");
        return;
    }
    let error = loadgen::load(&Options { i_own: None, ..options(9) }, &AtomicBool::new(false), |_| {});
    let error = error.map(|_| ()).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("unshare --net"), "{error}");
}
