//! What a worker counts and records.
//!
//! Times and requests go into a [`Slice`], which is handed over at the end of each interval and added
//! up elsewhere; everything else into one [`Tally`], which is handed over at the end of the run.

use crate::ratio::greater;
use crate::record::IntervalPhase;
use crate::recording::arrival_log::ArrivalLog;
use crate::recording::causes::Causes;
use crate::recording::sample::Sample;
use hdrhistogram::Histogram;
use std::borrow::Cow;

/// Longest time that is told from longer ones, in ns: one hour.
const VALUE_MAX: u64 = 3_600_000_000_000;
/// Significant decimal digits of a recorded time.
const DIGITS: u8 = 3;

/// A histogram of times in ns that counts what it had to clamp.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    pub(crate) histogram: Histogram<u64>,
    pub(crate) clamped: u64,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, VALUE_MAX, DIGITS);
        Recorder { histogram: histogram.expect("1 ns to 1 h at 3 digits is a valid range"), clamped: 0 }
    }

    #[inline]
    pub(crate) fn record(&mut self, value_ns: u64) {
        if value_ns > VALUE_MAX {
            self.clamped += 1;
        }
        self.histogram.saturating_record(value_ns);
    }

    pub(crate) fn record_n(&mut self, value_ns: u64, count: u64) {
        if value_ns > VALUE_MAX {
            self.clamped += count;
        }
        self.histogram.saturating_record_n(value_ns, count);
    }

    /// Forgets everything, and keeps the memory.
    pub(crate) fn reset(&mut self) {
        self.histogram.reset();
        self.clamped = 0;
    }

    /// Samples above `value_ns`, to the precision of the histogram.
    pub(crate) fn count_above(&self, value_ns: u64) -> u64 {
        // The bucket of the bound itself is not above it.
        let bound = self.histogram.highest_equivalent(value_ns);
        if bound >= self.histogram.max() { 0 } else { self.histogram.count_between(bound + 1, self.histogram.max()) }
    }

    /// Adds by counts, the only sound way to merge quantiles.
    pub(crate) fn add(&mut self, other: &Recorder) {
        self.histogram.add(&other.histogram).expect("recorders have equal ranges");
        self.clamped += other.clamped;
    }
}

