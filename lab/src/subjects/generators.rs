//! Measures one run with this project's load generator, and puts the accounts of both programs together.

use anyhow::bail;
use results::record::{Raw, Reported, RunOfCell, Verdict, VerdictState};
use serde_json::Value;
use server::Workload;

use crate::session::places::Places;
use crate::session::process::Process;
use crate::session::stage::Stage;
use crate::subjects::footprint::{Footprint, Watch};
use crate::subjects::job::{Job, Measured};
use crate::subjects::load::Generator;
use crate::subjects::opening::Opening;
use crate::subjects::servers::running::Running;
use crate::subjects::{points, wrk};

/// Time before the measured window in milliseconds: connections are open and caches warm by then.
const WARMUP_MS: u64 = 150;
/// Intervals of a run at least: drift shows in 30 and more (V12), and each is a line of a file.
const INTERVALS: f64 = 30.0;
/// Shorter intervals hold too little.
const INTERVAL_MS_MIN: u64 = 50;

/// Starts a server, loads it once, ends it, and puts both accounts together.
pub(crate) fn measure(job: &Job, stage: &Stage<'_>) -> anyhow::Result<Measured> {
    let cpus = vec![stage.places.server; job.shape.reactors.max(job.server.reactors_min())];
    let server = Running::start(stage.host, job.server, job.load.workload, &cpus)?;
    match job.generator {
        Generator::C10m => measure_c10m(job, stage, server, "epoll"),
        Generator::C10mUring => measure_c10m(job, stage, server, "io_uring"),
        Generator::Wrk => wrk::measure(job, stage, server),
    }
}

fn measure_c10m(job: &Job, stage: &Stage<'_>, server: Running, engine: &str) -> anyhow::Result<Measured> {
    let connections_steady = if job.load.is_churn() { 0 } else { job.load.connections };
    let watch = Watch::start(server.workers(), connections_steady, stage.places.client);
    let mut process = Process::start_self(stage.host, &arguments(job, &stage.places, &server, engine))?;
    process.wait_for_output(&stage.stop)?;
    let mut record = process.read_event()?;
    let (_, code) = process.finish()?;
    if code != 0 && code != 4 {
        bail!("the load generator ended with {code}");
    }
    let footprint = watch.map(Watch::finish).unwrap_or_default();
    let is_one_process = server.workers().len() == 1;
    let served = server.served()?;
    let exit = server.finish()?;
    let responses = record["histograms"]["response"].as_str().map(str::to_owned);
    let points = points::of_window(&record)?;
    let window_start_unix_ms = record["window_start_unix_ms"].as_u64();
    let mut run = account(&record, &exit, footprint, &job.opening);
    run.served_whole_run = served.or(run.served_whole_run);
    if !is_one_process {
        // One of several workers was watched: its time is not the server's.
        (run.server_user_us_per_request, run.server_system_us_per_request) = (None, None);
    }
    slim(&mut record);
    let run = RunOfCell { raw: Raw { load: record, server: exit }, ..run };
    Ok(Measured { run, responses, points, window_start_unix_ms })
}

/// The arguments of a load that opens connections, holds them for `duration` without a request, and resets them.
pub(crate) fn holding(url: &str, connections: u32, duration: &str) -> Vec<String> {
    let connections = connections.to_string();
    let rate = ["--rate", "0", "--warmup", "0ms", "--reset", "--json"];
    let asked = ["load", url, "--connections", &connections, "--duration", duration];
    asked.into_iter().chain(rate).map(str::to_owned).collect()
}

