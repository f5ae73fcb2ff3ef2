//! The clocks of a connection: which timeout runs, when it ends, and what follows then.

use protocol::Output;
use protocol::server::{Protocol, Waiting};

use super::{Connection, Next, REPLYING, UNCOVERED, Want};
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
    /// The deadline passed: what now? The caller asked the wheel, so it is not early.
    pub(crate) fn timed_out<P: Protocol<State = S>>(&mut self, shared: &mut Resources<P>) -> Want {
        match self.timer {
            // A FIN, never an RST: a request that crosses it on its way may be sent again (RFC 9112 §9.5).
            Timer::Idle if shared.draining => self.linger(CloseReason::Drained, shared),
            Timer::Idle => self.linger(CloseReason::IdleTimeout, shared),
            Timer::Write => {
                // The next look, unless something is sent before.
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
            Timer::Head | Timer::Body => {
                let (waiting, reason) = match self.timer {
                    Timer::Head => (Waiting::Head, CloseReason::HeaderTimeout),
                    _ => (Waiting::Body, CloseReason::StallTimeout),
                };
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

    /// The peer has not acknowledged `queued` bytes of what it was sent. A reader that reads has not stalled,
    /// though it may be a long time until the send buffer has room to show it.
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

    /// The drain began: an idle connection gets the short time that `Timeouts::drain_quiet_ticks`
    /// leaves to a request that is on its way.
    pub(crate) fn drain<P: Protocol<State = S>>(&mut self, shared: &Resources<P>) {
        if self.timer == Timer::Idle {
            self.deadline = self.deadline.min(shared.now.after(shared.timeouts.drain_quiet_ticks));
        }
    }

    /// Starts the clock of `timer`. Waiting for a request, its head and a linger run from their first
    /// moment (a byte now and then must not prolong them), everything else from the last progress.
    #[inline]
    pub(super) fn start<P: Protocol<State = S>>(&mut self, timer: Timer, shared: &Resources<P>) {
        if self.timer == timer && matches!(timer, Timer::Idle | Timer::Head | Timer::Linger) {
            return;
        }
        self.timer = timer;
        self.looks = 0;
        let deadline = shared.now.after(shared.timeouts.ticks(timer));
        self.set(UNCOVERED, self.has(UNCOVERED) || deadline < self.deadline);
        self.deadline = deadline;
    }

    /// Whether the timer wheel has to be told of the deadline.
    #[inline]
    pub(crate) fn is_uncovered(&self) -> bool {
        self.has(UNCOVERED)
    }

    /// The timer wheel has been told, or (`false`) has let go of it.
    pub(crate) fn set_covered(&mut self, is_covered: bool) {
        self.set(UNCOVERED, !is_covered);
    }

    /// Whether bytes of the peer would change what its deadline means: then they are looked for once more
    /// before the deadline counts.
    pub(crate) fn waits_for_input(&self) -> bool {
        !self.has(REPLYING) && matches!(self.timer, Timer::Idle | Timer::Head | Timer::Body)
    }

    /// Puts the deadline off by a tick: there may be input that could not be received yet.
    pub(crate) fn postpone(&mut self, now: Tick) {
        self.deadline = self.deadline.max(now.after(1));
    }

    /// About when it last made progress. Without a timeout nobody knows: then who waits for its peer to read
    /// comes before all others.
    pub(in crate::shard) fn progress_at<P: Protocol<State = S>>(&self, shared: &Resources<P>) -> Tick {
        let ticks = shared.timeouts.ticks(self.timer);
        if self.deadline == Tick::NEVER {
            return if self.has(REPLYING) { Tick(0) } else { shared.now };
        }
        let quarters = if self.timer == Timer::Write { u32::from(self.looks) + 1 } else { 1 };
        Tick(self.deadline.0.saturating_sub(ticks.saturating_mul(quarters)))
    }
}
