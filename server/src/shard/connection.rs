//! A TCP connection without its socket: what arrived, what must leave, and what it wants next.
//!
//! Every backend drives the same four calls ([`Connection::received`], [`Connection::unsent`],
//! [`Connection::sent`], [`Connection::peer_closed`]) and obeys the [`Want`] they return. Nothing here knows
//! file descriptors or events, so the simulation test can play the kernel.

mod clock;
mod job;
mod reply;

use std::num::NonZeroU16;

use protocol::Output;
use protocol::server::{Protocol, Step, Then, Waiting};

use super::counters::CloseReason;
use super::pool::{BUFFER_LEN_MAX, Buffer};
use super::resources::Resources;
use super::tick::Tick;
use super::timeouts::{Timeouts, Timer};

/// What a connection wants its backend to do: exactly one thing at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// Receive more.
    Read,
    /// Send what `unsent` returns, then call `sent`.
    Write,
    /// Nothing until the pending send goes on: the socket has no room now, or the kernel has not finished the
    /// send.
    Wait,
    /// Start the job that its reply waits for. If that is not over at once, do nothing until it is: neither receive nor
    /// send.
    Await,
    /// Shut down the sending side, then receive (and drop) until the peer closes.
    Shutdown,
    /// Tell [`Connection::looked`] how many bytes the peer has not acknowledged yet (SIOCOUTQ of tcp(7)).
    Look,
    /// Close the socket.
    Close(CloseReason),
}

/// Marks of a connection. They share one byte, because every byte of an idle connection counts.
///
/// A reply is pending: in `unsent` or, during one call, in the shard's output.
const REPLYING: u8 = 1;
/// The peer will send no more.
const PEER_CLOSED: u8 = 1 << 1;
/// Our side is shut down; what still comes is discarded.
const LINGERING: u8 = 1 << 2;
/// `unread` got bytes that the protocol has not seen.
const FRESH: u8 = 1 << 3;
/// The deadline moved earlier, or the timer wheel dropped the entry: the wheel must be told.
const UNCOVERED: u8 = 1 << 4;
/// It has had its first request.
const GREETED: u8 = 1 << 5;
/// The pending reply waits for a job.
const AWAITING: u8 = 1 << 6;
/// It came when the rate of accepts was used up: its first request is answered with when to come again.
const DEFERRED: u8 = 1 << 7;

/// Bit of [`Connection::flags`]: the kernel may still read the unsent reply, so its buffer must not
/// be given back. Set and cleared by the backend, through [`Connection::pin`] and `unpin`.
pub(crate) const PINNED: u16 = 1 << 7;

/// Bytes that a lingering connection discards before it is closed anyway. It is more than can be in flight
/// when the reply is made: a full send buffer of the peer and a full receive buffer here (4 + 6 MiB, the
/// defaults of net.ipv4.tcp_wmem and tcp_rmem).
const LINGER_LEN_MAX: u32 = 16 << 20;
/// What follows the reply that is being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Read,
    /// Send the filler that is left, then ask the protocol for more output.
    More,
    /// Start a job, whose end brings the reply.
    Await,
    /// Close, but give the peer time to read the reply: closing a socket with unread input sends an RST,
    /// which overtakes the reply (RFC 9112 §9.6).
    Linger,
}

/// The timer of what the protocol waits for.
#[inline(always)]
fn timer_of(waiting: Waiting, timeouts: &Timeouts) -> Timer {
    match waiting {
        Waiting::Request => Timer::Idle,
        Waiting::Head => Timer::Head,
        Waiting::Body => timeouts.of_body(),
        Waiting::Job => Timer::Job,
    }
}

/// Whether the bytes that a step left unconsumed are still needed.
fn keeps_rest(then: Then) -> bool {
    matches!(then, Then::KeepOpen | Then::More | Then::Fill | Then::Await)
}

