//! Turns against servers of this process: what is counted, in which order, and what ends them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use loadgen::null_server::{Config, NullServer, SpeechKind};
use loadgen::turns::{Life, Options, Record, Target, TurnsError, take_turns};
use protocol::Workload;

fn options(servers: &[SocketAddr], workload: Workload) -> Options {
    Options {
        targets: servers.iter().map(|address| Target { address: *address, pid: std::process::id() }).collect(),
        workload,
        connections: 5,
        life: Life::Stays,
        pipeline: 1,
        rate: None,
        rounds: 4,
        window: Duration::from_millis(5),
        seed: 3,
        cpu: None,
        watch_cpus: vec![0],
    }
}

fn server(kind: SpeechKind) -> NullServer {
    let listen = "127.0.0.1:0".parse().expect("an address");
    NullServer::start(Config { speech: kind.speech(64), listen, cpu: None, stall: None, late: None })
        .expect("a free port")
}

/// The numbers of the servers in the order of their turns.
fn order(record: &Record, round: u32) -> Vec<usize> {
    record.turns.iter().filter(|turn| turn.round == round).map(|turn| turn.target).collect()
}

#[test]
fn every_server_has_a_window_in_each_round_and_every_reply_is_counted() {
    let (echo, http) = ((Workload::Echo, SpeechKind::Echo), (Workload::Http, SpeechKind::Http));
    for ((workload, kind), life, pipeline, rate) in [
        (echo, Life::Stays, 1, None),
        (echo, Life::Stays, 4, None),
        (echo, Life::Stays, 1, Some(2000.0)),
        (echo, Life::Goes, 1, None),
        (http, Life::Stays, 1, None),
        (http, Life::Stays, 4, None),
        (http, Life::Stays, 1, Some(2000.0)),
        (http, Life::Goes, 1, None),
        (http, Life::Goes, 1, Some(2000.0)),
    ] {
        let mut servers: Vec<NullServer> = (0..3).map(|_| server(kind)).collect();
        let addresses: Vec<SocketAddr> = servers.iter().map(NullServer::address).collect();
        let options = Options { life, pipeline, rate, ..options(&addresses, workload) };
        let record = take_turns(&options).expect("they answer");
        let rounds = record.rounds.len() as u32;
        assert!((4..=options.rounds_max()).contains(&rounds), "{rounds}");
        let good = record.rounds.iter().filter(|round| !round.is_disturbed).count();
        assert!(good == 4 || rounds == options.rounds_max(), "{good} of {rounds}");
        for pair in 0..rounds / 2 {
            let (first, mut second) = (order(&record, 2 * pair), order(&record, 2 * pair + 1));
            second.reverse();
            assert_eq!(first, second, "mirrored");
            second.sort_unstable();
            assert_eq!(second, [0, 1, 2], "each once");
        }
        for (number, server) in servers.iter_mut().enumerate() {
            server.stop().expect("it ends");
            let windows = record.turns.iter().filter(|turn| turn.target == number);
            let in_windows: u64 = windows.clone().map(|turn| turn.completed).sum();
            let replies = record.targets[number].replies;
            assert_eq!(replies, server.requests(), "{workload:?} × {pipeline} {life:?}");
            assert!(in_windows > 0 && in_windows < replies, "{in_windows} of {replies}: warm-ups are outside");
            for turn in windows {
                // A pause of the machine may swallow a window, and then nothing is counted in it.
                let has_time = turn.wall_ns > 0 && turn.client_run_ns > 0 && turn.run_ns > 0;
                assert!(has_time || turn.completed == 0, "{turn:?}");
            }
            assert_eq!(record.targets[number].lateness_us_p99.is_some(), rate.is_some());
            // This process is the server; what other tests free meanwhile may be more than what the connections take.
            assert!(record.targets[number].process_bytes_grown.is_none() || life == Life::Stays);
            assert!(record.targets[number].response_us_p50 > Some(0.0));
        }
        assert_eq!(
            order(&record, 0),
            order(&take_turns(&options_of_others(&options, kind)).expect("they answer"), 0),
            "by the seed"
        );
    }
}

