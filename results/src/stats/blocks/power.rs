//! What a number of blocks can find, and how many it takes: said before the first start.

use statrs::distribution::{ContinuousCDF, StudentsT};

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
pub fn resolution(deviation: f64, blocks: usize, starts: usize, comparisons: usize, rate: f64) -> f64 {
    let Ok(student) = StudentsT::new(0.0, 1.0, blocks.saturating_sub(1) as f64) else { return f64::INFINITY };
    let each = 1.0 - (1.0 - rate).powf(1.0 / comparisons.max(1) as f64);
    let limit = student.inverse_cdf(1.0 - each / 2.0) + student.inverse_cdf(POWER);
    // An arm's start and the mean of the reference's.
    let variance = deviation.powi(2) * (1.0 + 1.0 / REFERENCES as f64) / starts.max(1) as f64;
    (limit * (variance / blocks as f64).sqrt()).exp() - 1.0
}

/// How many blocks find `effect` with a chance of 80 %; `None` when no number that anybody has time for does.
pub fn blocks_for(effect: f64, deviation: f64, starts: usize, comparisons: usize, rate: f64) -> Option<usize> {
    let finds = |blocks: usize| resolution(deviation, blocks, starts, comparisons, rate) <= effect;
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

    #[test]
    fn so_many_blocks_are_enough_and_one_less_is_not() {
        for effect in [0.02, 0.05, 0.3] {
            let blocks = blocks_for(effect, 0.1, 1, 7, 0.03).expect("a number");
            assert!(resolution(0.1, blocks, 1, 7, 0.03) <= effect);
            assert!(resolution(0.1, blocks - 1, 1, 7, 0.03) > effect, "{effect}: {blocks}");
        }
        assert_eq!(blocks_for(0.000_01, 0.1, 1, 7, 0.03), None);
    }
}
