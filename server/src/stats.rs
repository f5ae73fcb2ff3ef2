//! Live counters: the reactors' answers, and the sums and rates made of them. Nothing is shared with a reactor; it
//! copies its counters when it has time.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::shard::counters::{CloseReason, Counters};

/// One reactor's counters at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) index: usize,
    pub(crate) taken: Instant,
    pub(crate) counters: Counters,
    pub(crate) connections: u32,
    pub(crate) waiting: u32,
    pub(crate) buffers_in_use: u32,
    pub(crate) buffer_memory_bytes: u64,
}

/// The statistics of one interval. Rates and counts cover the reactors that answered, each over the time between
/// its own two answers. Levels (connections, buffers) are the last that each reactor reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Seconds since all reactors began to serve.
    pub elapsed_s: f64,
    /// Reactors that have not ended.
    pub reactors: usize,
    /// Reactors that answered within the interval. A busy one answers late, and its answer then covers both
    /// intervals.
    pub answered: usize,
    /// Whether the drain has begun.
    pub draining: bool,
    /// Connections open.
    pub connections: u64,
    /// Connections in waiting rooms: accepted, not served yet.
    pub waiting: u64,
    /// Connections accepted, per second.
    pub accepts_per_s: f64,
    /// Requests, per second.
    pub requests_per_s: f64,
    /// Bytes received, per second.
    pub bytes_in_per_s: f64,
    /// Bytes sent, per second.
    pub bytes_out_per_s: f64,
    /// Connections that ended, by reason; those reasons that occurred.
    pub closes: BTreeMap<String, u64>,
    /// Pauses of accepting and of receiving, by counter; those that occurred.
    pub pauses: BTreeMap<String, u64>,
    /// Accepts that failed for want of something, by counter; those that occurred.
    pub failures: BTreeMap<String, u64>,
    /// Pooled buffers in use.
    pub buffers_in_use: u64,
    /// Memory that they are cut from.
    pub buffer_memory_bytes: u64,
}

/// Requests snapshots each interval and makes one [`Stats`] of the answers.
pub(crate) struct Watch {
    started: Instant,
    reactors: Vec<Seat>,
    asking: bool,
}

/// What is known about one reactor.
struct Seat {
    /// The answer that the last line used.
    told: Snapshot,
    /// An answer that came since.
    fresh: Option<Snapshot>,
    ended: bool,
}

impl Watch {
    pub(crate) fn new(reactors: usize) -> Watch {
        let started = Instant::now();
        let seat = |index| Seat {
            told: Snapshot {
                index,
                taken: started,
                counters: Counters::default(),
                connections: 0,
                waiting: 0,
                buffers_in_use: 0,
                buffer_memory_bytes: 0,
            },
            fresh: None,
            ended: false,
        };
        Watch { started, reactors: (0..reactors).map(seat).collect(), asking: false }
    }

    /// A reactor answered. With the last answer the line is complete.
    pub(crate) fn answered(&mut self, snapshot: Snapshot, draining: bool) -> Option<Stats> {
        let seat = self.reactors.get_mut(snapshot.index)?;
        seat.fresh = Some(snapshot);
        self.complete(draining)
    }

    /// A reactor ended, so it will not answer.
    pub(crate) fn ended(&mut self, index: usize, draining: bool) -> Option<Stats> {
        let seat = self.reactors.get_mut(index)?;
        (seat.ended, seat.fresh) = (true, None);
        self.complete(draining)
    }

    /// The interval is over. Returns its statistics if they were not returned yet; then the caller asks every reactor
    /// again.
    pub(crate) fn next(&mut self, draining: bool) -> Option<Stats> {
        let unfinished = self.asking && self.reactors.iter().any(|seat| !seat.ended);
        let stats = unfinished.then(|| self.tell(draining));
        self.asking = true;
        stats
    }

    fn complete(&mut self, draining: bool) -> Option<Stats> {
        let running = self.reactors.iter().filter(|seat| !seat.ended);
        let complete = self.asking && running.clone().count() > 0 && running.clone().all(|seat| seat.fresh.is_some());
        complete.then(|| {
            self.asking = false;
            self.tell(draining)
        })
    }

    fn tell(&mut self, draining: bool) -> Stats {
        let mut stats = Stats {
            elapsed_s: self.started.elapsed().as_secs_f64(),
            reactors: 0,
            answered: 0,
            draining,
            connections: 0,
            waiting: 0,
            accepts_per_s: 0.0,
            requests_per_s: 0.0,
            bytes_in_per_s: 0.0,
            bytes_out_per_s: 0.0,
            closes: BTreeMap::new(),
            pauses: BTreeMap::new(),
            failures: BTreeMap::new(),
            buffers_in_use: 0,
            buffer_memory_bytes: 0,
        };
        for seat in self.reactors.iter_mut().filter(|seat| !seat.ended) {
            stats.reactors += 1;
            if let Some(fresh) = seat.fresh.take() {
                stats.answered += 1;
                stats.add_interval(&seat.told, &fresh);
                seat.told = fresh;
            }
            stats.connections += u64::from(seat.told.connections);
            stats.waiting += u64::from(seat.told.waiting);
            stats.buffers_in_use += u64::from(seat.told.buffers_in_use);
            stats.buffer_memory_bytes += seat.told.buffer_memory_bytes;
        }
        stats
    }
}