/// 2,000 requests a second keep fewer than one of five connections busy, and all the same each has its share.
#[test]
fn a_rate_goes_over_all_connections() {
    let asked: Arc<Mutex<Vec<usize>>> = Arc::default();
    let counts = asked.clone();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            counts.lock().expect("no panic while it is held").push(0);
            let counts = counts.clone();
            thread::spawn(move || {
                let (mut stream, mut buffer) = (stream, [0; 4096]);
                while let Ok(len @ 1..) = stream.read(&mut buffer) {
                    counts.lock().expect("no panic while it is held")[number] += 1;
                    let _ = stream.write_all(&buffer[..len]);
                }
            });
        }
    });
    let options =
        Options { rate: Some(2000.0), window: Duration::from_millis(50), ..options(&[address], Workload::Echo) };
    let replies = take_turns(&options).expect("it answers").targets[0].replies;
    let counts = asked.lock().expect("no panic while it was held").clone();
    let (least, most) = (counts.iter().min().expect("some"), counts.iter().max().expect("some"));
    assert_eq!((counts.len(), counts.iter().sum::<usize>() as u64), (5, replies));
    // In turn: one may be left out while it is busy, which is seldom.
    assert!(replies >= 200 && *least * 2 >= *most, "{counts:?}");
}

/// The same with new servers.
fn options_of_others(options: &Options, kind: SpeechKind) -> Options {
    let leaked: Vec<Target> = options
        .targets
        .iter()
        .map(|target| Target { address: Box::leak(Box::new(server(kind))).address(), ..*target })
        .collect();
    Options { targets: leaked, ..options.clone() }
}

/// A server that reads and writes as told, once for each connection.
fn other(reply: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (mut stream, mut buffer) = (stream, [0; 4096]);
            if let Ok(len) = stream.read(&mut buffer) {
                let _ = stream.write_all(&reply(&buffer[..len]));
            }
        }
    });
    address
}

fn error(address: SocketAddr, workload: Workload) -> String {
    let one = Options { connections: 1, ..options(&[address], workload) };
    let error = take_turns(&one).expect_err("it must be noticed").to_string();
    assert!(error.starts_with(&address.to_string()), "{error}");
    error
}

#[test]
fn a_server_that_does_not_answer_as_it_should_ends_the_turns_by_name() {
    let wrong = other(|request| request.iter().map(|byte| byte ^ 1).collect());
    assert!(error(wrong, Workload::Echo).contains("a reply is wrong"));
    let refuses = other(|_| b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_vec());
    assert!(error(refuses, Workload::Http).contains("status 503"));
    let ends = other(|_| b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\nHello, World!".to_vec());
    assert!(error(ends, Workload::Http).contains("announces the end"));
    let closes = other(<[u8]>::to_vec);
    assert!(error(closes, Workload::Echo).contains("it closed a connection"));
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    assert!(error(nobody, Workload::Echo).contains("cannot connect"));
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let echo = server(SpeechKind::Echo);
    let good = options(&[echo.address()], Workload::Echo);
    for nothing in [
        Options { targets: vec![], ..good.clone() },
        Options { connections: 0, ..good.clone() },
        Options { pipeline: 0, ..good.clone() },
        Options { rounds: 0, ..good.clone() },
    ] {
        assert!(matches!(take_turns(&nothing), Err(TurnsError::Nothing)), "{nothing:?}");
    }
    // No process has a number above 2^22 (proc_sys_kernel(5), pid_max).
    let gone = Options { targets: vec![Target { address: echo.address(), pid: 4_194_305 }], ..good.clone() };
    assert!(matches!(take_turns(&gone), Err(TurnsError::Gone { .. })));
    assert!(matches!(take_turns(&Options { cpu: Some(9999), ..good }), Err(TurnsError::Pin { .. })));
}
