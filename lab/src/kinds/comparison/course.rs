//! The course of a comparison: the pilot, then every block.

use std::time::{Duration, Instant};

use results::record::Role;

use crate::kinds::comparison::blocks;
use crate::kinds::comparison::finished::{self, Finished};
use crate::kinds::comparison::order::{Step, starts_of_block};
use crate::kinds::comparison::pilot::{self, Pilot, Seen};
use crate::kinds::comparison::plan::{Comparison, Scope, key};
use crate::kinds::comparison::runner::{ATTEMPTS_MAX, Runner};
use crate::refusal::Refusal;
use crate::session::limits::Limits;
use crate::session::progress::Progress;
use crate::session::sitting::Sitting;

/// Measures what the journal does not have yet. `since` is when the command was given.
pub(super) fn run(
    sitting: &mut Sitting<'_, Finished>,
    comparison: &Comparison,
    scope: &Scope,
    limits: &Limits,
    since: Instant,
) -> anyhow::Result<()> {
    let progress = Progress::new(0, 0);
    let mut runner = Runner { comparison, scope, limits, sitting, progress };
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

/// The reference a few times and every other arm once under each load.
fn look(runner: &mut Runner<'_, '_>, since: Instant) -> anyhow::Result<Pilot> {
    runner.sitting.wait_until_fit("the pilot", &mut runner.progress)?;
    let mut seen = Seen::default();
    for (load_index, load) in runner.scope.loads.iter().enumerate() {
        let mut costs_us = Vec::new();
        for arm in starts_of_block(runner.scope, load) {
            let step = Step { block: 0, load_index, load: *load, arm };
            // The reference stands in a block twice.
            let starts = if arm.role == Role::Reference { pilot::STARTS / 2 } else { 1 };
            let (took, costs) = pilot_starts(runner, &step, starts)?;
            seen.block += took / starts as u32;
            if arm.role == Role::Reference {
                costs_us.extend(costs);
            }
        }
        seen.costs_us.push(costs_us);
    }
    seen.spent = since.elapsed();
    let pilot = Pilot::of(runner.scope, &seen).map_err(Refusal::usage)?;
    runner.sitting.keep(Finished::Pilot(pilot.clone()))?;
    Ok(pilot)
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
                costs.extend(runner.comparison.metric.of_run(&measured.run).filter(|cost| *cost > 0.0));
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
