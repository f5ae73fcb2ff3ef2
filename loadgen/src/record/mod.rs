//! The JSON document of one run. Field names are the public format; nothing here measures.

mod addresses;
mod cause;
mod interruption;
mod interval;
mod queue;
mod summary;

use crate::host::HostFacts;
use crate::kernel::KernelDelta;
use crate::plan::Plan;
use crate::plan::options::Options;
use crate::recording::tally::{Recorder, Requests, Tally, Traffic};
use crate::run::clock_check::ClockCheck;
use crate::run::hiccup::HiccupReport;
use crate::slo::SloOutcome;
use base64::Engine as _;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer, V2Serializer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use addresses::TargetAddress;
pub use cause::{CauseKind, LikelyCause};
pub use interruption::Interruption;
pub use interval::{Interval, IntervalPhase, LogEntry, Quantiles};
pub use queue::Queue;
pub(crate) use queue::Spread;
pub use summary::Summary;
pub(crate) use summary::{SAMPLES_ABOVE_MIN, samples_above};

/// Version of the format; raised when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// One run: what was asked for, what happened, and whether to believe it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Version of this format.
    pub schema: u32,
    /// Version of the program.
    pub version: String,
    /// What the program was built from, with `-dirty` when its sources differed from that commit. Whoever runs the
    /// generator knows; absent where nobody said.
    pub commit: Option<String>,
    /// The target as given, without credentials.
    pub target: String,
    /// The first address that was connected to.
    pub address: String,
    /// All addresses of the target, those that were left out included.
    #[serde(default)]
    pub addresses: Vec<TargetAddress>,
    /// `echo` or `http`.
    pub workload: String,
    /// How the generator did its I/O.
    pub engine: String,
    /// `closed`, `open` or `idle`.
    pub mode: String,
    /// `poisson` or `constant`; absent in a closed loop.
    pub schedule: Option<String>,
    /// Requests per second asked for; absent in a closed loop.
    pub rate: Option<f64>,
    /// Seed of the schedule and of the echo pattern.
    pub seed: u64,
    /// Requests per batch.
    pub pipeline: u32,
    /// Requests after which a connection was closed; absent where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_connection: Option<u16>,
    /// Worker threads.
    pub threads: u32,
    /// Length of the window as measured.
    pub duration_us: u64,
    /// Length of the window as asked for; absent when it was to end with its requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_status: Option<String>,
    /// Whether the run was ended before its time.
    pub interrupted: bool,
    /// In which part of the run; absent unless it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted_during: Option<Interruption>,
    /// Connections.
    pub connections: Connections,
    /// Requests intended within the window.
    pub requests: RequestCounts,
    /// Completed requests of the window over its length: of those that were meant to be sent within it, with
    /// their replies in the grace. What came in within the window is `achieved_per_second`; the two differ when a
    /// target cannot keep up, or takes about as long as the window for a reply. Like every rate absent for a
    /// window under 10 ms.
    pub requests_per_second: Option<f64>,
    /// Arrivals of the window over its length, or over the time to the last of them where they are counted
    /// (`--requests`), as is the next rate; absent without a schedule.
    #[serde(default)]
    pub offered_per_second: Option<f64>,
    /// Good replies that were received within the window over its length, whenever their requests were meant to
    /// be sent, in the warm-up too: what the target did.
    #[serde(default)]
    pub achieved_per_second: Option<f64>,
    /// The queue for a free connection; absent without a schedule.
    #[serde(default)]
    pub queue: Option<Queue>,
    /// Bytes received in the window.
    pub bytes_in: u64,
    /// Bytes sent in the window.
    pub bytes_out: u64,
    /// done − intended; requests without a good reply enter with the time they have been missing one for.
    pub response_us: Summary,
    /// done − written, of completed requests. In a closed loop the same as the response time of
    /// completed requests, because a request is written when it is intended.
    pub service_us: Summary,
    /// First byte of the reply − written, of replies of which a part arrived.
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
    /// The window cut into intervals, with warm-up before and grace behind it.
    pub intervals: Vec<Interval>,
    /// The histograms in ns as base64 of HdrHistogram's compressed V2 encoding.
    pub histograms: BTreeMap<String, String>,
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
    /// CPU time of the process and of the CPUs that were to be watched.
    pub watched: Option<Watched>,
    /// Memory of the generator.
    pub memory: Memory,
    /// Why nothing went well, when nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likely_cause: Option<LikelyCause>,
    /// Whether the numbers above deserve belief.
    pub verdict: Verdict,
    /// Whether the service level asked for was met; absent when none was asked for.
    pub slo: Option<SloOutcome>,
}

