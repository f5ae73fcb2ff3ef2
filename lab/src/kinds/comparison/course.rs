//! The course of a comparison: the pilot, then every block.

use std::time::{Duration, Instant};

use results::record::Role;

use crate::kinds::comparison::blocks;
use crate::kinds::comparison::finished::{self, Finished};
use crate::kinds::comparison::order::{Step, starts_of_block};
use crate::kinds::comparison::pilot::{self, Pilot, Seen};
use crate::kinds::comparison::plan::{Arm, Comparison, Scope, key};
use crate::kinds::comparison::runner::{ATTEMPTS_MAX, Runner};
use crate::refusal::Refusal;
use crate::session::limits::Limits;
use crate::session::progress::Progress;
use crate::session::sitting::Sitting;
use crate::subjects::job::Measured;

/// Measures what the journal does not have yet. `since` is when the command was given.
pub(super) fn run(
    sitting: &mut Sitting<'_, Finished>,
    comparison: &Comparison,
    scope: &Scope,
    limits: &Limits,
    may_stand_together: bool,
    since: Instant,
) -> anyhow::Result<()> {
    let progress = Progress::new(0, 0);
    let mut runner = Runner { comparison, scope, limits, may_stand_together, sitting, progress };
    let ended = everything(&mut runner, since);
    runner.progress.clear();
    ended
}

fn everything(runner: &mut Runner<'_, '_>, since: Instant) -> anyhow::Result<()> {
    let pilot = match finished::pilot(runner.sitting.journal()) {
        Some(pilot) => pilot.clone(),
        None => look(runner, since)?,
    };
    let starts = u64::from(pilot.blocks) * runner.scope.starts_per_block();
    runner.progress = Progress::new(runner.sitting.journal().run_count() as u64, starts);
    runner.progress.say(&pilot.words(runner.scope));
    blocks::all(runner, &pilot)
}

/// Every arm under each load a few times. What has no controls of its own yet is the same server as the reference, so the
/// pilot sees several alike.
fn look(runner: &mut Runner<'_, '_>, since: Instant) -> anyhow::Result<Pilot> {
    runner.sitting.wait_until_fit("the pilot", &mut runner.progress)?;
    let mut seen = Seen::default();
    for (load_index, load) in runner.scope.loads.iter().enumerate() {
        let step = |arm| Step { block: 0, load_index, load: *load, arm };
        let steps: Vec<Step> = starts_of_block(runner.scope, load).into_iter().map(step).collect();
        let first = seen.alike_us.len();
        let are_together = runner.stand_together(load) && look_together(runner, &steps, &mut seen)?;
        if !are_together {
            look_singly(runner, &steps, &mut seen)?;
        }
        seen.are_together.push(are_together);
        let costs_us = seen.alike_us[first..].concat();
        seen.costs_us.push(costs_us);
    }
    seen.spent = since.elapsed();
    let pilot = Pilot::of(runner.scope, &seen).map_err(Refusal::usage)?;
    runner.sitting.keep(Finished::Pilot(pilot.clone()))?;
    Ok(pilot)
}

/// All servers side by side. False if that fails.
fn look_together(runner: &mut Runner<'_, '_>, steps: &[Step], seen: &mut Seen) -> anyhow::Result<bool> {
    let Some(first) = steps.first() else { return Ok(true) };
    let name = format!("pilot, {}, {} servers in turns", first.load.words(), steps.len());
    runner.progress.begin(None, &name);
    let mut jobs = Vec::new();
    for step in steps {
        match runner.prepared(step, &name, None)? {
            Ok(job) => jobs.push(job),
            Err(_) => return Ok(false),
        }
    }
    let (begun, mut groups) = (Instant::now(), Vec::new());
    for _ in 0..pilot::GROUPS {
        // What was seen before a failure counts for nothing: its servers are measured again, one after another.
        let Ok(measured) = runner.measure_together(&jobs, &name)? else { return Ok(false) };
        let alike = steps.iter().zip(&measured).filter(|(step, _)| is_like_the_reference(&step.arm));
        groups.push(alike.filter_map(|(_, measured)| cost(runner, measured)).collect());
    }
    seen.block += begun.elapsed() / pilot::GROUPS;
    seen.alike_us.extend(groups);
    Ok(true)
}

/// One start after another. Arms that fail are left out.
fn look_singly(runner: &mut Runner<'_, '_>, steps: &[Step], seen: &mut Seen) -> anyhow::Result<()> {
    let mut alike = Vec::new();
    for step in steps {
        let starts = if step.arm.role == Role::Reference { pilot::STARTS / 2 } else { 1 };
        let (took, costs) = pilot_starts(runner, step, starts)?;
        seen.block += took / starts as u32;
        if is_like_the_reference(&step.arm) {
            alike.extend(costs);
        }
    }
    seen.alike_us.push(alike);
    Ok(())
}

/// Whether it is the reference's server: in the pilot nothing is planted.
fn is_like_the_reference(arm: &Arm) -> bool {
    arm.role != Role::Arm
}

fn cost(runner: &Runner<'_, '_>, measured: &Measured) -> Option<f64> {
    runner.comparison.metric.of_run(&measured.run).filter(|cost| *cost > 0.0)
}

/// So many starts of one arm: how long they took, and what the figure that decides was.
fn pilot_starts(runner: &mut Runner<'_, '_>, step: &Step, starts: usize) -> anyhow::Result<(Duration, Vec<f64>)> {
    let name = format!("pilot, {}, {}", step.load.words(), step.arm.name());
    runner.progress.begin(None, &name);
    let (mut took, mut costs) = (Duration::ZERO, Vec::new());
    if runner.sitting.is_left_out(&key(&step.load, &step.arm)) {
        return Ok((took, costs));
    }
    // What opening costs is measured once, so its time is no part of a start's.
    let prepared = runner.prepared(step, &name, None)?;
    for _ in 0..starts {
        let begun = Instant::now();
        let measured = match &prepared {
            Ok(job) => runner.measure(job, &name)?,
            Err(reason) => Err(reason.clone()),
        };
        took += begun.elapsed();
        match measured {
            Ok(measured) => {
                costs.extend(cost(runner, &measured));
            }
            Err(reason) => {
                let what = format!("{}, {}", step.load.words(), step.arm.name());
                let reason = format!("{what}: failed {ATTEMPTS_MAX} times in the pilot: {reason}");
                runner.sitting.leave_out(key(&step.load, &step.arm), reason, &runner.progress)?;
                break;
            }
        }
    }
    Ok((took, costs))
}
