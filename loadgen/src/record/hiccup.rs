//! Pauses of the host, as a record has them.

use serde::{Deserialize, Serialize};

/// How late the watching thread woke up. A missed wake-up also counts as late: by the time from its own
/// deadline to the end of the pause.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HiccupReport {
    /// Time between deadlines.
    pub period_us: u64,
    /// Deadlines that passed.
    pub count: u64,
    /// Median lateness; like the rest absent when no deadline passed.
    pub p50_us: Option<f64>,
    /// 99 of 100 deadlines were met with this lateness or less.
    pub p99_us: Option<f64>,
    /// The same for 999 of 1,000. With few deadlines this is the maximum, which errs on the safe side.
    pub p99_9_us: Option<f64>,
    /// The longest pause.
    pub max_us: Option<f64>,
    /// Pauses of more than 100 ms.
    pub gaps_over_100ms: u64,
}