impl Stats {
    fn add_interval(&mut self, from: &Snapshot, to: &Snapshot) {
        let seconds = to.taken.saturating_duration_since(from.taken).as_secs_f64();
        let rate = |from: u64, to: u64| if seconds > 0.0 { to.saturating_sub(from) as f64 / seconds } else { 0.0 };
        let (before, after) = (&from.counters, &to.counters);
        self.accepts_per_s += rate(before.accepts, after.accepts);
        self.requests_per_s += rate(before.requests, after.requests);
        self.bytes_in_per_s += rate(before.bytes_in, after.bytes_in);
        self.bytes_out_per_s += rate(before.bytes_out, after.bytes_out);
        for reason in CloseReason::all() {
            add(&mut self.closes, reason.name(), before.closed_for(reason), after.closed_for(reason));
        }
        for ((name, before), (_, after)) in before.named().zip(after.named()) {
            if let Some(what) = name.strip_suffix("_pauses") {
                add(&mut self.pauses, what, before, after);
            }
            if let Some(what) = name.strip_suffix("_failures") {
                add(&mut self.failures, what, before, after);
            }
        }
    }
}

fn add(sums: &mut BTreeMap<String, u64>, name: &str, before: u64, after: u64) {
    if after > before {
        *sums.entry(name.to_owned()).or_default() += after - before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn snapshot(watch: &Watch, index: usize, seconds: u64, requests: u64) -> Snapshot {
        let mut counters = Counters { requests, full_pauses: requests / 100, ..Counters::default() };
        (0..requests / 50).for_each(|_| counters.closed(CloseReason::Reset));
        let taken = watch.started + Duration::from_secs(seconds);
        counters.emfile_failures = requests / 50;
        Snapshot { index, taken, counters, connections: 7, waiting: 3, buffers_in_use: 1, buffer_memory_bytes: 10 }
    }

    #[test]
    fn a_line_is_complete_with_the_last_answer_and_rates_are_each_reactors_own() {
        let mut watch = Watch::new(2);
        assert_eq!(watch.next(false), None, "nobody was asked yet");
        assert_eq!(watch.answered(snapshot(&watch, 0, 1, 100), false), None);
        // The other reactor was busy for a second.
        let stats = watch.answered(snapshot(&watch, 1, 2, 300), false).unwrap();
        assert_eq!((stats.answered, stats.reactors, stats.requests_per_s), (2, 2, 250.0));
        let levels = (stats.connections, stats.waiting, stats.buffers_in_use, stats.buffer_memory_bytes);
        assert_eq!(levels, (14, 6, 2, 20));
        let counts = [&stats.closes, &stats.pauses, &stats.failures].map(Clone::clone);
        assert_eq!(
            counts,
            [("reset", 8), ("full", 4), ("emfile", 8)].map(|(name, count)| [(name.to_owned(), count)].into())
        );
        assert_eq!(watch.next(false), None, "that was told");
        assert_eq!(watch.answered(snapshot(&watch, 0, 2, 100), false), None);
        let stats = watch.answered(snapshot(&watch, 1, 4, 310), true).unwrap();
        assert_eq!((stats.requests_per_s, stats.draining, stats.closes.is_empty()), (5.0, true, true));
    }

    #[test]
    fn a_late_reactor_is_counted_as_such_and_its_answer_serves_both_intervals() {
        let mut watch = Watch::new(2);
        watch.next(false);
        watch.answered(snapshot(&watch, 0, 1, 100), false);
        let stats = watch.next(false).unwrap();
        assert_eq!((stats.answered, stats.reactors, stats.requests_per_s, stats.connections), (1, 2, 100.0, 7));
        assert_eq!(watch.answered(snapshot(&watch, 1, 2, 400), false), None);
        let stats = watch.answered(snapshot(&watch, 0, 2, 200), false).unwrap();
        assert_eq!((stats.answered, stats.requests_per_s), (2, 300.0));
    }

    #[test]
    fn one_that_ended_is_not_waited_for() {
        let mut watch = Watch::new(2);
        watch.next(true);
        watch.answered(snapshot(&watch, 0, 1, 100), true);
        let stats = watch.ended(1, true).unwrap();
        assert_eq!((stats.answered, stats.reactors, stats.connections), (1, 1, 7));
        watch.next(true);
        assert_eq!(watch.ended(0, true), None, "nobody is left");
        assert_eq!(watch.next(true), None);
    }
}
