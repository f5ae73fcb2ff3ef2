//! Made-up records with effects that are known.

use super::*;
use crate::record::{Decision, Design, Loop, SCHEMA, Summary, VerdictState};

const BLOCKS: u32 = 24;

/// A start that needed so much.
fn start(cell: &str, block: u32, cost: f64) -> RunOfCell {
    let text = format!(
        r#"{{"cell": "{cell}", "block": {block}, "order": 0, "started_s": 0, "repeated": 0, "is_disturbed": false,
            "requests_per_second": 1000, "completed": 250, "errors": 0, "server_run_us_per_request": {cost},
            "counts": "VALID", "cpu": "VALID", "times": "VALID", "objections": ""}}"#
    );
    serde_json::from_str(&text).expect("a start")
}

/// Starts of an arm in every block, each a few percent off in a way that no two arms share.
fn cell(load: u64, arm: &str, role: Role, cost: f64, number: u32) -> Cell {
    let key = format!("{load}-{arm}").replace(' ', "-");
    let per_block = if role == Role::Reference { 2 } else { 1 };
    let noise = |block: u32, again: u32| {
        let mixed = (block * 7 + number * 13 + again * 5 + load as u32).wrapping_mul(2_654_435_761) >> 24;
        1.0 + (f64::from(mixed) / 255.0 - 0.5) * 0.06
    };
    let runs: Vec<RunOfCell> = (0..BLOCKS)
        .flat_map(|block| (0..per_block).map(move |again| (block, again)))
        // A drift of the machine, which blocks take out.
        .map(|(block, again)| start(&key, block, cost * noise(block, again) * (1.0 + f64::from(block) / 50.0)))
        .collect();
    Cell {
        key,
        workload: "echo".to_owned(),
        arm: arm.to_owned(),
        role,
        generator: String::new(),
        server: String::new(),
        is_own: true,
        connections: load,
        load_loop: Loop::Closed,
        pipeline: 1,
        requests_per_connection: 0,
        handicap_ns: (role == Role::Handicapped).then_some(200),
        summary: Summary::of(&runs, None),
        runs,
    }
}

/// Two loads with a cheap arm, a dear one, one that depends on the load, and both controls, which cost so much.
fn record(twin: f64, handicapped: f64) -> Record {
    let cells = [64, 1000].into_iter().flat_map(|load| {
        let wavering = if load == 64 { 0.8 } else { 1.25 };
        [
            cell(load, "base", Role::Reference, 4.0, 0),
            cell(load, "cheap", Role::Arm, 3.6, 1),
            cell(load, "dear", Role::Arm, 4.6, 2),
            cell(load, "wavering", Role::Arm, 4.0 * wavering, 3),
            cell(load, "twin", Role::Twin, 4.0 * twin, 4),
            cell(load, "handicapped", Role::Handicapped, 4.0 * handicapped, 5),
        ]
    });
    Record {
        schema: SCHEMA,
        experiment: "trial".to_owned(),
        question: "Which?".to_owned(),
        metric: Metric::ServerRun,
        decision: Decision { reference: "base".to_owned(), effect_min: 0.02, is_agreement: false },
        design: Design {
            blocks: BLOCKS,
            budget_s: None,
            seconds_per_run: 0.25,
            turns: vec![],
            warmup_s: 0.1,
            repeats_max: 2,
            noise: None,
            resolution_pooled: None,
            resolution_single: None,
        },
        started_at: String::new(),
        duration_s: 1.0,
        command: vec![],
        version: String::new(),
        commit: String::new(),
        host: serde_json::Value::Null,
        seed: 1,
        notes: vec![],
        servers: vec![],
        skipped: vec![],
        waits: vec![],
        resumed: 0,
        cells: cells.collect(),
        findings: None,
    }
}

fn finding(judged: &Judged<'_>, name: &str) -> Finding {
    judged.pooled().find(|(arm, _)| arm.name == name).expect("an arm").1.finding
}

