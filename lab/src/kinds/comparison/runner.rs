//! Carries an experiment out: goes through its runs in their order, waits for a machine that is fit, restarts
//! the server for every run, tries again what fails, and puts into the journal what is done.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use results::record::{MemoryCell, RunOfCell};

use crate::kinds::comparison::memory;
use crate::kinds::comparison::opening::{self, Opening};
use crate::kinds::comparison::order::{self, Step};
use crate::kinds::comparison::plan::{Scope, key};
use crate::session::journal::{Entry, Journal, Line};
use crate::session::limits::Limits;
use crate::session::namespace;
use crate::session::places::Places;
use crate::session::preconditions::{self, Waited};
use crate::session::progress::Progress;
use crate::subjects::generators::{self, Job, Measured};

/// Attempts at one run.
const ATTEMPTS_MAX: u32 = 3;

/// Sockets for which a run in which connections come and go has room without long chains: TIME-WAITs of some
/// seconds at 60,000 a second.
const CHURN_SOCKETS: u64 = 1 << 19;

/// What to do about a machine that is not fit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Longest wait before a run.
    pub(crate) wait_max: Duration,
    /// Whether to run in spite of it then.
    pub(crate) is_noisy: bool,
}

/// How it ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Ended {
    /// All that can be measured has been.
    Complete,
    /// By a signal.
    Interrupted,
    /// The machine did not become fit; why.
    Unfit(String),
}

/// An experiment under way.
pub(crate) struct Runner<'a> {
    scope: &'a Scope,
    places: &'a Places,
    limits: &'a Limits,
    patience: Patience,
    journal: &'a mut Journal,
    progress: Progress,
    stop: &'a AtomicBool,
    /// Cells that are not tried any more.
    left_out: BTreeSet<String>,
}

/// What became of one run or one measurement of memory.
enum Attempt<T> {
    Done(T),
    /// It failed this often; the last reason.
    Failed(String),
    Ended(Ended),
}

