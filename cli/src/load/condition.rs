//! The condition of `--find-knee`: a quantile of the response time must stay below a limit.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use loadgen::record::{Record, Summary};

/// Every quantile of a record: its name, its value, and where the record has it.
const QUANTILES: [Quantile; 5] = [
    Quantile { name: "p50", share: 0.5, of: |summary| summary.p50 },
    Quantile { name: "p90", share: 0.9, of: |summary| summary.p90 },
    Quantile { name: "p99", share: 0.99, of: |summary| summary.p99 },
    Quantile { name: "p99.9", share: 0.999, of: |summary| summary.p99_9 },
    Quantile { name: "p99.99", share: 0.9999, of: |summary| summary.p99_99 },
];
/// A record contains a quantile if at least this many samples lie above it.
const SAMPLES_ABOVE_MIN: f64 = 10.0;

struct Quantile {
    name: &'static str,
    share: f64,
    of: fn(&Summary) -> Option<f64>,
}

/// A quantile and its limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Condition {
    /// Index into [`QUANTILES`].
    quantile: usize,
    limit: Duration,
}

/// How a run fares against a condition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judgement {
    /// The measured quantile. Absent when the record does not contain it.
    pub(super) measured_us: Option<f64>,
    /// Whether the quantile is below the limit, and would also be in a longer run.
    pub(super) held: bool,
    /// Whether the quantile is mostly the generator's own lateness. Then it may hold, but a breach says nothing of the
    /// target.
    pub(super) is_generators_own: bool,
}

impl Condition {
    /// The quantile's name in tables.
    pub(super) fn quantile_name(self) -> &'static str {
        QUANTILES[self.quantile].name
    }

    /// With fewer replies than this, the record lacks the quantile.
    pub(super) fn samples_min(self) -> f64 {
        (SAMPLES_ABOVE_MIN / (1.0 - QUANTILES[self.quantile].share)).round()
    }

    /// The condition does not hold if the quantile is absent because it lies among missing replies. Nor does it hold
    /// at a rate that the target did not keep up with, because the quantile would grow in a longer run.
    pub(super) fn judge(self, record: &Record) -> Judgement {
        let measured_us = (QUANTILES[self.quantile].of)(&record.response_us);
        let is_below = measured_us.is_some_and(|us| us < self.limit.as_secs_f64() * 1e6);
        let is_queue_growing = record.queue.as_ref().is_some_and(|queue| queue.is_growing);
        let name = self.quantile_name().replace('.', "_");
        let is_generators_own = record.verdict.generators_own.contains(&name);
        Judgement { measured_us, held: is_below && !is_queue_growing, is_generators_own }
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Condition, String> {
        let names = || QUANTILES.map(|quantile| quantile.name).join(", ");
        let (name, limit) = text.split_once('<').ok_or("write a quantile and its limit, for example p99<5ms")?;
        let (name, limit) = (name.trim(), limit.trim());
        let quantile = QUANTILES
            .iter()
            .position(|known| known.name == name)
            .ok_or_else(|| format!("{name:?} is not one of {}", names()))?;
        let limit = humantime::parse_duration(limit).map_err(|error| format!("{limit:?}: {error}"))?;
        if limit.is_zero() {
            return Err("nothing is below a limit of zero".to_owned());
        }
        Ok(Condition { quantile, limit })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}<{}", self.quantile_name(), humantime::format_duration(self.limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_is_not_kept_up_with_does_not_hold() {
        let condition: Condition = "p50<1h".parse().expect("a condition");
        let mut record = crate::load::sample::record(Some(500.0));
        record.response_us.p50 = Some(5.0);
        for is_growing in [false, true] {
            record.queue.as_mut().expect("an open loop").is_growing = is_growing;
            let expected = Judgement { measured_us: Some(5.0), held: !is_growing, is_generators_own: false };
            assert_eq!(condition.judge(&record), expected);
        }
    }

    #[test]
    fn a_quantile_may_be_the_generators_own() {
        let mut record = crate::load::sample::record(Some(500.0));
        record.verdict.generators_own = vec!["p99_9".to_owned(), "max".to_owned()];
        for (text, expected) in [("p50<1h", false), ("p99<1h", false), ("p99.9<1h", true), ("p99.99<1h", false)] {
            let condition: Condition = text.parse().expect("a condition");
            assert_eq!(condition.judge(&record).is_generators_own, expected, "{text}");
        }
    }

    #[test]
    fn conditions() {
        for (text, expected, samples_min) in [
            ("p99<5ms", Ok("p99<5ms"), 1000.0),
            (" p99.9 < 1s ", Ok("p99.9<1s"), 10_000.0),
            ("p50<250us", Ok("p50<250us"), 20.0),
            ("p99.99<1500ms", Ok("p99.99<1s 500ms"), 100_000.0),
            ("p99", Err("p99<5ms"), 0.0),
            ("p98<5ms", Err("p99.9"), 0.0),
            ("p99<5", Err("\"5\""), 0.0),
            ("p99<0s", Err("zero"), 0.0),
            ("p99<-1ms", Err("-1ms"), 0.0),
            ("", Err("p99<5ms"), 0.0),
        ] {
            match (text.parse::<Condition>(), expected) {
                (Ok(condition), Ok(expected)) => {
                    assert_eq!((condition.to_string().as_str(), condition.samples_min()), (expected, samples_min));
                }
                (Err(message), Err(word)) => assert!(message.contains(word), "{text:?}: {message}"),
                (found, expected) => panic!("{text:?}: {found:?} instead of {expected:?}"),
            }
        }
    }
}
