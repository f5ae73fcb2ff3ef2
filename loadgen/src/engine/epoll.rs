//! The epoll engine.
//!
//! Each socket is registered only once, edge-triggered for reading and writing. An edge for writing costs
//! nothing while the socket is writable, so connects and short sends need no epoll_ctl, and a request costs
//! one recv and one send.

use super::connection::Phase;
use super::fleet::Fleet;
use super::job::Job;
use super::socket::new_socket;
use super::sockets::Sockets;
use super::token::Token;
use super::turn::{Engine, Wait};
use crate::LoadError;
use crate::plan::grain::CHECK_NS;
use crate::plan::ports::PortRange;
use crate::recording::causes::Cause;
use crate::recording::counters::Traffic;
use protocol::client::Client;
use rustix::event::epoll::{self, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny, SocketFlags, connect, recv, send, sockopt};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime};
use std::net::SocketAddr;
use sys::clock;

/// Most bytes read at once. Replies are rarely this long; a larger buffer would only push other data out of
/// the cache.
const READ_LEN: usize = 64 * 1024;
/// Reads of one connection in a row before the others get their turn (4 MiB).
const READS_MAX: u32 = 64;
/// Events taken per turn in a closed loop.
const EVENTS_MAX_CLOSED: usize = 256;
/// Fewer in an open loop, so that a burst of replies delays arrivals less.
const EVENTS_MAX_OPEN: usize = 64;
/// The event token of the ticker: an index no connection has.
const TICKER: u64 = u64::MAX;
/// What every socket is registered for.
const INTEREST: EventFlags = EventFlags::IN.union(EventFlags::OUT).union(EventFlags::RDHUP).union(EventFlags::ET);

/// One epoll instance and the buffer for reads.
pub(super) struct Epoll {
    epoll: OwnedFd,
    /// Of the plan's routes.
    addresses: Vec<SocketAddrAny>,
    /// Wakes a wait without a timeout every [`CHECK_NS`]; made when first needed.
    ticker: Option<OwnedFd>,
    ports: Option<PortRange>,
    resets: bool,
    scratch: Vec<u8>,
    events: Vec<epoll::Event>,
}

impl Sockets for Epoll {
    type Socket = OwnedFd;

    fn connect(
        &mut self,
        token: Token,
        route: usize,
        source: Option<SocketAddr>,
        _: &mut u8,
        traffic: &mut Traffic,
    ) -> Result<OwnedFd, Errno> {
        let target = &self.addresses[route];
        let socket = new_socket(target.address_family(), source, SocketFlags::NONBLOCK, self.ports, self.resets)?;
        // For a unix socket a full accept queue is EAGAIN (connect(2)): try again, as after a refusal.
        match connect(&socket, target) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno),
        }
        traffic.epoll_ctl += 1;
        epoll::add(&self.epoll, &socket, epoll::EventData::new_u64(token.to_u64()), INTEREST)?;
        Ok(socket)
    }

    #[inline]
    fn send(
        &mut self,
        socket: &OwnedFd,
        _: Token,
        bytes: &[u8],
        _: bool,
        _: &mut u8,
        traffic: &mut Traffic,
    ) -> Result<usize, Errno> {
        traffic.send += 1;
        match send(socket, bytes, SendFlags::NOSIGNAL) {
            Ok(len) => {
                traffic.bytes_out += len as u64;
                Ok(len)
            }
            // Edge-triggered: the next edge comes when the kernel has room again.
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(errno) => Err(errno),
        }
    }

    fn close(&mut self, socket: OwnedFd, _: Token, _: &mut u8, traffic: &mut Traffic) {
        traffic.close += 1;
        drop(socket);
    }

    fn is_free(&self, _: u8) -> bool {
        true
    }
}

impl Engine for Epoll {
    fn new(job: &Job<'_>, _: usize) -> Result<Self, LoadError> {
        let addresses = job.plan.routes.iter().map(|route| route.address.for_rustix()).collect::<Result<_, _>>();
        let addresses = addresses.map_err(|errno| LoadError::setup("write the address of the target", errno))?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(|errno| LoadError::setup("create an epoll instance", errno))?;
        let no_event = epoll::Event { flags: EventFlags::empty(), data: epoll::EventData::new_u64(0) };
        let events = vec![no_event; EVENTS_MAX_CLOSED];
        let ports = job.options.source_ports;
        Ok(Epoll { epoll, addresses, ticker: None, ports, resets: false, scratch: vec![0; READ_LEN], events })
    }

    fn close_by_reset(&mut self) {
        self.resets = true;
    }

    #[inline]
    fn turn<C: Client, const OPEN: bool>(&mut self, fleet: &mut Fleet<'_, C, OwnedFd, OPEN>, wait: Wait) -> usize {
        // Taken out during the turn because the handlers borrow the whole engine.
        let mut events = std::mem::take(&mut self.events);
        let events_max = if OPEN { EVENTS_MAX_OPEN } else { EVENTS_MAX_CLOSED };
        let mut count = self.wait(&mut events[..events_max], wait, &mut fleet.tally.traffic);
        for event in &events[..count] {
            if event.data.u64() == TICKER {
                self.on_tick();
                count -= 1;
            } else {
                self.on_event(fleet, Token::from_u64(event.data.u64()), event.flags);
            }
        }
        self.events = events;
        count
    }
}

