//! What a figure of a load generator is worth beside the truth.

use crate::kinds::scenario::claims::record::{ArmRecord, Figures, Record};

/// Up to which distance from the truth a figure counts as right: that of check V16, beyond which a
/// measurement is invalid.
pub(super) const RIGHT_WITHIN: f64 = 0.10;

/// A figure that shows whether waits were counted.
pub(super) struct Telling {
    pub(super) name: &'static str,
    pub(super) of: fn(&Figures) -> Option<f64>,
}

/// All of them. p50 and p90 lie outside of the stalls or on their edge, and a maximum is right as soon
/// as a single request met a stall.
pub(super) const TELLING: [Telling; 4] = [
    Telling { name: "p95", of: |figures| figures.p95_ms },
    Telling { name: "p99", of: |figures| figures.p99_ms },
    Telling { name: "p99.9", of: |figures| figures.p99_9_ms },
    Telling { name: "mean", of: |figures| figures.mean_ms },
];

/// What a figure, or all figures of a generator, are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// In every run.
    Right,
    Below,
    Above,
    /// Not the same in all runs, or too low here and too high there.
    Unsteady,
}

pub(super) fn quotient(found: Option<f64>, truth: Option<f64>) -> Option<f64> {
    Some(found? / truth.filter(|truth| *truth > 0.0)?)
}

/// A figure over its truth in each run that has it.
pub(super) fn ratios(record: &Record, arm: &ArmRecord, figure: &Telling) -> Vec<f64> {
    let truth = (figure.of)(&record.truth);
    arm.runs.iter().filter_map(|run| quotient((figure.of)(&Figures::of(&run.reported)), truth)).collect()
}

/// Of one figure; `None` when no run has it.
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

/// Of all telling figures: one that is wrong is enough.
pub(super) fn judge(record: &Record, arm: &ArmRecord) -> Option<Judgement> {
    let figures: Vec<Judgement> =
        TELLING.iter().filter_map(|figure| judge_figure(&ratios(record, arm, figure))).collect();
    let any = |judgement| figures.contains(&judgement);
    match (any(Judgement::Below), any(Judgement::Above), any(Judgement::Unsteady)) {
        _ if figures.is_empty() => None,
        (false, false, false) => Some(Judgement::Right),
        // What is unsteady beside a figure that is always too low does not make that one right.
        (true, false, _) => Some(Judgement::Below),
        (false, true, _) => Some(Judgement::Above),
        _ => Some(Judgement::Unsteady),
    }
}
