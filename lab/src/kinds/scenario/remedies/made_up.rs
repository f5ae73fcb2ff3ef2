//! Made-up records for tests: what is said of figures that nobody measured.

use serde_json::json;

use crate::kinds::scenario::frame::{Head, SCHEMA};
use crate::kinds::scenario::remedies::record::{ArmRecord, FigureRecord, Record, RunRecord};
use crate::kinds::scenario::remedies::table::Remedies;

/// Repeats of each arm of [`record`], all alike.
const REPEATS: usize = 4;

/// Figures of a run by their names; all others were not measured.
pub(crate) type Figures<'a> = &'a [(&'a str, f64)];

/// A record of a scenario in which these arms have these figures in every repeat.
pub(crate) fn record(scenario: &Remedies, arms: &[(&str, Figures<'_>)]) -> Record {
    of_arms(scenario, arms.iter().map(|(name, figures)| arm(scenario, name, None, &[*figures; REPEATS])).collect())
}

/// An arm with a run for each list of figures.
pub(crate) fn arm(scenario: &Remedies, name: &str, group: Option<&str>, runs: &[Figures<'_>]) -> ArmRecord {
    let run = |(repeat, known): (u32, &Figures<'_>)| RunRecord {
        repeat,
        order: repeat,
        figures: figures(scenario, known),
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

fn figures(scenario: &Remedies, known: Figures<'_>) -> Vec<Option<f64>> {
    for (figure, _) in known {
        assert!(scenario.figures.iter().any(|own| own.name == *figure), "no figure is called {figure}");
    }
    let value = |name: &str| known.iter().find(|(figure, _)| *figure == name).map(|(_, value)| *value);
    scenario.figures.iter().map(|figure| value(figure.name)).collect()
}

/// A record of these arms, of which nothing was judged.
pub(crate) fn of_arms(scenario: &Remedies, remedies: Vec<ArmRecord>) -> Record {
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
            question: scenario.about.question.to_owned(),
            started_at: String::new(),
            duration_s: 1.0,
            command: vec!["c10m".to_owned()],
            version: String::new(),
            commit: String::new(),
            host: json!({}),
            seed: 7,
            without_fault: false,
        },
        repeats: REPEATS as u32,
        seconds_per_run: 1,
        notes: vec![],
        skipped: vec![],
        incidents: vec![],
        figures: scenario.figures.iter().map(figure).collect(),
        counters: vec![],
        remedies,
        foretold: None,
    }
}

/// The same record, of which the load generator says that the times of an arm must not be quoted.
pub(crate) fn with_invalid(mut record: Record, arm: &str) -> Record {
    let arm = record.remedies.iter_mut().find(|known| known.name == arm).expect("an arm of this name");
    arm.runs.iter_mut().for_each(|run| run.verdict = "INVALID (V2)".to_owned());
    record
}
