//! `bench c10m`: how many connections this host holds, what each costs, and what breaks first. An experiment
//! of its own kind: it compares nothing, it fills the host step by step.

mod picture;
mod plan;
mod record;
mod report;
mod step;
mod watch;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use results::report::{Document, Table, files as files_of};
use results::{run as run_directory, utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kinds::experiment::{Experiment, Listed, ListedProfile};
use crate::refusal::Refusal;
use crate::session::host::Host;
use crate::session::journal::{self, Header, Line};
use crate::session::places::Places;
use crate::session::preconditions::{self, Waited};
use crate::session::request::Profile;
use crate::session::request::Request;
use crate::session::source;
use crate::session::terminal;
use plan::{PROFILES, Planned, Step};
use record::{Record, SCHEMA, StepRecord};

const NAME: &str = "c10m";
const QUESTION: &str = "How many connections does this host hold, what does each cost, and what breaks first?";
const EXPLANATION: &str = "Server and load generator are one process each, in a network namespace made for the step. \
                           All connections are opened as fast as that goes, while a few busy ones measure how responsive \
                           the server stays; then each connection sends 64 bytes once a period and checks what comes \
                           back; then all are closed. A watch counts memory by slab cache, CPU time and signs of trouble \
                           four times a second. Over loopback both ends are sockets of this kernel; behind a TUN device \
                           the clients are a few bytes in user space each.";
const DECISION: &str = "A number of connections is held when all of them were established, every one sent its heartbeat and \
                        got the right answer in time, and none was left afterwards.";

/// Attempts at one step.
const ATTEMPTS_MAX: u32 = 2;
/// Longest wait for a quiet machine: the sockets of the step before may take minutes to go.
const DRAIN_MAX: Duration = Duration::from_secs(600);
/// What a step takes beside ramp and heartbeats, and connects a second of a slow host: for the estimate only.
const OVERHEAD_S: f64 = 5.0;
const CONNECTS_PER_S: f64 = 20_000.0;

/// The experiment.
pub(super) struct Steps;

impl Experiment for Steps {
    fn name(&self) -> &'static str {
        NAME
    }

    fn listed(&self) -> Listed {
        listed()
    }

    fn run(&self, request: &Request, host: &dyn Host) -> anyhow::Result<u8> {
        run(request, host)
    }

    fn wrote(&self, record: &Value) -> bool {
        record.get("steps").is_some()
    }

    fn render(&self, record: Value, _directory: &Path) -> anyhow::Result<(Document, Vec<Table>)> {
        let record: Record = serde_json::from_value(record)?;
        Ok((report::document(&record), report::tables(&record)))
    }
}

/// What is kept of a step that is finished.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    Step(Box<StepRecord>),
}

impl journal::Finished for Kept {
    fn is_run(&self) -> bool {
        true
    }
}

type Journal = journal::Journal<Kept>;

fn listed() -> Listed {
    let profile = |profile: Profile| {
        let steps = plan::steps(profile);
        ListedProfile {
            profile,
            arms: steps.iter().map(Step::name).collect(),
            loads: vec!["all connections opened, a heartbeat of each, all closed".to_owned()],
            repeats: 1,
            seconds_per_run: steps.iter().map(|step| f64::from(step.heartbeat_s)).fold(0.0, f64::max),
            runs: steps.len() as u64,
            expected_minutes: expected_s(&steps) / 60.0,
        }
    };
    Listed {
        name: NAME,
        question: QUESTION,
        explanation: EXPLANATION,
        decision: DECISION.to_owned(),
        profiles: PROFILES.map(profile).into(),
    }
}

fn expected_s(steps: &[Step]) -> f64 {
    let step_s = |step: &Step| f64::from(step.connections) / CONNECTS_PER_S + f64::from(step.heartbeat_s) + OVERHEAD_S;
    steps.iter().map(step_s).sum()
}