impl<'a> Runner<'a> {
    pub(crate) fn new(
        scope: &'a Scope,
        places: &'a Places,
        limits: &'a Limits,
        patience: Patience,
        journal: &'a mut Journal,
        stop: &'a AtomicBool,
    ) -> Runner<'a> {
        let is_done = |line: &&Line| matches!(line, Line::Run(_) | Line::Memory(_));
        let done = journal.lines().iter().filter(is_done).count() as u64;
        let left_out = journal.lines().iter().filter_map(|line| match line {
            Line::LeftOut { cell, .. } => Some(cell.clone()),
            _ => None,
        });
        let left_out = left_out.collect();
        let progress = Progress::new(done, scope.run_count() + scope.memory_plan().len() as u64);
        Runner { scope, places, limits, patience, journal, progress, stop, left_out }
    }

    /// Runs what the journal does not have yet.
    pub(crate) fn run(&mut self) -> anyhow::Result<Ended> {
        let ended = self.all_runs().and_then(|ended| match ended {
            Ended::Complete => self.all_memory(),
            other => Ok(other),
        });
        self.progress.clear();
        ended
    }

    fn all_runs(&mut self) -> anyhow::Result<Ended> {
        let done: BTreeSet<(String, u32)> =
            self.journal.runs().map(|entry| (entry.cell.clone(), entry.run.repeat)).collect();
        for (order, step) in (0..).zip(order::steps(self.scope, self.journal.header().seed)) {
            let cell = key(&step.load, &step.arm);
            if done.contains(&(cell.clone(), step.repeat)) {
                continue;
            }
            if !self.left_out.contains(&cell)
                && let Some(ended) = self.one_run(order, &step, &cell)?
            {
                return Ok(ended);
            }
            self.progress.finish_step();
        }
        Ok(Ended::Complete)
    }

    /// Measures one run, and puts it or its failure into the journal.
    fn one_run(&mut self, order: u32, step: &Step, cell: &str) -> anyhow::Result<Option<Ended>> {
        let what = format!("{}, {}", step.load.words(), step.arm.name());
        self.progress.begin(Some(step.repeat), &what);
        let header = self.journal.header();
        let started_unix_ms = header.started_unix_ms;
        let mut job = Job {
            arm: step.arm,
            load: step.load,
            // Checked before: a load that does not fit was left out.
            shape: self.limits.shape(step.load.connections).map_err(anyhow::Error::msg)?,
            places: self.places,
            seconds: self.scope.seconds,
            // The same seed for every arm of a repeat: all of them get the same schedule.
            seed: header.seed.wrapping_add(u64::from(step.repeat)),
            opening: Opening::default(),
            stop: self.stop,
        };
        let name = format!("run {} ({what}, repeat {})", order + 1, step.repeat + 1);
        let short = format!("run {}", order + 1);
        let attempt = match self.opening(&job, &short)? {
            Attempt::Done(opening) => {
                job.opening = opening;
                self.attempt(&short, &name, || {
                    let begun_unix_ms = unix_ms();
                    let measured = if step.load.is_churn() {
                        namespace::inside(CHURN_SOCKETS, |_| generators::measure(&job))
                    } else {
                        generators::measure(&job)
                    };
                    measured.map(|measured| (begun_unix_ms, measured))
                })?
            }
            Attempt::Failed(reason) => Attempt::Failed(reason),
            Attempt::Ended(ended) => Attempt::Ended(ended),
        };
        match attempt {
            Attempt::Ended(ended) => return Ok(Some(ended)),
            Attempt::Failed(reason) => {
                let reason = format!("{what}: failed {ATTEMPTS_MAX} times in repeat {}: {reason}", step.repeat + 1);
                self.progress.say(&format!("left out: {reason}"));
                self.left_out.insert(cell.to_owned());
                self.journal.append(Line::LeftOut { cell: cell.to_owned(), reason })?;
            }
            Attempt::Done((begun_unix_ms, measured)) => {
                let Measured { run, responses, mut points, window_start_unix_ms } = measured;
                let start_unix_ms = window_start_unix_ms.unwrap_or(begun_unix_ms);
                let started_s = start_unix_ms.saturating_sub(started_unix_ms) as f64 / 1000.0;
                for point in &mut points {
                    (point.cell, point.repeat) = (cell.to_owned(), step.repeat);
                }
                let run = RunOfCell { repeat: step.repeat, order, started_s, ..run };
                let entry = Entry { cell: cell.to_owned(), run, responses, points };
                self.journal.append(Line::Run(Box::new(entry)))?;
            }
        }
        Ok(None)
    }

    /// What the connections of `job` cost by themselves, measured when it is first needed.
    fn opening(&mut self, job: &Job<'_>, short: &str) -> anyhow::Result<Attempt<Opening>> {
        if !opening::applies(&job.load, &job.arm) {
            return Ok(Attempt::Done(Opening::default()));
        }
        let key = opening::key(&job.load, &job.arm);
        let known = self.journal.lines().iter().find_map(|line| match line {
            Line::Opening { key: of, opening } if *of == key => Some(opening.clone()),
            _ => None,
        });
        if let Some(opening) = known {
            return Ok(Attempt::Done(opening));
        }
        let name = format!("opening the connections of {short}");
        let attempt = self.attempt(&name, &name, || opening::measure(job))?;
        if let Attempt::Done(opening) = &attempt {
            self.journal.append(Line::Opening { key, opening: opening.clone() })?;
        }
        Ok(attempt)
    }

    fn all_memory(&mut self) -> anyhow::Result<Ended> {
        for (workload, variant) in self.scope.memory_plan() {
            let is_same = |cell: &MemoryCell| cell.workload == workload.name() && cell.arm == variant.to_string();
            if self.journal.lines().iter().any(|line| matches!(line, Line::Memory(cell) if is_same(cell))) {
                continue;
            }
            let cell = format!("memory-{}-{variant}", workload.name());
            let name = format!("memory of idle connections, {} {variant}", workload.name());
            if !self.left_out.contains(&cell) {
                self.progress.begin(None, &name);
                let (places, stop, connections) = (self.places, self.stop, self.scope.idle_connections);
                match self.attempt(&name, &name, || memory::measure(variant, workload, connections, places, stop))? {
                    Attempt::Ended(ended) => return Ok(ended),
                    Attempt::Done(measured) => self.journal.append(Line::Memory(measured))?,
                    Attempt::Failed(reason) => {
                        let reason = format!("{name}: failed {ATTEMPTS_MAX} times: {reason}");
                        self.left_out.insert(cell.clone());
                        self.journal.append(Line::LeftOut { cell, reason })?;
                    }
                }
            }
            self.progress.finish_step();
        }
        Ok(Ended::Complete)
    }

    /// Waits for the machine and measures, again when that fails.
    fn attempt<T>(
        &mut self,
        short: &str,
        name: &str,
        mut measure: impl FnMut() -> anyhow::Result<T>,
    ) -> anyhow::Result<Attempt<T>> {
        let mut reason = String::new();
        for _ in 0..ATTEMPTS_MAX {
            if let Some(ended) = self.wait_until_fit(short)? {
                return Ok(Attempt::Ended(ended));
            }
            let measured = measure();
            // Ctrl-C reaches the children too: what they say then is not what went wrong.
            if self.is_stopped() && measured.is_err() {
                return Ok(Attempt::Ended(Ended::Interrupted));
            }
            match measured {
                Ok(measured) => return Ok(Attempt::Done(measured)),
                Err(error) => reason = format!("{error:#}"),
            }
            self.progress.say(&format!("{name} failed: {reason}"));
            self.journal.append(Line::Failure(format!("{name}: {reason}")))?;
        }
        Ok(Attempt::Failed(reason))
    }

    /// Returns how the experiment ends, if it does.
    fn wait_until_fit(&mut self, short: &str) -> anyhow::Result<Option<Ended>> {
        let (progress, stop) = (&mut self.progress, self.stop);
        let is_stopped = || stop.load(Ordering::Relaxed);
        let waited = preconditions::wait(self.places, self.patience.wait_max, is_stopped, |reasons| {
            progress.waits_for(reasons);
        });
        let words = match waited {
            Waited::Not => return Ok(None),
            Waited::Interrupted => return Ok(Some(Ended::Interrupted)),
            Waited::For(time, reasons) => format!("before {short}: waited {} for {reasons}", seconds(time)),
            Waited::InVain(time, reasons) if self.patience.is_noisy => {
                format!("before {short}: waited {} in vain, measured in spite of {reasons}", seconds(time))
            }
            Waited::InVain(time, reasons) => {
                return Ok(Some(Ended::Unfit(format!(
                    "{short} was not begun, after {} of waiting for {reasons}: see what is busy with `top` and \
                     `ss --summary`, wait longer with --wait-max 10m, or measure all the same with --noisy",
                    seconds(time)
                ))));
            }
        };
        self.journal.append(Line::Wait(words))?;
        Ok(None)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.0} s", time.as_secs_f64())
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
