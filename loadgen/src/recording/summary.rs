//! Makes the summary of a histogram: samples that are only lower bounds rank above all others.

use super::recorder::Recorder;
use crate::record::{Quantiles, ROUNDING, SAMPLES_ABOVE_MIN, Summary, samples_above};
use crate::statistics::ranks;
use hdrhistogram::Histogram;
use std::borrow::Cow;
use std::collections::BTreeMap;

const NS_PER_US: f64 = 1000.0;

/// Samples in order of length; those that are only lower bounds come after all others.
struct Samples<'a> {
    known: Cow<'a, Histogram<u64>>,
    /// Including the lower bounds.
    count: u64,
}

impl<'a> Samples<'a> {
    /// `missing` has those samples of `all` that are lower bounds.
    fn new(all: &'a Recorder, missing: Option<&Recorder>) -> Samples<'a> {
        let count = all.histogram.len();
        let known = match missing.filter(|missing| !missing.histogram.is_empty()) {
            None => Cow::Borrowed(&all.histogram),
            Some(missing) => {
                let mut known = all.histogram.clone();
                known.subtract(&missing.histogram).expect("each of them was recorded in both");
                Cow::Owned(known)
            }
        };
        Samples { known, count }
    }

    fn unknown(&self) -> u64 {
        self.count - self.known.len()
    }

    /// The sample at a rank, counted from 1, in ns; the upper edge of its bucket.
    fn at(&self, rank: u64) -> u64 {
        // Half a rank lower, because the histogram rounds the product of quantile and count up.
        self.known.value_at_quantile((rank as f64 - 0.5) / self.known.len() as f64)
    }

    /// Value of quantile `p` in µs, if enough samples lie above it and it does not fall among the lower
    /// bounds.
    fn quantile_us(&self, p: f64) -> Option<f64> {
        let above = samples_above(self.count, p);
        let is_known = above >= SAMPLES_ABOVE_MIN && (self.unknown() as f64) < above - 2.0 * ROUNDING;
        let rank = (self.count as f64 * p - ROUNDING).ceil() as u64;
        is_known.then(|| self.at(rank) as f64 / NS_PER_US)
    }

    /// The 95 % interval of quantile `p` in µs. Each end is the outer edge of its bucket.
    fn interval_us(&self, p: f64) -> [Option<f64>; 2] {
        let ranks = ranks(self.count, p);
        let is_known = |rank: &u64| *rank <= self.known.len();
        let lower = |rank| self.known.lowest_equivalent(self.at(rank)) as f64 / NS_PER_US;
        let upper = |rank| self.at(rank) as f64 / NS_PER_US;
        [ranks.lower.filter(is_known).map(lower), ranks.upper.filter(is_known).map(upper)]
    }
}

/// Summarises a recorder; `missing` has those of its samples that are lower bounds.
pub(crate) fn summarise(recorder: &Recorder, missing: Option<&Recorder>) -> Summary {
    let histogram = &recorder.histogram;
    let count = histogram.len();
    if count == 0 {
        return Summary::default();
    }
    let samples = Samples::new(recorder, missing);
    let us = |value: u64| Some(value as f64 / NS_PER_US);
    let quantile = |p: f64| samples.quantile_us(p);
    let mut summary = Summary {
        count,
        min: us(if samples.known.is_empty() { histogram.min() } else { samples.known.min() }),
        p50: quantile(0.5),
        p90: quantile(0.9),
        p99: quantile(0.99),
        p99_9: quantile(0.999),
        p99_99: quantile(0.9999),
        max: us(histogram.max()),
        mean: Some(histogram.mean() / NS_PER_US),
        ci95: BTreeMap::new(),
    };
    let intervals = summary.printed().map(|(name, p, _)| (name.to_owned(), samples.interval_us(p)));
    summary.ci95 = intervals.collect();
    summary
}

/// The quantiles of one interval; `missing` has those of its samples that are lower bounds.
pub(crate) fn quantiles(recorder: &Recorder, missing: Option<&Recorder>) -> Quantiles {
    let histogram = &recorder.histogram;
    let samples = Samples::new(recorder, missing);
    let quantile = |p: f64| samples.quantile_us(p);
    Quantiles {
        count: histogram.len(),
        p50: quantile(0.5),
        p90: quantile(0.9),
        p99: quantile(0.99),
        p99_9: quantile(0.999),
        max: (!histogram.is_empty()).then(|| histogram.max() as f64 / NS_PER_US),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;
    use rand_distr::{Distribution, Exp1};

    fn recorder(values: impl IntoIterator<Item = u64>) -> Recorder {
        let mut recorder = Recorder::new();
        values.into_iter().for_each(|value| recorder.record(value));
        recorder
    }

    #[test]
    fn quantiles_need_samples_above_them() {
        for (count, printed) in
            [(0, 0), (19, 0), (20, 1), (99, 1), (100, 2), (999, 2), (1000, 3), (10_000, 4), (100_000, 5)]
        {
            let recorder = recorder((1..=count).map(|value| value * 1000));
            let summary = summarise(&recorder, None);
            assert_eq!(summary.printed().count(), printed, "{count} samples");
            assert_eq!(summary.ci95.len(), printed, "{count} samples");
            assert_eq!(summary.max.is_some(), count > 0);
            let of_interval = quantiles(&recorder, None);
            assert_eq!(
                (of_interval.count, of_interval.p50, of_interval.p90),
                (summary.count, summary.p50, summary.p90)
            );
            assert_eq!(
                (of_interval.p99, of_interval.p99_9, of_interval.max),
                (summary.p99, summary.p99_9, summary.max)
            );
        }
    }

    /// 1,000 samples of 1 to 1,000 ms, the longest of which are lower bounds.
    #[test]
    fn quantiles_among_missing_replies_are_absent() {
        for (unknown, printed, with_upper_end) in [
            (0, &["p50", "p90", "p99"][..], &["p50", "p90", "p99"][..]),
            // The upper end of p99 is sample 997.
            (3, &["p50", "p90", "p99"], &["p50", "p90", "p99"]),
            (4, &["p50", "p90", "p99"], &["p50", "p90"]),
            (9, &["p50", "p90", "p99"], &["p50", "p90"]),
            (10, &["p50", "p90"], &["p50", "p90"]),
            // That of p90 is sample 919.
            (82, &["p50", "p90"], &["p50"]),
            (100, &["p50"], &["p50"]),
            (499, &["p50"], &[]),
            (500, &[], &[]),
            (1000, &[], &[]),
        ] {
            let times = |from: u64| recorder((from..=1000).map(|ms| ms * 1_000_000));
            let summary = summarise(&times(1), Some(&times(1001 - unknown)));
            let names: Vec<&str> = summary.printed().map(|(name, _, _)| name).collect();
            assert_eq!(names, printed, "{unknown} unknown");
            let names: Vec<&str> =
                summary.ci95.iter().filter(|(_, ends)| ends[1].is_some()).map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, with_upper_end, "{unknown} unknown");
            assert!(summary.ci95.values().all(|ends| ends[0].is_some()), "{unknown} unknown: {summary:?}");
        }
    }

    #[test]
    fn what_is_missing_does_not_change_what_is_known() {
        let with = |missing: u64| {
            let missing = std::iter::repeat_n(missing, 10);
            let all = recorder((1..=990).map(|ms| ms * 1_000_000).chain(missing.clone()));
            (summarise(&all, Some(&recorder(missing.clone()))), quantiles(&all, Some(&recorder(missing))))
        };
        // However early these ten lost their connections.
        for (earlier, later) in [(5_000_000_000, 60_000_000_000), (1000, 990_000_000)] {
            let ((all, interval), (longer, _)) = (with(earlier), with(later));
            assert_eq!((all.p50, all.p90, &all.ci95), (longer.p50, longer.p90, &longer.ci95));
            assert_eq!((interval.p50, interval.p90, interval.p99), (all.p50, all.p90, None));
            // Equal within the width of a bucket; the request lost after 1 us does not lower it.
            assert_eq!(all.min.map(f64::round), Some(1000.0));
            assert_eq!(all.min, longer.min);
            assert!(all.p99.is_none() && all.max <= longer.max);
            let p90_us = all.p90.unwrap();
            assert!((p90_us / 900_000.0 - 1.0).abs() < 0.001, "{p90_us}: the 900th of 1,000");
        }
    }

    #[test]
    fn intervals_are_the_samples_at_their_ranks() {
        // 0.9 of 1,000 lies between samples 881 and 919; the histogram keeps three digits.
        let summary = summarise(&recorder((1..=1000).map(|us| us * 1000)), None);
        let [Some(lower), Some(upper)] = summary.ci95["p90"] else { panic!("{summary:?}") };
        for (found, expected) in [(lower, 881.0), (upper, 919.0)] {
            assert!((found / expected - 1.0).abs() < 0.001, "{found}, not {expected}");
        }
        assert!(lower <= 881.0 && upper >= 919.0, "an end is the outer edge of its bucket");
    }

    #[test]
    fn intervals_of_recorded_times_cover_the_true_quantile() {
        const CASES: usize = 2000;
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut recorder = Recorder::new();
        let mut covered = BTreeMap::new();
        for _ in 0..CASES {
            recorder.histogram.reset();
            // Exponential with a mean of 1 ms: quantile p is −ln(1 − p) ms.
            (0..1000).for_each(|_| {
                let gap: f64 = Exp1.sample(&mut random);
                recorder.record((gap * 1e6) as u64);
            });
            let summary = summarise(&recorder, None);
            for (name, p, _) in summary.printed() {
                let [Some(lower), Some(upper)] = summary.ci95[name] else { panic!("{summary:?}") };
                let truth_us = -1000.0 * (1.0 - p).ln();
                *covered.entry(name).or_insert(0) += usize::from((lower..=upper).contains(&truth_us));
            }
        }
        assert_eq!(covered.len(), 3);
        assert!(covered.values().all(|count| count * 100 >= 94 * CASES), "seed 7, of {CASES}: {covered:?}");
    }
}
