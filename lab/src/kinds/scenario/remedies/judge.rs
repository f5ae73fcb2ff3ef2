//! Whether remedies help: the figure that decides, against doing nothing, by the same judgement as in every comparison.
//! A repeat is a block.

use results::stats::blocks::{BLOCKS_MIN, Effect, REFERENCES, Starts, judge};

use crate::kinds::scenario::remedies::record::{ArmRecord, Better, RunRecord};

/// An effect below this does not matter: what is at stake in these experiments is whether service goes on.
pub(super) const EFFECT_MIN: f64 = 0.10;

/// Judges all arms by the first figure, of which less or more is better. Effects below `effect_min` (0.1 for 10 %) do not
/// matter.
pub(crate) fn judge_all(arms: &mut [ArmRecord], better: Better, effect_min: f64) {
    let effects = effects(arms, better, effect_min);
    let is_nothing: Vec<bool> = arms.iter().map(is_nothing).collect();
    for ((arm, effect), own) in arms.iter_mut().zip(effects).zip(&is_nothing) {
        arm.effect = effect;
        // Where there was nothing in both there is no ratio to be a bound of.
        arm.is_bound = effect.is_some() && *own != is_nothing[0];
    }
}

/// Whether there was less than a run can tell from nothing, in half of the repeats or more.
fn is_nothing(arm: &ArmRecord) -> bool {
    let is_less = |run: &&RunRecord| run.figures.first().copied().flatten().is_some_and(|value| value < run.least);
    !arm.runs.is_empty() && 2 * arm.runs.iter().filter(is_less).count() >= arm.runs.len()
}

/// The effect of each arm. The first two do nothing about the trouble and have none; nor has an arm that lacks a repeat, nor
/// any when there are fewer than [`BLOCKS_MIN`].
fn effects(arms: &[ArmRecord], better: Better, effect_min: f64) -> Vec<Option<Effect>> {
    let none = || vec![None; arms.len()];
    if arms.len() <= REFERENCES {
        return none();
    }
    let value = |arm: &ArmRecord, repeat: u32| {
        let run = arm.runs.iter().find(|run| run.repeat == repeat)?;
        let value = run.figures.first().copied().flatten()?.max(run.least);
        // The judgement calls less better.
        Some(if better == Better::More { 1.0 / value } else { value })
    };
    // Only repeats with both of the arms that do nothing can be blocks, and only arms with all of these are judged.
    let all = arms[0].runs.iter().map(|run| run.repeat);
    let repeats: Vec<u32> =
        all.filter(|repeat| arms[..REFERENCES].iter().all(|arm| value(arm, *repeat).is_some())).collect();
    let is_whole = |arm: &ArmRecord| repeats.iter().all(|repeat| value(arm, *repeat).is_some());
    let is_judged = |arm: &ArmRecord| arm.group.is_none() && is_whole(arm);
    let judged: Vec<&ArmRecord> = arms.iter().filter(|arm| is_judged(arm)).collect();
    let block = |repeat: &u32| judged.iter().filter_map(|arm| value(arm, *repeat)).collect();
    let blocks: Vec<Vec<f64>> = repeats.iter().map(block).collect();
    if blocks.len() < BLOCKS_MIN || judged.len() <= REFERENCES {
        return none();
    }
    let count = judged.len() - REFERENCES;
    let Some(findings) = judge(&[Starts { arms: (0..count).collect(), blocks }], count, effect_min) else {
        return none();
    };
    let mut found = findings.pooled.into_iter();
    let effect = |(index, arm): (usize, &ArmRecord)| {
        if index < REFERENCES || !is_judged(arm) { None } else { found.next().flatten().map(inverted) }
    };
    arms.iter().enumerate().map(effect).collect()
}