/// Connections, and the connects that made them. `attempts = opened + failed + pending`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Connections {
    /// Asked for.
    pub target: u64,
    /// Established when the load began.
    pub established: u64,
    /// Open without a loss for the whole window.
    pub held: u64,
    /// Connects started.
    pub attempts: u64,
    /// Connects that succeeded.
    pub opened: u64,
    /// Connects that failed.
    pub failed: u64,
    /// Connects without an outcome at the end.
    pub pending: u64,
    /// Connections established again after they had been closed.
    pub reconnects: u64,
    /// Connections that ended unannounced.
    pub lost: u64,
    /// Connections that ended as the peer had announced or this side had planned.
    pub closed: u64,
    /// Connections open at the very end. `opened = open + lost + closed`.
    pub open: u64,
    /// Source addresses in use; 0 when the kernel chose.
    pub sources: u64,
    /// Connections of an earlier run that was killed, which the server still had and which gave way to those of this
    /// one. Only the engine `tun` meets them: it calls from the same addresses and ports in each run.
    pub replaced: u64,
    /// From the first connect until all were established, or no worker tried any more.
    #[serde(default)]
    pub ramp_us: u64,
    /// Failed connects, and losses of idle connections, by cause.
    pub errors: BTreeMap<String, u64>,
}

/// Requests whose intended time lies in the window. `scheduled = sent + unsent`,
/// `sent = completed + failed + timed_out + censored`; `errors` adds up to `failed + timed_out`. Every one of
/// them has a response time: exact when completed, else the least that it may be.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RequestCounts {
    /// How many were to be sent; absent when their number had no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    /// Written once more, because the server had announced the end of the connection with an earlier reply: it has
    /// not processed them. Neither failures nor counted as sent again.
    #[serde(default)]
    pub resent: u64,
    /// Good replies of the whole run, warm-up and grace included: what the server should have counted.
    pub completed_whole_run: u64,
    /// Failures and timeouts by cause.
    pub errors: BTreeMap<String, u64>,
}

impl RequestCounts {
    /// Requests of which only the least is known that their response time may be.
    pub fn without_good_reply(&self) -> u64 {
        self.failed + self.timed_out + self.censored + self.unsent
    }
}

/// System calls in the window, over all workers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the calls")]
pub struct Syscalls {
    pub recv: u64,
    pub send: u64,
    pub epoll_wait: u64,
    pub epoll_ctl: u64,
    pub connect: u64,
    pub close: u64,
    pub io_uring_enter: u64,
    pub io_uring_register: u64,
    /// Submissions to rings; not system calls.
    pub sqes: u64,
    /// Completions of rings; not system calls.
    pub cqes: u64,
    /// Packets read from TUN devices, and attempts that found none.
    #[serde(default)]
    pub read: u64,
    /// Packets written to TUN devices.
    #[serde(default)]
    pub write: u64,
    #[serde(default)]
    pub poll: u64,
}

/// CPU time of the generator between two samples at the ends of the window.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Cpu {
    /// User time of the process.
    pub user_us: u64,
    /// System time of the process.
    pub system_us: u64,
    /// Time between the samples.
    pub wall_us: u64,
    /// Replies received between the samples: what to divide by.
    pub requests_completed_in_window: u64,
    /// Time, contained in the above, that workers spent polling for the next arrival with nothing to do.
    pub polling_us: u64,
    /// Share of the window for which the busiest worker was on a CPU and not just polling.
    pub busiest_worker_share: Option<f64>,
    /// CPUs the workers were pinned to.
    pub cpus: Vec<u32>,
    /// Busy time of these CPUs, interrupts included.
    pub busy_us: Option<u64>,
}

/// CPU time of something else (the server) between the same two samples.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Watched {
    /// The process.
    pub pid: Option<u32>,
    /// Its user time; absent when it could not be read at both ends.
    pub user_us: Option<u64>,
    /// Its system time.
    pub system_us: Option<u64>,
    /// The CPUs.
    pub cpus: Vec<u32>,
    /// Their busy time, interrupts included.
    pub busy_us: Option<u64>,
    /// Replies received between the samples: what to divide by.
    pub requests_completed_in_window: u64,
}

/// Anonymous resident memory of the generator.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Memory {
    /// Workers ready, no connections yet.
    pub rss_anon_before_bytes: Option<u64>,
    /// Every connection established.
    pub rss_anon_established_bytes: Option<u64>,
    /// The difference for each established connection.
    pub per_connection_bytes: Option<f64>,
    /// Size limit of a connection's own data, checked at compile time.
    pub connection_struct_bytes_max: u64,
}

/// How much belief a check or a run deserves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Not applied to this run; `why` tells what would run it. Says nothing about the run.
    Skipped,
    /// Nothing to object to.
    #[default]
    Valid,
    /// Read the reason before quoting the number.
    Warn,
    /// Do not quote the number.
    Invalid,
}

impl State {
    /// The name in records and tables.
    pub const fn name(self) -> &'static str {
        match self {
            State::Skipped => "SKIPPED",
            State::Valid => "VALID",
            State::Warn => "WARN",
            State::Invalid => "INVALID",
        }
    }
}

/// The outcome of all checks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Verdict {
    /// The worst state of any check: VALID, WARN or INVALID, never SKIPPED.
    pub state: State,
    /// Every check, passed, failed or skipped.
    pub checks: Vec<Check>,
}

