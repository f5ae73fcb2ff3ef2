//! What a number of blocks can find, and how many it takes: said before the first start.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF, StudentsT};

use super::judge::rates;
use super::starts::REFERENCES;

/// The chance of a true effect to be found.
const POWER: f64 = 0.8;
/// More blocks than anybody has time for.
const BLOCKS_MAX: usize = 100_000;

/// The smallest effect that is found with a chance of 80 % (0.03 for 3 %), of `comparisons` with one reference that share the rate
/// `rate` of false differences. `deviation` is that of the logarithm of one start; `starts` is how many of them each block
/// has of an arm, one under each load that is pooled. Infinite for fewer than two blocks.
///
/// Šidák's limit stands for that of the permutations, which is not known before the start: it is a little wider.
fn resolution(deviation: f64, blocks: usize, starts: usize, comparisons: usize, rate: f64) -> f64 {
    let Ok(student) = StudentsT::new(0.0, 1.0, blocks.saturating_sub(1) as f64) else { return f64::INFINITY };
    let each = 1.0 - (1.0 - rate).powf(1.0 / comparisons.max(1) as f64);
    let limit = student.inverse_cdf(1.0 - each / 2.0) + student.inverse_cdf(POWER);
    // An arm's start and the mean of the reference's.
    let variance = deviation.powi(2) * (1.0 + 1.0 / REFERENCES as f64) / starts.max(1) as f64;
    (limit * (variance / blocks as f64).sqrt()).exp() - 1.0
}

/// What a comparison finds with a chance of 80 %: 0.03 for 3 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Resolution {
    /// Of an arm that has every load, over all of them.
    pub pooled: f64,
    /// Under one load.
    pub single: f64,
}

/// What so many blocks resolve by the noise of a start, when so many arms have each load, and so many any.
pub fn resolution_of(deviation: f64, blocks: usize, arms_by_load: &[usize], arms: usize) -> Resolution {
    let [pooled, single] = rates(arms_by_load.len());
    Resolution {
        pooled: resolution(deviation, blocks, arms_by_load.len(), arms, pooled),
        single: resolution(deviation, blocks, 1, arms_by_load.iter().sum(), single),
    }
}

/// A deviation that is larger than the true one with a chance of 80 %, where the one at hand has so many degrees of
/// freedom: few starts tell little of their noise.
pub fn cautious(deviation: f64, freedom: f64) -> f64 {
    let Ok(squares) = ChiSquared::new(freedom) else { return f64::INFINITY };
    deviation * (freedom / squares.inverse_cdf(1.0 - POWER)).sqrt()
}

/// How many blocks find `effect` over all loads with a chance of 80 %; `None` when no number that anybody has time for
/// does.
pub fn blocks_for(effect: f64, deviation: f64, loads: usize, arms: usize) -> Option<usize> {
    let [pooled, _] = rates(loads);
    let finds = |blocks: usize| resolution(deviation, blocks, loads, arms, pooled) <= effect;
    let (mut low, mut high) = (2, 4);
    while !finds(high) {
        if high > BLOCKS_MAX {
            return None;
        }
        (low, high) = (high, high * 2);
    }
    while high - low > 1 {
        let middle = low.midpoint(high);
        if finds(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: two arms of which one is the reference, 100 blocks, 10 %: (1.984 + 0.845) · 0.1 · √1.5 / 10 = 3.46 %.
    #[test]
    fn it_is_the_usual_arithmetic() {
        let found = resolution(0.1, 100, 1, 1, 0.05);
        assert!((found - 0.0353).abs() < 0.0003, "{found}");
        assert!(resolution(0.1, 100, 1, 7, 0.05) > found && resolution(0.1, 100, 3, 1, 0.05) < found);
        assert!(resolution(0.1, 1, 1, 1, 0.05).is_infinite() && resolution(0.1, 0, 1, 1, 0.05).is_infinite());
    }

    /// The lower fifth of chi squared with 9 degrees of freedom is 5.38.
    #[test]
    fn few_starts_promise_less() {
        assert!((cautious(0.1, 9.0) - 0.1 * (9.0f64 / 5.380).sqrt()).abs() < 1e-4);
        assert!(cautious(0.1, 1000.0) < 0.104 && cautious(0.1, 0.0).is_infinite());
    }

    #[test]
    fn what_is_resolved_counts_every_comparison_of_its_family() {
        let found = resolution_of(0.1, 24, &[5, 5, 4], 5);
        assert_eq!(found.pooled, resolution(0.1, 24, 3, 5, 0.03));
        assert_eq!(found.single, resolution(0.1, 24, 1, 14, 0.01));
        let one = resolution_of(0.1, 24, &[5], 5);
        assert_eq!((one.pooled, one.single), (resolution(0.1, 24, 1, 5, 0.05), resolution(0.1, 24, 1, 5, 0.05)));
    }

    #[test]
    fn so_many_blocks_are_enough_and_one_less_is_not() {
        for effect in [0.02, 0.05, 0.3] {
            let blocks = blocks_for(effect, 0.1, 3, 7).expect("a number");
            assert!(resolution(0.1, blocks, 3, 7, 0.03) <= effect);
            assert!(resolution(0.1, blocks - 1, 3, 7, 0.03) > effect, "{effect}: {blocks}");
        }
        assert_eq!(blocks_for(0.000_01, 0.1, 1, 7), None);
    }
}
