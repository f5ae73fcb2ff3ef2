//! What one process does for an experiment of any kind. It opens the journal, waits for a fit machine, and tries failed
//! runs again. At the end it publishes the results. If it ends early, it says what is kept and how to continue. An
//! interrupted experiment takes several processes. The kind of experiment decides what a run is, and what waits.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow, bail};
use results::report::Table;
use results::run::NamedFile;
use results::{run as run_directory, shell, utc};
use serde::Serialize;
use serde_json::Value;

use crate::built;
use crate::refusal::Refusal;
use crate::session::host::Host;
use crate::session::journal::{self, Finished, Header, Journal, Line};
use crate::session::namespace::Needs;
use crate::session::preconditions::{self, Waited};
use crate::session::progress::Progress;
use crate::session::request::{Profile, Request};
use crate::session::stage::Stage;
use crate::session::terminal::{print, terminal};
use crate::session::{namespace, out, places, start};

/// What must be known about an experiment before it begins.
#[derive(Debug, Clone)]
pub(crate) struct Outline {
    pub(crate) name: &'static str,
    pub(crate) profile: Profile,
    /// Seed of the schedules and of the order. A seed that the journal has takes precedence.
    pub(crate) seed: u64,
    /// What must agree when the experiment is continued.
    pub(crate) arms: Vec<String>,
    pub(crate) loads: Vec<String>,
    pub(crate) repeats: u32,
    /// The time that all of it may take, where that decides how much is measured.
    pub(crate) budget: Option<Duration>,
    /// Length of each run; 0 if they differ.
    pub(crate) seconds: f64,
    /// How many runs there are, and the word for them (`runs`, `steps`).
    pub(crate) runs: Option<u64>,
    pub(crate) noun: &'static str,
    /// How long all runs take on a quiet machine.
    pub(crate) expected_s: f64,
    /// What cannot be run here, with the reasons.
    pub(crate) skipped: Vec<String>,
    pub(crate) needs: Needs,
    /// Longest wait for a fit machine before a run, unless the request sets one. `None` does not look at the machine.
    pub(crate) wait_max: Option<Duration>,
    /// Attempts at one run.
    pub(crate) attempts_max: u32,
}

/// An experiment under way, with its results so far.
pub(crate) struct Sitting<'a, T> {
    request: &'a Request,
    outline: Outline,
    stage: Stage<'a>,
    journal: Journal<T>,
}

/// What every record says about its origin.
pub(crate) struct Account {
    pub(crate) started_at: String,
    pub(crate) duration_s: f64,
    pub(crate) command: Vec<String>,
    pub(crate) version: String,
    pub(crate) commit: String,
    pub(crate) host: Value,
    pub(crate) seed: u64,
    pub(crate) repeats: u32,
    pub(crate) seconds_per_run: f64,
    /// What could not run here, and what failed too often.
    pub(crate) skipped: Vec<String>,
    pub(crate) waits: Vec<String>,
    pub(crate) failures: Vec<String>,
    /// How often the experiment was continued.
    pub(crate) resumed: u32,
}

impl<'a> Stage<'a> {
    /// Uses all CPUs that this process may use, until SIGINT, SIGTERM or SIGHUP.
    pub(crate) fn on(host: &'a dyn Host) -> anyhow::Result<Stage<'a>> {
        Ok(Stage { host, places: places::here()?, stop: start::stop_flag()? })
    }
}

impl<'a, T: Finished> Sitting<'a, T> {
    /// Opens the journal and says what will be done.
    ///
    /// # Errors
    /// A [`Refusal`] when nothing can be measured here, or when the journal belongs to another experiment.
    pub(crate) fn open(request: &'a Request, stage: Stage<'a>, outline: Outline) -> anyhow::Result<Sitting<'a, T>> {
        namespace::check(outline.needs)
            .map_err(|error| Refusal::failed(format!("{} cannot be run here: {error:#}", outline.name)))?;
        stage.host.refusal().map_or(Ok(()), |reason| Err(Refusal::failed(reason)))?;
        out::check(&request.out).map_err(Refusal::usage)?;
        let directory = request.out.join(format!(".{}-{}.unfinished", outline.name, outline.profile.word()));
        let journal = Journal::open(&directory, header(&outline, request), request.seed.is_some(), request.fresh)?;
        let mut sitting = Sitting { request, outline, stage, journal };
        start::warn_of_build();
        sitting.outline.skipped.iter().for_each(|line| say!("c10m: left out: {line}"));
        sitting.announce()?;
        Ok(sitting)
    }

    /// Says what will be done, and notes in the journal when the experiment is continued.
    fn announce(&mut self) -> anyhow::Result<()> {
        let Outline { name, profile, runs, noun, expected_s, .. } = &self.outline;
        let journal = &mut self.journal;
        if journal.torn_bytes() > 0 {
            say!("c10m: the last line of the journal was torn; the run it was about is repeated");
        }
        let runs = runs.map_or(String::new(), |runs| format!(", {runs} {noun}"));
        let (what, seed) = (format!("{name} ({}){runs}", profile.word()), journal.header().seed);
        if journal.lines().is_empty() {
            say!("c10m: {what}, about {:.0} min, seed {seed}", (expected_s / 60.0).max(1.0));
            return Ok(());
        }
        say!("c10m: {what}, seed {seed}: goes on after {} that are finished", journal.run_count());
        journal.append(Line::Resumed(utc::rfc3339(SystemTime::now())))
    }

