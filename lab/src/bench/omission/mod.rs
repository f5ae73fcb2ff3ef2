//! `bench omission`: what load generators report for a server that stalls. Not an [`Experiment`] like the
//! others, because what is compared is not the server and most arms are other people's programs.
//!
//! Repeats outermost, arms within in alternating order, a server of its own for each run.
//!
//! [`Experiment`]: super::plan::Experiment

mod arms;
mod parse;
mod picture;
mod record;
mod report;
mod truth;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use results::histogram::Latencies;
use results::report::{Document, Table, files as files_of_report};
use results::{hgrm, run as run_directory, utc};
use serde_json::Value;

use super::child::Process;
use super::list::{Listed, ListedProfile};
use super::plan::{Places, Profile};
use super::runner::{ensure_running, places};
use super::{BenchArgs, commit};
use arms::{ARMS, Arm, Found};
use parse::Reported;
use record::{ArmRecord, Figures, Record, RunRecord, SCHEMA, percentile_medians};

pub(super) const NAME: &str = "omission";
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

/// What one arm has given so far.
struct Gathered {
    arm: Arm,
    found: Found,
    command: Vec<String>,
    runs: Vec<RunRecord>,
    /// Response and service times of this project's generator.
    histograms: Vec<Histograms>,
}

/// Base64 of the two histograms of a run of this project's generator.
struct Histograms {
    response: String,
    service: String,
}

