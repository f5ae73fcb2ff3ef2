//! Carries a comparison out: the pilot, then every block, then the memory of idle connections, and keeps what is done or
//! given up.

use std::time::{Duration, Instant};

use protocol::Workload;
use results::record::Role;
use server::Variant;

use crate::kinds::comparison::finished::{self, Finished};
use crate::kinds::comparison::order::{Step, starts_of_block};
use crate::kinds::comparison::pilot::{self, Pilot, Seen};
use crate::kinds::comparison::plan::{Comparison, Scope, key};
use crate::kinds::comparison::{blocks, memory, price};
use crate::refusal::Refusal;
use crate::session::limits::Limits;
use crate::session::namespace;
use crate::session::progress::Progress;
use crate::session::sitting::Sitting;
use crate::subjects::generators;
use crate::subjects::job::{Job, Measured};
use crate::subjects::opening::{self, Opening};

/// Attempts at one start that fails.
pub(crate) const ATTEMPTS_MAX: u32 = 3;
/// Size of the table of sockets for a start in which connections come and go: room without long chains for the TIME-WAITs
/// of some seconds, at 60,000 a second.
const CHURN_SOCKETS: u64 = 1 << 19;

/// Measures what the journal does not have yet. `since` is when the command was given.
pub(crate) fn run(
    sitting: &mut Sitting<'_, Finished>,
    comparison: &Comparison,
    scope: &Scope,
    limits: &Limits,
    since: Instant,
) -> anyhow::Result<()> {
    let progress = Progress::new(0, 0);
    let mut runner = Runner { comparison, scope, limits, sitting, progress };
    let ended = runner.everything(since);
    runner.progress.clear();
    ended
}

/// A comparison under way.
pub(super) struct Runner<'r, 'a> {
    comparison: &'r Comparison,
    pub(super) scope: &'r Scope,
    limits: &'r Limits,
    pub(super) sitting: &'r mut Sitting<'a, Finished>,
    pub(super) progress: Progress,
}

impl Runner<'_, '_> {
    fn everything(&mut self, since: Instant) -> anyhow::Result<()> {
        let pilot = match finished::pilot(self.sitting.journal()) {
            Some(pilot) => pilot.clone(),
            None => self.pilot(since)?,
        };
        let journal = self.sitting.journal();
        let done = journal.run_count() + finished::memory(journal).count();
        let starts = u64::from(pilot.blocks) * self.scope.starts_per_block();
        self.progress = Progress::new(done as u64, starts + self.scope.memory_plan().len() as u64);
        self.progress.say(&pilot.words(self.scope));
        blocks::all(self, &pilot)?;
        self.all_memory()
    }

    /// The reference a few times and every other arm once under each load.
    fn pilot(&mut self, since: Instant) -> anyhow::Result<Pilot> {
        self.sitting.wait_until_fit("the pilot", &mut self.progress)?;
        let mut seen = Seen::default();
        for (load_index, load) in self.scope.loads.iter().enumerate() {
            let mut costs_us = Vec::new();
            for arm in starts_of_block(self.scope, load) {
                let step = Step { block: 0, load_index, load: *load, arm };
                // The reference stands in a block twice.
                let starts = if arm.role == Role::Reference { pilot::STARTS / 2 } else { 1 };
                let (took, costs) = self.pilot_starts(&step, starts)?;
                seen.block += took / starts as u32;
                if arm.role == Role::Reference {
                    costs_us.extend(costs);
                }
            }
            seen.costs_us.push(costs_us);
        }
        seen.spent = since.elapsed() + Duration::from_secs_f64(self.scope.memory_s());
        let pilot = Pilot::of(self.scope, &seen).map_err(Refusal::usage)?;
        self.sitting.keep(Finished::Pilot(pilot.clone()))?;
        Ok(pilot)
    }

