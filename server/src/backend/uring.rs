//! io_uring(7): operations go in, completions come out, one system call a turn.
//!
//! Multishot accept into direct descriptors, receives into provided buffers, one send in flight per
//! connection. The variants differ in how they receive, send and wait: see `style`.
//!
//! A multishot receive delivers bytes even while a reply is unsent; this is the one place where back-pressure
//! is not free. Above `PAUSE_LEN` unread bytes, the receive is cancelled until the reply is sent. The
//! cancellation is queued in the turn that finds too much, and the kernel consumes it before it receives
//! again. So at most all provided buffers come on top, if one peer fills them: 576 KiB in total. That fits the
//! largest pooled buffer; if it did not, the connection would end as `overrun`.
//!
//! A multishot accept takes connections off the accept queue without checking for a free descriptor, and
//! resets those that get none. So near the limit connections are accepted one at a time, and at the limit not
//! at all: they wait in the accept queue. The same holds for a rate of accepts: connections come one at a time
//! unless a tick allows more than an accept queue holds. When the rate is used up, each other listener may have
//! an accept under way. What those bring is counted (`accepts_beyond_rate`) and owed by the next ticks: with n
//! listeners at most n - 1 connections, as long as no accept queue is longer than `MULTISHOT_ACCEPT_MARGIN`.
//!
//! A connection's slot is never freed before its last completion: until then the kernel may write to a
//! provided buffer or read a reply for it.

mod accept;
mod direct;
mod ends;
mod gathering;
mod inline;
mod poll;
mod receive;
mod ring;
mod sends;
mod state;
pub(crate) mod style;
#[cfg(test)]
mod tests;
mod wait;
mod wants;

use std::io;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use io_uring::cqueue;
use protocol::server::{Echo, Http, Protocol};
use sys::uring::{Completion, ProvidedBuffers, Starved};

use self::direct::Direct;
use self::gathering::Gathering;
use self::inline::InlineSends;
pub use self::ring::RING_BYTES;
use self::ring::{COMPLETIONS, Ring};
use self::state::{DOORBELL, flag, tag};
use self::style::{Receive, Send, Style};
use self::wants::{arm_receive, close, pause};
use super::{Backend, Parts};
use crate::listener::Listener;
use crate::shard::connection::Want;
use crate::shard::slab::{ConnectionId, Token};
use crate::shard::{ECHO_CONNECTION_LEN_MAX, HTTP_CONNECTION_LEN_MAX, Shard, connection_len};
use crate::unavailable::Unavailable;

/// Most rounds of fetching completions before timers expire. Each round hands out the provided buffers once.
/// A connection whose input these rounds could not fetch waits for a buffer, and its timer is postponed:
/// timers are late then, not requests.
const FETCHES_MAX: u32 = 16;
/// With fewer free descriptors than this, connections are accepted one at a time. It is the size of the
/// default accept queue (net.core.somaxconn), which may be full when a multishot accept wakes up.
const MULTISHOT_ACCEPT_MARGIN: u32 = 4096;
/// Slots of the slab beyond the connection limit, for connections whose descriptor is free again but whose
/// last completion is still to come.
pub(crate) const SLAB_MARGIN: u32 = 4096;

/// A listener and its accept. It outlives the listener, because a cancelled accept still has a last
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
    /// An accept that is being cancelled.
    Ending,
}

/// How soon inline sends are settled, since no completion reports their success.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Settling {
    /// Soon enough for their timers, which start when they are settled.
    #[default]
    WithinTick,
    /// Input arrived on a connection with an unsettled send: do not wait.
    AtOnce,
}

// The budgets of an idle connection.
const _: () = assert!(connection_len::<Echo, Direct>() <= ECHO_CONNECTION_LEN_MAX);
const _: () = assert!(connection_len::<Http, Direct>() <= HTTP_CONNECTION_LEN_MAX);

pub(crate) struct Uring<P: Protocol, S: Style> {
    ring: ManuallyDrop<Ring>,
    buffers: ProvidedBuffers,
    /// Also dropped after the ring: it holds replies whose sends may be queued.
    sends: ManuallyDrop<InlineSends>,
    shard: ManuallyDrop<Shard<P, Direct>>,
    sources: Vec<Source>,
    doorbell: Arc<OwnedFd>,
    completions: Vec<Completion>,
    /// Connections whose receive found no provided buffer.
    starved: Starved<ConnectionId>,
    settling: Settling,
    gathering: Gathering,
    /// Direct descriptors in use, including those of closing connections. With n listeners it may exceed
    /// `connections_max` by up to n - 1.
    descriptors: u32,
    connections_max: u32,
    style: PhantomData<S>,
}

