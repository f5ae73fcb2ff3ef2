//! Measures one run with this project's load generator, and puts the accounts of both programs together.

use anyhow::{Context, bail};
use loadgen::record::{Check, State, Watched};
use loadgen::{Distribution, Engine, Record};
use protocol::Workload;
use results::record::{RunOfCell, VerdictState};
use serde_json::Value;
use server::Exit;

use crate::session::places::Places;
use crate::session::process::Process;
use crate::session::stage::Stage;
use crate::subjects::footprint::{Footprint, Watch};
use crate::subjects::job::{Job, Measured, Raw};
use crate::subjects::load::Generator;
use crate::subjects::opening::Opening;
use crate::subjects::servers::running::Running;
use crate::subjects::{points, wrk};

/// Time before the measured window in milliseconds, at least: connections are open before it, and caches are warm after
/// it.
pub(crate) const WARMUP_MS: u64 = 60;
/// Of many connections each shall have had a request or two before the window, at some 100,000 a second.
const WARMUP_US_PER_CONNECTION: u64 = 20;
/// The intervals of a short window: more would hold too little.
const INTERVALS: f64 = 5.0;
/// Intervals shorter than this hold too little.
const INTERVAL_MS_MIN: u64 = 50;

/// Starts a server, loads it once, ends it, and puts both accounts together.
pub(crate) fn measure(job: &Job, stage: &Stage<'_>) -> anyhow::Result<Measured> {
    let cpus = vec![stage.places.server; reactors(job)];
    let server = Running::start(stage.host, job.server, job.load.workload, &cpus, job.handicap_ns)?;
    match job.generator {
        Generator::C10m => measure_c10m(job, stage, server, Engine::Epoll),
        Generator::C10mUring => measure_c10m(job, stage, server, Engine::IoUring),
        Generator::Wrk => wrk::measure(job, stage, server),
    }
}

/// All of them on one CPU.
pub(crate) fn reactors(job: &Job) -> usize {
    job.shape.reactors.max(job.server.reactors_min())
}

fn measure_c10m(job: &Job, stage: &Stage<'_>, server: Running, engine: Engine) -> anyhow::Result<Measured> {
    let connections_steady = if job.load.is_churn() { 0 } else { job.load.connections };
    let watch = Watch::start(server.workers(), connections_steady, stage.places.client);
    let mut process = Process::start_self(stage.host, &arguments(job, &stage.places, &server, engine))?;
    process.wait_for_output(&stage.stop)?;
    let record = process.read_record()?;
    let (_, code) = process.finish()?;
    if code != 0 && code != 4 {
        bail!("the load generator ended with {code}");
    }
    let footprint = watch.map(Watch::finish).unwrap_or_default();
    let is_one_process = server.workers().len() == 1;
    let served = server.served()?;
    let ended = server.finish()?;
    let mut run = account(&record, ended.account.as_ref(), footprint, &job.opening)?;
    run.served_whole_run = served.or(run.served_whole_run);
    let foreign_us = record
        .kernel
        .watched
        .and_then(|watched| watched.run_delay_us)
        .zip(record.watched.as_ref().and_then(|watched| watched.run_ns))
        .map(|(delay_us, run_ns)| waited_for_others_us(delay_us, run_ns / 1000, reactors(job)));
    run.waited_share = share(foreign_us, &record);
    if !is_one_process {
        // One of several workers was watched: its time is not the server's.
        (run.server_user_us_per_request, run.server_system_us_per_request) = (None, None);
        run.server_run_us_per_request = None;
    }
    Ok(Measured {
        run,
        raw: Raw { load: slim(&record)?, server: ended.printed },
        responses: record.histograms.get(&Distribution::Response).cloned(),
        points: points::of_window(&record.intervals),
        window_start_unix_ms: Some(record.window_start_unix_ms),
    })
}

/// The arguments of a load that opens connections, holds them for `duration` without a request, and resets them.
pub(crate) fn holding(url: &str, connections: u32, duration: &str) -> Vec<String> {
    let connections = connections.to_string();
    let rate = ["--rate", "0", "--warmup", "0ms", "--reset", "--json"];
    let asked = ["load", url, "--connections", &connections, "--duration", duration];
    asked.into_iter().chain(rate).map(str::to_owned).collect()
}

