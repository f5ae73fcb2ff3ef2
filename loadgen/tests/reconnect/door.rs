//! A server that goes away and comes back on the same port, one thread for each connection.

use protocol::Workload;
use rustix::net::{Shutdown, listen, shutdown};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Ends a test that hangs; measures nothing.
const PATIENCE: Duration = Duration::from_secs(60);
/// Size of the load generator's echo messages.
const MESSAGE_LEN: usize = 64;

/// What awaits a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Welcome {
    /// Its requests are answered.
    Service,
    /// Its connection is closed at once.
    Slam,
    /// Each request gets a 503 (HTTP only), and the connection stays.
    Refusal,
    /// The same, with the end of the connection announced.
    LastRefusal,
    /// The same, and when to come again: in a second.
    Later,
    /// Nobody listens.
    Nothing,
    /// A queue with room for one, from which nobody takes: SYNs are dropped and connects wait.
    Crowd,
}

struct Open {
    welcome: Welcome,
    /// By the number of the connection; one that has ended is not there.
    streams: BTreeMap<u64, TcpStream>,
}

struct Shared {
    workload: Workload,
    listener: TcpListener,
    open: Mutex<Open>,
    accepted: AtomicU64,
    answered: AtomicU64,
    /// Connections with a good reply since the last [`Door::shut`].
    served: AtomicU64,
    is_over: AtomicBool,
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap()
    }
}

/// One server at a time: clients that try again at once take a whole CPU, and would leave none to other tests.
static ALONE: Mutex<()> = Mutex::new(());

/// A server until it is dropped.
pub(crate) struct Door {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
    _alone: MutexGuard<'static, ()>,
}

impl Door {
    pub(crate) fn open(workload: Workload) -> Door {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        // Bound by its number, a socket keeps its port when it stops listening.
        let bind = || {
            let free = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?;
            TcpListener::bind(free).ok()
        };
        let listener = std::iter::repeat_with(bind).take(100).flatten().next().expect("a free port");
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            workload,
            listener,
            open: Mutex::new(Open { welcome: Welcome::Service, streams: BTreeMap::new() }),
            accepted: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            served: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        let thread = thread::spawn(move || accept(&accepting));
        Door { address, shared, thread: Some(thread), _alone: alone }
    }

    pub(crate) fn target(&self) -> String {
        self.shared.workload.target(self.address)
    }

    /// Closes all connections, and refuses further ones if `then` says so.
    pub(crate) fn shut(&self, then: Welcome) {
        let mut open = self.shared.open();
        open.welcome = then;
        if matches!(then, Welcome::Nothing | Welcome::Crowd) {
            // Ends the listening; those in the queue are reset.
            shutdown(&self.shared.listener, Shutdown::Read).unwrap();
        }
        if then == Welcome::Crowd {
            listen(&self.shared.listener, 0).unwrap();
        }
        self.shared.served.store(0, Ordering::SeqCst);
        for stream in std::mem::take(&mut open.streams).into_values() {
            // The peer may have closed it before.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Serves again.
    pub(crate) fn reopen(&self) {
        let mut open = self.shared.open();
        let was_deaf = open.welcome == Welcome::Nothing;
        open.welcome = Welcome::Service;
        if was_deaf {
            listen(&self.shared.listener, 128).unwrap();
        }
    }

    /// Connections that were accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Connects to it that wait for an answer.
    pub(crate) fn waiting(&self) -> usize {
        // The columns of proc(5): number, local and remote address, state; 02 is SYN_SENT.
        let (remote, table) =
            (format!(":{:04X}", self.address.port()), std::fs::read_to_string("/proc/net/tcp").unwrap());
        let is_waiting = |line: &&str| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            columns[2].ends_with(&remote) && columns[3] == "02"
        };
        table.lines().skip(1).filter(is_waiting).count()
    }

    /// Requests with a good reply so far.
    pub(crate) fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// Waits until so many connections have been served since the last [`Door::shut`].
    pub(crate) fn await_served(&self, count: u64) {
        eventually("service", || self.shared.served.load(Ordering::SeqCst) >= count);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.shut(Welcome::Slam);
        // Ends a call to accept; ENOTCONN means that it does not listen.
        let _ = shutdown(&self.shared.listener, Shutdown::Read);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Waits for a condition.
pub(crate) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "no {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn accept(shared: &Arc<Shared>) {
    while !shared.is_over.load(Ordering::SeqCst) {
        if shared.open().welcome == Welcome::Crowd {
            thread::sleep(Duration::from_millis(1));
            continue;
        }
        let Ok((stream, _)) = shared.listener.accept() else {
            // It does not listen for now.
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
        let mut open = shared.open();
        if matches!(open.welcome, Welcome::Slam | Welcome::Nothing | Welcome::Crowd) {
            continue;
        }
        stream.set_nodelay(true).unwrap();
        open.streams.insert(number, stream.try_clone().unwrap());
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            serve(stream, &shared);
            // Its descriptor: a test may have any number of connections, one after the other.
            shared.open().streams.remove(&number);
        });
    }
}

/// Ends when the connection does.
fn serve(mut stream: TcpStream, shared: &Shared) {
    let (mut buffer, mut pending, mut is_served) = ([0; 4096], Vec::new(), false);
    while let Ok(len @ 1..) = stream.read(&mut buffer) {
        pending.extend_from_slice(&buffer[..len]);
        while let Some(request) = take_request(shared.workload, &mut pending) {
            // Held to the end, so that whoever closes the door finds all counts done.
            let open = shared.open();
            if stream.write_all(&reply(shared.workload, open.welcome, request)).is_err() {
                return;
            }
            match open.welcome {
                Welcome::Service => {
                    shared.answered.fetch_add(1, Ordering::SeqCst);
                    shared.served.fetch_add(u64::from(!is_served), Ordering::SeqCst);
                    is_served = true;
                }
                // A clone of the stream is kept elsewhere.
                Welcome::LastRefusal | Welcome::Later => return drop(stream.shutdown(std::net::Shutdown::Write)),
                Welcome::Refusal | Welcome::Slam | Welcome::Nothing | Welcome::Crowd => {}
            }
        }
    }
}

fn take_request(workload: Workload, pending: &mut Vec<u8>) -> Option<Vec<u8>> {
    let len = match workload {
        Workload::Echo => MESSAGE_LEN,
        Workload::Http => pending.windows(4).position(|window| window == b"\r\n\r\n")? + 4,
    };
    (pending.len() >= len).then(|| pending.drain(..len).collect())
}

fn reply(workload: Workload, welcome: Welcome, request: Vec<u8>) -> Vec<u8> {
    match (workload, welcome) {
        (Workload::Echo, _) => request,
        (Workload::Http, Welcome::Refusal) => b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec(),
        (Workload::Http, Welcome::LastRefusal) => {
            b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
        }
        (Workload::Http, Welcome::Later) => {
            b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\nRetry-After: 1\r\n\r\n".to_vec()
        }
        (Workload::Http, _) => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
    }
}
