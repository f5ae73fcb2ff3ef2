//! Where a server listens: several addresses, unix sockets; and what it reports while it serves.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam::channel::unbounded;
use protocol::Workload;
use server::{CloseReason, Endpoint, Options, Order, Server, Variant};

use crate::harness::{Client, GET, PATIENCE, Running, pattern};

const REACTORS: usize = 3;

fn loopback() -> Endpoint {
    Endpoint::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// A test's own path, below a directory that is removed with it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str, variant: Variant) -> Place {
        let name = format!("c10m-{name}-{}-{}-{}", variant.backend(), variant.variant(), std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a directory for temporary files");
        Place(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a valid timeout");
    stream
}

/// Each address gets a free port, every reactor listens at all of them, and the drain treats all alike.
pub(crate) fn several_addresses(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| {
        options.reactors = REACTORS;
        options.listen = vec![loopback(), loopback(), Endpoint::Tcp("[::1]:0".parse().expect("valid"))];
    });
    let addresses: Vec<SocketAddr> = server.endpoints.iter().filter_map(Endpoint::tcp).collect();
    assert_eq!(addresses.len(), 3);
    assert!(addresses.iter().all(|address| address.port() != 0) && addresses[0] != addresses[1], "{addresses:?}");
    let mut clients: Vec<Client> = (0..60)
        .map(|index| {
            let stream = TcpStream::connect(addresses[index % 3]).expect("the server listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
            Client { stream }
        })
        .collect();
    clients.iter_mut().for_each(|client| drop(client.get()));
    server.order(Order::Drain);
    // Requests are on their way before a reactor could close a listener with queued connections.
    clients.iter_mut().for_each(|client| client.write(GET));
    clients.iter_mut().for_each(|client| assert!(client.reply().is_some(), "a connection was lost"));
    drop(clients);
    let report = server.account();
    assert_eq!((report.exit_code(), report.totals.accepts, report.totals.requests), (0, 60, 120));
    for address in addresses {
        assert!(TcpStream::connect(address).is_err(), "{address} still listens");
    }
}

/// The reactors share one unix socket, next to a TCP one; replies of every length come back.
pub(crate) fn unix_socket(variant: Variant) {
    let place = Place::new("unix", variant);
    let server = Running::start(Workload::Echo, variant, |options| {
        options.reactors = REACTORS;
        options.listen = vec![loopback(), Endpoint::Unix(place.socket())];
    });
    let mut clients: Vec<UnixStream> = (0..100).map(|_| connect(&place.socket())).collect();
    let bytes = pattern(5000);
    for (index, client) in clients.iter_mut().enumerate() {
        client.write_all(&bytes[..1 + index * 49]).expect("the server reads");
    }
    for (index, client) in clients.iter_mut().enumerate() {
        let mut found = vec![0; 1 + index * 49];
        client.read_exact(&mut found).expect("the server answers");
        assert!(found == bytes[..found.len()], "the echo differs");
    }
    server.connect().echo(b"beside it");
    drop(clients);
    let report = server.drain();
    assert_eq!((report.exit_code(), report.totals.accepts), (0, 101));
    assert!(!place.socket().exists(), "the file is left behind");
}

/// Connections queued when the drain begins are served; later clients find no file.
pub(crate) fn unix_queue_is_served(variant: Variant) {
    let place = Place::new("queue", variant);
    let server = Running::start(Workload::Http, variant, |options| {
        options.reactors = REACTORS;
        options.accepts_per_turn_max = 1;
        options.listen = vec![loopback(), Endpoint::Unix(place.socket())];
    });
    let mut clients: Vec<UnixStream> = (0..100).map(|_| connect(&place.socket())).collect();
    server.order(Order::Drain);
    clients.iter_mut().for_each(|client| client.write_all(GET.as_bytes()).expect("the kernel takes it"));
    for client in &mut clients {
        let mut reply = String::new();
        client.read_to_string(&mut reply).expect("a reply and a FIN");
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply:?}");
    }
    let late = UnixStream::connect(place.socket()).expect_err("a drain takes no newcomers");
    assert_eq!(late.kind(), ErrorKind::NotFound);
    // A successor may use the path while this server still drains.
    let successor = std::os::unix::net::UnixListener::bind(place.socket()).expect("the path is free");
    drop(clients);
    let report = server.account();
    assert_eq!((report.exit_code(), report.totals.requests), (0, 100));
    assert!(place.socket().exists(), "the successor's file was taken away");
    // Nothing was left readable: a loop that spins makes 100,000 system calls in the 0.2 s before listeners close.
    assert!(report.totals.syscalls < 20_000, "{} system calls", report.totals.syscalls);
    drop(successor);
}

/// Live counters add up to the report, and continue during the drain.
pub(crate) fn live_counters(variant: Variant) {
    let mut options = Options::new(Workload::Http);
    (options.variant, options.reactors) = (variant, REACTORS);
    let server = Server::start(options).unwrap_or_else(|error| panic!("{variant}: {error}"));
    let address = server.endpoints()[0].tcp().expect("an address of TCP");
    let ((orders, received), (stats, told)) = (unbounded(), unbounded());
    let supervisor = std::thread::spawn(move || {
        let mut tell = |told: &server::Told| match told {
            server::Told::Stats(line) => stats.send((**line).clone()).expect("the test receives"),
            server::Told::Handover(news) => panic!("nobody asked for it: {news:?}"),
        };
        server.supervise_with(&received, Some(Duration::from_millis(20)), &mut tell)
    });
    let mut clients: Vec<Client> = (0..10)
        .map(|_| {
            let stream = TcpStream::connect(address).expect("the server listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
            Client { stream }
        })
        .collect();
    clients.iter_mut().for_each(|client| drop(client.get()));
    let next = || told.recv_timeout(PATIENCE).expect("a line each interval");
    let mut seen: Vec<server::Stats> = Vec::new();
    // A line may fall between the connections and their requests.
    while !(seen.iter().any(|line| line.requests_per_s > 0.0) && seen.iter().any(|line| line.connections == 10)) {
        seen.push(next());
    }
    assert!(seen.iter().all(|line| line.answered <= REACTORS && line.reactors == REACTORS && !line.draining));
    // The lines report each close once.
    clients.truncate(7);
    let mut closed = 0;
    while closed < 3 {
        let line = next();
        closed += line.closes.values().sum::<u64>();
        seen.push(line);
    }
    assert_eq!((closed, seen.last().map(|line| line.connections)), (3, Some(7)));
    orders.send(Order::Drain).expect("the supervisor listens");
    while !next().draining {}
    drop(clients);
    let report = supervisor.join().expect("no panic");
    assert_eq!((report.totals.requests, report.totals.accepts), (10, 10));
    assert!(report.totals.closed_for(CloseReason::DrainForced) == 0 && report.exit_code() == 0);
}