fn arguments(job: &Job, places: &Places, server: &Running, engine: Engine) -> Vec<String> {
    let load = &job.load;
    let interval_ms = ((job.seconds * 1000.0 / INTERVALS) as u64 / 10 * 10).max(INTERVAL_MS_MIN);
    let mut arguments: Vec<String> = [
        "load",
        &server.url(load.workload),
        "--connections",
        &load.connections.to_string(),
        "--threads",
        &job.shape.threads.to_string(),
        "--pipeline",
        &load.pipeline.to_string(),
        "--duration",
        &format!("{}ms", (job.seconds * 1000.0) as u64),
        "--warmup",
        &format!("{}ms", warmup_ms(load.connections)),
        "--interval",
        &format!("{interval_ms}ms"),
        "--seed",
        &job.seed.to_string(),
        "--cpus",
        &places.client.to_string(),
        "--watch-cpus",
        &places.server.to_string(),
        "--watch-pid",
        &server.workers()[0].to_string(),
        "--engine",
        engine.name(),
        "--json",
    ]
    .map(str::to_owned)
    .into();
    if load.is_churn() {
        // In order, with a FIN from each side: that is part of what is measured.
        arguments.extend(["--requests-per-connection".to_owned(), load.requests_per_connection.to_string()]);
    } else {
        // 10,000 TIME-WAITs would end, all at once, in the middle of a run a minute later.
        arguments.push("--reset".to_owned());
    }
    if let Some(rate) = load.rate {
        arguments.extend(["--rate".to_owned(), rate.to_string()]);
    }
    if load.workload == Workload::Http {
        arguments.extend(["--expect-body".to_owned(), "Hello, World!".to_owned()]);
    }
    arguments
}

fn warmup_ms(connections: u32) -> u64 {
    WARMUP_MS.max(u64::from(connections) * WARMUP_US_PER_CONNECTION / 1000)
}

/// The merged histogram is in a file of its own, and so are the intervals; passed and skipped checks say the
/// same every time.
fn slim(record: &Record) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(record)?;
    if let Some(record) = value.as_object_mut() {
        record.remove("histograms");
        record.remove("intervals");
    }
    let objections: Vec<&Check> = record.verdict.checks.iter().filter(|check| is_not_ok(check)).collect();
    value["verdict"]["checks"] = serde_json::to_value(objections)?;
    Ok(value)
}

/// The figures of a run out of the accounts of both programs.
///
/// # Errors
/// When the window was too short for a rate.
fn account(load: &Record, server: Option<&Exit>, footprint: Footprint, opening: &Opening) -> anyhow::Result<RunOfCell> {
    let watched = load.watched.as_ref();
    let in_window = watched.map(|watched| watched.requests_completed_in_window as f64).filter(|count| *count > 0.0);
    let per_request = |time_us: fn(&Watched) -> Option<u64>| Some(time_us(watched?)? as f64 / in_window?);
    // Polling for the next arrival is a price of punctuality, not of a request.
    let client_us = (load.cpu.user_us + load.cpu.system_us) as f64 - load.cpu.polling_us as f64;
    let requests = &load.requests;
    let report = server.map(|exit| &exit.report);
    let per_served = report.map(|report| opening.per_request(&report.totals)).unwrap_or_default();
    // One reactor is always even.
    let spread = report.filter(|report| report.reactors.len() > 1).and_then(|report| report.spread);
    let [counts, cpu, times] = states(&load.verdict);
    Ok(RunOfCell {
        // Its place in the experiment is for the caller to say.
        cell: String::new(),
        block: 0,
        order: 0,
        started_s: 0.0,
        repeated: 0,
        is_disturbed: false,
        stolen_share: share(load.kernel.cpus.iter().map(|cpu| cpu.steal_us).max(), load),
        // For the caller, too, who knows how many reactors there are.
        waited_share: None,
        requests_per_second: load.requests_per_second.context("the window was too short for a rate")?,
        completed: requests.completed,
        errors: requests.failed + requests.timed_out + requests.censored,
        server_run_us_per_request: watched.and_then(|watched| Some(watched.run_ns? as f64 / 1000.0 / in_window?)),
        server_user_us_per_request: per_request(|watched| watched.user_us),
        server_system_us_per_request: per_request(|watched| watched.system_us),
        server_core_us_per_request: per_request(|watched| watched.busy_us),
        client_cpu_us_per_request: in_window.map(|count| client_us / count),
        syscalls_per_request: per_served.syscalls,
        enters_per_request: per_served.enters,
        sqes_per_request: per_served.sqes,
        cqes_per_request: per_served.cqes,
        server_bytes_per_connection: footprint.server_bytes_per_connection,
        kernel_bytes_per_connection: footprint.kernel_bytes_per_connection,
        accepts_max_over_mean: spread.map(|spread| spread.accepts_max_over_mean),
        accepts_coefficient_of_variation: spread.map(|spread| spread.accepts_coefficient_of_variation),
        lateness_us_p99: load.lateness_us.p99,
        response_us_p50: load.response_us.p50,
        response_us_p90: load.response_us.p90,
        response_us_p99: load.response_us.p99,
        replies_whole_run: Some(requests.completed_whole_run),
        served_whole_run: report.map(|report| report.totals.requests),
        rounds_dropped: None,
        counts,
        cpu,
        times,
        objections: load
            .verdict
            .checks
            .iter()
            .filter(|check| is_not_ok(check))
            .map(|check| check.id.as_str())
            .collect::<Vec<_>>()
            .join(" "),
    })
}

