//! Medians, ranges and ratios of a handful of repeats.
//!
//! There are no percentiles here on purpose: quantiles of latency come from merged histograms only.
//! An empty slice, or a value that is not a number, gives `None` rather than a figure nobody measured.

use serde::{Deserialize, Serialize};

/// The middle of several repeats, and how far they reach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// The middle value, or the mean of the middle two.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How many values there were.
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

    /// Whether some value could belong to either.
    pub fn overlaps(&self, other: &Range) -> bool {
        self.min <= other.max && other.min <= self.max
    }

    /// How likely it is that two ranges of so many values each do not overlap by mere chance: the share
    /// of orders of all the values in which one group comes wholly before the other.
    ///
    /// With three repeats against three it is 1 in 10, with five against five 1 in 126.
    pub fn chance_apart(&self, other: &Range) -> f64 {
        let (a, b) = (self.count as u32, other.count as u32);
        // 2 · a! · b! / (a + b)! without the factorials.
        (1..=b).map(|i| f64::from(i) / f64::from(a + i)).product::<f64>() * 2.0
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
        // Halved before adding: the sum of two large values need not be finite.
        sorted[middle - 1] / 2.0 + sorted[middle] / 2.0
    })
}

/// The median of `values` over the median of `base`.
pub fn ratio_of_medians(values: &[f64], base: &[f64]) -> Option<f64> {
    quotient(median(values)?, median(base)?)
}

/// The median of `value / base` over pairs taken in the same repeat. Interleaved arms drift together
/// with the machine, and pairing takes that drift out.
pub fn paired_ratio_median(values: &[f64], base: &[f64]) -> Option<f64> {
    if values.len() != base.len() {
        return None;
    }
    let ratios: Option<Vec<f64>> = values.iter().zip(base).map(|(v, b)| quotient(*v, *b)).collect();
    median(&ratios?)
}

/// `value / base` when that is a number.
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

    #[test]
    fn ranges_that_touch_overlap() {
        let range = |values: &[f64]| Range::of(values).unwrap();
        assert!(range(&[1.0, 2.0]).overlaps(&range(&[2.0, 3.0])));
        assert!(range(&[1.0, 9.0]).overlaps(&range(&[4.0, 5.0])));
        assert!(!range(&[1.0, 2.0]).overlaps(&range(&[2.1, 3.0])));
    }

    #[test]
    fn the_chance_of_lying_apart_counts_orders() {
        let of = |count| Range { median: 1.0, min: 1.0, max: 1.0, count };
        for (a, b, expected) in [(1, 1, 1.0), (3, 3, 0.1), (5, 5, 1.0 / 126.0), (2, 3, 0.2), (3, 2, 0.2)] {
            let chance = of(a).chance_apart(&of(b));
            assert!((chance - expected).abs() < 1e-12, "{a} against {b}: {chance}");
        }
    }

    #[test]
    fn ratios_refuse_what_has_none() {
        assert_eq!(ratio_of_medians(&[2.0, 4.0, 6.0], &[2.0]), Some(2.0));
        assert_eq!(ratio_of_medians(&[1.0], &[0.0]), None);
        assert_eq!(ratio_of_medians(&[], &[1.0]), None);
        assert_eq!(paired_ratio_median(&[2.0, 30.0, 4.0], &[1.0, 10.0, 4.0]), Some(2.0));
        assert_eq!(paired_ratio_median(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(paired_ratio_median(&[0.0], &[0.0]), None);
    }
}
