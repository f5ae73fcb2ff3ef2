//! Adds up the workers' slices into intervals for the record and totals for the summaries, and judges whether
//! the warm-up has become steady.

use crate::distribution::Distribution;
use crate::pause::between_bites;
use crate::ratio::share_of;
use crate::record::{Interval, IntervalPhase, IntervalReconnects, LogEntry, Quantiles};
use crate::recording::recorder::{self, Recorder};
use crate::recording::slice::Slice;
use crate::recording::{cpu_shares, summary};
use crossbeam::channel::{Receiver, Sender, unbounded};
use host::kernel::Sample;
use std::collections::BTreeMap;

/// Intervals in a row that must agree.
const STEADY_COUNT: usize = 3;
/// How far they may differ from their mean.
const STEADY_SHARE: f64 = 0.05;
/// A queue that grows by less may do so by chance.
const GROWTH_MIN: f64 = 10.0;
/// Fewer samples than this say nothing about a median.
const STEADY_SAMPLES_MIN: u64 = 20;
/// Slices that may always wait; if there are more workers than this, as many as there are workers.
const WAITING_MIN: usize = 8;

/// Position of an interval in the run.
type Place = (u8, u32);

/// The slices that wait.
#[derive(Debug)]
struct Waiting {
    full: Receiver<(usize, Box<Slice>)>,
    len_max: usize,
}

impl Waiting {
    /// Pauses between pieces of work to let the workers run, unless so many slices wait that the workers would
    /// soon have to wait.
    fn pause(&self) {
        if self.full.len() <= self.len_max / 2 {
            between_bites();
        }
    }
}

/// What the collector keeps of the workers' slices.
#[derive(Debug)]
pub(crate) struct Collector {
    waiting: Waiting,
    empty: Sender<Box<Slice>>,
    /// Longest response time of a reply that is in time.
    patience_ns: u64,
    /// The CPU that each worker is pinned to.
    cpus: Vec<Option<u32>>,
    /// The place of each worker's latest slice.
    progress: Vec<Option<Place>>,
    /// Intervals that some worker has yet to hand over, with the sum of the others.
    pending: BTreeMap<Place, Pending>,
    /// Sum over the window and the grace.
    pub(crate) total: Box<Slice>,
    pub(crate) intervals: Vec<Interval>,
    log: Vec<RawEntry>,
    /// The intervals of the warm-up since the last one with too few samples.
    warm_up: Vec<WarmUpInterval>,
}

/// What shows whether the warm-up has become steady.
#[derive(Debug, Clone, Copy)]
struct WarmUpInterval {
    median_ns: f64,
    /// Replies a µs.
    rate: f64,
    /// Arrivals, and those that waited at its end.
    scheduled: u64,
    waiting: u64,
}

#[derive(Debug)]
struct Pending {
    sum: Box<Slice>,
    /// What each worker worked of its time in this interval; nothing of an interval that is too short.
    worked: Vec<(Option<u32>, f64)>,
}

/// A [`LogEntry`] that will be compressed after the run.
#[derive(Debug)]
struct RawEntry {
    entry: LogEntry,
    bytes: Vec<u8>,
}

fn place(slice: &Slice) -> Place {
    (slice.phase as u8, slice.index)
}

impl Collector {
    /// A collector, and what the workers need to reach it.
    /// A good reply is in time if it took no longer than `patience_ns`.
    pub(crate) fn new(cpus: Vec<Option<u32>>, patience_ns: u64) -> (Collector, crate::engine::job::Slices) {
        let (full_sender, full) = unbounded();
        let (empty, empty_receiver) = unbounded();
        let workers = cpus.len();
        let waiting_max = workers.max(WAITING_MIN);
        let collector = Collector {
            waiting: Waiting { full, len_max: waiting_max },
            empty,
            patience_ns,
            cpus,
            progress: vec![None; workers],
            pending: BTreeMap::new(),
            total: Slice::new(),
            intervals: Vec::new(),
            log: Vec::new(),
            warm_up: Vec::new(),
        };
        (collector, crate::engine::job::Slices { full: full_sender, empty: empty_receiver, waiting_max })
    }

    /// Takes what the workers have handed over; true when an interval has become complete.
    pub(crate) fn collect(&mut self, window_start_ns: u64) -> bool {
        while let Ok((worker, slice)) = self.waiting.full.try_recv() {
            self.progress[worker] = Some(place(&slice));
            self.add(worker, slice);
        }
        let known = self.intervals.len();
        // A worker skips intervals that it slept through, so an interval is complete when no worker can add
        // to it any more.
        if let Some(least) = self.progress.iter().copied().min().flatten() {
            self.finish_until(least, window_start_ns);
        }
        self.intervals.len() > known
    }

