//! Medians and ranges of a handful of repeats, and what can be claimed from them.
//!
//! There are deliberately no percentiles here: quantiles of latency come from merged histograms only. An empty slice,
//! or a value that is not a number, gives `None` rather than a figure nobody measured.

pub mod blocks;

use serde::{Deserialize, Serialize};

/// The median of several repeats, and how far they spread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// The middle value, or the mean of the middle two.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Number of values.
    pub count: usize,
}

impl Range {
    /// The range of `values`; `None` when there are none or one is not finite.
    pub fn of(values: &[f64]) -> Option<Range> {
        Some(Range {
            median: median(values)?,
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            count: values.len(),
        })
    }

    /// `(max − min) / median`; `None` when the median is zero.
    pub fn spread(&self) -> Option<f64> {
        quotient(self.max - self.min, self.median)
    }
}

/// The middle value, or the mean of the middle two.
pub fn median(values: &[f64]) -> Option<f64> {
    if values.is_empty() || !values.iter().all(|value| value.is_finite()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    Some(if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        // Halved before adding, because the sum of two large values may overflow.
        sorted[middle - 1] / 2.0 + sorted[middle] / 2.0
    })
}

/// `value / base` if the result is a finite number.
fn quotient(value: f64, base: f64) -> Option<f64> {
    Some(value / base).filter(|quotient| quotient.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_single_and_no_values() {
        for (values, expected) in [
            (vec![3.0, 1.0, 2.0], Some(2.0)),
            (vec![4.0, 1.0, 3.0, 2.0], Some(2.5)),
            (vec![7.0], Some(7.0)),
            (vec![], None),
            (vec![1.0, f64::NAN], None),
            (vec![f64::INFINITY], None),
            (vec![f64::MAX, f64::MAX], Some(f64::MAX)),
        ] {
            assert_eq!(median(&values), expected, "{values:?}");
        }
    }

    #[test]
    fn ranges_know_their_spread() {
        let range = Range::of(&[10.0, 8.0, 12.0]).unwrap();
        assert_eq!(range, Range { median: 10.0, min: 8.0, max: 12.0, count: 3 });
        assert_eq!(range.spread(), Some(0.4));
        assert_eq!(Range::of(&[0.0]).unwrap().spread(), None);
        assert_eq!(Range::of(&[f64::NAN]), None);
    }
}
