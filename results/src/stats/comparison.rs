//! Whether one arm needs more than another, judged from a handful of repeats: a ratio, the interval in which the true
//! ratio may lie, and what can be claimed. Uses only medians of measurements; no quantile of latency passes through
//! here.
//!
//! Arms of the same repeat drift together with the machine, so their ratios are compared ([`paired`]). All reasoning
//! is on logarithms: half and double are equally far from 1.
//!
//! **The interval of paired ratios.** From [`PAIRS_OF_ORDER_MIN`] pairs on, it reaches from the k-th smallest to the
//! k-th largest ratio. It holds the true median in 1 − 2·P(B < k) of all cases (B binomial with ½), whatever the
//! distribution of the ratios. k is the largest number for which that is at least 95 %. With fewer pairs no such
//! interval exists: from the smallest to the largest of 5 ratios it is 93.75 %, of 3 only 75 %. There it is Student's
//! interval of the mean of the logarithms, at 96 %. That needs an assumption: the noise of a pair is as likely to
//! favour one arm as the other. The usual choice, the percentile bootstrap of a median, claims 95 % but holds 87.5 %
//! with 7 pairs, because its ends are the second and the sixth ratio.
//!
//! **Unpaired values** ([`unpaired`]): percentile bootstrap of the ratio of medians, 95 %, from
//! [`VALUES_OF_BOOTSTRAP_MIN`] values on each side. With fewer values the bootstrap errs in 10 % of cases, so
//! Student's interval for means of logarithms takes its place, with the degrees of freedom of the smaller side.
//!
//! `stats/comparison/rates.rs` measured these rates on 20,000 made-up comparisons each. The noise of the logarithms is
//! normal, 10 %. In *spikes* one run in seven takes up to 4.5 times as long; in *one-sided* only the runs of one arm
//! do. Each pair shares a drift of 50 %.
//!
//! | pairs | method | false differences, normal | spikes | interval holds the truth, normal | spikes | one-sided |
//! |---|---|---|---|---|---|---|
//! | 3 | Student | 3.9 % | 2.2 % | 96.1 % | 97.8 % | 96.8 % |
//! | 5 | Student | 4.2 % | 1.6 % | 95.8 % | 98.5 % | 97.4 % |
//! | 7 | order statistics | 1.6 % | 1.6 % | 98.5 % | 98.4 % | 98.3 % |
//! | 9 | order statistics | 4.0 % | 3.9 % | 96.0 % | 96.1 % | 96.0 % |
//! | 15 | order statistics | 3.6 % | 3.5 % | 96.4 % | 96.5 % | 96.4 % |
//!
//! (False differences without a smallest effect; with 2 % there are no more of them.) Unpaired, 1,500 trials each:
//! 1.0 % and 0.4 % with 3 values on each side, 3.1 % with 5, 3.7 % and 3.1 % with 9. When an arm needs half as much
//! again, 3 pairs detect it in 64 % of cases, 5 pairs in 99 %.

use serde::{Deserialize, Serialize};

use super::median;
use random::Random;

/// The share of cases in which an interval should hold the truth.
pub const COVERAGE: f64 = 0.95;
/// With at least this many pairs, an interval between order statistics reaches [`COVERAGE`].
pub const PAIRS_OF_ORDER_MIN: usize = 6;
/// With at least this many values on each side, the bootstrap of medians errs in at most 5 % of cases.
pub const VALUES_OF_BOOTSTRAP_MIN: usize = 5;

/// Resamples of the bootstrap. The quantiles at 2.5 % then vary by a fraction of the interval's own noise.
const RESAMPLES: usize = 2000;
/// Seed of the resampling. Any constant would do.
const SEED: u64 = 0x0c10_0000;
/// The coverage that Student's interval aims at: slightly more than [`COVERAGE`], because noise is never quite normal.
const COVERAGE_OF_STUDENT: f64 = 0.96;
/// Student's t at 98 % for 1 to 4 degrees of freedom.
const STUDENT: [f64; 4] = [15.895, 4.849, 3.482, 2.999];

/// What can be said about an arm compared with its reference, where less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// It needs less: the whole interval is below 1, and the ratio is at least the smallest effect that matters away
    /// from 1.
    Better,
    /// It needs more, by the same rule.
    Worse,
    /// The whole interval is closer to 1 than an effect that matters.
    NoDifference,
    /// The interval allows a difference as well as none.
    Inconclusive,
}

