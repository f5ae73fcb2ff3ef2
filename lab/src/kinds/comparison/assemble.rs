//! Builds the record of an experiment and its other files from the journal. Runs nothing.

use std::collections::BTreeMap;

use anyhow::Context;
use host::kernel::KernelDelta;
use results::histogram::Latencies;
use results::record::{Cell, Decision, Loop, Record, SCHEMA, Summary};
use results::{hgrm, hlog, report, run};
use serde::Deserialize;

use crate::kinds::comparison::finished::{self, Entry, Finished, runs};
use crate::kinds::comparison::plan::{Arm, Comparison, Scope, key};
use crate::session::journal::Journal;
use crate::session::sitting::Sitting;
use crate::session::stage::Stage;
use crate::subjects::load::Load;
use crate::subjects::servers::about::configuration;

/// The steal that a reader must know about: from here on, check V5 declares a run's times invalid.
const STEAL_MAX: f64 = 0.05;

/// A record and its curves of response times.
pub(crate) struct Outcome {
    pub(crate) record: Record,
    curves: Vec<Curve>,
}

/// The response times of all runs of a cell, merged.
struct Curve {
    key: String,
    latencies: Latencies,
}

/// Builds one record from everything in the journal.
pub(crate) fn outcome(
    comparison: &Comparison,
    scope: &Scope,
    sitting: &Sitting<'_, Finished>,
) -> anyhow::Result<Outcome> {
    let journal = sitting.journal();
    let (cells, curves) = cells(scope, journal)?;
    let account = sitting.account()?;
    let names: Vec<String> = scope.arms.iter().map(Arm::name).collect();
    let reference = comparison.decision.reference.clone().filter(|reference| names.contains(reference));
    let record = Record {
        schema: SCHEMA,
        experiment: comparison.name.to_owned(),
        question: comparison.question.to_owned(),
        metric: comparison.metric,
        decision: Decision { reference, ..comparison.decision.clone() },
        notes: notes(scope, journal, sitting.stage(), &account.failures)?,
        started_at: account.started_at,
        duration_s: account.duration_s,
        command: account.command,
        version: account.version,
        commit: account.commit,
        host: account.host,
        seed: account.seed,
        repeats: account.repeats,
        seconds_per_run: account.seconds_per_run,
        skipped: account.skipped,
        waits: account.waits,
        resumed: account.resumed,
        cells,
        memory: finished::memory(journal).cloned().collect(),
    };
    Ok(Outcome { record, curves })
}

/// The cells in the order of loads and arms, without those that have no run, and the curve of each.
fn cells(scope: &Scope, journal: &Journal<Finished>) -> anyhow::Result<(Vec<Cell>, Vec<Curve>)> {
    let mut gathered: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    runs(journal).for_each(|entry| gathered.entry(&entry.cell).or_default().push(entry));
    let (mut cells, mut curves) = (Vec::new(), Vec::new());
    for load in &scope.loads {
        for arm in scope.arms_for(load) {
            let key = key(load, &arm);
            let Some(mut entries) = gathered.remove(key.as_str()) else { continue };
            entries.sort_by_key(|entry| entry.run.repeat);
            let texts: Vec<&str> = entries.iter().filter_map(|entry| entry.responses.as_deref()).collect();
            let merged = if texts.is_empty() { None } else { Some(Latencies::decode_all(texts)?) };
            cells.push(cell(&key, load, &arm, &entries, merged.as_ref()));
            curves.extend(merged.map(|latencies| Curve { key, latencies }));
        }
    }
    Ok((cells, curves))
}

fn cell(key: &str, load: &Load, arm: &Arm, entries: &[&Entry], merged: Option<&Latencies>) -> Cell {
    let runs: Vec<_> = entries.iter().map(|entry| entry.run.clone()).collect();
    Cell {
        key: key.to_owned(),
        workload: load.workload.name().to_owned(),
        arm: arm.name(),
        generator: if arm.compares_generators { arm.generator.name().to_owned() } else { String::new() },
        server: if arm.compares_generators { arm.server.name() } else { String::new() },
        is_own: Some(arm.server.is_own() && !arm.compares_generators),
        connections: u64::from(load.connections),
        load_loop: load.rate.map_or(Loop::Closed, |rate| Loop::Open { rate }),
        pipeline: load.pipeline,
        requests_per_connection: load.requests_per_connection,
        summary: Summary::of(&runs, merged),
        runs,
    }
}

