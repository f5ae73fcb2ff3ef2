//! Waiting: for how long, what a failed wait means, and what to fetch before timers expire.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use protocol::server::Protocol;
use rustix::io::Errno;

use super::state::DOORBELL;
use super::style::{Send, Style};
use super::{FETCHES_MAX, Settling, Uring};
use crate::shard::TICK;

impl<P: Protocol, S: Style> Uring<P, S> {
    /// How long a turn may wait.
    pub(super) fn wait_max(&mut self) -> Option<Duration> {
        let mut wait_max = self.shard.wait_max();
        if self.shard.shared.counters.dropped_completions > 0 {
            // The doorbell's completion may be lost.
            wait_max = Some(wait_max.map_or(TICK, |wait_max| wait_max.min(TICK)));
        }
        if S::SEND == Send::Reported || self.sends.is_empty() {
            return wait_max;
        }
        // No completion reports the success of inline sends, and timers start when they are settled.
        let unsettled_max = match std::mem::take(&mut self.settling) {
            Settling::AtOnce => Duration::ZERO,
            Settling::WithinTick => TICK,
        };
        Some(wait_max.map_or(unsettled_max, |wait_max| wait_max.min(unsettled_max)))
    }

    pub(super) fn wait(&mut self, mut wait_max: Option<Duration>) -> io::Result<()> {
        if !self.starved.is_empty() {
            self.feed_starved();
            if !self.starved.is_empty() {
                wait_max = Some(Duration::ZERO);
            }
        }
        self.completions.clear();
        let gather = S::GATHER.filter(|_| self.gathering.is_due());
        let counters = &mut self.shard.shared.counters;
        counters.turns += 1;
        let result = self.ring.submit_and_wait(gather, wait_max, &mut self.completions, counters);
        if gather.is_some() {
            self.gathering.brought(self.completions.len());
        }
        match result {
            Ok(()) => Ok(()),
            Err(error) => self.on_wait_failed(&error),
        }
    }

    /// The kernel could not wait, or lost completions. What was queued is still queued.
    #[cold]
    fn on_wait_failed(&mut self, error: &io::Error) -> io::Result<()> {
        let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
        let shared = &mut self.shard.shared;
        if errno != Errno::BADR {
            return shared.rest(errno);
        }
        // The kernel reports this once (io_uring_enter(2)), and only the number. Their operations count as in
        // flight for ever: a connection is served until it needs one of them, and the final report says how
        // many were lost.
        shared.counters.dropped_completion_reports += 1;
        shared.counters.dropped_completions = u64::from(self.ring.dropped());
        // The doorbell's poll and the accepts may be lost too, and are needed: renew them.
        self.ring.poll_readable(self.doorbell.as_raw_fd(), DOORBELL, &mut shared.counters);
        (0..self.sources.len()).for_each(|index| self.renew_accept(index));
        Ok(())
    }

    /// Handles all completions so far, so that input is handled before its connection's timer.
    pub(super) fn fetch(&mut self) -> io::Result<()> {
        for round in 0..FETCHES_MAX {
            if !self.starved.is_empty() {
                self.feed_starved();
            }
            self.completions.clear();
            let counters = &mut self.shard.shared.counters;
            let result = self.ring.submit_and_fetch(&mut self.completions, counters);
            let is_done = self.completions.is_empty() && self.starved.is_empty();
            // Even after a failure: completions taken off the ring are reported only once.
            self.handle_completions();
            if let Err(error) = result {
                return self.on_wait_failed(&error);
            }
            if is_done && round + 1 >= S::ENTERS_PER_RECEIVE {
                break;
            }
        }
        Ok(())
    }
}
