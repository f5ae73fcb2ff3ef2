//! A comparison under way, and how it makes one start: with a new server, and less what the connections cost.

use results::record::Metric;

use crate::kinds::comparison::finished::{self, Finished};
use crate::kinds::comparison::order::{Step, starts_of_block};
use crate::kinds::comparison::plan::{Comparison, Scope};
use crate::kinds::comparison::price;
use crate::session::limits::Limits;
use crate::session::namespace;
use crate::session::progress::Progress;
use crate::session::sitting::Sitting;
use crate::subjects::job::{Job, Measured};
use crate::subjects::load::Load;
use crate::subjects::opening::{self, Opening};
use crate::subjects::{generators, together};

/// Attempts at one start that fails.
pub(crate) const ATTEMPTS_MAX: u32 = 3;
/// Size of the table of sockets where connections come and go: room without long chains for the TIME-WAITs of half a minute,
/// at 20,000 a second, which is about what a client opens.
const CHURN_SOCKETS: u64 = 1 << 19;

/// A comparison under way.
pub(super) struct Runner<'r, 'a> {
    pub(super) comparison: &'r Comparison,
    pub(super) scope: &'r Scope,
    pub(super) limits: &'r Limits,
    /// Whether the user leaves it to us.
    pub(super) may_stand_together: bool,
    pub(super) sitting: &'r mut Sitting<'a, Finished>,
    pub(super) progress: Progress,
}

impl Runner<'_, '_> {
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
            // The same seed for every arm of a block: all of them get the same schedules.
            seed: self.sitting.journal().header().seed.wrapping_add(u64::from(step.block)),
            opening: Opening::default(),
        };
        Ok(self.opening(&job, name)?.map(|opening| Job { opening, ..job }))
    }

    pub(super) fn measure(&mut self, job: &Job, name: &str) -> anyhow::Result<Result<Measured, String>> {
        self.sitting
            .attempt(name, &mut self.progress, |stage| in_its_place(&job.load, || generators::measure(job, stage)))
    }

    /// Whether the servers of a load stand side by side and are loaded in turns. Generators do not stand, and a server of
    /// several processes has several CPU clocks.
    pub(super) fn stand_together(&self, load: &Load) -> bool {
        let starts = starts_of_block(self.scope, load).len() as u32;
        let all = load.connections.saturating_mul(starts);
        self.may_stand_together
            && self.comparison.metric == Metric::ServerRun
            && self.limits.shape(all).is_ok()
            && self.limits.shape(load.connections).is_ok_and(|shape| shape.reactors == 1 && shape.threads == 1)
    }

    pub(super) fn measure_together(
        &mut self,
        jobs: &[Job],
        name: &str,
    ) -> anyhow::Result<Result<Vec<Measured>, String>> {
        self.sitting.attempt(name, &mut self.progress, |stage| match jobs {
            [first, ..] => in_its_place(&first.load, || together::measure(jobs, stage)),
            [] => Ok(Vec::new()),
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
}

/// Measures where connections may come and go as they like: those that do get a network namespace.
fn in_its_place<T: Send>(load: &Load, measure: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    if load.is_churn() { namespace::inside(CHURN_SOCKETS, |_| measure()) } else { measure() }
}