    /// Finishes every interval: the workers have ended.
    pub(crate) fn finish(&mut self, window_start_ns: u64) {
        self.collect(window_start_ns);
        self.finish_until((u8::MAX, u32::MAX), window_start_ns);
    }

    fn add(&mut self, worker: usize, mut slice: Box<Slice>) {
        let wall_ns = slice.end_ns.saturating_sub(slice.start_ns);
        let share = share_of(slice.cpu_ns.saturating_sub(slice.spun_ns), wall_ns);
        let worked = share.map(|share| (self.cpus[worker], share));
        match self.pending.get_mut(&place(&slice)) {
            None => {
                self.pending.insert(place(&slice), Pending { sum: slice, worked: worked.into_iter().collect() });
            }
            Some(pending) => {
                pending.worked.extend(worked);
                pending.sum.add_in_bites(&slice, || self.waiting.pause());
                pending.sum.open += slice.open;
                pending.sum.in_flight += slice.in_flight;
                pending.sum.waiting += slice.waiting;
                pending.sum.end_ns = pending.sum.end_ns.max(slice.end_ns);
                slice.reset_in_bites(|| self.waiting.pause());
                // Fails only if the workers have ended, and then nobody needs it.
                let _ = self.empty.send(slice);
            }
        }
    }

    fn finish_until(&mut self, last: Place, window_start_ns: u64) {
        while let Some(entry) = self.pending.first_entry()
            && *entry.key() <= last
        {
            let Pending { mut sum, worked } = entry.remove();
            self.conclude(&sum, cpu_shares::most(worked), window_start_ns);
            sum.reset_in_bites(|| self.waiting.pause());
            // As above.
            let _ = self.empty.send(sum);
        }
    }

    fn conclude(&mut self, sum: &Slice, busiest_share: Option<f64>, window_start_ns: u64) {
        let interval = interval(sum, busiest_share, window_start_ns, self.patience_ns);
        match sum.phase {
            IntervalPhase::WarmUp if sum.response.histogram.len() >= STEADY_SAMPLES_MIN => {
                let wall_us = interval.duration_us.max(1) as f64;
                self.warm_up.push(WarmUpInterval {
                    median_ns: sum.response.histogram.value_at_quantile(0.5) as f64,
                    rate: sum.requests.completed as f64 / wall_us,
                    scheduled: sum.requests.scheduled,
                    waiting: sum.waiting,
                });
            }
            IntervalPhase::WarmUp => self.warm_up.clear(),
            IntervalPhase::Measured | IntervalPhase::Grace => self.total.add_in_bites(sum, || self.waiting.pause()),
        }
        for (tag, recorder) in sum.ranked_recorders() {
            if !recorder.histogram.is_empty() {
                self.waiting.pause();
                self.log.push(raw_entry(tag, sum.phase, &interval, &recorder));
            }
        }
        self.intervals.push(interval);
    }

    /// Whether the last intervals of the warm-up agree on the median, and in a closed loop on the rate. A
    /// growing queue is never steady, although after some time the median's rise is relatively small.
    pub(crate) fn is_steady(&self, is_closed: bool) -> bool {
        let Some(last) = self.warm_up.len().checked_sub(STEADY_COUNT).map(|from| &self.warm_up[from..]) else {
            return false;
        };
        let agree = |pick: fn(&WarmUpInterval) -> f64| {
            let mean = last.iter().map(pick).sum::<f64>() / last.len() as f64;
            last.iter().all(|values| (pick(values) / mean - 1.0).abs() <= STEADY_SHARE)
        };
        let arrivals: u64 = last[1..].iter().map(|interval| interval.scheduled).sum();
        let growth = last[STEADY_COUNT - 1].waiting.saturating_sub(last[0].waiting);
        let grows = growth as f64 > (STEADY_SHARE * arrivals as f64).max(GROWTH_MIN);
        !grows && agree(|interval| interval.median_ns) && (!is_closed || agree(|interval| interval.rate))
    }

    /// The log of all intervals, compressed.
    pub(crate) fn take_log(&mut self) -> Vec<LogEntry> {
        let log = std::mem::take(&mut self.log);
        log.into_iter().map(|raw| LogEntry { encoded: recorder::compress(&raw.bytes), ..raw.entry }).collect()
    }

