//! The tables of a report about steps.

use results::report::{Table, count, measure, percent, ratio};

use crate::kinds::scenario::watched::picture;
use crate::kinds::scenario::watched::record::{Record, StepRecord};
use crate::kinds::scenario::watched::words::{ABSENT, ms_of, tenths, whole};

const MIB: f64 = (1 << 20) as f64;

/// Returns the expectations that a step did not fulfil; empty when it fulfilled all.
pub(super) type Broke<'a> = &'a dyn Fn(&StepRecord) -> Vec<String>;

pub(super) fn held_table(record: &Record, broke: Broke<'_>) -> Table {
    const HEADER: [&str; 13] = [
        "step",
        "established",
        "connects/s",
        "connect p99",
        "probe p99",
        "probe max",
        "heartbeats",
        "p50",
        "p99",
        "p99.9",
        "max",
        "result",
        "generator's verdict",
    ];
    let row = |step: &StepRecord| {
        let probe = step.probe.unwrap_or_default();
        let broke = broke(step);
        vec![
            step.name.clone(),
            count(step.established as f64),
            step.connects_per_s().map_or(ABSENT.to_owned(), |rate| count(rate.round())),
            ms_of(step, step.connect_us.p99_us),
            ms_of(step, probe.p99_us),
            ms_of(step, probe.max_us),
            count(step.heartbeat.count as f64),
            ms_of(step, step.heartbeat.p50_us),
            ms_of(step, step.heartbeat.p99_us),
            ms_of(step, step.heartbeat.p99_9_us),
            ms_of(step, step.heartbeat.max_us),
            if broke.is_empty() { "held".to_owned() } else { broke.join(", ") },
            step.verdict.clone(),
        ]
    };
    Table::new("Connections and response times".to_owned(), &HEADER, record.steps.iter().map(row).collect())
}

pub(super) fn memory_table(record: &Record) -> Table {
    const HEADER: [&str; 8] = [
        "step",
        "server's own",
        "generator's own",
        "slabs",
        "host's loss",
        "server at start MiB",
        "off the line",
        "closed in",
    ];
    let row = |step: &StepRecord| {
        let memory = &step.memory;
        vec![
            step.name.clone(),
            tenths(memory.server_bytes_each),
            tenths(memory.generator_bytes_each),
            whole(memory.slab_bytes_each),
            whole(memory.host_bytes_each),
            memory.server_bytes_fixed.map_or(ABSENT.to_owned(), |bytes| format!("{:.1}", bytes as f64 / MIB)),
            picture::off_the_line(step).map_or(ABSENT.to_owned(), percent),
            step.close_s.map_or("not all".to_owned(), |close_s| {
                format!("{close_s:.1} s, at most {} in TIME_WAIT", count(step.time_wait_max as f64))
            }),
        ]
    };
    Table::new("Bytes for each connection".to_owned(), &HEADER, record.steps.iter().map(row).collect())
}

pub(super) fn planner_table(record: &Record) -> Table {
    const HEADER: [&str; 11] = [
        "step",
        "slabs MiB",
        "predicted",
        "server MiB",
        "predicted",
        "generator MiB",
        "predicted",
        "host MiB",
        "predicted",
        "host's ratio",
        "predicted / measured, of slabs and processes",
    ];
    let mib = |bytes: Option<f64>| bytes.map_or(ABSENT.to_owned(), |bytes| count((bytes / MIB).round()));
    let row = |step: &StepRecord| {
        let (memory, predicted) = (&step.memory, &step.predicted);
        vec![
            step.name.clone(),
            mib(memory.slab_bytes),
            mib(Some(predicted.slab_bytes as f64)),
            mib(memory.server_bytes.map(|bytes| bytes as f64)),
            mib(Some(predicted.server_bytes as f64)),
            mib(memory.generator_bytes.map(|bytes| bytes as f64)),
            mib(Some(predicted.generator_bytes as f64)),
            mib(memory.host_bytes),
            mib(Some(predicted.total_bytes as f64)),
            step.prediction_ratio_host().map_or(ABSENT.to_owned(), ratio),
            step.prediction_ratio().map_or(ABSENT.to_owned(), ratio),
        ]
    };
    Table::new("Memory as `c10m tune plan` predicts it".to_owned(), &HEADER, record.steps.iter().map(row).collect())
}

pub(super) fn cost_table(record: &Record) -> Table {
    const HEADER: [&str; 10] = [
        "step",
        "reactors",
        "workers",
        "connect, all",
        "server",
        "generator",
        "heartbeat, all",
        "server",
        "generator",
        "fullest",
    ];
    let us = |time: Option<f64>| time.map_or(ABSENT.to_owned(), measure);
    let row = |step: &StepRecord| {
        vec![
            step.name.clone(),
            count(step.reactors as f64),
            count(step.workers as f64),
            us(step.ramp_cpu.all_us),
            us(step.ramp_cpu.server_us),
            us(step.ramp_cpu.generator_us),
            us(step.heartbeat_cpu.all_us),
            us(step.heartbeat_cpu.server_us),
            us(step.heartbeat_cpu.generator_us),
            step.accepts_max_over_mean.map_or(ABSENT.to_owned(), ratio),
        ]
    };
    Table::new("CPU time in µs".to_owned(), &HEADER, record.steps.iter().map(row).collect())
}

pub(super) fn slabs(step: &StepRecord) -> Table {
    const HEADER: [&str; 5] = ["slab cache", "object bytes", "objects each", "bytes each", "of all"];
    let all: f64 = step.memory.slabs.iter().map(|slab| slab.bytes).sum();
    let rows = step.memory.slabs.iter().map(|slab| {
        vec![
            slab.name.clone(),
            count(slab.object_bytes as f64),
            format!("{:.3}", slab.objects),
            format!("{:.1}", slab.bytes),
            percent(slab.bytes / all),
        ]
    });
    Table::new(format!("{}: for each connection", step.name), &HEADER, rows.collect())
}
