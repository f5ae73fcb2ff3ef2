//! io_uring(7): operations go in, completions come out, one system call a turn.
//!
//! Multishot accept into direct descriptors, receives into provided buffers, one send in flight per
//! connection. How they receive, send and wait is what tells the variants apart: see `style`.
//!
//! A multishot receive delivers bytes unasked while a reply is unsent; that is the one place where
//! back-pressure is not free. Beyond [`PAUSE_LEN`] the receive is cancelled until the reply is sent. The
//! cancellation goes into the queue in the turn that finds too much, and the kernel consumes it before it
//! receives again; so at most the provided buffers come on top, all of them in the hands of one peer: 576 KiB,
//! or 192 KiB in those that are filled piece by piece.
//! What arrives fits the largest pooled buffer; if it did not, the connection would end as `overrun`.
//!
//! A multishot accept takes connections off the queue without asking whether there is a descriptor
//! for them, and resets those that find none. Near the limit connections are therefore accepted one
//! at a time, and at the limit not at all: they wait in the accept queue.
//!
//! A connection's slot is freed at the last completion, never before: until then the kernel may
//! write to a provided buffer or read a reply on its behalf.

mod accept;
mod receive;
mod ring;
mod sends;
pub(crate) mod style;
#[cfg(test)]
mod tests;
mod wait;

use std::io;
use std::mem::ManuallyDrop;
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use io_uring::cqueue;
use protocol::server::Protocol;
use rustix::io::Errno;
use sys::uring::{Completion, Cut, ProvidedBuffers, Starved, Whole};

use self::ring::{COMPLETIONS, Ring};
use self::sends::InlineSends;
use self::style::{Receive, Style};
use super::epoll::reason_of;
use super::{Backend, Parts};
use crate::listener::Listener;
use crate::shard::Shard;
use crate::shard::connection::Want;
use crate::shard::slab::{ConnectionId, Token};
use crate::unavailable::Unavailable;

/// Tags of tokens.
const RECEIVE: u8 = 0;
const SEND: u8 = 1;
const SHUTDOWN: u8 = 2;
const CLOSE: u8 = 3;
const ACCEPT: u8 = 4;
const DOORBELL: u8 = 5;
const NOTHING: u8 = 6;
const POLL: u8 = 7;
const SEND_INLINE: u8 = 8;
const LOOK: u8 = 9;
const NO_ACCEPT: u8 = 10;
const NO_CONNECTION: ConnectionId = ConnectionId { index: 0, generation: 0 };
/// Of operations whose completion tells nothing new.
const IGNORED: Token = Token::new(NO_CONNECTION, NOTHING);

/// Flags of a connection: operations whose last completion has not been seen.
const RECEIVING: u16 = 1;
const SENDING: u16 = 1 << 1;
const SHUTTING: u16 = 1 << 2;
const CLOSING_SOCKET: u16 = 1 << 3;
const POLLING: u16 = 1 << 6;
const LOOKING: u16 = 1 << 8;
const UNDER_WAY: u16 = RECEIVING | SENDING | SHUTTING | CLOSING_SOCKET | POLLING | LOOKING;
/// The connection has given up; only completions are awaited.
const CLOSING: u16 = 1 << 4;
/// Multishot: the cancellation of the receive is under way.
const PAUSING: u16 = 1 << 5;
/// Poll, which has no pauses: there may be something to receive.
const READABLE: u16 = PAUSING;

/// The resolution of timers: the longest that the end of an inline send goes unnoticed.
const TICK: Duration = Duration::from_millis(100);
/// Rounds in which completions are fetched before timers expire. Each hands out the provided buffers once, so
/// a server that has more in hand than so many rounds can take is late with its timers, not its requests.
const FETCHES_MAX: u32 = 16;
/// Unprocessed bytes at which a multishot receive is cancelled.
const PAUSE_LEN: usize = 64 * 1024;
/// Free descriptors below which connections are accepted one at a time: as many as the default
/// accept queue (net.core.somaxconn) can hold when a multishot accept wakes up.
const MULTISHOT_ACCEPT_MARGIN: u32 = 4096;
/// Places of the slab beyond the connection limit, for connections whose descriptor is free again
/// but whose last completion is still to come.
pub(crate) const SLAB_MARGIN: u32 = 4096;

