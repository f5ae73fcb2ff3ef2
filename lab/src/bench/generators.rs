//! The load generators: this project's, and wrk where it is installed, for comparison.

use std::process::Command;

use anyhow::{Context, bail};
use results::record::{Raw, Reported, RunOfCell, Verdict, VerdictState};
use serde_json::{Value, json};
use server::Workload;

use super::child::Process;
use super::plan::{Generator, Load, Places};
use super::proc;
use super::servers::Running;

/// Time before the measured window in milliseconds: connections are open and caches warm by then.
const WARMUP_MS: u64 = 150;

/// What one run gave.
pub(super) struct Measured {
    pub(super) run: RunOfCell,
    /// Base64 of the response times, when the generator has a histogram.
    pub(super) responses: Option<String>,
}

/// Whether wrk is installed.
pub(super) fn has_wrk() -> bool {
    // wrk -v prints its version and exits with 1.
    Command::new("wrk").arg("-v").output().is_ok()
}

/// Loads `server` once, ends it, and puts both accounts together.
pub(super) fn measure(
    generator: Generator,
    server: Running,
    load: &Load,
    places: &Places,
    seconds: f64,
    seed: u64,
) -> anyhow::Result<Measured> {
    match generator {
        Generator::C10m => measure_c10m(server, load, places, seconds, seed, "epoll"),
        Generator::C10mUring => measure_c10m(server, load, places, seconds, seed, "io_uring"),
        Generator::Wrk => measure_wrk(server, load, places, seconds),
    }
}

fn measure_c10m(
    server: Running,
    load: &Load,
    places: &Places,
    seconds: f64,
    seed: u64,
    engine: &str,
) -> anyhow::Result<Measured> {
    let mut arguments: Vec<String> = [
        "load",
        &server.url(load.workload),
        "--connections",
        &load.connections.to_string(),
        "--threads",
        "1",
        "--pipeline",
        &load.pipeline.to_string(),
        "--duration",
        &format!("{}ms", (seconds * 1000.0) as u64),
        "--warmup",
        &format!("{WARMUP_MS}ms"),
        "--seed",
        &seed.to_string(),
        "--cpus",
        &places.client.to_string(),
        "--watch-cpus",
        &places.server.to_string(),
        "--watch-pid",
        &server.workers[0].to_string(),
        "--engine",
        engine,
        "--json",
    ]
    .map(str::to_owned)
    .into();
    if let Some(rate) = load.rate {
        arguments.extend(["--rate".to_owned(), rate.to_string()]);
    }
    if load.workload == Workload::Http {
        arguments.extend(["--expect-body".to_owned(), "Hello, World!".to_owned()]);
    }
    let mut process = Process::start_self(&arguments)?;
    let mut record = match process.read_event() {
        Ok(record) => record,
        Err(error) => {
            drop(process);
            return Err(error);
        }
    };
    let (_, code) = process.finish()?;
    if code != 0 && code != 4 {
        bail!("the load generator ended with {code}");
    }
    let served = server.served()?;
    let exit = server.finish()?;
    let responses = record["histograms"]["response"].as_str().map(str::to_owned);
    let mut run = account(&record, &exit);
    run.served_whole_run = served.or(run.served_whole_run);
    // The merged histogram is in the run's .hgrm, intervals are too many to keep, and passed and skipped
    // checks say the same every time.
    if let Some(record) = record.as_object_mut() {
        record.remove("histograms");
        record.remove("intervals");
    }
    if let Some(checks) = record["verdict"]["checks"].as_array_mut() {
        checks.retain(is_not_ok);
    }
    Ok(Measured { run: RunOfCell { raw: Raw { load: record, server: exit }, ..run }, responses })
}

