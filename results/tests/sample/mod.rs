//! A made-up record with round numbers.

use results::record::{
    Cell, Decision, Loop, MemoryCell, Metric, Raw, Record, Reported, RunOfCell, SCHEMA, Summary, Verdict, VerdictState,
};
use results::run;
use serde_json::json;

/// A run whose whole-core CPU is `core`.
pub(crate) fn run_of(repeat: u32, core: f64) -> RunOfCell {
    RunOfCell {
        repeat,
        order: repeat,
        started_s: f64::from(repeat),
        requests_per_second: 20_000.0,
        completed: 200_000,
        errors: 0,
        server_run_us_per_request: None,
        server_user_us_per_request: Some(0.2),
        server_system_us_per_request: Some(5.5),
        server_core_us_per_request: Some(core),
        client_cpu_us_per_request: Some(8.0),
        syscalls_per_request: Some(2.0),
        enters_per_request: None,
        sqes_per_request: None,
        cqes_per_request: None,
        server_bytes_per_connection: None,
        kernel_bytes_per_connection: None,
        accepts_max_over_mean: None,
        accepts_coefficient_of_variation: None,
        lateness_us_p99: None,
        response_us: Reported { p50: Some(100.0), p90: None, p99: Some(1000.0) },
        replies_whole_run: Some(200_000),
        served_whole_run: Some(200_000),
        verdict: Verdict { state: VerdictState::Valid, times_only: false, not_ok: vec![] },
        raw: Raw { load: json!({"schema": 1}), server: json!(null) },
    }
}

/// An arm of the echo load with one run for each core CPU.
pub(crate) fn cell(arm: &str, cores: &[f64]) -> Cell {
    let runs: Vec<RunOfCell> = (0..).zip(cores).map(|(repeat, core)| run_of(repeat, *core)).collect();
    Cell {
        key: run::word(arm),
        workload: "echo".to_owned(),
        arm: arm.to_owned(),
        generator: String::new(),
        server: String::new(),
        is_own: None,
        connections: 64,
        load_loop: Loop::Open { rate: 20_000.0 },
        pipeline: 1,
        requests_per_connection: 0,
        summary: Summary::of(&runs, None),
        runs,
    }
}

/// Three arms of echo, one of http, one memory measurement.
pub(crate) fn record() -> Record {
    let mut http = cell("epoll level", &[12.0]);
    http.workload = "http".to_owned();
    http.connections = 1000;
    http.load_loop = Loop::Closed;
    http.pipeline = 4;
    http.key = "http-epoll-level".to_owned();
    Record {
        schema: SCHEMA,
        experiment: "echo-cpu".to_owned(),
        question: "Which backend needs the least CPU per request?".to_owned(),
        started_at: "2026-10-03T12:00:00Z".to_owned(),
        duration_s: 300.5,
        command: vec!["c10m".to_owned(), "bench".to_owned(), "echo-cpu".to_owned()],
        version: "0.1.0".to_owned(),
        commit: "abcdef1".to_owned(),
        host: json!({
            "kernel": {"release": "6.18.0"},
            "cpu": {"model": "Some CPU", "online_count": 2},
            "tcp": {"congestion_control": "bbr"},
        }),
        seed: 42,
        metric: Metric::ServerCore,
        decision: Decision::default(),
        repeats: 5,
        seconds_per_run: 10.0,
        notes: vec!["The machine was otherwise idle.".to_owned()],
        skipped: vec!["io_uring poll: EPERM | no ring".to_owned()],
        waits: vec![],
        resumed: 0,
        cells: vec![
            cell("epoll level", &[6.0, 5.8, 5.9, 6.1, 6.2]),
            cell("mio edge", &[7.0, 6.8, 6.9, 7.1, 7.3]),
            cell("io_uring multishot", &[6.1, 5.9, 6.0, 6.2, 6.3]),
            http,
        ],
        memory: vec![MemoryCell {
            workload: "echo".to_owned(),
            arm: "epoll level".to_owned(),
            connections: 1_000_000,
            reactors: 4,
            user_bytes_per_connection: Some(48.5),
            budget_bytes: Some(64),
        }],
    }
}