/// For `bench list`.
pub(super) fn listed() -> Listed {
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
pub(super) fn run(args: &BenchArgs) -> anyhow::Result<u8> {
    if let Some(other) = args.profile.filter(|profile| *profile != Profile::Full) {
        let word = other.word();
        return super::refuse(&format!(
            "omission has only the profile full: leave out --profile {word}, or shorten it with --seconds"
        ));
    }
    if args.fresh || args.noisy || args.wait_max.is_some() {
        return super::refuse(
            "omission keeps no journal and looks at no machine: leave out --fresh, --noisy and --wait-max",
        );
    }
    fs::create_dir_all(&args.out).with_context(|| format!("cannot create {}", args.out.display()))?;
    let stop = super::stop_flag()?;
    super::warn_of_debug_build();
    let source = commit::current();
    let repeats = args.repeats.unwrap_or(REPEATS);
    // Some of the generators only take whole seconds.
    let seconds = args.seconds.map_or(SECONDS, |seconds| seconds.ceil() as u32);
    let seed = super::seed(args);
    let (started, clock) = (SystemTime::now(), Instant::now());
    let (mut gathered, skipped) = installed();
    skipped.iter().for_each(|line| eprintln!("c10m: left out: {line}"));
    let runs = gathered.len() as u32 * repeats;
    eprintln!("c10m: {NAME}: {runs} runs of {seconds} s, seed {seed}");
    let places = places()?;
    let failures = gather(&mut gathered, &places, repeats, seconds, seed, &stop)?;
    let curves = curves(&gathered)?;
    let truth = truth::of(&gathered, EVERY_MS)?;
    let record = Record {
        schema: SCHEMA,
        experiment: NAME.to_owned(),
        question: QUESTION.to_owned(),
        started_at: utc::rfc3339(started),
        duration_s: clock.elapsed().as_secs_f64(),
        command: super::command_line(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: commit::described(source.as_ref()),
        host: serde_json::to_value(tuning::Facts::of_this_host())?,
        seed,
        repeats,
        seconds_per_run: seconds,
        connections: CONNECTIONS,
        rate: RATE,
        stalls: truth.stalls.clone(),
        truth: truth.figures,
        base_ms: truth.base_ms,
        notes: report::notes(&places),
        skipped,
        failures,
        arms: gathered.into_iter().map(arm_record).collect(),
    };
    let curves_ms: Vec<picture::Curve> =
        curves.iter().map(|(arm, latencies)| picture::curve(arm.name(), latencies)).collect();
    let chart = picture::chart(&record, &truth, &curves_ms).svg()?;
    write(args, &record, source, started, &chart, &curves)
}

fn write(
    args: &BenchArgs,
    record: &Record,
    source: Option<(String, bool)>,
    started: SystemTime,
    chart: &str,
    curves: &[(Arm, Latencies)],
) -> anyhow::Result<u8> {
    let mut files = vec![("record.json".to_owned(), serde_json::to_string_pretty(record)? + "\n")];
    files.extend(files_of_report(&report::document(record, chart.to_owned())));
    for (arm, latencies) in curves {
        files.extend(arm.histogram_name().map(|name| (format!("{name}.hgrm"), hgrm::text(latencies))));
    }
    let (commit, dirty) = source.unwrap_or_default();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = run_directory::name(&utc::date(started), host.trim(), &commit, dirty, NAME);
    let directory = run_directory::write_files(&args.out, &name, &files)
        .with_context(|| format!("cannot write below {}", args.out.display()))?;
    if args.json {
        super::print(&(serde_json::to_string(record)? + "\n"))?;
    } else {
        super::print(&super::terminal(report::tables(record)))?;
    }
    eprintln!("c10m: wrote {}", directory.display());
    Ok(0)
}

/// The report of a directory, and the tables for a terminal; `None` when its run is of another experiment.
///
/// # Errors
/// When a file of the directory cannot be read.
pub(crate) fn render(directory: &Path) -> anyhow::Result<Option<(Document, Vec<Table>)>> {
    let path = directory.join("record.json");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let value: Value = serde_json::from_str(&text).with_context(|| format!("{} is no record", path.display()))?;
    if value["experiment"] != NAME {
        return Ok(None);
    }
    let record: Record = serde_json::from_value(value).with_context(|| format!("{} is no record", path.display()))?;
    let truth = truth::of_record(&record);
    let mut curves = Vec::new();
    for arm in ARMS {
        let Some(name) = arm.histogram_name() else { continue };
        let path = directory.join(format!("{name}.hgrm"));
        if let Ok(text) = fs::read_to_string(&path) {
            let points = hgrm::points(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
            let points = points.into_iter().map(|(quantile, us)| (quantile, us / 1000.0)).collect();
            curves.push(picture::Curve { name: arm.name().to_owned(), points });
        }
    }
    let chart = picture::chart(&record, &truth, &curves).svg()?;
    Ok(Some((report::document(&record, chart), report::tables(&record))))
}

/// The arms that can run, and a line for each program that is missing.
fn installed() -> (Vec<Gathered>, Vec<String>) {
    let has_taskset = arms::has_taskset();
    let (mut gathered, mut skipped) = (Vec::new(), Vec::new());
    for arm in ARMS {
        let missing = |program: &str| format!("{}: {program} is not installed (scripts/generators.sh)", arm.name());
        match arm.find() {
            Some(_) if arm.program() != "c10m" && !has_taskset => skipped.push(missing("taskset")),
            Some(found) => {
                gathered.push(Gathered { arm, found, command: vec![], runs: vec![], histograms: vec![] });
            }
            None => skipped.push(missing(arm.program())),
        }
    }
    (gathered, skipped)
}

/// Runs everything. The runs that failed are returned as text; one bad run of a foreign program is no
/// reason to lose all others.
fn gather(
    gathered: &mut [Gathered],
    places: &Places,
    repeats: u32,
    seconds: u32,
    seed: u64,
    stop: &AtomicBool,
) -> anyhow::Result<Vec<String>> {
    let total = gathered.len() as u64 * u64::from(repeats);
    // Hidden when stderr is not a terminal.
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} eta {eta} {msg}") {
        bar.set_style(style);
    }
    let (mut failures, mut order) = (Vec::new(), 0);
    for repeat in 0..repeats {
        let mut indices: Vec<usize> = (0..gathered.len()).collect();
        if repeat % 2 == 1 {
            indices.reverse();
        }
        for index in indices {
            ensure_running(stop)?;
            let entry = &mut gathered[index];
            bar.set_message(entry.arm.name());
            let measured = measure(entry, places, seconds, seed.wrapping_add(u64::from(repeat)));
            // Ctrl-C reaches the children too: what they say then is not what went wrong.
            ensure_running(stop)?;
            match measured {
                Ok(run) => entry.runs.push(RunRecord { repeat, order, ..run }),
                Err(error) => failures.push(format!("{}, repeat {}: {error:#}", entry.arm.name(), repeat + 1)),
            }
            order += 1;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(failures)
}

/// One run: a server, a generator, both accounts.
fn measure(entry: &mut Gathered, places: &Places, seconds: u32, seed: u64) -> anyhow::Result<RunRecord> {
    let arm = entry.arm;
    let (mut server, address) = start_server(arm.workload(), places, seconds)?;
    let arguments = arm.arguments(&address, seconds, seed, places.client);
    let mut command = if arm.program() == "c10m" {
        Command::new(&entry.found.path)
    } else {
        let mut command = Command::new("taskset");
        command.arg("--cpu-list").arg(places.client.to_string()).arg(&entry.found.path);
        command
    };
    let (output, code) = Process::start(command.args(&arguments), arm.program())?.finish()?;
    if entry.command.is_empty() {
        entry.command = std::iter::once(arm.program().to_owned()).chain(arguments).collect();
    }
    if !server.is_running() {
        bail!("the server ended first: {}", server.complaint());
    }
    server.terminate();
    let (account, _) = server.finish()?;
    let account: Value = serde_json::from_str(account.lines().last().context("the server printed no account")?)?;
    // 4: c10m's measurement is invalid, which is for the report to say.
    if code != 0 && !(code == 4 && arm.program() == "c10m") {
        bail!("{} ended with {code}", arm.program());
    }
    let reported = arm.parse(&output).with_context(|| format!("{} printed something unknown", arm.program()))?;
    let (verdict, raw) = raw(arm, &output, &mut entry.histograms)?;
    let served = account["requests"].as_u64().context("the server counted nothing")?;
    Ok(RunRecord { repeat: 0, order: 0, reported, served, stalls_ms: stalls_ms(&account), verdict, raw })
}

fn start_server(workload: &str, places: &Places, seconds: u32) -> anyhow::Result<(Process, String)> {
    let arguments = [
        "null-server",
        workload,
        "--listen",
        "127.0.0.1:0",
        "--cpu",
        &places.server.to_string(),
        "--stall",
        &format!("{STALL_MS}ms"),
        "--every",
        &format!("{EVERY_MS}ms"),
        "--for",
        &format!("{}s", seconds + SERVER_EXTRA_S),
    ]
    .map(str::to_owned);
    let mut server = Process::start_self(&arguments)?;
    let ready = server.read_event()?;
    let address = ready["address"].as_str().context("the server named no address")?.to_owned();
    Ok((server, address))
}

/// The verdict and the output worth keeping. The histograms of this project's generator are taken out:
/// merged, they are files of their own.
fn raw(arm: Arm, output: &str, histograms: &mut Vec<Histograms>) -> anyhow::Result<(Option<String>, Value)> {
    if arm.program() != "c10m" {
        return Ok((None, Value::String(output.to_owned())));
    }
    let mut record: Value = serde_json::from_str(output)?;
    let text = |name: &str| record["histograms"][name].as_str().unwrap_or_default().to_owned();
    histograms.push(Histograms { response: text("response"), service: text("service") });
    let not_ok = record["verdict"]["checks"].as_array().into_iter().flatten().filter_map(|check| {
        let is_ok = matches!(check["state"].as_str(), Some("VALID" | "SKIPPED"));
        if is_ok { None } else { check["id"].as_str() }
    });
    let not_ok: Vec<&str> = not_ok.collect();
    let state = record["verdict"]["state"].as_str().unwrap_or("INVALID");
    let verdict = if not_ok.is_empty() { state.to_owned() } else { format!("{state} ({})", not_ok.join(" ")) };
    if let Some(record) = record.as_object_mut() {
        record.remove("histograms");
    }
    Ok((Some(verdict), record))
}

fn stalls_ms(account: &Value) -> Vec<f64> {
    let stalls = account["stalls"].as_array().into_iter().flatten();
    stalls.filter_map(|stall| Some((stall[1].as_u64()?.checked_sub(stall[0].as_u64()?)?) as f64 / 1e6)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_server_s_account_is_understood() {
        let account = json!({"stalls": [[1_000_000, 101_500_000], [5, 4], ["x"]]});
        assert_eq!(stalls_ms(&account), [100.5]);
        assert_eq!(stalls_ms(&json!({})), [] as [f64; 0]);
    }

    #[test]
    fn the_verdict_names_what_is_not_ok() {
        let output = json!({
            "histograms": {"response": "a", "service": "b"},
            "verdict": {"state": "WARN", "checks": [
                {"id": "V1", "state": "VALID"}, {"id": "V2", "state": "WARN"}, {"id": "V6", "state": "SKIPPED"},
            ]},
        });
        let mut histograms = Vec::new();
        let (verdict, kept) = raw(Arm::C10mClosed, &output.to_string(), &mut histograms).expect("JSON");
        assert_eq!(verdict.as_deref(), Some("WARN (V2)"));
        assert!(kept.get("histograms").is_none() && kept.get("verdict").is_some());
        assert_eq!((histograms[0].response.as_str(), histograms[0].service.as_str()), ("a", "b"));
        let (verdict, kept) = raw(Arm::Wrk, "text", &mut histograms).expect("any text");
        assert_eq!((verdict, kept, histograms.len()), (None, json!("text"), 1));
    }
}
