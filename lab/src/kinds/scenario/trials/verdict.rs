//! What may be said of a value of a setting, against the usual one.

use results::stats::blocks::{Effect, Finding};

use crate::kinds::scenario::trials::record::{Part, WorkloadRecord};

/// An effect below this does not matter.
pub(super) const EFFECT_MIN: f64 = 0.10;

/// What may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Helps,
    Hurts,
    /// Less than [`EFFECT_MIN`], if anything.
    NoEffect,
    /// The repeats allow an effect that matters, and none.
    Undecided,
    /// The workload does not see the change that was planted, or runs are missing.
    NotShown,
}

impl Verdict {
    pub(super) fn words(self) -> &'static str {
        match self {
            Verdict::Helps => "helps",
            Verdict::Hurts => "hurts",
            Verdict::NoEffect => "no effect",
            Verdict::Undecided => "undecided",
            Verdict::NotShown => "not shown",
        }
    }

    /// What an effect means; above 1 is better.
    pub(super) fn of(effect: Option<Effect>, sees_planted: bool) -> Verdict {
        match effect {
            None => Verdict::NotShown,
            Some(_) if !sees_planted => Verdict::NotShown,
            Some(effect) => match effect.finding {
                Finding::Cheaper => Verdict::Helps,
                Finding::Dearer => Verdict::Hurts,
                Finding::Equal => Verdict::NoEffect,
                Finding::SignKnown | Finding::Undecided => Verdict::Undecided,
            },
        }
    }
}

/// Whether a workload sees the change that was planted.
pub(super) fn sees_planted(workload: &WorkloadRecord) -> bool {
    let planted = workload.parts.iter().position(|part| *part == Part::Planted);
    let effect = planted.and_then(|index| workload.arms.get(index)?.effect);
    effect.is_some_and(|effect| matches!(effect.finding, Finding::Cheaper | Finding::Dearer))
}
