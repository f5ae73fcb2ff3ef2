//! The io_uring engine: operations go in, completions come out, one system call a turn.
//!
//! Sockets live in the ring's own table of direct descriptors, one place per connection: the process's
//! table holds a socket only between socket(2) and its registration. A multishot receive is armed while
//! a connection is open; bytes arrive in provided buffers, so a connection that waits owns none. A send
//! is one operation that the kernel finishes by itself (MSG_WAITALL).
//!
//! A slot is never reused before the last operation of its old socket has completed.

mod sends;

use super::fleet::Fleet;
use super::job::Job;
use super::socket::new_socket;
use super::sockets::Sockets;
use super::token::Token;
use super::turn::{Engine, Wait};
use crate::LoadError;
use crate::engine::connection::Phase;
use crate::plan::grain::CHECK_NS;
use crate::plan::ports::PortRange;
use crate::recording::causes::Cause;
use crate::recording::counters::Traffic;
use io_uring::types::{CancelBuilder, Fixed, TimeoutFlags, Timespec};
use io_uring::{cqueue, opcode, squeue};
use protocol::client::Client;
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags};
use sends::Sends;
use socket2::SockAddr;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;
use sys::clock;
use sys::uring::{Completion, GROUP, ProvidedBuffers, Ring, Sizes, Starved};

/// Submissions that fit before the ring must be entered.
const SUBMISSIONS: u32 = 1024;
/// Completions that fit: several for each of 4,096 busy connections.
const COMPLETIONS: u32 = 16 * 1024;
/// Memory of the queues of each worker's ring.
pub const RING_BYTES: u64 = sizes(0).queue_bytes();

const fn sizes(descriptors: u32) -> Sizes {
    Sizes { submissions: SUBMISSIONS, completions: COMPLETIONS, descriptors }
}

/// Completions handled before the resulting entries are submitted: as many as an epoll turn takes.
const COMPLETIONS_PER_TURN_CLOSED: usize = 256;
const COMPLETIONS_PER_TURN_OPEN: usize = 64;

/// Up to this many connections, an engine ends every operation before it is dropped: the kernel searches for
/// each among all. With more, it leaks the memory of its buffers.
const QUIET_CONNECTIONS_MAX: u32 = 2048;

/// Tags of completions, in the top byte of their user data.
const RECEIVE: u8 = 0;
const SEND: u8 = 1;
const CONNECT: u8 = 2;
const CLOSE: u8 = 3;
const TICK: u8 = 4;
/// For operations whose completion carries no news.
const IGNORED: u8 = 5;

/// Operations of a connection whose last completion has not been seen.
const RECEIVING: u8 = 1;
const SENDING: u8 = 1 << 1;
const CONNECTING: u8 = 1 << 2;
const CLOSING: u8 = 1 << 3;

/// A place in the ring's table of direct descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(NonZeroU32);

impl Place {
    fn of(token: Token) -> Place {
        Place(NonZeroU32::MIN.saturating_add(token.index))
    }

    fn fixed(self) -> Fixed {
        Fixed(self.0.get() - 1)
    }
}

fn user_data(tag: u8, token: Token) -> u64 {
    u64::from(tag) << 56 | u64::from(token.generation) << 32 | u64::from(token.index)
}

fn token_of(user_data: u64) -> Token {
    Token { index: user_data as u32, generation: (user_data >> 32) as u16 }
}

/// One ring. The fields are dropped in this order: the ring first, then what its operations point to.
pub(super) struct Uring {
    ring: Ring,
    /// Taken out while a turn hands their content to the fleet.
    buffers: Option<ProvidedBuffers>,
    sends: Sends,
    /// Of the plan's routes.
    addresses: Vec<SockAddr>,
    tick: Box<Timespec>,
    is_ticking: bool,
    ports: Option<PortRange>,
    resets: bool,
    completions: Vec<Completion>,
    /// The first completion that has not been handled.
    next: usize,
    connections: u32,
    /// Connections whose receive found no buffer.
    starved: Starved<Token>,
}

impl Sockets for Uring {
    type Socket = Place;

