//! The report of a made-up record.

use super::*;
use crate::kinds::scenario::claims::record::{RunRecord, Stalls, percentile_medians};
use crate::kinds::scenario::frame::{Head, SCHEMA};
use crate::subjects::tools::parse::Reported;
use serde_json::{Value, json};

fn arm(name: &str, is_closed: bool, mean_ms: f64, p99s: &[Option<f64>]) -> ArmRecord {
    let runs: Vec<RunRecord> = (0..)
        .zip(p99s)
        .map(|(repeat, p99)| RunRecord {
            repeat,
            order: repeat,
            reported: Reported {
                requests: 100_000,
                failed: 0,
                mean_ms: Some(mean_ms),
                max_ms: Some(100.4),
                percentiles: p99.iter().map(|p99| (0.99, *p99)).collect(),
            },
            served: 100_050,
            stalls_ms: vec![100.0; 10],
            verdict: None,
            raw: Value::Null,
        })
        .collect();
    ArmRecord {
        name: name.to_owned(),
        load_loop: if is_closed { "closed" } else { "open" }.to_owned(),
        is_closed,
        claim: format!("what {name} claims"),
        tool_version: format!("{name} 1.0"),
        command: vec![name.to_owned(), "-c".to_owned(), "50".to_owned()],
        reported: Figures::medians(&runs),
        requests: Some(100_000.0),
        percentiles: percentile_medians(&runs),
        runs,
    }
}

fn record(arms: Vec<ArmRecord>) -> Record {
    let at = |ms| Some(ms);
    let head = Head {
        schema: SCHEMA,
        experiment: "omission".to_owned(),
        profile: None,
        question: "What?".to_owned(),
        started_at: "2026-11-22T01:02:03Z".to_owned(),
        duration_s: 400.0,
        command: vec!["c10m".to_owned(), "bench".to_owned(), "omission".to_owned()],
        version: "0.1.0".to_owned(),
        commit: "abcdef1".to_owned(),
        host: json!({"kernel": {"release": "6.18.0"}, "cpu": {"model": "Some | CPU", "online_count": 2}}),
        seed: 1,
        without_fault: false,
    };
    Record {
        head,
        repeats: 3,
        seconds_per_run: 10,
        connections: 50,
        rate: 2000,
        stalls: Stalls { planned_ms: 100.0, every_ms: 1000.0, count: 30, min_ms: 99.9, mean_ms: 100.0, max_ms: 101.0 },
        truth: Figures {
            p50_ms: at(0.05),
            p90_ms: at(0.05),
            p95_ms: at(50.0),
            p99_ms: at(90.0),
            p99_9_ms: at(99.0),
            max_ms: at(100.0),
            mean_ms: at(5.0),
        },
        base_ms: 0.05,
        notes: vec!["One note.".to_owned()],
        skipped: vec!["oha -q: oha is not installed".to_owned()],
        failures: vec!["ab, repeat 2: it ended with 71".to_owned()],
        arms,
    }
}

#[test]
fn every_run_has_to_bear_a_judgement_out() {
    for (p99s, expected) in [
        (&[Some(90.0), Some(98.9), Some(81.1)][..], Some(Judgement::Right)),
        (&[Some(3.0), Some(80.0)], Some(Judgement::Below)),
        (&[Some(400.0), Some(99.9)], Some(Judgement::Above)),
        (&[Some(3.0), Some(90.0)], Some(Judgement::Unsteady)),
        (&[Some(3.0), Some(900.0)], Some(Judgement::Unsteady)),
        (&[None, None], Some(Judgement::Right)),
        (&[], None),
    ] {
        // The mean of these runs is right, so p99 decides.
        let record = record(vec![arm("a", true, 5.0, p99s)]);
        assert_eq!(judge(&record, &record.arms[0]), expected, "{p99s:?}");
    }
}

#[test]
fn one_wrong_figure_is_enough() {
    for (mean_ms, p99, expected) in [
        (1.5, 90.0, Judgement::Below),
        (5.2, 90.0, Judgement::Right),
        (9.0, 90.0, Judgement::Above),
        (9.0, 30.0, Judgement::Unsteady),
    ] {
        let record = record(vec![arm("a", true, mean_ms, &[Some(p99)])]);
        assert_eq!(judge(&record, &record.arms[0]), Some(expected), "{mean_ms} {p99}");
    }
}

#[test]
fn the_report_says_what_the_record_says() {
    let record = record(vec![
        arm("honest", false, 5.1, &[Some(90.0), Some(91.0), Some(89.0)]),
        arm("closed", true, 1.5, &[Some(3.0), Some(2.0), Some(4.0)]),
        arm("lucky", true, 1.5, &[Some(90.0), Some(91.0), Some(89.0)]),
        arm("wild", true, 5.0, &[Some(450.0), Some(460.0), Some(440.0)]),
        arm("fickle", true, 5.0, &[Some(3.0), Some(90.0), Some(200.0)]),
        arm("broken", true, 5.0, &[]),
    ]);
    let render = || results::report::markdown_of(&document(&record, "<svg/>".to_owned()));
    let text = render();
    for part in [
        "# omission\n",
        "Some \\| CPU",
        "![",
        "](omission.svg)",
        "| the truth | 0.050 | 0.050 | 50.0 | 90.0 | 99.0 | 100 | 5.00 | any | none |",
        "| closed | not reported | not reported | not reported | 3.00 | not reported | 100 | 1.50 | 100,000 | closed |",
        "| closed | not reported | 0.033 (0.022 to 0.044) | not reported | 0.300 (0.300 to 0.300) | too low |",
        "Every figure within 10 % of the truth in every run: honest.",
        "Too low: closed (p99 3.00 ms, 3 % of the truth; mean 1.50 ms, 30 % of the truth); lucky (mean 1.50 ms, 30 % of the truth).",
        "Too high: wild (p99 450 ms, 5.00 times the truth).",
        "too high there: fickle (p99 90.0 ms, 100 % of the truth, not in every run).",
        "closed 0.500 %",
        "- closed: what closed claims.",
        "The commands of each generator: in `report.html`.",
        "## Not run\n\n- oha -q",
        "## Runs without a result\n\n- ab, repeat 2",
        "- One note.",
    ] {
        assert!(text.contains(part), "{part:?} is missing from:\n{text}");
    }
    assert!(!text.contains("| broken |"), "an arm without runs has no figures");
    assert_eq!(text, render());
}

#[test]
fn tables_are_rectangular() {
    for table in tables(&record(vec![arm("a", true, 5.0, &[Some(1.0)]), arm("b", false, 5.0, &[None])])) {
        assert!(table.rows.iter().all(|row| row.len() == table.header.len()), "{table:?}");
    }
}
