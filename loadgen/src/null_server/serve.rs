//! The loop: level-triggered epoll, one recv and one send a request, and the stalls in between.

use std::io;
use std::net::TcpListener;
use std::num::NonZeroU64;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send, sockopt};
use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};

use super::late::HeldBack;
use super::shared::{Config, PastStall, Shared};
use super::speech::Speech;
use super::stall::Stall;
use sys::clock;

/// Tokens no connection has.
const LISTENER: u64 = u64::MAX;
const WAKE: u64 = u64::MAX - 1;
/// Events taken per turn.
const EVENTS_MAX: usize = 256;
/// Bytes read at once.
const READ_LEN: usize = 64 * 1024;
/// How long accepting pauses when the host is short of something; connections wait in the accept queue.
const ACCEPT_REST_NS: u64 = 100_000_000;

struct Connection {
    socket: OwnedFd,
    /// Of all connections so far: its place is used again.
    number: u64,
    /// Of [`Speech::answer`].
    progress: u32,
    /// The rest of a reply, or one that is held back. While there is one, nothing is read.
    unsent: Vec<u8>,
}

pub(super) struct Server {
    speech: Speech,
    stall: Option<Stall>,
    late: Option<HeldBack>,
    listener: TcpListener,
    shared: Arc<Shared>,
    epoll: OwnedFd,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// Whether requests of the last stall may still be unanswered.
    is_behind: bool,
    /// When accepting goes on; `None` if it is not paused.
    accept_at_ns: Option<u64>,
    requests: u64,
    late_replies: u64,
    accepted: u64,
    scratch: Vec<u8>,
    output: Vec<u8>,
}

/// Pins the calling thread and makes everything that serving needs.
pub(super) fn prepare(config: &Config, listener: TcpListener, shared: Arc<Shared>) -> io::Result<Server> {
    if let Some(cpu) = config.cpu {
        let mut set = CpuSet::new();
        if cpu as usize >= CpuSet::MAX_CPU {
            return Err(Errno::INVAL.into());
        }
        set.set(cpu as usize);
        sched_setaffinity(None, &set)?;
    }
    // The default slack of 50 µs would be added to both ends of a stall (prctl(2)). Without this the
    // stalls are only less punctual, and their log says so.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    epoll::add(&epoll, &shared.wake, EventData::new_u64(WAKE), EventFlags::IN)?;
    Ok(Server {
        speech: config.speech,
        stall: config.stall,
        late: config.late.map(HeldBack::new),
        listener,
        shared,
        epoll,
        connections: Vec::new(),
        free: Vec::new(),
        is_behind: false,
        accept_at_ns: None,
        requests: 0,
        late_replies: 0,
        accepted: 0,
        scratch: vec![0; READ_LEN],
        output: Vec::with_capacity(READ_LEN),
    })
}

impl Server {
    /// Serves until it is woken to end.
    pub(super) fn run(mut self) -> io::Result<()> {
        let no_event = epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        let mut events = vec![no_event; EVENTS_MAX];
        let mut due = self.stall.map(|stall| stall.next(None, clock::now_ns()));
        loop {
            let held_back = self.late.as_ref().and_then(HeldBack::due);
            let wake_at = due.map(|(start, _)| start).into_iter().chain(self.accept_at_ns).chain(held_back).min();
            let wait = match self.is_behind {
                true => Some(clock::until(0, 0)),
                false => wake_at.map(|at| clock::until(at, clock::now_ns())),
            };
            let count = match epoll::wait(&self.epoll, &mut events[..], wait.as_ref()) {
                Ok(count) => count,
                Err(Errno::INTR) => 0,
                Err(errno) => return Err(errno.into()),
            };
            if let (Some(stall), Some((start, end))) = (self.stall, due) {
                let now = clock::now_ns();
                if now >= start {
                    // The events just reported wait as well: epoll is level-triggered and reports them again.
                    if self.do_nothing(now, end)? {
                        return Ok(());
                    }
                    due = Some(stall.next(Some(start), clock::now_ns()));
                    continue;
                }
            }
            if count == 0 && self.is_behind {
                self.catch_up();
            }
            for event in &events[..count] {
                match event.data.u64() {
                    WAKE => return Ok(()),
                    LISTENER => self.accept()?,
                    index => self.on_ready(index as usize),
                }
            }
            self.release();
            self.resume_accepting()?;
            self.shared.requests.store(self.requests, Ordering::Relaxed);
            self.shared.late_replies.store(self.late_replies, Ordering::Relaxed);
        }
    }

    /// One stall. True when the server is to end.
    fn do_nothing(&mut self, start_ns: u64, end_ns: u64) -> io::Result<bool> {
        let mut wake = [PollFd::new(&self.shared.wake, PollFlags::IN)];
        let (mut now, mut is_over) = (start_ns, false);
        while now < end_ns && !is_over {
            is_over = match poll(&mut wake, Some(&clock::until(end_ns, now))) {
                Ok(count) => count > 0,
                Err(Errno::INTR) => false,
                Err(errno) => return Err(errno.into()),
            };
            now = clock::now_ns();
        }
        // A stall that was over before it was noticed did not take place.
        if now > start_ns {
            self.is_behind = true;
            let past = PastStall { start: start_ns, end: now, caught_up: None };
            self.shared.stalls.lock().unwrap_or_else(PoisonError::into_inner).push(past);
        }
        Ok(is_over)
    }

