//! `c10m bench`: experiments. One file for each; this one chooses, runs, prints and writes.

mod assemble;
mod c10m;
mod child;
mod commit;
mod experiments;
mod footprint;
mod generators;
mod host_state;
mod journal;
mod limits;
mod list;
mod memory;
mod namespace;
mod omission;
mod opening;
mod order;
mod orphans;
mod out;
mod output;
mod plan;
mod points;
mod preconditions;
mod proc;
mod progress;
mod runner;
mod servers;
mod wrk;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use clap::Args;
use results::record::{Record, VerdictState};
use results::report::{self, Document, Table};
use results::{run as run_directory, utc};

use crate::built;
use crate::record_file::{Kind, RecordFile};
use assemble::{Circumstances, Outcome};
use journal::{Header, Journal, Line, Refusal};
use limits::Limits;
pub(crate) use out::check as check_out;
pub(crate) use output::{print, terminal};
use plan::{Arm, Experiment, Load, Profile, Scope};
use runner::{Ended, Patience, Runner};

/// Names of the experiments whose records have a form of their own.
pub(crate) const OMISSION: &str = omission::NAME;
pub(crate) const C10M: &str = c10m::NAME;

/// Longest wait for a quiet machine, before each run; with --noisy none.
const WAIT_MAX: Duration = Duration::from_secs(60);

const NOTES: &str = "\
An experiment that is interrupted keeps what is finished, and the same command
goes on. Before each run the machine must be quiet: for a tenth of a second no
task waits for a CPU > 20 % of the time, no CPU of the experiment is used by
others > 30 % or taken by a hypervisor > 20 %, and there are at most 500
orphaned sockets, 4,000 in TIME-WAIT and 2,000 closed but not freed.

No experiment begins while a process lives that a killed one left behind.

Exit codes: 0 done, 1 failed, interrupted or the machine not quiet, 2 usage,
4 no run was valid.";

/// Arguments of `c10m bench`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct BenchArgs {
    /// Which experiment; `list` explains each
    #[arg(default_value = "quick")]
    experiment: String,
    /// How much of it [default: quick where there is one]
    #[arg(long, value_enum)]
    profile: Option<Profile>,
    /// Where the run's directory is made
    #[arg(long, value_name = "DIR", default_value = "results/runs")]
    out: PathBuf,
    /// Repeats of every arm [default: the experiment's]
    #[arg(long, value_name = "N", value_parser = crate::count::between(1_u32, 1000))]
    repeats: Option<u32>,
    /// Seconds of each measured interval [default: the experiment's]
    #[arg(long, value_name = "S", value_parser = seconds)]
    seconds: Option<f64>,
    /// Seed of the schedules and of the order; random when absent, and recorded either way
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Longest wait for a quiet machine before a run [default: 60s; with --noisy 0s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    wait_max: Option<Duration>,
    /// Measure even when the machine is not quiet, and record that
    #[arg(long)]
    noisy: bool,
    /// Discard what an interruption left, and begin anew
    #[arg(long)]
    fresh: bool,
    /// Print the record (or the list) as one JSON document on stdout instead of tables
    #[arg(long)]
    json: bool,
}

/// Runs an experiment, or lists them.
pub(crate) fn run(args: BenchArgs) -> anyhow::Result<u8> {
    if args.experiment == "list" {
        print(&list::text(args.json)?)?;
        return Ok(0);
    }
    match args.experiment.as_str() {
        omission::NAME => return omission::run(&args),
        c10m::NAME => return c10m::run(&args),
        _ => {}
    }
    let Some(experiment) = experiments::all().into_iter().find(|made| made.name == args.experiment) else {
        let shown = experiments::all().into_iter().filter(|experiment| !experiment.is_hidden);
        let names: Vec<&str> = shown.map(|experiment| experiment.name).chain([c10m::NAME, omission::NAME]).collect();
        return refuse(&format!(
            "there is no experiment {:?}; there are {} (see `c10m bench list`)",
            args.experiment,
            names.join(", ")
        ));
    };
    match experiment.scope(args.profile) {
        Ok(scope) => conduct(&args, &experiment, scope),
        Err(message) => refuse(&message),
    }
}

/// The report of a run in `directory`, and its tables for a terminal; `None` for what is no run of `bench`.
pub(crate) fn render(record: RecordFile, directory: &Path) -> anyhow::Result<Option<(Document, Vec<Table>)>> {
    let RecordFile { path, kind, document } = record;
    let rendered = match kind {
        Kind::Omission => omission::render(document, directory),
        Kind::Steps => c10m::render(document),
        Kind::Comparison => run_directory::of_json(document)
            .and_then(|record| run_directory::beside(record, directory))
            .map(|run| (report::document(&run.record, &run.curves, &run.points), crate::report::tables(&run.record)))
            .map_err(anyhow::Error::from),
        Kind::Load | Kind::Knee | Kind::SelfTest => return Ok(None),
    };
    rendered.map(Some).with_context(|| format!("cannot read the record {}", path.display()))
}

/// A usage error.
fn refuse(message: &str) -> anyhow::Result<u8> {
    say!("c10m: {message}");
    Ok(2)
}

