//! What a fan-out showed. Data only.

use serde::{Deserialize, Serialize};

use super::extra::Extra;
use crate::record::{State, Summary};

/// The document of `c10m fan-out --json`. Requests and parts are those whose time lies in the window.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Version of this form.
    pub schema: u32,
    /// The targets without credentials.
    pub targets: Vec<String>,
    /// Connections to each.
    pub connections: u32,
    /// Requests per second asked for.
    pub rate: f64,
    /// Replies that each request needs.
    pub parts_per_request: u32,
    /// What was sent beyond one copy.
    pub extra: Extra,
    /// How long a hedge waits, as given or learned; absent without hedges.
    pub hedge_after_us: Option<f64>,
    /// Fixes the schedule.
    pub seed: u64,
    /// Length of the window.
    pub duration_us: u64,
    /// Whether it was stopped early.
    pub interrupted: bool,
    /// Requests.
    pub requests: RequestCounts,
    /// Their parts.
    pub parts: PartCounts,
    /// From the intended time to the last reply that a request needs.
    pub response_us: Summary,
    /// From the intended time to the first reply to a part.
    pub part_us: Summary,
    /// From the intended time to the moment at which the client got to it: its own fault.
    pub lateness_us: Summary,
    /// What counts as slow.
    pub slow_above_us: u64,
    /// Share of parts, and of requests, that took longer. Those without a good reply count as slow.
    pub slow_parts: Option<f64>,
    /// The same of requests.
    pub slow_requests: Option<f64>,
    /// Whether the times are to be believed: INVALID when the client's own lateness is half of the response times' p99.
    pub verdict: State,
}

/// Requests: `scheduled = completed + failed`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCounts {
    /// Meant to be sent.
    pub scheduled: u64,
    /// All parts have a good reply.
    pub completed: u64,
    /// A part has none: refused, lost, timed out, or not sent in time.
    pub failed: u64,
}

/// Parts and their copies: each copy that was sent has one end, `copies = won + discarded + failed + timed_out + unanswered`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartCounts {
    /// Parts of the scheduled requests.
    pub asked: u64,
    /// Copies sent.
    pub copies: u64,
    /// Second copies among them.
    pub second: u64,
    /// Second copies that were due and not sent, because the budget was used up.
    pub over_budget: u64,
    /// Second copies that were due and not sent, because no connection was free.
    pub no_connection: u64,
    /// Copies whose reply was the first to their part.
    pub won: u64,
    /// Second copies among these.
    pub won_by_second: u64,
    /// Good replies that came after another copy's.
    pub discarded: u64,
    /// Copies refused, answered wrongly, or lost with their connection.
    pub failed: u64,
    /// Copies without a reply for longer than the timeout.
    pub timed_out: u64,
    /// Copies without a reply when the run ended.
    pub unanswered: u64,
    /// Good replies of the whole run, warm-up included: what the server should have counted, but for replies that nobody waited for.
    pub replies_whole_run: u64,
    /// Parts of the whole run.
    pub asked_whole_run: u64,
}

impl Record {
    /// The version of the form that this program writes.
    pub const SCHEMA: u32 = 1;
}
