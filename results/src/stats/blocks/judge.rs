//! From starts to findings.

use serde::{Deserialize, Serialize};

use super::center::Center;
use super::critical::{Contrast, Family, PERMUTATIONS, critical, differences};
use super::starts::{REFERENCES, Starts, Table};
use super::verdict::Finding;

/// False differences in all that is said of a comparison.
const RATE: f64 = 0.05;
/// The share of them that single loads have, and that the question has whether loads differ.
const RATE_OF_LOADS: f64 = 0.01;
/// Fewer blocks have no interval.
pub const BLOCKS_MIN: usize = 4;

/// An arm against the reference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// How often the reference's value it needs.
    pub ratio: f64,
    /// The ends of the simultaneous interval.
    pub low: f64,
    /// Likewise.
    pub high: f64,
    /// The same by medians of means of two (Hodges and Lehmann 1963), which a few wild starts do not move.
    pub ratio_hodges_lehmann: f64,
    /// Standard error of the logarithm of the ratio.
    pub error: f64,
    /// Blocks that it rests on.
    pub blocks: usize,
    /// What may be claimed.
    pub finding: Finding,
}

impl Findings {
    /// Whether another machine's arithmetic could have given these from the same starts: equal but for the last digits.
    pub fn are_those(&self, other: &Findings) -> bool {
        const WITHIN: f64 = 1e-6;
        let near = |a: f64, b: f64| (a - b).abs() <= WITHIN * a.abs().max(b.abs());
        let same = |a: &Option<Effect>, b: &Option<Effect>| match (a, b) {
            (Some(a), Some(b)) => {
                a.blocks == b.blocks && near(a.ratio, b.ratio) && near(a.low, b.low) && near(a.high, b.high)
            }
            (None, None) => true,
            _ => false,
        };
        let effects = |findings: &Findings| -> Vec<Option<Effect>> {
            findings.pooled.iter().chain(findings.by_load.iter().flatten()).copied().collect()
        };
        let (own, others) = (effects(self), effects(other));
        own.len() == others.len() && own.iter().zip(&others).all(|(a, b)| same(a, b))
    }
}

impl Effect {
    /// Whether the interval lies on one side of 1.
    pub fn excludes_one(&self) -> bool {
        self.low > 1.0 || self.high < 1.0
    }

    /// Whether the interval holds what wild starts do not move.
    pub fn is_robust(&self) -> bool {
        (self.low..=self.high).contains(&self.ratio_hodges_lehmann)
    }
}

/// All that is said of a comparison.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Findings {
    /// By arm, over all loads that it has; absent when it has none.
    pub pooled: Vec<Option<Effect>>,
    /// By arm, whether its effect differs from load to load.
    pub loads_differ: Vec<bool>,
    /// By load, then by arm; absent where an arm does not have the load.
    pub by_load: Vec<Vec<Option<Effect>>>,
    /// Standard deviation of the logarithm of one start; absent when all differences are alike.
    pub noise: Option<f64>,
}

/// Judges `arm_count` arms under some loads. Effects below `effect_min` (0.02 for 2 %) do not matter. `None` when there are
/// fewer than four blocks, loads have different numbers of them, or a value is not positive.
pub fn judge(loads: &[Starts], arm_count: usize, effect_min: f64) -> Option<Findings> {
    judge_by(loads, arm_count, effect_min, PERMUTATIONS)
}

