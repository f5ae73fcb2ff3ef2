//! A scripted server: one thread per connection, which answers, stalls, misbehaves or ends as told.

use loadgen::Options;
use loadgen::record::Record;
use protocol::Workload;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How one connection is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "each test file uses some of them")]
pub(crate) enum Manner {
    Good,
    /// Answers this many times, then resets.
    ResetAfter(u32),
    /// Answers this many times, then closes in the middle of a reply.
    TruncateAfter(u32),
    CloseAtOnce,
    Malformed,
    Late(Duration),
    Never,
    /// Adds unsolicited bytes.
    Chatty,
    /// Announces the end of the connection with each reply (HTTP only).
    CloseEach,
    /// Announces it with every n-th reply, as nginx does (`keepalive_requests`), and answers nothing after that.
    CloseAfter(u32),
    /// Answers, but resets instead of every n-th reply, after a wait.
    ResetEvery(u32, Duration),
    /// Answers, but every n-th reply comes late.
    LateEvery(u32, Duration),
    /// Answers with status 404 (HTTP only).
    NotFound,
    /// Follows a script over and over until the connection ends.
    Acts(&'static [Act]),
}

/// One step of a script. Consecutive output is sent in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "each test file uses some of them")]
pub(crate) enum Act {
    /// Waits for a whole request.
    Ask,
    /// Sends back this many bytes of the last request.
    Echo(usize),
    Say(&'static str),
    /// Repeats it for as long as the peer takes it, up to about 40 MB/s.
    Flood(&'static str),
    /// Reads everything, sends nothing, and waits for the peer to close.
    Hang,
    Close,
    Reset,
}

/// All connections pause once, for `pause`, when request number `at_request` arrives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stall {
    pub(crate) at_request: u64,
    pub(crate) pause: Duration,
}

struct Shared {
    workload: Workload,
    manners: Vec<Manner>,
    stall: Option<Stall>,
    requests: AtomicU64,
    answered: AtomicU64,
    stalled_until: Mutex<Option<Instant>>,
    is_over: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

/// Serves until dropped; connection i is treated in the manner i % len.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

#[allow(dead_code, reason = "each test file uses some of them")]
impl Server {
    pub(crate) fn start(workload: Workload, manners: &[Manner]) -> Server {
        Server::start_stalling(workload, manners, None)
    }

    pub(crate) fn start_stalling(workload: Workload, manners: &[Manner], stall: Option<Stall>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            workload,
            manners: manners.to_vec(),
            stall,
            requests: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            stalled_until: Mutex::new(None),
            is_over: AtomicBool::new(false),
            streams: Mutex::new(Vec::new()),
        });
        let served = Arc::clone(&shared);
        let thread = thread::spawn(move || accept(&listener, &served));
        Server { address, shared, thread: Some(thread) }
    }

    pub(crate) fn target(&self) -> String {
        self.shared.workload.target(self.address)
    }

    /// Connections that were accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.streams.lock().unwrap().len()
    }

    /// Requests that were completely read, and not skipped, so far.
    pub(crate) fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// Stops listening and closes every connection.
    pub(crate) fn vanish(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Unblocks accept; whether it still succeeds does not matter.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            // The peer may have closed it before.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.vanish();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for index in 0.. {
        let Ok((stream, _)) = listener.accept() else { return };
        if shared.is_over.load(Ordering::SeqCst) {
            return;
        }
        let manner = shared.manners[index % shared.manners.len()];
        if manner == Manner::CloseAtOnce {
            continue;
        }
        stream.set_nodelay(true).unwrap();
        shared.streams.lock().unwrap().push(stream.try_clone().unwrap());
        let shared = Arc::clone(shared);
        thread::spawn(move || serve(stream, manner, &shared));
    }
}

/// Ends when the peer is gone, as every server does.
fn serve(mut stream: TcpStream, manner: Manner, shared: &Shared) {
    let mut pending = Vec::new();
    if let Manner::Acts(acts) = manner {
        return perform(stream, acts, shared);
    }
    for answered in 0.. {
        let Some(request) = read_request(&mut stream, &mut pending, shared.workload) else { return };
        pause(shared);
        let is_last = matches!(manner, Manner::CloseAfter(count) if answered + 1 == count);
        let mut reply = reply_to(shared.workload, if is_last { Manner::CloseEach } else { manner }, request);
        shared.answered.fetch_add(1, Ordering::SeqCst);
        match manner {
            Manner::Never => continue,
            Manner::Late(delay) => thread::sleep(delay),
            Manner::LateEvery(count, delay) if is_nth(shared, count) => thread::sleep(delay),
            Manner::ResetEvery(count, delay) if is_nth(shared, count) => {
                thread::sleep(delay);
                return reset(&stream, shared);
            }
            Manner::ResetAfter(count) if answered == count => return reset(&stream, shared),
            Manner::TruncateAfter(count) if answered == count => reply.truncate(reply.len() / 2),
            _ => {}
        }
        if stream.write_all(&reply).is_err() {
            return;
        }
        if is_last {
            return linger(&mut stream);
        }
        if manner == Manner::CloseEach || matches!(manner, Manner::TruncateAfter(count) if answered == count) {
            // Closes for good: a clone of the stream is kept elsewhere.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            return;
        }
    }
}

/// Closes as a server should: sends a FIN, then reads until the peer has closed too, because an RST for later
/// bytes would overtake the reply (RFC 9112 §9.6).
fn linger(stream: &mut TcpStream) {
    // Errors mean that the peer has gone already.
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = std::io::copy(stream, &mut std::io::sink());
}

