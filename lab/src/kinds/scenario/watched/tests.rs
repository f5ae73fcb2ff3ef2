//! The report of a made-up record.

use crate::kinds::scenario::frame::{Head, SCHEMA};
use crate::kinds::scenario::plan::{About, Length, Scenario};
use crate::kinds::scenario::seen::{Sample, Trouble};
use crate::kinds::scenario::timeline::Phase;
use crate::kinds::scenario::watched::expectations::{all_answered, all_established, all_heard, none_left};
use crate::kinds::scenario::watched::picture;
use crate::kinds::scenario::watched::record::{Record, StepRecord, Tail};
use crate::kinds::scenario::watched::report::{answer, document};
use crate::kinds::scenario::watched::table::{Section, Watched};
use crate::kinds::scenario::watched::troubles::STRAIGHT_WITHIN;
use crate::kinds::scenario::watched::words::held;
use crate::session::namespace::Needs;

const WATCHED: Watched = Watched {
    about: About {
        name: "c10m",
        question: "How many?",
        explanation: "",
        decision: "",
        profiles: &[],
        length: Length::Given(""),
        wait_max: None,
        attempts_max: 1,
        needs: Needs::Nothing,
        has_control: false,
    },
    load: "",
    steps: |_| vec![],
    timeline: |_, _| vec![],
    expectations: &[all_established, all_answered, all_heard, none_left],
    happened: held,
    together: |_| None,
    sections: &[Section::Held, Section::Memory, Section::Planner, Section::Opening, Section::Troubles],
    notes: &[],
};

fn sample(at_s: f64, connections: u64) -> Sample {
    Sample {
        at_s,
        phase: Phase::Opening,
        connections,
        slab_bytes: 1e6 + connections as f64 * 8000.0,
        server_bytes: 1_000_000 + connections * 60,
        generator_bytes: 2_000_000 + connections * 56,
        host_bytes_free: 1 << 34,
        cpu_us: connections * 30,
        server_cpu_us: connections * 10,
        generator_cpu_us: connections * 15,
        orphans: 0,
        time_wait: 0,
        troubles: [].into(),
    }
}

fn step() -> StepRecord {
    let step = serde_json::json!({
        "name": "loopback 1,000 epoll level", "place": "loopback", "variant": "epoll level",
        "connections": 1000, "reactors": 1, "workers": 1, "ehash_entries": 2048, "commands": ["c10m serve echo"],
        "established": 1000, "ramp_s": 0.5, "connect_us": Tail::default(),
        "ramp_cpu": {"all_us": 30.0, "server_us": 10.0, "generator_us": 15.0},
        "probe": {"count": 10, "p50_us": 50.0, "p99_us": 900.0, "p99_9_us": null, "max_us": 1000.0},
        "memory": {"server_bytes_fixed": 1 << 20, "server_bytes_each": 60.2, "generator_bytes_each": 56.0,
            "slab_bytes_each": 8000.0, "host_bytes_each": 8200.0, "slab_bytes": 8e6, "server_bytes": 1_100_000,
            "generator_bytes": 2_056_000, "host_bytes": 8.2e6,
            "slabs": [{"name": "TCP", "object_bytes": 2368, "objects": 2.0, "bytes": 5041.0}]},
        "predicted": {"slab_bytes": 8_000_000, "server_bytes": 1_000_000, "generator_bytes": 2_000_000,
            "total_bytes": 8_100_000},
        "heartbeat_s": 60,
        "heartbeat": {"count": 1000, "p50_us": 40.0, "p99_us": 2000.0, "p99_9_us": null, "max_us": 5000.0},
        "heartbeats_failed": 0, "heartbeat_cpu": {"all_us": 20.0, "server_us": null, "generator_us": null},
        "verdict": "VALID", "close_s": 0.25, "orphans_max": 0, "time_wait_max": 1000,
        "accepts_max_over_mean": 1.01, "troubles": [], "samples": [],
    });
    let mut step: StepRecord = serde_json::from_value(step).expect("a step");
    step.samples = (0..=10).map(|at| sample(f64::from(at) * 0.05, u64::from(at as u32) * 100)).collect();
    step
}

fn record(steps: Vec<StepRecord>) -> Record {
    let head = Head {
        schema: SCHEMA,
        experiment: "c10m".into(),
        profile: Some("quick".into()),
        question: "How many?".into(),
        started_at: "2026-11-22T00:00:00Z".into(),
        duration_s: 1.0,
        command: vec!["c10m".into(), "bench".into()],
        version: "0".into(),
        commit: "c".into(),
        host: serde_json::Value::Null,
        seed: 1,
        without_fault: false,
    };
    Record { head, notes: vec!["A note.".into()], skipped: vec![], incidents: vec![], steps }
}

#[test]
fn a_step_is_held_or_the_report_says_why_not() {
    assert_eq!(WATCHED.broke(&step()), [] as [String; 0]);
    let mut failed = step();
    (failed.established, failed.heartbeats_failed, failed.close_s) = (900, 7, None);
    failed.heartbeat.count = 893;
    failed.troubles = vec![Trouble { counter: "ListenOverflows".into(), at_s: 1.0, connections: 500, count: 9 }];
    let reasons = WATCHED.broke(&failed).join("; ");
    for part in ["900 of 1,000", "7 heartbeats", "100 connections never", "left at the end"] {
        assert!(reasons.contains(part), "{reasons}");
    }
    failed.name = "the second".into();
    let record = record(vec![step(), failed]);
    for (cases, expected) in [(1, true), (2, false)] {
        assert_eq!(WATCHED.is_fulfilled(&record, cases), expected, "{cases} cases, one of which held");
    }
    assert_eq!(
        answer(&WATCHED, &record),
        "1 of 2 steps held, the largest with 1,000 connections. Not held: the second."
    );
    let text = results::report::markdown_of(&document(&WATCHED, &record));
    for part in [
        "2,000 connects/s",
        "not held: 900 of 1,000",
        "nothing was lost",
        "the first sign was ListenOverflows at 500 connections, while opening",
        "memory.svg",
        "held | VALID",
        "| 0.99 | 0.99 |",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[test]
fn times_that_the_generator_calls_invalid_are_marked_and_not_quoted() {
    let text = |verdict: &str| {
        let record = record(vec![StepRecord { verdict: verdict.to_owned(), ..step() }]);
        results::report::markdown_of(&document(&WATCHED, &record))
    };
    let (sound, unsound) = (text("WARN (V5)"), text("INVALID (V2 V5)"));
    assert!(sound.contains("p99 2.00 ms") && sound.contains("| 2.00 |") && !sound.contains("(2.00)"), "{sound}");
    assert!(unsound.contains("their times are not quoted") && !unsound.contains("p99 2.00 ms"), "{unsound}");
    assert!(unsound.contains("| (2.00) |") && unsound.contains("| (0.900) |"), "{unsound}");
}

#[test]
fn lines_are_straight_or_not() {
    assert!(picture::off_the_line(&step()).expect("a ramp") < 1e-9);
    let mut bent = step();
    bent.samples[5].slab_bytes *= 1.2;
    assert!(picture::off_the_line(&bent).expect("a ramp") > STRAIGHT_WITHIN);
    bent.samples.truncate(2);
    assert_eq!(picture::off_the_line(&bent), None);
}
