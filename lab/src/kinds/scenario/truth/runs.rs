//! The runs of the comparison: what is finished goes to the journal at once, and what the journal has is not run
//! again.

use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::arms::{ARMS, Arm, Found};
use super::record::RunRecord;
use super::{EVERY_MS, SERVER_EXTRA_S, STALL_MS};
use crate::session::host::{Command, Host};
use crate::session::journal::{self, Journal, Line};
use crate::session::places::Places;
use crate::session::process::Process;
use crate::session::start::ensure_running;

/// What one arm has given so far.
pub(super) struct Gathered {
    pub(super) arm: Arm,
    pub(super) found: Found,
    pub(super) command: Vec<String>,
    pub(super) runs: Vec<RunRecord>,
    /// Response and service times of this project's generator.
    pub(super) histograms: Vec<Histograms>,
}

/// Base64 of the two histograms of a run of this project's generator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Histograms {
    pub(super) response: String,
    pub(super) service: String,
}

/// A finished run, as the journal keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Finished {
    arm: String,
    command: Vec<String>,
    run: RunRecord,
    histograms: Option<Histograms>,
}

/// What is kept of a run that is finished.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kept {
    Step(Box<Finished>),
}

impl journal::Finished for Kept {
    fn is_run(&self) -> bool {
        true
    }
}

/// The arms that can run, and a line for each program that is missing.
pub(super) fn installed() -> (Vec<Gathered>, Vec<String>) {
    let (mut gathered, mut skipped) = (Vec::new(), Vec::new());
    for arm in ARMS {
        let missing = |program: &str| format!("{}: {program} is not installed (scripts/generators.sh)", arm.name());
        match arm.find() {
            Some(found) => {
                gathered.push(Gathered { arm, found, command: vec![], runs: vec![], histograms: vec![] });
            }
            None => skipped.push(missing(arm.program())),
        }
    }
    (gathered, skipped)
}

/// Runs what the journal does not have yet, and then has all that it has. One bad run of a foreign program is no
/// reason to lose all others: it is noted, and tried again only when the experiment is taken up again.
pub(super) fn gather(
    gathered: &mut [Gathered],
    host: &dyn Host,
    places: &Places,
    journal: &mut Journal<Kept>,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let (repeats, seconds, seed) = (journal.header().repeats, journal.header().seconds as u32, journal.header().seed);
    let total = gathered.len() as u64 * u64::from(repeats);
    // Hidden when stderr is not a terminal.
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} eta {eta} {msg}") {
        bar.set_style(style);
    }
    let mut order = 0;
    for repeat in 0..repeats {
        let mut indices: Vec<usize> = (0..gathered.len()).collect();
        if repeat % 2 == 1 {
            indices.reverse();
        }
        for index in indices {
            ensure_running(stop)?;
            let name = gathered[index].arm.name();
            if !journal.finished().any(|Kept::Step(known)| known.arm == name && known.run.repeat == repeat) {
                bar.set_message(name);
                let measured = measure(&gathered[index], host, places, seconds, seed.wrapping_add(u64::from(repeat)));
                // Ctrl-C reaches the children too: what they say then is not what went wrong.
                ensure_running(stop)?;
                journal.append(match measured {
                    Ok(mut finished) => {
                        (finished.run.repeat, finished.run.order) = (repeat, order);
                        Line::Finished(Kept::Step(Box::new(finished)))
                    }
                    Err(error) => Line::Failure(format!("{name}, repeat {}: {error:#}", repeat + 1)),
                })?;
            }
            order += 1;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    for Kept::Step(finished) in journal.finished().cloned() {
        let Some(entry) = gathered.iter_mut().find(|entry| entry.arm.name() == finished.arm) else { continue };
        if entry.command.is_empty() {
            entry.command = finished.command;
        }
        entry.runs.push(finished.run);
        entry.histograms.extend(finished.histograms);
    }
    Ok(())
}

/// One run: a server, a generator, both accounts.
fn measure(entry: &Gathered, host: &dyn Host, places: &Places, seconds: u32, seed: u64) -> anyhow::Result<Finished> {
    let arm = entry.arm;
    let (mut server, address) = start_server(host, arm.workload(), places, seconds)?;
    let arguments = arm.arguments(&address, seconds, seed, places.client);
    let generator = match arm.program() {
        "c10m" => Process::start_self(host, &arguments)?,
        program => {
            let command = Command::other(&entry.found.path, &arguments, program);
            Process::start(host, &Command { cpus: vec![places.client], ..command })?
        }
    };
    let (output, code) = generator.finish()?;
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
    let (verdict, raw, histograms) = raw(arm, &output)?;
    let served = account["requests"].as_u64().context("the server counted nothing")?;
    let run = RunRecord { repeat: 0, order: 0, reported, served, stalls_ms: stalls_ms(&account), verdict, raw };
    let command = std::iter::once(arm.program().to_owned()).chain(arguments).collect();
    Ok(Finished { arm: arm.name().to_owned(), command, run, histograms })
}

fn start_server(host: &dyn Host, workload: &str, places: &Places, seconds: u32) -> anyhow::Result<(Process, String)> {
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
    let mut server = Process::start_self(host, &arguments)?;
    let ready = server.read_event()?;
    let address = ready["address"].as_str().context("the server named no address")?.to_owned();
    Ok((server, address))
}

/// The verdict and the output worth keeping. The histograms of this project's generator are taken out:
/// merged, they are files of their own.
fn raw(arm: Arm, output: &str) -> anyhow::Result<(Option<String>, Value, Option<Histograms>)> {
    if arm.program() != "c10m" {
        return Ok((None, Value::String(output.to_owned()), None));
    }
    let mut record: Value = serde_json::from_str(output)?;
    let text = |name: &str| record["histograms"][name].as_str().unwrap_or_default().to_owned();
    let histograms = Histograms { response: text("response"), service: text("service") };
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
    Ok((Some(verdict), record, Some(histograms)))
}

fn stalls_ms(account: &Value) -> Vec<f64> {
    let stalls = account["stalls"].as_array().into_iter().flatten();
    stalls.filter_map(|stall| Some((stall[1].as_u64()?.checked_sub(stall[0].as_u64()?)?) as f64 / 1e6)).collect()
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
        let (verdict, kept, histograms) = raw(Arm::C10mClosed, &output.to_string()).expect("JSON");
        assert_eq!(verdict.as_deref(), Some("WARN (V2)"));
        assert!(kept.get("histograms").is_none() && kept.get("verdict").is_some());
        assert_eq!(histograms, Some(Histograms { response: "a".to_owned(), service: "b".to_owned() }));
        assert_eq!(raw(Arm::Wrk, "text").expect("any text"), (None, json!("text"), None));
    }
}
