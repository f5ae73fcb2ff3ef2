//! What a scenario is: the cases it has, the timeline of each, and what is made of what was seen.

use std::time::Duration;

use results::report::{Document, Table};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::kinds::scenario::frame::Head;
use crate::kinds::scenario::seen::Seen;
use crate::kinds::scenario::timeline::Timeline;
use crate::session::host::Host;
use crate::session::places::Places;
use crate::session::request::Profile;

/// What holds for a scenario as a whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) question: &'static str,
    pub(crate) explanation: &'static str,
    /// How it decides.
    pub(crate) decision: &'static str,
    /// The first is the default.
    pub(crate) profiles: &'static [Profile],
    pub(crate) length: Length,
    /// Longest wait for a quiet machine before a run; `None` looks at no machine.
    pub(crate) wait_max: Option<Duration>,
    /// Attempts at one run.
    pub(crate) attempts_max: u32,
    pub(crate) needs_namespaces: bool,
}

/// How often and for how long each case is run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Length {
    /// Once, for as long as it takes. The words say why nothing else can be asked for.
    Given(&'static str),
    /// Unless somebody asks for something else.
    Usual { repeats: u32, seconds: u32 },
}

impl Length {
    /// Repeats, and seconds of a run: 0 where that is a matter of the case.
    pub(crate) fn usual(self) -> (u32, u32) {
        match self {
            Length::Given(_) => (1, 0),
            Length::Usual { repeats, seconds } => (repeats, seconds),
        }
    }
}

/// The circumstances of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) places: &'a Places,
    pub(crate) seed: u64,
    pub(crate) seconds: u32,
    pub(crate) repeat: u32,
    /// Position among all runs.
    pub(crate) order: u32,
}

/// How long a run of a case takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seconds {
    /// Its measured interval.
    pub(crate) measured: f64,
    /// With everything around it.
    pub(crate) whole: f64,
}

/// What is known when all cases are done.
pub(crate) struct Played<'a, P, F> {
    pub(crate) head: Head,
    pub(crate) planned: Vec<P>,
    /// In the order in which they were finished.
    pub(crate) found: Vec<F>,
    pub(crate) places: &'a Places,
    pub(crate) repeats: u32,
    pub(crate) seconds: u32,
    /// What could not be run here, and what failed too often.
    pub(crate) skipped: Vec<String>,
    pub(crate) failures: Vec<String>,
    /// Failures, and waits for a quiet machine, as they came.
    pub(crate) incidents: Vec<String>,
}

/// What is published beside the report.
pub(crate) struct Made<R> {
    pub(crate) record: R,
    /// Other files, with their names.
    pub(crate) beside: Vec<(String, String)>,
}

/// Files beside a record, by their names.
pub(crate) type Beside<'a> = &'a dyn Fn(&str) -> anyhow::Result<Option<String>>;

/// A scenario.
pub(crate) trait Scenario: Sync {
    /// One thing that is played.
    type Case;
    /// A case, planned for this host.
    type Planned: Sync;
    /// What is kept of a run.
    type Found: Serialize + DeserializeOwned + Clone + Send;
    /// What is published.
    type Record: Serialize + DeserializeOwned;

    /// The list in the record that no other experiment has.
    const LIST: &'static str;

    fn about(&self) -> &About;

    /// The cases of a profile in their order.
    fn cases(&self, profile: Profile) -> Vec<Self::Case>;

    /// The name of a case in tables and journals.
    fn name(&self, case: &Self::Case) -> String;

    /// What each case is put through, for people.
    fn load(&self) -> String;

    /// How long a run takes that is to measure for `asked`.
    fn seconds(&self, case: &Self::Case, asked: u32) -> Seconds;

    /// Plans a case for this host as it is now.
    ///
    /// # Errors
    /// A sentence with what is missing, and what mends it.
    fn plan(&self, host: &dyn Host, case: Self::Case) -> Result<Self::Planned, String>;

    fn timeline(&self, planned: &Self::Planned, run: &Run<'_>) -> Timeline;

    /// What a run gave.
    ///
    /// # Errors
    /// When a subject printed something unknown.
    fn found(&self, planned: &Self::Planned, run: &Run<'_>, seen: &Seen) -> anyhow::Result<Self::Found>;

    /// A line about it for people who watch, where runs are few.
    fn line(&self, found: &Self::Found) -> Option<String>;

    /// The record of all that was found.
    ///
    /// # Errors
    /// When nothing can be said about it.
    fn record(&self, played: Played<'_, Self::Planned, Self::Found>) -> anyhow::Result<Made<Self::Record>>;

    /// What was found, in a line.
    fn answer(&self, record: &Self::Record) -> String;

    /// The report of a record, and its tables for a terminal.
    ///
    /// # Errors
    /// When a file beside the record makes no sense.
    fn report(&self, record: &Self::Record, beside: Beside<'_>) -> anyhow::Result<(Document, Vec<Table>)>;

    /// Whether what was expected of so many cases came true.
    fn is_fulfilled(&self, record: &Self::Record, cases: usize) -> bool;
}