/// Runs what the journal does not have yet, and publishes when everything is there.
fn conduct(args: &BenchArgs, experiment: &Experiment, mut scope: Scope) -> anyhow::Result<u8> {
    scope.repeats = args.repeats.unwrap_or(scope.repeats);
    scope.seconds = args.seconds.unwrap_or(scope.seconds);
    let limits = Limits::read();
    let skipped = scope.leave_out_unavailable(&limits);
    if scope.run_count() == 0 {
        bail!("nothing can be run here: {}", skipped.join("; "));
    }
    if let Some(code) = refused_here(args, scope.loads.iter().any(Load::is_churn)) {
        return Ok(code);
    }
    let source = commit::current();
    let header = header(args, experiment, &scope, source.as_ref());
    let directory = args.out.join(format!(".{}-{}.unfinished", experiment.name, scope.profile.word()));
    let mut journal = match Journal::open(&directory, header, args.seed.is_some(), args.fresh) {
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
    let places = runner::places()?;
    let patience = Patience {
        wait_max: args.wait_max.unwrap_or(if args.noisy { Duration::ZERO } else { WAIT_MAX }),
        is_noisy: args.noisy,
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
    publish(args, &outcome, journal, source)?;
    conclude(args, &outcome.record)
}

fn header(args: &BenchArgs, experiment: &Experiment, scope: &Scope, source: Option<&(String, bool)>) -> Header {
    Header {
        repeats: scope.repeats,
        seconds: scope.seconds,
        arms: scope.arms.iter().map(Arm::name).collect(),
        loads: scope.loads.iter().map(Load::slug).collect(),
        ..empty_header(args, experiment.name, scope.profile, source)
    }
}

/// The header of a journal that begins now, of one run without length, arms and loads.
fn empty_header(args: &BenchArgs, name: &str, profile: Profile, source: Option<&(String, bool)>) -> Header {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Header {
        format: journal::FORMAT,
        experiment: name.to_owned(),
        profile: profile.word().to_owned(),
        seed: seed(args),
        repeats: 1,
        seconds: 0.0,
        commit: commit::described(source),
        build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        host: host_name(),
        arms: vec![],
        loads: vec![],
        started_unix_ms: now.as_millis() as u64,
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
    args: &BenchArgs,
    outcome: &Outcome,
    journal: Journal,
    source: Option<(String, bool)>,
) -> anyhow::Result<()> {
    let (commit, dirty) = source.unwrap_or_default();
    let date = utc::date(SystemTime::now());
    let name = run_directory::name(&date, &host_name(), &commit, dirty, &outcome.record.experiment);
    let files = assemble::files(outcome, &journal)?;
    let directory =
        run_directory::write_files(&args.out, &name, &files).with_context(|| out::cannot_write(&args.out))?;
    say!("c10m: wrote {}", directory.display());
    let left = journal.directory().to_owned();
    journal.remove().with_context(|| format!("the results are written, but {} cannot be removed", left.display()))
}

fn conclude(args: &BenchArgs, record: &Record) -> anyhow::Result<u8> {
    if args.json {
        print(&(serde_json::to_string(record)? + "\n"))?;
    } else {
        let tables = crate::report::tables(record);
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

/// The seed asked for, or one that differs from run to run.
fn seed(args: &BenchArgs) -> u64 {
    args.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        now.as_nanos() as u64 ^ u64::from(std::process::id()) << 32
    })
}

/// Becomes true with SIGINT, SIGTERM or SIGHUP.
fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let signals = [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM];
    for signal in signals.into_iter().chain(crate::signals::hang_up()) {
        signal_hook::flag::register(signal, stop.clone()).context("cannot catch signals")?;
    }
    Ok(stop)
}

/// Says what makes the program unfit for figures, or its record doubtful.
fn warn_of_build() {
    if cfg!(debug_assertions) {
        say!("c10m: this is a debug build, its numbers mean nothing; use `cargo run --release`");
    }
    if let Some(doubt) = built::doubt() {
        say!("c10m: WARNING: {doubt}");
    }
}

/// Says why nothing can be measured here, whatever it is, before anything is made; the value is the exit code.
fn refused_here(args: &BenchArgs, needs_namespaces: bool) -> Option<u8> {
    let cannot_enter = needs_namespaces.then(|| namespace::check().err()).flatten();
    let unfit = cannot_enter.map(|error| format!("{} cannot be run here: {error:#}", args.experiment));
    let (code, reason) = match unfit.or_else(orphans::refusal) {
        Some(reason) => (1, reason),
        None => (2, out::check(&args.out).err()?),
    };
    say!("c10m: {reason}");
    Some(code)
}

fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// The command line without the places of the program and of its output on this machine.
fn command_line() -> Vec<String> {
    // A name of a file need not be UTF-8, and `args` panics at one.
    without_out(std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()))
}

fn without_out(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut command = vec!["c10m".to_owned()];
    let mut is_place = false;
    for argument in arguments {
        let follows_out = std::mem::replace(&mut is_place, argument == "--out");
        if !follows_out && !is_place && !argument.starts_with("--out=") {
            command.push(argument);
        }
    }
    command
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("write a number of seconds between 0.1 and 3600".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_command_names_no_place() {
        for (arguments, expected) in [
            ("bench quick --seed 1", "c10m bench quick --seed 1"),
            ("bench --out here quick --json", "c10m bench quick --json"),
            ("bench quick --out=/there", "c10m bench quick"),
            ("bench quick --out", "c10m bench quick"),
        ] {
            let command = without_out(arguments.split(' ').map(str::to_owned));
            assert_eq!(command.join(" "), expected);
        }
    }
}
