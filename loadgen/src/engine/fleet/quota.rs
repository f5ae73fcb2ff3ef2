//! How many requests a worker may send in all (`--requests`): its share, none of it before the window. Without
//! `--requests` the share is unlimited.

use super::state::{Fleet, LastArrival};
use crate::engine::connection::Phase;
use crate::engine::sockets::Sockets;
use protocol::client::Client;

impl<C: Client, K, const OPEN: bool> Fleet<'_, C, K, OPEN> {
    /// The window has begun: the share may be sent.
    pub(super) fn begin_quota(&mut self) {
        let share = self.job.share(self.index).unwrap_or(u64::MAX);
        // An open loop uses the share when it notices an arrival, a closed loop when it sends.
        if OPEN {
            self.queue.set_left(share);
        } else {
            self.quota = share;
        }
    }

    /// How many requests the next batch of a closed loop has; 0 when all have been sent.
    #[inline]
    pub(super) fn take_batch(&mut self) -> u16 {
        let count = u64::from(self.pipeline).min(self.quota);
        self.quota -= count;
        count as u16
    }

    /// Whether a closed loop may send.
    #[inline]
    pub(in crate::engine) fn may_send(&self) -> bool {
        self.quota > 0
    }

    /// Whether all requests of a limited share were sent and have ended, with success or failure.
    #[inline]
    pub(in crate::engine) fn has_finished(&self) -> bool {
        let is_sent = if OPEN { self.queue.is_used_up() } else { self.quota == 0 };
        is_sent && self.busy == 0 && self.to_repeat == 0
    }

    /// Notes the state once, when the last arrival of the share has come. What follows only works the queue off
    /// and must not hide that there was a queue.
    #[inline]
    pub(super) fn note_last_arrival_if_any(&mut self, now: u64) {
        if self.queue.has_seen_all() && self.is_measuring && self.last_arrival.is_none() {
            self.last_arrival = Some(LastArrival {
                at_ns: now,
                completed: self.completed,
                dispatched: self.dispatched,
                in_flight: self.in_flight(),
            });
        }
    }

    /// Sends the first batch of the connections from `started` on, `count_max` at most; returns how many have theirs.
    pub(in crate::engine) fn start_some<E: Sockets<Socket = K>>(
        &mut self,
        engine: &mut E,
        started: usize,
        count_max: usize,
        now: u64,
    ) -> usize {
        let end = self.connections.len().min(started + count_max);
        for index in started..end {
            if self.connections[index].phase == Phase::Idle {
                self.on_free(engine, index, now);
            }
        }
        end
    }
}
