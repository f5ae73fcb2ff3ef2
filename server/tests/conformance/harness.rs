//! A server in this process, and clients that check what they read.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Sender, unbounded};
use protocol::Workload;
use server::{Balance, Endpoint, Options, Order, Report, Server, Variant};
use socket2::{Domain, Socket, Type};

/// Long enough for the slowest machine. It ends a test that hangs and measures nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Whether this host can run the variant.
pub(crate) fn available(variant: Variant) -> bool {
    if variant.backend() != "io_uring" {
        return true;
    }
    match server::probe_io_uring() {
        Ok(()) => true,
        Err(error) if std::env::var_os("CI").is_some() => panic!("CI must be able to test {variant}: {error}"),
        Err(error) => {
            eprintln!("skipped, {variant} cannot run here: {error}");
            false
        }
    }
}

/// Every `Balance` that this host can run.
pub(crate) fn balances() -> impl Iterator<Item = Balance> {
    [Balance::Hash, Balance::Cpu, Balance::RoundRobin].into_iter().filter(|balance| {
        let mut options = Options::new(Workload::Echo);
        (options.reactors, options.balance) = (1, *balance);
        match Server::start(options) {
            Ok(server) => {
                stop(server);
                true
            }
            Err(error) if std::env::var_os("CI").is_some() => panic!("CI must be able to test it: {error}"),
            Err(error) => {
                eprintln!("skipped: {error}");
                false
            }
        }
    })
}

fn stop(server: Server) {
    let (sender, orders) = unbounded();
    sender.send(Order::Stop).expect("this holds the receiver");
    server.supervise(&orders);
}

/// A running server. Dropping it without `drain` stops it.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) endpoints: Vec<Endpoint>,
    orders: Option<Sender<Order>>,
    supervisor: Option<JoinHandle<Report>>,
}

impl Running {
    /// One reactor and a free port, adjusted by `change`.
    pub(crate) fn start(workload: Workload, variant: Variant, change: impl FnOnce(&mut Options)) -> Running {
        let mut options = Options::new(workload);
        options.variant = variant;
        options.reactors = 1;
        change(&mut options);
        let server = Server::start(options).unwrap_or_else(|error| panic!("{variant}: {error}"));
        let (sender, orders) = unbounded();
        let endpoints = server.endpoints().to_vec();
        let address = endpoints[0].tcp().expect("an address of TCP");
        let supervisor = std::thread::spawn(move || server.supervise(&orders));
        Running { address, endpoints, orders: Some(sender), supervisor: Some(supervisor) }
    }

    pub(crate) fn echo(variant: Variant) -> Running {
        Running::start(Workload::Echo, variant, |_| {})
    }

    pub(crate) fn http(variant: Variant) -> Running {
        Running::start(Workload::Http, variant, |_| {})
    }

    pub(crate) fn order(&self, order: Order) {
        self.orders.as_ref().expect("running").send(order).expect("the supervisor listens");
    }

    /// Waits for the end and checks what must hold after any end.
    pub(crate) fn account(mut self) -> Report {
        // Some tests set timeouts of an hour, so that only what they test can end it.
        eventually("the server's end", || self.supervisor.as_ref().expect("running").is_finished());
        let report = self.supervisor.take().expect("running").join().expect("no panic");
        for reactor in &report.reactors {
            assert_eq!(reactor.error, None);
            assert_eq!(reactor.connections_left, 0);
            assert_eq!(reactor.buffers_in_use, 0, "buffers were not given back");
        }
        assert_eq!(report.totals.accepts, report.totals.closed_total(), "a connection ended twice or never");
        report
    }

    /// Drains, waits, and checks as `account` does.
    pub(crate) fn drain(self) -> Report {
        self.order(Order::Drain);
        self.account()
    }

    pub(crate) fn connect(&self) -> Client {
        self.connect_to(self.address)
    }

    /// A client at another of its places.
    pub(crate) fn connect_to(&self, address: SocketAddr) -> Client {
        Client::over(TcpStream::connect(address).expect("the server listens"))
    }

    /// A client whose window is small from the first segment on.
    pub(crate) fn connect_with_receive_buffer(&self, len: usize) -> Client {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, None).expect("a descriptor");
        socket.set_recv_buffer_size(len).expect("a TCP socket");
        socket.connect(&self.address.into()).expect("the server listens");
        Client::over(socket.into())
    }
}

impl Client {
    fn over(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a valid timeout");
        stream.set_nodelay(true).expect("a TCP socket");
        Client { stream }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let (Some(orders), Some(supervisor)) = (self.orders.take(), self.supervisor.take()) {
            // Only reached if a test failed or needs no report: its own message matters, not ours.
            let _ = orders.send(Order::Stop);
            let _ = supervisor.join();
        }
    }
}

/// One connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

impl Client {
    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the server reads");
    }

    /// Reads exactly `len` bytes.
    pub(crate) fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.stream.read_exact(&mut bytes).unwrap_or_else(|error| panic!("reading {len} bytes: {error}"));
        bytes
    }

    /// Reads to the end of the connection, which must be a FIN.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).unwrap_or_else(|error| panic!("after {} bytes: {error}", bytes.len()));
        bytes
    }

    /// Reads one HTTP reply with Content-Length; `None` when the connection ended before it.
    pub(crate) fn reply(&mut self) -> Option<(String, Vec<u8>)> {
        let head = self.head()?;
        let length = head.split("Content-Length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let body = self.read(length.expect("a Content-Length").parse().expect("a number"));
        Some((head, body))
    }

    /// Reads the head of a reply; `None` when the connection ended before it.
    pub(crate) fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match self.stream.read(&mut byte) {
                Ok(0) if head.is_empty() => return None,
                Ok(0) => panic!("the connection ended inside a head"),
                Ok(_) => head.push(byte[0]),
                Err(error) => panic!("reading a head: {error}"),
            }
        }
        Some(String::from_utf8(head).expect("an ASCII head"))
    }

    /// One request and its reply.
    pub(crate) fn get(&mut self) -> String {
        self.write(GET);
        let (head, body) = self.reply().expect("a reply");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert_eq!(body, b"Hello, World!");
        head
    }

    pub(crate) fn echo(&mut self, bytes: &[u8]) {
        self.write(bytes);
        assert!(self.read(bytes.len()) == bytes, "the echo differs");
    }

    pub(crate) fn finish_writing(&self) {
        self.stream.shutdown(Shutdown::Write).expect("an open connection");
    }
}

/// `len` bytes without a short period.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len as u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

/// Waits until `done` returns true; fails if it never does.
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{what} never happened");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Connects `room` clients, then `more`, and returns both once the server has met its limit of `room`: each
/// accepted client has had two replies, so the reactor has checked its listener while others waited there.
pub(crate) fn fill_to_the_limit(server: &Running, room: usize, more: usize) -> (Vec<Client>, Vec<Client>) {
    let mut inside: Vec<Client> = (0..room).map(|_| server.connect()).collect();
    let waiting = (0..more).map(|_| server.connect()).collect();
    for _ in 0..2 {
        for client in &mut inside {
            client.get();
        }
    }
    (inside, waiting)
}
