//! What makes up a scenario about remedies: a table that an experiment fills in.

use crate::kinds::scenario::plan::{About, Run};
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::foretold::Foretold;
use crate::kinds::scenario::remedies::record::{Better, Record};
use crate::kinds::scenario::remedies::scene::Scene;
use crate::kinds::scenario::timeline::Action;
use crate::session::request::Profile;
use crate::session::side::Side;

/// A scenario about remedies.
pub(crate) struct Remedies {
    pub(crate) about: About,
    /// What every arm goes through, in words for people.
    pub(crate) load: &'static str,
    /// The arms of a profile. The first does nothing about it: the others are compared with it.
    pub(crate) arms: fn(Profile) -> Vec<Arm>,
    /// The measured seconds of a run, and those around them.
    pub(crate) seconds: fn(&Arm, u32) -> (f64, f64),
    pub(crate) timeline: fn(&Arm, &Run<'_>) -> Vec<Action>,
    /// The figures of a run. The first decides.
    pub(crate) figures: &'static [Figure],
    /// The least of the figure that decides that a run can tell from nothing, as a rule one event: what is below counts as
    /// this much, and a ratio to it is a bound.
    pub(crate) least: fn(&Scene<'_>) -> f64,
    pub(crate) picture: Picture,
    /// The counters of the kernel that show the mechanism, and whose they are.
    pub(crate) counters: &'static [(Side, &'static str)],
    /// What a model says about arms at other sizes, made from what was measured.
    pub(crate) foretell: fn(&Record) -> Option<Foretold>,
    /// What else the record bears out, each a table with a sentence before it.
    pub(crate) asides: fn(&Record) -> Vec<Aside>,
    /// Whether the fault was seen in the first arm: what happened instead, or nothing. In a control it must not be seen.
    pub(crate) fault_shows: fn(&Record) -> Option<String>,
    /// What else has to hold for the experiment to have shown what it is about, likewise.
    pub(crate) expectations: &'static [fn(&Record) -> Option<String>],
    /// What happened, in one sentence.
    pub(crate) happened: fn(&Record) -> String,
    /// What to do, in two sentences at most.
    pub(crate) advice: fn(&Record) -> String,
    pub(crate) notes: &'static [&'static str],
}

/// Something about the arms that their figures do not show by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Aside {
    pub(crate) title: String,
    pub(crate) sentence: String,
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// A figure of a run.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    /// Whether the load generator took the time, so that it is not to be quoted where that calls itself INVALID.
    pub(crate) is_generators_time: bool,
    pub(crate) of: fn(&Scene<'_>) -> Option<f64>,
}

/// The picture of a run over time.
#[derive(Clone, Copy)]
pub(crate) struct Picture {
    pub(crate) title: &'static str,
    pub(crate) y_name: &'static str,
    pub(crate) caption: &'static str,
    /// Seconds since what the experiment is about began, and the value.
    pub(crate) points: fn(&Scene<'_>) -> Vec<(f64, f64)>,
}