/// The figures of a run out of the two JSON documents.
fn account(load: &Value, server: &Value) -> RunOfCell {
    let number = |pointer: &str| load.pointer(pointer).and_then(Value::as_f64);
    let in_window = number("/watched/requests_completed_in_window").filter(|count| *count > 0.0);
    let per_request = |pointer: &str| Some(number(pointer)? / in_window?);
    // Polling for the next arrival is a price of punctuality, not of a request.
    let polling = number("/cpu/polling_us").unwrap_or(0.0);
    let client = number("/cpu/user_us").zip(number("/cpu/system_us")).map(|(user, system)| user + system - polling);
    let requests = &load["requests"];
    let count = |name: &str| requests[name].as_u64().unwrap_or(0);
    let served = server.pointer("/totals/requests").and_then(Value::as_f64).filter(|count| *count > 0.0);
    let per_served = |name: &str| Some(server["totals"][name].as_f64()? / served?);
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
        server_bytes_per_connection: None,
        kernel_bytes_per_connection: None,
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

/// wrk tells neither its CPU time nor whether replies are right, so its runs are never VALID.
fn measure_wrk(server: Running, load: &Load, places: &Places, seconds: f64) -> anyhow::Result<Measured> {
    if load.rate.is_some() || load.pipeline != 1 || load.workload != Workload::Http {
        bail!("wrk only does HTTP in a closed loop");
    }
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &places.client.to_string(), "wrk", "--threads", "1", "--latency", "--connections"]);
    command.arg(load.connections.to_string()).arg("--duration").arg(format!("{}s", seconds.ceil() as u64));
    command.arg(server.url(load.workload));
    let busy_before = proc::cpu_busy_us(places.server)?;
    let process = Process::start(&mut command, "wrk")?;
    let (output, code, cpu_us) = process.finish_with_cpu_us()?;
    let busy_us = proc::cpu_busy_us(places.server)? - busy_before;
    if code != 0 {
        bail!("wrk ended with {code}");
    }
    let served = server.served()?;
    let exit = server.finish()?;
    let requests = number_before(&output, " requests in").context("wrk printed no number of requests")?;
    let rate = number_after(&output, "Requests/sec:").context("wrk printed no rate")?;
    let errors = output.lines().any(|line| line.contains("Socket errors") || line.contains("Non-2xx"));
    let run = RunOfCell {
        repeat: 0,
        order: 0,
        started_s: 0.0,
        requests_per_second: rate,
        completed: requests as u64,
        errors: u64::from(errors),
        server_user_us_per_request: None,
        server_system_us_per_request: None,
        server_core_us_per_request: Some(busy_us as f64 / requests),
        client_cpu_us_per_request: Some(cpu_us as f64 / requests),
        syscalls_per_request: exit["totals"]["syscalls"].as_f64().map(|calls| calls / requests),
        enters_per_request: None,
        sqes_per_request: None,
        cqes_per_request: None,
        server_bytes_per_connection: None,
        kernel_bytes_per_connection: None,
        lateness_us_p99: None,
        response_us: Reported {
            p50: time_after(&output, "50%"),
            p90: time_after(&output, "90%"),
            p99: time_after(&output, "99%"),
        },
        replies_whole_run: Some(requests as u64),
        served_whole_run: served.or_else(|| exit.pointer("/totals/requests").and_then(Value::as_u64)),
        verdict: Verdict { state: VerdictState::Warn, times_only: false, not_ok: vec!["unchecked".to_owned()] },
        raw: Raw { load: json!({ "wrk": output }), server: exit },
    };
    Ok(Measured { run, responses: None })
}

fn number_before(text: &str, word: &str) -> Option<f64> {
    text.split(word).next()?.split_whitespace().last()?.parse().ok()
}

fn number_after(text: &str, word: &str) -> Option<f64> {
    text.split(word).nth(1)?.split_whitespace().next()?.parse().ok()
}

/// A time such as `512.00us` behind `word`, in µs.
fn time_after(text: &str, word: &str) -> Option<f64> {
    let time = text.split(word).nth(1)?.split_whitespace().next()?;
    let (number, factor) = match time {
        time if time.ends_with("us") => (time.strip_suffix("us")?, 1.0),
        time if time.ends_with("ms") => (time.strip_suffix("ms")?, 1e3),
        time if time.ends_with('s') => (time.strip_suffix('s')?, 1e6),
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_wrk_is_understood() {
        let text = "  191724 requests in 2.00s, 23.59MB read\nRequests/sec:  95807.44\n";
        assert_eq!(number_before(text, " requests in"), Some(191_724.0));
        assert_eq!(number_after(text, "Requests/sec:"), Some(95_807.44));
        assert_eq!(number_after(text, "nothing"), None);
        let text =
            "  Latency Distribution\n     50%  512.00us\n     75%  600.00us\n     90%    1.05ms\n     99%    1.20s \n";
        for (word, expected) in [("50%", Some(512.0)), ("90%", Some(1050.0)), ("99%", Some(1.2e6)), ("95%", None)] {
            assert_eq!(time_after(text, word), expected, "{word}");
        }
    }

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
        let server = json!({"totals": {"requests": 200, "syscalls": 420, "enters": 0}});
        let run = account(&load, &server);
        assert_eq!((run.completed, run.errors), (90, 6));
        assert_eq!(run.server_user_us_per_request, Some(0.2));
        assert_eq!(run.server_core_us_per_request, Some(6.0));
        assert_eq!(run.client_cpu_us_per_request, Some(4.3));
        assert_eq!((run.syscalls_per_request, run.enters_per_request), (Some(2.1), None));
        assert_eq!(
            run.verdict,
            Verdict { state: VerdictState::Warn, times_only: false, not_ok: vec!["V4".to_owned()] }
        );
        assert_eq!(account(&json!({}), &json!({})).server_user_us_per_request, None);
        for (ids, expected) in [(&["V12"][..], true), (&["V2", "V5"], true), (&["V2", "V7"], false), (&[], false)] {
            let checks: Vec<Value> = ids.iter().map(|id| json!({"id": id, "state": "INVALID"})).collect();
            let found = verdict(&json!({"state": "INVALID", "checks": checks}));
            assert_eq!((found.times_only, found.not_ok.len()), (expected, ids.len()), "{ids:?}");
        }
    }
}