    fn connect(
        &mut self,
        token: Token,
        route: usize,
        source: Option<SocketAddr>,
        under_way: &mut u8,
        traffic: &mut Traffic,
    ) -> Result<Place, Errno> {
        let family = AddressFamily::from_raw(self.addresses[route].family());
        let socket = new_socket(family, source, SocketFlags::empty(), self.ports, self.resets)?;
        let place = Place::of(token);
        traffic.register += 1;
        let registered = self.ring.place(token.index, socket.as_fd());
        registered.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        // From here on the ring holds the socket; the end of this function closes our descriptor.
        traffic.close += 1;
        let address = &self.addresses[route];
        let entry = opcode::Connect::new(place.fixed(), address.as_ptr().cast(), address.len()).build();
        *under_way |= CONNECTING;
        // SAFETY: the address lies in a vector that never changes and is dropped after the ring.
        unsafe { self.push(entry.user_data(user_data(CONNECT, token)), traffic) };
        Ok(place)
    }

    #[inline]
    fn send(
        &mut self,
        socket: &Place,
        token: Token,
        bytes: &[u8],
        is_constant: bool,
        under_way: &mut u8,
        traffic: &mut Traffic,
    ) -> Result<usize, Errno> {
        let slot = if is_constant { self.sends.lend(token, bytes) } else { self.sends.copy(token, bytes) };
        *under_way |= SENDING;
        traffic.bytes_out += bytes.len() as u64;
        traffic.send += 1;
        self.push_send(*socket, slot, traffic);
        Ok(bytes.len())
    }

    fn close(&mut self, socket: Place, token: Token, under_way: &mut u8, traffic: &mut Traffic) {
        // Cancel by user data if possible: the kernel finds that in a table, but searches all operations of the
        // ring for a descriptor (io_uring/poll.c, 6.18). A send's user data names its slot, and cancelling one is
        // rare.
        let receive = (RECEIVING, CancelBuilder::user_data(user_data(RECEIVE, token)));
        let connect = (CONNECTING, CancelBuilder::user_data(user_data(CONNECT, token)));
        let send = (SENDING, CancelBuilder::fd(socket.fixed()).all());
        for (_, what) in [receive, connect, send].into_iter().filter(|(bit, _)| *under_way & bit != 0) {
            let entry = opcode::AsyncCancel2::new(what).build().user_data(user_data(IGNORED, token));
            // SAFETY: the entry holds no address.
            unsafe { self.push(entry, traffic) };
        }
        *under_way |= CLOSING;
        let entry = opcode::Close::new(socket.fixed()).build().user_data(user_data(CLOSE, token));
        // SAFETY: the entry holds no address.
        unsafe { self.push(entry, traffic) };
    }

    fn is_free(&self, under_way: u8) -> bool {
        under_way == 0
    }
}

impl Engine for Uring {
    fn new(job: &Job<'_>, worker: usize) -> Result<Self, LoadError> {
        let connections = job.plan.connections[worker];
        let addresses = job.plan.routes.iter().map(|route| route.address.for_ring()).collect::<Result<_, _>>();
        let addresses =
            addresses.map_err(|source| LoadError::Setup { what: "write the address of the target", source })?;
        let (ring, buffers) = Ring::open(sizes(connections)).map_err(LoadError::NoRing)?;
        Ok(Uring {
            ring,
            buffers: Some(buffers),
            sends: Sends::default(),
            addresses,
            tick: Box::new(Timespec::new().nsec(CHECK_NS as u32)),
            is_ticking: false,
            ports: job.options.source_ports,
            resets: false,
            completions: Vec::with_capacity(COMPLETIONS as usize),
            next: 0,
            connections,
            starved: Starved::default(),
        })
    }

    fn close_by_reset(&mut self) {
        self.resets = true;
    }

