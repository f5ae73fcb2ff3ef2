//! The blocks of a comparison: every start in order, with a new server each, and then again what was disturbed. Where the
//! servers of a load can stand side by side ([`Runner::stand_together`]), the starts of a block are measured and repeated
//! as one.
//!
//! **A disturbed start is repeated**, by a rule that is fixed beforehand and the same for all arms: when the hypervisor
//! had one of the two CPUs, or something else than the server's own reactors had the server's, for more than 5 % of the
//! window. What was measured plays no part in the rule.
//!
//! A disturbance is often a burst of some seconds, so the repeat of a start waits for the end of its block, and for a fit
//! machine. A start is repeated at most twice, and so many of all starts may be repeats as the pilot has room for. Where
//! a budget is given, a part of it is for waiting. When either is used up, starts are kept as they are, and marked.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use results::record::{Role, RunOfCell};

use crate::kinds::comparison::finished::{self, Entry, Finished};
use crate::kinds::comparison::order::{self, Step};
use crate::kinds::comparison::pilot::{self, Pilot};
use crate::kinds::comparison::plan::key;
use crate::kinds::comparison::runner::{ATTEMPTS_MAX, Runner};
use crate::subjects::job::{Job, Measured};

/// Starts in place of one that was disturbed.
pub(crate) const REPEATS_MAX: u32 = 2;
/// Share of a window from which on a start counts as disturbed: half a tick of /proc/stat in a window of 0.1 s, so that
/// less than that is not seen at all.
const DISTURBED_FROM: f64 = 0.05;
/// Longest wait before repeats where no budget limits it.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// What disturbances may still cost.
struct Allowance {
    repeats: u32,
    /// Time for waiting; `None` where no budget limits it.
    waiting: Option<Duration>,
}

/// A start that was measured.
struct Start<'s> {
    order: u32,
    step: &'s Step,
    begun_unix_ms: u64,
    measured: Measured,
}

/// Measures every start that the journal does not have yet.
pub(super) fn all(runner: &mut Runner<'_, '_>, pilot: &Pilot) -> anyhow::Result<()> {
    let journal = runner.sitting.journal();
    let steps = order::steps(runner.scope, pilot.blocks, journal.header().seed);
    let done: Vec<u32> = finished::runs(journal).map(|entry| entry.run.order).collect();
    let repeated: u32 = finished::runs(journal).map(|entry| entry.run.repeated).sum();
    let mut allowance = Allowance {
        repeats: pilot.repeats_max(runner.scope).saturating_sub(repeated),
        waiting: pilot::waits(runner.scope.length),
    };
    let left: Vec<(u32, &Step)> = (0..).zip(&steps).filter(|(order, _)| !done.contains(order)).collect();
    for block in left.chunk_by(|(_, a), (_, b)| a.block == b.block) {
        let name = format!("block {}", block[0].1.block + 1);
        match &mut allowance.waiting {
            None => runner.sitting.wait_until_fit(&name, &mut runner.progress)?,
            Some(_) => wait(runner, &name, &mut allowance)?,
        }
        one(runner, pilot, block, &mut allowance)?;
    }
    Ok(())
}

/// Waits for a fit machine, as long as the allowance lasts.
fn wait(runner: &mut Runner<'_, '_>, name: &str, allowance: &mut Allowance) -> anyhow::Result<()> {
    let left = allowance.waiting.unwrap_or(WAIT_MAX);
    if left.is_zero() {
        return Ok(());
    }
    let waited = runner.sitting.wait_a_little(name, left, &mut runner.progress)?;
    allowance.waiting = allowance.waiting.map(|left| left.saturating_sub(waited));
    Ok(())
}

/// Measures the starts of a block, and those again that were disturbed.
fn one(
    runner: &mut Runner<'_, '_>,
    pilot: &Pilot,
    block: &[(u32, &Step)],
    allowance: &mut Allowance,
) -> anyhow::Result<()> {
    let mut disturbed = Vec::new();
    let are_together = |load: usize| pilot.are_together.get(load).copied().unwrap_or(false);
    let belong = |a: &Step, b: &Step| a.load_index == b.load_index && are_together(a.load_index);
    let units: Vec<&[(u32, &Step)]> = block.chunk_by(|(_, a), (_, b)| belong(a, b)).collect();
    for unit in units {
        disturbed.extend(made(runner, pilot, unit.to_vec(), 0)?);
        unit.iter().for_each(|_| runner.progress.finish_step());
    }
    for repeated in 1..=REPEATS_MAX {
        let (again, kept): (Vec<Unit<'_>>, Vec<Unit<'_>>) = disturbed.into_iter().partition(|unit: &Unit<'_>| {
            let starts = unit.len() as u32;
            let is_repeated = starts <= allowance.repeats;
            allowance.repeats -= if is_repeated { starts } else { 0 };
            is_repeated
        });
        kept.into_iter().flatten().try_for_each(|start| keep(runner, start))?;
        if again.is_empty() {
            return Ok(());
        }
        wait(runner, &format!("repeats of block {}", block[0].1.block + 1), allowance)?;
        disturbed = Vec::new();
        for unit in again {
            let starts = unit.iter().map(|start| (start.order, start.step)).collect();
            disturbed.extend(made(runner, pilot, starts, repeated)?);
        }
    }
    disturbed.into_iter().flatten().try_for_each(|start| keep(runner, start))
}

/// Starts that are measured, and repeated, as one.
type Unit<'s> = Vec<Start<'s>>;

