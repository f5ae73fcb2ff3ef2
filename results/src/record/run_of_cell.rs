//! One start of an arm: a row of `runs.csv.zst`.

use serde::{Deserialize, Serialize};

/// One start: a server and a generator that ran once. The names are those of the columns, and each value fits a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunOfCell {
    /// [`super::Cell::key`].
    pub cell: String,
    /// The block that it belongs to, from 0.
    pub block: u32,
    /// Position among all starts that are kept, in the order they took place.
    pub order: u32,
    /// When its window began, in seconds since the experiment did.
    pub started_s: f64,
    /// Starts that were made and thrown away for it, because something disturbed them.
    pub repeated: u32,
    /// Whether it was kept although something disturbed it, because its repeats were disturbed, too, or all repeats were
    /// used up.
    pub is_disturbed: bool,
    /// Share of the window that the hypervisor took from the CPU of the two that lost more.
    pub stolen_share: Option<f64>,
    /// Share of the window that the server's reactors waited for their CPU because of something else than each other, at
    /// least.
    pub waited_share: Option<f64>,
    /// Completed requests over the measured interval.
    pub requests_per_second: f64,
    /// Requests answered correctly.
    pub completed: u64,
    /// Requests that failed in any way.
    pub errors: u64,
    /// The server process's time on a CPU, user and system, by its CPU clock: exact.
    pub server_run_us_per_request: Option<f64>,
    /// The server process's own time in user mode, by ticks.
    pub server_user_us_per_request: Option<f64>,
    /// The server process's own time in the kernel, by ticks.
    pub server_system_us_per_request: Option<f64>,
    /// Busy time of the server's processors, including interrupts, whoever caused it. Absent if some of it was stolen.
    pub server_core_us_per_request: Option<f64>,
    /// The load generator's user and kernel time.
    pub client_cpu_us_per_request: Option<f64>,
    /// System calls of the server.
    pub syscalls_per_request: Option<f64>,
    /// The `io_uring_enter` calls among them.
    pub enters_per_request: Option<f64>,
    /// Submission queue entries of the server.
    pub sqes_per_request: Option<f64>,
    /// Completion queue entries of the server.
    pub cqes_per_request: Option<f64>,
    /// Growth of the server process's own memory over the connections.
    pub server_bytes_per_connection: Option<f64>,
    /// Growth of the kernel's slabs over the connections, for both ends.
    pub kernel_bytes_per_connection: Option<f64>,
    /// Connections of the fullest reactor over the mean of all, where there are several.
    pub accepts_max_over_mean: Option<f64>,
    /// Standard deviation of the reactors' connections over their mean.
    pub accepts_coefficient_of_variation: Option<f64>,
    /// How late the load generator itself was, 99th percentile.
    pub lateness_us_p99: Option<f64>,
    /// Response time as the generator reports it.
    pub response_us_p50: Option<f64>,
    /// Likewise.
    pub response_us_p90: Option<f64>,
    /// Likewise.
    pub response_us_p99: Option<f64>,
    /// Good replies of the whole run, including the warm-up, as the generator counts them.
    pub replies_whole_run: Option<u64>,
    /// Requests as the server counts them.
    pub served_whole_run: Option<u64>,
    /// Rounds that were made and do not count, because the hypervisor took time from them; absent where no rounds were made.
    #[serde(default)]
    pub rounds_dropped: Option<u32>,
    /// Whether its counts may be believed.
    pub counts: VerdictState,
    /// Whether its CPU time may be believed.
    pub cpu: VerdictState,
    /// Whether its times may be believed.
    pub times: VerdictState,
    /// Ids of the checks that were not ok, with spaces between them.
    pub objections: String,
}

impl RunOfCell {
    /// Whether counts and CPU time may be compared. Times that are in doubt are no reason to drop them.
    pub fn stands(&self) -> bool {
        self.counts.max(self.cpu) != VerdictState::Invalid
    }
}

/// State of a verdict, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VerdictState {
    /// Every check passed.
    Valid,
    /// Some check says to be careful.
    Warn,
    /// The numbers must not be used.
    Invalid,
}

impl VerdictState {
    /// The word used in reports and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            VerdictState::Valid => "VALID",
            VerdictState::Warn => "WARN",
            VerdictState::Invalid => "INVALID",
        }
    }
}