#[test]
fn what_is_there_is_found_and_nothing_else() {
    let record = record(1.0, 1.05);
    let judged = Judged::of(&record);
    assert_eq!((judged.reference, judged.blocks, judged.blocks_left_out), ("base", 24, 0));
    assert_eq!((finding(&judged, "cheap"), finding(&judged, "dear")), (Finding::Cheaper, Finding::Dearer));
    assert_eq!(judged.under(0, "wavering").map(|effect| effect.finding), Some(Finding::Cheaper));
    assert_eq!(judged.under(1, "wavering").map(|effect| effect.finding), Some(Finding::Dearer));
    let differing: Vec<&str> = judged.arms.iter().map(|arm| arm.name).filter(|arm| judged.differs(arm)).collect();
    assert_eq!(differing, ["wavering"]);
    let controls = judged.controls;
    assert!(controls.hold() && controls.twin_is_equal() && controls.planted_is_found(), "{controls:?}");
    let planted = controls.planted.expect("a handicap");
    // 200 ns of about 4 µs, which drift to 6.
    assert!((0.03..0.05).contains(&planted), "{planted}");
    let Resolution { pooled, single } = judged.resolution().expect("noise");
    assert!(pooled < single && (0.005..0.03).contains(&pooled), "{pooled} {single}");
}

#[test]
fn a_run_that_sees_what_is_not_there_or_misses_what_is_cannot_be_believed() {
    for (twin, handicapped, expected) in [
        (1.0, 1.05, (true, true)),
        (1.06, 1.05, (false, true)),
        (1.0, 1.0, (true, false)),
        (0.94, 0.97, (false, false)),
    ] {
        let record = record(twin, handicapped);
        let controls = Judged::of(&record).controls;
        assert_eq!((controls.twin_is_equal(), controls.planted_is_found()), expected, "{twin} {handicapped}");
        assert_eq!(controls.hold(), expected == (true, true));
    }
    let mut without = record(1.0, 1.05);
    without.cells.retain(|cell| !cell.role.is_control());
    let controls = Judged::of(&without).controls;
    assert!(!controls.hold() && controls.twin.is_none() && controls.planted.is_none(), "nothing speaks for it");
    let mut lost = record(1.0, 1.05);
    lost.cells.retain(|cell| cell.role != Role::Handicapped);
    assert!(!Judged::of(&lost).controls.hold(), "the planted difference was not seen");
    // A generator cannot be made dearer.
    lost.metric = Metric::ClientCpu;
    let by_other = Judged::by(&lost, |run| run.server_run_us_per_request, 0.02);
    assert!(by_other.controls.hold());
}

#[test]
fn a_block_with_a_start_that_does_not_stand_decides_nothing() {
    let mut record = record(1.0, 1.05);
    record.cells[1].runs[3].cpu = VerdictState::Invalid;
    record.cells[7].runs[5].server_run_us_per_request = None;
    record.cells[0].runs.retain(|run| run.block != 9);
    // Times in doubt are no reason.
    record.cells[2].runs[7].times = VerdictState::Invalid;
    let judged = Judged::of(&record);
    assert_eq!((judged.blocks, judged.blocks_left_out), (21, 3));
    record.cells.iter_mut().for_each(|cell| cell.runs.retain(|run| run.block < 3));
    assert!(Judged::of(&record).findings.is_none(), "three blocks have no interval");
}

/// It once voided the whole run.
#[test]
fn an_arm_without_its_figure_costs_only_itself() {
    let mut record = record(1.0, 1.05);
    record.cells[2].runs.iter_mut().for_each(|run| run.server_run_us_per_request = None);
    let judged = Judged::of(&record);
    assert_eq!((judged.blocks, judged.unjudged.as_slice()), (24, &[("dear", 0)][..]));
    assert_eq!((judged.under(0, "dear"), judged.loads_of("dear")), (None, vec![1]));
    assert_eq!((finding(&judged, "dear"), finding(&judged, "cheap")), (Finding::Dearer, Finding::Cheaper));
    // Without its reference a load decides nothing, and the other one does.
    record.cells[0].runs.iter_mut().for_each(|run| run.cpu = VerdictState::Invalid);
    let judged = Judged::of(&record);
    assert_eq!((judged.loads_of("cheap"), finding(&judged, "cheap")), (vec![1], Finding::Cheaper));
}

#[test]
fn an_arm_need_not_have_every_load() {
    let mut record = record(1.0, 1.05);
    record.cells.retain(|cell| cell.key != "64-dear");
    let judged = Judged::of(&record);
    assert_eq!(judged.under(0, "dear"), None);
    assert_eq!((finding(&judged, "dear"), judged.blocks), (Finding::Dearer, 24));
}