/// One check of the measurement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Check {
    /// Stable name, `V1` and so on.
    pub id: String,
    /// What is checked.
    pub title: String,
    /// What was found.
    pub value: String,
    /// The condition of a warning.
    pub warn: String,
    /// The condition of invalidity.
    pub invalid: String,
    /// The outcome.
    pub state: State,
    /// What it means, or what would run a skipped check; empty for a plain pass.
    pub why: String,
    /// Whether it says no more than [`Record::likely_cause`] does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follows: bool,
}

/// The compressed V2 encoding of HdrHistogram, as its tools exchange it.
pub(crate) fn encode(recorder: &Recorder) -> String {
    let mut bytes = Vec::new();
    // Writing to a Vec cannot fail; should the encoder refuse, an empty string says so.
    match V2DeflateSerializer::new().serialize(&recorder.histogram, &mut bytes) {
        Ok(_) => base64::engine::general_purpose::STANDARD.encode(bytes),
        Err(_) => String::new(),
    }
}

/// The V2 encoding without its compression, which takes ten times as long.
pub(crate) fn raw_bytes(recorder: &Recorder) -> Vec<u8> {
    let mut bytes = Vec::new();
    // As above: empty bytes say so.
    match V2Serializer::new().serialize(&recorder.histogram, &mut bytes) {
        Ok(_) => bytes,
        Err(_) => Vec::new(),
    }
}

/// Turns [`raw_bytes`] into what [`encode`] would have returned.
pub(crate) fn compress(raw: &[u8]) -> String {
    match Deserializer::new().deserialize::<u64, _>(&mut &raw[..]) {
        Ok(histogram) => encode(&Recorder { histogram, clamped: 0 }),
        Err(_) => String::new(),
    }
}

impl Connections {
    pub(crate) fn of(tally: &Tally, plan: &Plan, ramp_us: u64) -> Connections {
        let connects = &tally.connects;
        Connections {
            target: plan.connections.iter().map(|&count| u64::from(count)).sum(),
            established: connects.established,
            held: connects.held,
            attempts: connects.attempts,
            opened: connects.opened,
            failed: connects.failed,
            pending: connects.pending,
            reconnects: connects.reconnects,
            lost: connects.lost,
            closed: connects.closed,
            open: connects.open,
            sources: plan.source_count() as u64,
            replaced: connects.replaced,
            ramp_us,
            errors: tally.connect_causes.named(),
        }
    }
}

impl RequestCounts {
    pub(crate) fn of(requests: &Requests, tally: &Tally, asked: Option<u64>) -> RequestCounts {
        let Requests { scheduled, sent, unsent, completed, failed, timed_out, censored, resent } = *requests;
        RequestCounts {
            asked,
            resent,
            scheduled,
            sent,
            unsent,
            completed,
            failed,
            timed_out,
            censored,
            completed_whole_run: tally.completed_whole_run,
            errors: tally.request_causes.named(),
        }
    }
}

impl From<Traffic> for Syscalls {
    fn from(traffic: Traffic) -> Syscalls {
        Syscalls {
            recv: traffic.recv,
            send: traffic.send,
            epoll_wait: traffic.epoll_wait,
            epoll_ctl: traffic.epoll_ctl,
            connect: traffic.connect,
            close: traffic.close,
            io_uring_enter: traffic.enter,
            io_uring_register: traffic.register,
            sqes: traffic.sqes,
            cqes: traffic.cqes,
            read: traffic.read,
            write: traffic.write,
            poll: traffic.poll,
        }
    }
}

impl Cpu {
    pub(crate) fn of(kernel: &KernelDelta, completed: u64, options: &Options, tally: &Tally) -> Cpu {
        Cpu {
            user_us: kernel.own.user_us.unwrap_or(0),
            system_us: kernel.own.system_us.unwrap_or(0),
            wall_us: kernel.wall_us,
            requests_completed_in_window: completed,
            polling_us: tally.spun_ns / 1000,
            busiest_worker_share: tally.cpu_share,
            cpus: options.cpus.clone(),
            busy_us: kernel.own_cpus_busy_us,
        }
    }
}

impl Watched {
    pub(crate) fn of(kernel: &KernelDelta, completed: u64, options: &Options) -> Option<Watched> {
        if options.watch_pid.is_none() && options.watch_cpus.is_empty() {
            return None;
        }
        let process = kernel.watched.unwrap_or_default();
        Some(Watched {
            pid: options.watch_pid,
            user_us: process.user_us,
            system_us: process.system_us,
            cpus: options.watch_cpus.clone(),
            busy_us: kernel.watched_cpus_busy_us,
            requests_completed_in_window: completed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_survive_the_encoding() {
        let mut original = Recorder::new();
        [1, 1000, 1_000_000, 1_000_000].into_iter().for_each(|value| original.record(value));
        assert_eq!(compress(&raw_bytes(&original)), encode(&original));
        let bytes = base64::engine::general_purpose::STANDARD.decode(encode(&original)).unwrap();
        let mut reader = hdrhistogram::serialization::Deserializer::new();
        let decoded: hdrhistogram::Histogram<u64> = reader.deserialize(&mut bytes.as_slice()).unwrap();
        assert_eq!(decoded, original.histogram);
    }
}