/// A direct descriptor: an index into the ring's own table, not into the process's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Direct(NonZeroU32);

impl Direct {
    /// From the result of an accept; `None` for an error.
    fn from_result(result: i32) -> Option<Direct> {
        u32::try_from(result).ok().and_then(|index| NonZeroU32::new(index + 1)).map(Direct)
    }

    fn index(self) -> u32 {
        self.0.get() - 1
    }
}

/// Where connections come from. It outlives its listener: an accept that is cancelled has a last
/// completion.
struct Source {
    listener: Option<Listener>,
    accept: Accept,
}

/// The accept that is armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accept {
    None,
    Oneshot,
    Multishot,
    /// One whose cancellation is under way.
    Ending,
}

pub(crate) struct Uring<P: Protocol, S: Style> {
    ring: ManuallyDrop<Ring<S::Cut>>,
    buffers: ProvidedBuffers<S::Cut>,
    /// Goes after the ring, too: it holds replies whose sends may be queued.
    sends: ManuallyDrop<InlineSends>,
    shard: ManuallyDrop<Shard<P, Direct>>,
    sources: Vec<Source>,
    doorbell: Arc<OwnedFd>,
    completions: Vec<Completion>,
    /// Connections whose receive found no provided buffer.
    starved: Starved<ConnectionId>,
    /// Something arrived behind an inline send, whose success nothing will report: do not wait.
    hurried: bool,
    /// Direct descriptors in use; those of connections that are closing among them. With several
    /// listeners up to one less than their number more than `connections_max`.
    descriptors: u32,
    connections_max: u32,
}

impl<P: Protocol, S: Style> Backend<P> for Uring<P, S> {
    type Socket = Direct;
    const LISTENER_NONBLOCKING: bool = false;

    fn open(parts: Parts<P, Direct>) -> Result<Self, Unavailable> {
        // Near the limit each listener may take one connection at the same time.
        let listeners_max = parts.listeners.len() as u32;
        let (ring, buffers) = Ring::open(parts.connections_max + listeners_max - 1)?;
        let mut backend = Uring {
            ring: ManuallyDrop::new(ring),
            buffers,
            sends: ManuallyDrop::new(InlineSends::new(S::SENDS_INLINE)),
            shard: ManuallyDrop::new(parts.shard),
            sources: parts
                .listeners
                .into_iter()
                .map(|listener| Source { listener: Some(listener), accept: Accept::None })
                .collect(),
            doorbell: parts.doorbell,
            completions: Vec::with_capacity(COMPLETIONS as usize),
            starved: Starved::default(),
            hurried: false,
            descriptors: 0,
            connections_max: parts.connections_max,
        };
        let counters = &mut backend.shard.shared.counters;
        let token = Token::new(NO_CONNECTION, DOORBELL);
        backend.ring.poll_readable(backend.doorbell.as_raw_fd(), token, counters);
        backend.arm_accepts();
        Ok(backend)
    }

    fn turn(&mut self) -> io::Result<()> {
        let wait_max = self.wait_max();
        self.wait(wait_max)?;
        let is_tick = self.shard.refresh_clock();
        self.handle_completions();
        if is_tick {
            self.on_tick()?;
        }
        if self.shard.is_pressed() {
            self.shed();
            if self.shard.is_low() {
                // Each ends, and is not armed again before the pause is over.
                (0..self.sources.len()).for_each(|index| self.end_accept(index));
            }
        }
        Ok(())
    }

    fn listeners(&self) -> impl Iterator<Item = &Listener> {
        self.sources.iter().filter_map(|source| source.listener.as_ref())
    }

