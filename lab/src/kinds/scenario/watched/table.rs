//! What makes up a watched scenario: a table that an experiment fills in.

use crate::kinds::scenario::plan::About;
use crate::kinds::scenario::timeline::Action;
use crate::kinds::scenario::watched::record::{Record, StepRecord};
use crate::kinds::scenario::watched::step::{Planned, Step};
use crate::session::request::Profile;

/// An expectation of a step. Returns nothing when the step fulfils it, or the words for what happened instead.
pub(crate) type Expectation = fn(&StepRecord) -> Option<String>;

/// A watched scenario.
pub(crate) struct Watched {
    pub(crate) about: About,
    /// What each step goes through, in words for people.
    pub(crate) load: &'static str,
    /// The steps of a profile, in order.
    pub(crate) steps: fn(Profile) -> Vec<Step>,
    /// The actions of a step, with this seed.
    pub(crate) timeline: fn(&Planned, u64) -> Vec<Action>,
    pub(crate) expectations: &'static [Expectation],
    /// A sentence about a step that fulfilled all expectations.
    pub(crate) happened: fn(&StepRecord) -> String,
    /// What only several steps together show.
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
    /// The planner's predictions.
    Planner,
    /// Connections over time and CPU time per connection, with pictures.
    Opening,
    /// Which kernel counters moved first.
    Troubles,
}

impl Watched {
    /// Which expectations a step did not fulfil.
    pub(crate) fn broke(&self, step: &StepRecord) -> Vec<String> {
        self.expectations.iter().filter_map(|expectation| expectation(step)).collect()
    }
}
