//! The intervals of a run: when one ends, its slice goes to the collector and an empty one takes its place.

use super::state::{Fleet, Window};
use crate::engine::control::Times;
use crate::phase::IntervalPhase;
use crate::recording::arrival_log::ArrivalLog;
use crate::recording::causes::Causes;
use crate::recording::counters::Reconnects;
use crate::recording::slice::Slice;
use crate::schedule::Part;
use protocol::client::Client;
use sys::clock;

impl<C: Client, K, const OPEN: bool> Fleet<'_, C, K, OPEN> {
    /// Starts the load: everything from here on is warm-up until the window begins.
    pub(in crate::engine) fn begin_warm_up(&mut self, begin_ns: u64) {
        // Half of the range, so that a difference to an earlier stamp does not look like one to a later
        // stamp.
        self.window = Window { start_ns: begin_ns, len_ns: u64::MAX / 2 };
        // With `--requests`, none is sent before the window.
        let part = self.job.options.requests.is_none().then_some((Part::WarmUp, begin_ns));
        self.queue.begin_warm_up(self.job.arrivals(self.index, part));
        self.begin_beats_if_any(begin_ns);
        self.is_loading = true;
        self.begin_slice(IntervalPhase::WarmUp, 0, begin_ns);
    }

    /// When the window is about to begin, no arrival of the warm-up may reach into it.
    pub(in crate::engine) fn expect_window(&mut self, times: Times, now: u64) {
        if OPEN && now < times.start_ns {
            self.end_ns = times.start_ns;
        }
    }

    /// Starts the measured window. Requests still outstanding from the warm-up count nowhere.
    ///
    /// An open loop that knew the time in advance starts exactly then. Any other starts now, because
    /// requests it has sent since are counted as warm-up; its window is as long as the others'.
    pub(in crate::engine) fn begin_window(&mut self, times: Times, now: u64) {
        self.hand_over(now);
        let start_ns = if self.end_ns == times.start_ns { times.start_ns } else { now };
        let len_ns = times.end_ns - times.start_ns;
        let backlog_max = self.backlog_max(now, len_ns);
        self.window = Window { start_ns, len_ns };
        self.end_ns = start_ns + len_ns;
        self.is_measuring = true;
        self.forget_outages();
        self.tally.request_causes = Causes::new();
        let expected = self.job.expected_arrivals(self.index);
        if OPEN && expected > 0.0 {
            self.tally.arrivals = ArrivalLog::new(expected, self.job.expected_window_ns());
        }
        // The window's beats begin anew, so overdue beats of the warm-up are dropped.
        let overdue = self.overdue;
        self.begin_quota();
        let dropped =
            self.queue.begin_window(self.job.arrivals(self.index, Some((Part::Window, start_ns))), backlog_max);
        self.begin_beats_if_any(start_ns);
        self.tally.pace.dropped = dropped + overdue;
        self.tally.pace.waiting_start = self.waiting();
        self.begin_slice(IntervalPhase::Measured, 0, start_ns);
    }

    fn begin_beats_if_any(&mut self, start_ns: u64) {
        if let Some(period) = self.job.options.heartbeat {
            self.begin_beats(start_ns, clock::duration_ns(period));
        }
    }

    fn begin_slice(&mut self, phase: IntervalPhase, index: u32, start_ns: u64) {
        self.slice_cpu_ns = clock::thread_cpu_ns();
        let slice = &mut self.slice;
        (slice.phase, slice.index, slice.start_ns) = (phase, index, start_ns);
        slice.reconnects = self.clients.as_ref().map(|_| Reconnects::default());
    }

    /// When the current interval ends.
    pub(in crate::engine) fn slice_end_ns(&self) -> u64 {
        let origin_ns = self.window.start_ns;
        let len_ns = self.job.slice_len_ns(self.slice.phase);
        origin_ns.saturating_add((u64::from(self.slice.index) + 1).saturating_mul(len_ns))
    }

    /// Ends the current interval if it is over and the collector keeps up, and begins the next of the same phase.
    pub(in crate::engine) fn turn_slice(&mut self, now: u64) {
        let end_ns = self.slice_end_ns();
        if now < end_ns || now >= self.end_ns || self.job.slices.are_piling_up() {
            return;
        }
        let phase = self.slice.phase;
        // A worker that slept through several interval ends, or had to wait for the collector, leaves those
        // intervals empty.
        let len_ns = self.job.slice_len_ns(phase).max(1);
        let index = ((now - self.window.start_ns) / len_ns) as u32;
        self.hand_over(now);
        self.begin_slice(phase, index, now);
    }

    /// Ends the window before its time; requests intended before `end_ns` stay in it.
    pub(in crate::engine) fn cut_window(&mut self, end_ns: u64) {
        self.end_ns = self.end_ns.min(end_ns);
        self.window.len_ns = self.end_ns.saturating_sub(self.window.start_ns);
    }

    /// What comes from here on belongs to the grace.
    pub(in crate::engine) fn begin_grace(&mut self, now: u64) {
        self.hand_over(now);
        self.begin_slice(IntervalPhase::Grace, 0, now);
    }

    /// Requests without a reply, hellos left out.
    pub(in crate::engine) fn in_flight(&self) -> u64 {
        u64::from(self.busy.saturating_sub(self.hellos())) * u64::from(self.pipeline)
    }

    /// Hands the current interval over.
    pub(in crate::engine) fn hand_over(&mut self, now: u64) {
        let (waiting, in_flight) = (self.waiting(), self.in_flight());
        let slice = &mut self.slice;
        slice.end_ns = now;
        slice.open = self.open;
        slice.in_flight = u32::try_from(in_flight).unwrap_or(u32::MAX);
        slice.waiting = waiting;
        slice.cpu_ns = clock::thread_cpu_ns().saturating_sub(self.slice_cpu_ns);
        let empty = self.job.slices.empty.try_recv().unwrap_or_else(|_| Slice::new());
        let full = std::mem::replace(&mut self.slice, empty);
        // Fails only if the run was given up, and then nobody needs the slice.
        let _ = self.job.slices.full.send((self.index, full));
    }
}
