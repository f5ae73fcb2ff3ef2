//! One interval of a run: what happened in it, so that a tail can be placed in time and explained.

use crate::distribution::Distribution;
use crate::phase::IntervalPhase;
use host::kernel::KernelDelta;
use serde::{Deserialize, Serialize};

/// Quantiles of one interval in µs; absent when fewer than 10 samples lie above (V13).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Quantiles {
    pub count: u64,
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p99: Option<f64>,
    pub p99_9: Option<f64>,
    pub max: Option<f64>,
}

/// What happened between two moments. A request counts in the interval in which it was reached, a reply in
/// the interval in which it arrived: a single interval need not balance, but the sum does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Part of the run.
    pub phase: IntervalPhase,
    /// Start, counted from the start of the window: negative in the warm-up.
    pub start_us: i64,
    /// Length; intervals end at the first reading of the clock after their boundary.
    pub duration_us: u64,
    /// Arrivals reached by the schedule.
    pub scheduled: u64,
    /// Requests handed to the kernel.
    pub sent: u64,
    /// Good replies.
    pub completed: u64,
    /// Those whose response time is `--timeout` at most. What came due while a client was cut off is sent once it is back,
    /// and then there are more good replies than usual. Absent in records that are older than this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_in_time: Option<u64>,
    /// Wrong replies, refusals, losses.
    pub failed: u64,
    /// Requests given up for lack of a reply.
    pub timed_out: u64,
    /// Open connections at the end of the interval.
    pub connections_open: u64,
    /// Requests without a reply at the end of the interval.
    pub in_flight: u64,
    /// Noticed arrivals that waited for a free connection at the end of the interval; each worker notices at
    /// most 65,536.
    pub waiting: u64,
    /// Clients that lost their connection; absent without a reconnect policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconnect: Option<IntervalReconnects>,
    /// Share of the interval for which the busiest worker was on a CPU, or all workers that are pinned to the same one; absent
    /// for an interval that is too short.
    pub busiest_worker_share: Option<f64>,
    /// done − intended.
    pub response_us: Quantiles,
    /// done − written.
    pub service_us: Quantiles,
    /// reached − intended.
    pub lateness_us: Quantiles,
    /// written − reached.
    pub back_pressure_us: Quantiles,
    /// What the kernel counted meanwhile; only in the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelDelta>,
}

/// What clients that lost their connection did between two moments. Over the window and the grace each adds up to the
/// field of its name in `reconnect` (`lost` to `losses`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntervalReconnects {
    /// Connections lost.
    pub lost: u64,
    /// Connects begun.
    pub attempts: u64,
    /// Connects that succeeded.
    pub connected: u64,
    /// Clients that had a good reply.
    pub served_again: u64,
}

/// One histogram of one interval: a line of an interval log (`.hlog`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// What the histogram holds; the tag of the line.
    pub tag: Distribution,
    /// Part of the run.
    pub phase: IntervalPhase,
    /// Start, counted from the start of the window.
    pub start_us: i64,
    /// Length of the interval.
    pub duration_us: u64,
    /// Greatest value in ns.
    pub max_ns: u64,
    /// Base64 of the compressed V2 encoding.
    pub encoded: String,
}