    pub(crate) fn journal(&self) -> &Journal<T> {
        &self.journal
    }

    pub(crate) fn stage(&self) -> &Stage<'a> {
        &self.stage
    }

    /// Keeps a result. When this returns, it is on the disk.
    pub(crate) fn keep(&mut self, piece: T) -> anyhow::Result<()> {
        self.journal.append(Line::Finished(piece))
    }

    /// Gives a cell up, so that it is not tried again.
    pub(crate) fn leave_out(&mut self, cell: String, reason: String, progress: &Progress) -> anyhow::Result<()> {
        progress.say(&format!("left out: {reason}"));
        self.journal.append(Line::LeftOut { cell, reason })
    }

    pub(crate) fn is_left_out(&self, cell: &str) -> bool {
        self.journal.left_out().any(|(left_out, _)| left_out == cell)
    }

    /// Measures, and tries again if that fails. The inner error is the last attempt's.
    ///
    /// # Errors
    /// When the experiment ends: it was interrupted, or the journal cannot be written.
    pub(crate) fn attempt<R>(
        &mut self,
        name: &str,
        progress: &mut Progress,
        mut measure: impl FnMut(&Stage<'a>) -> anyhow::Result<R>,
    ) -> anyhow::Result<Result<R, String>> {
        let mut last = Err(String::new());
        for _ in 0..self.outline.attempts_max {
            last = self.attempt_once(name, progress, &mut measure)?;
            if last.is_ok() {
                break;
            }
        }
        Ok(last)
    }

    /// Waits for a fit machine and measures. If that fails, it does both again, because a failed attempt leaves behind
    /// what disturbs the next one: orphans, connections in TIME-WAIT, sockets not freed yet. The inner error is the last
    /// attempt's.
    ///
    /// # Errors
    /// When the experiment ends: it was interrupted, the machine did not become fit, or the journal cannot be written.
    pub(crate) fn attempt_when_fit<R>(
        &mut self,
        name: &str,
        progress: &mut Progress,
        mut measure: impl FnMut(&Stage<'a>) -> anyhow::Result<R>,
    ) -> anyhow::Result<Result<R, String>> {
        let mut last = Err(String::new());
        for _ in 0..self.outline.attempts_max {
            self.wait_until_fit(name, progress)?;
            last = self.attempt_once(name, progress, &mut measure)?;
            if last.is_ok() {
                break;
            }
        }
        Ok(last)
    }

    /// Measures once. A failure is shown and noted in the journal.
    fn attempt_once<R>(
        &mut self,
        name: &str,
        progress: &Progress,
        measure: &mut impl FnMut(&Stage<'a>) -> anyhow::Result<R>,
    ) -> anyhow::Result<Result<R, String>> {
        if self.stage.is_stopped() {
            return Err(interrupted());
        }
        let measured = measure(&self.stage);
        // Ctrl-C reaches the children too, so what they say then is not their failure.
        if measured.is_err() && self.stage.is_stopped() {
            return Err(interrupted());
        }
        let reason = match measured {
            Ok(measured) => return Ok(Ok(measured)),
            Err(error) => format!("{error:#}"),
        };
        progress.say(&format!("{name} failed: {reason}"));
        self.journal.append(Line::Failure(format!("{name}: {reason}")))?;
        Ok(Err(reason))
    }

    /// Waits until the machine is fit, and notes in the journal if it had to.
    ///
    /// # Errors
    /// When the experiment ends: it was interrupted, the machine did not become fit, or the journal cannot be written.
    pub(crate) fn wait_until_fit(&mut self, short: &str, progress: &mut Progress) -> anyhow::Result<()> {
        let Some(wait_max) = self.wait_max()? else { return Ok(()) };
        match self.waited(wait_max, progress) {
            Waited::InVain(time, reasons) if !self.request.noisy => bail!(
                "did not begin {short}: waited {} for {reasons}; see what is busy with `top` and `ss --summary`, wait \
                 longer with --wait-max 10m, or measure anyway with --noisy",
                seconds(time)
            ),
            waited => self.note(short, waited).map(|_| ()),
        }
    }

    /// Waits until the machine is fit, at most for `left`, and goes on even if it is not: what is measured on a disturbed
    /// machine is marked. Returns how long it waited.
    ///
    /// # Errors
    /// When the experiment ends: it was interrupted, or the journal cannot be written.
    pub(crate) fn wait_a_little(
        &mut self,
        short: &str,
        left: Duration,
        progress: &mut Progress,
    ) -> anyhow::Result<Duration> {
        let Some(wait_max) = self.wait_max()? else { return Ok(Duration::ZERO) };
        let waited = self.waited(wait_max.min(left), progress);
        self.note(short, waited)
    }

    /// How long to wait at most. `None` if this experiment does not look at the machine.
    fn wait_max(&self) -> anyhow::Result<Option<Duration>> {
        if self.stage.is_stopped() {
            return Err(interrupted());
        }
        let asked = self.request.wait_max.or(self.request.noisy.then_some(Duration::ZERO));
        Ok(self.outline.wait_max.map(|usual| asked.unwrap_or(usual)))
    }

    fn waited(&self, wait_max: Duration, progress: &mut Progress) -> Waited {
        let stage = &self.stage;
        let look = || stage.host.disturbances(&stage.places);
        preconditions::wait(look, wait_max, || stage.is_stopped(), |reasons| progress.waits_for(reasons))
    }

    /// Notes a wait in the journal. Returns its length.
    fn note(&mut self, short: &str, waited: Waited) -> anyhow::Result<Duration> {
        let (time, words) = match waited {
            Waited::Not => return Ok(Duration::ZERO),
            Waited::Interrupted => return Err(interrupted()),
            Waited::For(time, reasons) => (time, format!("before {short}: waited {} for {reasons}", seconds(time))),
            Waited::InVain(time, reasons) => {
                (time, format!("before {short}: waited {}, then measured in spite of {reasons}", seconds(time)))
            }
        };
        self.journal.append(Line::Wait(words))?;
        Ok(time)
    }

    /// Adds what is kept and how to continue to an error that ended the experiment early.
    pub(crate) fn unfinished(&self, error: &anyhow::Error) -> anyhow::Error {
        anyhow!(
            "{error:#}; {}{} {} are finished and kept in {}, and `{}` goes on with the rest",
            self.journal.run_count(),
            self.outline.runs.map_or(String::new(), |runs| format!(" of {runs}")),
            self.outline.noun,
            self.journal.directory().display(),
            shell::line(&start::command_line())
        )
    }

    /// Collects what a record says about its origin.
    pub(crate) fn account(&self) -> anyhow::Result<Account> {
        let header = self.journal.header();
        let started = UNIX_EPOCH + Duration::from_millis(header.started_unix_ms);
        let left_out = self.journal.left_out().map(|(_, reason)| reason.to_owned());
        let mut account = Account {
            started_at: utc::rfc3339(started),
            duration_s: SystemTime::now().duration_since(started).unwrap_or_default().as_secs_f64(),
            command: start::command_line(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: header.commit.clone(),
            host: serde_json::to_value(host::Facts::of_this_host())?,
            seed: header.seed,
            repeats: header.repeats,
            seconds_per_run: header.seconds,
            skipped: self.outline.skipped.iter().cloned().chain(left_out).collect(),
            waits: vec![],
            failures: vec![],
            resumed: 0,
        };
        for line in self.journal.lines() {
            match line {
                Line::Wait(words) => account.waits.push(words.clone()),
                Line::Failure(words) => account.failures.push(words.clone()),
                Line::Resumed(_) => account.resumed += 1,
                Line::LeftOut { .. } | Line::Finished(_) => {}
            }
        }
        Ok(account)
    }

    /// Publishes the run's directory atomically, then removes the journal. The directory's name contains `label`.
    pub(crate) fn publish(self, label: &str, files: &[NamedFile]) -> anyhow::Result<()> {
        let (commit, dirty) = built::source().unwrap_or_default();
        let name = run_directory::name(&utc::date(SystemTime::now()), &start::host_name(), &commit, dirty, label);
        let out = &self.request.out;
        let directory = run_directory::write_files(out, &name, files).with_context(|| out::cannot_write(out))?;
        say!("c10m: wrote {}", directory.display());
        let left = self.journal.directory().to_owned();
        self.journal
            .remove()
            .with_context(|| format!("the results are written, but {} cannot be removed", left.display()))
    }
}

/// Prints the result: the record as JSON, or the tables.
pub(crate) fn show(request: &Request, record: &impl Serialize, tables: Vec<Table>) -> anyhow::Result<()> {
    if request.json {
        return print(&(serde_json::to_string(record)? + "\n"));
    }
    print(&terminal(tables))
}

/// What must agree when the experiment is continued.
fn header(outline: &Outline, request: &Request) -> Header {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Header {
        format: journal::FORMAT,
        experiment: outline.name.to_owned(),
        profile: outline.profile.word().to_owned(),
        seed: outline.seed,
        repeats: outline.repeats,
        budget_s: outline.budget.map(|budget| budget.as_secs_f64()),
        seconds: outline.seconds,
        apart: request.apart,
        commit: built::COMMIT.to_owned(),
        build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        host: start::host_name(),
        arms: outline.arms.clone(),
        loads: outline.loads.clone(),
        started_unix_ms: now.as_millis() as u64,
    }
}

fn interrupted() -> anyhow::Error {
    anyhow!("interrupted")
}

fn seconds(time: Duration) -> String {
    format!("{:.0} s", time.as_secs_f64())
}