macro_rules! counters {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub(crate) struct $name {
            $($(#[$field_doc])* pub(crate) $field: u64,)*
        }

        impl $name {
            pub(crate) fn add(&mut self, other: &$name) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

counters! {
    /// System calls and bytes; read twice, at the ends of the window. `retransmits` are segments that TCP in
    /// user space sent again; of the kernel's own it has counters.
    Traffic {
        recv, send, epoll_wait, epoll_ctl, connect, close, enter, register, sqes, cqes, read, write, poll,
        retransmits, bytes_in, bytes_out,
    }
}

impl Traffic {
    pub(crate) fn since(self, before: Traffic) -> Traffic {
        Traffic {
            recv: self.recv - before.recv,
            send: self.send - before.send,
            epoll_wait: self.epoll_wait - before.epoll_wait,
            epoll_ctl: self.epoll_ctl - before.epoll_ctl,
            connect: self.connect - before.connect,
            close: self.close - before.close,
            enter: self.enter - before.enter,
            register: self.register - before.register,
            sqes: self.sqes - before.sqes,
            cqes: self.cqes - before.cqes,
            read: self.read - before.read,
            write: self.write - before.write,
            poll: self.poll - before.poll,
            retransmits: self.retransmits - before.retransmits,
            bytes_in: self.bytes_in - before.bytes_in,
            bytes_out: self.bytes_out - before.bytes_out,
        }
    }
}

counters! {
    /// Requests whose intended time lies in the measured window. Each is counted once as scheduled, once
    /// as sent or unsent, and, when sent, under exactly one of `completed` to `censored`. Beside that `resent`
    /// counts those that were written once more, as often as they were.
    Requests { scheduled, sent, unsent, completed, failed, timed_out, censored, resent }
}

counters! {
    /// How the open loop's queue fared while requests arrived (see [`Tally::paced_ns`]), and what came in meanwhile.
    Pace {
        /// Good replies, to requests of the warm-up too.
        answered,
        /// Arrivals that got a connection.
        dispatched,
        /// Arrivals of the warm-up that waited when the window began, and those dropped then.
        waiting_start,
        dropped,
        /// Requests without a reply at either end.
        in_flight_start,
        in_flight_end,
    }
}

counters! {
    /// Connects and connections of the whole run.
    Connects {
        attempts,
        opened,
        failed,
        pending,
        reconnects,
        /// Connections that ended without being announced, at any time after the first was established.
        lost,
        /// Connections that ended as announced by the peer or planned here.
        closed,
        /// Connections open at the very end.
        open,
        /// Open when the load began.
        established,
        /// Open from the start of the window to its end.
        held,
        /// Connections of a dead client that the server still had, and that were reset to make room.
        replaced,
    }
}

/// What happened in one interval on one worker.
#[derive(Debug)]
pub(crate) struct Slice {
    /// Counted from the first interval of its phase.
    pub(crate) index: u32,
    pub(crate) phase: IntervalPhase,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    pub(crate) requests: Requests,
    /// Open connections, and requests without a reply, at the end.
    pub(crate) open: u32,
    pub(crate) in_flight: u32,
    /// Arrivals noticed and without a connection, at the end.
    pub(crate) waiting: u64,
    /// CPU time of the worker, and the part of it that was polling with nothing to do.
    pub(crate) cpu_ns: u64,
    pub(crate) spun_ns: u64,
    pub(crate) response: Recorder,
    /// The response times that are only the least they may be, which are in `response` as well. Made for the first
    /// of them: it takes a quarter of a MiB, and most slices never need it.
    pub(crate) missing: Option<Box<Recorder>>,
    pub(crate) service: Recorder,
    pub(crate) first_byte: Recorder,
    pub(crate) lateness: Recorder,
    pub(crate) back_pressure: Recorder,
}

impl Slice {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Slice {
            index: 0,
            phase: IntervalPhase::WarmUp,
            start_ns: 0,
            end_ns: 0,
            requests: Requests::default(),
            open: 0,
            in_flight: 0,
            waiting: 0,
            cpu_ns: 0,
            spun_ns: 0,
            response: Recorder::new(),
            missing: None,
            service: Recorder::new(),
            first_byte: Recorder::new(),
            lateness: Recorder::new(),
            back_pressure: Recorder::new(),
        })
    }

    /// The recorders and their names.
    pub(crate) fn recorders(&self) -> [(&'static str, &Recorder); 5] {
        [
            ("response", &self.response),
            ("service", &self.service),
            ("first_byte", &self.first_byte),
            ("lateness", &self.lateness),
            ("back_pressure", &self.back_pressure),
        ]
    }

    /// Records requests without a good reply: it would have taken longer than this.
    pub(crate) fn record_missing(&mut self, waited_ns: u64, count: u64) {
        self.response.record_n(waited_ns, count);
        self.missing.get_or_insert_with(|| Box::new(Recorder::new())).record_n(waited_ns, count);
    }

    /// Response times of good replies only.
    pub(crate) fn answered(&self) -> Cow<'_, Recorder> {
        let Some(missing) = self.missing.as_deref().filter(|missing| !missing.histogram.is_empty()) else {
            return Cow::Borrowed(&self.response);
        };
        let mut answered = self.response.clone();
        answered.histogram.subtract(&missing.histogram).expect("each of them was recorded in both");
        answered.clamped -= missing.clamped;
        Cow::Owned(answered)
    }

    /// Response times for files, which have no second histogram for those that are lower bounds: such a one stands no
    /// earlier than the longest good reply. So it ranks behind them, and what stands there is a lower bound still.
    pub(crate) fn ranked_response(&self) -> Cow<'_, Recorder> {
        let mut ranked = self.answered();
        if let (Cow::Owned(ranked), Some(missing)) = (&mut ranked, self.missing.as_deref()) {
            let longest = ranked.histogram.max();
            for waited in missing.histogram.iter_recorded() {
                ranked.record_n(waited.value_iterated_to().max(longest), waited.count_at_value());
            }
        }
        ranked
    }

    /// The recorders as files have them.
    pub(crate) fn ranked_recorders(&self) -> [(&'static str, Cow<'_, Recorder>); 5] {
        let mut recorders = self.recorders().map(|(name, recorder)| (name, Cow::Borrowed(recorder)));
        recorders[0].1 = self.ranked_response();
        recorders
    }

    /// Empties it for the next interval.
    /// `pause` is called between pieces of work.
    pub(crate) fn reset_in_bites(&mut self, pause: impl Fn()) {
        self.requests = Requests::default();
        (self.cpu_ns, self.spun_ns) = (0, 0);
        let Slice { response, missing, service, first_byte, lateness, back_pressure, .. } = self;
        let missing = missing.as_deref_mut();
        for recorder in [response, service, first_byte, lateness, back_pressure].into_iter().chain(missing) {
            if !recorder.histogram.is_empty() {
                pause();
                recorder.reset();
            }
        }
    }

    /// Adds counts and times of another worker or of another interval.
    /// `pause` is called between pieces of work.
    pub(crate) fn add_in_bites(&mut self, other: &Slice, pause: impl Fn()) {
        self.requests.add(&other.requests);
        let Slice { response, missing, service, first_byte, lateness, back_pressure, .. } = self;
        if let Some(others) = other.missing.as_deref().filter(|others| !others.histogram.is_empty()) {
            pause();
            missing.get_or_insert_with(|| Box::new(Recorder::new())).add(others);
        }
        let own = [response, service, first_byte, lateness, back_pressure];
        for (own, (_, others)) in own.into_iter().zip(other.recorders()) {
            if !others.histogram.is_empty() {
                pause();
                own.add(others);
            }
        }
    }
}

/// What one worker found out beside its slices.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) request_causes: Causes,
    /// How the first bad reply began, whatever was wrong with it.
    pub(crate) sample: Option<Sample>,
    pub(crate) connects: Connects,
    /// Of the connections open when the load began: those of each route of the plan.
    pub(crate) established_by_route: Vec<u64>,
    /// Failed connects, and connections lost while no request was outstanding.
    pub(crate) connect_causes: Causes,
    pub(crate) connect: Recorder,
    /// Connect time plus service time of the first request of each connection.
    pub(crate) first_response: Recorder,
    /// Since the start of the run until the window closes, then within the window.
    pub(crate) traffic: Traffic,
    /// Good replies of warm-up, window and grace: what the server should have counted.
    pub(crate) completed_whole_run: u64,
    /// How well the schedule was kept.
    pub(crate) arrivals: ArrivalLog,
    pub(crate) pace: Pace,
    /// The time from the start of the window for which requests arrived: all of it, or until the last one where
    /// they are counted (`--requests`). What lies behind only works the queue off, as the grace does.
    pub(crate) paced_ns: u64,
    /// Share of the window for which this worker's thread was on a CPU and not just polling; `None` for a
    /// window that is too short.
    pub(crate) cpu_share: Option<f64>,
    /// Time of the window spent polling with nothing to do, over all workers.
    pub(crate) spun_ns: u64,
    /// Share of the window for which this worker was ready to run and had no CPU; `None` where the kernel
    /// does not say, and for a window that is too short.
    pub(crate) run_delay_share: Option<f64>,
    /// How often a worker lost its CPU to another within the window, over all workers.
    pub(crate) involuntary_switches: u64,
    /// Length of the window, shorter than planned when the run was stopped.
    pub(crate) window_ns: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Tally {
            request_causes: Causes::new(),
            sample: None,
            connects: Connects::default(),
            established_by_route: Vec::new(),
            connect_causes: Causes::new(),
            connect: Recorder::new(),
            first_response: Recorder::new(),
            traffic: Traffic::default(),
            completed_whole_run: 0,
            arrivals: ArrivalLog::default(),
            pace: Pace::default(),
            paced_ns: 0,
            cpu_share: None,
            spun_ns: 0,
            run_delay_share: None,
            involuntary_switches: 0,
            window_ns: 0,
        }
    }

    /// Adds another worker's tally; the longest window and the busiest worker's share remain.
    pub(crate) fn add(&mut self, other: &Tally) {
        self.connects.add(&other.connects);
        self.established_by_route.resize(self.established_by_route.len().max(other.established_by_route.len()), 0);
        for (own, others) in self.established_by_route.iter_mut().zip(&other.established_by_route) {
            *own += others;
        }
        self.request_causes.add(&other.request_causes);
        self.sample = self.sample.take().or_else(|| other.sample.clone());
        self.connect_causes.add(&other.connect_causes);
        self.connect.add(&other.connect);
        self.first_response.add(&other.first_response);
        self.traffic.add(&other.traffic);
        self.completed_whole_run += other.completed_whole_run;
        self.arrivals.add(&other.arrivals);
        self.pace.add(&other.pace);
        self.paced_ns = self.paced_ns.max(other.paced_ns);
        self.cpu_share = greater(self.cpu_share, other.cpu_share);
        self.spun_ns += other.spun_ns;
        self.run_delay_share = greater(self.run_delay_share, other.run_delay_share);
        self.involuntary_switches += other.involuntary_switches;
        self.window_ns = self.window_ns.max(other.window_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_beyond_the_range_are_clamped_and_counted() {
        let mut recorder = Recorder::new();
        recorder.record(VALUE_MAX);
        recorder.record_n(VALUE_MAX * 2, 3);
        assert_eq!(recorder.clamped, 3);
        assert_eq!(recorder.histogram.len(), 4);
        assert_eq!((recorder.count_above(1000), recorder.count_above(u64::MAX)), (4, 0));
        recorder.reset();
        assert_eq!((recorder.clamped, recorder.histogram.len()), (0, 0));
    }

    /// Refusals after 40 µs once stood at the bottom of the files and made a server look fast.
    #[test]
    fn what_failed_early_ranks_behind_good_replies_in_files() {
        let mut slice = Slice::new();
        slice.response.record_n(20_000_000, 90);
        slice.record_missing(40_000, 8);
        slice.record_missing(50_000_000, 2);
        let files = slice.ranked_recorders();
        let (name, response) = (files[0].0, &files[0].1.histogram);
        assert_eq!((name, response.len()), ("response", 100));
        assert!(response.equivalent(response.min(), 20_000_000), "{}", response.min());
        assert!(response.equivalent(response.max(), 50_000_000), "{}", response.max());
        assert!(response.equivalent(response.value_at_quantile(0.97), 20_000_000));
        assert_eq!(slice.answered().histogram.len(), 90);
        assert!(matches!(Slice::new().ranked_recorders()[0].1, Cow::Borrowed(_)), "nothing is copied without need");
    }
}