/// How long the reactors waited for something else than each other, at least. They share a CPU, so while one of them
/// runs all others may wait.
pub(crate) fn waited_for_others_us(delay_us: u64, run_us: u64, reactors: usize) -> u64 {
    delay_us.saturating_sub(run_us.saturating_mul(reactors.saturating_sub(1) as u64))
}

/// A time in µs as a share of the window.
fn share(time_us: Option<u64>, load: &Record) -> Option<f64> {
    Some(time_us? as f64 / load.kernel.wall_us as f64).filter(|share| share.is_finite())
}

/// What the record's own verdict says of counts, of CPU time and of times.
fn states(verdict: &loadgen::record::Verdict) -> [VerdictState; 3] {
    [verdict.counts, verdict.cpu, verdict.times].map(|state| match state {
        // Times are skipped where nothing was timed: there is nothing to object to.
        State::Valid | State::Skipped => VerdictState::Valid,
        State::Warn => VerdictState::Warn,
        State::Invalid => VerdictState::Invalid,
    })
}

/// Whether a check has something against its run; a skipped one has not.
fn is_not_ok(check: &Check) -> bool {
    matches!(check.state, State::Warn | State::Invalid)
}

#[cfg(test)]
mod tests {
    use loadgen::record::{Cpu, RequestCounts};
    use serde_json::json;
    use server::{Balance, Counters, Report};

    use super::*;

    #[test]
    fn many_connections_are_warmed_for_longer() {
        assert_eq!([64, 1000, 10_000].map(warmup_ms), [60, 60, 200]);
    }

    /// A server of several reactors on one CPU would be disturbed by itself.
    #[test]
    fn reactors_that_wait_for_each_other_are_not_disturbed() {
        assert_eq!(waited_for_others_us(12_000, 200_000, 1), 12_000);
        assert_eq!(waited_for_others_us(190_000, 200_000, 2), 0);
        assert_eq!(waited_for_others_us(230_000, 200_000, 2), 30_000);
        assert_eq!(waited_for_others_us(5, 1, 0), 5);
    }

