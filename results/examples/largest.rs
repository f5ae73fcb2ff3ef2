//! Writes a made-up run of the largest size that experiments have, 40 loads × 7 arms × 5 repeats with histograms and
//! points, into a directory: what `c10m report` has to be quick with, and readable. Nothing in it was measured.
//!
//! `cargo run -p results --example largest -- DIR`

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use results::histogram::Latencies;
use results::hlog;
use results::record::{
    Cell, Decision, Loop, MemoryCell, Metric, Point, Raw, Record, Reported, RunOfCell, SCHEMA, Summary, Verdict,
    VerdictState,
};
use results::run::word;
use serde_json::json;

/// Name, and what a request costs with it.
const ARMS: [(&str, f64); 7] = [
    ("epoll level", 6.0),
    ("epoll edge", 6.05),
    ("epoll oneshot", 7.2),
    ("mio edge", 6.5),
    ("io_uring multishot", 5.7),
    ("io_uring oneshot", 6.0),
    ("nginx", 10.4),
];
const CONNECTIONS: [u64; 5] = [1, 64, 1000, 8000, 15_000];
const PIPELINES: [u32; 2] = [1, 16];
const REPEATS: u32 = 5;
const SECONDS: u32 = 3;

/// A reproducible number between 0 and 1 for anything.
fn chance(parts: &[u64]) -> f64 {
    let mut mixed = 0x9e37_79b9_7f4a_7c15_u64;
    for part in parts {
        mixed = (mixed ^ part).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^= mixed >> 29;
    }
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

struct Made {
    cell: Cell,
    /// Base64 of each run.
    histograms: Vec<String>,
    points: Vec<Point>,
}

fn main() -> io::Result<()> {
    let Some(directory) = std::env::args().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("name the directory to write into"));
    };
    fs::create_dir_all(&directory)?;
    let mut made = Vec::new();
    for workload in ["echo", "http"] {
        for connections in CONNECTIONS {
            for pipeline in PIPELINES {
                for load_loop in [Loop::Closed, Loop::Open { rate: 20_000.0 }] {
                    for (index, (arm, cost)) in ARMS.iter().enumerate() {
                        let seed = [connections, u64::from(pipeline), index as u64, made.len() as u64];
                        made.push(cell(workload, connections, pipeline, load_loop, arm, *cost, seed)?);
                    }
                }
            }
        }
    }
    let mut log = Vec::new();
    for entry in &made {
        for encoded in &entry.histograms {
            log.push(hlog::Line {
                tag: &entry.cell.key,
                start_us: log.len() as u64 * 3_400_000,
                duration_us: u64::from(SECONDS) * 1_000_000,
                max_ns: 1_000_000,
                encoded,
            });
        }
    }
    fs::write(directory.join("latency.hlog"), hlog::text(1_795_000_000_000, log))?;
    let mut series = io::BufWriter::new(fs::File::create(directory.join("series.jsonl"))?);
    for point in made.iter().flat_map(|entry| &entry.points) {
        writeln!(series, "{}", serde_json::to_string(point)?)?;
    }
    series.flush()?;
    let record = record(made.into_iter().map(|entry| entry.cell).collect());
    fs::write(directory.join("record.json"), serde_json::to_string_pretty(&record)? + "\n")
}

fn cell(
    workload: &str,
    connections: u64,
    pipeline: u32,
    load_loop: Loop,
    arm: &str,
    cost: f64,
    seed: [u64; 4],
) -> io::Result<Made> {
    let mode = if load_loop == Loop::Closed { "closed" } else { "rate20000" };
    let key = word(&format!("{workload}-c{connections}-{mode}-p{pipeline} {arm}"));
    let level = cost * (1.0 + (connections as f64).ln() / 20.0) / f64::from(pipeline).sqrt();
    let (mut runs, mut histograms, mut points, mut all) = (Vec::new(), Vec::new(), Vec::new(), Latencies::new());
    for repeat in 0..REPEATS {
        let noise = |salt: u64| chance(&[seed[0], seed[1], seed[2], seed[3], u64::from(repeat), salt]);
        // What all arms of a repeat share, and what is this run's own.
        let drift = 1.0 + 0.4 * chance(&[seed[0], seed[1], u64::from(repeat)]);
        let core = level * drift * (1.0 + 0.05 * (noise(1) - 0.5));
        let mut latencies = Latencies::new();
        for i in 0..2000u64 {
            let share = (i as f64 + 0.5) / 2000.0;
            let us = 80.0 * core * (-(1.0 - share).ln()).powf(1.6) + 40.0;
            latencies.record((us * 1000.0) as u64, 30).map_err(io::Error::other)?;
        }
        all.add(&latencies).map_err(io::Error::other)?;
        histograms.push(latencies.encode().map_err(io::Error::other)?);
        points.extend((0..SECONDS * 10).map(|i| point(&key, repeat, i, core, &noise)));
        runs.push(run(repeat, core, repeat * 280 + seed[3] as u32, noise(3)));
    }
    let summary = Summary::of(&runs, Some(&all));
    let [generator, server] = [String::new(), String::new()];
    let (workload, arm) = (workload.to_owned(), arm.to_owned());
    let cell = Cell {
        key,
        workload,
        arm,
        generator,
        server,
        is_own: None,
        connections,
        load_loop,
        pipeline,
        requests_per_connection: 0,
        runs,
        summary,
    };
    Ok(Made { cell, histograms, points })
}

