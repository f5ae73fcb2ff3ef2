//! A distribution of times in a record: the quantiles that enough samples support, and how far chance alone
//! may have moved them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A quantile is printed when at least this many samples lie above it (V13).
pub(crate) const SAMPLES_ABOVE_MIN: f64 = 10.0;
/// Tolerance for rounding in a product such as 100 × (1 − 0.9), which is a little less than 10 in binary.
pub(crate) const ROUNDING: f64 = 1e-6;

/// A distribution of times in µs. A quantile with fewer than 10 samples above it is absent, and so is one
/// that falls among requests without a good reply: these rank above all others, because any of them might
/// have taken longer. `max` and `mean` use their lower bounds.
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
    /// absent when it does not exist or falls among requests whose reply never came. It assumes independent
    /// samples: if queues slow down neighbouring requests together, it is too narrow.
    pub ci95: BTreeMap<String, [Option<f64>; 2]>,
}

/// Samples expected above quantile `p`.
pub(crate) fn samples_above(count: u64, p: f64) -> f64 {
    count as f64 * (1.0 - p) + ROUNDING
}

impl Summary {
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
    pub fn printed(&self) -> impl Iterator<Item = (&'static str, f64, f64)> + use<> {
        self.quantiles().into_iter().filter_map(|(name, p, value)| Some((name, p, value?)))
    }
}
