//! `bench omission`: what load generators report for a server that stalls. Not a [`Comparison`] like the
//! others, because what is compared is not the server and most arms are other people's programs.
//!
//! Repeats outermost, arms within in alternating order, a server of its own for each run.
//!
//! [`Comparison`]: crate::kinds::comparison::plan::Comparison

mod arms;
mod parse;
mod picture;
mod record;
mod report;
mod runs;
mod truth;

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use results::histogram::Latencies;
use results::report::{Document, Table, files as files_of_report};
use results::{hgrm, run as run_directory, utc};
use serde_json::Value;

use crate::kinds::experiment::{Experiment, Listed, ListedProfile};
use crate::refusal::Refusal;
use crate::session::host::Host;
use crate::session::journal::{Header, Journal, Line};
use crate::session::orphans;
use crate::session::out;
use crate::session::places;
use crate::session::request::Profile;
use crate::session::request::Request;
use crate::session::source;
use arms::{ARMS, Arm};
use parse::Reported;
use record::{ArmRecord, Figures, Record, RunRecord, SCHEMA, percentile_medians};
use runs::{Gathered, Kept};

const NAME: &str = "omission";
pub(super) const QUESTION: &str = "What does each load generator report for a server that stalls 100 ms every second?";

const EXPLANATION: &str = "Coordinated omission, shown: a load generator that waits for each reply before it sends the \
    next request hardly sees a stall that holds up everybody who arrives meanwhile. The server logs its stalls, so the \
    truth is known in closed form.";

/// Connections of every generator that can have more than one.
const CONNECTIONS: u32 = 50;
/// Requests per second of every generator that can hold a rate: few enough to leave the server idle for
/// 98 % of the time, so that stalls are all there is to see.
const RATE: u32 = 2000;
const STALL_MS: u32 = 100;
const EVERY_MS: u32 = 1000;
const REPEATS: u32 = 3;
const SECONDS: u32 = 10;
/// What a run takes beside its seconds: starts and ends of two processes.
const OVERHEAD_S: f64 = 0.8;
/// Longer than any generator overruns its time; then the server ends by itself.
const SERVER_EXTRA_S: u32 = 60;

/// The experiment.
pub(super) struct Omission;

impl Experiment for Omission {
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
        record.get("arms").is_some()
    }

    fn render(&self, record: Value, directory: &Path) -> anyhow::Result<(Document, Vec<Table>)> {
        render(record, directory)
    }
}

fn listed() -> Listed {
    let runs = ARMS.len() as u32 * REPEATS;
    Listed {
        name: NAME,
        question: QUESTION,
        explanation: EXPLANATION,
        decision: "A generator is right when its p95, p99, p99.9 and mean are within 10 % of the closed form."
            .to_owned(),
        profiles: vec![ListedProfile {
            profile: Profile::Full,
            arms: ARMS.iter().map(|arm| arm.name().to_owned()).collect(),
            loads: vec![format!("{CONNECTIONS} connections, at {RATE}/s where a rate can be held")],
            repeats: REPEATS,
            seconds_per_run: f64::from(SECONDS),
            runs: u64::from(runs),
            expected_minutes: f64::from(runs) * (f64::from(SECONDS) + OVERHEAD_S) / 60.0,
        }],
    }
}

