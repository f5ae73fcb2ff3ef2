//! What a record says: each arm against the reference, over all loads and under each, and what the controls say of the
//! run itself.

use crate::record::{Cell, Metric, Record, Role, RunOfCell};
use crate::stats::blocks::{Effect, Finding, Findings, REFERENCES, Resolution, Starts, judge, resolution_of};

/// An arm is judged under a load if it has a value in at least this share of the blocks. One that lacks more (several
/// processes, of which none is watched; every start INVALID) costs only itself, and not every block of the run.
const PRESENT_MIN: f64 = 0.8;

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
    /// Arms that have no effect under a load, and the number of the load: too few of their starts have the figure.
    pub unjudged: Vec<(&'a str, usize)>,
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
    /// Whether there was to be one: a server can be made dearer, a generator cannot.
    pub has_handicap: bool,
}

impl Controls {
    /// Whether no difference was found where there is none. A twin that was lost shows nothing.
    pub fn twin_is_equal(&self) -> bool {
        self.twin.is_some_and(|effect| !effect.excludes_one())
    }

    /// Whether the planted difference was found, if there was to be one.
    pub fn planted_is_found(&self) -> bool {
        !self.has_handicap || self.handicapped.is_some_and(|effect| effect.low > 1.0)
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
        let Blocks { starts, complete, left_out, unjudged } = blocks(record, &loads, &arms, figure);
        let findings = judge(&starts, arms.len(), effect_min);
        let of = |role: Role| {
            let index = arms.iter().position(|arm| arm.role == role)?;
            findings.as_ref()?.pooled[index]
        };
        let controls = Controls {
            twin: of(Role::Twin),
            planted: planted(record.metric, &loads),
            handicapped: of(Role::Handicapped),
            has_handicap: record.metric == Metric::ServerRun,
        };
        let reference = record.decision.reference.as_str();
        Judged { reference, arms, loads, blocks: complete, blocks_left_out: left_out, unjudged, findings, controls }
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

    /// The effects that this run finds with a chance of 80 %, by its own noise.
    pub fn resolution(&self) -> Option<Resolution> {
        let findings = self.findings.as_ref()?;
        let arms_by_load: Vec<usize> = findings.by_load.iter().map(|arms| arms.iter().flatten().count()).collect();
        Some(resolution_of(findings.noise?, self.blocks, &arms_by_load, findings.pooled.iter().flatten().count()))
    }

    /// The loads under which an arm was judged, by their numbers.
    pub fn loads_of(&self, name: &str) -> Vec<usize> {
        (0..self.loads.len()).filter(|load| self.under(*load, name).is_some()).collect()
    }

    /// Arms that are no controls, and how many of them are undecided.
    pub fn undecided(&self) -> (usize, usize) {
        let arms = || self.pooled().filter(|(arm, _)| !arm.role.is_control());
        (arms().filter(|(_, effect)| effect.finding == Finding::Undecided).count(), arms().count())
    }
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

struct Blocks<'a> {
    starts: Vec<Starts>,
    complete: usize,
    left_out: usize,
    unjudged: Vec<(&'a str, usize)>,
}

/// The values of the blocks in which every start has one, of the arms that have one in most blocks.
fn blocks<'a>(
    record: &Record,
    loads: &[Vec<&'a Cell>],
    arms: &[Contestant<'_>],
    figure: impl Fn(&RunOfCell) -> Option<f64>,
) -> Blocks<'a> {
    let count = record.design.blocks as usize;
    let (mut starts, mut ordered, mut unjudged) = (Vec::new(), Vec::new(), Vec::new());
    for (load, cells) in loads.iter().enumerate() {
        let mut columns: Vec<(&Cell, Vec<Option<Vec<f64>>>)> = Vec::new();
        for cell in cells {
            let values = by_block(cell, count, &figure);
            if (values.iter().flatten().count() as f64) < PRESENT_MIN * count as f64 {
                unjudged.push((cell.contestant(), load));
            } else if cell.role == Role::Reference {
                columns.insert(0, (cell, values));
            } else {
                columns.push((cell, values));
            }
        }
        // Without its reference a load decides nothing.
        if columns.first().is_none_or(|(cell, _)| cell.role != Role::Reference) {
            columns.clear();
        }
        let numbers =
            columns.iter().skip(1).filter_map(|(cell, _)| arms.iter().position(|arm| arm.name == cell.contestant()));
        starts.push(Starts { arms: numbers.collect(), blocks: vec![] });
        ordered.push(columns);
    }
    let mut complete = 0;
    let is_judged = ordered.iter().any(|columns| !columns.is_empty());
    for block in (0..count).filter(|_| is_judged) {
        let of_load = |columns: &Vec<(&Cell, Vec<Option<Vec<f64>>>)>| -> Option<Vec<f64>> {
            if columns.is_empty() {
                return Some(vec![1.0; REFERENCES]);
            }
            let values: Option<Vec<Vec<f64>>> = columns.iter().map(|(_, values)| values[block].clone()).collect();
            values.map(|values| values.concat())
        };
        let Some(whole) = ordered.iter().map(of_load).collect::<Option<Vec<_>>>() else { continue };
        complete += 1;
        starts.iter_mut().zip(whole).for_each(|(starts, values)| starts.blocks.push(values));
    }
    Blocks { starts, complete, left_out: count - complete, unjudged }
}

/// The values of a cell in each block; `None` where a start is missing, does not stand, or lacks the figure.
fn by_block(cell: &Cell, count: usize, figure: impl Fn(&RunOfCell) -> Option<f64>) -> Vec<Option<Vec<f64>>> {
    let mut values = vec![Vec::new(); count];
    for run in cell.runs.iter().filter(|run| run.stands()) {
        let value = figure(run).filter(|value| *value > 0.0 && value.is_finite());
        if let Some((values, value)) = values.get_mut(run.block as usize).zip(value) {
            values.push(value);
        }
    }
    let needed = if cell.role == Role::Reference { REFERENCES } else { 1 };
    values.into_iter().map(|values| (values.len() == needed).then_some(values)).collect()
}

/// What the handicap is of the reference's figure, as the mean over the loads.
fn planted(metric: Metric, loads: &[Vec<&Cell>]) -> Option<f64> {
    let of_load = |cells: &Vec<&Cell>| {
        let ns = f64::from(cells.iter().find_map(|cell| cell.handicap_ns)?);
        let reference = cells.iter().find(|cell| cell.role == Role::Reference)?;
        Some((1.0 + ns / 1000.0 / metric.range(&reference.summary)?.median).ln())
    };
    // A load in which the twin was lost has no part in what is seen of it either.
    let found: Vec<f64> = loads.iter().filter_map(of_load).collect();
    (!found.is_empty()).then(|| (found.iter().sum::<f64>() / found.len() as f64).exp() - 1.0)
}

#[cfg(test)]
mod tests;