impl Judgement {
    /// All judgements, in the order of reports.
    pub const ALL: [Judgement; 4] =
        [Judgement::Better, Judgement::Worse, Judgement::NoDifference, Judgement::Inconclusive];

    /// Its name in reports and on terminals.
    pub fn words(self) -> &'static str {
        match self {
            Judgement::Better => "better",
            Judgement::Worse => "worse",
            Judgement::NoDifference => "no measurable difference",
            Judgement::Inconclusive => "inconclusive",
        }
    }
}

/// How an interval was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Between two of the ratios themselves. Assumes nothing about their distribution.
    OrderStatistics,
    /// Student's, of the mean of the logarithms. Assumes symmetric noise.
    Student,
    /// Percentiles of resampled ratios of medians.
    Bootstrap,
}

/// The range in which the true ratio most likely lies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// The share of cases in which such an interval holds the truth: at least [`COVERAGE`].
    pub coverage: f64,
    /// How it was found.
    pub method: Method,
}

/// One arm against another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The median of the paired ratios, or the ratio of the medians.
    pub ratio: f64,
    /// Absent when there are too few values.
    pub interval: Option<Interval>,
    /// Number of pairs, or of values on the smaller side.
    pub count: usize,
    /// What can be claimed.
    pub judgement: Judgement,
}

impl Comparison {
    fn new(ratio: f64, interval: Option<Interval>, count: usize, effect_min: f64) -> Comparison {
        // Includes the ratio in its own interval, even if the interval is that of a mean.
        let interval = interval.map(|interval| Interval {
            low: interval.low.min(ratio),
            high: interval.high.max(ratio),
            ..interval
        });
        let (matters, least) = (1.0 + effect_min, 1.0 / (1.0 + effect_min));
        let judgement = match interval {
            Some(Interval { low, high, .. }) if low >= least && high <= matters => Judgement::NoDifference,
            Some(Interval { high, .. }) if high < 1.0 && ratio <= least => Judgement::Better,
            Some(Interval { low, .. }) if low > 1.0 && ratio >= matters => Judgement::Worse,
            _ => Judgement::Inconclusive,
        };
        Comparison { ratio, interval, count, judgement }
    }

    /// Upper bound of the probability that this would be called a difference if there were none.
    pub fn chance_of_error(&self) -> f64 {
        self.interval.map_or(0.0, |interval| 1.0 - interval.coverage)
    }
}

/// Compares paired runs: `(value, base)` of each repeat. An effect below `effect_min` (0.02 for 2 %) does not matter.
/// `None` without pairs, or when a value is not positive.
pub fn paired(pairs: &[(f64, f64)], effect_min: f64) -> Option<Comparison> {
    let logarithms: Option<Vec<f64>> = pairs.iter().map(|(value, base)| Some(ln(*value)? - ln(*base)?)).collect();
    let mut sorted = logarithms?;
    sorted.sort_by(f64::total_cmp);
    let ratio = median(&sorted)?.exp();
    let interval = if sorted.len() >= PAIRS_OF_ORDER_MIN { order_statistics(&sorted) } else { student(&[&sorted]) };
    Some(Comparison::new(ratio, interval, sorted.len(), effect_min))
}

/// Compares runs that do not belong together, for example from different days. Drift of the machine is part of the
/// difference. `None` when a side has no value, or a value is not positive.
pub fn unpaired(values: &[f64], base: &[f64], effect_min: f64) -> Option<Comparison> {
    let logarithms = |side: &[f64]| side.iter().map(|value| ln(*value)).collect::<Option<Vec<f64>>>();
    let (values, base) = (logarithms(values)?, logarithms(base)?);
    let ratio = (median(&values)? - median(&base)?).exp();
    let count = values.len().min(base.len());
    let interval =
        if count >= VALUES_OF_BOOTSTRAP_MIN { bootstrap(&values, &base) } else { student(&[&values, &base]) };
    Some(Comparison::new(ratio, interval, count, effect_min))
}

fn ln(value: f64) -> Option<f64> {
    (value > 0.0 && value.is_finite()).then(|| value.ln())
}