/// Whether this request is the last of `count` over all connections.
fn is_nth(shared: &Shared, count: u32) -> bool {
    (shared.requests.fetch_add(1, Ordering::SeqCst) + 1).is_multiple_of(u64::from(count))
}

/// Follows a script until the connection ends.
fn perform(mut stream: TcpStream, acts: &[Act], shared: &Shared) {
    let (mut pending, mut request, mut words) = (Vec::new(), Vec::new(), Vec::new());
    for act in acts.iter().cycle() {
        match act {
            Act::Echo(len) => words.extend_from_slice(&request[..*len]),
            Act::Say(text) => words.extend_from_slice(text.as_bytes()),
            Act::Ask | Act::Flood(_) | Act::Hang | Act::Close | Act::Reset => {
                if stream.write_all(&std::mem::take(&mut words)).is_err() {
                    return;
                }
            }
        }
        match act {
            Act::Echo(_) | Act::Say(_) => {}
            Act::Ask => match read_request(&mut stream, &mut pending, shared.workload) {
                Some(next) => request = next,
                None => return,
            },
            Act::Flood(text) => {
                let piece = text.repeat(4096 / text.len());
                while stream.write_all(piece.as_bytes()).is_ok() {
                    thread::sleep(Duration::from_micros(100));
                }
                return;
            }
            // Either result is the awaited end.
            Act::Hang => return drop(std::io::copy(&mut stream, &mut std::io::sink())),
            // A clone of the stream is kept elsewhere; the peer may have closed before.
            Act::Close => return drop(stream.shutdown(std::net::Shutdown::Both)),
            Act::Reset => return reset(&stream, shared),
        }
    }
}

/// Turns the coming close of `stream` into a reset.
fn reset(stream: &TcpStream, shared: &Shared) {
    // SO_LINGER of zero turns the close into a reset (socket(7)).
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
    let own = stream.peer_addr().ok();
    shared.streams.lock().unwrap().retain(|other| other.peer_addr().ok() != own);
}

/// The next request, or `None` if the peer is gone.
fn read_request(stream: &mut TcpStream, pending: &mut Vec<u8>, workload: Workload) -> Option<Vec<u8>> {
    let mut buffer = [0u8; 16 * 1024];
    loop {
        if let Some(request) = take_request(workload, pending) {
            return Some(request);
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(len) => pending.extend_from_slice(&buffer[..len]),
        }
    }
}

/// Echo messages have 64 bytes here; an HTTP request ends with an empty line.
fn take_request(workload: Workload, pending: &mut Vec<u8>) -> Option<Vec<u8>> {
    let len = match workload {
        Workload::Echo => 64,
        Workload::Http => pending.windows(4).position(|window| window == b"\r\n\r\n")? + 4,
    };
    (pending.len() >= len).then(|| pending.drain(..len).collect())
}

fn reply_to(workload: Workload, manner: Manner, request: Vec<u8>) -> Vec<u8> {
    match (workload, manner) {
        (Workload::Echo, Manner::Malformed) => vec![b'?'; 64],
        (Workload::Echo, Manner::Chatty) => [request, b"and".to_vec()].concat(),
        (Workload::Echo, _) => request,
        (Workload::Http, Manner::Malformed) => b"SMTP\r\n\r\n".to_vec(),
        (Workload::Http, Manner::NotFound) => b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno".to_vec(),
        (Workload::Http, Manner::CloseEach) => {
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".to_vec()
        }
        (Workload::Http, Manner::Chatty) => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokok".to_vec(),
        (Workload::Http, _) => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
    }
}

fn pause(shared: &Shared) {
    let Some(stall) = shared.stall else { return };
    let number = shared.requests.fetch_add(1, Ordering::SeqCst);
    let until = {
        let mut stalled_until = shared.stalled_until.lock().unwrap();
        if number == stall.at_request {
            *stalled_until = Some(Instant::now() + stall.pause);
        }
        *stalled_until
    };
    if let Some(left) = until.and_then(|until| until.checked_duration_since(Instant::now())) {
        thread::sleep(left);
    }
}

/// Carries out a run and checks that its accounts balance, directly and as other programs read them.
#[allow(dead_code, reason = "each test file uses some of them")]
pub(crate) fn run(options: &Options) -> Record {
    let record = loadgen::load(options, &AtomicBool::new(false), |_| {}).unwrap().record;
    check_identities(&record);
    check_identities(&serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap());
    record
}

/// Checks the identities of the record independently of its own check.
pub(crate) fn check_identities(record: &Record) {
    let (requests, connections) = (&record.requests, &record.connections);
    let shown = serde_json::to_string(&(requests, connections)).unwrap();
    assert_eq!(requests.scheduled, requests.sent + requests.unsent, "{shown}");
    let fates = requests.completed + requests.failed + requests.timed_out + requests.censored;
    assert_eq!(requests.sent, fates, "{shown}");
    assert_eq!(requests.errors.values().sum::<u64>(), requests.failed + requests.timed_out, "{shown}");
    assert_eq!(record.response_us.count, requests.scheduled, "every request has a time, exact or at least: {shown}");
    assert_eq!(connections.attempts, connections.opened + connections.failed + connections.pending, "{shown}");
    let accounting = record.verdict.checks.iter().find(|check| check.id == "V7").unwrap();
    assert_eq!(accounting.state.name(), "VALID", "{}", accounting.value);
}
