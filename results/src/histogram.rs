//! Latency histograms as JSON has them: Base64 of the HdrHistogram V2 form, in nanoseconds, merged by counts.
//! Percentiles are never averaged, and a percentile that rests on too few values is absent.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};

mod bounded;
mod error;

pub use error::HistogramError;

/// Significant decimal digits of every histogram of this project.
const DIGITS: u8 = 3;

/// A percentile is given if at least this many values lie above it. With fewer, it says more about chance than about
/// the server.
const VALUES_ABOVE_MIN: f64 = 10.0;

/// Latencies in nanoseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

impl Default for Latencies {
    fn default() -> Self {
        Latencies::new()
    }
}

impl Latencies {
    /// An empty histogram that grows with its values.
    pub fn new() -> Latencies {
        Latencies { histogram: Histogram::new(DIGITS).expect("three digits are within the allowed one to five") }
    }

    /// Reads one histogram, in plain or deflated V2 form.
    pub fn decode(text: &str) -> Result<Latencies, HistogramError> {
        let bytes = BASE64_STANDARD.decode(text.trim())?;
        let plain = bounded::plain(&bytes)?;
        let histogram = Deserializer::new()
            .deserialize(&mut plain.as_ref())
            .map_err(|error| HistogramError::Format(format!("{error:?}")))?;
        Ok(Latencies { histogram })
    }

    /// Reads and merges several histograms.
    pub fn decode_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Latencies, HistogramError> {
        let mut merged = Latencies::new();
        for text in texts {
            merged.add(&Latencies::decode(text)?)?;
        }
        Ok(merged)
    }

    /// Writes the form that `decode` reads.
    pub fn encode(&self) -> Result<String, HistogramError> {
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(&self.histogram, &mut bytes)
            .map_err(|error| HistogramError::Format(format!("{error:?}")))?;
        Ok(BASE64_STANDARD.encode(bytes))
    }

    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Latencies) -> Result<(), HistogramError> {
        // A decoded histogram does not grow, but one that receives others must.
        self.histogram.auto(true);
        self.histogram.add(&other.histogram).map_err(|error| HistogramError::Merge(format!("{error:?}")))
    }

    /// Adds `count` values of `nanoseconds`.
    pub fn record(&mut self, nanoseconds: u64, count: u64) -> Result<(), HistogramError> {
        self.histogram.record_n(nanoseconds, count).map_err(|error| HistogramError::Merge(format!("{error:?}")))
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Number of values up to `time`, to the precision of the histogram.
    pub fn count_within(&self, time: Duration) -> u64 {
        self.histogram.count_between(0, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The value at `quantile` (0.99 for p99) in microseconds, or `None` when fewer than ten values lie
    /// above it.
    pub fn quantile_us(&self, quantile: f64) -> Option<f64> {
        if !(0.0..=1.0).contains(&quantile) {
            return None;
        }
        let above = self.histogram.len() as f64 * (1.0 - quantile);
        // 1 − 0.999 is not exactly a thousandth. With this tolerance, 10,000 values suffice for p99.9.
        (above >= VALUES_ABOVE_MIN * (1.0 - 1e-9)).then(|| self.histogram.value_at_quantile(quantile) as f64 / 1000.0)
    }

    /// The largest value in microseconds, or `None` without values.
    pub fn max_us(&self) -> Option<f64> {
        (!self.histogram.is_empty()).then(|| self.histogram.max() as f64 / 1000.0)
    }

    /// Number of values above one in microseconds, to the precision of the histogram.
    pub fn count_above_us(&self, microseconds: u64) -> u64 {
        self.histogram.len() - self.histogram.count_between(0, microseconds.saturating_mul(1000))
    }

    /// The histogram itself.
    pub(crate) fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uniform(count: u64, step_ns: u64) -> Latencies {
        let mut latencies = Latencies::new();
        (1..=count).for_each(|i| latencies.record(i * step_ns, 1).unwrap());
        latencies
    }

    #[test]
    fn values_above_one_are_counted() {
        let latencies = uniform(100, 1_000_000);
        assert_eq!([0, 50_500, 200_000].map(|above_us| latencies.count_above_us(above_us)), [100, 50, 0]);
        assert_eq!(Latencies::new().count_above_us(0), 0);
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let latencies = uniform(1000, 1000);
        let text = latencies.encode().unwrap();
        assert!(text.starts_with("HISTE"), "the V2 cookie in base64: {text}");
        let decoded = Latencies::decode(&text).unwrap();
        assert_eq!(decoded.count(), 1000);
        assert_eq!(decoded.quantile_us(0.5), latencies.quantile_us(0.5));
        for (us, expected) in [(0, 0), (500, 500), (1000, 1000), (5000, 1000)] {
            let found = decoded.count_within(Duration::from_micros(us));
            assert!(found.abs_diff(expected) <= 1, "{us} us: {found}");
        }
    }

    #[test]
    fn merging_adds_counts_and_grows() {
        let short = uniform(100, 1000).encode().unwrap();
        let mut long = Latencies::new();
        long.record(3_600_000_000_000, 100).unwrap();
        let long = long.encode().unwrap();
        let merged = Latencies::decode_all([short.as_str(), long.as_str()]).unwrap();
        assert_eq!(merged.count(), 200);
        // The mean of the two medians would be half an hour.
        assert!((merged.quantile_us(0.5).unwrap() - 100.0).abs() < 1.0);
        assert!((merged.quantile_us(0.9).unwrap() / 3.6e9 - 1.0).abs() < 1e-3);

        // A histogram that was decoded first can also receive larger values.
        let mut first = Latencies::decode(&short).unwrap();
        first.add(&Latencies::decode(&long).unwrap()).unwrap();
        assert_eq!(first.count(), 200);
    }

    #[test]
    fn a_percentile_needs_ten_values_above_it() {
        for (count, quantile, given) in [
            (999, 0.99, false),
            (1000, 0.99, true),
            (9999, 0.999, false),
            (10_000, 0.999, true),
            (20, 0.5, true),
            (19, 0.5, false),
            (0, 0.5, false),
            (1_000_000, 1.0, false),
            (1000, f64::NAN, false),
            (1000, -0.5, false),
        ] {
            let mut latencies = Latencies::new();
            latencies.record(1000, count).unwrap();
            assert_eq!(latencies.quantile_us(quantile).is_some(), given, "p{quantile} of {count}");
        }
    }

    #[test]
    fn garbage_is_an_error() {
        assert!(matches!(Latencies::decode("§"), Err(HistogramError::Base64(_))));
        assert!(matches!(Latencies::decode("AAAA"), Err(HistogramError::Format(_))));
        assert!(matches!(Latencies::decode(""), Err(HistogramError::Format(_))));
        assert!(Latencies::new().max_us().is_none());
    }
}
