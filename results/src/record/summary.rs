//! All starts of a cell together.

use serde::{Deserialize, Serialize};

use super::{RunOfCell, VerdictState};
use crate::histogram::Latencies;
use crate::stats::Range;

/// The range of each figure over the starts of a cell that have it, and quantiles of the merged histograms. The range
/// says how many starts those are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of RunOfCell")]
pub struct Summary {
    /// Starts.
    pub starts: u32,
    /// Starts that were thrown away because something disturbed them.
    pub repeated: u32,
    /// Starts that were kept although something disturbed them.
    pub disturbed: u32,
    /// Starts whose counts or CPU time are INVALID: they decide nothing.
    pub invalid: u32,
    /// Starts whose times are INVALID: they are in no quantile.
    pub times_invalid: u32,
    /// Windows of all starts that do not count, because the hypervisor took time from their round; absent where it is not
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows_dropped: Option<u32>,
    /// Failed requests of all starts.
    pub errors: u64,
    /// Starts in which the generator counts as many replies as the server requests.
    pub counts_equal: u32,
    /// Starts that have both counts.
    pub counts_both: u32,
    pub requests_per_second: Option<Range>,
    pub server_run_us_per_request: Option<Range>,
    pub server_user_us_per_request: Option<Range>,
    pub server_system_us_per_request: Option<Range>,
    pub server_core_us_per_request: Option<Range>,
    pub client_cpu_us_per_request: Option<Range>,
    pub syscalls_per_request: Option<Range>,
    pub enters_per_request: Option<Range>,
    pub sqes_per_request: Option<Range>,
    pub cqes_per_request: Option<Range>,
    pub server_bytes_per_connection: Option<Range>,
    pub kernel_bytes_per_connection: Option<Range>,
    pub accepts_max_over_mean: Option<Range>,
    pub accepts_coefficient_of_variation: Option<Range>,
    pub lateness_us_p99: Option<Range>,
    /// Response time, of the merged histogram of all starts whose times are not INVALID.
    pub p50_us: Option<f64>,
    /// Likewise.
    pub p99_us: Option<f64>,
    /// Likewise.
    pub p99_9_us: Option<f64>,
}

impl Summary {
    /// Summarises `runs`. `responses` are the merged response times of those whose times are not INVALID.
    pub fn of(runs: &[RunOfCell], responses: Option<&Latencies>) -> Summary {
        let range = |figure: fn(&RunOfCell) -> Option<f64>| {
            let values: Vec<f64> = runs.iter().filter_map(figure).filter(|value| value.is_finite()).collect();
            Range::of(&values)
        };
        let count = |has: fn(&RunOfCell) -> bool| runs.iter().filter(|run| has(run)).count() as u32;
        let quantile = |quantile| responses?.quantile_us(quantile);
        Summary {
            starts: runs.len() as u32,
            repeated: runs.iter().map(|run| run.repeated).sum(),
            disturbed: count(|run| run.is_disturbed),
            invalid: count(|run| !run.stands()),
            times_invalid: count(|run| run.times == VerdictState::Invalid),
            windows_dropped: runs.iter().filter_map(|run| run.rounds_dropped).reduce(|sum, more| sum + more),
            errors: runs.iter().map(|run| run.errors).sum(),
            counts_equal: count(|run| run.replies_whole_run.is_some() && run.replies_whole_run == run.served_whole_run),
            counts_both: count(|run| run.replies_whole_run.is_some() && run.served_whole_run.is_some()),
            requests_per_second: range(|run| Some(run.requests_per_second)),
            server_run_us_per_request: range(|run| run.server_run_us_per_request),
            server_user_us_per_request: range(|run| run.server_user_us_per_request),
            server_system_us_per_request: range(|run| run.server_system_us_per_request),
            server_core_us_per_request: range(|run| run.server_core_us_per_request),
            client_cpu_us_per_request: range(|run| run.client_cpu_us_per_request),
            syscalls_per_request: range(|run| run.syscalls_per_request),
            enters_per_request: range(|run| run.enters_per_request),
            sqes_per_request: range(|run| run.sqes_per_request),
            cqes_per_request: range(|run| run.cqes_per_request),
            server_bytes_per_connection: range(|run| run.server_bytes_per_connection),
            kernel_bytes_per_connection: range(|run| run.kernel_bytes_per_connection),
            accepts_max_over_mean: range(|run| run.accepts_max_over_mean),
            accepts_coefficient_of_variation: range(|run| run.accepts_coefficient_of_variation),
            lateness_us_p99: range(|run| run.lateness_us_p99),
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            p99_9_us: quantile(0.999),
        }
    }
}
