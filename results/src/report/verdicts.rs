//! Compares each arm of a record with the reference of its load, in the figure that decides.

use super::load::{loads, title};
use crate::record::{Cell, Record, RunOfCell, VerdictState};
use crate::stats::{Comparison, Judgement, paired};

/// The generator that others are compared with, unless the record names another.
pub(super) const GENERATOR_OF_REFERENCE: &str = "wrk";

/// One load and its arms.
#[derive(Debug, Clone, PartialEq)]
pub struct Contest<'a> {
    /// The load in words.
    pub title: String,
    /// All its arms, in the order of the record.
    pub cells: Vec<&'a Cell>,
    /// The arm that the others are compared with. Absent when it did not run.
    pub reference: Option<&'a Cell>,
    /// The other arms, in the same order.
    pub entries: Vec<Entry<'a>>,
}

/// One arm against the reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry<'a> {
    /// The arm under this load.
    pub cell: &'a Cell,
    /// Absent when no repeat is usable for both.
    pub comparison: Option<Comparison>,
    /// Number of repeats that were left out, because one of the two runs was INVALID or lacks the figure.
    pub left_out: usize,
}

impl Entry<'_> {
    /// What may be claimed.
    pub fn judgement(&self) -> Judgement {
        self.comparison.map_or(Judgement::Inconclusive, |comparison| comparison.judgement)
    }
}

/// Every load of the record, in its order.
pub fn contests(record: &Record) -> Vec<Contest<'_>> {
    loads(record)
        .into_iter()
        .map(|cells| {
            let reference = reference(record, &cells);
            let others =
                cells.iter().filter(|cell| reference.is_some_and(|reference| !std::ptr::eq(reference, **cell)));
            let entries = reference
                .map(|reference| others.map(|cell| entry(record, cell, reference)).collect())
                .unwrap_or_default();
            Contest { title: title(cells[0]), cells, reference, entries }
        })
        .collect()
}

/// The arm or the generator that the record names. Otherwise the usual generator, or the first arm.
fn reference<'a>(record: &Record, cells: &[&'a Cell]) -> Option<&'a Cell> {
    let find = |name: &str| cells.iter().copied().find(|cell| cell.arm == name || cell.generator == name);
    match &record.decision.reference {
        Some(name) => find(name),
        None if cells.iter().any(|cell| !cell.generator.is_empty()) => find(GENERATOR_OF_REFERENCE),
        None => cells.first().copied(),
    }
}

/// Whether counts and CPU time of a run are usable. If only its times are in doubt, that is no reason to drop what is
/// compared here.
pub(crate) fn stands(run: &RunOfCell) -> bool {
    run.verdict.state != VerdictState::Invalid || run.verdict.times_only
}

/// Pairs the runs of two cells and compares them.
pub(super) fn entry<'a>(record: &Record, cell: &'a Cell, reference: &Cell) -> Entry<'a> {
    let value = |run: &RunOfCell| record.metric.of_run(run).filter(|value| *value > 0.0 && value.is_finite());
    let common = || {
        let partner = |run: &RunOfCell| reference.runs.iter().find(|other| other.repeat == run.repeat);
        cell.runs.iter().filter_map(move |run| Some((run, partner(run)?)))
    };
    let usable = common().filter(|(run, base)| stands(run) && stands(base));
    let pairs: Vec<(f64, f64)> = usable.filter_map(|(run, base)| Some((value(run)?, value(base)?))).collect();
    let left_out = common().count() - pairs.len();
    Entry { cell, comparison: paired(&pairs, record.decision.effect_min), left_out }
}

/// The totals of all comparisons of a report.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Account {
    /// Number of comparisons with an interval.
    pub(super) comparisons: usize,
    /// Expected number of differences found by chance if there were none.
    pub(super) false_expected: f64,
    /// Number of pairs of runs that were left out.
    pub(super) left_out: usize,
}

pub(super) fn account(contests: &[Contest<'_>]) -> Account {
    let entries = || contests.iter().flat_map(|contest| &contest.entries);
    let found = || entries().filter_map(|entry| entry.comparison).filter(|found| found.interval.is_some());
    Account {
        comparisons: found().count(),
        false_expected: found().map(|comparison| comparison.chance_of_error()).sum(),
        left_out: entries().map(|entry| entry.left_out).sum(),
    }
}