    fn take_listeners(&mut self) -> Vec<Listener> {
        // What their accepts have taken off the queues already is told by completions.
        (0..self.sources.len()).for_each(|index| self.end_accept(index));
        self.sources.iter_mut().filter_map(|source| source.listener.take()).collect()
    }

    fn obey(&mut self, id: ConnectionId, want: Want) {
        self.act(id, want);
    }

    /// All completions were fetched: see `on_tick`. A connection whose receive is not armed waits for a provided
    /// buffer, so there may be something: its timer has to wait as well.
    fn receive_once_more(&mut self, id: ConnectionId) {
        let Some((connection, shared)) = self.shard.find(id) else { return };
        let is_owed = match S::RECEIVE {
            Receive::Poll => connection.flags & (READABLE | RECEIVING) != 0,
            Receive::Multishot | Receive::Oneshot => connection.flags & RECEIVING == 0,
        };
        if is_owed {
            connection.postpone(shared.now);
        }
    }

    fn is_idle(&self) -> bool {
        self.sources.iter().all(|source| source.accept == Accept::None)
    }

    fn shard(&mut self) -> &mut Shard<P, Direct> {
        &mut self.shard
    }
}

impl<P: Protocol, S: Style> Uring<P, S> {
    fn handle_completions(&mut self) {
        if S::SENDS_INLINE && !self.sends.is_empty() {
            self.settle_sends();
        }
        let mut completions = std::mem::take(&mut self.completions);
        for completion in &mut completions {
            let token = Token(completion.user_data);
            let id = token.id();
            match token.tag() {
                RECEIVE => self.on_receive(id, completion),
                SEND => self.on_send(id, completion.result),
                POLL => self.on_poll(id, completion),
                SHUTDOWN => self.on_shutdown(id),
                CLOSE => {
                    self.descriptors -= 1;
                    self.on_last(id, CLOSING_SOCKET);
                }
                ACCEPT => self.on_accept(id.index as usize, completion),
                NO_ACCEPT => self.on_no_accept(id.index as usize, completion.result),
                DOORBELL => self.on_doorbell(completion),
                LOOK => self.on_look(id, completion.result),
                _ => {}
            }
        }
        self.completions = completions;
    }

    /// Ten times a second at most: timers, and the end of a pause of accept.
    #[cold]
    fn on_tick(&mut self) -> io::Result<()> {
        if self.shard.may_expire() {
            self.fetch()?;
            self.expire();
        }
        let now = self.shard.shared.now;
        if self.shard.intake.resume(now) {
            self.arm_accepts();
        }
        Ok(())
    }

    fn on_doorbell(&mut self, completion: &Completion) {
        self.shard.shared.counters.syscalls += 1;
        sys::doorbell::answer(&self.doorbell);
        if !cqueue::more(completion.flags) {
            let token = Token::new(NO_CONNECTION, DOORBELL);
            self.ring.poll_readable(self.doorbell.as_raw_fd(), token, &mut self.shard.shared.counters);
        }
    }

    #[inline]
    fn on_send(&mut self, id: ConnectionId, result: i32) {
        let Some((connection, shared)) = self.shard.find(id) else { return };
        connection.flags &= !SENDING;
        connection.unpin(shared);
        if connection.flags & CLOSING != 0 {
            return self.free_if_done(id);
        }
        let want = match usize::try_from(result) {
            Ok(count) => match connection.sent(count, shared) {
                // MSG_WAITALL was cut short, by a signal for instance: the rest is sent at once.
                Want::Wait => Want::Write,
                want => want,
            },
            Err(_) => match Errno::from_raw_os_error(-result) {
                Errno::INTR | Errno::AGAIN => Want::Write,
                error @ (Errno::NOBUFS | Errno::NOMEM) => {
                    shared.counters.enobufs += 1;
                    connection.give_up(reason_of(error), shared)
                }
                error => connection.give_up(reason_of(error), shared),
            },
        };
        self.act(id, want);
    }

