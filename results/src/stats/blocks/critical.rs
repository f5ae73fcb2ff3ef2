//! How large the largest |t| of a family gets by chance, found by permutation within blocks (max-T, Westfall and Young
//! 1993).

use random::Random;

use super::center::Center;
use super::starts::Table;

/// Permutations: the quantile at 99 % then varies by a few percent of itself. Fewer keep the rate of false differences
/// and widen the intervals a little.
pub(super) const PERMUTATIONS: usize = 1999;
/// Of the permutations; any number would do, and always the same one.
const SEED: u64 = 0x0c10_0000;

/// The differences of all loads, one series over the blocks for each arm under each load, in that order.
pub(super) fn differences(tables: &[Table]) -> Vec<Vec<f64>> {
    let mut found = Vec::new();
    tables.iter().for_each(|table| table.differences(&mut found));
    found
}

/// What is asked of the blocks: a sum of series with their weights.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Contrast(pub(super) Vec<(usize, f64)>);

impl Contrast {
    /// Its value in each block.
    pub(super) fn of(&self, differences: &[Vec<f64>]) -> impl Iterator<Item = f64> + Clone {
        let blocks = differences.first().map_or(0, Vec::len);
        (0..blocks).map(move |block| self.0.iter().map(|(series, weight)| weight * differences[*series][block]).sum())
    }
}

/// A family of contrasts, and the chance that any of them is called a difference while no arm differs.
pub(super) struct Family {
    pub(super) contrasts: Vec<Contrast>,
    pub(super) rate: f64,
}

/// The critical |t| of each family. `residuals` are values without the effect of their arm, by load.
pub(super) fn critical(residuals: &[Table], families: &[Family], permutations: usize) -> Vec<f64> {
    let mut random = Random::new(SEED);
    let mut permuted = residuals.to_vec();
    let mut values = Vec::new();
    let mut largest = vec![Vec::with_capacity(permutations); families.len()];
    for _ in 0..permutations {
        for table in &mut permuted {
            table.values.chunks_exact_mut(table.width).for_each(|block| random.shuffle(block));
        }
        let differences = differences(&permuted);
        for (family, largest) in families.iter().zip(&mut largest) {
            let mut t = |contrast: &Contrast| {
                values.clear();
                values.extend(contrast.of(&differences));
                let Center { mean, error } = Center::of(&mut values);
                (mean / error).abs()
            };
            largest.push(family.contrasts.iter().map(&mut t).filter(|t| t.is_finite()).fold(0.0, f64::max));
        }
    }
    let quantile = |(mut largest, family): (Vec<f64>, &Family)| {
        let above = (family.rate * (permutations + 1) as f64) as usize;
        *largest.select_nth_unstable_by(permutations - above.clamp(1, permutations), f64::total_cmp).1
    };
    largest.into_iter().zip(families).map(quantile).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_are_taken_away_and_differences_are_from_the_mean_of_the_reference() {
        let table = Table { width: 3, values: vec![1.0, 3.0, 7.0, 2.0, 2.0, 9.0] };
        assert_eq!(table.without_effects().values, [-1.0, 1.0, -1.0, 0.0, 0.0, 1.0]);
        assert_eq!(differences(&[table]), [[5.0, 7.0]]);
    }

    /// Of one comparison with normal noise it is Student's t; of more it is larger, and smaller than Bonferroni's.
    #[test]
    fn it_is_student_s_for_one_comparison_and_grows_with_the_family() {
        let mut random = Random::new(7);
        let mut normal =
            || (-2.0 * (1.0 - random.uniform()).ln()).sqrt() * (std::f64::consts::TAU * random.uniform()).cos();
        let residuals = [Table { width: 8, values: (0..320).map(|_| normal()).collect() }];
        let family =
            |arms: usize, rate| Family { contrasts: (0..arms).map(|arm| Contrast(vec![(arm, 1.0)])).collect(), rate };
        let found = critical(&residuals, &[family(1, 0.05), family(6, 0.05), family(6, 0.01)], PERMUTATIONS);
        // t of 39 degrees of freedom at 97.5 % is 2.02; at 1 − 0.05/12 it is 2.78, at 1 − 0.01/12 3.36.
        assert!((found[0] - 2.02).abs() < 0.15, "{found:?}");
        assert!((2.35..2.85).contains(&found[1]) && (2.85..3.5).contains(&found[2]), "{found:?}");
    }
}
