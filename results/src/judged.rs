//! What a record says: each arm against the reference, over all loads and under each, and what the controls say of the
//! run itself.

use crate::record::{Cell, Metric, Record, Role, RunOfCell};
use crate::stats::blocks::{Effect, Finding, Findings, REFERENCES, Starts, judge, resolution};

/// What shares the false differences of a comparison; of these, the pooled effects and the single loads have so much
/// (see [`crate::stats::blocks`]).
const RATE_POOLED: f64 = 0.03;
const RATE_SINGLE: f64 = 0.01;

/// A record, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged<'a> {
    /// What the others are compared with.
    pub reference: &'a str,
    /// Everything that is compared, the controls too, in the order of the record.
    pub arms: Vec<Contestant<'a>>,
    /// The cells of each load, in the order of the record.
    pub loads: Vec<Vec<&'a Cell>>,
    /// Complete blocks.
    pub blocks: usize,
    /// Blocks that decide nothing, because a start of theirs is missing or INVALID.
    pub blocks_left_out: usize,
    /// Absent with fewer than four blocks.
    pub findings: Option<Findings>,
    /// What the controls say.
    pub controls: Controls,
}

/// One side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contestant<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is there for.
    pub role: Role,
    /// Whether it is a server of this project.
    pub is_own: bool,
}

/// What the controls of a run say of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Controls {
    /// The twin's effect, which should be none.
    pub twin: Option<Effect>,
    /// By how much the handicapped twin was made dearer, by the reference's own figures in this run: 0.05 for 5 %.
    pub planted: Option<f64>,
    /// The handicapped twin's effect.
    pub handicapped: Option<Effect>,
}

impl Controls {
    /// Whether no difference was found where there is none.
    pub fn twin_is_equal(&self) -> bool {
        !self.twin.is_some_and(|effect| effect.excludes_one())
    }

    /// Whether the planted difference was found.
    pub fn planted_is_found(&self) -> bool {
        self.handicapped.is_none_or(|effect| effect.low > 1.0)
    }

    /// Whether the run may be believed.
    pub fn hold(&self) -> bool {
        self.twin_is_equal() && self.planted_is_found()
    }
}

impl<'a> Judged<'a> {
    /// Judges a record by the figure that decides it.
    pub fn of(record: &'a Record) -> Judged<'a> {
        Judged::by(record, |run| record.metric.of_run(run), record.decision.effect_min)
    }

    /// Judges it by another figure, where less is better.
    pub fn by(record: &'a Record, figure: impl Fn(&RunOfCell) -> Option<f64>, effect_min: f64) -> Judged<'a> {
        let loads = loads(record);
        let arms = contestants(&loads);
        let Blocks { starts, complete, left_out } = blocks(record, &loads, &arms, figure);
        let findings = judge(&starts, arms.len(), effect_min);
        let of = |role: Role| {
            let index = arms.iter().position(|arm| arm.role == role)?;
            findings.as_ref()?.pooled[index]
        };
        let controls = Controls {
            twin: of(Role::Twin),
            planted: planted(record.metric, &loads),
            handicapped: of(Role::Handicapped),
        };
        let reference = record.decision.reference.as_str();
        Judged { reference, arms, loads, blocks: complete, blocks_left_out: left_out, findings, controls }
    }

    /// The pooled effect of each arm that has one, in the order of the record.
    pub fn pooled(&self) -> impl Iterator<Item = (Contestant<'a>, Effect)> {
        let effects = self.findings.iter().flat_map(|findings| findings.pooled.iter());
        self.arms.iter().zip(effects).filter_map(|(arm, effect)| Some((*arm, (*effect)?)))
    }

    /// The effect of an arm under a load.
    pub fn under(&self, load: usize, name: &str) -> Option<Effect> {
        let arm = self.arms.iter().position(|arm| arm.name == name)?;
        *self.findings.as_ref()?.by_load.get(load)?.get(arm)?
    }

    /// Whether the effect of an arm differs from load to load.
    pub fn differs(&self, name: &str) -> bool {
        let arm = self.arms.iter().position(|arm| arm.name == name);
        self.findings.as_ref().zip(arm).is_some_and(|(findings, arm)| findings.loads_differ[arm])
    }

    /// The effects that this run finds with a chance of 80 %, by its own noise: pooled, and under one load.
    pub fn resolution(&self) -> Option<(f64, f64)> {
        let noise = self.findings.as_ref()?.noise?;
        let of = |starts, rate| resolution(noise, self.blocks, starts, self.arms.len(), rate);
        Some((of(self.loads.len(), RATE_POOLED), of(1, RATE_SINGLE)))
    }

    /// Arms that are no controls, and how many of them are undecided.
    pub fn undecided(&self) -> (usize, usize) {
        let arms = || self.pooled().filter(|(arm, _)| !arm.role.is_control());
        (arms().filter(|(_, effect)| effect.finding == Finding::Undecided).count(), arms().count())
    }
}

/// The pooled effects that a design finds with a chance of 80 %, and those under one load, before it was carried out.
pub fn predicted(noise: f64, blocks: usize, loads: usize, arms: usize) -> (f64, f64) {
    let single = if loads > 1 { RATE_SINGLE } else { RATE_POOLED };
    (resolution(noise, blocks, loads, arms, RATE_POOLED), resolution(noise, blocks, 1, arms, single))
}

/// The cells grouped by load, both in the order of the record.
fn loads(record: &Record) -> Vec<Vec<&Cell>> {
    let load = |cell: &Cell| (cell.connections, cell.load_loop, cell.pipeline, cell.requests_per_connection);
    // Where generators are compared, each server is a load of its own.
    let is_same = |a: &Cell, b: &Cell| load(a) == load(b) && (&a.workload, &a.server) == (&b.workload, &b.server);
    let mut groups: Vec<Vec<&Cell>> = Vec::new();
    for cell in &record.cells {
        match groups.iter_mut().find(|group| is_same(group[0], cell)) {
            Some(group) => group.push(cell),
            None => groups.push(vec![cell]),
        }
    }
    groups
}

/// Everything but the reference, in the order of the record.
fn contestants<'a>(loads: &[Vec<&'a Cell>]) -> Vec<Contestant<'a>> {
    let mut found: Vec<Contestant<'a>> = Vec::new();
    for cell in loads.iter().flatten().filter(|cell| cell.role != Role::Reference) {
        if !found.iter().any(|known| known.name == cell.contestant()) {
            found.push(Contestant { name: cell.contestant(), role: cell.role, is_own: cell.is_own });
        }
    }
    found
}

