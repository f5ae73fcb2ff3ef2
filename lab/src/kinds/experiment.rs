//! What every experiment can do, whatever its kind: be listed, be run, and be read again from its record.

use std::path::Path;

use results::report::{Document, Table};
use serde::Serialize;
use serde_json::Value;

use crate::session::host::Host;
use crate::session::request::{Profile, Request};

/// An experiment of any kind.
pub(crate) trait Experiment {
    /// Its name in commands and records.
    fn name(&self) -> &'static str;

    /// Whether lists leave it out, because it is only for tests of this program.
    fn is_hidden(&self) -> bool {
        false
    }

    /// What `bench list` says about it.
    fn listed(&self) -> Listed;

    /// Runs it on `host`, publishes and prints the result. Returns the exit code.
    ///
    /// # Errors
    /// When nothing could be measured, or the result cannot be written. A [`crate::Refusal`] says so itself.
    fn run(&self, request: &Request, host: &dyn Host) -> anyhow::Result<u8>;

    /// Whether a record with its name was written by it.
    fn wrote(&self, record: &Value) -> bool;

    /// The result of a run in one line. `directory` holds the other files of the run.
    ///
    /// # Errors
    /// When the record is damaged.
    fn answer(&self, record: Value, directory: &Path) -> anyhow::Result<String>;

    /// The report of a run, and its tables for a terminal. `directory` holds the other files of the run.
    ///
    /// # Errors
    /// When the record or another file of the run is damaged.
    fn render(&self, record: Value, directory: &Path) -> anyhow::Result<(Document, Vec<Table>)>;
}

/// What `bench list` says about an experiment.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    pub(crate) name: &'static str,
    pub(crate) question: &'static str,
    pub(crate) explanation: &'static str,
    /// How it decides.
    pub(crate) decision: String,
    /// The first is the default.
    pub(crate) profiles: Vec<ListedProfile>,
}

/// What `bench list` says about a profile. Includes arms whose programs are not installed.
#[derive(Debug, Serialize)]
pub(crate) struct ListedProfile {
    pub(crate) profile: Profile,
    pub(crate) arms: Vec<String>,
    pub(crate) loads: Vec<String>,
    /// Repeats of each case of a scenario, or blocks of a comparison; absent where a budget decides.
    pub(crate) repeats: Option<u32>,
    pub(crate) seconds_per_run: f64,
    /// Runs of a scenario, or starts of a block of a comparison.
    pub(crate) runs: u64,
    /// On a quiet machine.
    pub(crate) expected_minutes: f64,
}
