//! The clocks of a connection: which timeout runs, when it ends, and what follows.

use protocol::Output;
use protocol::server::{Protocol, Waiting};

use super::{AWAITING, Connection, FRESH, Next, PEER_CLOSED, REPLYING, UNCOVERED, Want};
use crate::shard::counters::CloseReason;
use crate::shard::resources::Resources;
use crate::shard::tick::Tick;
use crate::shard::timeouts::{LOOKS_MAX, Timer};
use crate::shard::wheel::Deadline;

impl<K, S> Deadline for Connection<K, S> {
    #[inline]
    fn deadline(&self) -> Tick {
        self.deadline
    }
}

impl<K, S: Default> Connection<K, S> {
    /// What to do now that the deadline has passed. The caller asked the wheel, so it is not early.
    pub(crate) fn timed_out<P: Protocol<State = S>>(&mut self, shared: &mut Resources<P>) -> Want {
        match self.timer {
            // Send a FIN, never an RST: a client may then retry a request that crosses it (RFC 9112 §9.5).
            Timer::Idle if shared.draining => self.linger(CloseReason::Drained, shared),
            Timer::Idle => self.linger(CloseReason::IdleTimeout, shared),
            Timer::Write => {
                // Look again then, unless something is sent before.
                self.deadline = shared.now.after(shared.timeouts.ticks(Timer::Write));
                Want::Look
            }
            Timer::Reply => {
                self.start(Timer::Write, shared);
                Want::Look
            }
            Timer::Linger => {
                shared.counters.lingers_cut += 1;
                self.give_up(self.reason, shared)
            }
            // It is sent back while it arrives, so the reply has begun and cannot say anything else.
            Timer::WholeBody if self.has(REPLYING) => self.give_up(CloseReason::BodyTimeout, shared),
            Timer::Head | Timer::Body | Timer::WholeBody | Timer::Job => {
                let (waiting, reason) = match self.timer {
                    Timer::Head => (Waiting::Head, CloseReason::HeaderTimeout),
                    Timer::WholeBody => (Waiting::Body, CloseReason::BodyTimeout),
                    Timer::Job => (Waiting::Job, CloseReason::StallTimeout),
                    _ => (Waiting::Body, CloseReason::StallTimeout),
                };
                // What comes of the job after all is stale.
                self.set(REPLYING | AWAITING | FRESH, false);
                let mut output = Output::new(&mut shared.output);
                shared.protocol.on_timeout(&mut self.state, waiting, &mut output);
                let len = output.len();
                shared.wrote(len);
                if let Some(buffer) = self.unread.take() {
                    shared.pool.give_back(buffer);
                }
                self.reason = reason;
                self.next = Next::Linger;
                if shared.output_len == 0 {
                    return self.linger(reason, shared);
                }
                self.set(REPLYING, true);
                Want::Write
            }
        }
    }

    /// The peer has not acknowledged `queued` of the bytes sent. A slow reader has not stalled, even if the
    /// send buffer shows no new room for a long time.
    pub(crate) fn looked<P: Protocol<State = S>>(&mut self, queued: u32, shared: &mut Resources<P>) -> Want {
        if self.timer != Timer::Write {
            // Something was sent meanwhile.
            return if self.has(REPLYING) { Want::Wait } else { Want::Read };
        }
        let is_same = self.looks > 0 && queued == self.gauge;
        let looks = if is_same { self.looks + 1 } else { 1 };
        if looks > LOOKS_MAX {
            return self.give_up(CloseReason::StallTimeout, shared);
        }
        (self.gauge, self.looks) = (queued, looks);
        if self.has(REPLYING) { Want::Wait } else { Want::Read }
    }

    /// The drain began: an idle connection stays open for `Timeouts::drain_quiet_ticks`, in case a request is
    /// on its way.
    pub(crate) fn drain<P: Protocol<State = S>>(&mut self, shared: &Resources<P>) {
        if self.timer == Timer::Idle {
            self.deadline = self.deadline.min(shared.now.after(shared.timeouts.drain_quiet_ticks));
        }
    }

    /// Starts the clock of `timer`. The timers of waiting for a request, of its head, of a whole body and of a linger run from
    /// their start, since a byte now and then must not prolong them; that of a whole body goes on through its replies. All
    /// others run from the last progress.
    #[inline]
    pub(super) fn start<P: Protocol<State = S>>(&mut self, timer: Timer, shared: &Resources<P>) {
        if self.timer == timer && matches!(timer, Timer::Idle | Timer::Head | Timer::WholeBody | Timer::Linger) {
            return;
        }
        if timer == Timer::Write && self.is_in_timed_body(shared) {
            return;
        }
        self.timer = timer;
        self.looks = 0;
        let deadline = shared.now.after(shared.timeouts.ticks(timer));
        self.set(UNCOVERED, self.has(UNCOVERED) || deadline < self.deadline);
        self.deadline = deadline;
    }

    /// Whether a body has its time, and pieces of it are sent back meanwhile: no other clock runs then, because whatever
    /// followed would start it anew.
    #[inline]
    pub(super) fn is_in_timed_body<P: Protocol<State = S>>(&self, shared: &Resources<P>) -> bool {
        self.timer == Timer::WholeBody && shared.protocol.waiting(&self.state, false) == Waiting::Body
    }

    /// Whether the timer wheel must still be told the deadline.
    #[inline]
    pub(crate) fn is_uncovered(&self) -> bool {
        self.has(UNCOVERED)
    }

    /// The timer wheel has been told the deadline, or (`false`) has dropped the entry.
    pub(crate) fn set_covered(&mut self, is_covered: bool) {
        self.set(UNCOVERED, !is_covered);
    }

    /// Whether bytes from the peer would change what its deadline means. If so, receive once more before the
    /// deadline counts.
    pub(crate) fn waits_for_input(&self) -> bool {
        !self.has(REPLYING) && matches!(self.timer, Timer::Idle | Timer::Head | Timer::Body | Timer::WholeBody)
    }

    /// Whether it waits for a request and has nothing in hand.
    pub(crate) fn is_idle(&self) -> bool {
        self.timer == Timer::Idle && self.unread.is_none() && self.marks & (REPLYING | PEER_CLOSED) == 0
    }

    /// Postpones the deadline by a tick: there may be input that could not be received yet.
    pub(crate) fn postpone(&mut self, now: Tick) {
        self.deadline = self.deadline.max(now.after(1));
    }

    /// Roughly when it last made progress. Without a timeout this is unknown: then a connection whose peer
    /// does not read its reply counts as the oldest, any other as the newest.
    pub(in crate::shard) fn progress_at<P: Protocol<State = S>>(&self, shared: &Resources<P>) -> Tick {
        let ticks = shared.timeouts.ticks(self.timer);
        if self.deadline == Tick::NEVER {
            return if self.has(REPLYING) { Tick(0) } else { shared.now };
        }
        let quarters = if self.timer == Timer::Write { u32::from(self.looks) + 1 } else { 1 };
        Tick(self.deadline.0.saturating_sub(ticks.saturating_mul(quarters)))
    }
}