struct Blocks {
    starts: Vec<Starts>,
    complete: usize,
    left_out: usize,
}

/// The values of the blocks in which every start has one.
fn blocks(
    record: &Record,
    loads: &[Vec<&Cell>],
    arms: &[Contestant<'_>],
    figure: impl Fn(&RunOfCell) -> Option<f64>,
) -> Blocks {
    let mut starts: Vec<Starts> = Vec::new();
    let mut ordered: Vec<Vec<&Cell>> = Vec::new();
    for cells in loads {
        let (references, others): (Vec<&Cell>, Vec<&Cell>) =
            cells.iter().partition(|cell| cell.role == Role::Reference);
        let numbers = others.iter().filter_map(|cell| arms.iter().position(|arm| arm.name == cell.contestant()));
        starts.push(Starts { arms: numbers.collect(), blocks: vec![] });
        ordered.push(references.into_iter().chain(others).collect());
    }
    let values = |cell: &Cell, block: u32| -> Option<Vec<f64>> {
        let runs = cell.runs.iter().filter(|run| run.block == block && run.stands());
        let values: Vec<f64> = runs.filter_map(&figure).filter(|value| *value > 0.0 && value.is_finite()).collect();
        let needed = if cell.role == Role::Reference { REFERENCES } else { 1 };
        (values.len() == needed).then_some(values)
    };
    let mut complete = 0;
    for block in 0..record.design.blocks {
        let of_load = |cells: &Vec<&Cell>| -> Option<Vec<f64>> {
            let values: Option<Vec<Vec<f64>>> = cells.iter().map(|cell| values(cell, block)).collect();
            values.map(|values| values.concat())
        };
        let Some(whole) = ordered.iter().map(of_load).collect::<Option<Vec<_>>>() else { continue };
        complete += 1;
        starts.iter_mut().zip(whole).for_each(|(starts, values)| starts.blocks.push(values));
    }
    Blocks { starts, complete, left_out: record.design.blocks as usize - complete }
}

/// What the handicap is of the reference's figure, as the mean over the loads.
fn planted(metric: Metric, loads: &[Vec<&Cell>]) -> Option<f64> {
    let of_load = |cells: &Vec<&Cell>| {
        let ns = f64::from(cells.iter().find_map(|cell| cell.handicap_ns)?);
        let reference = cells.iter().find(|cell| cell.role == Role::Reference)?;
        Some((1.0 + ns / 1000.0 / metric.range(&reference.summary)?.median).ln())
    };
    let found: Option<Vec<f64>> = loads.iter().map(of_load).collect();
    let found = found.filter(|found| !found.is_empty())?;
    Some((found.iter().sum::<f64>() / found.len() as f64).exp() - 1.0)
}

#[cfg(test)]
mod tests;
