//! What a record says of a distribution of times: quantiles that enough samples bear out, and how far
//! chance alone may have moved them. Reads histograms; records nothing.

use super::Quantiles;
use crate::statistics::ranks;
use crate::tally::Recorder;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A quantile is printed when at least this many samples lie above it (V13).
pub(crate) const SAMPLES_ABOVE_MIN: f64 = 10.0;
/// What rounding may take from a product such as 100 × (1 − 0.9), which is a little less than 10 in binary.
const ROUNDING: f64 = 1e-6;
const NS_PER_US: f64 = 1000.0;

/// A distribution of times in µs. A quantile with fewer than 10 samples above it is absent, and so is
/// one that falls among requests whose reply never came.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Summary {
    pub count: u64,
    pub min: Option<f64>,
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p99: Option<f64>,
    pub p99_9: Option<f64>,
    pub p99_99: Option<f64>,
    pub max: Option<f64>,
    pub mean: Option<f64>,
    /// The 95 % interval of each printed quantile, `[lower, upper]` in µs by its name. The upper end is
    /// absent when it does not exist or falls among requests whose reply never came. It presumes
    /// independent samples: where queues make neighbouring requests slow together, it is too narrow.
    #[serde(default)]
    pub ci95: BTreeMap<String, [Option<f64>; 2]>,
}

/// Samples expected above quantile `p`.
pub(crate) fn samples_above(count: u64, p: f64) -> f64 {
    count as f64 * (1.0 - p) + ROUNDING
}

/// Value of quantile `p` in µs, if enough samples lie above it and fewer than those are unknown.
fn quantile_us(histogram: &Histogram<u64>, unknown: u64, p: f64) -> Option<f64> {
    let above = samples_above(histogram.len(), p);
    let is_known = above >= SAMPLES_ABOVE_MIN && (unknown as f64) < above - 2.0 * ROUNDING;
    is_known.then(|| histogram.value_at_quantile(p) as f64 / NS_PER_US)
}

/// The 95 % interval of quantile `p` in µs. Each end is the outer edge of its bucket.
fn interval_us(histogram: &Histogram<u64>, unknown: u64, p: f64) -> [Option<f64>; 2] {
    let count = histogram.len();
    let ranks = ranks(count, p);
    // Half a rank lower, because the histogram rounds the product of quantile and count up.
    let at = |rank: u64| histogram.value_at_quantile((rank as f64 - 0.5) / count as f64);
    let is_known = |rank: &u64| *rank <= count.saturating_sub(unknown);
    let lower = ranks.lower.filter(is_known).map(|rank| histogram.lowest_equivalent(at(rank)) as f64 / NS_PER_US);
    let upper = ranks.upper.filter(is_known).map(|rank| at(rank) as f64 / NS_PER_US);
    [lower, upper]
}

impl Summary {
    /// Summarises a recorder. `unknown` of its samples are lower bounds and count as longer than all
    /// others: a request without a reply has been waited for through the whole grace.
    pub(crate) fn of(recorder: &Recorder, unknown: u64) -> Summary {
        let histogram = &recorder.histogram;
        let count = histogram.len();
        if count == 0 {
            return Summary::default();
        }
        let us = |value: u64| Some(value as f64 / NS_PER_US);
        let quantile = |p: f64| quantile_us(histogram, unknown, p);
        let mut summary = Summary {
            count,
            min: us(histogram.min()),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p99_9: quantile(0.999),
            p99_99: quantile(0.9999),
            max: us(histogram.max()),
            mean: Some(histogram.mean() / NS_PER_US),
            ci95: BTreeMap::new(),
        };
        let intervals = summary.printed().map(|(name, p, _)| (name.to_owned(), interval_us(histogram, unknown, p)));
        summary.ci95 = intervals.collect();
        summary
    }

    /// Every quantile: its name in records, its share and its value.
    pub(crate) fn quantiles(&self) -> [(&'static str, f64, Option<f64>); 5] {
        [
            ("p50", 0.5, self.p50),
            ("p90", 0.9, self.p90),
            ("p99", 0.99, self.p99),
            ("p99_9", 0.999, self.p99_9),
            ("p99_99", 0.9999, self.p99_99),
        ]
    }

    /// The quantiles that have a value.
    pub(crate) fn printed(&self) -> impl Iterator<Item = (&'static str, f64, f64)> + use<> {
        self.quantiles().into_iter().filter_map(|(name, p, value)| Some((name, p, value?)))
    }
}

impl Quantiles {
    /// The quantiles of one interval, every sample of which is known.
    pub(crate) fn of(recorder: &Recorder) -> Quantiles {
        let histogram = &recorder.histogram;
        let quantile = |p: f64| quantile_us(histogram, 0, p);
        Quantiles {
            count: histogram.len(),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p99_9: quantile(0.999),
            max: (!histogram.is_empty()).then(|| histogram.max() as f64 / NS_PER_US),
        }
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
            let summary = Summary::of(&recorder, 0);
            assert_eq!(summary.printed().count(), printed, "{count} samples");
            assert_eq!(summary.ci95.len(), printed, "{count} samples");
            assert_eq!(summary.max.is_some(), count > 0);
            let quantiles = Quantiles::of(&recorder);
            assert_eq!((quantiles.count, quantiles.p50, quantiles.p90), (summary.count, summary.p50, summary.p90));
            assert_eq!((quantiles.p99, quantiles.p99_9, quantiles.max), (summary.p99, summary.p99_9, summary.max));
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
            let summary = Summary::of(&recorder((1..=1000).map(|ms| ms * 1_000_000)), unknown);
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
        let known = (1..=990).map(|ms| ms * 1_000_000);
        let all = Summary::of(&recorder(known.clone().chain((0..10).map(|_| 5_000_000_000))), 10);
        let longer = Summary::of(&recorder(known.chain((0..10).map(|_| 60_000_000_000))), 10);
        assert_eq!((all.p50, all.p90, &all.ci95), (longer.p50, longer.p90, &longer.ci95));
        assert!(all.p99.is_none() && all.max < longer.max);
    }

    #[test]
    fn intervals_are_the_samples_at_their_ranks() {
        // 0.9 of 1,000 lies between samples 881 and 919; the histogram keeps three digits.
        let summary = Summary::of(&recorder((1..=1000).map(|us| us * 1000)), 0);
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
            let summary = Summary::of(&recorder, 0);
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