    /// Gives each interval of the window what the kernel counted in it. Samples were taken at the planned
    /// boundaries, intervals ended up to 10 ms later.
    pub(crate) fn set_kernel(&mut self, samples: &[Sample], interval_us: u64) {
        let measured = self.intervals.iter_mut().filter(|interval| interval.phase == IntervalPhase::Measured);
        for interval in measured {
            let index = (interval.start_us.max(0) as u64 + interval_us / 2) / interval_us.max(1);
            if let Some([from, to]) = samples.get(index as usize..index as usize + 2) {
                interval.kernel = Some(to.since(from));
            }
        }
    }

    /// Shifts intervals recorded before the start of the window was known.
    pub(crate) fn set_origin(&mut self, guessed_ns: u64, window_start_ns: u64) {
        let shift_us = (window_start_ns as i64 - guessed_ns as i64) / 1000;
        self.intervals.iter_mut().for_each(|interval| interval.start_us -= shift_us);
        self.log.iter_mut().for_each(|raw| raw.entry.start_us -= shift_us);
    }
}

fn interval(sum: &Slice, busiest_worker_share: Option<f64>, window_start_ns: u64, patience_ns: u64) -> Interval {
    let requests = &sum.requests;
    Interval {
        phase: sum.phase,
        start_us: (sum.start_ns as i64 - window_start_ns as i64) / 1000,
        duration_us: sum.end_ns.saturating_sub(sum.start_ns) / 1000,
        scheduled: requests.scheduled,
        sent: requests.sent,
        completed: requests.completed,
        completed_in_time: Some(requests.completed.saturating_sub(sum.late(patience_ns))),
        failed: requests.failed,
        timed_out: requests.timed_out,
        connections_open: u64::from(sum.open),
        in_flight: u64::from(sum.in_flight),
        waiting: sum.waiting,
        reconnect: sum.reconnects.map(|counts| IntervalReconnects {
            lost: counts.lost,
            attempts: counts.attempts,
            connected: counts.connected,
            served_again: counts.served_again,
        }),
        busiest_worker_share,
        response_us: quantiles(&sum.response, sum.missing.as_deref()),
        service_us: quantiles(&sum.service, None),
        lateness_us: quantiles(&sum.lateness, None),
        back_pressure_us: quantiles(&sum.back_pressure, None),
        kernel: None,
    }
}

fn quantiles(recorder: &Recorder, missing: Option<&Recorder>) -> Quantiles {
    between_bites();
    summary::quantiles(recorder, missing)
}