impl<P: Protocol, S: Style> Backend<P> for Uring<P, S> {
    type Socket = Direct;

    fn open(parts: Parts<P, Direct>) -> Result<Self, Unavailable> {
        // Near the limit every listener may accept one connection at the same time.
        let listeners_max = parts.listeners.len() as u32;
        let (ring, buffers) = Ring::open(parts.connections_max + listeners_max - 1)?;
        let mut backend = Uring {
            ring: ManuallyDrop::new(ring),
            buffers,
            sends: ManuallyDrop::new(InlineSends::new(S::SEND)),
            shard: ManuallyDrop::new(parts.shard),
            sources: parts
                .listeners
                .into_iter()
                .map(|listener| Source { listener: Some(listener), accept: Accept::None })
                .collect(),
            doorbell: parts.doorbell,
            completions: Vec::with_capacity(COMPLETIONS as usize),
            starved: Starved::default(),
            settling: Settling::default(),
            gathering: Gathering::new(),
            descriptors: 0,
            connections_max: parts.connections_max,
            style: PhantomData,
        };
        let counters = &mut backend.shard.shared.counters;
        backend.ring.poll_readable(backend.doorbell.as_raw_fd(), DOORBELL, counters);
        backend.arm_accepts();
        Ok(backend)
    }

    fn turn(&mut self) -> io::Result<()> {
        let wait_max = self.wait_max();
        self.wait(wait_max)?;
        let is_tick = self.shard.begin_turn();
        self.handle_completions();
        if is_tick {
            self.on_tick()?;
        } else if self.shard.is_pause_over() {
            self.end_pause();
        }
        if self.shard.is_pressed() {
            self.shed();
            if self.shard.is_low() {
                // Each accept ends and is not armed again before the pause is over.
                (0..self.sources.len()).for_each(|index| self.end_accept(index));
            }
        }
        Ok(())
    }

    fn listeners(&self) -> impl Iterator<Item = &Listener> {
        self.sources.iter().filter_map(|source| source.listener.as_ref())
    }

    fn take_listeners(&mut self) -> Vec<Listener> {
        // Completions still report connections that the accepts have already taken off the queues.
        (0..self.sources.len()).for_each(|index| self.end_accept(index));
        self.sources.iter_mut().filter_map(|source| source.listener.take()).collect()
    }

    /// The kernel tells one of those who wait at a socket of a new connection (`poll_exclusive` of IORING_OP_ACCEPT). If that
    /// is a ring that has just cancelled its accept, nobody takes the connection until the next one comes. An accept that
    /// is armed looks at the queue first.
    fn renew_accepts(&mut self) {
        (0..self.sources.len()).for_each(|index| self.renew_accept(index));
    }

    fn obey(&mut self, id: ConnectionId, want: Want) {
        self.act(id, want);
    }