/// The same with as many permutations as there is time for.
pub(super) fn judge_by(loads: &[Starts], arm_count: usize, effect_min: f64, permutations: usize) -> Option<Findings> {
    let blocks = loads.first()?.blocks.len();
    if blocks < BLOCKS_MIN || loads.iter().any(|load| load.blocks.len() != blocks) {
        return None;
    }
    let tables: Vec<Table> = loads.iter().map(Starts::logarithms).collect::<Option<_>>()?;
    let residuals: Vec<Table> = tables.iter().map(Table::without_effects).collect();
    let differences = differences(&tables);
    let series: Vec<(usize, usize)> =
        loads.iter().enumerate().flat_map(|(load, starts)| starts.arms.iter().map(move |arm| (load, *arm))).collect();
    let asked = Asked { series: &series, arm_count };
    let rates = rates(loads.len());
    let families = [
        Family { contrasts: asked.pooled(), rate: rates[0] },
        Family { contrasts: asked.single(), rate: rates[1] },
        Family {
            contrasts: asked.deviations().into_iter().map(|(_, contrast)| contrast).collect(),
            rate: RATE_OF_LOADS,
        },
    ];
    let limits = critical(&residuals, &families, permutations);
    let effects = |index: usize| -> Vec<Effect> {
        let effect =
            |contrast: &Contrast| effect(&contrast.of(&differences).collect::<Vec<_>>(), limits[index], effect_min);
        families[index].contrasts.iter().map(effect).collect()
    };
    let mut pooled = effects(0).into_iter();
    let single = effects(1);
    let place = |load: usize, arm: usize| series.iter().position(|known| *known == (load, arm));
    let has = |arm: usize| series.iter().any(|(_, known)| *known == arm);
    Some(Findings {
        pooled: (0..arm_count).map(|arm| if has(arm) { pooled.next() } else { None }).collect(),
        loads_differ: asked.differing(&differences, limits[2]),
        noise: noise(&differences),
        by_load: (0..loads.len())
            .map(|load| (0..arm_count).map(|arm| place(load, arm).map(|index| single[index])).collect())
            .collect(),
    })
}

/// The rates of false differences among pooled effects and among those of single loads. Of one load both are the same.
pub(super) fn rates(loads: usize) -> [f64; 2] {
    if loads > 1 { [RATE - 2.0 * RATE_OF_LOADS, RATE_OF_LOADS] } else { [RATE; 2] }
}

/// The questions asked of a comparison.
struct Asked<'a> {
    /// Load and arm of each series of differences.
    series: &'a [(usize, usize)],
    arm_count: usize,
}

impl Asked<'_> {
    /// The series of an arm, one for each load that it has.
    fn of(&self, arm: usize) -> Vec<usize> {
        (0..self.series.len()).filter(|index| self.series[*index].1 == arm).collect()
    }

    /// For each arm that has a load, its mean over its loads.
    fn pooled(&self) -> Vec<Contrast> {
        let mean = |series: Vec<usize>| {
            let weight = 1.0 / series.len() as f64;
            Contrast(series.into_iter().map(|index| (index, weight)).collect())
        };
        (0..self.arm_count).map(|arm| self.of(arm)).filter(|series| !series.is_empty()).map(mean).collect()
    }

    /// Each arm under each load.
    fn single(&self) -> Vec<Contrast> {
        (0..self.series.len()).map(|index| Contrast(vec![(index, 1.0)])).collect()
    }

    /// How far an arm under a load is from its mean over its loads, with the arm.
    fn deviations(&self) -> Vec<(usize, Contrast)> {
        let deviations = |arm: usize| {
            let series = self.of(arm);
            let mean = 1.0 / series.len() as f64;
            let deviation = |of: &usize| {
                let weight = |index: usize| if index == *of { 1.0 - mean } else { -mean };
                (arm, Contrast(series.iter().map(|index| (*index, weight(*index))).collect()))
            };
            if series.len() > 1 { series.iter().map(deviation).collect() } else { vec![] }
        };
        (0..self.arm_count).flat_map(deviations).collect()
    }

    /// By arm, whether any of its deviations is larger than chance makes it.
    fn differing(&self, differences: &[Vec<f64>], limit: f64) -> Vec<bool> {
        let mut found = vec![false; self.arm_count];
        for (arm, contrast) in self.deviations() {
            let Center { mean, error } = Center::of(&mut contrast.of(differences).collect::<Vec<_>>());
            found[arm] |= mean.abs() > limit * error;
        }
        found
    }
}

fn effect(differences: &[f64], limit: f64, effect_min: f64) -> Effect {
    let Center { mean, error } = Center::of(&mut differences.to_vec());
    let (ratio, low, high) = (mean.exp(), (mean - limit * error).exp(), (mean + limit * error).exp());
    Effect {
        ratio,
        low,
        high,
        ratio_hodges_lehmann: hodges_lehmann(differences).exp(),
        error,
        blocks: differences.len(),
        finding: Finding::of(ratio, low, high, effect_min),
    }
}

/// The deviation of one start, out of the differences of an arm's start from the mean of the reference's.
fn noise(differences: &[Vec<f64>]) -> Option<f64> {
    let variance = |series: &Vec<f64>| {
        let Center { error, .. } = Center::of(&mut series.clone());
        error.powi(2) * series.len() as f64
    };
    let mean = differences.iter().map(variance).sum::<f64>() / differences.len() as f64;
    let of_one = (mean / (1.0 + 1.0 / REFERENCES as f64)).sqrt();
    (of_one.is_finite() && of_one > 0.0).then_some(of_one)
}