fn point(key: &str, repeat: u32, index: u32, core: f64, noise: &dyn Fn(u64) -> f64) -> Point {
    let has_peak = index == 17 && noise(2) < 0.2;
    let factor = if has_peak { 40.0 } else { 1.0 + 0.2 * noise(u64::from(index) + 10) };
    let mut counters = std::collections::BTreeMap::from([
        ("server_cpu_us".to_owned(), 90_000.0 + 5000.0 * noise(u64::from(index) + 90)),
        ("client_run_delay_us".to_owned(), if has_peak { 60_000.0 } else { 100.0 * noise(u64::from(index) + 50) }),
    ]);
    if has_peak {
        counters.insert("tcp_retrans_segs".to_owned(), 12.0);
    }
    Point {
        cell: key.to_owned(),
        repeat,
        start_s: f64::from(index) / 10.0,
        duration_s: 0.1,
        completed: 12_000,
        p50_us: Some(80.0 * core * (1.0 + 0.05 * noise(u64::from(index) + 30))),
        p99_us: Some(300.0 * core * factor),
        p99_9_us: Some(600.0 * core * factor),
        max_us: Some(900.0 * core * factor),
        counters,
    }
}

fn run(repeat: u32, core: f64, order: u32, chance: f64) -> RunOfCell {
    let state = if chance < 0.02 { VerdictState::Invalid } else { VerdictState::Warn };
    RunOfCell {
        repeat,
        order,
        started_s: f64::from(order) * 3.4,
        requests_per_second: 0.97e6 / core,
        completed: (2.9e6 / core) as u64,
        errors: 0,
        server_run_us_per_request: None,
        server_user_us_per_request: Some(core * 0.06),
        server_system_us_per_request: Some(core * 0.88),
        server_core_us_per_request: Some(core),
        client_cpu_us_per_request: Some(core * 1.02),
        syscalls_per_request: Some(2.1),
        enters_per_request: None,
        sqes_per_request: Some(1.2),
        cqes_per_request: Some(2.4),
        server_bytes_per_connection: Some(60.2),
        kernel_bytes_per_connection: Some(8010.0),
        accepts_max_over_mean: None,
        accepts_coefficient_of_variation: None,
        lateness_us_p99: Some(18.0),
        response_us: Reported { p50: Some(80.0 * core), p90: None, p99: Some(300.0 * core) },
        replies_whole_run: Some(1_000_000),
        served_whole_run: Some(1_000_000),
        verdict: Verdict { state, times_only: false, not_ok: vec!["V4".to_owned(), "V5".to_owned()] },
        raw: Raw::default(),
    }
}

fn record(cells: Vec<Cell>) -> Record {
    Record {
        schema: SCHEMA,
        experiment: "backends".to_owned(),
        question: "Which backend and variant needs the least processor time per request, and where does that change?"
            .to_owned(),
        metric: Metric::ServerCore,
        decision: Decision { reference: Some("epoll level".to_owned()), effect_min: 0.02, words: String::new() },
        started_at: "2026-11-22T06:00:00Z".to_owned(),
        duration_s: 4800.0,
        command: ["c10m", "bench", "backends", "--repeats", "5"].map(str::to_owned).to_vec(),
        version: "0.1.0".to_owned(),
        commit: "0000000000000000000000000000000000000000".to_owned(),
        host: json!({
            "kernel": {"release": "6.18.0", "clocksource": "tsc", "mitigations": {"retbleed": "Enhanced IBRS"}},
            "cpu": {"model": "Made-up CPU", "online_count": 2},
            "tcp": {"congestion_control": "bbr"},
        }),
        seed: 42,
        repeats: REPEATS,
        seconds_per_run: f64::from(SECONDS),
        notes: vec!["Nothing in this record was measured: it shows what a report looks like.".to_owned()],
        skipped: vec!["io_uring poll: this kernel refuses it".to_owned()],
        waits: vec!["12 s for 40,000 sockets in TIME_WAIT before echo, 15,000 connections".to_owned()],
        resumed: 1,
        cells,
        memory: vec![MemoryCell {
            workload: "echo".to_owned(),
            arm: "epoll level".to_owned(),
            connections: 15_000,
            reactors: 2,
            user_bytes_per_connection: Some(60.1),
            budget_bytes: Some(64),
        }],
    }
}
