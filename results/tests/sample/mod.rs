//! A made-up record with round numbers: three loads, five arms and both controls, twelve blocks.

use results::judged::Judged;
use results::record::{Cell, Decision, Design, Loop, Metric, Record, Role, RunOfCell, SCHEMA, Summary, VerdictState};
use results::run;
use serde_json::json;

/// Blocks of the record.
pub(crate) const BLOCKS: u32 = 12;

/// A start whose run time was `cost` µs for each request.
pub(crate) fn start(cell: &str, block: u32, order: u32, cost: f64) -> RunOfCell {
    RunOfCell {
        cell: cell.to_owned(),
        block,
        order,
        started_s: f64::from(order),
        repeated: 0,
        is_disturbed: false,
        stolen_share: Some(0.0),
        waited_share: Some(0.01),
        requests_per_second: 20_000.0,
        completed: 5000,
        errors: 0,
        server_run_us_per_request: Some(cost),
        server_user_us_per_request: Some(0.2),
        server_system_us_per_request: Some(3.5),
        server_core_us_per_request: Some(cost + 1.0),
        client_cpu_us_per_request: Some(cost * 2.0),
        syscalls_per_request: Some(2.0),
        enters_per_request: None,
        sqes_per_request: None,
        cqes_per_request: None,
        server_bytes_per_connection: None,
        kernel_bytes_per_connection: None,
        accepts_max_over_mean: None,
        accepts_coefficient_of_variation: None,
        lateness_us_p99: None,
        response_us_p50: Some(100.0),
        response_us_p90: Some(200.0),
        response_us_p99: Some(1000.0),
        replies_whole_run: Some(7000),
        served_whole_run: Some(7000),
        rounds_dropped: None,
        counts: VerdictState::Valid,
        cpu: VerdictState::Valid,
        times: VerdictState::Warn,
        objections: "V6".to_owned(),
    }
}

/// An arm under a closed loop of echo with so many connections.
pub(crate) fn cell(connections: u64, arm: &str, role: Role, cost: f64) -> Cell {
    let key = run::word(&format!("echo-c{connections}-{arm}"));
    let starts = if role == Role::Reference { 2 } else { 1 };
    let runs: Vec<RunOfCell> = (0..BLOCKS)
        .flat_map(|block| (0..starts).map(move |again| (block, again)))
        .zip(0..)
        .map(|((block, again), order)| {
            // Within one percent of the cost, and in a way of its own for each arm.
            let mixed =
                (block * 31 + again * 17 + arm.len() as u32 * 7 + connections as u32).wrapping_mul(2_654_435_761);
            start(&key, block, order, cost * (1.0 + (f64::from(mixed >> 24) / 255.0 - 0.5) * 0.02))
        })
        .collect();
    Cell {
        key,
        workload: "echo".to_owned(),
        arm: arm.to_owned(),
        role,
        generator: String::new(),
        server: String::new(),
        is_own: !["nginx", "hyper"].contains(&arm),
        connections,
        load_loop: Loop::Closed,
        pipeline: 1,
        requests_per_connection: 0,
        handicap_ns: (role == Role::Handicapped).then_some(200),
        summary: Summary::of(&runs, None),
        runs,
    }
}

/// The cells of one load, in which the first arm but the reference needs so much.
pub(crate) fn load(connections: u64, first: f64) -> Vec<Cell> {
    vec![
        cell(connections, "epoll level", Role::Reference, 4.0),
        cell(connections, "multishot", Role::Arm, first),
        cell(connections, "epoll edge", Role::Arm, 4.0),
        cell(connections, "nginx", Role::Arm, 8.0),
        cell(connections, "hyper", Role::Arm, 6.0),
        cell(connections, "epoll level (twin)", Role::Twin, 4.0),
        cell(connections, "epoll level (handicapped)", Role::Handicapped, 4.2),
    ]
}

/// Cells as a record, with what can be said of them.
pub(crate) fn of(cells: Vec<Cell>) -> Record {
    let mut record = Record {
        schema: SCHEMA,
        experiment: "echo-cpu".to_owned(),
        question: "Which backend needs the least CPU per request?".to_owned(),
        metric: Metric::ServerRun,
        decision: Decision { reference: "epoll level".to_owned(), effect_min: 0.02, is_agreement: false },
        design: Design {
            blocks: BLOCKS,
            budget_s: Some(300.0),
            seconds_per_run: 0.25,
            turns: vec![],
            warmup_s: 0.1,
            repeats_max: 2,
            noise: Some(0.02),
            resolution_pooled: Some(0.021),
            resolution_single: Some(0.043),
        },
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
        notes: vec!["The machine was otherwise idle.".to_owned()],
        servers: vec![],
        skipped: vec!["io_uring poll: EPERM | no ring".to_owned()],
        waits: vec![],
        resumed: 0,
        cells,
        findings: None,
    };
    record.findings = Judged::of(&record).findings;
    record
}

/// Three loads.
pub(crate) fn record() -> Record {
    of([(64, 3.8), (1000, 3.8), (8000, 3.0)]
        .into_iter()
        .flat_map(|(connections, first)| load(connections, first))
        .collect())
}