/// The median of the means of all pairs of values, each value with itself included.
fn hodges_lehmann(values: &[f64]) -> f64 {
    let pairs = values
        .iter()
        .enumerate()
        .flat_map(|(index, one)| values[index..].iter().map(move |other| f64::midpoint(*one, *other)));
    let mut means: Vec<f64> = pairs.collect();
    let middle = means.len() / 2;
    let (_, found, _) = means.select_nth_unstable_by(middle, f64::total_cmp);
    *found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(arms: &[usize], ratios: &[f64]) -> Starts {
        // Blocks differ widely, starts a little; the sum of what they differ by is zero for each arm.
        let block = |number: usize| {
            let noise = |column: usize| if (number + column).is_multiple_of(2) { 1.01 } else { 1.0 / 1.01 };
            let machine = 1.0 + number as f64;
            let reference = [machine * noise(0), machine * noise(1)];
            let others = ratios.iter().enumerate().map(|(index, ratio)| machine * ratio * noise(index + number / 2));
            reference.into_iter().chain(others).collect()
        };
        Starts { arms: arms.to_vec(), blocks: (0..16).map(block).collect() }
    }

    #[test]
    fn effects_are_pooled_and_those_that_differ_from_load_to_load_are_named() {
        let loads = [load(&[0, 1, 3], &[1.2, 0.8, 1.0]), load(&[0, 1], &[1.2, 1.25])];
        let found = judge(&loads, 4, 0.05).expect("blocks");
        let words: Vec<_> = found.pooled.iter().map(|effect| effect.map(|effect| effect.finding)).collect();
        assert_eq!(words, [Some(Finding::Dearer), Some(Finding::Equal), None, Some(Finding::Equal)]);
        assert_eq!(found.loads_differ, [false, true, false, false]);
        let single = |load: usize, arm: usize| found.by_load[load][arm].map(|effect| effect.finding);
        assert_eq!((single(0, 1), single(1, 1)), (Some(Finding::Cheaper), Some(Finding::Dearer)));
        assert_eq!((single(1, 3), single(0, 2)), (None, None));
        let first = found.pooled[0].expect("it has loads");
        assert!((first.ratio - 1.2).abs() < 0.01 && first.is_robust() && first.blocks == 16, "{first:?}");
    }

    #[test]
    fn of_one_load_the_pooled_effect_is_that_of_the_load() {
        let found = judge(&[load(&[0], &[1.2])], 1, 0.05).expect("blocks");
        assert_eq!((found.pooled[0], found.loads_differ), (found.by_load[0][0], vec![false]));
    }

    #[test]
    fn what_has_no_interval_is_not_judged() {
        let whole = load(&[0], &[1.2]);
        let few = Starts { blocks: whole.blocks[..3].to_vec(), ..whole.clone() };
        let zero = Starts { blocks: vec![vec![1.0, 1.0, 0.0]; 5], ..whole.clone() };
        let torn = Starts { blocks: vec![vec![1.0, 1.0]; 16], ..whole.clone() };
        for loads in [vec![], vec![few.clone()], vec![whole.clone(), few], vec![zero], vec![torn]] {
            assert_eq!(judge(&loads, 1, 0.05), None);
        }
    }

    #[test]
    fn a_wild_start_moves_nothing_and_several_do_not_move_the_check() {
        assert!((hodges_lehmann(&[1.0, 1.1, 0.9, 1.0, 50.0]) - 1.05).abs() < 0.06);
        let mut wild = load(&[0], &[1.0]);
        wild.blocks[3][2] *= 1e6;
        let effect = judge(&[wild.clone()], 1, 0.05).expect("blocks").pooled[0].expect("its load");
        assert!((effect.ratio - 1.0).abs() < 0.01 && effect.is_robust() && effect.high < 1.05, "{effect:?}");
        // More than the tenth that is left out.
        (wild.blocks[7][2], wild.blocks[9][2]) = (wild.blocks[7][2] * 1e6, wild.blocks[9][2] * 1e6);
        let effect = judge(&[wild], 1, 0.05).expect("blocks").pooled[0].expect("its load");
        assert!(effect.ratio > 2.0 && (effect.ratio_hodges_lehmann - 1.0).abs() < 0.05, "{effect:?}");
    }
}
