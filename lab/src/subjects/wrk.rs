//! Measures one run with wrk, to compare it with this project's load generator. wrk reports neither its CPU time nor
//! whether replies are right, so its runs are never VALID.

use anyhow::{Context, bail};
use host::kernel::{CpuTime, CpuTimes};
use protocol::Workload;
use results::record::{RunOfCell, VerdictState};
use serde_json::json;

use crate::session::host::{Command, Host};
use crate::session::process::{Process, said};
use crate::session::stage::Stage;
use crate::subjects::job::{Job, Measured, Raw};
use crate::subjects::servers::running::Running;

/// The version that wrk prints, or what to install.
pub(crate) fn availability(host: &dyn Host) -> Result<String, String> {
    said(host, "wrk", "-v", "wrk").map_err(|_| "not installed (Debian: apt-get install wrk)".to_owned())
}

/// Loads `server` once and ends it.
pub(crate) fn measure(job: &Job, stage: &Stage<'_>, server: Running) -> anyhow::Result<Measured> {
    let (load, places) = (&job.load, &stage.places);
    if load.rate.is_some() || load.pipeline != 1 || load.workload != Workload::Http {
        bail!("wrk only does HTTP in a closed loop");
    }
    let connections = load.connections.to_string();
    let (duration, url) = (format!("{}s", job.seconds.ceil() as u64), server.url(load.workload));
    let arguments = ["--threads", "1", "--latency", "--connections", &connections, "--duration", &duration, &url];
    let command = Command { cpus: vec![places.client], ..Command::other("wrk", &arguments.map(str::to_owned), "wrk") };
    let before = CpuTimes::read().context("reading /proc/stat")?;
    let mut process = Process::start(stage.host, &command)?;
    process.wait_for_output(&stage.stop)?;
    let (output, code, cpu_us) = process.finish_with_cpu_us()?;
    let after = CpuTimes::read().context("reading /proc/stat")?;
    let busy_us = after.busy_us_since(&before, places.server as u32);
    if code != 0 {
        bail!("wrk ended with {code}");
    }
    let served = server.served()?;
    let ended = server.finish()?;
    let totals = ended.account.as_ref().map(|account| &account.report.totals);
    let requests = number_before(&output, " requests in").context("wrk printed no number of requests")?;
    let rate = number_after(&output, "Requests/sec:").context("wrk printed no rate")?;
    let errors = output.lines().any(|line| line.contains("Socket errors") || line.contains("Non-2xx"));
    let run = RunOfCell {
        cell: String::new(),
        block: 0,
        order: 0,
        started_s: 0.0,
        repeated: 0,
        is_disturbed: false,
        stolen_share: stolen_share(|cpu| Some(after.of(cpu)?.since(&before.of(cpu)?)), [places.server, places.client]),
        waited_share: None,
        requests_per_second: rate,
        completed: requests as u64,
        errors: u64::from(errors),
        server_run_us_per_request: None,
        server_user_us_per_request: None,
        server_system_us_per_request: None,
        server_core_us_per_request: busy_us.map(|busy_us| busy_us as f64 / requests),
        client_cpu_us_per_request: Some(cpu_us as f64 / requests),
        syscalls_per_request: totals.and_then(|totals| job.opening.per_request(totals).syscalls),
        enters_per_request: None,
        sqes_per_request: None,
        cqes_per_request: None,
        server_bytes_per_connection: None,
        kernel_bytes_per_connection: None,
        accepts_max_over_mean: None,
        accepts_coefficient_of_variation: None,
        lateness_us_p99: None,
        response_us_p50: time_after(&output, "50%"),
        response_us_p90: time_after(&output, "90%"),
        response_us_p99: time_after(&output, "99%"),
        replies_whole_run: Some(requests as u64),
        served_whole_run: served.or(totals.map(|totals| totals.requests)),
        rounds_dropped: None,
        // It checks nothing itself.
        counts: VerdictState::Warn,
        cpu: VerdictState::Warn,
        times: VerdictState::Warn,
        objections: "unchecked".to_owned(),
    };
    let raw = Raw { load: json!({ "wrk": output }), server: ended.printed };
    Ok(Measured { run, raw, responses: None, points: vec![], window_start_unix_ms: None })
}

/// What the hypervisor took of the CPU that lost more.
fn stolen_share(time_of: impl Fn(u32) -> Option<CpuTime>, cpus: [usize; 2]) -> Option<f64> {
    cpus.into_iter().filter_map(|cpu| Some(time_of(cpu as u32)?.stolen_share())).reduce(f64::max)
}

fn number_before(text: &str, word: &str) -> Option<f64> {
    text.split(word).next()?.split_whitespace().last()?.parse().ok()
}

fn number_after(text: &str, word: &str) -> Option<f64> {
    text.split(word).nth(1)?.split_whitespace().next()?.parse().ok()
}

/// A time such as `512.00us` after `word`, in µs.
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
    fn the_cpu_that_lost_more_counts() {
        let time_of = |cpu: u32| {
            let steal_us = [3, 20].get(cpu as usize)?;
            Some(CpuTime { cpu, steal_us: *steal_us, idle_us: 100 - steal_us, ..CpuTime::default() })
        };
        for (cpus, expected) in [([0, 1], Some(0.2)), ([0, 0], Some(0.03)), ([7, 8], None)] {
            assert_eq!(stolen_share(time_of, cpus), expected);
        }
    }

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
}