/// Runs the steps the journal does not have yet, writes the run and prints its tables.
fn run(args: &Request, host: &dyn Host) -> anyhow::Result<u8> {
    let profile = args.profile.unwrap_or(Profile::Quick);
    let steps = plan::steps(profile);
    if steps.is_empty() {
        let words: Vec<&str> = PROFILES.iter().map(|profile| profile.word()).collect();
        return Err(Refusal::usage(format!("c10m has the profiles {}", words.join(", "))).into());
    }
    if args.repeats.is_some() || args.seconds.is_some() {
        return Err(Refusal::usage(
            "c10m runs each step once and for one heartbeat of each connection: leave out --repeats and --seconds"
                .to_owned(),
        )
        .into());
    }
    crate::session::start::refused_here(args, true)?;
    let (planned, skipped) = fitting(&steps);
    if planned.is_empty() {
        skipped.iter().for_each(|line| say!("c10m: {line}"));
        return Ok(1);
    }
    let source = source::current();
    let header = header(args, profile, &steps, source.as_ref());
    let directory = args.out.join(format!(".{NAME}-{}.unfinished", profile.word()));
    let mut journal = Journal::open(&directory, header, args.seed.is_some(), args.fresh)?;
    let stop = crate::session::start::stop_flag()?;
    crate::session::start::warn_of_build();
    skipped.iter().for_each(|line| say!("c10m: left out: {line}"));
    let (count, minutes) = (planned.len(), (expected_s(&steps) / 60.0).max(1.0));
    say!("c10m: {NAME} ({}): {count} steps, about {minutes:.0} min", profile.word());
    for (index, planned) in planned.iter().enumerate() {
        if done(&journal).iter().any(|step| step.name == planned.step.name()) {
            continue;
        }
        say!("c10m: step {} of {count}: {}", index + 1, planned.step.name());
        one_step(args, host, planned, &mut journal, &stop)?;
    }
    let record = record(args, profile, &journal, skipped)?;
    publish(args, &record, journal, source)?;
    conclude(args, &record, planned.len())
}

/// The steps that fit this host as it is, and a line for each that does not.
fn fitting(steps: &[Step]) -> (Vec<Planned>, Vec<String>) {
    let (mut planned, mut skipped) = (Vec::new(), Vec::new());
    for step in steps {
        match plan::fit(*step) {
            Ok(fitting) => planned.push(fitting),
            Err(reason) => skipped.push(reason),
        }
    }
    (planned, skipped)
}

/// Waits for a quiet machine and runs a step, once more when it fails.
fn one_step(
    args: &Request,
    host: &dyn Host,
    planned: &Planned,
    journal: &mut Journal,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let places = crate::session::places::here()?;
    let name = planned.step.name();
    let mut reason = String::new();
    for _ in 0..ATTEMPTS_MAX {
        wait_until_quiet(args, host, &places, journal, &name, stop)?;
        match step::run(host, planned, journal.header().seed, stop) {
            Ok(record) => {
                say(&record);
                return journal.append(Line::Finished(Kept::Step(Box::new(record))));
            }
            Err(error) => reason = format!("{error:#}"),
        }
        if stop.load(Ordering::Relaxed) {
            bail!(
                "interrupted; the steps that are finished are kept, and `{}` goes on",
                crate::session::start::command_line().join(" ")
            );
        }
        say!("c10m: {name} failed: {reason}");
        journal.append(Line::Failure(format!("{name}: {reason}")))?;
    }
    journal.append(Line::LeftOut { cell: name.clone(), reason: format!("{name}: failed twice: {reason}") })
}

fn wait_until_quiet(
    args: &Request,
    host: &dyn Host,
    places: &Places,
    journal: &mut Journal,
    name: &str,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let wait_max = args.wait_max.unwrap_or(if args.noisy { Duration::ZERO } else { DRAIN_MAX });
    match preconditions::wait(|| host.disturbances(places), wait_max, || stop.load(Ordering::Relaxed), |_| {}) {
        Waited::Not => Ok(()),
        Waited::Interrupted => bail!("interrupted before {name}"),
        Waited::For(time, reasons) => {
            journal.append(Line::Wait(format!("before {name}: waited {:.0} s for {reasons}", time.as_secs_f64())))
        }
        Waited::InVain(_, reasons) if args.noisy => {
            journal.append(Line::Wait(format!("before {name}: measured in spite of {reasons}")))
        }
        Waited::InVain(time, reasons) => bail!(
            "{name} was not begun, after {:.0} s of waiting for {reasons}: wait longer with --wait-max 10m, or measure \
             all the same with --noisy",
            time.as_secs_f64()
        ),
    }
}

