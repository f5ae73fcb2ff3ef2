//! The parts of a run that intervals belong to.

use serde::{Deserialize, Serialize};

/// The part of the run an interval belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalPhase {
    /// Load before the window; not in any total.
    WarmUp,
    /// Within the measured window.
    #[default]
    Measured,
    /// After the window: replies to requests of the window, and requests that never got one.
    Grace,
}

impl IntervalPhase {
    /// The name in records, tables and files.
    pub const fn name(self) -> &'static str {
        match self {
            IntervalPhase::WarmUp => "warm_up",
            IntervalPhase::Measured => "measured",
            IntervalPhase::Grace => "grace",
        }
    }
}
