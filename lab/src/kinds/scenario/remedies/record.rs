//! What is known of each arm, as written to `record.json`. What could not be measured is absent.

use results::record::VerdictState;
use results::stats::blocks::Effect;
use serde::{Deserialize, Serialize};

use crate::kinds::scenario::frame::Head;
use crate::kinds::scenario::remedies::foretold::Foretold;
use crate::session::side::Side;

/// One run of the scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(flatten)]
    pub(crate) head: Head,
    pub(crate) repeats: u32,
    pub(crate) seconds_per_run: u32,
    pub(crate) notes: Vec<String>,
    /// Arms that could not run, with the reasons.
    pub(crate) skipped: Vec<String>,
    /// Attempts that failed, and waits for a quiet machine.
    pub(crate) incidents: Vec<String>,
    pub(crate) figures: Vec<FigureRecord>,
    pub(crate) counters: Vec<CounterRecord>,
    /// The first does nothing about the trouble, and so does the second, its twin.
    pub(crate) remedies: Vec<ArmRecord>,
    /// What a model says about them, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) foretold: Option<Foretold>,
}

/// Which way a figure is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Better {
    More,
    Less,
}

/// What a figure is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FigureRecord {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) better: Better,
}

/// A counter of the kernel on one of the hosts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CounterRecord {
    pub(crate) side: Side,
    pub(crate) name: String,
}

/// An arm and its runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ArmRecord {
    pub(crate) name: String,
    pub(crate) what: String,
    /// Absent for those that are compared with the first arm; the others stand in a table by this title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    /// Most repeats of it; absent: as many as of every arm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) repeats_max: Option<u32>,
    /// The commands of server and load generator.
    pub(crate) commands: Vec<String>,
    pub(crate) runs: Vec<RunRecord>,
    /// What decides, against doing nothing; above 1 is better. Absent for the first two arms, and where too few repeats are
    /// complete.
    pub(crate) effect: Option<Effect>,
    /// Whether the effect is the least that it can be, as in half of the repeats or more there was less than a run can tell from
    /// nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_bound: bool,
}

/// One run of an arm.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    pub(crate) repeat: u32,
    /// Position of the run among all runs.
    pub(crate) order: u32,
    /// In the order of [`Record::figures`].
    pub(crate) figures: Vec<Option<f64>>,
    /// The least of the first figure that the run can tell from nothing; 0 in records made before that was noted.
    #[serde(default)]
    pub(crate) least: f64,
    /// In the order of [`Record::counters`].
    pub(crate) counters: Vec<Option<u64>>,
    /// The picture: seconds, and the value.
    pub(crate) points: Vec<(f64, f64)>,
    /// The load generator's verdict on itself.
    pub(crate) verdict: String,
}

/// A finished run, as the journal keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Finished {
    pub(crate) arm: String,
    pub(crate) commands: Vec<String>,
    pub(crate) run: RunRecord,
}

impl Record {
    /// The arms that do something about it, and are compared with those that do not.
    pub(crate) fn remedies(&self) -> impl Iterator<Item = &ArmRecord> {
        self.remedies.iter().skip(results::stats::blocks::REFERENCES).filter(|arm| arm.group.is_none())
    }

    /// The titles of the groups that are not compared, in order.
    pub(crate) fn groups(&self) -> Vec<&str> {
        let mut titles: Vec<&str> = self.remedies.iter().filter_map(|arm| arm.group.as_deref()).collect();
        titles.dedup();
        titles
    }

    /// The arm of this name.
    pub(crate) fn arm(&self, name: &str) -> Option<&ArmRecord> {
        self.remedies.iter().find(|arm| arm.name == name)
    }

    /// The median of a figure over the runs of an arm, by the figure's name.
    pub(crate) fn median(&self, arm: &ArmRecord, figure: &str) -> Option<f64> {
        let index = self.figures.iter().position(|known| known.name == figure)?;
        arm.median(index)
    }

    /// The same of an arm by its name, for a time that the load generator took: absent where that calls itself INVALID.
    pub(crate) fn quotable_time(&self, arm: &str, figure: &str) -> Option<f64> {
        self.median(self.arm(arm).filter(|arm| !arm.is_invalid())?, figure)
    }

    /// The same of an arm by its name.
    pub(crate) fn median_of(&self, arm: &str, figure: &str) -> Option<f64> {
        self.median(self.arm(arm)?, figure)
    }
}

impl ArmRecord {
    /// Of so many repeats of every arm, how many there are of this one.
    pub(crate) fn repeats_of(&self, every: u32) -> u32 {
        self.repeats_max.map_or(every, |most| most.min(every))
    }

    /// Whether the load generator says of a run that it must not be quoted.
    pub(crate) fn is_invalid(&self) -> bool {
        self.runs.iter().any(|run| run.verdict.starts_with(VerdictState::Invalid.word()))
    }

    /// The median of a figure over the runs. Absent unless all of them have it: it is missing where a run went worst.
    pub(crate) fn median(&self, figure: usize) -> Option<f64> {
        let values = self.runs.iter().map(|run| run.figures.get(figure).copied().flatten());
        results::stats::median(&values.collect::<Option<Vec<f64>>>()?)
    }

    /// The median of a counter over the runs.
    pub(crate) fn median_count(&self, counter: usize) -> Option<f64> {
        let values: Vec<f64> = self
            .runs
            .iter()
            .filter_map(|run| run.counters.get(counter).copied().flatten())
            .map(|count| count as f64)
            .collect();
        results::stats::median(&values)
    }
}