fn notes(
    scope: &Scope,
    journal: &Journal<Finished>,
    stage: &Stage<'_>,
    failures: &[String],
) -> anyhow::Result<Vec<String>> {
    let places = &stage.places;
    let mut notes = vec![
        format!("Server on CPU {}, load generator on CPU {}.", places.server, places.client),
        "Every reply was verified. Ready-made replies, one send for all pipelined requests, the same \
         protocol code for every variant of this project."
            .to_owned(),
    ];
    if finished::openings(journal).next().is_some() {
        notes.push(
            "System calls and ring entries per request are without what opening and closing the connections takes, \
             which was measured for each server and number of connections in a run without requests; they are absent \
             where that is more than nine tenths of the count."
                .to_owned(),
        );
    }
    notes.extend(scope.servers().into_iter().map(|server| format!("{}.", configuration(stage.host, server))));
    if places.server == places.client {
        notes.push("One CPU for both: times and CPU contain the other side's interference.".to_owned());
    }
    notes.extend(scope.notes.iter().map(|note| (*note).to_owned()));
    let count = journal.run_count();
    let shares: Vec<f64> = runs(journal).map(|entry| steal(&entry.run.raw.load)).collect::<anyhow::Result<_>>()?;
    let stolen = shares.into_iter().filter(|share| *share > STEAL_MAX).count();
    if stolen > 0 {
        notes.push(format!(
            "In {stolen} of {count} runs the hypervisor took more than {} of a CPU; nothing was dropped, their \
             verdicts say so (V5, V6).",
            report::percent(STEAL_MAX)
        ));
    }
    notes.extend(failures.iter().map(|words| format!("A run failed: {words}.")));
    Ok(notes)
}

/// Share of a run that the hypervisor took from the CPU that lost most, according to the load generator's record. Zero
/// for other generators, which record no steal.
///
/// # Errors
/// When the record does not have the form that this program writes.
fn steal(load: &serde_json::Value) -> anyhow::Result<f64> {
    let Some(kernel) = load.get("kernel") else { return Ok(0.0) };
    let kernel = KernelDelta::deserialize(kernel).context("cannot read the kernel's counters of a run")?;
    let most_us = kernel.cpus.iter().map(|cpu| cpu.steal_us).max().unwrap_or(0);
    Ok(if kernel.wall_us > 0 { most_us as f64 / kernel.wall_us as f64 } else { 0.0 })
}

/// The files of a run: name and text.
pub(crate) fn files(outcome: &Outcome, journal: &Journal<Finished>) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = vec![
        ("record.json".to_owned(), serde_json::to_string_pretty(&outcome.record)? + "\n"),
        ("latency.hlog".to_owned(), latency_log(journal)?),
        ("series.jsonl".to_owned(), series(journal)?),
    ];
    let curves: Vec<_> = outcome.curves.iter().map(|curve| run::Curve::of(&curve.key, &curve.latencies)).collect();
    let points: Vec<_> = runs(journal).flat_map(|entry| entry.points.iter().cloned()).collect();
    files.extend(report::render(&outcome.record, &curves, &points));
    files.extend(outcome.curves.iter().map(|curve| (format!("{}.hgrm", curve.key), hgrm::text(&curve.latencies))));
    Ok(files)
}

/// One line for each run, tagged with the key of its cell.
fn latency_log(journal: &Journal<Finished>) -> anyhow::Result<String> {
    let header = journal.header();
    let mut lines = Vec::new();
    for entry in runs(journal) {
        let Some(encoded) = &entry.responses else { continue };
        let max_us = Latencies::decode(encoded)?.max_us().unwrap_or(0.0);
        lines.push(hlog::Line {
            tag: &entry.cell,
            start_us: (entry.run.started_s * 1e6) as u64,
            duration_us: (header.seconds * 1e6) as u64,
            max_ns: (max_us * 1e3) as u64,
            encoded,
        });
    }
    Ok(hlog::text(header.started_unix_ms, lines))
}

fn series(journal: &Journal<Finished>) -> anyhow::Result<String> {
    let mut text = String::new();
    for point in runs(journal).flat_map(|entry| &entry.points) {
        text.push_str(&serde_json::to_string(point)?);
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use host::kernel::CpuTime;
    use serde_json::json;

    use super::*;

    #[test]
    fn steal_is_that_of_the_worst_cpu() {
        let cpu = |steal_us| CpuTime { steal_us, ..CpuTime::default() };
        let of = |kernel: KernelDelta| steal(&json!({ "kernel": kernel })).expect("an account");
        assert_eq!(of(KernelDelta { wall_us: 1000, cpus: vec![cpu(10), cpu(60)], ..KernelDelta::default() }), 0.06);
        assert_eq!(of(KernelDelta::default()), 0.0);
        assert_eq!(steal(&json!({"wrk": "text"})).expect("another generator"), 0.0);
        assert!(steal(&json!({"kernel": {"wall_us": 1000, "cpus": [{"stolen_us": 60}]}})).is_err(), "no such field");
    }
}