/// The same effect as a gain: how often as good.
fn inverted(effect: Effect) -> Effect {
    Effect {
        ratio: 1.0 / effect.ratio,
        low: 1.0 / effect.high,
        high: 1.0 / effect.low,
        ratio_hodges_lehmann: 1.0 / effect.ratio_hodges_lehmann,
        ..effect
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use results::stats::blocks::Finding;

    fn arm(values: &[f64]) -> ArmRecord {
        let run = |(repeat, value): (usize, &f64)| RunRecord {
            repeat: repeat as u32,
            order: 0,
            figures: vec![Some(*value)],
            least: 1.0,
            counters: vec![],
            points: vec![],
            verdict: String::new(),
        };
        let runs = values.iter().enumerate().map(run).collect();
        ArmRecord {
            name: String::new(),
            what: String::new(),
            group: None,
            repeats_max: None,
            commands: vec![],
            runs,
            effect: None,
            is_bound: false,
        }
    }

    /// The same numbers help or harm, as less or more is better.
    #[test]
    fn a_remedy_is_judged_by_its_figure() {
        let (noisy, twice, same) = ([10.0, 11.0, 9.0, 10.5], [20.0, 22.5, 18.0, 21.0], [10.1, 10.9, 9.1, 10.4]);
        let arms = [arm(&noisy), arm(&same), arm(&twice), arm(&same)];
        let found = |better| {
            let effects = effects(&arms, better, EFFECT_MIN);
            assert!(effects[..2].iter().all(Option::is_none));
            effects[2..].iter().map(|effect| effect.expect("four repeats")).collect::<Vec<Effect>>()
        };
        let more = found(Better::More);
        assert!(
            more[0].finding == Finding::Cheaper && (1.8..2.2).contains(&more[0].ratio) && more[0].low > 1.0,
            "{more:?}"
        );
        assert!(more[1].low < 1.0 && more[1].high > 1.0, "{more:?}");
        let less = found(Better::Less);
        assert!(less[0].finding == Finding::Dearer && less[0].high < 1.0, "{less:?}");
    }

    /// An arm that failed once must not take the intervals of all others with it.
    #[test]
    fn an_arm_that_lacks_a_repeat_is_left_out() {
        let mut arms = [
            arm(&[10.0, 11.0, 9.0, 10.5]),
            arm(&[10.1, 10.9, 9.1, 10.4]),
            arm(&[9.0; 4]),
            arm(&[20.0, 22.5, 18.0, 21.0]),
        ];
        arms[2].runs.remove(1);
        let effects = effects(&arms, Better::More, EFFECT_MIN);
        assert!(effects[2].is_none() && effects[3].is_some_and(|effect| effect.low > 1.5), "{effects:?}");
    }

    /// What goes through something else is not compared, and takes no part in what holds together.
    #[test]
    fn arms_of_a_group_are_not_judged() {
        let mut arms = [
            arm(&[10.0, 11.0, 9.0, 10.5]),
            arm(&[10.1, 10.9, 9.1, 10.4]),
            arm(&[1.0; 4]),
            arm(&[20.0, 22.5, 18.0, 21.0]),
        ];
        arms[2].group = Some("other".to_owned());
        let effects = effects(&arms, Better::More, EFFECT_MIN);
        assert!(effects[2].is_none() && effects[3].is_some_and(|effect| effect.low > 1.5), "{effects:?}");
    }

    #[test]
    fn too_few_repeats_have_no_interval_and_nothing_counts_as_the_least() {
        let few = [arm(&[1.0; 3]), arm(&[1.0; 3]), arm(&[2.0; 3])];
        assert!(effects(&few, Better::More, EFFECT_MIN).iter().all(Option::is_none));
        let none_at_all = [arm(&[0.0, 0.0, 0.0, 0.0]), arm(&[0.0, 0.0, 0.1, 0.0]), arm(&[100.0, 90.0, 110.0, 95.0])];
        let effect = effects(&none_at_all, Better::More, EFFECT_MIN)[2].expect("four repeats");
        assert!((90.0..110.0).contains(&effect.ratio), "{effect:?}");
    }

    /// How many times none is less than some nobody knows; only that it is at least as many as against one.
    #[test]
    fn a_ratio_to_nothing_is_a_bound() {
        let bounds = |arms: &[&[f64]]| {
            let mut arms: Vec<ArmRecord> = arms.iter().map(|values| arm(values)).collect();
            judge_all(&mut arms, Better::Less, EFFECT_MIN);
            arms.iter().map(|arm| (arm.is_bound, arm.effect.map(|effect| effect.ratio.round()))).collect::<Vec<_>>()
        };
        let (some, none, seldom) = (&[20.0; 4][..], &[0.0; 4][..], &[0.0, 2.0, 2.0, 2.0][..]);
        assert_eq!(bounds(&[some, some, none, seldom])[2..], [(true, Some(20.0)), (false, Some(12.0))]);
        assert_eq!(bounds(&[none, none, some, none])[2..], [(true, Some(0.0)), (false, Some(1.0))]);
        assert_eq!(bounds(&[some, none]), [(false, None), (false, None)]);
    }
}
