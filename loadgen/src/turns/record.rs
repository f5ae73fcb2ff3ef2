//! What the turns gave, as a document.

use serde::{Deserialize, Serialize};

/// All of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Record {
    /// Every turn, in order.
    pub turns: Vec<Turn>,
    /// Every round, in order.
    pub rounds: Vec<Round>,
    /// By server, in the order of the targets.
    pub targets: Vec<Whole>,
    /// When the first turn began, in ms since 1970.
    pub started_unix_ms: u64,
}

/// One window of one server.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Turn {
    /// Number of the server among the targets.
    pub target: usize,
    /// Number of the round.
    pub round: u32,
    /// Begin of the window, since the first turn began.
    pub start_us: u64,
    /// Its length.
    pub wall_ns: u64,
    /// Time that the server's process ran in it.
    pub run_ns: u64,
    /// Time that the client ran in it. It never sleeps, so what is missing was taken from it.
    pub client_run_ns: u64,
    /// Replies in it.
    pub completed: u64,
    /// With a rate: requests that came due in it.
    pub due: Option<u64>,
    /// Time that threads of the process were ready to run in it but had no CPU, summed over threads; absent in a kernel
    /// without CONFIG_SCHED_INFO.
    pub run_delay_us: Option<u64>,
    /// What the hypervisor took in it, and in 2 ms before it, from the watched CPU that lost most, in ticks of 10 ms; absent
    /// where the kernel does not tell.
    pub stolen_us: Option<u64>,
}

/// One round.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Round {
    /// Length of its windows together.
    pub wall_us: u64,
    /// What the hypervisor took in them; absent where the kernel does not tell.
    pub stolen_us: Option<u64>,
    /// Whether that is more than a twentieth of them, or more than a twentieth and a tick of any of them.
    pub is_disturbed: bool,
}

/// What one server did in all turns.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Whole {
    /// Replies, those outside of windows included.
    pub replies: u64,
    /// Response times of the requests of all windows, from the intended time on: an HdrHistogram in Base64.
    pub responses: String,
    /// Median response time in µs.
    pub response_us_p50: Option<f64>,
    /// The 90th percentile.
    pub response_us_p90: Option<f64>,
    /// The 99th percentile.
    pub response_us_p99: Option<f64>,
    /// How much later than intended the client sent: 99th percentile, with a rate only.
    pub lateness_us_p99: Option<f64>,
    /// Growth of the process's own memory from before its connections were opened to the end of the last turn, or to when
    /// they were open, if that is more. Absent where the connections do not stay, or if it cannot be read.
    pub process_bytes_grown: Option<f64>,
    /// Growth of the kernel's slabs while its connections were opened and had a request each, for both ends.
    pub kernel_bytes_grown: Option<f64>,
}