/// From the k-th smallest to the k-th largest.
fn order_statistics(sorted: &[f64]) -> Option<Interval> {
    let (k, coverage) = rank(sorted.len())?;
    Some(interval(sorted[k - 1], sorted[sorted.len() - k], coverage, Method::OrderStatistics))
}

/// The largest k for which the interval from the k-th smallest to the k-th largest of `count` values reaches
/// [`COVERAGE`], and the coverage it reaches. `None` when even the whole range does not.
fn rank(count: usize) -> Option<(usize, f64)> {
    // In logarithms, because ½ to a large power underflows.
    let mut term = -(count as f64) * std::f64::consts::LN_2;
    let (mut below, mut found) = (0.0, None);
    for k in 1..=count / 2 {
        below += term.exp();
        let coverage = 1.0 - 2.0 * below;
        if coverage < COVERAGE {
            break;
        }
        found = Some((k, coverage));
        term += ((count - k + 1) as f64 / k as f64).ln();
    }
    found
}

/// Student's interval of the mean of one side, or of the difference between the means of two (Welch). Uses the degrees
/// of freedom of the smaller side, which errs on the side of caution.
fn student(sides: &[&[f64]]) -> Option<Interval> {
    let freedom = sides.iter().map(|side| side.len()).min()?.checked_sub(1)?;
    let t = STUDENT[freedom.checked_sub(1)?.min(STUDENT.len() - 1)];
    let mean = |side: &[f64]| side.iter().sum::<f64>() / side.len() as f64;
    let squared_error = |side: &[f64]| {
        let (mean, count) = (mean(side), side.len() as f64);
        side.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0) / count
    };
    let centre = mean(sides[0]) - sides[1..].iter().map(|side| mean(side)).sum::<f64>();
    let half = t * sides.iter().map(|side| squared_error(side)).sum::<f64>().sqrt();
    Some(interval(centre - half, centre + half, COVERAGE_OF_STUDENT, Method::Student))
}

fn bootstrap(values: &[f64], base: &[f64]) -> Option<Interval> {
    let mut random = Random::new(SEED);
    let mut drawn = Vec::with_capacity(values.len().max(base.len()));
    let mut resampled = |side: &[f64]| {
        drawn.clear();
        drawn.extend((0..side.len()).map(|_| side[random.index(side.len())]));
        median_unsorted(&mut drawn)
    };
    let mut differences: Vec<f64> = (0..RESAMPLES).map(|_| resampled(values) - resampled(base)).collect();
    differences.sort_by(f64::total_cmp);
    let outside = ((1.0 - COVERAGE) / 2.0 * RESAMPLES as f64) as usize;
    Some(interval(differences[outside], differences[RESAMPLES - 1 - outside], COVERAGE, Method::Bootstrap))
}

/// [`median`] of finite numbers without another copy, because the bootstrap takes thousands.
fn median_unsorted(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    let is_odd = values.len() % 2 == 1;
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if is_odd { upper } else { f64::midpoint(below.iter().copied().fold(f64::NEG_INFINITY, f64::max), upper) }
}

fn interval(low: f64, high: f64, coverage: f64, method: Method) -> Interval {
    Interval { low: low.exp(), high: high.exp(), coverage, method }
}

#[cfg(test)]
mod rates;

#[cfg(test)]
mod tests {
    use super::*;