    /// So many starts of one arm: how long they took, and what the figure that decides was.
    fn pilot_starts(&mut self, step: &Step, starts: usize) -> anyhow::Result<(Duration, Vec<f64>)> {
        let name = format!("pilot, {}, {}", step.load.words(), step.arm.name());
        self.progress.begin(None, &name);
        let (mut took, mut costs) = (Duration::ZERO, Vec::new());
        if self.sitting.is_left_out(&key(&step.load, &step.arm)) {
            return Ok((took, costs));
        }
        // What opening costs is measured once, so its time is no part of a start's.
        let prepared = self.prepared(step, &name, None)?;
        for _ in 0..starts {
            let begun = Instant::now();
            let measured = match &prepared {
                Ok(job) => self.measure(job, &name)?,
                Err(reason) => Err(reason.clone()),
            };
            took += begun.elapsed();
            match measured {
                Ok(measured) => {
                    costs.extend(self.comparison.metric.of_run(&measured.run).filter(|cost| *cost > 0.0));
                }
                Err(reason) => {
                    let what = format!("{}, {}", step.load.words(), step.arm.name());
                    let reason = format!("{what}: failed {ATTEMPTS_MAX} times in the pilot: {reason}");
                    self.sitting.leave_out(key(&step.load, &step.arm), reason, &self.progress)?;
                    break;
                }
            }
        }
        Ok((took, costs))
    }

    /// What a step asks for, with what its connections cost. The outer error ends the experiment, the inner one is that
    /// of the last attempt; so in `measure`.
    pub(super) fn prepared(
        &mut self,
        step: &Step,
        name: &str,
        handicap_ns: Option<u32>,
    ) -> anyhow::Result<Result<Job, String>> {
        let job = Job {
            server: step.arm.server,
            handicap_ns,
            generator: step.arm.generator,
            load: step.load,
            // Checked before: a load that does not fit was left out.
            shape: self.limits.shape(step.load.connections).map_err(anyhow::Error::msg)?,
            seconds: self.scope.seconds,
            // The same seed for every arm of a block: all of them get the same schedule.
            seed: self.sitting.journal().header().seed.wrapping_add(u64::from(step.block)),
            opening: Opening::default(),
        };
        Ok(self.opening(&job, name)?.map(|opening| Job { opening, ..job }))
    }

    pub(super) fn measure(&mut self, job: &Job, name: &str) -> anyhow::Result<Result<Measured, String>> {
        self.sitting.attempt(name, &mut self.progress, |stage| {
            if job.load.is_churn() {
                namespace::inside(CHURN_SOCKETS, |_| generators::measure(job, stage))
            } else {
                generators::measure(job, stage)
            }
        })
    }

    /// What the connections of `job` cost by themselves. Measures that when it is first needed.
    fn opening(&mut self, job: &Job, name: &str) -> anyhow::Result<Result<Opening, String>> {
        if !opening::applies(&job.load, job.server) {
            return Ok(Ok(Opening::default()));
        }
        let key = opening::key(&job.load, job.server);
        if let Some((_, known)) = finished::openings(self.sitting.journal()).find(|(of, _)| *of == key) {
            return Ok(Ok(known.clone()));
        }
        let name = format!("opening the connections of {name}");
        let measured = self.sitting.attempt(&name, &mut self.progress, |stage| price::measure(job, stage))?;
        if let Ok(opening) = &measured {
            self.sitting.keep(Finished::Opening { key, opening: opening.clone() })?;
        }
        Ok(measured)
    }

    fn all_memory(&mut self) -> anyhow::Result<()> {
        for (workload, variant) in self.scope.memory_plan() {
            let (word, arm) = (workload.name(), variant.to_string());
            if finished::memory(self.sitting.journal()).any(|cell| (cell.workload.as_str(), &cell.arm) == (word, &arm))
            {
                continue;
            }
            let cell = format!("memory-{word}-{variant}");
            if !self.sitting.is_left_out(&cell) {
                self.one_memory(workload, variant, cell)?;
            }
            self.progress.finish_step();
        }
        Ok(())
    }

    fn one_memory(&mut self, workload: Workload, variant: Variant, cell: String) -> anyhow::Result<()> {
        let name = format!("memory of idle connections, {} {variant}", workload.name());
        self.progress.begin(None, &name);
        let connections = self.scope.idle_connections;
        let measured = self
            .sitting
            .attempt(&name, &mut self.progress, |stage| memory::measure(variant, workload, connections, stage))?;
        match measured {
            Ok(measured) => self.sitting.keep(Finished::Memory(measured)),
            Err(reason) => {
                let reason = format!("{name}: failed {ATTEMPTS_MAX} times: {reason}");
                self.sitting.leave_out(cell, reason, &self.progress)
            }
        }
    }
}
