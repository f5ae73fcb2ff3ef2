//! Made-up records for the tests of experiments: what they say of figures that nobody measured.

use serde_json::json;

use crate::kinds::scenario::frame::{Head, SCHEMA};
use crate::kinds::scenario::remedies::record::{ArmRecord, FigureRecord, Record, RunRecord};
use crate::kinds::scenario::remedies::table::Remedies;

/// Repeats of each arm, all alike.
const REPEATS: u32 = 4;

/// A record of a scenario in which these arms have these figures, and no others.
pub(crate) fn record(scenario: &Remedies, arms: &[(&str, &[(&str, f64)])]) -> Record {
    let arm = |(name, known): &(&str, &[(&str, f64)])| {
        let value = |name: &str| known.iter().find(|(figure, _)| *figure == name).map(|(_, value)| *value);
        for (figure, _) in *known {
            assert!(scenario.figures.iter().any(|own| own.name == *figure), "no figure is called {figure}");
        }
        let figures: Vec<Option<f64>> = scenario.figures.iter().map(|figure| value(figure.name)).collect();
        let run = |repeat| RunRecord {
            repeat,
            order: repeat,
            figures: figures.clone(),
            least: 0.0,
            counters: vec![],
            points: vec![],
            verdict: "VALID".to_owned(),
        };
        ArmRecord {
            name: (*name).to_owned(),
            what: String::new(),
            group: None,
            repeats_max: None,
            commands: vec![],
            runs: (0..REPEATS).map(run).collect(),
            effect: None,
            is_bound: false,
        }
    };
    let figure = |figure: &crate::kinds::scenario::remedies::table::Figure| FigureRecord {
        name: figure.name.to_owned(),
        unit: figure.unit.to_owned(),
        better: figure.better,
    };
    Record {
        head: Head {
            schema: SCHEMA,
            experiment: scenario.about.name.to_owned(),
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
        repeats: REPEATS,
        seconds_per_run: 1,
        notes: vec![],
        skipped: vec![],
        incidents: vec![],
        figures: scenario.figures.iter().map(figure).collect(),
        counters: vec![],
        remedies: arms.iter().map(arm).collect(),
        foretold: None,
    }
}

/// The same record, of which the load generator says that the times of an arm must not be quoted.
pub(crate) fn with_invalid(mut record: Record, arm: &str) -> Record {
    let arm = record.remedies.iter_mut().find(|known| known.name == arm).expect("an arm of this name");
    arm.runs.iter_mut().for_each(|run| run.verdict = "INVALID (V2)".to_owned());
    record
}