    /// Queues what a connection wants.
    #[inline]
    fn act(&mut self, id: ConnectionId, mut want: Want) {
        loop {
            let Some((connection, shared)) = self.shard.find(id) else { return };
            if connection.flags & CLOSING != 0 {
                return;
            }
            match want {
                Want::Read => {
                    let (socket, token) = (connection.socket, Token::new(id, RECEIVE));
                    if S::RECEIVE == Receive::Poll {
                        if connection.flags & POLLING == 0 {
                            connection.flags |= POLLING;
                            self.ring.poll_socket(socket, Token::new(id, POLL), &mut shared.counters);
                        }
                        if connection.flags & (READABLE | RECEIVING) == READABLE {
                            if !self.starved.is_empty() {
                                self.starved.push(id);
                                return self.shard.settle(id);
                            }
                            connection.flags = connection.flags & !READABLE | RECEIVING;
                            self.ring.receive_now(socket, S::Cut::LEN as u32, token, &mut shared.counters);
                        }
                    } else if connection.flags & RECEIVING == 0 {
                        if !self.starved.is_empty() {
                            // Others wait for a buffer: not before them.
                            self.starved.push(id);
                            return self.shard.settle(id);
                        }
                        connection.flags |= RECEIVING;
                        if S::RECEIVE == Receive::Multishot {
                            self.ring.receive_multishot(socket, token, &mut shared.counters);
                        } else {
                            self.ring.receive_oneshot(socket, S::Cut::LEN as u32, token, &mut shared.counters);
                        }
                    }
                    return self.shard.settle(id);
                }
                Want::Write => {
                    if S::SENDS_INLINE
                        && let Some(len) = connection.lend(self.sends.free(), shared)
                    {
                        connection.flags |= SENDING;
                        let socket = connection.socket;
                        let (token, reply) = self.sends.queue(id, len);
                        // SAFETY: the reply stays where it is until `settle_sends` has seen that the ring
                        // consumed the entry; then the kernel has no use for its address (see `sends`).
                        unsafe { self.ring.send_inline(socket, reply, token, &mut shared.counters) };
                        return self.shard.settle(id);
                    }
                    match connection.keep(shared) {
                        Err(close) => want = close,
                        Ok(()) => {
                            connection.flags |= SENDING;
                            connection.pin();
                            self.send(id);
                            return self.shard.settle(id);
                        }
                    }
                }
                Want::Wait => {
                    let pause = connection.unread_len() > PAUSE_LEN;
                    if S::RECEIVE == Receive::Multishot
                        && pause
                        && connection.flags & (RECEIVING | PAUSING) == RECEIVING
                    {
                        connection.flags |= PAUSING;
                        shared.counters.receive_pauses += 1;
                        self.ring.cancel(Token::new(id, RECEIVE), IGNORED, &mut shared.counters);
                    }
                    return self.shard.settle(id);
                }
                Want::Shutdown => {
                    connection.flags |= SHUTTING;
                    self.ring.shutdown_write(connection.socket, Token::new(id, SHUTDOWN), &mut shared.counters);
                    want = Want::Read;
                }
                Want::Look => {
                    if connection.flags & LOOKING == 0 {
                        connection.flags |= LOOKING;
                        self.ring.look(connection.socket, Token::new(id, LOOK), &mut shared.counters);
                    }
                    return self.shard.settle(id);
                }
                Want::Close(_) => {
                    let under_way = connection.flags;
                    connection.flags |= CLOSING | CLOSING_SOCKET;
                    // One by one, which the kernel finds in a hash. To cancel all of a descriptor it walks through
                    // every armed poll of the ring (io_uring/poll.c, io_poll_file_find): with 20,000 of them,
                    // closing all took 20 minutes.
                    for (flag, tag) in [(RECEIVING, RECEIVE), (SENDING, SEND), (POLLING, POLL)] {
                        if under_way & flag != 0 {
                            self.ring.cancel(Token::new(id, tag), IGNORED, &mut shared.counters);
                        }
                    }
                    // A shutdown runs in a thread of the kernel, which looks its direct descriptor up only
                    // then (io_uring/net.c, REQ_F_FORCE_ASYNC): after a close it would find, and shut, the
                    // connection accepted in the same place. `on_shutdown` closes instead.
                    if under_way & SHUTTING == 0 {
                        self.ring.close(connection.socket, Token::new(id, CLOSE), &mut shared.counters);
                    }
                    return self.shard.stop_timer(id);
                }
            }
        }
    }