    /// All completions were fetched: see `on_tick`. A connection without an armed receive waits for a provided
    /// buffer and may have input, so its timer must wait too.
    fn receive_once_more(&mut self, id: ConnectionId) {
        let Some((connection, shared)) = self.shard.find(id) else { return };
        let is_owed = match S::RECEIVE {
            Receive::Poll => connection.flags & (flag::READABLE | flag::RECEIVING) != 0,
            Receive::Multishot => connection.flags & flag::RECEIVING == 0,
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
        if S::SEND == Send::Inline && !self.sends.is_empty() {
            self.settle_sends();
        }
        let mut completions = std::mem::take(&mut self.completions);
        for completion in &mut completions {
            let token = Token(completion.user_data);
            let id = token.id();
            match token.tag() {
                tag::RECEIVE => self.on_receive(id, completion),
                tag::SEND => self.on_send(id, completion.result),
                tag::POLL => self.on_poll(id, completion),
                tag::SHUTDOWN => self.on_shutdown(id),
                tag::CLOSE => {
                    self.descriptors -= 1;
                    self.on_last(id, flag::CLOSING_SOCKET);
                }
                tag::ACCEPT => self.on_accept(id.index as usize, completion),
                tag::NO_ACCEPT => self.on_no_accept(id.index as usize, completion.result),
                tag::DOORBELL => self.on_doorbell(completion),
                tag::LOOK => self.on_look(id, completion.result),
                _ => {}
            }
        }
        self.completions = completions;
    }

    /// At most ten times a second: expires timers and ends pauses of accept.
    #[cold]
    fn on_tick(&mut self) -> io::Result<()> {
        if self.shard.may_expire() {
            self.fetch()?;
            self.expire();
        }
        self.end_pause();
        Ok(())
    }

    /// Accepts again, if a pause is over.
    #[cold]
    fn end_pause(&mut self) {
        if self.shard.resume() {
            self.arm_accepts();
        }
    }

    fn on_doorbell(&mut self, completion: &Completion) {
        self.shard.shared.counters.syscalls += 1;
        sys::doorbell::answer(&self.doorbell);
        self.answer_jobs();
        if !cqueue::more(completion.flags) {
            self.ring.poll_readable(self.doorbell.as_raw_fd(), DOORBELL, &mut self.shard.shared.counters);
        }
    }

    /// Answers the connections whose jobs have ended.
    #[cold]
    fn answer_jobs(&mut self) {
        for _ in 0..self.shard.jobs_ended() {
            if let Some((id, want)) = self.shard.next_answered() {
                self.act(id, want);
            }
        }
    }

    /// Queues what a connection wants.
    #[inline]
    fn act(&mut self, id: ConnectionId, mut want: Want) {
        loop {
            let Some((connection, shared)) = self.shard.find(id) else { return };
            if connection.flags & flag::CLOSING != 0 {
                return;
            }
            match want {
                Want::Read => {
                    let Uring { ring, starved, .. } = self;
                    // Connections that wait for a buffer receive first.
                    let is_starved = !starved.is_empty();
                    if !arm_receive::<P, S>(ring, connection, &mut shared.counters, id, is_starved) {
                        starved.push(id);
                    }
                    return self.shard.settle(id);
                }
                Want::Write => {
                    // Keep this second way to send only if measurements show a gain.
                    if S::SEND == Send::Inline
                        && let Some(len) = connection.lend(self.sends.free(), shared)
                    {
                        connection.flags |= flag::SENDING;
                        let socket = connection.socket;
                        let (token, reply) = self.sends.queue(id, len);
                        // SAFETY: the reply stays where it is until `settle_sends` has seen that the ring
                        // consumed the entry; then the kernel has no use for its address (see `inline`).
                        unsafe { self.ring.send_inline(socket, reply, token, &mut shared.counters) };
                        return self.shard.settle(id);
                    }
                    match connection.keep(shared) {
                        Err(close) => want = close,
                        Ok(()) => {
                            connection.flags |= flag::SENDING;
                            connection.pin();
                            self.send(id);
                            return self.shard.settle(id);
                        }
                    }
                }
                Want::Wait => {
                    pause::<P, S>(&mut self.ring, connection, &mut shared.counters, id);
                    return self.shard.settle(id);
                }
                Want::Await => match self.shard.start_job(id) {
                    Some(next) => want = next,
                    // As while a send is under way: a multishot receive goes on within its bound.
                    None => want = Want::Wait,
                },
                Want::Shutdown => {
                    connection.flags |= flag::SHUTTING;
                    self.ring.shutdown_write(connection.socket, Token::new(id, tag::SHUTDOWN), &mut shared.counters);
                    want = Want::Read;
                }
                Want::Look => {
                    if connection.flags & flag::LOOKING == 0 {
                        connection.flags |= flag::LOOKING;
                        self.ring.look(connection.socket, Token::new(id, tag::LOOK), &mut shared.counters);
                    }
                    return self.shard.settle(id);
                }
                Want::Close(_) => {
                    close::<P, S>(&mut self.ring, connection, &mut shared.counters, id);
                    return self.shard.stop_timer(id);
                }
            }
        }
    }
}

impl<P: Protocol, S: Style> Drop for Uring<P, S> {
    /// Drops the ring first. The memory that the kernel may use follows only if no operation can be in
    /// flight; a reactor that failed midway leaks it instead.
    fn drop(&mut self) {
        // With connections left, ending their operations would take too long: see
        // `sys::uring::Ring::quiesce`.
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

/// Whether the backend can run on this host: sets up all that it needs and tears it down again.
pub(crate) fn probe() -> Result<(), Unavailable> {
    Ring::open(16).map(drop)
}
