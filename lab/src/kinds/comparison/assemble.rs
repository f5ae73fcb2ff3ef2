//! Builds the record of an experiment and the files beside it from its journal. Runs nothing.

use std::collections::BTreeMap;

use results::histogram::Latencies;
use results::judged::Judged;
use results::record::{Cell, Design, Loop, Record, Role, RunOfCell, SCHEMA, Summary, Turns};
use results::run::{self, NamedFile};
use results::{columns, hlog, report};
use serde::Serialize;
use serde_json::Value;

use crate::kinds::comparison::blocks::REPEATS_MAX;
use crate::kinds::comparison::finished::{self, Entry, Finished, runs};
use crate::kinds::comparison::pilot::Pilot;
use crate::kinds::comparison::plan::{Arm, Comparison, Length, Scope, key};
use crate::session::journal::Journal;
use crate::session::sitting::Sitting;
use crate::session::stage::Stage;
use crate::subjects::generators::WARMUP_MS;
use crate::subjects::load::Load;
use crate::subjects::servers::about::configuration;
use crate::subjects::servers::kind::Kind;
use crate::subjects::together::Pace;

/// The merged response times of cells, by their keys.
type Merged = Vec<(String, Latencies)>;

/// A record and the response times of its cells.
pub(crate) struct Outcome {
    pub(crate) record: Record,
    latencies: Merged,
}

/// Builds the record of everything that is in the journal.
pub(crate) fn outcome(
    comparison: &Comparison,
    scope: &Scope,
    sitting: &Sitting<'_, Finished>,
) -> anyhow::Result<Outcome> {
    let journal = sitting.journal();
    let (cells, latencies) = cells(scope, sitting)?;
    let account = sitting.account()?;
    let mut record = Record {
        schema: SCHEMA,
        experiment: comparison.name.to_owned(),
        question: comparison.question.to_owned(),
        metric: comparison.metric,
        decision: comparison.decision.clone(),
        design: design(scope, journal),
        notes: notes(scope, journal, sitting.stage(), &account.failures),
        servers: servers(scope, sitting.stage()),
        started_at: account.started_at,
        duration_s: account.duration_s,
        command: account.command,
        version: account.version,
        commit: account.commit,
        host: account.host,
        seed: account.seed,
        skipped: account.skipped,
        waits: account.waits,
        resumed: account.resumed,
        cells,
        findings: None,
    };
    record.findings = Judged::of(&record).findings;
    Ok(Outcome { record, latencies })
}

fn design(scope: &Scope, journal: &Journal<Finished>) -> Design {
    let pilot = finished::pilot(journal);
    let resolution = pilot.and_then(|pilot| pilot.resolution);
    Design {
        blocks: pilot.map_or(0, |pilot| pilot.blocks),
        budget_s: match scope.length {
            Length::Budget(budget) => Some(budget.as_secs_f64()),
            Length::Blocks(_) => None,
        },
        seconds_per_run: scope.seconds,
        turns: pilot.map(|pilot| turns(scope, pilot)).unwrap_or_default(),
        warmup_s: WARMUP_MS as f64 / 1000.0,
        repeats_max: REPEATS_MAX,
        noise: pilot.and_then(|pilot| pilot.noise),
        resolution_pooled: resolution.map(|resolution| resolution.pooled),
        resolution_single: resolution.map(|resolution| resolution.single),
    }
}

/// The loads that were measured in turns, by their pace.
fn turns(scope: &Scope, pilot: &Pilot) -> Vec<Turns> {
    let mut all: Vec<(Pace, Turns)> = Vec::new();
    for (load, _) in scope.loads.iter().zip(&pilot.are_together).filter(|(_, are_together)| **are_together) {
        let pace = Pace::of(load);
        match all.iter_mut().find(|(of, _)| *of == pace) {
            Some((_, turns)) => turns.loads.push(load.words()),
            None => {
                let Pace { rounds, window_ms } = pace;
                all.push((pace, Turns { rounds, window_s: window_ms as f64 / 1000.0, loads: vec![load.words()] }));
            }
        }
    }
    all.into_iter().map(|(_, turns)| turns).collect()
}

/// Cells in the order of loads and arms, and the merged response times of each. What was given up decides nothing; if
/// that is the reference of a load, the load does not.
fn cells(scope: &Scope, sitting: &Sitting<'_, Finished>) -> anyhow::Result<(Vec<Cell>, Merged)> {
    let journal = sitting.journal();
    let mut gathered: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    runs(journal).for_each(|entry| gathered.entry(&entry.run.cell).or_default().push(entry));
    let (mut cells, mut latencies) = (Vec::new(), Vec::new());
    for (index, load) in scope.loads.iter().enumerate() {
        let arms = scope.arms_for(load);
        let is_there =
            |arm: &Arm| !sitting.is_left_out(&key(load, arm)) && gathered.contains_key(key(load, arm).as_str());
        if !arms.iter().any(|arm| arm.role == Role::Reference && is_there(arm)) {
            continue;
        }
        for arm in arms.iter().filter(|arm| is_there(arm)) {
            let key = key(load, arm);
            let mut entries = gathered.get(key.as_str()).cloned().unwrap_or_default();
            entries.sort_by_key(|entry| entry.run.order);
            let with_times = entries.iter().filter(|entry| run::has_times(&entry.run));
            let texts: Vec<&str> = with_times.filter_map(|entry| entry.responses.as_deref()).collect();
            let merged = if texts.is_empty() { None } else { Some(Latencies::decode_all(texts)?) };
            let handicap_ns = finished::pilot(journal).and_then(|pilot| pilot.handicaps_ns[index]);
            let handicap_ns = handicap_ns.filter(|_| arm.role == Role::Handicapped);
            cells.push(cell(&key, load, arm, &entries, merged.as_ref(), handicap_ns));
            latencies.extend(merged.map(|merged| (key, merged)));
        }
    }
    Ok((cells, latencies))
}

