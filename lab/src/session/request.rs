//! What the user asks of an experiment. The command line syntax belongs to the program.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

/// How much of an experiment to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// A first answer within minutes
    Quick,
    /// Everything; an interrupted run can be continued
    Full,
    /// A million connections over loopback, and 2.5 million (c10m only)
    C1m,
    /// Five million connections behind a TUN device (c10m only)
    C5m,
}

impl Profile {
    /// The word in commands, records and file names.
    pub fn word(self) -> &'static str {
        match self {
            Profile::Quick => "quick",
            Profile::Full => "full",
            Profile::C1m => "c1m",
            Profile::C5m => "c5m",
        }
    }
}

/// A request for one experiment. `None` leaves the choice to the experiment.
#[derive(Debug, Clone)]
pub struct Request {
    /// The name of the experiment.
    pub experiment: String,
    /// How much of it.
    pub profile: Option<Profile>,
    /// The directory in which the run's directory is created.
    pub out: PathBuf,
    /// Of a comparison, the arms to measure beside the reference, by name; all if empty.
    pub arms: Vec<String>,
    /// Of a comparison, the loads to measure, by their names in files; all if empty.
    pub loads: Vec<String>,
    /// Of a comparison, whether servers are measured one after another, even where they could stand side by side.
    pub apart: bool,
    /// Repeats of every arm.
    pub repeats: Option<u32>,
    /// How long a comparison may take, everything included.
    pub budget: Option<Duration>,
    /// Seconds of each measured interval.
    pub seconds: Option<f64>,
    /// Seed of the schedules and of the order.
    pub seed: Option<u64>,
    /// Longest wait for a quiet machine before a run.
    pub wait_max: Option<Duration>,
    /// Whether to measure on a machine that is not quiet, and record that.
    pub noisy: bool,
    /// Whether to play a scenario without the fault that it is about: a control, in which it must find nothing.
    pub without_fault: bool,
    /// Whether to discard what an interruption left.
    pub fresh: bool,
    /// Whether to print the record as JSON instead of tables.
    pub json: bool,
}
