//! Requests in a record: every one of them ends in exactly one counter.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Requests whose intended time lies in the window. `scheduled = sent + unsent`, `sent = completed + failed +
/// timed_out + censored`; `errors` adds up to `failed + timed_out`. Each has a response time: exact if
/// completed, otherwise a lower bound.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RequestCounts {
    /// How many should be sent; absent if their number had no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<u64>,
    /// Meant to be sent.
    pub scheduled: u64,
    /// Handed to the kernel.
    pub sent: u64,
    /// Never sent: no connection became free in time.
    pub unsent: u64,
    /// Answered and verified.
    pub completed: u64,
    /// Answered wrongly, refused, or lost with their connection.
    pub failed: u64,
    /// Without an answer for longer than the timeout.
    pub timed_out: u64,
    /// Without an answer when the grace after the window ended.
    pub censored: u64,
    /// Written once more, because the server announced the end of the connection with an earlier reply and had not
    /// processed them. They are not failures and do not count as sent twice.
    pub resent: u64,
    /// Good replies of the whole run, warm-up and grace included: what the server should have counted, but for the
    /// hellos of a reconnect policy.
    pub completed_whole_run: u64,
    /// Failures and timeouts by cause.
    pub errors: BTreeMap<String, u64>,
}

impl RequestCounts {
    /// Requests of whose response time only a lower bound is known.
    pub fn without_good_reply(&self) -> u64 {
        self.failed + self.timed_out + self.censored + self.unsent
    }
}