impl Epoll {
    /// If nothing needs exact timing, waits without a timeout and lets the ticker wake it. A timeout would
    /// cost two readings of the clock in the kernel per call, and arming a timer if the call sleeps.
    #[inline]
    fn wait(&mut self, events: &mut [epoll::Event], wait: Wait, traffic: &mut Traffic) -> usize {
        let timeout = match wait {
            Wait::Poll => Some(clock::until(0, 0)),
            Wait::Until(until_ns) => Some(clock::until(until_ns, clock::now_ns())),
            Wait::Loosely if self.ticker.is_some() => None,
            Wait::Loosely => {
                // Without a ticker (no descriptor left) a timeout does as well.
                self.ticker = start_ticker(&self.epoll).ok();
                Some(clock::until(CHECK_NS, 0))
            }
        };
        traffic.epoll_wait += 1;
        // The one error that can happen is EINTR, and then there are no events.
        epoll::wait(&self.epoll, events, timeout.as_ref()).unwrap_or(0)
    }

    #[inline]
    fn on_event<C: Client, const OPEN: bool>(
        &mut self,
        fleet: &mut Fleet<'_, C, OwnedFd, OPEN>,
        token: Token,
        flags: EventFlags,
    ) {
        // None: the event belongs to a socket that was closed earlier in this turn.
        let Some(connection) = fleet.find(token) else { return };
        let has_ended = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        let index = token.index as usize;
        match connection.phase {
            Phase::Opening => self.on_connected(fleet, token, has_ended, flags.contains(EventFlags::IN)),
            Phase::Idle | Phase::Busy => {
                // Read first: the peer may answer early and close (413), and then a send fails (EPIPE,
                // ECONNRESET) while the reply still waits to be read.
                if has_ended || flags.contains(EventFlags::IN) {
                    self.on_readable(fleet, token, has_ended);
                }
                if flags.contains(EventFlags::OUT) && fleet.has_unsent(index) && fleet.find(token).is_some() {
                    fleet.send_rest(self, index);
                }
            }
            Phase::Closed => {}
        }
    }

    /// The first event of a connecting socket.
    fn on_connected<C: Client, const OPEN: bool>(
        &mut self,
        fleet: &mut Fleet<'_, C, OwnedFd, OPEN>,
        token: Token,
        has_ended: bool,
        has_bytes: bool,
    ) {
        let index = token.index as usize;
        if has_ended && let Some(socket) = &fleet.connections[index].socket {
            // The event of a peer that accepts and closes at once also gets here; that connect did succeed.
            if let Err(errno) | Ok(Err(errno)) = sockopt::socket_error(socket) {
                return fleet.fail_to_open(self, index, errno, clock::now_ns());
            }
        }
        fleet.on_connected(self, index);
        // A peer may send before it is asked, and there is no second edge for these bytes.
        if has_ended || has_bytes {
            self.on_readable(fleet, token, has_ended);
        }
    }

    /// Reads until the socket is empty. A short read says that it is empty: later bytes bring their own
    /// event, so the recv that would return EAGAIN is saved.
    #[inline]
    fn on_readable<C: Client, const OPEN: bool>(
        &mut self,
        fleet: &mut Fleet<'_, C, OwnedFd, OPEN>,
        token: Token,
        has_ended: bool,
    ) {
        let index = token.index as usize;
        let mut scratch = std::mem::take(&mut self.scratch);
        for _ in 0..READS_MAX {
            let Some(socket) = fleet.find(token).and_then(|connection| connection.socket.as_ref()) else {
                self.scratch = scratch;
                return;
            };
            let result = recv(socket, scratch.as_mut_slice(), RecvFlags::empty());
            fleet.tally.traffic.recv += 1;
            match result {
                Ok((0, _)) => fleet.on_peer_close(self, index),
                Ok((len, _)) => {
                    fleet.on_bytes(self, index, &scratch[..len]);
                    if len == READ_LEN || has_ended {
                        continue;
                    }
                }
                Err(Errno::AGAIN) => {}
                Err(Errno::INTR) => continue,
                Err(errno) => fleet.lose(self, index, Cause::Error(errno)),
            }
            self.scratch = scratch;
            return;
        }
        self.scratch = scratch;
        self.rearm(fleet, token);
    }

    /// More is waiting than one turn should read: ask for the edge again.
    #[cold]
    fn rearm<C: Client, const OPEN: bool>(&mut self, fleet: &mut Fleet<'_, C, OwnedFd, OPEN>, token: Token) {
        let Some(socket) = fleet.find(token).and_then(|connection| connection.socket.as_ref()) else { return };
        let result = epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(token.to_u64()), INTEREST);
        fleet.tally.traffic.epoll_ctl += 1;
        if let Err(errno) = result {
            fleet.lose(self, token.index as usize, Cause::Error(errno));
        }
    }

    /// Reads the ticker: a periodic timerfd reports again only after its expirations are read. Nothing else
    /// to do, since the loop reads the time anyway.
    #[cold]
    fn on_tick(&mut self) {
        if let Some(ticker) = &self.ticker {
            // EAGAIN, the one possible error, means that it has been read already.
            let _ = rustix::io::read(ticker, &mut [0u8; 8]);
        }
    }
}

/// A timer that makes epoll report an event every [`CHECK_NS`].
fn start_ticker(epoll: &OwnedFd) -> Result<OwnedFd, Errno> {
    let ticker = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
    let every = clock::until(CHECK_NS, 0);
    timerfd_settime(&ticker, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: every, it_value: every })?;
    epoll::add(epoll, &ticker, epoll::EventData::new_u64(TICKER), EventFlags::IN | EventFlags::ET)?;
    Ok(ticker)
}