/// A line for people who watch.
fn say(step: &StepRecord) {
    let rate = step.connects_per_s().map_or("not all".to_owned(), |rate| format!("{rate:.0} connects/s"));
    say!(
        "c10m:   {} established, {rate}, {} heartbeats answered, {} not, {}",
        step.established,
        step.heartbeat.count,
        step.heartbeats_failed,
        step.verdict
    );
}

/// The steps that are finished.
fn done(journal: &Journal) -> Vec<StepRecord> {
    journal.finished().map(|Kept::Step(step)| (**step).clone()).collect()
}

fn header(args: &Request, profile: Profile, steps: &[Step], source: Option<&(String, bool)>) -> Header {
    let header = crate::session::start::empty_header(args, NAME, profile, source);
    // A JSON number that any reader keeps exact.
    Header { seed: header.seed >> 11, arms: steps.iter().map(Step::name).collect(), ..header }
}

fn record(args: &Request, profile: Profile, journal: &Journal, mut skipped: Vec<String>) -> anyhow::Result<Record> {
    let header = journal.header();
    let started = UNIX_EPOCH + Duration::from_millis(header.started_unix_ms);
    let mut incidents = Vec::new();
    for line in journal.lines() {
        match line {
            Line::LeftOut { reason, .. } => skipped.push(reason.clone()),
            Line::Wait(words) | Line::Failure(words) => incidents.push(words.clone()),
            Line::Resumed(_) | Line::Finished(_) => {}
        }
    }
    if args.noisy {
        incidents.push("Measured with --noisy: the machine was not waited for.".to_owned());
    }
    Ok(Record {
        schema: SCHEMA,
        experiment: NAME.to_owned(),
        profile: profile.word().to_owned(),
        question: QUESTION.to_owned(),
        started_at: utc::rfc3339(started),
        duration_s: SystemTime::now().duration_since(started).unwrap_or_default().as_secs_f64(),
        command: crate::session::start::command_line(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: header.commit.clone(),
        host: serde_json::to_value(tuning::Facts::of_this_host())?,
        seed: header.seed,
        notes: report::notes(),
        skipped,
        incidents,
        steps: done(journal),
    })
}

fn publish(args: &Request, record: &Record, journal: Journal, source: Option<(String, bool)>) -> anyhow::Result<()> {
    let (commit, dirty) = source.unwrap_or_default();
    let date = utc::date(SystemTime::now());
    let label = format!("{NAME}-{}", record.profile);
    let name = run_directory::name(&date, &crate::session::start::host_name(), &commit, dirty, &label);
    let mut files = vec![("record.json".to_owned(), serde_json::to_string_pretty(record)? + "\n")];
    files.extend(files_of(&report::document(record)));
    let directory = run_directory::write_files(&args.out, &name, &files)
        .with_context(|| crate::session::out::cannot_write(&args.out))?;
    say!("c10m: wrote {}", directory.display());
    let left = journal.directory().to_owned();
    journal.remove().with_context(|| format!("the results are written, but {} cannot be removed", left.display()))
}

/// Prints the tables, which say what was not held and why. Only a run in which each of so many steps was held is
/// a success.
fn conclude(args: &Request, record: &Record, steps: usize) -> anyhow::Result<u8> {
    if args.json {
        terminal::print(&(serde_json::to_string(record)? + "\n"))?;
    } else {
        terminal::print(&terminal::terminal(report::tables(record)))?;
    }
    let is_held = |step: &StepRecord| report::broke(step).is_empty();
    Ok(u8::from(record.steps.iter().filter(|step| is_held(step)).count() < steps))
}
