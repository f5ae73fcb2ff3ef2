//! The input of the checks. The code that gathers it decides nothing; the checks read nothing else.

use super::extent::Extent;
use crate::plan::mode::Mode;
use crate::record::{Connections, Queue, Reconnects, RequestCounts, Summary};
use crate::schedule::Process;

/// Findings of one run. An absent one could not be read or was not requested, and its check is skipped.
#[derive(Debug, Clone, Default)]
pub struct Evidence<'a> {
    /// How much of a window there was.
    pub extent: Extent,
    /// What decided when requests were sent.
    pub mode: Mode,
    /// How arrivals were spaced; absent where they cannot be tested.
    pub process: Option<Process>,
    /// Requests of the window.
    pub requests: Option<&'a RequestCounts>,
    /// Connections.
    pub connections: Option<&'a Connections>,
    /// V7: clients that lost their connection, with a reconnect policy.
    pub reconnect: Option<&'a Reconnects>,
    /// Response times.
    pub response: Option<&'a Summary>,
    /// Service times.
    pub service: Option<&'a Summary>,
    /// Lateness of the generator.
    pub lateness: Option<&'a Summary>,
    /// Waiting for a free connection and for the kernel.
    pub back_pressure: Option<&'a Summary>,
    /// V2: sends later than 100 µs.
    pub late_100us: u64,
    /// V2: sends later than 1 ms and than a tenth of the median response.
    pub late_far: u64,
    /// V3: requests whose back-pressure exceeded 1 ms.
    pub waited: u64,
    /// V3: the queue for a free connection.
    pub queue: Option<&'a Queue>,
    /// V1: the window second by second.
    pub windows: &'a [SendWindow],
    /// V11: the actual sends of the worst worker.
    pub arrivals: Option<ArrivalTest>,
    /// V4: CPU share of the busiest worker, or of all workers of the busiest CPU, in each interval of the window. Leave out a fragment of an
    /// interval at the end of the window: its share means nothing.
    pub worker_shares: &'a [f64],
    /// V4: share of the window for which the busiest worker, or all workers of the busiest CPU, had it.
    pub busiest_worker_share: Option<f64>,
    /// V5: share of the window for which a worker waited for a CPU, of the worst worker.
    pub run_delay_share: Option<f64>,
    /// V5: share of the window for which other workers of the same CPU worked.
    pub siblings_share: f64,
    /// V5: share of the window for which anything else than this program ran on a CPU that several workers share.
    pub foreign_share: Option<f64>,
    /// V5: share of the window for which this program's other threads ran on CPUs that workers use.
    pub attendants_share: f64,
    /// V5: share of the window that the hypervisor gave to others, of the generator's worst CPU.
    pub steal_share: Option<f64>,
    /// V5: how often a worker was taken off its CPU.
    pub involuntary_switches: Option<u64>,
    /// V6: oversleep of a thread that wakes every 2 ms.
    pub hiccup_us_p99_9: Option<f64>,
    /// V6: the longest oversleep.
    pub hiccup_us_max: Option<f64>,
    /// V6: gaps of more than 100 ms in the window.
    pub hiccup_gaps: u64,
    /// V10: connects and requests that failed because the host was short of something.
    pub host_shortages: u64,
    /// V9: how far the kernel's count of established connections rose from before the connects to the
    /// start of the window, and how many ends each connection has in that table: 2 when both ends are in
    /// one network namespace, else 1.
    pub kernel_established: Option<(u64, u64)>,
    /// V9: whether the network namespace is the run's own. In a shared one others also close connections, so
    /// the kernel's count is reported but not judged.
    pub is_alone: bool,
    /// V9, V17: whether the connections use a unix socket; TCP's counters say nothing about those.
    pub is_unix: bool,
    /// V12: quantiles interval by interval.
    pub steadiness: Option<Steadiness>,
    /// V17: the network stack under the generator, in the window.
    pub transport: Option<Transport>,
    /// V18: the clock.
    pub clock: Option<ClockFacts>,
    /// V19: times beyond the range of the histograms.
    pub clamped: u64,
    /// V15: the generator's performance against a server that does nothing.
    pub calibration: Option<Calibration>,
    /// V15: good replies per second of the window.
    pub achieved_per_second: Option<f64>,
    /// V20: what a reader must know about the host.
    pub disclosure: Option<Disclosure>,
    /// V20: whether the target is on this host.
    pub is_co_located: bool,
}

