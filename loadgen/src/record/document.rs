//! The document of one run as a whole.

use super::{
    ClockCheck, Connections, Cpu, HiccupReport, Interruption, Interval, LikelyCause, Memory, Queue, Reconnects,
    RequestCounts, SloOutcome, Summary, Syscalls, TargetAddress, Verdict, Watched,
};
use crate::distribution::Distribution;
use crate::plan::engine::Engine;
use crate::plan::mode::Mode;
use crate::schedule::Process;
use host::HostFacts;
use host::kernel::KernelDelta;
use protocol::Workload;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the format; raised when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// One run: what was requested, what happened, and whether to believe it. Reading fails if a field is missing that
/// is always written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Record {
    /// Version of this format.
    pub schema: u32,
    /// Version of the program.
    pub version: String,
    /// The commit the program was built from, with `-dirty` if its sources differed from it. The caller supplies
    /// it; absent if it did not.
    pub commit: Option<String>,
    /// The target as given, without credentials.
    pub target: String,
    /// The first address that was connected to.
    pub address: String,
    /// All addresses of the target, those that were left out included.
    pub addresses: Vec<TargetAddress>,
    /// `echo` or `http`.
    pub workload: Workload,
    /// How the generator did its I/O.
    pub engine: Engine,
    /// What decided when requests were sent.
    pub mode: Mode,
    /// How arrivals were spaced; absent without a rate.
    pub schedule: Option<Process>,
    /// Requests per second asked for; absent in a closed loop.
    pub rate: Option<f64>,
    /// Seed of the schedule and of the echo pattern.
    pub seed: u64,
    /// Requests per batch.
    pub pipeline: u32,
    /// Requests after which a connection was closed; absent where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_connection: Option<u16>,
    /// Worker threads.
    pub threads: u32,
    /// Length of the window as measured.
    pub duration_us: u64,
    /// Length of the window as asked for; absent when it was to end with its requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_planned_us: Option<u64>,
    /// Load before the window.
    pub warmup_us: u64,
    /// Timeout of one request.
    pub timeout_us: u64,
    /// Wall time at the start of the window.
    pub window_start_unix_ms: u64,
    /// CLOCK_MONOTONIC in ns at the start of the window, to match it with what else happened on this host.
    pub window_start_ns: u64,
    /// The HTTP statuses that were a success; absent for echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect_status: Option<String>,
    /// Whether the run was ended before its time.
    pub interrupted: bool,
    /// In which part of the run; absent unless it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupted_during: Option<Interruption>,
    /// Connections.
    pub connections: Connections,
    /// Clients that lost their connection; absent without a reconnect policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconnect: Option<Reconnects>,
    /// Requests intended within the window.
    pub requests: RequestCounts,
    /// Completed requests of the window over its length. These are the requests meant to be sent within it, even
    /// if their replies came in the grace. Replies received within the window are `achieved_per_second`; the two
    /// differ if a target cannot keep up, or takes about as long as the window for a reply. Like every rate,
    /// absent for a window under 10 ms.
    pub requests_per_second: Option<f64>,
    /// Arrivals of the window over its length, or, if they are counted (`--requests`), over the time to the
    /// last of them; the same holds for the next rate. Absent without a schedule.
    pub offered_per_second: Option<f64>,
    /// Good replies received within the window over its length, even if their requests were meant for the
    /// warm-up: what the target did.
    pub achieved_per_second: Option<f64>,
    /// The queue for a free connection; absent without a schedule.
    pub queue: Option<Queue>,
    /// Bytes received in the window.
    pub bytes_in: u64,
    /// Bytes sent in the window.
    pub bytes_out: u64,
    /// done − intended; requests without a good reply count with the time they have waited so far.
    pub response_us: Summary,
    /// done − written, of completed requests. In a closed loop the same as the response time of
    /// completed requests, because a request is written when it is intended.
    pub service_us: Summary,
    /// First byte of the reply − written, for replies of which at least a part arrived.
    pub first_byte_us: Summary,
    /// reached − intended: how late the generator itself was. Zero by definition in a closed loop.
    pub lateness_us: Summary,
    /// written − reached: waiting for a free connection and for the kernel to take the request.
    pub back_pressure_us: Summary,
    /// From connect(2) to established, of the whole run.
    pub connect_us: Summary,
    /// Connect time plus the service time of the first request on that connection, of the whole run. A
    /// server with a full accept queue looks connected to its client; only this shows the wait.
    pub time_to_first_response_us: Summary,
    /// Times beyond the range of the histograms, entered at its end.
    pub clamped: u64,
    /// The window cut into intervals, with the warm-up before it and the grace after it.
    pub intervals: Vec<Interval>,
    /// The histograms in ns as base64 of HdrHistogram's compressed V2 encoding.
    pub histograms: BTreeMap<Distribution, String>,
    /// System calls of the workers in the window.
    pub syscalls: Syscalls,
    /// What the kernel counted over the window.
    pub kernel: KernelDelta,
    /// The host of the generator.
    pub host: HostFacts,
    /// Pauses of the host during the window.
    pub hiccups: HiccupReport,
    /// The clock behind every number.
    pub clock: ClockCheck,
    /// CPU time of the generator.
    pub cpu: Cpu,
    /// CPU time of the watched process and CPUs.
    pub watched: Option<Watched>,
    /// Memory of the generator.
    pub memory: Memory,
    /// Why nothing completed, if nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likely_cause: Option<LikelyCause>,
    /// Whether the numbers above deserve belief.
    pub verdict: Verdict,
    /// Whether the service level asked for was met; absent when none was asked for.
    pub slo: Option<SloOutcome>,
}