    #[inline]
    fn send(&mut self, id: ConnectionId) {
        let Some((connection, shared)) = self.shard.find(id) else { return };
        let (socket, unsent) = (connection.socket, connection.unsent(shared));
        let (start, len) = (unsent.as_ptr(), unsent.len());
        // SAFETY: `unsent` is the constant FILLER, or a pooled buffer (`keep`), whose memory is neither
        // moved nor freed while it is taken. It is pinned, so it is not given back before `on_send`,
        // and the pool outlives the operation: see `Drop`. The detour over a raw pointer only ends the
        // borrow of the shard, whose counters the ring wants.
        let unsent = unsafe { std::slice::from_raw_parts(start, len) };
        // SAFETY: as above.
        unsafe { self.ring.send(socket, unsent, Token::new(id, SEND), &mut shared.counters) };
    }

    /// What the peer has not acknowledged is known.
    #[cold]
    fn on_look(&mut self, id: ConnectionId, result: i32) {
        let Some((connection, shared)) = self.shard.find(id) else { return };
        connection.flags &= !LOOKING;
        if connection.flags & CLOSING != 0 {
            return self.free_if_done(id);
        }
        // A socket that cannot tell (EOPNOTSUPP, not TCP) shows no progress but by taking more.
        let want = connection.looked(u32::try_from(result).unwrap_or(0), shared);
        self.act(id, want);
    }

    /// A shutdown is done; the close of its connection may have waited for it.
    fn on_shutdown(&mut self, id: ConnectionId) {
        let Some((connection, shared)) = self.shard.find(id) else { return };
        connection.flags &= !SHUTTING;
        if connection.flags & CLOSING != 0 {
            self.ring.close(connection.socket, Token::new(id, CLOSE), &mut shared.counters);
        }
    }

    /// The last completion of an operation that has nothing to say.
    fn on_last(&mut self, id: ConnectionId, operation: u16) {
        if let Some((connection, _)) = self.shard.find(id) {
            connection.flags &= !operation;
            self.free_if_done(id);
        }
    }

    /// Frees the slot of a closing connection once nothing of it is left in the kernel.
    fn free_if_done(&mut self, id: ConnectionId) {
        let Some((connection, _)) = self.shard.find(id) else { return };
        if connection.flags & CLOSING != 0 && connection.flags & UNDER_WAY == 0 {
            let reason = connection.reason();
            self.shard.remove(id, reason);
        }
    }
}

impl<P: Protocol, S: Style> Drop for Uring<P, S> {
    /// The ring goes first. The memory that the kernel may use follows only when no operation can be
    /// under way; a reactor that failed in the middle leaks it instead.
    fn drop(&mut self) {
        // With connections left, to end their operations takes too long: see `sys::uring::Ring::quiesce`.
        let is_quiet = self.shard.len() == 0 && self.ring.quiesce();
        // SAFETY: dropped here and never used again.
        unsafe { ManuallyDrop::drop(&mut self.ring) };
        if is_quiet {
            // SAFETY: as above; no send is queued or under way.
            unsafe { ManuallyDrop::drop(&mut self.sends) };
            // SAFETY: as above.
            unsafe { ManuallyDrop::drop(&mut self.shard) };
        }
    }
}

/// Whether the backend can run on this host: sets up all that it needs, and takes it down again.
pub(crate) fn probe() -> Result<(), Unavailable> {
    Ring::<Whole>::open(16).map(drop)
}
