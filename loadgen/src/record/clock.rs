//! The clock behind every number, as a record has it.

use serde::{Deserialize, Serialize};

/// The clock of this host as the program finds it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClockCheck {
    /// The kernel's clock source, `tsc` on most x86 hosts; absent where /sys does not say.
    pub clocksource: Option<String>,
    /// Time of one reading in ns, the median over batches.
    pub read_ns: f64,
    /// Readings made, one after the other on one thread.
    pub reads: u64,
    /// Readings that were earlier than the one before.
    pub steps_back: u64,
}
