//! Runs an experiment: repeats outermost, loads within, arms innermost and in alternating order, so
//! that whatever the machine does meanwhile happens to all arms alike. The server is restarted for
//! every run.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use results::histogram::Latencies;
use results::record::{Cell, Loop, MemoryCell, Record, RunOfCell, SCHEMA, Summary};
use results::utc;
use server::Workload;

use super::plan::{Arm, Experiment, Load, Places};
use super::servers::{Kind, Running};
use super::{commit, generators, memory, word};

/// What an experiment produced.
pub(super) struct Outcome {
    pub(super) record: Record,
    /// Merged response times by file name.
    pub(super) histograms: Vec<(String, Latencies)>,
}

/// Runs and responses of one cell, while they are gathered.
#[derive(Default)]
struct Gathered {
    runs: Vec<RunOfCell>,
    responses: Vec<String>,
}

/// Runs all of `experiment`. `stop` ends it after the run under way, with an error.
pub(super) fn run(
    mut experiment: Experiment,
    seed: u64,
    command: Vec<String>,
    source: Option<&(String, bool)>,
    stop: &AtomicBool,
) -> anyhow::Result<Outcome> {
    let (started, clock) = (SystemTime::now(), Instant::now());
    let skipped = experiment.leave_out_unavailable();
    skipped.iter().for_each(|line| eprintln!("c10m: left out: {line}"));
    let places = places()?;
    let bar = progress(&experiment);
    let gathered = gather(&experiment, &places, seed, &bar, stop)?;
    let memory = memory_cells(&experiment, &places, &bar, stop)?;
    bar.finish_and_clear();
    let (cells, curves): (Vec<Cell>, Vec<_>) =
        finished(&experiment, gathered)?.into_iter().map(|finished| (finished.cell, finished.curve)).unzip();
    let mut notes = vec![
        format!("Server on CPU {}, load generator on CPU {}.", places.server, places.client),
        "Every reply was verified. Ready-made replies, one send for all pipelined requests, the same \
         protocol code for every variant of this project."
            .to_owned(),
    ];
    notes.extend(experiment.servers().into_iter().map(|server| format!("{}.", server.configuration())));
    if places.server == places.client {
        notes.push("One CPU for both: times and CPU contain the other side's interference.".to_owned());
    }
    let record = Record {
        schema: SCHEMA,
        experiment: experiment.name.to_owned(),
        question: experiment.question.to_owned(),
        metric: experiment.metric,
        decision: results::record::Decision::default(),
        started_at: utc::rfc3339(started),
        duration_s: clock.elapsed().as_secs_f64(),
        command,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: commit::described(source),
        host: serde_json::to_value(tuning::Facts::of_this_host())?,
        seed,
        repeats: experiment.repeats,
        seconds_per_run: experiment.seconds,
        notes,
        skipped,
        waits: Vec::new(),
        resumed: 0,
        cells,
        memory,
    };
    Ok(Outcome { record, histograms: curves.into_iter().flatten().collect() })
}

/// Server and client on CPUs of their own, if there are two.
pub(super) fn places() -> anyhow::Result<Places> {
    let set = rustix::thread::sched_getaffinity(None).context("cannot ask for the CPUs of this process")?;
    let all: Vec<usize> = (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect();
    let (Some(server), Some(client)) = (all.first().copied(), all.last().copied()) else {
        bail!("this process may use no CPU");
    };
    Ok(Places { server, client, all })
}

fn progress(experiment: &Experiment) -> ProgressBar {
    let memory = if experiment.idle_connections > 0 { 2 * server::Variant::ALL.len() as u64 } else { 0 };
    // Hidden when stderr is not a terminal.
    let bar = ProgressBar::with_draw_target(Some(experiment.run_count() + memory), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} eta {eta} {msg}") {
        bar.set_style(style);
    }
    bar
}

type Key = (usize, usize);

