//! What every experiment is, whatever its kind: something that is listed, run, and read again from its record.

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

    /// Whether it is in no list, because it is only for tests of this program.
    fn is_hidden(&self) -> bool {
        false
    }

    /// What is said of it before it runs.
    fn listed(&self) -> Listed;

    /// Runs it on `host`, publishes and prints what was found; the value is the exit code.
    ///
    /// # Errors
    /// When nothing could be measured, or what was measured cannot be written; a [`crate::Refusal`] says so itself.
    fn run(&self, request: &Request, host: &dyn Host) -> anyhow::Result<u8>;

    /// Whether a record that bears its name is one that it writes.
    fn wrote(&self, record: &Value) -> bool;

    /// What a run found, in a line.
    ///
    /// # Errors
    /// When the record is damaged.
    fn answer(&self, record: Value) -> anyhow::Result<String>;

    /// The report of a run, and its tables for a terminal. `directory` has the files beside the record.
    ///
    /// # Errors
    /// When the record, or what stands beside it, is damaged.
    fn render(&self, record: Value, directory: &Path) -> anyhow::Result<(Document, Vec<Table>)>;
}

/// What is said of an experiment.
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

/// What is said of a profile. Arms whose programs are not installed are in it.
#[derive(Debug, Serialize)]
pub(crate) struct ListedProfile {
    pub(crate) profile: Profile,
    pub(crate) arms: Vec<String>,
    pub(crate) loads: Vec<String>,
    pub(crate) repeats: u32,
    pub(crate) seconds_per_run: f64,
    pub(crate) runs: u64,
    /// On a quiet machine.
    pub(crate) expected_minutes: f64,
}
