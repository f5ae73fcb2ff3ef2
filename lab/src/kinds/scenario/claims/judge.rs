//! Judges the figures of a load generator by the truth.

use crate::kinds::scenario::claims::record::{ArmRecord, Figures, Record};

/// A figure counts as right up to this distance from the truth. Check V16 has the same limit; beyond it a measurement
/// is invalid.
pub(super) const RIGHT_WITHIN: f64 = 0.10;

/// A figure that shows whether waits were counted.
pub(super) struct Telling {
    pub(super) name: &'static str,
    pub(super) of: fn(&Figures) -> Option<f64>,
}

/// The figures to judge. p50 and p90 are not among them because they lie outside of the stalls or on their edge; the
/// maximum is not, because it is right as soon as a single request met a stall.
pub(super) const TELLING: [Telling; 4] = [
    Telling { name: "p95", of: |figures| figures.p95_ms },
    Telling { name: "p99", of: |figures| figures.p99_ms },
    Telling { name: "p99.9", of: |figures| figures.p99_9_ms },
    Telling { name: "mean", of: |figures| figures.mean_ms },
];

/// The judgement on a figure, or on all figures of a generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Right in every run.
    Right,
    Below,
    Above,
    /// Not the same in all runs, or one figure too low and another too high.
    Unsteady,
}

pub(super) fn quotient(found: Option<f64>, truth: Option<f64>) -> Option<f64> {
    Some(found? / truth.filter(|truth| *truth > 0.0)?)
}

/// The ratio of a figure to its truth, for each run that has the figure.
pub(super) fn ratios(record: &Record, arm: &ArmRecord, figure: &Telling) -> Vec<f64> {
    let truth = (figure.of)(&record.truth);
    arm.runs.iter().filter_map(|run| quotient((figure.of)(&Figures::of(&run.reported)), truth)).collect()
}

/// Judges one figure; `None` when no run has it.
pub(super) fn judge_figure(ratios: &[f64]) -> Option<Judgement> {
    let all = |test: fn(f64) -> bool| ratios.iter().all(|ratio| test(*ratio));
    (!ratios.is_empty()).then_some(if all(|ratio| (ratio - 1.0).abs() <= RIGHT_WITHIN) {
        Judgement::Right
    } else if all(|ratio| ratio < 1.0 - RIGHT_WITHIN) {
        Judgement::Below
    } else if all(|ratio| ratio > 1.0 + RIGHT_WITHIN) {
        Judgement::Above
    } else {
        Judgement::Unsteady
    })
}

/// Judges all telling figures together: a single wrong one is enough.
pub(super) fn judge(record: &Record, arm: &ArmRecord) -> Option<Judgement> {
    let figures: Vec<Judgement> =
        TELLING.iter().filter_map(|figure| judge_figure(&ratios(record, arm, figure))).collect();
    let any = |judgement| figures.contains(&judgement);
    match (any(Judgement::Below), any(Judgement::Above), any(Judgement::Unsteady)) {
        _ if figures.is_empty() => None,
        (false, false, false) => Some(Judgement::Right),
        // If one figure is always too low, an unsteady one beside it does not improve the judgement.
        (true, false, _) => Some(Judgement::Below),
        (false, true, _) => Some(Judgement::Above),
        _ => Some(Judgement::Unsteady),
    }
}