    fn ratios(ratios: &[f64]) -> Comparison {
        // The bases differ widely, as on a machine that drifts.
        let pairs: Vec<(f64, f64)> = (1..).zip(ratios).map(|(i, ratio)| (ratio * f64::from(i), f64::from(i))).collect();
        paired(&pairs, 0.02).expect("positive")
    }

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 5e-4 * expected
    }

    /// k and coverage, as in tables of the sign test.
    #[test]
    fn ranks_are_those_of_the_sign_test() {
        for (count, expected) in [
            (0, None),
            (3, None),
            (5, None),
            (6, Some((1, 0.968_75))),
            (7, Some((1, 0.984_375))),
            (9, Some((2, 0.960_937_5))),
            (15, Some((4, 0.964_843_75))),
            (20, Some((6, 0.958_610_5))),
            (100, Some((40, 0.964_799_8))),
        ] {
            let found = rank(count);
            assert_eq!(found.map(|(k, _)| k), expected.map(|(k, _)| k), "{count}");
            if let (Some((_, found)), Some((_, expected))) = (found, expected) {
                assert!((found - expected).abs() < 1e-6, "{count}: {found}");
            }
        }
        let (k, coverage) = rank(5000).expect("more than enough");
        assert!((2425..2435).contains(&k) && (0.95..0.955).contains(&coverage), "{k} {coverage}");
    }

    #[test]
    fn many_pairs_are_bounded_by_ratios_of_their_own() {
        let found = ratios(&[1.09, 1.01, 1.02, 1.30, 1.04, 1.05, 1.06, 1.07, 1.08]);
        let interval = found.interval.expect("nine pairs");
        assert!(near(found.ratio, 1.06) && near(interval.low, 1.02) && near(interval.high, 1.09), "{found:?}");
        assert_eq!((interval.method, found.count, found.judgement), (Method::OrderStatistics, 9, Judgement::Worse));
    }

    /// exp(mean ± t·s/√n) by hand: logarithms −0.1, 0, 0.1 have s = 0.1.
    #[test]
    fn few_pairs_are_bounded_by_student() {
        let found = ratios(&[(-0.1f64).exp(), 1.0, 0.1f64.exp()]);
        let interval = found.interval.expect("three pairs");
        let half = 4.849 * 0.1 / 3.0f64.sqrt();
        assert!(near(interval.low, (-half).exp()) && near(interval.high, half.exp()), "{interval:?}");
        assert_eq!((interval.method, found.judgement), (Method::Student, Judgement::Inconclusive));
        let alone = ratios(&[3.0]);
        assert_eq!((alone.interval, alone.judgement), (None, Judgement::Inconclusive));
        assert!(alone.chance_of_error() < f64::EPSILON, "what is never called a difference is never wrong");
    }

    #[test]
    fn judgements_need_the_interval_and_the_effect() {
        for (list, expected) in [
            (vec![0.9, 0.91, 0.89, 0.9, 0.92, 0.9], Judgement::Better),
            (vec![1.1, 1.11, 1.12, 1.1, 1.13, 1.1], Judgement::Worse),
            (vec![1.0, 1.01, 0.99, 1.0, 1.005, 1.01], Judgement::NoDifference),
            (vec![1.011; 6], Judgement::NoDifference),
            (vec![1.005, 1.005, 1.005, 1.005, 1.005, 1.04], Judgement::Inconclusive),
            (vec![0.9, 0.91, 0.89, 0.9, 0.92, 1.01], Judgement::Inconclusive),
            (vec![14.0, 12.0, 13.0], Judgement::Worse),
            (vec![14.0, 12.0, 1.0], Judgement::Inconclusive),
            (vec![1.0, 1.0], Judgement::NoDifference),
        ] {
            assert_eq!(ratios(&list).judgement, expected, "{list:?}");
        }
    }

    #[test]
    fn what_is_no_ratio_is_refused() {
        for pairs in [&[][..], &[(0.0, 1.0)], &[(1.0, 0.0)], &[(1.0, 1.0), (f64::NAN, 1.0)], &[(f64::INFINITY, 1.0)]] {
            assert_eq!(paired(pairs, 0.02), None, "{pairs:?}");
        }
        assert_eq!(unpaired(&[1.0], &[], 0.02), None);
        assert_eq!(unpaired(&[1.0, -1.0], &[1.0], 0.02), None);
    }

    #[test]
    fn runs_that_are_no_pairs_are_compared_by_their_medians() {
        let base = [1.0, 1.1, 0.9, 1.05, 0.95, 1.0];
        let double: Vec<f64> = base.iter().map(|value| value * 2.0).collect();
        let found = unpaired(&double, &base, 0.02).expect("positive");
        let interval = found.interval.expect("six values");
        assert!(near(found.ratio, 2.0) && interval.low > 1.7 && interval.high < 2.35, "{found:?}");
        assert_eq!((interval.method, found.judgement, found.count), (Method::Bootstrap, Judgement::Worse, 6));
        assert_eq!(found, unpaired(&double, &base, 0.02).expect("positive"), "seeded");
        let few = unpaired(&[2.0, 2.2], &base, 0.02).expect("positive").interval.expect("two values");
        assert_eq!(few.method, Method::Student);
        assert_eq!(unpaired(&[2.0], &base, 0.02).expect("positive").interval, None);
    }
}