fn cell(
    key: &str,
    load: &Load,
    arm: &Arm,
    entries: &[&Entry],
    merged: Option<&Latencies>,
    handicap_ns: Option<u32>,
) -> Cell {
    let runs: Vec<RunOfCell> = entries.iter().map(|entry| entry.run.clone()).collect();
    Cell {
        key: key.to_owned(),
        workload: load.workload.name().to_owned(),
        arm: arm.name(),
        role: arm.role,
        generator: if arm.compares_generators { arm.contestant() } else { String::new() },
        server: if arm.compares_generators { arm.server.name() } else { String::new() },
        is_own: arm.server.is_own() && !arm.compares_generators,
        connections: u64::from(load.connections),
        load_loop: load.rate.map_or(Loop::Closed, |rate| Loop::Open { rate }),
        pipeline: load.pipeline,
        requests_per_connection: load.requests_per_connection,
        handicap_ns,
        summary: Summary::of(&runs, merged),
        runs,
    }
}

fn notes(scope: &Scope, journal: &Journal<Finished>, stage: &Stage<'_>, failures: &[String]) -> Vec<String> {
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
    if places.server == places.client {
        notes.push("One CPU for both: times and CPU contain the other side's interference.".to_owned());
    }
    notes.extend(scope.notes.iter().map(|note| (*note).to_owned()));
    notes.extend(failures.iter().map(|words| format!("A run failed: {words}.")));
    notes
}

/// How the servers of all loads were built and set up; those with the same words share a line.
fn servers(scope: &Scope, stage: &Stage<'_>) -> Vec<String> {
    let has_load = |server: &Kind| scope.loads.iter().any(|load| server.serves(load.workload));
    let mut lines: Vec<(String, String)> = Vec::new();
    for server in scope.servers().into_iter().filter(has_load) {
        let words = configuration(stage.host, server);
        let (name, rest) = words.split_once(": ").unwrap_or((&words, ""));
        match lines.iter_mut().find(|(_, known)| known == rest && !rest.is_empty()) {
            Some((names, _)) => *names += &format!(", {name}"),
            None => lines.push((name.to_owned(), rest.to_owned())),
        }
    }
    let line = |(names, rest): (String, String)| if rest.is_empty() { names } else { format!("{names}: {rest}.") };
    lines.into_iter().map(line).collect()
}

/// A row of the table of starts: what is known of it, and all that both programs printed.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    run: &'a RunOfCell,
    load: &'a Value,
    server: &'a Value,
}

/// Columns that come first.
const FIRST: [&str; 4] = ["cell", "block", "order", "started_s"];

/// The files of a run.
pub(crate) fn files(outcome: &Outcome, journal: &Journal<Finished>) -> anyhow::Result<Vec<NamedFile>> {
    let is_kept = |entry: &&Entry| outcome.record.cells.iter().any(|cell| cell.key == entry.run.cell);
    let entries: Vec<&Entry> = runs(journal).filter(is_kept).collect();
    let rows: Vec<Row<'_>> =
        entries.iter().map(|entry| Row { run: &entry.run, load: &entry.raw.load, server: &entry.raw.server }).collect();
    let points: Vec<_> = entries.iter().flat_map(|entry| &entry.points).collect();
    let curves: Vec<_> = outcome.latencies.iter().map(|(key, merged)| run::Curve::of(key, merged)).collect();
    let mut files = vec![
        ("record.json".to_owned(), (serde_json::to_string_pretty(&outcome.record)? + "\n").into_bytes()),
        (run::RUNS.to_owned(), columns::file(&FIRST, &rows)?),
        (run::SERIES.to_owned(), columns::file(&FIRST[..1], &points)?),
        (run::LATENCIES.to_owned(), latency_log(outcome, journal.header().started_unix_ms)?.into_bytes()),
    ];
    files.extend(report::render(&outcome.record, &curves));
    Ok(files)
}

/// One line for each cell, tagged with its key: all its starts, merged.
fn latency_log(outcome: &Outcome, started_unix_ms: u64) -> anyhow::Result<String> {
    let encoded: Vec<String> = outcome.latencies.iter().map(|(_, merged)| merged.encode()).collect::<Result<_, _>>()?;
    let lines = outcome.latencies.iter().zip(&encoded).map(|((tag, merged), encoded)| hlog::Line {
        tag,
        start_us: 0,
        duration_us: (outcome.record.duration_s * 1e6) as u64,
        max_ns: (merged.max_us().unwrap_or(0.0) * 1e3) as u64,
        encoded,
    });
    Ok(hlog::text(started_unix_ms, lines))
}
