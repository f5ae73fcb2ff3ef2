//! What a watched scenario consists of: a table that an experiment fills in.

use crate::kinds::scenario::plan::About;
use crate::kinds::scenario::timeline::Action;
use crate::kinds::scenario::watched::record::{Record, StepRecord};
use crate::kinds::scenario::watched::step::{Planned, Step};
use crate::session::request::Profile;

/// What is expected of a step: nothing, or the words for what came of it instead.
pub(crate) type Expectation = fn(&StepRecord) -> Option<String>;

/// A watched scenario.
pub(crate) struct Watched {
    pub(crate) about: About,
    /// What each step is put through, for people.
    pub(crate) load: &'static str,
    /// The steps of a profile in their order.
    pub(crate) steps: fn(Profile) -> Vec<Step>,
    /// What is done in a step, with this seed.
    pub(crate) timeline: fn(&Planned, u64) -> Vec<Action>,
    pub(crate) expectations: &'static [Expectation],
    /// What happened, in a sentence about a step that fulfilled them all.
    pub(crate) happened: fn(&StepRecord) -> String,
    /// What only shows in several steps together.
    pub(crate) together: fn(&Record) -> Option<String>,
    pub(crate) sections: &'static [Section],
    pub(crate) notes: &'static [&'static str],
}

/// A part of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// Connections and response times.
    Held,
    /// Memory against connections, with a picture.
    Memory,
    /// What the planner had foretold.
    Planner,
    /// Connections over time and CPU time of each, with pictures.
    Opening,
    /// Which counters of the kernel moved first.
    Troubles,
}

impl Watched {
    /// Which expectations a step did not fulfil.
    pub(crate) fn broke(&self, step: &StepRecord) -> Vec<String> {
        self.expectations.iter().filter_map(|expectation| expectation(step)).collect()
    }
}