fn arguments(job: &Job, places: &Places, server: &Running, engine: &str) -> Vec<String> {
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
        &format!("{WARMUP_MS}ms"),
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
        engine,
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

/// The merged histogram is in a file of its own, and so are the intervals; passed and skipped checks say the
/// same every time.
fn slim(record: &mut Value) {
    if let Some(record) = record.as_object_mut() {
        record.remove("histograms");
        record.remove("intervals");
    }
    if let Some(checks) = record["verdict"]["checks"].as_array_mut() {
        checks.retain(is_not_ok);
    }
}

/// The figures of a run out of the two JSON documents.
fn account(load: &Value, server: &Value, footprint: Footprint, opening: &Opening) -> RunOfCell {
    let number = |pointer: &str| load.pointer(pointer).and_then(Value::as_f64);
    let in_window = number("/watched/requests_completed_in_window").filter(|count| *count > 0.0);
    let per_request = |pointer: &str| Some(number(pointer)? / in_window?);
    // Polling for the next arrival is a price of punctuality, not of a request.
    let polling = number("/cpu/polling_us").unwrap_or(0.0);
    let client = number("/cpu/user_us").zip(number("/cpu/system_us")).map(|(user, system)| user + system - polling);
    let requests = &load["requests"];
    let count = |name: &str| requests[name].as_u64().unwrap_or(0);
    let served = server.pointer("/totals/requests").and_then(Value::as_f64).filter(|count| *count > 0.0);
    let per_served = |name: &str| Some(opening.rest(&server["totals"], name)? / served?);
    // One reactor is always even.
    let has_several = server["reactors"].as_array().is_some_and(|reactors| reactors.len() > 1);
    let spread =
        |name: &str| server.pointer(&format!("/spread/{name}")).and_then(Value::as_f64).filter(|_| has_several);
    RunOfCell {
        repeat: 0,
        order: 0,
        started_s: 0.0,
        requests_per_second: number("/requests_per_second").unwrap_or(0.0),
        completed: count("completed"),
        errors: count("failed") + count("timed_out") + count("censored"),
        server_user_us_per_request: per_request("/watched/user_us"),
        server_system_us_per_request: per_request("/watched/system_us"),
        server_core_us_per_request: per_request("/watched/busy_us"),
        client_cpu_us_per_request: client.zip(in_window).map(|(cpu, count)| cpu / count),
        syscalls_per_request: per_served("syscalls"),
        enters_per_request: per_served("enters").filter(|enters| *enters > 0.0),
        sqes_per_request: per_served("sqes").filter(|sqes| *sqes > 0.0),
        cqes_per_request: per_served("cqes").filter(|cqes| *cqes > 0.0),
        accepts_max_over_mean: spread("accepts_max_over_mean"),
        accepts_coefficient_of_variation: spread("accepts_coefficient_of_variation"),
        server_bytes_per_connection: footprint.server_bytes_per_connection,
        kernel_bytes_per_connection: footprint.kernel_bytes_per_connection,
        lateness_us_p99: number("/lateness_us/p99"),
        response_us: Reported {
            p50: number("/response_us/p50"),
            p90: number("/response_us/p90"),
            p99: number("/response_us/p99"),
        },
        replies_whole_run: requests["completed_whole_run"].as_u64(),
        served_whole_run: server.pointer("/totals/requests").and_then(Value::as_u64),
        verdict: verdict(&load["verdict"]),
        raw: Raw::default(),
    }
}

/// Checks that put times in doubt and nothing else: counts and CPU time stand whatever they say.
const TIMES_ONLY: [&str; 10] = ["V2", "V4", "V5", "V6", "V11", "V12", "V13", "V15", "V18", "V19"];

fn verdict(verdict: &Value) -> Verdict {
    let state = match verdict["state"].as_str() {
        Some("VALID") => VerdictState::Valid,
        Some("WARN") => VerdictState::Warn,
        _ => VerdictState::Invalid,
    };
    let checks = verdict["checks"].as_array().map_or(&[][..], Vec::as_slice);
    let id = |check: &Value| check["id"].as_str().unwrap_or_default().to_owned();
    let mut invalid = checks.iter().filter(|check| check["state"] == "INVALID").map(id).peekable();
    let times_only = invalid.peek().is_some() && invalid.all(|id| TIMES_ONLY.contains(&id.as_str()));
    Verdict { state, times_only, not_ok: checks.iter().filter(|check| is_not_ok(check)).map(id).collect() }
}

/// Whether a check has something against its run; a skipped one has not.
fn is_not_ok(check: &Value) -> bool {
    check["state"] != "VALID" && check["state"] != "SKIPPED"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_come_from_both_accounts() {
        let load = json!({
            "requests": {"completed": 90, "failed": 1, "timed_out": 2, "censored": 3},
            "requests_per_second": 45.0,
            "watched": {"requests_completed_in_window": 100, "user_us": 20, "system_us": 500, "busy_us": 600},
            "cpu": {"user_us": 30, "system_us": 400},
            "lateness_us": {"p99": null},
            "verdict": {"state": "WARN", "checks": [
                {"id": "V4", "state": "WARN"}, {"id": "V7", "state": "VALID"}, {"id": "V14", "state": "SKIPPED"}
            ]},
        });
        let server = json!({"totals": {"requests": 200, "syscalls": 420, "enters": 0, "sqes": 500}});
        let footprint = Footprint { server_bytes_per_connection: Some(64.0), ..Footprint::default() };
        let run = account(&load, &server, footprint, &Opening::default());
        assert_eq!((run.completed, run.errors), (90, 6));
        assert_eq!(run.server_user_us_per_request, Some(0.2));
        assert_eq!(run.server_core_us_per_request, Some(6.0));
        assert_eq!(run.client_cpu_us_per_request, Some(4.3));
        assert_eq!((run.syscalls_per_request, run.enters_per_request), (Some(2.1), None));
        assert_eq!((run.sqes_per_request, run.cqes_per_request), (Some(2.5), None));
        assert_eq!((run.server_bytes_per_connection, run.kernel_bytes_per_connection), (Some(64.0), None));
        assert_eq!(
            run.verdict,
            Verdict { state: VerdictState::Warn, times_only: false, not_ok: vec!["V4".to_owned()] }
        );
        assert_eq!(
            account(&json!({}), &json!({}), Footprint::default(), &Opening::default()).server_user_us_per_request,
            None
        );
        for (ids, expected) in [(&["V12"][..], true), (&["V2", "V5"], true), (&["V2", "V7"], false), (&[], false)] {
            let checks: Vec<Value> = ids.iter().map(|id| json!({"id": id, "state": "INVALID"})).collect();
            let found = verdict(&json!({"state": "INVALID", "checks": checks}));
            assert_eq!((found.times_only, found.not_ok.len()), (expected, ids.len()), "{ids:?}");
        }
    }
}