/// Runs the comparison, writes its directory and prints its tables.
fn run(args: &Request, host: &dyn Host) -> anyhow::Result<u8> {
    if let Some(other) = args.profile.filter(|profile| *profile != Profile::Full) {
        let word = other.word();
        return Err(Refusal::usage(format!(
            "omission has only the profile full: leave out --profile {word}, or shorten it with --seconds"
        ))
        .into());
    }
    if args.noisy || args.wait_max.is_some() {
        return Err(Refusal::usage("omission looks at no machine: leave out --noisy and --wait-max".to_owned()).into());
    }
    crate::session::start::refused_here(args, false)?;
    if let Some(rivals) = orphans::rivals() {
        say!("c10m: WARNING: {rivals}: each disturbs the other");
    }
    let source = source::current();
    let (mut gathered, skipped) = runs::installed();
    let directory = args.out.join(format!(".{NAME}.unfinished"));
    let header = header(args, &gathered, source.as_ref());
    let mut journal = Journal::<Kept>::open(&directory, header, args.seed.is_some(), args.fresh)?;
    let stop = crate::session::start::stop_flag()?;
    crate::session::start::warn_of_build();
    skipped.iter().for_each(|line| say!("c10m: left out: {line}"));
    let Header { repeats, seconds, seed, started_unix_ms, .. } = *journal.header();
    let started = UNIX_EPOCH + Duration::from_millis(started_unix_ms);
    let (runs, done) = (gathered.len() as u32 * repeats, journal.run_count());
    let done = if done > 0 { format!(", {done} of them finished earlier") } else { String::new() };
    say!("c10m: {NAME}: {runs} runs of {seconds} s{done}, seed {seed}");
    let places = places::here()?;
    if let Err(error) = runs::gather(&mut gathered, host, &places, &mut journal, &stop) {
        let (done, command) = (journal.run_count(), crate::session::start::command_line().join(" "));
        return Err(error.context(format!("{done} of {runs} runs are finished and kept; `{command}` goes on")));
    }
    let curves = curves(&gathered)?;
    let truth = truth::of(&gathered, EVERY_MS)?;
    let record = Record {
        schema: SCHEMA,
        experiment: NAME.to_owned(),
        question: QUESTION.to_owned(),
        started_at: utc::rfc3339(started),
        duration_s: SystemTime::now().duration_since(started).unwrap_or_default().as_secs_f64(),
        command: crate::session::start::command_line(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: source::described(source.as_ref()),
        host: serde_json::to_value(tuning::Facts::of_this_host())?,
        seed,
        repeats,
        seconds_per_run: seconds as u32,
        connections: CONNECTIONS,
        rate: RATE,
        stalls: truth.stalls.clone(),
        truth: truth.figures,
        base_ms: truth.base_ms,
        notes: report::notes(&places),
        skipped,
        failures: failures(&journal),
        arms: gathered.into_iter().map(arm_record).collect(),
    };
    let curves_ms: Vec<picture::Curve> =
        curves.iter().map(|(arm, latencies)| picture::curve(arm.name(), latencies)).collect();
    let chart = picture::chart(&record, &truth, &curves_ms).svg()?;
    write(args, &record, source, started, &chart, &curves)?;
    let left = journal.directory().to_owned();
    journal.remove().with_context(|| format!("the results are written, but {} cannot be removed", left.display()))?;
    // Last: a stdout that cannot be written to leaves nothing unfinished.
    print(args, &record)?;
    Ok(0)
}

/// What must agree when the comparison is taken up again.
fn header(args: &Request, gathered: &[Gathered], source: Option<&(String, bool)>) -> Header {
    Header {
        repeats: args.repeats.unwrap_or(REPEATS),
        // Some of the generators only take whole seconds.
        seconds: args.seconds.map_or(f64::from(SECONDS), f64::ceil),
        arms: gathered.iter().map(|entry| entry.arm.name().to_owned()).collect(),
        ..crate::session::start::empty_header(args, NAME, Profile::Full, source)
    }
}

fn failures(journal: &Journal<Kept>) -> Vec<String> {
    let failures = journal.lines().iter().filter_map(|line| match line {
        Line::Failure(words) => Some(words.clone()),
        _ => None,
    });
    failures.collect()
}

fn write(
    args: &Request,
    record: &Record,
    source: Option<(String, bool)>,
    started: SystemTime,
    chart: &str,
    curves: &[(Arm, Latencies)],
) -> anyhow::Result<()> {
    let mut files = vec![("record.json".to_owned(), serde_json::to_string_pretty(record)? + "\n")];
    files.extend(files_of_report(&report::document(record, chart.to_owned())));
    for (arm, latencies) in curves {
        files.extend(arm.histogram_name().map(|name| (format!("{name}.hgrm"), hgrm::text(latencies))));
    }
    let (commit, dirty) = source.unwrap_or_default();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = run_directory::name(&utc::date(started), host.trim(), &commit, dirty, NAME);
    let directory =
        run_directory::write_files(&args.out, &name, &files).with_context(|| out::cannot_write(&args.out))?;
    say!("c10m: wrote {}", directory.display());
    Ok(())
}

fn print(args: &Request, record: &Record) -> anyhow::Result<()> {
    if args.json {
        crate::session::terminal::print(&(serde_json::to_string(record)? + "\n"))
    } else {
        crate::session::terminal::print(&crate::session::terminal::terminal(report::tables(record)))
    }
}

/// The report of a record, and the tables for a terminal; histograms are in the directory of its run.
///
/// # Errors
/// When it lacks something, or a file of the directory makes no sense.
fn render(document: Value, directory: &Path) -> anyhow::Result<(Document, Vec<Table>)> {
    let record: Record = serde_json::from_value(document)?;
    let truth = truth::of_record(&record);
    let mut curves = Vec::new();
    for arm in ARMS {
        let Some(name) = arm.histogram_name() else { continue };
        let path = directory.join(format!("{name}.hgrm"));
        if let Some(text) = run_directory::text(&path)? {
            let points = hgrm::points(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
            let points = points.into_iter().map(|(quantile, us)| (quantile, us / 1000.0)).collect();
            curves.push(picture::Curve { name: arm.name().to_owned(), points });
        }
    }
    let chart = picture::chart(&record, &truth, &curves).svg()?;
    Ok((report::document(&record, chart), report::tables(&record)))
}

/// The merged response times of this project's generator.
fn curves(gathered: &[Gathered]) -> anyhow::Result<Vec<(Arm, Latencies)>> {
    let with = gathered.iter().filter(|entry| !entry.histograms.is_empty());
    with.map(|entry| {
        let texts = entry.histograms.iter().map(|histograms| histograms.response.as_str());
        Ok((entry.arm, Latencies::decode_all(texts)?))
    })
    .collect()
}

fn arm_record(entry: Gathered) -> ArmRecord {
    let requests: Vec<f64> = entry.runs.iter().map(|run: &RunRecord| requests_of(&run.reported)).collect();
    ArmRecord {
        name: entry.arm.name().to_owned(),
        load_loop: entry.arm.load_loop().to_owned(),
        is_closed: entry.arm.is_closed(),
        claim: entry.arm.claim().to_owned(),
        tool_version: entry.found.version,
        command: entry.command,
        reported: Figures::medians(&entry.runs),
        requests: results::stats::median(&requests),
        percentiles: percentile_medians(&entry.runs),
        runs: entry.runs,
    }
}

fn requests_of(reported: &Reported) -> f64 {
    reported.requests as f64
}
