//! Made-up records of storms, for tests.

use serde_json::json;

use crate::kinds::scenario::frame::{Head, SCHEMA};
use crate::kinds::scenario::remedies::record::{ArmRecord, FigureRecord, Record, RunRecord};

use super::figures::FIGURES;

/// An arm with a run for each list of figures.
pub(super) fn arm(name: &str, group: Option<&str>, runs: &[&[(&str, f64)]]) -> ArmRecord {
    let value = |known: &[(&str, f64)], name: &str| known.iter().find(|(own, _)| *own == name).map(|(_, value)| *value);
    let run = |(repeat, known): (u32, &&[(&str, f64)])| RunRecord {
        repeat,
        order: 0,
        figures: FIGURES.iter().map(|figure| value(known, figure.name)).collect(),
        least: 0.01,
        counters: vec![],
        points: vec![],
        verdict: "VALID".to_owned(),
    };
    ArmRecord {
        name: name.to_owned(),
        what: String::new(),
        group: group.map(str::to_owned),
        repeats_max: None,
        commands: vec![],
        runs: (0..).zip(runs).map(run).collect(),
        effect: None,
        is_bound: false,
    }
}

pub(super) fn record(remedies: Vec<ArmRecord>) -> Record {
    let figure = |figure: &crate::kinds::scenario::remedies::table::Figure| FigureRecord {
        name: figure.name.to_owned(),
        unit: figure.unit.to_owned(),
        better: figure.better,
    };
    Record {
        head: Head {
            schema: SCHEMA,
            experiment: "storm".to_owned(),
            profile: None,
            question: String::new(),
            started_at: String::new(),
            duration_s: 1.0,
            command: vec![],
            version: String::new(),
            commit: String::new(),
            host: json!({}),
            seed: 7,
            without_fault: false,
        },
        repeats: 4,
        seconds_per_run: 2,
        notes: vec![],
        skipped: vec![],
        incidents: vec![],
        figures: FIGURES.iter().map(figure).collect(),
        counters: vec![],
        remedies,
        foretold: None,
    }
}
