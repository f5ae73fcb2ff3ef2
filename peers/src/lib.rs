//! What the peers have in common: arguments, CPUs, listeners, the line that says "ready", and the end.
//! How a connection is served is each program's own, in the way its library documents as fast.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use socket2::{Domain, Protocol, Socket, Type};

/// The body of every HTTP reply.
pub const BODY: &str = "Hello, World!";
/// Connections that may wait for `accept`; the kernel takes less where `net.core.somaxconn` is less.
pub const BACKLOG: i32 = 65_535;
/// What an echo peer reads at once, in bytes.
pub const READ_LEN: usize = 4096;

/// What a peer is; the program prints it when its only argument is `about`.
#[derive(Debug)]
pub struct About {
    /// The library on the crates registry.
    pub library: &'static str,
    /// The version it was built with.
    pub version: &'static str,
    /// What it serves: `echo` or `http`.
    pub workload: &'static str,
    /// How it is set up, for the notes of a report.
    pub configuration: &'static str,
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Where to listen; port 0 lets the kernel choose.
    pub listen: SocketAddr,
    /// One worker runs on each of these.
    pub cpus: Vec<usize>,
}

/// One worker's share: a listener of its own, and the duty to say when it serves.
#[derive(Debug)]
pub struct Worker {
    /// Bound with SO_REUSEPORT, TCP_NODELAY on, which accepted sockets inherit, and non-blocking.
    pub listener: TcpListener,
    /// The CPU it is pinned to.
    pub cpu: usize,
    address: SocketAddr,
    missing: Arc<AtomicUsize>,
}

impl Worker {
    /// Says that this worker's runtime works; the last one prints the line that the caller waits for.
    pub fn ready(&self) {
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            print_ready(self.address);
        }
    }
}

/// The body of `main`: parses the command line, prepares the process and calls `serve`, which only returns
/// when something is wrong.
pub fn run(about: &About, serve: fn(&Order) -> io::Result<()>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["about"] {
        let line = json!({"library": about.library, "version": about.version, "workload": about.workload,
                          "configuration": about.configuration});
        return if writeln!(io::stdout(), "{line}").is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let order = match parse(about, &arguments) {
        Ok(order) => order,
        Err(reason) => {
            say(&format!("{reason}\nusage: peer <{}> --listen ADDR:PORT --cpus LIST, or: peer about", about.workload));
            return ExitCode::from(2);
        }
    };
    match prepare(&order).and_then(|()| serve(&order)) {
        Ok(()) => say(&format!("{}: the workers ended without being asked", about.library)),
        Err(error) => say(&format!("{}: {error}", about.library)),
    }
    ExitCode::FAILURE
}

/// Says a line on stderr, as eprintln! does, which panics where stderr is closed.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn parse(about: &About, arguments: &[String]) -> Result<Order, String> {
    let [workload, listen_flag, listen, cpus_flag, cpus] = arguments else {
        return Err("five arguments are needed".to_owned());
    };
    if workload != about.workload {
        return Err(format!("{} serves {}, not {workload:?}", about.library, about.workload));
    }
    if listen_flag != "--listen" || cpus_flag != "--cpus" {
        return Err(format!("--listen and --cpus are needed, not {listen_flag:?} and {cpus_flag:?}"));
    }
    let listen = listen.parse().map_err(|_| format!("{listen:?} is no ADDR:PORT"))?;
    let cpus: Result<Vec<usize>, _> = cpus.split(',').map(str::parse).collect();
    let cpus = cpus.map_err(|_| "--cpus takes numbers with commas between them".to_owned())?;
    match cpus.iter().find(|cpu| **cpu >= CpuSet::MAX_CPU) {
        Some(cpu) => Err(format!("there is no CPU {cpu}")),
        None => Ok(Order { listen, cpus }),
    }
}

/// Before any thread exists: what a library starts on its own inherits the CPUs and finds SIGTERM handled.
fn prepare(order: &Order) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    pin(&order.cpus)?;
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            std::process::exit(0);
        }
    });
    Ok(())
}

/// Keeps the calling thread, and those it starts from now on, on `cpus`.
fn pin(cpus: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    cpus.iter().for_each(|cpu| set.set(*cpu));
    sched_setaffinity(None, &set).map_err(|error| io::Error::other(format!("cannot run on the CPUs {cpus:?}: {error}")))
}

/// Runs `serve` on a pinned thread for each CPU. Returns the first error, at once.
pub fn on_each_cpu(order: &Order, serve: fn(Worker) -> io::Result<()>) -> io::Result<()> {
    let missing = Arc::new(AtomicUsize::new(order.cpus.len()));
    let (ended, first_end) = std::sync::mpsc::channel();
    let mut address = order.listen;
    for cpu in order.cpus.iter().copied() {
        // The first listener fixes the port.
        let listener = listen(address)?;
        address = listener.local_addr()?;
        let worker = Worker { listener, cpu, address, missing: missing.clone() };
        let ended = ended.clone();
        thread::spawn(move || {
            let result = pin(&[worker.cpu]).and_then(|()| serve(worker));
            // Nobody listens any more when another worker ended first, which ends the process.
            let _ = ended.send(result);
        });
    }
    first_end.recv().unwrap_or(Ok(()))
}

/// A listener as [`Worker`] describes it, for libraries that share one among their workers.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_port(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A port that is free, held with SO_REUSEPORT until the result is dropped: for libraries that bind by
/// themselves and do not tell which port they got. Nothing reaches this socket, as it does not listen.
pub fn reserve(address: SocketAddr) -> io::Result<(Socket, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    let address = socket.local_addr()?.as_socket().ok_or_else(|| io::Error::other("no IP address"))?;
    Ok((socket, address))
}

/// Prints the line that the caller waits for.
pub fn print_ready(address: SocketAddr) {
    // A caller that is gone has ended this process, or will miss the line.
    let _ = writeln!(io::stdout(), "{}", json!({"event": "ready", "address": address.to_string()}));
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About = About { library: "none", version: "0", workload: "echo", configuration: "" };

    fn parsed(line: &str) -> Result<Order, String> {
        parse(&ABOUT, &line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_command_line_is_an_order_or_an_error() {
        let order = parsed("echo --listen 127.0.0.1:0 --cpus 0,3").expect("an order");
        assert_eq!((order.listen.port(), order.cpus.as_slice()), (0, &[0, 3][..]));
        for (line, reason) in [
            ("", "five"),
            ("http --listen 127.0.0.1:0 --cpus 0", "not \"http\""),
            ("echo --cpus 0 --listen 127.0.0.1:0", "--listen and --cpus"),
            ("echo --listen localhost --cpus 0", "no ADDR:PORT"),
            ("echo --listen 127.0.0.1:0 --cpus 0-1", "commas"),
            ("echo --listen 127.0.0.1:0 --cpus 1000000", "no CPU"),
        ] {
            let error = parsed(line).expect_err(line);
            assert!(error.contains(reason), "{line}: {error}");
        }
    }

    #[test]
    fn a_reserved_port_can_be_listened_on() {
        let (_held, address) = reserve("127.0.0.1:0".parse().expect("an address")).expect("a port");
        assert_eq!(listen(address).and_then(|listener| listener.local_addr()).expect("a listener"), address);
    }
}
