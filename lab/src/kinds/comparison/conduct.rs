//! A comparison from its command to its report: begins or goes on with a journal, has the runs carried out, publishes
//! when everything is there.

use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use results::record::{Record, VerdictState};
use results::{run as run_directory, utc};

use crate::kinds::comparison::assemble::{self, Circumstances, Outcome};
use crate::kinds::comparison::plan::{Arm, Experiment, Load, Scope};
use crate::kinds::comparison::runner::{Ended, Patience, Runner};
use crate::kinds::comparison::tables::tables;
use crate::session::journal::{Header, Journal, Line, Refusal};
use crate::session::limits::Limits;
use crate::session::request::Request;
use crate::session::start::{command_line, empty_header, host_name, refused_here, stop_flag, warn_of_build};
use crate::session::terminal::{print, terminal};
use crate::session::{out, places, source};

/// Longest wait for a quiet machine, before each run; with --noisy none.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Runs what the journal does not have yet, and publishes when everything is there.
pub(crate) fn conduct(request: &Request, experiment: &Experiment, mut scope: Scope) -> anyhow::Result<u8> {
    scope.repeats = request.repeats.unwrap_or(scope.repeats);
    scope.seconds = request.seconds.unwrap_or(scope.seconds);
    let limits = Limits::read();
    let skipped = scope.leave_out_unavailable(&limits);
    if scope.run_count() == 0 {
        bail!("nothing can be run here: {}", skipped.join("; "));
    }
    if let Some(code) = refused_here(request, scope.loads.iter().any(Load::is_churn)) {
        return Ok(code);
    }
    let source = source::current();
    let header = header(request, experiment, &scope, source.as_ref());
    let directory = request.out.join(format!(".{}-{}.unfinished", experiment.name, scope.profile.word()));
    let mut journal = match Journal::open(&directory, header, request.seed.is_some(), request.fresh) {
        Ok(journal) => journal,
        Err(Refusal { code, message }) => {
            say!("c10m: {message}");
            return Ok(code);
        }
    };
    let stop = stop_flag()?;
    warn_of_build();
    skipped.iter().for_each(|line| say!("c10m: left out: {line}"));
    announce(experiment, &scope, &mut journal)?;
    let places = places::here()?;
    let patience = Patience {
        wait_max: request.wait_max.unwrap_or(if request.noisy { Duration::ZERO } else { WAIT_MAX }),
        is_noisy: request.noisy,
    };
    let ended = Runner::new(&scope, &places, &limits, patience, &mut journal, &stop).run();
    if let Some(reason) = match ended {
        Ok(Ended::Complete) => None,
        Ok(Ended::Interrupted) => Some("interrupted".to_owned()),
        Ok(Ended::Unfit(reason)) => Some(reason),
        Err(error) => Some(format!("{error:#}")),
    } {
        bail!(
            "{reason}; {} of {} runs are finished and kept in {}, and `{}` goes on with the rest",
            journal.runs().count(),
            scope.run_count(),
            journal.directory().display(),
            command_line().join(" ")
        );
    }
    let circumstances = Circumstances { places, skipped, command: command_line() };
    let outcome = assemble::outcome(experiment, &scope, &journal, circumstances)?;
    publish(request, &outcome, journal, source)?;
    conclude(request, &outcome.record)
}

fn header(request: &Request, experiment: &Experiment, scope: &Scope, source: Option<&(String, bool)>) -> Header {
    Header {
        repeats: scope.repeats,
        seconds: scope.seconds,
        arms: scope.arms.iter().map(Arm::name).collect(),
        loads: scope.loads.iter().map(Load::slug).collect(),
        ..empty_header(request, experiment.name, scope.profile, source)
    }
}

/// Says what is about to be done, and notes in the journal when it is taken up again.
fn announce(experiment: &Experiment, scope: &Scope, journal: &mut Journal) -> anyhow::Result<()> {
    if journal.torn_bytes() > 0 {
        say!("c10m: the last line of the journal was torn; the run it was about is repeated");
    }
    let (seed, runs) = (journal.header().seed, scope.run_count());
    let minutes = (scope.expected_s() / 60.0).max(1.0);
    let what = format!("{} ({}): {runs} runs of {} s", experiment.name, scope.profile.word(), scope.seconds);
    match journal.runs().count() {
        0 if journal.lines().is_empty() => {
            say!("c10m: {what}, about {minutes:.0} min, seed {seed}");
        }
        done => {
            say!("c10m: {what}, seed {seed}: goes on after {done} that are finished");
            journal.append(Line::Resumed(utc::rfc3339(SystemTime::now())))?;
        }
    }
    Ok(())
}

/// The run's directory appears whole; only then the journal goes.
fn publish(
    request: &Request,
    outcome: &Outcome,
    journal: Journal,
    source: Option<(String, bool)>,
) -> anyhow::Result<()> {
    let (commit, dirty) = source.unwrap_or_default();
    let date = utc::date(SystemTime::now());
    let name = run_directory::name(&date, &host_name(), &commit, dirty, &outcome.record.experiment);
    let files = assemble::files(outcome, &journal)?;
    let directory =
        run_directory::write_files(&request.out, &name, &files).with_context(|| out::cannot_write(&request.out))?;
    say!("c10m: wrote {}", directory.display());
    let left = journal.directory().to_owned();
    journal.remove().with_context(|| format!("the results are written, but {} cannot be removed", left.display()))
}

fn conclude(request: &Request, record: &Record) -> anyhow::Result<u8> {
    if request.json {
        print(&(serde_json::to_string(record)? + "\n"))?;
    } else {
        let tables = tables(record);
        print(&terminal(tables))?;
    }
    let mut runs = record.cells.iter().flat_map(|cell| &cell.runs).peekable();
    if runs.peek().is_none() {
        bail!("no run succeeded; the report says why");
    }
    if runs.all(|run| run.verdict.state == VerdictState::Invalid) {
        say!("c10m: no run was valid; the report says why");
        return Ok(4);
    }
    Ok(0)
}
