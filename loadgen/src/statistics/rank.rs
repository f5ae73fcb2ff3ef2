//! Statistics of order: whether one series rises or falls with another, and the middle of a series. Neither
//! assumes a distribution, so a few outliers do not decide.

use statrs::function::beta::checked_beta_reg;

/// A rank correlation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Correlation {
    /// From −1 (one falls where the other rises) to 1.
    pub(crate) rho: f64,
    /// Probability of a correlation at least this strong without any dependence; two-sided.
    pub(crate) p: f64,
}

/// Spearman's rank correlation; equal values share their mean rank. `None` for fewer than three pairs,
/// lengths that differ, values that are no numbers, and a series that does not vary.
///
/// The p value is Student's t approximation, good from about ten pairs on (Kendall and Stuart, "The
/// Advanced Theory of Statistics" 2, chapter 31).
pub(crate) fn spearman(xs: &[f64], ys: &[f64]) -> Option<Correlation> {
    let is_number = |values: &[f64]| values.iter().all(|value| value.is_finite());
    if xs.len() != ys.len() || xs.len() < 3 || !is_number(xs) || !is_number(ys) {
        return None;
    }
    let (xs, ys) = (ranks(xs), ranks(ys));
    let mean = (xs.len() as f64 + 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum() };
    let scale = (product(&xs, &xs) * product(&ys, &ys)).sqrt();
    if scale == 0.0 {
        return None;
    }
    let rho = (product(&xs, &ys) / scale).clamp(-1.0, 1.0);
    let freedom = xs.len() as f64 - 2.0;
    // t² = rho² · freedom / (1 − rho²), and its two tails are an incomplete beta function of
    // freedom / (freedom + t²) = 1 − rho².
    let p = checked_beta_reg(freedom / 2.0, 0.5, 1.0 - rho * rho).ok()?;
    Some(Correlation { rho, p })
}

/// Ranks from 1; equal values get the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut done = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        // Ranks done + 1 to done + len.
        let mean = done as f64 + (equal.len() as f64 + 1.0) / 2.0;
        equal.iter().for_each(|&index| ranks[index] = mean);
        done += equal.len();
    }
    ranks
}

/// The middle value, or the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { upper } else { (sorted[middle - 1] + upper) / 2.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;
    use rand_distr::{Distribution, StandardUniform};

    #[test]
    fn published_correlations() {
        // The example of most textbooks: hours of television against intelligence.
        let intelligence = [106.0, 100.0, 86.0, 101.0, 99.0, 103.0, 97.0, 113.0, 112.0, 110.0];
        let hours = [7.0, 27.0, 2.0, 50.0, 28.0, 29.0, 20.0, 12.0, 6.0, 17.0];
        let rising: Vec<f64> = (0..10).map(f64::from).collect();
        let falling: Vec<f64> = rising.iter().map(|value| -value).collect();
        for (xs, ys, rho, p) in [
            (&intelligence[..], &hours[..], -29.0 / 165.0, 0.627_188_344_7),
            // The example in the documentation of scipy.stats.spearmanr; it has a tie.
            (&[1.0, 2.0, 3.0, 4.0, 5.0], &[5.0, 6.0, 7.0, 8.0, 7.0], 0.820_782_681_668_123_3, 0.088_587_005_313_543_81),
            (&rising, &rising, 1.0, 0.0),
            (&rising, &falling, -1.0, 0.0),
        ] {
            let found = spearman(xs, ys).unwrap();
            assert!((found.rho - rho).abs() < 1e-12 && (found.p - p).abs() < 1e-9, "{found:?}, not {rho} and {p}");
        }
    }

    #[test]
    fn no_correlation_of_what_does_not_vary() {
        for (xs, ys) in [
            (&[1.0, 2.0][..], &[1.0, 2.0][..]),
            (&[1.0, 2.0, 3.0], &[1.0, 2.0]),
            (&[1.0, 2.0, 3.0], &[5.0, 5.0, 5.0]),
            (&[1.0, 2.0, f64::NAN], &[1.0, 2.0, 3.0]),
        ] {
            assert_eq!(spearman(xs, ys), None, "{xs:?} {ys:?}");
        }
    }

    #[test]
    fn independent_series_look_dependent_as_often_as_the_p_value_says() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let time: Vec<f64> = (0..30).map(f64::from).collect();
        let found = (0..2000)
            .filter(|_| {
                let values: Vec<f64> = (0..30).map(|_| StandardUniform.sample(&mut random)).collect();
                spearman(&time, &values).unwrap().p < 0.01
            })
            .count();
        // 20 expected, give or take four deviations.
        assert!((3..=38).contains(&found), "seed 1: {found} of 2000");
    }

    #[test]
    fn medians() {
        for (values, expected) in
            [(&[][..], None), (&[3.0], Some(3.0)), (&[9.0, 1.0], Some(5.0)), (&[9.0, 1.0, 2.0], Some(2.0))]
        {
            assert_eq!(median(values), expected);
        }
    }
}
