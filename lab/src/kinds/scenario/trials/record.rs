//! What is known of each trial, as written to `record.json`.

use serde::{Deserialize, Serialize};

use crate::kinds::scenario::frame::Head;
use crate::kinds::scenario::remedies::record::{ArmRecord, CounterRecord, FigureRecord, RunRecord};

/// One run of the trials.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(flatten)]
    pub(crate) head: Head,
    pub(crate) repeats: u32,
    pub(crate) seconds_per_run: u32,
    pub(crate) notes: Vec<String>,
    /// Trials that could not run, with the reasons.
    pub(crate) skipped: Vec<String>,
    pub(crate) incidents: Vec<String>,
    pub(crate) trials: Vec<WorkloadRecord>,
}

/// A workload and its arms.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WorkloadRecord {
    pub(crate) name: String,
    pub(crate) what: String,
    pub(crate) figures: Vec<FigureRecord>,
    pub(crate) counters: Vec<CounterRecord>,
    /// What belongs to each of [`WorkloadRecord::arms`].
    pub(crate) parts: Vec<Part>,
    /// The usual values twice, the planted change, the trials.
    pub(crate) arms: Vec<ArmRecord>,
}

/// What an arm is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "part")]
pub(crate) enum Part {
    /// The usual value of every setting.
    Usual,
    /// A change that is known to matter.
    Planted,
    /// Another value of a setting.
    Value { setting: String, value: String },
    /// A profile without this setting, where the usual arm has it whole.
    LeftOut { setting: String, value: String },
}

impl Part {
    /// The setting and its value.
    pub(crate) fn setting(&self) -> Option<(&str, &str)> {
        match self {
            Part::Usual | Part::Planted => None,
            Part::Value { setting, value } | Part::LeftOut { setting, value } => Some((setting, value)),
        }
    }
}

/// A finished run, as the journal keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Finished {
    pub(crate) case: String,
    pub(crate) commands: Vec<String>,
    pub(crate) run: RunRecord,
}
