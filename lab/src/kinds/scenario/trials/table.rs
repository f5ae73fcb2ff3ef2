//! What makes up trials of settings: tables that an experiment fills in.

use std::time::Duration;

use crate::kinds::scenario::plan::{About, Run};
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::scene::Scene;
use crate::kinds::scenario::remedies::table::Figure;
use crate::kinds::scenario::timeline::Action;
use crate::session::request::Profile;
use crate::session::side::Side;

/// Trials of settings under the workloads in which each should matter.
pub(crate) struct Trials {
    pub(crate) about: About,
    pub(crate) workloads: &'static [Workload],
    pub(crate) notes: &'static [&'static str],
    /// The settings to try; empty: all.
    pub(crate) asked: Vec<String>,
    /// Whether settings of the whole host may be changed meanwhile.
    pub(crate) may_change_host: bool,
}

/// A workload, and the settings that should matter under it.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// What every arm goes through, as a sentence.
    pub(crate) what: &'static str,
    /// What the cable between the hosts does; absent: nothing.
    pub(crate) cable: Option<Cable>,
    /// Sockets that the hosts' tables of connections are made for, as long as no trial says otherwise.
    pub(crate) sockets: u64,
    /// Repeats of the profile quick; full has three times as many. The noisier its figure, the more.
    pub(crate) repeats: u32,
    pub(crate) timeline: fn(&Arm, &Run<'_>) -> Vec<Action>,
    /// The figures of a run. The first decides.
    pub(crate) figures: &'static [Figure],
    /// The least of the figure that decides that a run can tell from nothing.
    pub(crate) least: fn(&Scene<'_>) -> f64,
    /// The counters of the kernel that show the mechanism, and whose they are.
    pub(crate) counters: &'static [(Side, &'static str)],
    /// What every arm does: with the usual value of every setting.
    pub(crate) usual: Arm,
    /// The change that is known to matter. If it does not, nothing is said of the others.
    pub(crate) planted: Arm,
    pub(crate) trials: fn(Profile) -> Vec<Trial>,
}

/// What a cable does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cable {
    /// From one end to the other.
    pub(crate) delay: Duration,
    /// Packets of 10,000 that are lost each way.
    pub(crate) lost_per_10000: u32,
}

/// A value of a setting.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trial {
    /// The name of the setting's rule.
    pub(crate) setting: &'static str,
    /// The value, in a few words.
    pub(crate) value: &'static str,
    /// What is done with it beside what every arm does.
    pub(crate) arm: Arm,
    /// The setting of the whole host that it changes, and the value.
    pub(crate) host: Option<(&'static str, &'static str)>,
    /// The size of the hosts' tables of connections, where that is the setting.
    pub(crate) sockets: Option<u64>,
    /// Whether the arm has every setting of a profile but this one, and the workload's usual arm has them all.
    pub(crate) is_left_out: bool,
}

impl Trial {
    /// A value of a setting that `arm` has.
    pub(crate) const fn of(setting: &'static str, value: &'static str, arm: Arm) -> Trial {
        Trial { setting, value, arm, host: None, sockets: None, is_left_out: false }
    }
}