    #[inline]
    fn turn<C: Client, const OPEN: bool>(&mut self, fleet: &mut Fleet<'_, C, Place, OPEN>, wait: Wait) -> usize {
        let has_more = self.next < self.completions.len();
        if !has_more {
            self.completions.clear();
            self.next = 0;
        }
        self.wait(if has_more || !self.starved.is_empty() { Wait::Poll } else { wait }, &mut fleet.tally.traffic);
        let count_max = if OPEN { COMPLETIONS_PER_TURN_OPEN } else { COMPLETIONS_PER_TURN_CLOSED };
        let end = self.completions.len().min(self.next + count_max);
        let Some(mut buffers) = self.buffers.take() else { return 0 };
        let mut ticks = 0;
        let mut completions = std::mem::take(&mut self.completions);
        for completion in &mut completions[self.next..end] {
            ticks += usize::from(self.on_completion(fleet, &mut buffers, completion));
        }
        self.completions = completions;
        self.buffers = Some(buffers);
        let count = end - self.next - ticks;
        self.next = end;
        let unhandled = self.completions.len() - end;
        for _ in 0..self.starved.retries(unhandled) {
            if let Some(token) = self.starved.pop() {
                self.arm(fleet, token);
            }
        }
        count
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        if self.connections <= QUIET_CONNECTIONS_MAX {
            // If this fails, the ring leaks its buffers too.
            let _ = self.ring.quiesce();
        }
    }
}

impl Uring {
    /// # Safety
    /// As for [`Ring::push`].
    #[inline]
    unsafe fn push(&mut self, entry: squeue::Entry, traffic: &mut Traffic) {
        traffic.sqes += 1;
        // SAFETY: the caller's promise.
        traffic.enter += unsafe { self.ring.push(&entry) };
    }

    /// Submits, and waits as requested. If nothing needs exact timing, the wait has no timeout but uses the
    /// ticker: one timer for all such waits.
    #[inline]
    fn wait(&mut self, wait: Wait, traffic: &mut Traffic) {
        let wait_max = match wait {
            Wait::Poll => Some(Duration::ZERO),
            Wait::Until(until_ns) => Some(Duration::from_nanos(until_ns.saturating_sub(clock::now_ns()))),
            Wait::Loosely => {
                self.tick(traffic);
                None
            }
        };
        traffic.enter += 1;
        let before = self.completions.len();
        // A broken ring shows as replies that never come; nothing else can be done about it.
        let _ = self.ring.submit_and_wait(wait_max, &mut self.completions);
        traffic.cqes += (self.completions.len() - before) as u64;
    }

    /// Starts the ticker: a completion every [`CHECK_NS`].
    fn tick(&mut self, traffic: &mut Traffic) {
        if self.is_ticking {
            return;
        }
        self.is_ticking = true;
        let entry = opcode::Timeout::new(&*self.tick).count(0).flags(TimeoutFlags::MULTISHOT).build();
        // SAFETY: the time is boxed and outlives the ring.
        unsafe { self.push(entry.user_data(user_data(TICK, Token { index: 0, generation: 0 })), traffic) };
    }

    #[inline]
    fn push_send(&mut self, socket: Place, slot: u32, traffic: &mut Traffic) {
        let (start, len) = self.sends.rest(slot);
        let entry = opcode::Send::new(socket.fixed(), start, len)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build()
            .user_data(u64::from(SEND) << 56 | u64::from(slot));
        // SAFETY: the bytes stay in their slot, or with the client that lent them for its lifetime, until
        // the slot is released at this operation's completion. The client outlives the ring.
        unsafe { self.push(entry, traffic) };
    }

    /// Arms the receive of an open connection.
    fn arm<C: Client, const OPEN: bool>(&mut self, fleet: &mut Fleet<'_, C, Place, OPEN>, token: Token) {
        let Some(connection) = fleet.find(token) else { return };
        let Some(socket) = connection.socket.filter(|_| connection.under_way & RECEIVING == 0) else { return };
        connection.under_way |= RECEIVING;
        let entry = opcode::RecvMulti::new(socket.fixed(), GROUP).build().user_data(user_data(RECEIVE, token));
        // SAFETY: the entry holds no address; the buffers are the buffer ring's affair.
        unsafe { self.push(entry, &mut fleet.tally.traffic) };
    }

