//! Whether samples follow a fully specified distribution, by the Anderson–Darling test. It gives weight to
//! the tails, where a generator that cannot keep up shows first.

use statrs::function::gamma::{checked_gamma_lr, checked_gamma_ur};

/// Exceeded in 1 % of cases by samples that do follow a fully specified distribution (case 0), for five
/// samples or more: M. A. Stephens, "EDF Statistics for Goodness of Fit and Some Comparisons", JASA 69
/// (1974), table 1.
pub(crate) const CRITICAL_1_PERCENT: f64 = 3.857;

/// The statistic A² of `samples` under the distribution whose lower and upper tail `tails` returns. `None` if
/// there are no samples or one of them is NaN.
pub(crate) fn anderson_darling(samples: &[f64], tails: impl Fn(f64) -> (f64, f64)) -> Option<f64> {
    if samples.is_empty() || samples.iter().any(|sample| !sample.is_finite()) {
        return None;
    }
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    // A sample where the distribution has no mass would make the sum infinite; this makes it just huge.
    let ln = |share: f64| share.max(f64::MIN_POSITIVE).ln();
    let logarithms: Vec<(f64, f64)> = sorted.iter().map(|&sample| tails(sample)).map(|(a, b)| (ln(a), ln(b))).collect();
    let weighted = logarithms.iter().zip(logarithms.iter().rev()).enumerate();
    let sum: f64 = weighted.map(|(index, (low, high))| (2 * index + 1) as f64 * (low.0 + high.1)).sum();
    let count = sorted.len() as f64;
    Some(-count - sum / count)
}

/// Tails of the exponential distribution of mean 1.
fn exponential_tails(value: f64) -> (f64, f64) {
    let value = value.max(0.0);
    (-(-value).exp_m1(), (-value).exp())
}

/// Tails of the sum of `count` independent exponential variables of mean 1: the gamma distribution.
pub(crate) fn gamma_tails(count: u32) -> impl Fn(f64) -> (f64, f64) {
    let shape = f64::from(count.max(1));
    move |value| {
        if count <= 1 {
            return exponential_tails(value);
        }
        // Nothing lies below zero, and the functions are defined for positive values only.
        match (checked_gamma_lr(shape, value), checked_gamma_ur(shape, value)) {
            (Ok(lower), Ok(upper)) => (lower, upper),
            _ => (0.0, 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;
    use rand_distr::{Distribution, Exp1};

    fn uniform_tails(value: f64) -> (f64, f64) {
        (value, 1.0 - value)
    }

    #[test]
    fn statistics_worked_out_by_hand() {
        for (samples, expected) in [
            (&[0.5][..], 2.0 * 2f64.ln() - 1.0),
            (&[0.75, 0.25], 2.0 * 2f64.ln() - 3.0 * 0.75f64.ln() - 2.0),
            (&[0.1, 0.5, 0.9], -3.0 - (2.0 * 0.1f64.ln() + 6.0 * 0.5f64.ln() + 10.0 * 0.9f64.ln()) / 3.0),
        ] {
            let found = anderson_darling(samples, uniform_tails).unwrap();
            assert!((found - expected).abs() < 1e-12, "{samples:?}: {found}, not {expected}");
        }
        for samples in [&[][..], &[0.5, f64::NAN], &[f64::INFINITY]] {
            assert_eq!(anderson_darling(samples, uniform_tails), None, "{samples:?}");
        }
        assert!(anderson_darling(&[0.0, 0.5], uniform_tails).is_some_and(|found| found > 100.0 && found.is_finite()));
    }

    /// Computed at 30 digits by another implementation of the regularised incomplete gamma function.
    #[test]
    fn tails_of_sums_of_exponentials() {
        for (count, value, lower, upper) in [
            (1, 1.0, 0.632_120_558_828_557_7, 0.367_879_441_171_442_3),
            (2, 0.5, 0.090_204_010_431_049_86, 0.909_795_989_568_950_1),
            (5, 10.0, 0.970_747_311_923_038_9, 0.029_252_688_076_961_07),
            (100, 70.0, 4.303_725_949_798_909e-4, 0.999_569_627_405_020_1),
            (1000, 1100.0, 0.998_940_676_746_07, 1.059_323_253_929_977_3e-3),
            (7, 0.0, 0.0, 1.0),
            (7, -1.0, 0.0, 1.0),
        ] {
            let found = gamma_tails(count)(value);
            for (found, expected) in [(found.0, lower), (found.1, upper)] {
                assert!((found - expected).abs() <= 1e-9 * expected, "{count} {value}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn samples_of_the_distribution_exceed_the_critical_value_in_one_case_of_a_hundred() {
        const CASES: usize = 2000;
        for (seed, count) in [1, 7, 100].into_iter().enumerate() {
            let mut random = ChaCha8Rng::seed_from_u64(seed as u64);
            let mut sum = || (0..count).map(|_| -> f64 { Exp1.sample(&mut random) }).sum::<f64>();
            let exceeded = (0..CASES)
                .filter(|_| {
                    let samples: Vec<f64> = (0..50).map(|_| sum()).collect();
                    anderson_darling(&samples, gamma_tails(count)).unwrap() > CRITICAL_1_PERCENT
                })
                .count();
            // 20 expected, give or take four deviations.
            assert!((3..=38).contains(&exceeded), "seed {seed}, sums of {count}: {exceeded} of {CASES}");
        }
    }

    #[test]
    fn other_arrivals_than_poisson_are_told_apart() {
        for (name, sample) in [
            ("constant", (|_| 1.0) as fn(u32) -> f64),
            ("uniform", |index| f64::from(index % 100) / 50.0),
            ("20 % too slow", |index| -1.2 * (1.0 - (f64::from(index) + 0.5) / 1000.0).ln()),
            (
                "in pairs",
                |index| if index % 2 == 0 { 0.001 } else { -2.0 * (1.0 - (f64::from(index) + 0.5) / 1000.0).ln() },
            ),
        ] {
            let samples: Vec<f64> = (0..1000).map(sample).collect();
            let found = anderson_darling(&samples, gamma_tails(1)).unwrap();
            assert!(found > 2.0 * CRITICAL_1_PERCENT, "{name}: {found}");
        }
    }
}
