//! Runs against targets with several addresses, and against unix sockets: servers of this process.

use super::*;
use crate::null_server::{Config, NullServer, Speech};
use crate::plan::engine::Engine;
use crate::plan::options::WarmUp;
use crate::record::{State, TargetAddress};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

fn null_server(listen: SocketAddr) -> io::Result<NullServer> {
    NullServer::start(Config { speech: Speech::Echo { message_len: 64 }, listen, cpu: None, stall: None, late: None })
}

/// Two servers at one port of different addresses.
fn two_servers() -> (NullServer, NullServer) {
    for _ in 0..100 {
        let first = null_server(([127, 0, 0, 1], 0).into()).unwrap();
        // The port may be taken there.
        if let Ok(second) = null_server(([127, 0, 0, 2], first.address().port()).into()) {
            return (first, second);
        }
    }
    panic!("no port is free at both addresses");
}

/// Stands in for a name server.
fn three(_: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((1..=3).map(|last| ([127, 0, 0, last], port).into()).collect())
}

fn options(target: String, engine: Engine) -> Options {
    Options {
        target,
        engine,
        connections: 7,
        threads: 2,
        duration: Duration::from_millis(100),
        warmup: WarmUp::Fixed(Duration::ZERO),
        ..Options::default()
    }
}

fn engines() -> Vec<Engine> {
    let sizes = sys::uring::Sizes { submissions: 8, completions: 16, descriptors: 8 };
    match sys::uring::Ring::open(sizes) {
        Ok(_) => vec![Engine::Epoll, Engine::IoUring],
        Err(unavailable) => {
            eprintln!("io_uring is left out: {unavailable}");
            vec![Engine::Epoll]
        }
    }
}

#[test]
fn addresses_that_answer_share_the_connections() {
    for engine in engines() {
        let (mut first, mut second) = two_servers();
        let port = first.address().port();
        let options = options(format!("tcp://three.test:{port}"), engine);
        let record = with_names(&options, three, &AtomicBool::new(false), |_| {}).unwrap().record;
        let used = |last: u8, connections| TargetAddress {
            address: format!("127.0.0.{last}:{port}"),
            connections,
            established: connections,
            left_out: None,
        };
        let refused = TargetAddress {
            address: format!("127.0.0.3:{port}"),
            left_out: Some("ECONNREFUSED".into()),
            ..TargetAddress::default()
        };
        assert_eq!(record.addresses, [used(1, 4), used(2, 3), refused], "{engine:?}");
        assert_eq!((record.address.as_str(), record.connections.established), (&*format!("127.0.0.1:{port}"), 7));
        // The trial connects do not count as connects of the run.
        assert_eq!((record.connections.attempts, record.connections.failed), (7, 0));
        assert_eq!(record.requests.failed, 0);
        first.stop().unwrap();
        second.stop().unwrap();
        let answered = (first.requests(), second.requests());
        assert!(answered.0 > 0 && answered.1 > 0, "{engine:?}: {answered:?}");
        assert_eq!(answered.0 + answered.1, record.requests.completed_whole_run, "{engine:?}");
    }
}

#[test]
fn connections_start_from_the_ports_that_are_given() {
    for engine in engines() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let target = format!("tcp://{}", listener.local_addr().unwrap());
        let first = host::sysctl::local_port_range().map_or(40_000, |[first, _]| first as u16 + 100);
        let given = first..=first + 2;
        let options = Options {
            connections: 2,
            threads: 1,
            rate: Some(0.0),
            // An address that nothing else uses, so that all ports are free.
            sources: vec!["127.0.0.77".parse().unwrap()],
            source_ports: Some(format!("{}-{}", given.start(), given.end()).parse().unwrap()),
            ..options(target, engine)
        };
        let peers = thread::spawn(move || [0; 2].map(|_| listener.accept().unwrap()));
        let record = load(&options, &AtomicBool::new(false), |_| {}).unwrap().record;
        assert_eq!(record.connections.established, 2, "{engine:?}");
        let ports = peers.join().unwrap().map(|(_, peer)| peer.port());
        assert!(ports[0] != ports[1] && ports.iter().all(|port| given.contains(port)), "{engine:?}: {ports:?}");
    }
}

