//! What happens in a fan-out, counted and timed.

use super::options::Options;
use super::parts::Done;
use super::record::{PartCounts, Record, RequestCounts};
use crate::record::{State, Summary};
use crate::recording::recorder::Recorder;
use crate::recording::summary::summarise;
use sys::clock::duration_ns;

/// The client's own lateness in the p99 of the response times at which they are not to be quoted.
const OWN_SHARE_MAX: f64 = 0.5;
const OWN_SHARE_WARN: f64 = 0.1;

pub(super) struct Tally {
    pub(super) requests: RequestCounts,
    pub(super) parts: PartCounts,
    /// All requests and parts of the window; those without a good reply with what they waited.
    response: Recorder,
    response_missing: Recorder,
    part: Recorder,
    lateness: Recorder,
}

impl Tally {
    pub(super) fn new() -> Tally {
        Tally {
            requests: RequestCounts::default(),
            parts: PartCounts::default(),
            response: Recorder::new(),
            response_missing: Recorder::new(),
            part: Recorder::new(),
            lateness: Recorder::new(),
        }
    }

    /// A request of the window was got to.
    pub(super) fn began(&mut self, late_ns: u64, parts: u32) {
        self.requests.scheduled += 1;
        self.parts.asked += u64::from(parts);
        self.lateness.record(late_ns.max(1));
    }

    /// A part of the window has its first good reply.
    pub(super) fn answered(&mut self, ns: u64) {
        self.part.record(ns.max(1));
    }

    pub(super) fn done(&mut self, done: Done, now: u64) {
        if !done.is_measured {
            return;
        }
        let ns = now.saturating_sub(done.intended_ns).max(1);
        self.response.record(ns);
        if done.is_good {
            self.requests.completed += 1;
        } else {
            self.requests.failed += 1;
            self.response_missing.record(ns);
        }
    }

    pub(super) fn record(self, options: &Options, made: Made) -> Record {
        let slow_ns = duration_ns(options.slow_above);
        let response_us = summarise(&self.response, Some(&self.response_missing));
        let lateness_us = summarise(&self.lateness, None);
        let slow =
            self.response.count_above(slow_ns) - self.response_missing.count_above(slow_ns) + self.requests.failed;
        let first = self.part.histogram.len();
        let slow_parts = self.part.count_above(slow_ns) + self.parts.asked.saturating_sub(first);
        let share = |count: u64, of: u64| (of > 0).then(|| count as f64 / of as f64);
        Record {
            schema: Record::SCHEMA,
            targets: made.targets,
            connections: options.connections,
            rate: options.rate,
            parts_per_request: options.parts,
            extra: options.extra,
            hedge_after_us: made.hedge_after_ns.map(|ns| ns as f64 / 1000.0),
            seed: options.seed,
            duration_us: made.duration_us,
            interrupted: made.interrupted,
            slow_parts: share(slow_parts, self.parts.asked),
            slow_requests: share(slow, self.requests.scheduled),
            verdict: verdict(&response_us, &lateness_us),
            requests: self.requests,
            parts: self.parts,
            part_us: summarise(&self.part, None),
            response_us,
            lateness_us,
            slow_above_us: slow_ns / 1000,
        }
    }
}

/// What the record needs beside the counts.
pub(super) struct Made {
    pub(super) targets: Vec<String>,
    pub(super) hedge_after_ns: Option<u64>,
    pub(super) duration_us: u64,
    pub(super) interrupted: bool,
}

/// Whether the times are to be believed.
fn verdict(response: &Summary, lateness: &Summary) -> State {
    // With few requests the longest stands for the p99.
    let high = |summary: &Summary| summary.p99.or(summary.p90).or(summary.max);
    let own = lateness.p99.or(lateness.p90).or(lateness.max);
    match high(response).zip(own) {
        Some((response, own)) if own > response * OWN_SHARE_MAX => State::Invalid,
        Some((response, own)) if own > response * OWN_SHARE_WARN => State::Warn,
        _ => State::Valid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_lateness_is_told() {
        let summary = |p99| Summary { p99: Some(p99), ..Summary::default() };
        for (response, own, expected) in
            [(100.0, 5.0, State::Valid), (100.0, 20.0, State::Warn), (100.0, 60.0, State::Invalid)]
        {
            assert_eq!(verdict(&summary(response), &summary(own)), expected, "{own} of {response}");
        }
        assert_eq!(verdict(&Summary::default(), &Summary::default()), State::Valid);
    }
}
