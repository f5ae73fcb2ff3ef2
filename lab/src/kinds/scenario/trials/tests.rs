//! Trials whose figures nobody measured.

use results::stats::blocks::REFERENCES;
use serde_json::json;

use crate::kinds::scenario::frame::{Head, SCHEMA};
use crate::kinds::scenario::remedies::judge;
use crate::kinds::scenario::remedies::record::{ArmRecord, Better, CounterRecord, FigureRecord, RunRecord};
use crate::kinds::scenario::trials::record::{Part, Record, WorkloadRecord};
use crate::kinds::scenario::trials::report;
use crate::kinds::scenario::trials::verdict::{EFFECT_MIN, Verdict, sees_planted};
use crate::session::side::Side;

fn arm(name: &str, figures: &[f64], count: u64) -> ArmRecord {
    let run = |(repeat, figure): (u32, &f64)| RunRecord {
        repeat,
        order: repeat,
        figures: vec![Some(*figure)],
        least: 0.01,
        counters: vec![Some(count)],
        points: vec![],
        verdict: "VALID".to_owned(),
    };
    ArmRecord {
        name: name.to_owned(),
        what: String::new(),
        group: None,
        repeats_max: None,
        commands: vec![],
        runs: (0..).zip(figures).map(run).collect(),
        effect: None,
        is_bound: false,
    }
}

fn value(setting: &str) -> Part {
    Part::Value { setting: setting.to_owned(), value: "1".to_owned() }
}

/// A workload with these arms behind the usual ones and a planted change that is `planted` times as good.
fn workload(planted: f64, arms: &[(Part, f64, u64)]) -> WorkloadRecord {
    let noise = [1.0, 1.02, 0.99, 1.01, 0.98];
    let times = |factor: f64| noise.map(|noise| 100.0 * factor * noise);
    let twin = [100.5, 101.5, 99.2, 100.6, 98.5];
    let mut records =
        vec![arm("usual", &times(1.0), 10), arm("usual (twin)", &twin, 10), arm("planted", &times(planted), 10)];
    let mut parts = vec![Part::Usual, Part::Usual, Part::Planted];
    for (part, factor, count) in arms {
        records.push(arm(part.setting().expect("a setting").0, &times(*factor), *count));
        parts.push(part.clone());
    }
    judge::judge_all(&mut records, Better::More, EFFECT_MIN);
    WorkloadRecord {
        name: "work".to_owned(),
        what: "Work.".to_owned(),
        figures: vec![FigureRecord { name: "done".to_owned(), unit: "per s".to_owned(), better: Better::More }],
        counters: vec![CounterRecord { side: Side::Server, name: "ListenOverflows".to_owned() }],
        parts,
        arms: records,
    }
}

fn record(trials: Vec<WorkloadRecord>) -> Record {
    Record {
        head: Head {
            schema: SCHEMA,
            experiment: "prove".to_owned(),
            profile: Some("quick".to_owned()),
            question: "Which?".to_owned(),
            started_at: String::new(),
            duration_s: 1.0,
            command: vec!["c10m".to_owned()],
            version: String::new(),
            commit: String::new(),
            host: json!({}),
            seed: 7,
            without_fault: false,
        },
        repeats: 5,
        seconds_per_run: 1,
        notes: vec![],
        skipped: vec![],
        incidents: vec![],
        trials,
    }
}

#[test]
fn a_value_helps_hurts_or_does_nothing() {
    let found =
        workload(0.5, &[(value("a"), 2.0, 900), (value("b"), 0.5, 10), (value("c"), 1.0, 10), (value("d"), 1.08, 10)]);
    assert!(sees_planted(&found));
    let verdicts: Vec<Verdict> = found.arms[REFERENCES + 1..].iter().map(|arm| Verdict::of(arm.effect, true)).collect();
    assert_eq!(verdicts[..3], [Verdict::Helps, Verdict::Hurts, Verdict::NoEffect]);
    assert!(matches!(verdicts[3], Verdict::NoEffect | Verdict::Undecided), "{:?}", verdicts[3]);
    let record = record(vec![found]);
    let answers = report::answers(&record).join(" ");
    assert!(answers.starts_with("Helps: `a` 1 (") && answers.contains("Hurts: `b` 1"), "{answers}");
    assert!(answers.contains("No effect of 10 % or more: `c` 1"), "{answers}");
    // The counter that moved stands beside the value that moved it, and at no other.
    let table = &report::tables(&record)[0];
    let moved: Vec<&str> = table.rows.iter().filter_map(|row| row.last()).map(String::as_str).collect();
    assert_eq!(moved, ["server ListenOverflows 10 → 900", "none", "none", "none"]);
    assert!(report::broken(&record).is_empty());
}

#[test]
fn nothing_is_said_where_the_planted_change_is_not_seen() {
    let blind = workload(1.0, &[(value("a"), 2.0, 10)]);
    assert!(!sees_planted(&blind));
    let record = record(vec![blind]);
    let answers = report::answers(&record).join(" ");
    assert!(answers.contains("does not see the change that was planted") && !answers.contains("Helps"), "{answers}");
    assert!(answers.contains("Cannot be shown here: `a` 1."), "{answers}");
    assert_eq!(report::broken(&record).len(), 1);
}

#[test]
fn what_a_profile_needs_is_worse_without() {
    let part = Part::LeftOut { setting: "a".to_owned(), value: "0".to_owned() };
    let record = record(vec![workload(0.5, &[(part, 0.4, 10)])]);
    let answers = report::answers(&record).join(" ");
    assert!(answers.contains("Of a whole profile, worse without: `a` 0"), "{answers}");
    let rows = &report::tables(&record)[0].rows;
    assert_eq!(rows[0][0], "without a 0");
}