    /// The last stall has no requests left.
    fn catch_up(&mut self) {
        self.is_behind = false;
        if let Some(last) = self.shared.stalls.lock().unwrap_or_else(PoisonError::into_inner).last_mut() {
            last.caught_up = Some(clock::now_ns());
        }
    }

    /// Sends the replies that were held back long enough.
    fn release(&mut self) {
        let Some(late) = &mut self.late else { return };
        while let Some((index, number)) = late.pop(clock::now_ns()) {
            let Some(Some(connection)) = self.connections.get_mut(index) else { continue };
            if connection.number != number {
                continue;
            }
            let unsent = std::mem::take(&mut connection.unsent);
            if !(reply(&self.epoll, index, connection, &unsent) && resumed(&self.epoll, index, connection)) {
                self.connections[index] = None;
                self.free.push(index);
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => self.add(socket)?,
                Err(Errno::AGAIN) => return Ok(()),
                // Errors of one connection that is gone already (accept(2)).
                Err(Errno::INTR | Errno::CONNABORTED | Errno::PROTO) => {}
                Err(_) => {
                    epoll::delete(&self.epoll, &self.listener)?;
                    self.accept_at_ns = Some(clock::now_ns() + ACCEPT_REST_NS);
                    return Ok(());
                }
            }
        }
    }

    fn resume_accepting(&mut self) -> io::Result<()> {
        if self.accept_at_ns.is_some_and(|at| clock::now_ns() >= at) {
            self.accept_at_ns = None;
            epoll::add(&self.epoll, &self.listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        }
        Ok(())
    }

    fn add(&mut self, socket: OwnedFd) -> io::Result<()> {
        // Fails only for a socket that is gone, which the first recv reports.
        let _ = sockopt::set_tcp_nodelay(&socket, true);
        let index = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        epoll::add(&self.epoll, &socket, EventData::new_u64(index as u64), EventFlags::IN)?;
        self.accepted += 1;
        self.connections[index] = Some(Connection { socket, number: self.accepted, progress: 0, unsent: Vec::new() });
        Ok(())
    }

    /// Sends what is left, or reads and answers; closes when the peer is gone.
    fn on_ready(&mut self, index: usize) {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        let alive = if connection.unsent.is_empty() {
            match recv(&connection.socket, &mut self.scratch[..], RecvFlags::empty()) {
                Ok((0, _)) => false,
                Ok((len, _)) => {
                    self.output.clear();
                    let input = &self.scratch[..len];
                    let answered = self.speech.answer(&mut connection.progress, input, &mut self.output);
                    self.requests += answered;
                    let late = self.late.as_mut().filter(|_| answered > 0);
                    match late.and_then(HeldBack::draw) {
                        Some(late) => {
                            late.hold(clock::now_ns(), index, connection.number);
                            self.late_replies += 1;
                            hold_back(&self.epoll, index, connection, &self.output)
                        }
                        None => reply(&self.epoll, index, connection, &self.output),
                    }
                }
                Err(Errno::AGAIN | Errno::INTR) => true,
                Err(_) => false,
            }
        } else {
            let unsent = std::mem::take(&mut connection.unsent);
            reply(&self.epoll, index, connection, &unsent) && resumed(&self.epoll, index, connection)
        };
        if !alive {
            self.connections[index] = None;
            self.free.push(index);
        }
    }
}

/// Sends `bytes`; what the kernel does not take is kept. False when the connection is gone.
fn reply(epoll: &OwnedFd, index: usize, connection: &mut Connection, bytes: &[u8]) -> bool {
    if bytes.is_empty() {
        return true;
    }
    let sent = match send(&connection.socket, bytes, SendFlags::NOSIGNAL) {
        Ok(sent) => sent,
        Err(Errno::AGAIN | Errno::INTR) => 0,
        Err(_) => return false,
    };
    if sent == bytes.len() {
        return true;
    }
    connection.unsent = bytes[sent..].to_vec();
    epoll::modify(epoll, &connection.socket, EventData::new_u64(index as u64), EventFlags::OUT).is_ok()
}

/// Keeps a reply for later, and reads nothing meanwhile. False when the connection is gone.
fn hold_back(epoll: &OwnedFd, index: usize, connection: &mut Connection, bytes: &[u8]) -> bool {
    connection.unsent = bytes.to_vec();
    epoll::modify(epoll, &connection.socket, EventData::new_u64(index as u64), EventFlags::empty()).is_ok()
}

/// Goes back to reading once everything has been sent.
fn resumed(epoll: &OwnedFd, index: usize, connection: &Connection) -> bool {
    let is_done = connection.unsent.is_empty();
    !is_done || epoll::modify(epoll, &connection.socket, EventData::new_u64(index as u64), EventFlags::IN).is_ok()
}