/// Measures some starts. Keeps them, or returns them if any was disturbed, or gives up the cell of one that fails.
fn made<'s>(
    runner: &mut Runner<'_, '_>,
    pilot: &Pilot,
    starts: Vec<(u32, &'s Step)>,
    repeated: u32,
) -> anyhow::Result<Option<Unit<'s>>> {
    let (mut known, mut jobs) = (Vec::new(), Vec::new());
    for (order, step) in starts {
        if let Some(job) = job(runner, pilot, order, step)? {
            known.push((order, step));
            jobs.push(job);
        }
    }
    let Some((order, step)) = known.first().copied() else { return Ok(None) };
    runner.progress.begin(Some(step.block), &what(step, known.len()));
    let name = format!("start {} ({}, block {})", order + 1, what(step, known.len()), step.block + 1);
    let begun_unix_ms = unix_ms();
    let measured = match &jobs[..] {
        [job] => runner.measure(job, &name)?.map(|measured| vec![measured]),
        jobs => runner.measure_together(jobs, &name)?,
    };
    let measured = match measured {
        Ok(measured) => measured,
        Err(reason) if jobs.len() == 1 => {
            give_up(runner, step, &reason)?;
            return Ok(None);
        }
        Err(_) => {
            let good = sound(runner, &known, &jobs, &name)?;
            // Where nobody is at fault alone, the block lacks these starts and decides nothing under this load.
            let is_found = good.len() < known.len();
            return if is_found { made(runner, pilot, good, repeated) } else { Ok(None) };
        }
    };
    let unit: Unit<'s> = known
        .into_iter()
        .zip(measured)
        .map(|((order, step), measured)| {
            let is_disturbed = is_disturbed(&measured.run);
            let run = RunOfCell { repeated, is_disturbed, ..measured.run };
            Start { order, step, begun_unix_ms, measured: Measured { run, ..measured } }
        })
        .collect();
    if unit.iter().any(|start| start.measured.run.is_disturbed) {
        return Ok(Some(unit));
    }
    unit.into_iter().try_for_each(|start| keep(runner, start)).map(|()| None)
}

/// Of servers that failed together, those that do not fail alone; the others are given up. What they give so is measured in
/// another way, and is no part of the block.
fn sound<'s>(
    runner: &mut Runner<'_, '_>,
    known: &[(u32, &'s Step)],
    jobs: &[Job],
    name: &str,
) -> anyhow::Result<Vec<(u32, &'s Step)>> {
    let mut sound = Vec::new();
    for ((order, step), job) in known.iter().zip(jobs) {
        match runner.measure(job, name)? {
            Ok(_) => sound.push((*order, *step)),
            Err(reason) => give_up(runner, step, &reason)?,
        }
    }
    Ok(sound)
}

/// Leaves the cell of a start out that fails again and again.
fn give_up(runner: &mut Runner<'_, '_>, step: &Step, reason: &str) -> anyhow::Result<()> {
    let reason = format!("{}: failed {ATTEMPTS_MAX} times in block {}: {reason}", what(step, 1), step.block + 1);
    runner.sitting.leave_out(key(&step.load, &step.arm), reason, &runner.progress)
}

fn what(step: &Step, starts: usize) -> String {
    match starts {
        1 => format!("{}, {}", step.load.words(), step.arm.name()),
        _ => format!("{}, {starts} servers in turns", step.load.words()),
    }
}

/// What a start asks for; `None` if its cell is given up.
fn job(runner: &mut Runner<'_, '_>, pilot: &Pilot, order: u32, step: &Step) -> anyhow::Result<Option<Job>> {
    let cell = key(&step.load, &step.arm);
    if runner.sitting.is_left_out(&cell) {
        return Ok(None);
    }
    let handicap_ns = pilot.handicaps_ns.get(step.load_index).copied().flatten();
    let handicap_ns = handicap_ns.filter(|_| step.arm.role == Role::Handicapped);
    let reason = if step.arm.role == Role::Handicapped && handicap_ns.is_none() {
        "the reference showed no CPU time in the pilot, so nothing can be planted".to_owned()
    } else {
        let name = format!("start {} ({}, block {})", order + 1, what(step, 1), step.block + 1);
        match runner.prepared(step, &name, handicap_ns)? {
            Ok(job) => return Ok(Some(job)),
            Err(reason) => format!("failed {ATTEMPTS_MAX} times in block {}: {reason}", step.block + 1),
        }
    };
    let reason = format!("{}: {reason}", what(step, 1));
    runner.sitting.leave_out(cell, reason, &runner.progress).map(|()| None)
}

fn keep(runner: &mut Runner<'_, '_>, start: Start<'_>) -> anyhow::Result<()> {
    let Start { order, step, begun_unix_ms, measured } = start;
    let Measured { run, raw, responses, mut points, window_start_unix_ms } = measured;
    let start_unix_ms = window_start_unix_ms.unwrap_or(begun_unix_ms);
    let since_ms = start_unix_ms.saturating_sub(runner.sitting.journal().header().started_unix_ms);
    let cell = key(&step.load, &step.arm);
    for point in &mut points {
        (point.cell, point.order) = (cell.clone(), order);
    }
    let run = RunOfCell { cell, block: step.block, order, started_s: since_ms as f64 / 1000.0, ..run };
    runner.sitting.keep(Finished::Run(Box::new(Entry { run, raw, responses, points })))
}

/// The rule of the module.
fn is_disturbed(run: &RunOfCell) -> bool {
    [run.stolen_share, run.waited_share].into_iter().flatten().any(|share| share > DISTURBED_FROM)
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
