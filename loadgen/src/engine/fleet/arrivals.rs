//! The open loop: how due arrivals get free connections.

use super::state::Fleet;
use crate::engine::connection::{Flags, Phase};
use crate::engine::sockets::Sockets;
use protocol::client::Client;

/// Arrivals that wait when the window begins stay if working them off takes up to one part in this many of
/// the window; see [`Fleet::backlog_max`].
const BACKLOG_PARTS: u64 = 20;

impl<C: Client, K, const OPEN: bool> Fleet<'_, C, K, OPEN> {
    /// A connection has become free.
    #[inline]
    pub(in crate::engine) fn on_free<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize, now: u64) {
        if !OPEN {
            if self.is_loading && now < self.end_ns {
                self.send_batch(engine, index, now, now);
            }
            return;
        }
        if self.beats.is_some() {
            return self.send_overdue_beat(engine, index, now);
        }
        self.enqueue_idle(index);
        if self.is_loading {
            self.dispatch(engine, now, usize::MAX);
        }
    }

    #[inline]
    fn enqueue_idle(&mut self, index: usize) {
        let flags = &mut self.connections[index].flags;
        // A run that only holds its connections has no queue, and no memory for one.
        if !flags.has(Flags::QUEUED) && self.queue.idle.capacity() > 0 {
            flags.set(Flags::QUEUED);
            self.queue.idle.push_back(index as u32);
        }
    }

    /// Notices arrivals that are due and sends as many as there are free connections.
    #[inline]
    pub(in crate::engine) fn dispatch<E: Sockets<Socket = K>>(&mut self, engine: &mut E, now: u64, beats_max: usize) {
        if self.beats.is_some() {
            return self.dispatch_beats(engine, now, beats_max);
        }
        while let Some(noticed) = self.queue.notice(now, self.end_ns) {
            self.count_scheduled(noticed.intended, noticed.reached);
        }
        while !self.queue.waiting.is_empty() {
            let Some(index) = self.pop_idle() else { break };
            if let Some(noticed) = self.queue.waiting.pop_front() {
                self.send_batch(engine, index, noticed.intended, noticed.reached);
            }
        }
        self.note_last_arrival_if_any(now);
    }

    /// Counts an arrival of the window.
    #[inline]
    pub(super) fn count_scheduled(&mut self, intended: u64, reached: u64) {
        if self.window.contains(intended) {
            self.slice.requests.scheduled += 1;
            self.tally.arrivals.note(intended - self.window.start_ns, reached - self.window.start_ns);
        }
    }

    /// The connection that has been free the longest, so that all get their share of the load.
    fn pop_idle(&mut self) -> Option<usize> {
        loop {
            let index = self.queue.idle.pop_front()? as usize;
            let connection = &mut self.connections[index];
            connection.flags.clear(Flags::QUEUED);
            if connection.phase == Phase::Idle {
                return Some(index);
            }
        }
    }

    /// Noticed arrivals without a connection, including heartbeats.
    pub(super) fn waiting(&self) -> u64 {
        self.queue.waiting() + self.overdue
    }

    /// How many arrivals of the warm-up may still wait in a window of this length that begins now.
    ///
    /// A warm-up may build a queue on purpose: a target near its limit has one, and a window that began without
    /// it would flatter the target. But if the target cannot keep up, the queue grows with the warm-up, and a
    /// window spent on working it off measures nothing that was meant to be sent in it. So as many may stay as
    /// the target answers in a twentieth of the window, at the pace of the warm-up.
    pub(super) fn backlog_max(&self, now: u64, len_ns: u64) -> usize {
        let warm_up_ns = now.saturating_sub(self.window.start_ns).max(1);
        let answered = (self.completed + self.failed) as f64;
        (answered * (len_ns / BACKLOG_PARTS) as f64 / warm_up_ns as f64) as usize
    }

    /// Whether arrivals of the window wait for a connection, and one may become free.
    pub(in crate::engine) fn has_waiting(&self) -> bool {
        let has_waiting = !self.queue.waiting.is_empty() || self.queue.next_ns() < self.end_ns;
        OPEN && self.open > 0 && (has_waiting || self.overdue > 0)
    }

    /// When an open loop next has something to send.
    #[inline]
    pub(in crate::engine) fn next_arrival_ns(&self) -> u64 {
        let next_ns = self.beats.as_ref().map_or_else(|| self.queue.wake_at_ns(), |beats| beats.next_ns());
        if next_ns < self.end_ns { next_ns } else { u64::MAX }
    }

    /// Records arrivals of the window that were never sent.
    #[cold]
    pub(super) fn censor_unsent(&mut self, now: u64) {
        while let Some(noticed) = self.queue.waiting.pop_front() {
            self.censor_arrival(noticed.intended, now);
        }
        while self.queue.next_ns() < self.end_ns {
            let intended = self.queue.next_ns();
            self.queue.advance();
            // It was never noticed, so it is not counted as scheduled yet; it waited for room in the queue.
            self.count_scheduled(intended, intended.max(self.window.start_ns));
            self.censor_arrival(intended, now);
        }
        self.censor_beats(now);
    }

    pub(super) fn censor_arrival(&mut self, intended: u64, now: u64) {
        if self.window.contains(intended) {
            self.slice.requests.unsent += 1;
            self.slice.record_missing(now - intended, 1);
        }
    }
}