/// One second of the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SendWindow {
    /// Arrivals whose intended time lies in it.
    pub due: u64,
    /// Arrivals that the generator noticed in it.
    pub reached: u64,
}

/// The actual send times of one worker.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ArrivalTest {
    /// Poisson: sums of `gaps_per_sample` neighbouring gaps, in order and without overlap, each in units of
    /// the expected gap. They should follow the gamma distribution of that shape, except for the granularity
    /// of the generator's turns; the check adds up enough neighbours to remove that effect.
    pub gap_sums: Vec<f64>,
    /// The least number of gaps expected to span 1 ms: replies cannot show finer structure. One for a worker
    /// of up to 1,000 requests/s.
    pub gaps_per_sample: u32,
    /// Actual over intended rate of the window.
    pub mean_rate_ratio: f64,
    /// Arrivals intended in the window.
    pub expected: f64,
    /// Constant: greatest number of arrivals in 1 ms.
    pub bin_count_max: u64,
    /// Constant: mean number of arrivals in 1 ms.
    pub bin_count_mean: f64,
}

/// Response times in the course of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Steadiness {
    /// Whether the warm-up ended because the response had become steady; absent when its length was fixed.
    pub reached_steady: Option<bool>,
    /// Length of the warm-up.
    pub warmup_us: u64,
    /// Medians of those intervals of the window that had enough samples, in order.
    pub p50_us: Vec<f64>,
    /// 99 % quantiles likewise.
    pub p99_us: Vec<f64>,
}

/// Increases of the network stack's counters on the generator's side within the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transport {
    /// Segments sent (Tcp OutSegs).
    pub out_segs: u64,
    /// Segments sent again (Tcp RetransSegs).
    pub retrans_segs: u64,
    /// Packets dropped because a CPU's input queue was full (column 2 of /proc/net/softnet_stat).
    pub softnet_dropped: u64,
    /// Segments dropped because a socket's backlog was full (TcpExt TCPBacklogDrop).
    pub backlog_drops: u64,
    /// How often TCP came under memory pressure (TcpExt TCPMemoryPressures).
    pub memory_pressures: u64,
}

/// The clock that all times come from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClockFacts {
    /// Name of the kernel's clock source.
    pub clocksource: String,
    /// Cost of one reading.
    pub read_ns: f64,
    /// How often a reading was earlier than the one before it.
    pub steps_back: u64,
}

/// The generator against a server that does nothing, over the same connections.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Calibration {
    /// 99 % quantile of the response time there, at the rate of this run.
    pub null_response_us_p99: f64,
    /// Greatest rate there.
    pub null_requests_per_second_max: f64,
}

/// Facts without which a number is worthless. `None` means unknown; a host without the feature says `none`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disclosure {
    /// Whether the target is on this host.
    pub is_co_located: bool,
    /// CPUs that the workers are pinned to; empty when the scheduler places them.
    pub cpus: Vec<u32>,
    /// Frequency governor.
    pub governor: Option<String>,
    /// Release of the kernel.
    pub kernel: Option<String>,
    /// Mitigations of CPU vulnerabilities.
    pub mitigations: Option<String>,
    /// Name of the kernel's clock source.
    pub clocksource: Option<String>,
    /// Version of the program.
    pub version: String,
    /// Seed of the schedule.
    pub seed: Option<u64>,
}

impl Evidence<'_> {
    /// Why a check of the schedule has nothing to judge; `None` if requests have intended times.
    pub(super) fn why_unscheduled(&self) -> Option<&'static str> {
        match self.mode {
            Mode::Closed => Some("a closed loop sends when a connection is free, so nothing can be late; needs --rate"),
            Mode::Idle => Some(IDLE),
            Mode::Open | Mode::Heartbeat => None,
        }
    }

    /// Why a check of times has nothing to judge; `None` if requests are timed.
    pub(super) fn why_untimed(&self) -> Option<&'static str> {
        (self.mode == Mode::Idle).then_some(IDLE)
    }
}

const IDLE: &str = "connections were held idle and no request was timed; needs --rate above 0, or none";
