//! Carries a comparison out: makes its runs in order, restarts the server for every run, and records each result or
//! failure.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::Workload;
use results::record::RunOfCell;
use server::Variant;

use crate::kinds::comparison::finished::{self, Entry, Finished};
use crate::kinds::comparison::order::{self, Step};
use crate::kinds::comparison::plan::{Scope, key};
use crate::kinds::comparison::{memory, price};
use crate::session::limits::Limits;
use crate::session::namespace;
use crate::session::progress::Progress;
use crate::session::sitting::Sitting;
use crate::subjects::generators;
use crate::subjects::job::{Job, Measured};
use crate::subjects::opening::{self, Opening};

/// Attempts at one run.
pub(crate) const ATTEMPTS_MAX: u32 = 3;

/// Size of the socket table for a run in which connections come and go. Has room for the TIME-WAITs of some seconds at
/// 60,000 a second, without long chains.
const CHURN_SOCKETS: u64 = 1 << 19;

/// Runs what is missing in the journal.
pub(crate) fn run(sitting: &mut Sitting<'_, Finished>, scope: &Scope, limits: &Limits) -> anyhow::Result<()> {
    let journal = sitting.journal();
    let done = journal.run_count() + finished::memory(journal).count();
    let progress = Progress::new(done as u64, scope.run_count() + scope.memory_plan().len() as u64);
    let mut runner = Runner { scope, limits, sitting, progress };
    let ended = runner.all_runs().and_then(|()| runner.all_memory());
    runner.progress.clear();
    ended
}

/// A comparison under way.
struct Runner<'r, 'a> {
    scope: &'r Scope,
    limits: &'r Limits,
    sitting: &'r mut Sitting<'a, Finished>,
    progress: Progress,
}

impl Runner<'_, '_> {
    fn all_runs(&mut self) -> anyhow::Result<()> {
        let journal = self.sitting.journal();
        let done: BTreeSet<(String, u32)> =
            finished::runs(journal).map(|entry| (entry.cell.clone(), entry.run.repeat)).collect();
        for (order, step) in (0..).zip(order::steps(self.scope, journal.header().seed)) {
            let cell = key(&step.load, &step.arm);
            if done.contains(&(cell.clone(), step.repeat)) {
                continue;
            }
            if !self.sitting.is_left_out(&cell) {
                self.one_run(order, &step, cell)?;
            }
            self.progress.finish_step();
        }
        Ok(())
    }

    /// Measures one run and keeps it, or gives up its cell.
    fn one_run(&mut self, order: u32, step: &Step, cell: String) -> anyhow::Result<()> {
        let what = format!("{}, {}", step.load.words(), step.arm.name());
        self.progress.begin(Some(step.repeat), &what);
        let mut job = self.job(step)?;
        let (number, repeat) = (order + 1, step.repeat + 1);
        let (short, name) = (format!("run {number}"), format!("run {number} ({what}, repeat {repeat})"));
        let measured = match self.opening(&job, &short)? {
            Ok(opening) => {
                job.opening = opening;
                self.sitting.attempt(&short, &name, &mut self.progress, |stage| {
                    let begun_unix_ms = unix_ms();
                    let measured = if job.load.is_churn() {
                        namespace::inside(CHURN_SOCKETS, |_| generators::measure(&job, stage))
                    } else {
                        generators::measure(&job, stage)
                    };
                    measured.map(|measured| (begun_unix_ms, measured))
                })?
            }
            Err(reason) => Err(reason),
        };
        match measured {
            Ok((begun_unix_ms, measured)) => self.keep(order, step, cell, begun_unix_ms, measured),
            Err(reason) => {
                let reason = format!("{what}: failed {ATTEMPTS_MAX} times in repeat {repeat}: {reason}");
                self.sitting.leave_out(cell, reason, &self.progress)
            }
        }
    }

    fn job(&self, step: &Step) -> anyhow::Result<Job> {
        Ok(Job {
            server: step.arm.server,
            generator: step.arm.generator,
            load: step.load,
            // This fits: loads that do not fit were left out before.
            shape: self.limits.shape(step.load.connections).map_err(anyhow::Error::msg)?,
            seconds: self.scope.seconds,
            // Every arm of a repeat gets the same seed, and therefore the same schedule.
            seed: self.sitting.journal().header().seed.wrapping_add(u64::from(step.repeat)),
            opening: Opening::default(),
        })
    }

    fn keep(
        &mut self,
        order: u32,
        step: &Step,
        cell: String,
        begun_unix_ms: u64,
        measured: Measured,
    ) -> anyhow::Result<()> {
        let Measured { run, responses, mut points, window_start_unix_ms } = measured;
        let start_unix_ms = window_start_unix_ms.unwrap_or(begun_unix_ms);
        let since_ms = start_unix_ms.saturating_sub(self.sitting.journal().header().started_unix_ms);
        for point in &mut points {
            (point.cell, point.repeat) = (cell.clone(), step.repeat);
        }
        let run = RunOfCell { repeat: step.repeat, order, started_s: since_ms as f64 / 1000.0, ..run };
        self.sitting.keep(Finished::Run(Box::new(Entry { cell, run, responses, points })))
    }

    /// What the connections of `job` cost by themselves. Measures it on first use.
    fn opening(&mut self, job: &Job, short: &str) -> anyhow::Result<Result<Opening, String>> {
        if !opening::applies(&job.load, job.server) {
            return Ok(Ok(Opening::default()));
        }
        let key = opening::key(&job.load, job.server);
        if let Some((_, known)) = finished::openings(self.sitting.journal()).find(|(of, _)| *of == key) {
            return Ok(Ok(known.clone()));
        }
        let name = format!("opening the connections of {short}");
        let measured = self.sitting.attempt(&name, &name, &mut self.progress, |stage| price::measure(job, stage))?;
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
        let measured = self.sitting.attempt(&name, &name, &mut self.progress, |stage| {
            memory::measure(variant, workload, connections, stage)
        })?;
        match measured {
            Ok(measured) => self.sitting.keep(Finished::Memory(measured)),
            Err(reason) => {
                let reason = format!("{name}: failed {ATTEMPTS_MAX} times: {reason}");
                self.sitting.leave_out(cell, reason, &self.progress)
            }
        }
    }
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
