//! The open loop: arrivals that have come due, connections that are free, and how they meet.

use super::Worker;
use crate::engine::connection::Phase;
use crate::schedule::Arrivals;
use protocol::client::Client;
use std::collections::VecDeque;

/// Arrivals noticed and waiting for a free connection. Beyond this they stay in the schedule, where
/// nothing is lost either; the memory of an overloaded run is bounded.
const WAITING_MAX: usize = 64 * 1024;

/// An arrival that has come due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noticed {
    pub(super) intended: u64,
    /// The turn in which it was noticed. What lies between is the generator's own lateness.
    pub(super) reached: u64,
}

/// Both queues of the open loop; empty in a closed loop.
#[derive(Debug)]
pub(super) struct Queue {
    arrivals: Arrivals,
    waiting: VecDeque<Noticed>,
    /// The last turn that found arrivals due and `waiting` full.
    overfull_at_ns: u64,
    /// Each connection at most once (`is_queued`), so the capacity reserved at the start suffices.
    idle: VecDeque<u32>,
}

impl Queue {
    pub(super) fn new(arrivals: Arrivals) -> Self {
        Queue { arrivals, waiting: VecDeque::new(), overfull_at_ns: 0, idle: VecDeque::new() }
    }

    /// Reserves what the steady state needs.
    pub(super) fn reserve_idle(&mut self, connections: usize) {
        self.idle.reserve_exact(connections);
        self.waiting.reserve_exact(WAITING_MAX);
    }

    pub(super) fn begin(&mut self, arrivals: Arrivals) {
        self.arrivals = arrivals;
    }

    /// Moves one arrival that is due before `end_ns` from the schedule to those waiting.
    #[inline]
    fn notice(&mut self, now: u64, end_ns: u64) -> Option<Noticed> {
        let intended = self.arrivals.next_ns();
        if intended > now || intended >= end_ns {
            return None;
        }
        if self.waiting.len() >= WAITING_MAX {
            self.overfull_at_ns = now;
            return None;
        }
        // What was due while there was no room to note it down was kept waiting by the connections,
        // not by a late generator: that is back-pressure.
        let reached = if intended <= self.overfull_at_ns { intended } else { now };
        self.arrivals.advance();
        let noticed = Noticed { intended, reached };
        self.waiting.push_back(noticed);
        Some(noticed)
    }

    /// When the next arrival wants to be noticed.
    pub(super) fn wake_at_ns(&self) -> u64 {
        if self.waiting.len() < WAITING_MAX { self.arrivals.next_ns() } else { u64::MAX }
    }
}

impl<C: Client, const OPEN: bool> Worker<'_, C, OPEN> {
    /// A connection has become free.
    #[inline]
    pub(super) fn on_free(&mut self, index: usize, now: u64) {
        if !OPEN {
            if self.is_loading && now < self.end_ns {
                self.send_batch(index, now, now);
            }
            return;
        }
        let connection = &mut self.connections[index];
        if !connection.is_queued {
            connection.is_queued = true;
            self.queue.idle.push_back(index as u32);
        }
        if self.is_loading {
            self.dispatch(now);
        }
    }

    /// Notices arrivals that are due and sends as many as there are free connections.
    #[inline]
    pub(super) fn dispatch(&mut self, now: u64) {
        while let Some(noticed) = self.queue.notice(now, self.end_ns) {
            self.tally.requests.scheduled += u64::from(self.window.contains(noticed.intended));
        }
        while !self.queue.waiting.is_empty() {
            let Some(index) = self.pop_idle() else { return };
            if let Some(noticed) = self.queue.waiting.pop_front() {
                self.send_batch(index, noticed.intended, noticed.reached);
            }
        }
    }

    /// The connection that has been free for longest: all of them get their share of the load.
    fn pop_idle(&mut self) -> Option<usize> {
        loop {
            let index = self.queue.idle.pop_front()? as usize;
            let connection = &mut self.connections[index];
            connection.is_queued = false;
            if connection.phase == Phase::Idle {
                return Some(index);
            }
        }
    }

    /// After the grace: what was sent and not answered, and what could not even be sent, is entered
    /// with the time it has been missing for. To leave it out would flatter a stalled server.
    pub(super) fn censor(&mut self, now: u64) {
        for connection in &self.connections {
            if connection.outstanding > 0 && self.window.contains(connection.intended) {
                let count = u64::from(connection.outstanding);
                self.tally.requests.censored += count;
                self.tally.response.record_n(now - connection.intended, count);
            }
        }
        for noticed in self.queue.waiting.drain(..) {
            if self.window.contains(noticed.intended) {
                self.tally.requests.unsent += 1;
                self.tally.response.record(now - noticed.intended);
            }
        }
        while OPEN && self.queue.arrivals.next_ns() < self.end_ns {
            let intended = self.queue.arrivals.next_ns();
            self.queue.arrivals.advance();
            if self.window.contains(intended) {
                self.tally.requests.scheduled += 1;
                self.tally.requests.unsent += 1;
                self.tally.response.record(now - intended);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Process, Schedule};

    /// One arrival each µs, from 1 µs on.
    fn queue() -> Queue {
        let schedule = Schedule { process: Process::Constant, rate: 1e6, seed: 0, workers: 1 };
        Queue::new(schedule.arrivals(0, 1000))
    }

    #[test]
    fn arrivals_are_noticed_when_due_and_before_the_end() {
        let mut queue = queue();
        assert!(queue.notice(999, u64::MAX).is_none());
        let noticed = queue.notice(1500, u64::MAX).unwrap();
        assert_eq!((noticed.intended, noticed.reached), (1000, 1500));
        assert_eq!(queue.wake_at_ns(), 2000);
        assert!(queue.notice(9000, 2000).is_none(), "the end is exclusive");
    }

    /// Lateness once took the blame for a full queue: an overloaded target looked like a slow generator.
    #[test]
    fn a_full_queue_is_back_pressure_and_not_lateness() {
        let (mut queue, due) = (queue(), 1000 * (WAITING_MAX as u64 + 10));
        while queue.notice(due, u64::MAX).is_some() {}
        assert_eq!(queue.waiting.len(), WAITING_MAX);
        assert_eq!(queue.wake_at_ns(), u64::MAX, "nothing to notice before a connection is free");
        queue.waiting.clear();
        let noticed = queue.notice(due + 5_000_000, u64::MAX).unwrap();
        assert_eq!(noticed.reached, noticed.intended, "it was due when the queue was seen full");
        let last = std::iter::from_fn(|| queue.notice(due + 5_000_000, u64::MAX)).last().unwrap();
        assert_eq!(last.reached, due + 5_000_000, "it came due later");
    }
}