fn raw_entry(tag: Distribution, phase: IntervalPhase, interval: &Interval, recorder: &Recorder) -> RawEntry {
    let entry = LogEntry {
        tag,
        phase,
        start_us: interval.start_us,
        duration_us: interval.duration_us,
        max_ns: recorder.histogram.max(),
        encoded: String::new(),
    };
    RawEntry { entry, bytes: recorder::raw_bytes(recorder) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE_NS: u64 = 50_000;

    fn slice(phase: IntervalPhase, index: u32, completed: u64, value_us: u64) -> Box<Slice> {
        let mut slice = Slice::new();
        (slice.phase, slice.index) = (phase, index);
        (slice.start_ns, slice.end_ns) = (1_000_000_000 + u64::from(index) * 1_000_000, 1_001_000_000);
        slice.end_ns += u64::from(index) * 1_000_000;
        slice.requests.completed = completed;
        (0..completed).for_each(|_| slice.response.record(value_us * 1000));
        slice
    }

    #[test]
    fn intervals_are_complete_when_every_worker_is_past_them() {
        let (mut collector, slices) = Collector::new(vec![None; 2], PATIENCE_NS);
        let send = |worker, index| {
            slices.full.send((worker, slice(IntervalPhase::Measured, index, 10, 5))).unwrap();
        };
        send(0, 0);
        send(0, 1);
        assert!(!collector.collect(1_000_000_000), "the other worker has not come so far");
        send(1, 1); // it slept through the first
        assert!(collector.collect(1_000_000_000));
        let counts: Vec<u64> = collector.intervals.iter().map(|interval| interval.completed).collect();
        assert_eq!(counts, [10, 20]);
        assert_eq!(collector.intervals[1].start_us, 1000);
        slices.full.send((0, slice(IntervalPhase::Grace, 0, 1, 5))).unwrap();
        collector.finish(1_000_000_000);
        assert_eq!(collector.total.requests.completed, 31);
        assert_eq!(collector.total.response.histogram.len(), 31);
        let log = collector.take_log();
        assert_eq!(log.iter().filter(|entry| entry.tag == Distribution::Response).count(), 3);
        assert!(log.iter().all(|entry| entry.encoded.starts_with("HISTFAAA")), "{log:?}");
        let mut reused = 0;
        while slices.empty.try_recv().is_ok() {
            reused += 1;
        }
        assert_eq!(reused, 4, "every slice goes back");
    }

    /// The workers of one CPU are as busy as it is.
    #[test]
    fn an_interval_knows_its_busiest_cpu() {
        let (mut collector, slices) = Collector::new(vec![Some(0), Some(1), Some(0)], PATIENCE_NS);
        for (worker, cpu_ms) in [(0, 20), (1, 50), (2, 40)] {
            let mut slice = slice(IntervalPhase::Measured, 0, 1, 5);
            (slice.end_ns, slice.cpu_ns) = (slice.start_ns + 100_000_000, cpu_ms * 1_000_000);
            slices.full.send((worker, slice)).unwrap();
        }
        collector.finish(1_000_000_000);
        let share = collector.intervals[0].busiest_worker_share.unwrap();
        assert!((share - 0.6).abs() < 1e-9, "{share}");
    }

    /// What was due while a client was away is sent when it is back: more replies than anybody waits for.
    #[test]
    fn late_replies_are_not_in_time_and_what_is_missing_is_no_reply() {
        let (mut collector, slices) = Collector::new(vec![None], PATIENCE_NS);
        let mut some_late = slice(IntervalPhase::Measured, 0, 10, 5);
        some_late.requests.completed += 4;
        (0..4).for_each(|_| some_late.response.record(2 * PATIENCE_NS));
        some_late.record_missing(3 * PATIENCE_NS, 7);
        slices.full.send((0, some_late)).unwrap();
        collector.finish(1_000_000_000);
        let interval = &collector.intervals[0];
        assert_eq!((interval.completed, interval.completed_in_time), (14, Some(10)));
    }

    #[test]
    fn a_worker_waits_when_slices_pile_up() {
        let workers = 9;
        let (mut collector, slices) = Collector::new(vec![None; workers], PATIENCE_NS);
        for sent in 0..workers {
            assert!(!slices.are_piling_up(), "{sent} wait");
            slices.full.send((sent, slice(IntervalPhase::Measured, 0, 1, 5))).unwrap();
        }
        assert!(slices.are_piling_up());
        collector.collect(1_000_000_000);
        assert!(!slices.are_piling_up(), "all have been taken");
    }

    #[test]
    fn the_warm_up_is_in_no_total() {
        let (mut collector, slices) = Collector::new(vec![None], PATIENCE_NS);
        slices.full.send((0, slice(IntervalPhase::WarmUp, 0, 10, 5))).unwrap();
        collector.finish(1_000_000_000);
        assert_eq!((collector.total.requests.completed, collector.intervals.len()), (0, 1));
        collector.set_origin(1_000_000_000, 1_500_000_000);
        assert_eq!(collector.intervals[0].start_us, -500_000);
    }

    /// After a few seconds of overload the median rises by less than 5 % from interval to interval.
    #[test]
    fn a_queue_that_grows_is_not_steady() {
        for (growth, is_steady) in [(0, true), (5, true), (20, false)] {
            let (mut collector, slices) = Collector::new(vec![None], PATIENCE_NS);
            for index in 0..4 {
                let mut slice = slice(IntervalPhase::WarmUp, index, 100, 1000 + u64::from(index));
                (slice.requests.scheduled, slice.waiting) = (100, 5000 + growth * u64::from(index));
                slices.full.send((0, slice)).unwrap();
            }
            collector.collect(0);
            assert_eq!(collector.is_steady(false), is_steady, "{growth} an interval");
        }
    }

    #[test]
    fn steady_means_three_in_a_row_that_agree() {
        for (medians, is_steady) in [
            (&[100, 100][..], false),
            (&[100, 101, 102], true),
            (&[100, 101, 120], false),
            (&[500, 100, 101, 102], true),
            (&[100, 101, 102, 500], false),
        ] {
            let (mut collector, slices) = Collector::new(vec![None], PATIENCE_NS);
            for (index, &median) in medians.iter().enumerate() {
                slices.full.send((0, slice(IntervalPhase::WarmUp, index as u32, 100, median))).unwrap();
            }
            collector.collect(0);
            assert_eq!(collector.is_steady(true), is_steady, "{medians:?}");
        }
        let (mut collector, slices) = Collector::new(vec![None], PATIENCE_NS);
        for (index, completed) in [(0, 100), (1, 100), (2, 50)] {
            slices.full.send((0, slice(IntervalPhase::WarmUp, index, completed, 5))).unwrap();
        }
        collector.collect(0);
        assert!(collector.is_steady(false) && !collector.is_steady(true), "a closed loop must keep its rate");
    }
}