/// State of one connection. `K` is the backend's socket handle, `S` the protocol's state.
///
/// Invariants (see [`Connection::check`]): while a reply is unsent, bytes are only collected, never
/// processed; a lingering connection owns no buffer; unless it is `UNCOVERED`, the timer wheel visits it no
/// later than its deadline.
pub(crate) struct Connection<K, S> {
    /// The backend's handle.
    pub(crate) socket: K,
    /// When the running timeout ends. Kept, not computed: only the resources know the timeouts.
    deadline: Tick,
    unread: Option<Buffer>,
    unsent: Option<Buffer>,
    pub(crate) state: S,
    /// While it lingers: bytes discarded. Otherwise: bytes that the peer had not acknowledged at the last
    /// look.
    gauge: u32,
    next: Next,
    timer: Timer,
    /// Looks in a row that saw the same number.
    looks: u8,
    reason: CloseReason,
    /// Marks: `REPLYING` and the others above.
    marks: u8,
    /// Bits that belong to the backend (interest, operations in flight).
    pub(crate) flags: u16,
}

// Every backend calls the four steps of a request from two places, the usual path and the careful one, so the
// compiler would not inline them. Inlined, a request of the epoll echo loop takes 0.31 µs of user time
// instead of 0.36 (medians of 6 interleaved runs, bare loop 0.24, 2026-11-22).
impl<K, S: Default> Connection<K, S> {
    /// A connection that was just accepted; its idle timeout runs from now.
    pub(crate) fn new(socket: K, now: Tick, timeouts: &Timeouts) -> Self {
        Connection {
            socket,
            deadline: now.after(timeouts.idle_ticks),
            unread: None,
            unsent: None,
            state: S::default(),
            gauge: 0,
            next: Next::Read,
            timer: Timer::Idle,
            looks: 0,
            reason: CloseReason::PeerClosed,
            marks: 0,
            flags: 0,
        }
    }

