//! What a scenario is: its cases, the timeline of each, and how to evaluate what a run showed.

use std::time::Duration;

use results::report::{Document, Table};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::kinds::scenario::frame::Head;
use crate::kinds::scenario::seen::Seen;
use crate::kinds::scenario::timeline::Timeline;
use crate::session::host::Host;
use crate::session::namespace::Needs;
use crate::session::places::Places;
use crate::session::request::Profile;

/// What holds for the scenario as a whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) question: &'static str,
    pub(crate) explanation: &'static str,
    /// How the experiment decides.
    pub(crate) decision: &'static str,
    /// The first is the default.
    pub(crate) profiles: &'static [Profile],
    pub(crate) length: Length,
    /// Longest wait for a quiet machine before a run. `None` does not look at the machine.
    pub(crate) wait_max: Option<Duration>,
    /// Attempts at one run.
    pub(crate) attempts_max: u32,
    pub(crate) needs: Needs,
    /// Whether it can be played without the fault that it is about.
    pub(crate) has_control: bool,
}

/// How often and how long each case runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Length {
    /// Once, for as long as it takes. The words say why the user cannot ask for anything else.
    Given(&'static str),
    /// The default, which the user can change.
    Usual { repeats: u32, seconds: u32 },
}

impl Length {
    /// Default number of repeats, and default seconds of a run. The seconds are 0 if the case decides them.
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
    /// Position of the run among all runs.
    pub(crate) order: u32,
    /// Whether the fault happens that the scenario is about. Without it the same is played as a control.
    pub(crate) fault: bool,
}

/// How long a run of a case takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seconds {
    /// The measured interval.
    pub(crate) measured: f64,
    /// The whole run, with everything around the measured interval.
    pub(crate) whole: f64,
}

/// All results, when all cases are done.
pub(crate) struct Played<'a, P, F> {
    pub(crate) head: Head,
    pub(crate) planned: Vec<P>,
    /// The results, in the order in which they were finished.
    pub(crate) found: Vec<F>,
    pub(crate) places: &'a Places,
    pub(crate) repeats: u32,
    pub(crate) seconds: u32,
    /// The cases that could not run here, and those that failed too often.
    pub(crate) skipped: Vec<String>,
    pub(crate) failures: Vec<String>,
    /// Failures, and waits for a quiet machine, in the order in which they happened.
    pub(crate) incidents: Vec<String>,
}

/// What is published besides the report.
pub(crate) struct Made<R> {
    pub(crate) record: R,
    /// Other files, by name.
    pub(crate) beside: Vec<(String, String)>,
}

/// Reads the other files of a run, by name.
pub(crate) type Beside<'a> = &'a dyn Fn(&str) -> anyhow::Result<Option<String>>;

/// A scenario.
pub(crate) trait Scenario: Sync {
    /// One thing that the scenario plays.
    type Case;
    /// A case, planned for this host.
    type Planned: Sync;
    /// What the journal keeps of a run.
    type Found: Serialize + DeserializeOwned + Clone + Send;
    /// What the scenario publishes.
    type Record: Serialize + DeserializeOwned;

    /// The name of a list in the record that no other experiment's record has.
    const LIST: &'static str;

    fn about(&self) -> &About;

    /// The cases of a profile, in order.
    fn cases(&self, profile: Profile) -> Vec<Self::Case>;

    /// The name of a case in tables and journals.
    fn name(&self, case: &Self::Case) -> String;

    /// What each case goes through, in words for people.
    fn load(&self) -> String;

    /// How long a run takes that is asked to measure for `asked` seconds.
    fn seconds(&self, case: &Self::Case, asked: u32) -> Seconds;

    /// How often a case is played that is asked for so many repeats.
    fn repeats(&self, _case: &Self::Case, asked: u32) -> u32 {
        asked
    }

    /// Plans a case for this host in its present state.
    ///
    /// # Errors
    /// A sentence that names what is missing, and what mends it.
    fn plan(&self, host: &dyn Host, case: Self::Case) -> Result<Self::Planned, String>;

    fn timeline(&self, planned: &Self::Planned, run: &Run<'_>) -> Timeline;

    /// Evaluates what was seen in a run.
    ///
    /// # Errors
    /// When a subject printed something unknown.
    fn found(&self, planned: &Self::Planned, run: &Run<'_>, seen: &Seen) -> anyhow::Result<Self::Found>;

    /// A line about the result for people who watch, for scenarios with few runs.
    fn line(&self, found: &Self::Found) -> Option<String>;

    /// Builds the record of all results.
    ///
    /// # Errors
    /// When nothing can be said about the results.
    fn record(&self, played: Played<'_, Self::Planned, Self::Found>) -> anyhow::Result<Made<Self::Record>>;

    /// The result in one line.
    fn answer(&self, record: &Self::Record) -> String;

    /// The report of a record, and its tables for a terminal.
    ///
    /// # Errors
    /// When another file of the run cannot be understood.
    fn report(&self, record: &Self::Record, beside: Beside<'_>) -> anyhow::Result<(Document, Vec<Table>)>;

    /// Whether the record fulfils the expectations of all `cases`.
    fn is_fulfilled(&self, record: &Self::Record, cases: usize) -> bool;
}