#[test]
fn more_addresses_than_connections_leave_some_without() {
    let (_first, _second) = two_servers();
    let port = _first.address().port();
    let options = Options { connections: 1, threads: 1, ..options(format!("tcp://three.test:{port}"), Engine::Epoll) };
    let record = with_names(&options, three, &AtomicBool::new(false), |_| {}).unwrap().record;
    let shares: Vec<u64> = record.addresses.iter().map(|address| address.established).collect();
    assert_eq!(shares, [1, 0, 0]);
}

#[test]
fn a_target_of_which_no_address_answers_fails_before_the_run() {
    let (first, second) = two_servers();
    let port = first.address().port();
    drop((first, second));
    let options = options(format!("tcp://three.test:{port}"), Engine::Epoll);
    let error = with_names(&options, three, &AtomicBool::new(false), |_| {}).unwrap_err();
    assert!(matches!(error, LoadError::NoneAnswers(_)), "{error}");
    assert_eq!(error.to_string().matches("ECONNREFUSED").count(), 3, "{error}");
}

#[test]
fn a_unix_socket_that_is_not_there_is_said_so() {
    let path = std::env::temp_dir().join(format!("c10m-no-{}.sock", std::process::id()));
    for engine in engines() {
        let target = format!("unix:{}", path.display());
        let error = load(&options(target.clone(), engine), &AtomicBool::new(false), |_| {}).unwrap_err();
        assert!(error.to_string().contains(&format!("no socket at {target} (ENOENT)")), "{engine:?}: {error}");
    }
}

/// A small server, because the null server only speaks TCP.
#[test]
fn a_unix_socket_carries_echo() {
    use std::io::{Read, Write};
    for engine in engines() {
        let path = std::env::temp_dir().join(format!("c10m-{}-{}.sock", engine.name(), std::process::id()));
        // What a killed test has left behind.
        let _ = std::fs::remove_file(&path);
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        // Ends with the test process.
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(count @ 1..) = stream.read(&mut buffer) {
                        if stream.write_all(&buffer[..count]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        let options = options(format!("tcp+unix:{}", path.display()), engine);
        let record = load(&options, &AtomicBool::new(false), |_| {}).unwrap().record;
        std::fs::remove_file(&path).unwrap();
        assert_eq!((record.connections.established, record.requests.failed), (7, 0), "{engine:?}");
        assert!(record.requests.completed > 0, "{engine:?}");
        assert_eq!(record.address, format!("unix:{}", path.display()));
        let check = |id: &str| record.verdict.checks.iter().find(|check| check.id == id).unwrap().clone();
        let (held, transport) = (check("V9"), check("V17"));
        assert!(held.state == State::Valid && held.value.contains("no count"), "{held:?}");
        assert_eq!(transport.state, State::Skipped, "{transport:?}");
    }
}

/// A worker once took a full accept queue for refusals and gave up after sixteen of them.
#[test]
fn a_full_accept_queue_is_no_refusal() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};
    let path = std::env::temp_dir().join(format!("c10m-full-{}.sock", std::process::id()));
    // What a killed test has left behind.
    let _ = std::fs::remove_file(&path);
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    listen(&socket, 0).unwrap();
    let listener = std::os::unix::net::UnixListener::from(socket);
    let server = thread::spawn(move || {
        // Let each of the two workers meet a full queue first.
        thread::sleep(Duration::from_millis(100));
        (0..40).map_while(|_| listener.accept().ok()).map(|(stream, _)| stream).collect::<Vec<_>>()
    });
    let target = format!("tcp+unix:{}", path.display());
    let options = Options {
        connections: 40,
        rate: Some(0.0),
        connect_timeout: Duration::from_secs(60),
        ..options(target, Engine::Epoll)
    };
    let record = load(&options, &AtomicBool::new(false), |_| {}).unwrap().record;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(record.connections.established, 40, "{:?}", record.connections);
    assert_eq!(record.connections.errors.keys().collect::<Vec<_>>(), ["EAGAIN"], "{:?}", record.connections);
    drop(server.join().unwrap());
}
