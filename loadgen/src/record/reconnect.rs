//! Clients that lost their connection, in a record: how many came back, how long it took, and what it cost.

use super::Summary;
use serde::{Deserialize, Serialize};

/// What became of clients that lost their connection under a reconnect policy. All of it is about losses within the
/// window; what follows them is counted until the grace ends, in which no attempt begins. A close that was planned or
/// announced is no loss, and opening the connection again after it no attempt.
///
/// `losses = served_again + unserved + lost_again`, and `attempts = connected + attempts_failed + attempts_pending`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Reconnects {
    /// The policy, as `--reconnect` reads it.
    pub policy: String,
    /// CLOCK_MONOTONIC in ns at the start of the window: what intervals count from, for other programs of the host.
    pub origin_monotonic_ns: u64,
    /// Connections lost after they had been established.
    pub losses: u64,
    /// Clients that had a good reply after that: connected and served.
    pub served_again: u64,
    /// Clients that had none until the run ended.
    pub unserved: u64,
    /// Connections lost while their client was not served again yet: they prolong its outage.
    pub lost_again: u64,
    /// Connects begun by clients without service.
    pub attempts: u64,
    /// Those that led to a connection.
    pub connected: u64,
    /// Those that failed.
    pub attempts_failed: u64,
    /// Those without an outcome at the end.
    pub attempts_pending: u64,
    /// Attempts of a client from its loss until it was served, on average; absent if none was served.
    pub attempts_per_served_mean: Option<f64>,
    /// The most attempts of such a client; 65,535 stands for more, too.
    pub attempts_per_served_max: Option<u64>,
    /// Attempts put off because the retry budget was used up.
    pub put_off: u64,
    /// Attempts put off by the circuit breaker.
    pub breaker_put_off: u64,
    /// How often the circuit breaker of a worker opened.
    pub breaker_opened: u64,
    /// Attempts that waited at least as long as the server had asked for (Retry-After). Absent from records that are older
    /// than this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<u64>,
    /// Requests outside of the schedule that show whether a client is served.
    pub hellos: Hellos,
    /// From the loss of a client's connection to its next good reply. Clients without one count as "at least": with
    /// the time until the run ended, behind all others.
    pub outage_us: Summary,
}

/// Without a closed loop a client that has its connection again sends one request at once, which is in no other
/// number but the bytes and the time to first response. `sent = answered + failed + unanswered`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hellos {
    /// Handed to the kernel.
    pub sent: u64,
    /// Answered and verified.
    pub answered: u64,
    /// Answered wrongly, refused, timed out, or lost with their connection.
    pub failed: u64,
    /// Without an answer at the end.
    pub unanswered: u64,
}
