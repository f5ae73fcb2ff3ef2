//! What a worker counts and records. Each worker has its own; they are added up once, at the end.

use crate::causes::Causes;
use hdrhistogram::Histogram;

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

    /// Adds by counts, the only sound way to merge quantiles.
    pub(crate) fn add(&mut self, other: &Recorder) {
        self.histogram.add(&other.histogram).expect("recorders have equal ranges");
        self.clamped += other.clamped;
    }
}

/// System calls and bytes; read twice, at the ends of the window.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub(crate) recv: u64,
    pub(crate) send: u64,
    pub(crate) epoll_wait: u64,
    pub(crate) epoll_ctl: u64,
    pub(crate) connect: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

impl Traffic {
    /// Applies `combine` to each pair of counters.
    fn zip(self, other: Traffic, combine: impl Fn(u64, u64) -> u64) -> Traffic {
        Traffic {
            recv: combine(self.recv, other.recv),
            send: combine(self.send, other.send),
            epoll_wait: combine(self.epoll_wait, other.epoll_wait),
            epoll_ctl: combine(self.epoll_ctl, other.epoll_ctl),
            connect: combine(self.connect, other.connect),
            bytes_in: combine(self.bytes_in, other.bytes_in),
            bytes_out: combine(self.bytes_out, other.bytes_out),
        }
    }

    pub(crate) fn since(self, before: Traffic) -> Traffic {
        self.zip(before, u64::wrapping_sub)
    }

    pub(crate) fn plus(self, other: Traffic) -> Traffic {
        self.zip(other, u64::wrapping_add)
    }
}

/// Requests whose intended time lies in the measured window. Each is counted once as scheduled, once
/// as sent or unsent, and, when sent, under exactly one of the last four.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    pub(crate) scheduled: u64,
    pub(crate) sent: u64,
    pub(crate) unsent: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) timed_out: u64,
    pub(crate) censored: u64,
}

/// Connects and connections of the whole run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Connects {
    pub(crate) attempts: u64,
    pub(crate) opened: u64,
    pub(crate) failed: u64,
    pub(crate) pending: u64,
    pub(crate) reconnects: u64,
    /// Connections that ended without being announced, at any time after the first was established.
    pub(crate) lost: u64,
    /// Open when the load began.
    pub(crate) established: u64,
    /// Open from the start of the window to its end.
    pub(crate) held: u64,
}

/// Everything one worker found out.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) requests: Requests,
    pub(crate) request_causes: Causes,
    pub(crate) connects: Connects,
    /// Failed connects, and connections lost while no request was outstanding.
    pub(crate) connect_causes: Causes,
    pub(crate) response: Recorder,
    pub(crate) service: Recorder,
    pub(crate) lateness: Recorder,
    pub(crate) back_pressure: Recorder,
    pub(crate) connect: Recorder,
    /// Since the start of the run until the window closes, then within the window.
    pub(crate) traffic: Traffic,
    /// Share of the window for which this worker's thread was on a CPU.
    pub(crate) cpu_share: f64,
    /// Length of the window, shorter than planned when the run was stopped.
    pub(crate) window_ns: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Tally {
            requests: Requests::default(),
            request_causes: Causes::new(),
            connects: Connects::default(),
            connect_causes: Causes::new(),
            response: Recorder::new(),
            service: Recorder::new(),
            lateness: Recorder::new(),
            back_pressure: Recorder::new(),
            connect: Recorder::new(),
            traffic: Traffic::default(),
            cpu_share: 0.0,
            window_ns: 0,
        }
    }

    /// Adds another worker's tally; the longest window and the busiest worker's share remain.
    pub(crate) fn add(&mut self, other: &Tally) {
        let (own, others) = (&mut self.requests, &other.requests);
        own.scheduled += others.scheduled;
        own.sent += others.sent;
        own.unsent += others.unsent;
        own.completed += others.completed;
        own.failed += others.failed;
        own.timed_out += others.timed_out;
        own.censored += others.censored;
        let (own, others) = (&mut self.connects, &other.connects);
        own.attempts += others.attempts;
        own.opened += others.opened;
        own.failed += others.failed;
        own.pending += others.pending;
        own.reconnects += others.reconnects;
        own.lost += others.lost;
        own.established += others.established;
        own.held += others.held;
        self.request_causes.add(&other.request_causes);
        self.connect_causes.add(&other.connect_causes);
        self.response.add(&other.response);
        self.service.add(&other.service);
        self.lateness.add(&other.lateness);
        self.back_pressure.add(&other.back_pressure);
        self.connect.add(&other.connect);
        self.traffic = self.traffic.plus(other.traffic);
        self.cpu_share = self.cpu_share.max(other.cpu_share);
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
    }
}