    #[test]
    fn figures_come_from_both_accounts() {
        let check = |id: &str, state| Check { id: id.to_owned(), state, ..Check::default() };
        let load = Record {
            requests: RequestCounts { completed: 90, failed: 1, timed_out: 2, censored: 3, ..RequestCounts::default() },
            requests_per_second: Some(45.0),
            watched: Some(Watched {
                requests_completed_in_window: 100,
                run_ns: Some(700_000),
                user_us: Some(20),
                system_us: Some(500),
                busy_us: Some(600),
                ..Watched::default()
            }),
            cpu: Cpu { user_us: 30, system_us: 400, ..Cpu::default() },
            verdict: loadgen::record::Verdict {
                state: State::Warn,
                checks: vec![check("V4", State::Warn), check("V7", State::Valid), check("V14", State::Skipped)],
                ..loadgen::record::Verdict::default()
            },
            ..Record::default()
        };
        let totals = Counters { requests: 200, syscalls: 420, sqes: 500, ..Counters::default() };
        let report = Report {
            forced_closes: 0,
            balance: Balance::Hash,
            handicap_ns: None,
            spread: None,
            totals,
            reactors: vec![],
        };
        let server = Exit { code: 0, lines_lost: 0, report };
        let footprint = Footprint { server_bytes_per_connection: Some(64.0), ..Footprint::default() };
        let run = account(&load, Some(&server), footprint, &Opening::default()).expect("a window");
        assert_eq!((run.completed, run.errors), (90, 6));
        assert_eq!(run.server_user_us_per_request, Some(0.2));
        assert_eq!(run.server_run_us_per_request, Some(7.0));
        assert_eq!(run.server_core_us_per_request, Some(6.0));
        assert_eq!(run.client_cpu_us_per_request, Some(4.3));
        assert_eq!((run.syscalls_per_request, run.enters_per_request), (Some(2.1), None));
        assert_eq!((run.sqes_per_request, run.cqes_per_request), (Some(2.5), None));
        assert_eq!((run.server_bytes_per_connection, run.kernel_bytes_per_connection), (Some(64.0), None));
        assert_eq!((run.counts, run.objections.as_str()), (VerdictState::Valid, "V4"));
        let unwatched = Record { requests_per_second: Some(0.0), ..Record::default() };
        let unwatched = account(&unwatched, None, Footprint::default(), &Opening::default()).expect("a window");
        assert_eq!(unwatched.server_user_us_per_request, None);
        let error =
            account(&Record::default(), None, Footprint::default(), &Opening::default()).expect_err("no window");
        assert!(error.to_string().contains("too short"), "{error}");
    }

    #[test]
    fn each_figure_of_a_run_has_the_state_that_the_record_gives_it() {
        use VerdictState::{Invalid, Valid, Warn};
        for (of_record, expected) in [
            ([State::Valid; 3], [Valid; 3]),
            ([State::Valid, State::Valid, State::Invalid], [Valid, Valid, Invalid]),
            ([State::Valid, State::Warn, State::Invalid], [Valid, Warn, Invalid]),
            ([State::Warn, State::Valid, State::Skipped], [Warn, Valid, Valid]),
            ([State::Invalid; 3], [Invalid; 3]),
        ] {
            let [counts, cpu, times] = of_record;
            let verdict = loadgen::record::Verdict { counts, cpu, times, ..loadgen::record::Verdict::default() };
            let load = Record { requests_per_second: Some(0.0), verdict, ..Record::default() };
            let run = account(&load, None, Footprint::default(), &Opening::default()).expect("a window");
            assert_eq!([run.counts, run.cpu, run.times], expected, "{of_record:?}");
        }
    }

    #[test]
    fn what_is_kept_of_a_record_has_its_objections_and_neither_histograms_nor_intervals() {
        let check = |id: &str, state| Check { id: id.to_owned(), state, ..Check::default() };
        let mut record = Record { intervals: vec![loadgen::record::Interval::default()], ..Record::default() };
        record.histograms.insert(Distribution::Response, "HISTFAAA".to_owned());
        record.verdict.checks = vec![check("V4", State::Warn), check("V7", State::Valid), check("V14", State::Skipped)];
        let kept = slim(&record).expect("JSON");
        assert_eq!((kept.get("histograms"), kept.get("intervals")), (None, None));
        let ids: Vec<&Value> =
            kept["verdict"]["checks"].as_array().expect("checks").iter().map(|check| &check["id"]).collect();
        assert_eq!(ids, [&json!("V4")]);
        assert_eq!(kept["requests"]["completed"], 0);
    }
}
