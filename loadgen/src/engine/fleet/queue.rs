//! Both queues of the open loop: arrivals that have come due, and connections that are free.

use crate::schedule::Arrivals;
use std::collections::VecDeque;

/// Most noticed arrivals that may wait for a free connection. Further ones stay in the schedule, where they
/// are not lost either; this bounds the memory of an overloaded run.
const WAITING_MAX: usize = 64 * 1024;

/// An arrival that has come due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noticed {
    pub(super) intended: u64,
    /// The turn in which it was noticed. The time between is the generator's own lateness.
    pub(super) reached: u64,
}

/// Both queues of the open loop; empty in a closed loop.
#[derive(Debug)]
pub(super) struct Queue {
    arrivals: Arrivals,
    pub(super) waiting: VecDeque<Noticed>,
    /// The last turn that found arrivals due and `waiting` full.
    overfull_at_ns: u64,
    /// Warm-up arrivals for which there was no room; `None` in the window, where arrivals wait in the schedule.
    overflow: Option<u64>,
    /// Arrivals that may still be noticed.
    left: u64,
    /// Each connection at most once ([`Flags::QUEUED`](crate::engine::connection::Flags::QUEUED)), so the capacity reserved at the start suffices.
    pub(super) idle: VecDeque<u32>,
}

impl Queue {
    pub(super) fn new(arrivals: Arrivals) -> Self {
        let waiting = VecDeque::new();
        Queue { arrivals, waiting, overfull_at_ns: 0, overflow: None, left: u64::MAX, idle: VecDeque::new() }
    }

    /// From now on at most `left` arrivals are noticed.
    pub(super) fn set_left(&mut self, left: u64) {
        self.left = left;
    }

    /// Whether all allowed arrivals were noticed.
    #[inline]
    pub(super) fn has_seen_all(&self) -> bool {
        self.left == 0
    }

    /// Whether all allowed arrivals were noticed and sent.
    pub(super) fn is_used_up(&self) -> bool {
        self.has_seen_all() && self.waiting.is_empty()
    }

    /// The next arrival; `u64::MAX` when there is none.
    #[inline]
    pub(super) fn next_ns(&self) -> u64 {
        if self.left > 0 { self.arrivals.next_ns() } else { u64::MAX }
    }

    pub(super) fn advance(&mut self) {
        self.arrivals.advance();
        self.left -= 1;
    }

    /// Reserves what the steady state needs.
    pub(super) fn reserve(&mut self, connections: usize) {
        self.idle.reserve_exact(connections);
        self.waiting.reserve_exact(WAITING_MAX);
    }

    /// Switches to the arrivals of the warm-up.
    pub(super) fn begin_warm_up(&mut self, arrivals: Arrivals) {
        (self.arrivals, self.overflow) = (arrivals, Some(0));
    }

    /// Switches to the arrivals of the window. The last `stay_max` noticed before stay in the queue; returns
    /// how many were dropped.
    pub(super) fn begin_window(&mut self, arrivals: Arrivals, stay_max: usize) -> u64 {
        self.arrivals = arrivals;
        let excess = self.waiting.len().saturating_sub(stay_max);
        self.waiting.drain(..excess);
        excess as u64 + self.overflow.take().unwrap_or(0)
    }

    /// Noticed arrivals without a connection, including those of the warm-up that found no room.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.len() as u64 + self.overflow.unwrap_or(0)
    }

    /// Moves one arrival that is due before `end_ns` from the schedule to those waiting.
    #[inline]
    pub(super) fn notice(&mut self, now: u64, end_ns: u64) -> Option<Noticed> {
        let intended = self.next_ns();
        if intended > now || intended >= end_ns {
            return None;
        }
        if self.waiting.len() >= WAITING_MAX {
            self.overfull_at_ns = now;
            let overflow = self.overflow.as_mut()?;
            // It belongs to no window, so it may be dropped, but it is counted and reported.
            *overflow += 1;
            self.arrivals.advance();
            return Some(Noticed { intended, reached: now });
        }
        // An arrival that was due while the queue was full waited because of the connections, not because of
        // a late generator: that is back-pressure.
        let reached = if intended <= self.overfull_at_ns { intended } else { now };
        self.advance();
        let noticed = Noticed { intended, reached };
        self.waiting.push_back(noticed);
        Some(noticed)
    }

    /// When the next arrival wants to be noticed.
    #[inline]
    pub(super) fn wake_at_ns(&self) -> u64 {
        if self.waiting.len() < WAITING_MAX { self.next_ns() } else { u64::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Part, Process, Schedule, Stage};

    /// One arrival each µs, from 1 µs on.
    fn queue() -> Queue {
        let stages = vec![Stage { rate: 1e6, duration: std::time::Duration::from_secs(1) }];
        let schedule = Schedule { process: Process::Constant, stages, burst: 1, seed: 0, workers: 1 };
        Queue::new(schedule.arrivals(0, Part::Window, 1000))
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

    /// The backlog of a warm-up once filled the window, and arrivals without room in the queue vanished
    /// silently.
    #[test]
    fn the_backlog_of_the_warm_up_is_cut_and_counted() {
        let overflow = 10;
        let mut queue = queue();
        queue.begin_warm_up(queue.arrivals.clone());
        let due = 1000 * (WAITING_MAX as u64 + overflow);
        let noticed = std::iter::from_fn(|| queue.notice(due, u64::MAX)).count() as u64;
        assert_eq!((noticed, queue.waiting.len()), (WAITING_MAX as u64 + overflow, WAITING_MAX));
        assert_eq!(queue.waiting(), noticed, "those without room wait as well");
        let dropped = queue.begin_window(queue.arrivals.clone(), 3);
        assert_eq!((dropped, queue.waiting()), (noticed - 3, 3));
        let last: Vec<u64> = queue.waiting.iter().map(|noticed| noticed.intended / 1000).collect();
        let newest = WAITING_MAX as u64;
        assert_eq!(last, [newest - 2, newest - 1, newest], "those that have waited longest go");
        assert_eq!(queue.begin_window(queue.arrivals.clone(), usize::MAX), 0, "a queue that fits stays");
    }

    #[test]
    fn no_more_arrivals_are_noticed_than_there_may_be() {
        let mut queue = queue();
        queue.set_left(3);
        let noticed: Vec<u64> = std::iter::from_fn(|| queue.notice(9000, u64::MAX)).map(|one| one.intended).collect();
        assert_eq!(noticed, [1000, 2000, 3000]);
        assert_eq!((queue.next_ns(), queue.wake_at_ns()), (u64::MAX, u64::MAX));
        assert!(!queue.is_used_up(), "they wait for a connection");
        queue.waiting.clear();
        assert!(queue.is_used_up());
    }

    /// A full queue was once counted as lateness: an overloaded target looked like a slow generator.
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