fn gather(
    experiment: &Experiment,
    places: &Places,
    seed: u64,
    bar: &ProgressBar,
    stop: &AtomicBool,
) -> anyhow::Result<BTreeMap<Key, Gathered>> {
    let mut gathered: BTreeMap<Key, Gathered> = BTreeMap::new();
    let mut order = 0;
    for repeat in 0..experiment.repeats {
        for (load_index, load) in experiment.loads.iter().enumerate() {
            let mut arms: Vec<(usize, Arm)> = experiment.arms_for(load).into_iter().enumerate().collect();
            if repeat % 2 == 1 {
                arms.reverse();
            }
            for (arm_index, arm) in arms {
                ensure_running(stop)?;
                bar.set_message(format!("{} {}", load.slug(), arm.name()));
                // The same seed for every arm of a repeat: all of them get the same schedule.
                let measured = measure(experiment, load, arm, places, seed.wrapping_add(u64::from(repeat)));
                // Ctrl-C reaches the children too: what they say then is not what went wrong.
                ensure_running(stop)?;
                let measured = measured.with_context(|| format!("{}, {}", load.slug(), arm.name()))?;
                let cell = gathered.entry((load_index, arm_index)).or_default();
                cell.runs.push(RunOfCell { repeat, order, ..measured.run });
                cell.responses.extend(measured.responses);
                order += 1;
                bar.inc(1);
            }
        }
    }
    Ok(gathered)
}

fn measure(
    experiment: &Experiment,
    load: &Load,
    arm: Arm,
    places: &Places,
    seed: u64,
) -> anyhow::Result<generators::Measured> {
    let server = Running::start(arm.server, load.workload, &[places.server])?;
    generators::measure(arm.generator, server, load, places, experiment.seconds, seed)
}

fn memory_cells(
    experiment: &Experiment,
    places: &Places,
    bar: &ProgressBar,
    stop: &AtomicBool,
) -> anyhow::Result<Vec<MemoryCell>> {
    let mut cells = Vec::new();
    if experiment.idle_connections == 0 {
        return Ok(cells);
    }
    for workload in [Workload::Echo, Workload::Http] {
        for arm in &experiment.arms {
            let Kind::C10m(variant) = arm.server else { continue };
            ensure_running(stop)?;
            bar.set_message(format!("memory {} {variant}", word(workload)));
            cells.push(memory::measure(variant, workload, experiment.idle_connections, places)?);
            bar.inc(1);
        }
    }
    Ok(cells)
}

pub(super) fn ensure_running(stop: &AtomicBool) -> anyhow::Result<()> {
    if stop.load(Ordering::Relaxed) {
        bail!("interrupted; nothing was written");
    }
    Ok(())
}

/// A cell and the curve of its response times.
struct Finished {
    cell: Cell,
    curve: Option<(String, Latencies)>,
}

fn finished(experiment: &Experiment, mut gathered: BTreeMap<Key, Gathered>) -> anyhow::Result<Vec<Finished>> {
    let mut all = Vec::new();
    for (load_index, load) in experiment.loads.iter().enumerate() {
        for (arm_index, arm) in experiment.arms_for(load).into_iter().enumerate() {
            let Gathered { runs, responses } = gathered.remove(&(load_index, arm_index)).unwrap_or_default();
            let merged = match responses.as_slice() {
                [] => None,
                texts => Some(Latencies::decode_all(texts.iter().map(String::as_str))?),
            };
            let cell = Cell {
                key: results::run::word(&format!("{}-{}", load.slug(), arm.name())),
                workload: word(load.workload).to_owned(),
                arm: arm.name(),
                generator: if arm.compares_generators { arm.generator.name().to_owned() } else { String::new() },
                server: if arm.compares_generators { arm.server.name() } else { String::new() },
                connections: u64::from(load.connections),
                load_loop: load.rate.map_or(Loop::Closed, |rate| Loop::Open { rate }),
                pipeline: load.pipeline,
                summary: Summary::of(&runs, merged.as_ref()),
                runs,
            };
            let curve = merged.map(|merged| (format!("{}-{}", load.slug(), arm.name()), merged));
            all.push(Finished { cell, curve });
        }
    }
    Ok(all)
}
