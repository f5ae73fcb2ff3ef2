//! The record of a comparison: everything needed to believe, repeat or render it again.
//!
//! The names are those of the JSON document. What could not be measured is absent (`null`), never zero. The starts
//! themselves stand beside it, in `runs.csv.zst`, and everything the record sums up can be recomputed from them.

mod cell;
mod point;
mod run_of_cell;
mod summary;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::stats::Range;
use crate::stats::blocks::Findings;

pub use cell::{Cell, Loop, Role};
pub use point::Point;
pub use run_of_cell::{RunOfCell, VerdictState};
pub use summary::Summary;

/// The version of the document. It rises when a reader of the older form would misread the newer one.
/// Version 2 added what decides and keys of cells. Version 3 has blocks with controls, and the starts in a file of
/// their own; a reader of it reads no older one.
pub const SCHEMA: u32 = 3;

/// One comparison, run once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The name of the experiment.
    pub experiment: String,
    /// The question it answers.
    pub question: String,
    /// What decides between the arms.
    pub metric: Metric,
    /// How the figure decides.
    pub decision: Decision,
    /// How it was measured.
    pub design: Design,
    /// When it began, RFC 3339 in UTC.
    pub started_at: String,
    /// How long all of it took.
    pub duration_s: f64,
    /// The command line, program first.
    pub command: Vec<String>,
    /// The version of the program.
    pub version: String,
    /// The commit of the program, with `-dirty` if the tree had changes.
    pub commit: String,
    /// The facts about the host.
    pub host: Value,
    /// The seed of every schedule and of the order.
    pub seed: u64,
    /// What a reader has to know beside the numbers.
    pub notes: Vec<String>,
    /// How each server was built and set up.
    #[serde(default)]
    pub servers: Vec<String>,
    /// Arms that could not run, with the reason.
    pub skipped: Vec<String>,
    /// Preconditions that had to be waited for, with how long and why.
    pub waits: Vec<String>,
    /// How often the run was interrupted and continued.
    pub resumed: u32,
    /// The measurements.
    pub cells: Vec<Cell>,
    /// What was found. Absent where too few blocks are complete.
    pub findings: Option<Findings>,
}

/// The figure that decides between the arms of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// [`RunOfCell::server_run_us_per_request`].
    ServerRun,
    /// [`RunOfCell::client_cpu_us_per_request`].
    ClientCpu,
}

impl Metric {
    /// Its name in a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Metric::ServerRun => "server CPU per request",
            Metric::ClientCpu => "client CPU per request",
        }
    }

    /// Its range over the starts of a cell.
    pub fn range(self, summary: &Summary) -> Option<Range> {
        match self {
            Metric::ServerRun => summary.server_run_us_per_request,
            Metric::ClientCpu => summary.client_cpu_us_per_request,
        }
    }

    /// Its value in one start.
    pub fn of_run(self, run: &RunOfCell) -> Option<f64> {
        match self {
            Metric::ServerRun => run.server_run_us_per_request,
            Metric::ClientCpu => run.client_cpu_us_per_request,
        }
    }
}

/// When a difference between two arms counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The arm that the others are compared with.
    pub reference: String,
    /// The smallest relative difference that matters, for example 0.02.
    pub effect_min: f64,
    /// Whether the question is if load generators report the same. Then that is answered first, and what they cost second.
    #[serde(default)]
    pub is_agreement: bool,
}

/// How servers that stand side by side are measured: a client loads one after the other for a moment, in rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turns {
    /// Rounds of a block, each with a window of every server.
    pub rounds: u32,
    /// Length of a window.
    pub window_s: f64,
    /// The loads that were measured so, by their words; the others were measured one after another.
    pub loads: Vec<String>,
}

/// Reads also the form of records that have one length of a window: a single value, or `null`.
fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Turns>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Several(Vec<Turns>),
        One(Turns),
    }
    Ok(match Option::<Written>::deserialize(deserializer)? {
        None => Vec::new(),
        Some(Written::One(turns)) => vec![turns],
        Some(Written::Several(turns)) => turns,
    })
}

/// How a comparison was measured. All of it was fixed before the first start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Design {
    /// Blocks: each has every arm once and the reference twice, under every load.
    pub blocks: u32,
    /// The time that all of it was to take at most; absent where the blocks were given.
    pub budget_s: Option<f64>,
    /// Length of one measured window, where servers are measured one after another.
    pub seconds_per_run: f64,
    /// How the servers were measured that stood side by side, for each length of a window; empty where all were measured
    /// one after another.
    #[serde(default, deserialize_with = "one_or_several")]
    pub turns: Vec<Turns>,
    /// Load before the window where servers are measured one after another, with all connections open, at least: 20 µs for
    /// each connection where that is more.
    pub warmup_s: f64,
    /// Starts in place of one that was disturbed, at most.
    pub repeats_max: u32,
    /// Standard deviation of the logarithm of one start, by the pilot; absent without one.
    pub noise: Option<f64>,
    /// The pooled effect that is found with a chance of 80 %, by the pilot: 0.03 for 3 %.
    pub resolution_pooled: Option<f64>,
    /// The same for the effect under one load.
    pub resolution_single: Option<f64>,
}