    /// Handles one completion; true when it was only the ticker's.
    #[inline]
    fn on_completion<C: Client, const OPEN: bool>(
        &mut self,
        fleet: &mut Fleet<'_, C, Place, OPEN>,
        buffers: &mut ProvidedBuffers,
        completion: &mut Completion,
    ) -> bool {
        let token = token_of(completion.user_data);
        match (completion.user_data >> 56) as u8 {
            RECEIVE => self.on_receive(fleet, buffers, token, completion),
            SEND => self.on_send(fleet, completion),
            CONNECT => self.on_connect(fleet, token, completion.result),
            CLOSE => self.on_last(fleet, token, CLOSING),
            TICK => {
                self.is_ticking = cqueue::more(completion.flags);
                return true;
            }
            _ => {}
        }
        false
    }

    /// An operation has ended; if it was the last of a closed socket, the slot is free again.
    fn on_last<C: Client, const OPEN: bool>(
        &mut self,
        fleet: &mut Fleet<'_, C, Place, OPEN>,
        token: Token,
        operation: u8,
    ) {
        let index = token.index as usize;
        let connection = &mut fleet.connections[index];
        connection.under_way &= !operation;
        if connection.under_way == 0 && connection.phase == Phase::Closed {
            fleet.on_forgotten(self, index);
        }
    }

    fn on_connect<C: Client, const OPEN: bool>(
        &mut self,
        fleet: &mut Fleet<'_, C, Place, OPEN>,
        token: Token,
        result: i32,
    ) {
        let index = token.index as usize;
        let is_current = fleet.find(token).is_some_and(|connection| connection.phase == Phase::Opening);
        if !is_current {
            return self.on_last(fleet, token, CONNECTING);
        }
        fleet.connections[index].under_way &= !CONNECTING;
        if result < 0 {
            return fleet.fail_to_open(self, index, Errno::from_raw_os_error(-result), clock::now_ns());
        }
        // Before the first request: its reply may be quick.
        self.arm(fleet, token);
        fleet.on_connected(self, index);
    }

    #[inline]
    fn on_receive<C: Client, const OPEN: bool>(
        &mut self,
        fleet: &mut Fleet<'_, C, Place, OPEN>,
        buffers: &mut ProvidedBuffers,
        token: Token,
        completion: &mut Completion,
    ) {
        let index = token.index as usize;
        let is_last = !cqueue::more(completion.flags);
        let filled = completion.take_buffer();
        fleet.tally.traffic.recv += 1;
        if is_last {
            fleet.connections[index].under_way &= !RECEIVING;
        }
        if fleet.find(token).is_some() {
            match (completion.result, &filled) {
                (1.., Some(filled)) => fleet.on_bytes(self, index, buffers.content(filled)),
                (0.., _) => fleet.on_peer_close(self, index),
                (error, _) => match Errno::from_raw_os_error(-error) {
                    Errno::NOBUFS => self.starved.push(token),
                    Errno::INTR | Errno::AGAIN => {}
                    errno => fleet.lose(self, index, Cause::Error(errno)),
                },
            }
        }
        if let Some(filled) = filled {
            buffers.release(filled);
        }
        if is_last {
            match fleet.find(token) {
                // The kernel ends a multishot receive now and then, for fairness or for lack of room.
                Some(_) if completion.result != -Errno::NOBUFS.raw_os_error() => self.arm(fleet, token),
                Some(_) => {}
                None => self.on_last(fleet, token, RECEIVING),
            }
        }
    }

    #[inline]
    fn on_send<C: Client, const OPEN: bool>(&mut self, fleet: &mut Fleet<'_, C, Place, OPEN>, completion: &Completion) {
        let slot = completion.user_data as u32;
        let token = self.sends.token(slot);
        let is_current = fleet.find(token).is_some();
        if is_current && self.sends.advance(slot, completion.result) {
            // Cut short despite MSG_WAITALL, for example by a signal: send the rest.
            return self.push_send(Place::of(token), slot, &mut fleet.tally.traffic);
        }
        self.sends.release(slot);
        self.on_last(fleet, token, SENDING);
        if is_current && completion.result < 0 {
            let errno = Errno::from_raw_os_error(-completion.result);
            fleet.lose(self, token.index as usize, Cause::Error(errno));
        }
    }
}
