//! What one worker counts and records in one interval. The worker hands it over at the end of the interval; the
//! collector adds the slices up.

use super::counters::{Reconnects, Requests};
use super::recorder::Recorder;
use crate::distribution::Distribution;
use crate::phase::IntervalPhase;
use std::borrow::Cow;

/// What happened in one interval on one worker.
#[derive(Debug)]
pub(crate) struct Slice {
    /// Counted from the first interval of its phase.
    pub(crate) index: u32,
    pub(crate) phase: IntervalPhase,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    pub(crate) requests: Requests,
    /// Present with a reconnect policy.
    pub(crate) reconnects: Option<Reconnects>,
    /// Open connections, and requests without a reply, at the end.
    pub(crate) open: u32,
    pub(crate) in_flight: u32,
    /// Arrivals noticed and without a connection, at the end.
    pub(crate) waiting: u64,
    /// CPU time of the worker, and the part of it that was polling with nothing to do.
    pub(crate) cpu_ns: u64,
    pub(crate) spun_ns: u64,
    pub(crate) response: Recorder,
    /// Response times that are only lower bounds; they are in `response` as well. Created for the first of them:
    /// it takes a quarter of a MiB, and most slices never need it.
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
            reconnects: None,
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

    /// The recorders and what they hold.
    pub(crate) fn recorders(&self) -> [(Distribution, &Recorder); 5] {
        [
            (Distribution::Response, &self.response),
            (Distribution::Service, &self.service),
            (Distribution::FirstByte, &self.first_byte),
            (Distribution::Lateness, &self.lateness),
            (Distribution::BackPressure, &self.back_pressure),
        ]
    }

    /// Records requests without a good reply: it would have taken longer than this.
    pub(crate) fn record_missing(&mut self, waited_ns: u64, count: u64) {
        self.response.record_n(waited_ns, count);
        self.missing.get_or_insert_with(|| Box::new(Recorder::new())).record_n(waited_ns, count);
    }

    /// Good replies that took longer than this, to the precision of the histogram.
    pub(crate) fn late(&self, patience_ns: u64) -> u64 {
        let missing = self.missing.as_deref().map_or(0, |missing| missing.count_above(patience_ns));
        self.response.count_above(patience_ns).saturating_sub(missing)
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

    /// Response times for files, which have no second histogram for lower bounds. Each lower bound is raised to at
    /// least the longest good reply: it then ranks above all of these, and is still a lower bound.
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
    pub(crate) fn ranked_recorders(&self) -> [(Distribution, Cow<'_, Recorder>); 5] {
        let mut recorders = self.recorders().map(|(name, recorder)| (name, Cow::Borrowed(recorder)));
        recorders[0].1 = self.ranked_response();
        recorders
    }

    /// Empties it for the next interval.
    /// `pause` is called between pieces of work.
    pub(crate) fn reset_in_bites(&mut self, pause: impl Fn()) {
        self.requests = Requests::default();
        self.reconnects = None;
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
        if let Some(others) = &other.reconnects {
            self.reconnects.get_or_insert_default().add(others);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Refusals after 40 µs once ranked lowest in the files and made a server look fast.
    #[test]
    fn what_failed_early_ranks_behind_good_replies_in_files() {
        let mut slice = Slice::new();
        slice.response.record_n(20_000_000, 90);
        slice.record_missing(40_000, 8);
        slice.record_missing(50_000_000, 2);
        let files = slice.ranked_recorders();
        let (distribution, response) = (files[0].0, &files[0].1.histogram);
        assert_eq!((distribution, response.len()), (Distribution::Response, 100));
        assert!(response.equivalent(response.min(), 20_000_000), "{}", response.min());
        assert!(response.equivalent(response.max(), 50_000_000), "{}", response.max());
        assert!(response.equivalent(response.value_at_quantile(0.97), 20_000_000));
        assert_eq!(slice.answered().histogram.len(), 90);
        assert!(matches!(Slice::new().ranked_recorders()[0].1, Cow::Borrowed(_)), "nothing is copied without need");
    }
}
