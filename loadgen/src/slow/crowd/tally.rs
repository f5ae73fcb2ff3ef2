//! What happens to a crowd, counted: each connection has one beginning and one end.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use rustix::io::Errno;
use sys::clock;

use super::super::options::Options;
use super::super::record::{Held, Record};
use crate::recording::causes::{Cause, Causes};

/// Longest time that is told apart: a day.
const HELD_US_MAX: u64 = 86_400_000_000;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A FIN of the server.
    Closed,
    Reset,
    Lost(Errno),
}

impl End {
    pub(super) fn of(errno: Errno) -> End {
        match errno {
            // A send after the server closed.
            Errno::CONNRESET | Errno::PIPE => End::Reset,
            other => End::Lost(other),
        }
    }
}

pub(super) struct Tally {
    pub(super) start_ns: u64,
    /// Connects begun.
    pub(super) attempts: u64,
    pub(super) connecting: u64,
    pub(super) open: u64,
    pub(super) opened: u64,
    open_max: u64,
    failed: Causes,
    closed: u64,
    reset: u64,
    lost: Causes,
    statuses: BTreeMap<u16, u64>,
    pub(super) faults: u64,
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
    /// In µs.
    held: Histogram<u64>,
}

impl Tally {
    pub(super) fn new(start_ns: u64) -> Tally {
        // Three digits from 1 µs to a day are a valid range.
        let held = Histogram::new_with_bounds(1, HELD_US_MAX, 3).expect("bounds in order");
        Tally {
            start_ns,
            attempts: 0,
            connecting: 0,
            open: 0,
            opened: 0,
            open_max: 0,
            failed: Causes::new(),
            closed: 0,
            reset: 0,
            lost: Causes::new(),
            statuses: BTreeMap::new(),
            faults: 0,
            sent_bytes: 0,
            received_bytes: 0,
            held,
        }
    }

    pub(super) fn established(&mut self) {
        self.connecting -= 1;
        self.opened += 1;
        self.open += 1;
        self.open_max = self.open_max.max(self.open);
    }

    pub(super) fn failed(&mut self, errno: Errno) {
        self.failed.count(Cause::Error(errno));
    }

    pub(super) fn replied(&mut self, status: u16) {
        *self.statuses.entry(status).or_insert(0) += 1;
    }

    pub(super) fn ended(&mut self, end: End, held_ns: u64) {
        self.open -= 1;
        match end {
            End::Closed => self.closed += 1,
            End::Reset => self.reset += 1,
            End::Lost(errno) => self.lost.count(Cause::Error(errno)),
        }
        if matches!(end, End::Closed | End::Reset) {
            self.held.saturating_record((held_ns / 1000).max(1));
        }
    }

    /// The name of the error that most connects failed with.
    pub(super) fn most_frequent_failure(&self) -> Option<String> {
        self.failed.named().into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name)
    }

    pub(super) fn record(self, options: &Options, target: &str, interrupted: bool) -> Record {
        let count = self.held.len();
        Record {
            schema: Record::SCHEMA,
            target: target.to_owned(),
            kind: options.kind,
            connections: options.connections,
            interval_us: options.kind.has_interval().then_some(options.interval.as_micros() as u64),
            reopens: options.reopens,
            duration_us: (clock::now_ns() - self.start_ns) / 1000,
            interrupted,
            opened: self.opened,
            failed: self.failed.named(),
            connecting_at_end: self.connecting,
            closed_by_server: self.closed,
            reset: self.reset,
            lost: self.lost.named(),
            open_at_end: self.open,
            open_max: self.open_max,
            statuses: self.statuses,
            faults: self.faults,
            sent_bytes: self.sent_bytes,
            received_bytes: self.received_bytes,
            held_us: Held {
                count,
                p50: (count > 0).then(|| self.held.value_at_quantile(0.5)),
                max: (count > 0).then(|| self.held.max()),
            },
        }
    }
}