    #[inline(always)]
    fn has(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    #[inline(always)]
    fn set(&mut self, mark: u8, is_so: bool) {
        self.marks = if is_so { self.marks | mark } else { self.marks & !mark };
    }

    /// Bytes arrived. They are processed at once, or kept while a reply is unsent.
    #[inline(always)]
    pub(crate) fn received<P: Protocol<State = S>>(&mut self, bytes: &[u8], shared: &mut Resources<P>) -> Want {
        shared.counters.bytes_in += bytes.len() as u64;
        if self.has(LINGERING) {
            return self.discard(bytes.len(), shared);
        }
        if self.has(REPLYING) || self.unread.is_some() {
            return self.collect(bytes, shared);
        }
        let mut output = Output::new(&mut shared.output);
        let step = shared.protocol.on_bytes(&mut self.state, bytes, &mut output);
        let len = output.len();
        shared.wrote(len);
        let rest = &bytes[step.consumed..];
        if !rest.is_empty() && keeps_rest(step.then) {
            match shared.pool.take(rest, rest.len()) {
                Ok(buffer) => self.unread = Some(buffer),
                Err(_) => return self.give_up(CloseReason::BuffersExhausted, shared),
            }
        }
        self.stepped(step, shared)
    }

    /// Bytes arrived that nobody will read.
    #[cold]
    fn discard<P: Protocol<State = S>>(&mut self, len: usize, shared: &mut Resources<P>) -> Want {
        self.gauge = self.gauge.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        if self.gauge > LINGER_LEN_MAX {
            shared.counters.lingers_cut += 1;
            return self.give_up(self.reason, shared);
        }
        Want::Read
    }

    /// Adds to the unread bytes, and processes them unless a reply is unsent.
    #[cold]
    fn collect<P: Protocol<State = S>>(&mut self, bytes: &[u8], shared: &mut Resources<P>) -> Want {
        if self.has(REPLYING) && self.next == Next::Linger {
            return Want::Wait;
        }
        let kept = match &mut self.unread {
            Some(buffer) if buffer.len() + bytes.len() > BUFFER_LEN_MAX => {
                return self.give_up(CloseReason::Overrun, shared);
            }
            Some(buffer) => shared.pool.append(buffer, bytes),
            None => shared.pool.take(bytes, bytes.len()).map(|buffer| self.unread = Some(buffer)),
        };
        let unread_len = self.unread_len() as u64;
        shared.counters.unread_len_peak = shared.counters.unread_len_peak.max(unread_len);
        match kept {
            Err(_) => self.give_up(CloseReason::BuffersExhausted, shared),
            Ok(()) if self.has(REPLYING) => {
                self.set(FRESH, true);
                Want::Wait
            }
            Ok(()) => self.resume(shared),
        }
    }

    /// Offers the unread bytes to the protocol, or no bytes if it only has more to write.
    fn resume<P: Protocol<State = S>>(&mut self, shared: &mut Resources<P>) -> Want {
        self.set(FRESH, false);
        let mut output = Output::new(&mut shared.output);
        let Some(mut buffer) = self.unread.take() else {
            let step = shared.protocol.on_bytes(&mut self.state, &[], &mut output);
            let len = output.len();
            shared.wrote(len);
            return self.stepped(step, shared);
        };
        let step = shared.protocol.on_bytes(&mut self.state, shared.pool.content(&buffer), &mut output);
        let len = output.len();
        shared.wrote(len);
        buffer.advance(step.consumed);
        if buffer.len() > 0 && keeps_rest(step.then) {
            self.unread = Some(buffer);
        } else {
            shared.pool.give_back(buffer);
        }
        self.stepped(step, shared)
    }

    /// Acts on a step of the protocol, whose output is in the shard's output.
    #[inline(always)]
    fn stepped<P: Protocol<State = S>>(&mut self, step: Step, shared: &mut Resources<P>) -> Want {
        shared.counters.requests += u64::from(step.requests);
        if step.requests > 0 {
            // A head is complete, the only progress that counts. Whatever the connection waits for after the reply,
            // the next head or its first byte, gets a new clock.
            self.timer = Timer::Reply;
            // A timed body's clock starts here, not when its first reply is sent: that may never be.
            if shared.timeouts.of_body() == Timer::WholeBody
                && shared.protocol.waiting(&self.state, false) == Waiting::Body
            {
                self.start(Timer::WholeBody, shared);
            }
            if !self.has(GREETED) {
                self.set(GREETED, true);
                if self.has(DEFERRED) {
                    return self.tell_when(shared);
                }
                shared.greet();
            }
        }
        self.next = match step.then {
            Then::KeepOpen if shared.draining && !P::ANNOUNCES_CLOSE && step.requests > 0 => {
                self.reason = CloseReason::Drained;
                Next::Linger
            }
            Then::KeepOpen => Next::Read,
            Then::More => {
                assert!(step.consumed > 0 || shared.output_len > 0, "a step that wants more made no progress");
                Next::More
            }
            Then::Fill => {
                let left = shared.protocol.filler_left(&self.state);
                assert!(left > 0, "Fill without filler");
                self.set(REPLYING, true);
                self.next = Next::More;
                // The filler that fits after the output goes in the same send.
                shared.append_filler(left);
                return Want::Write;
            }
            Then::Await => Next::Await,
            Then::CloseAfterReply => {
                self.reason = if shared.draining { CloseReason::Drained } else { CloseReason::Requested };
                Next::Linger
            }
            Then::Abort(violation) => {
                self.reason = CloseReason::Violation(violation);
                Next::Linger
            }
        };
        if shared.output_len > 0 {
            self.set(REPLYING, true);
            return Want::Write;
        }
        self.follow(shared)
    }

    /// It came beyond the rate of accepts: its first request will be answered with when to come again.
    pub(crate) fn defer(&mut self) {
        self.set(DEFERRED, true);
    }

    /// Replaces the reply to its first request by when to come again. Nothing else is done for it.
    #[cold]
    fn tell_when<P: Protocol<State = S>>(&mut self, shared: &mut Resources<P>) -> Want {
        let seconds = shared.retry_after_s.map_or(1, NonZeroU16::get);
        let mut output = Output::new(&mut shared.output);
        shared.protocol.defer(&mut self.state, seconds, &mut output);
        let len = output.len();
        shared.wrote(len);
        self.reason = CloseReason::Deferred;
        self.next = Next::Linger;
        self.set(REPLYING, true);
        Want::Write
    }

    /// The reply is sent: does what was decided when it was made.
    #[inline(always)]
    fn follow<P: Protocol<State = S>>(&mut self, shared: &mut Resources<P>) -> Want {
        match self.next {
            Next::Read if self.unread.is_none() && !self.has(PEER_CLOSED) => {
                self.start(timer_of(shared.protocol.waiting(&self.state, false), &shared.timeouts), shared);
                Want::Read
            }
            Next::Read => self.follow_unread(shared),
            Next::More => self.resume(shared),
            Next::Await => Want::Await,
            Next::Linger if self.has(PEER_CLOSED) => self.give_up(self.reason, shared),
            Next::Linger => self.linger(self.reason, shared),
        }
    }

    /// Bytes collected while the reply was unsent may hold further requests. After them there may be a
    /// partial request, or the peer may be gone.
    #[cold]
    fn follow_unread<P: Protocol<State = S>>(&mut self, shared: &mut Resources<P>) -> Want {
        if self.has(FRESH) {
            return self.resume(shared);
        }
        let waiting = shared.protocol.waiting(&self.state, self.unread.is_some());
        if self.has(PEER_CLOSED) {
            let reason = match waiting {
                Waiting::Request => CloseReason::PeerClosed,
                Waiting::Head | Waiting::Body | Waiting::Job => CloseReason::PeerClosedMidRequest,
            };
            return self.give_up(reason, shared);
        }
        self.start(timer_of(waiting, &shared.timeouts), shared);
        Want::Read
    }

    /// The peer will send no more. Pending replies are finished first.
    pub(crate) fn peer_closed<P: Protocol<State = S>>(&mut self, shared: &mut Resources<P>) -> Want {
        self.set(PEER_CLOSED, true);
        if self.has(LINGERING) {
            return self.give_up(self.reason, shared);
        }
        if self.has(REPLYING) {
            return Want::Wait;
        }
        self.follow_unread(shared)
    }

    /// Releases the buffers and asks for the close.
    pub(crate) fn give_up<P: Protocol<State = S>>(&mut self, reason: CloseReason, shared: &mut Resources<P>) -> Want {
        self.reason = reason;
        // Its last completions may take a while; no timer may act on it meanwhile.
        self.timer = Timer::Linger;
        self.deadline = Tick::NEVER;
        self.release(shared);
        Want::Close(reason)
    }

    fn linger<P: Protocol<State = S>>(&mut self, reason: CloseReason, shared: &mut Resources<P>) -> Want {
        self.reason = reason;
        self.release(shared);
        self.set(LINGERING, true);
        self.gauge = 0;
        self.start(Timer::Linger, shared);
        Want::Shutdown
    }

    /// Gives back every buffer, except one that the kernel may still read.
    fn release<P: Protocol<State = S>>(&mut self, shared: &mut Resources<P>) {
        shared.output_len = 0;
        self.set(REPLYING | AWAITING | FRESH, false);
        if let Some(buffer) = self.unread.take() {
            shared.pool.give_back(buffer);
        }
        if self.flags & PINNED != 0 {
            if let Some(buffer) = &self.unsent {
                shared.pool.leave(buffer);
            }
        } else if let Some(buffer) = self.unsent.take() {
            shared.pool.give_back(buffer);
        }
    }

    /// Whether it waits for nothing but its last completions.
    pub(crate) fn has_given_up(&self) -> bool {
        self.timer == Timer::Linger && self.deadline == Tick::NEVER
    }

    /// Why it ends, once it gave up.
    pub(crate) fn reason(&self) -> CloseReason {
        self.reason
    }

    /// Bytes of pooled memory that closing it would free; 0 if it has given up and the kernel still reads its
    /// buffer.
    pub(super) fn held_len<P: Protocol<State = S>>(&self, shared: &Resources<P>) -> usize {
        if self.has_given_up() {
            return 0;
        }
        [&self.unread, &self.unsent].into_iter().flatten().map(|buffer| shared.pool.capacity(buffer)).sum()
    }

    /// Bytes received but not processed yet.
    pub(crate) fn unread_len(&self) -> usize {
        self.unread.as_ref().map_or(0, Buffer::len)
    }

    /// Whether a reply is pending.
    pub(crate) fn is_replying(&self) -> bool {
        self.has(REPLYING)
    }

    /// The invariants of this type, for tests and debug builds.
    pub(crate) fn check(&self) {
        let pinned = self.flags & PINNED != 0;
        assert!(self.unsent.is_none() || self.has(REPLYING) || pinned, "an unsent reply that nobody sends");
        assert!(!self.has(LINGERING) || (self.unread.is_none() && self.unsent.is_none()), "a lingering buffer");
        assert!(!self.has(FRESH) || self.unread.is_some(), "fresh bytes without a buffer");
        assert!(!self.has(AWAITING) || (self.has(REPLYING) && self.unsent.is_none()), "awaits a reply that is there");
    }
}
