//! The samples between which a quantile of the distribution lies: a confidence interval that assumes nothing
//! about its shape. Works on ranks only; the caller has the values.

/// Either end of the interval misses the quantile with at most this probability: 95 % in between.
const MISS_PER_SIDE: f64 = 0.025;
/// The standard normal distribution exceeds this with [`MISS_PER_SIDE`].
const Z: f64 = 1.959_963_984_540_054;
/// If the binomial distribution's variance is above this, its normal approximation is off by less than one
/// rank, which is less than 1 % of the deviation (100 ranks). Below it, the exact sum is cheap.
const EXACT_VARIANCE_MAX: f64 = 10_000.0;
/// Terms this much smaller than the greatest add nothing that an f64 could hold.
const NEGLIGIBLE: f64 = 1e-20;

/// Ranks, counted from 1, of the samples that enclose a quantile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ranks {
    /// The quantile is at or above this sample; absent when even the least may lie above it.
    pub(crate) lower: Option<u64>,
    /// The quantile is at or below this sample; absent when even the greatest may lie below it.
    pub(crate) upper: Option<u64>,
}

/// The 95 % interval of quantile `p` of `count` independent samples.
///
/// The number of samples at or below the quantile is binomial, whatever the distribution. There is no
/// upper end unless `p` to the power of `count` is below 2.5 %, that is unless about 3.7 samples are
/// expected above the quantile. (The normal approximation would ask for 5.7.)
pub(crate) fn ranks(count: u64, p: f64) -> Ranks {
    if count == 0 || !(p > 0.0 && p < 1.0) {
        return Ranks { lower: None, upper: None };
    }
    let variance = count as f64 * p * (1.0 - p);
    if variance > EXACT_VARIANCE_MAX { approximate(count, p, variance.sqrt()) } else { exact(count, p) }
}

/// Terms of the binomial distribution around its mode, each relative to the greatest, from `first` on.
fn terms(count: u64, p: f64) -> (u64, Vec<f64>) {
    let (n, odds) = (count as f64, p / (1.0 - p));
    let mode = (((n + 1.0) * p) as u64).min(count);
    let (mut first, mut term, mut terms) = (mode, 1.0, vec![1.0]);
    while first > 0 && term > NEGLIGIBLE {
        term *= first as f64 / ((n - first as f64 + 1.0) * odds);
        first -= 1;
        terms.push(term);
    }
    terms.reverse();
    let (mut last, mut term) = (mode, 1.0);
    while last < count && term > NEGLIGIBLE {
        last += 1;
        term *= (n - last as f64 + 1.0) / last as f64 * odds;
        terms.push(term);
    }
    (first, terms)
}

fn exact(count: u64, p: f64) -> Ranks {
    let (first, terms) = terms(count, p);
    let allowed = MISS_PER_SIDE * terms.iter().sum::<f64>();
    // How many terms of a tail stay within the allowed probability.
    let within = |tail: &mut dyn Iterator<Item = &f64>| {
        let mut sum = 0.0;
        tail.take_while(|term| {
            sum += **term;
            sum <= allowed
        })
        .count() as u64
    };
    // Rank r misses the quantile when fewer than r samples lie at or below it.
    let lower = first + within(&mut terms.iter());
    let last = first + terms.len() as u64 - 1;
    let upper = last + 1 - within(&mut terms.iter().rev());
    Ranks { lower: (lower > 0).then_some(lower), upper: (upper <= count).then_some(upper) }
}

/// With continuity correction, and wider by one rank, because the skew of the binomial may shift it by that
/// much.
fn approximate(count: u64, p: f64, deviation: f64) -> Ranks {
    let mean = count as f64 * p;
    let lower = (mean + 0.5 - Z * deviation).floor() - 1.0;
    let upper = (mean + 0.5 + Z * deviation).ceil() + 1.0;
    Ranks { lower: (lower >= 1.0).then_some(lower as u64), upper: (upper <= count as f64).then_some(upper as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;
    use rand_distr::{Binomial, Distribution};

    #[test]
    fn tabulated_ranks() {
        for (count, p, lower, upper) in [
            // Confidence intervals of the median as tables of the sign test have them.
            (5, 0.5, None, None),
            (6, 0.5, Some(1), Some(6)),
            (10, 0.5, Some(2), Some(9)),
            (20, 0.5, Some(6), Some(15)),
            (100, 0.5, Some(40), Some(61)),
            // Summed in rational numbers. 0.99^367 = 0.02501, 0.99^368 = 0.02476: the first with an upper end.
            (367, 0.99, Some(359), None),
            (368, 0.99, Some(360), Some(368)),
            (1000, 0.9, Some(881), Some(919)),
            (1000, 0.99, Some(983), Some(997)),
            (0, 0.5, None, None),
            (10, 0.0, None, None),
            (10, 1.0, None, None),
            (10, f64::NAN, None, None),
        ] {
            assert_eq!(ranks(count, p), Ranks { lower, upper }, "{count} samples, p {p}");
        }
    }

    #[test]
    fn an_upper_end_needs_less_than_four_samples_above() {
        for p in [0.9, 0.99, 0.999, 0.9999] {
            let first = (1..).find(|&count| ranks(count, p).upper.is_some()).unwrap();
            let above = first as f64 * (1.0 - p);
            assert!((3.4..3.8).contains(&above), "p {p}: from {first} samples on, {above} above");
        }
    }

    #[test]
    fn the_approximation_encloses_the_exact_interval_closely() {
        for (count, p) in [(50_000, 0.5), (300_000, 0.9), (2_000_000, 0.99), (20_000_000, 0.999), (200_000_000, 0.9999)]
        {
            let deviation = (count as f64 * p * (1.0 - p)).sqrt();
            let (exact, near) = (exact(count, p), approximate(count, p, deviation));
            let wider = [exact.lower.unwrap() - near.lower.unwrap(), near.upper.unwrap() - exact.upper.unwrap()];
            assert!(wider.iter().all(|ranks| *ranks <= 2), "{count} samples, p {p}: {exact:?} {near:?}");
        }
    }

    #[test]
    fn the_interval_covers_the_quantile_as_often_as_it_says() {
        const CASES: usize = 2000;
        for (seed, (count, p)) in [
            (20, 0.5),
            (1000, 0.5),
            (100, 0.9),
            (5000, 0.9),
            (1000, 0.99),
            (50_000, 0.99),
            (10_000, 0.999),
            (1_000_000, 0.999),
            (100_000, 0.9999),
            (1_000_000_000, 0.9999),
        ]
        .into_iter()
        .enumerate()
        {
            let mut random = ChaCha8Rng::seed_from_u64(seed as u64);
            // The ranks depend only on how many of `count` samples are at or below the quantile.
            let below = Binomial::new(count, p).unwrap();
            let Ranks { lower: Some(lower), upper: Some(upper) } = ranks(count, p) else {
                panic!("no interval for {count} samples, p {p}");
            };
            let covered = (0..CASES).filter(|_| (lower..upper).contains(&below.sample(&mut random))).count();
            assert!(covered * 100 >= 94 * CASES, "seed {seed}, {count} samples, p {p}: {covered} of {CASES}");
        }
    }
}
