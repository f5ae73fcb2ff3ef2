//! The record of an experiment: everything needed to believe, repeat or re-render it.
//!
//! Field names are those of the JSON document. What could not be measured is absent (`null`), never zero.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::histogram::Latencies;
use crate::stats::Range;

/// Version of the document. It rises when a reader of the older form would misread the newer one. Version 2 added the
/// rule that decides (`decision`), keys of cells, and the other files of a run.
pub const SCHEMA: u32 = 2;

/// One run of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name of the experiment.
    pub experiment: String,
    /// The question it answers.
    pub question: String,
    /// The metric that decides between the arms.
    pub metric: Metric,
    /// The rule that decides.
    #[serde(default)]
    pub decision: Decision,
    /// When it began, RFC 3339 in UTC.
    pub started_at: String,
    /// Duration of the whole experiment.
    pub duration_s: f64,
    /// The command line, program first.
    pub command: Vec<String>,
    /// Version of the program.
    pub version: String,
    /// Commit of the program, with `-dirty` if the tree had changes.
    pub commit: String,
    /// The facts of the host.
    pub host: Value,
    /// Seed of every schedule.
    pub seed: u64,
    /// How often each arm ran.
    pub repeats: u32,
    /// Length of each measured interval.
    pub seconds_per_run: f64,
    /// What a reader must know besides the numbers.
    pub notes: Vec<String>,
    /// Arms that could not run, with the reasons.
    pub skipped: Vec<String>,
    /// Waits for preconditions: how long, and why.
    #[serde(default)]
    pub waits: Vec<String>,
    /// How often the experiment was interrupted and continued.
    #[serde(default)]
    pub resumed: u32,
    /// The measurements.
    pub cells: Vec<Cell>,
    /// Memory of idle connections.
    pub memory: Vec<MemoryCell>,
}

/// The figure that decides between the arms of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// [`Summary::server_run_us_per_request`].
    ServerRun,
    /// [`Summary::server_core_us_per_request`], which decided before run time was recorded.
    ServerCore,
    /// [`Summary::client_cpu_us_per_request`].
    ClientCpu,
}

impl Metric {
    /// Its name in a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Metric::ServerRun => "server CPU per request",
            Metric::ServerCore => "core CPU per request",
            Metric::ClientCpu => "client CPU per request",
        }
    }

    /// Its range over the repeats of a cell.
    pub fn range(self, summary: &Summary) -> Option<Range> {
        match self {
            Metric::ServerRun => summary.server_run_us_per_request,
            Metric::ServerCore => summary.server_core_us_per_request,
            Metric::ClientCpu => summary.client_cpu_us_per_request,
        }
    }

    /// Its value in one run.
    pub fn of_run(self, run: &RunOfCell) -> Option<f64> {
        match self {
            Metric::ServerRun => run.server_run_us_per_request,
            Metric::ServerCore => run.server_core_us_per_request,
            Metric::ClientCpu => run.client_cpu_us_per_request,
        }
    }
}

/// When a difference between two arms counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The arm that the others are compared with. If absent, the first arm of each load.
    pub reference: Option<String>,
    /// The smallest relative difference that matters, for example 0.02.
    pub effect_min: f64,
    /// The rule in a sentence, for the report.
    pub words: String,
}

impl Default for Decision {
    fn default() -> Decision {
        Decision { reference: None, effect_min: 0.02, words: String::new() }
    }
}

/// One arm under one load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Names the cell in file names, in `latency.hlog` (the tag) and in `series.jsonl`: lower case letters, digits and
    /// dashes, unique within the record. Empty in records of schema 1.
    #[serde(default)]
    pub key: String,
    /// `echo`, `http` or `websocket`.
    pub workload: String,
    /// Backend and variant, for example `epoll level`.
    pub arm: String,
    /// The load generator, if several are compared. Otherwise empty.
    #[serde(default)]
    pub generator: String,
    /// The server under load, if generators are compared. Otherwise empty.
    #[serde(default)]
    pub server: String,
    /// Whether the arm is a server of this project. See [`Cell::is_own`] for records without this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_own: Option<bool>,
    /// Connections of the load generator.
    pub connections: u64,
    /// What makes the generator send.
    #[serde(rename = "loop")]
    pub load_loop: Loop,
    /// Requests in flight on a connection.
    pub pipeline: u32,
    /// Requests after which the client closes a connection and opens another. 0 keeps the connection.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub requests_per_connection: u32,
    /// Each repeat.
    pub runs: Vec<RunOfCell>,
    /// All repeats together.
    pub summary: Summary,
}

/// First words of this project's variants, for records older than [`Cell::is_own`].
const OWN: [&str; 3] = ["epoll ", "mio ", "io_uring "];

impl Cell {
    /// Whether the arm is a server of this project. In older records, its name tells.
    pub fn is_own(&self) -> bool {
        let by_name = || OWN.iter().any(|word| self.arm.starts_with(word)) && self.generator.is_empty();
        self.is_own.unwrap_or_else(by_name)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What makes the load generator send the next request.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loop {
    /// The reply to the previous request.
    Closed,
    /// A schedule that does not wait for replies.
    Open {
        /// Requests a second.
        rate: f64,
    },
}

/// One repeat of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunOfCell {
    /// Number of the repeat. Runs of different arms with the same number belong together.
    pub repeat: u32,
    /// Position among all runs of the experiment, in the order in which they took place.
    pub order: u32,
    /// When the run began, in seconds since the start of the experiment.
    #[serde(default)]
    pub started_s: f64,
    /// Completed requests over the measured interval.
    pub requests_per_second: f64,
    /// Requests answered correctly.
    pub completed: u64,
    /// Requests that failed in any way.
    pub errors: u64,
    /// The server process's time on a CPU, user and system, by its CPU clock: exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_run_us_per_request: Option<f64>,
    /// The server process's own time in user mode, by ticks.
    pub server_user_us_per_request: Option<f64>,
    /// Time of the server's process in the kernel.
    pub server_system_us_per_request: Option<f64>,
    /// Busy time of the server's processors, interrupts included, whoever caused it. Absent when some of it was stolen.
    pub server_core_us_per_request: Option<f64>,
    /// The load generator's user and kernel time.
    pub client_cpu_us_per_request: Option<f64>,
    /// System calls of the server.
    pub syscalls_per_request: Option<f64>,
    /// System calls of the server that are `io_uring_enter`.
    pub enters_per_request: Option<f64>,
    /// Submission queue entries of the server.
    #[serde(default)]
    pub sqes_per_request: Option<f64>,
    /// Completion queue entries of the server.
    #[serde(default)]
    pub cqes_per_request: Option<f64>,
    /// Growth of the server process's own memory over the connections.
    #[serde(default)]
    pub server_bytes_per_connection: Option<f64>,
    /// Growth of the kernel's slabs over the connections, both ends.
    #[serde(default)]
    pub kernel_bytes_per_connection: Option<f64>,
    /// Connections of the fullest reactor divided by the mean of all reactors, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepts_max_over_mean: Option<f64>,
    /// Standard deviation of the reactors' connections divided by their mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepts_coefficient_of_variation: Option<f64>,
    /// 99th percentile of how late the load generator itself was.
    pub lateness_us_p99: Option<f64>,
    /// Response times of this run as its generator reports them.
    #[serde(default)]
    pub response_us: Reported,
    /// Good replies of the whole run, including the warm-up, as the generator counted them.
    #[serde(default)]
    pub replies_whole_run: Option<u64>,
    /// Requests as the server counted them.
    #[serde(default)]
    pub served_whole_run: Option<u64>,
    /// Whether the measurement is credible.
    pub verdict: Verdict,
    /// What the two programs printed.
    pub raw: Raw,
}

/// Quantiles in µs that one generator reports for one run.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Reported {
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p99: Option<f64>,
}

/// Whether a measurement is credible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The worst state of any check.
    pub state: VerdictState,
    /// Whether an invalid measurement only has invalid times. Its counts and CPU time are then still usable.
    #[serde(default)]
    pub times_only: bool,
    /// Ids of the checks that were not ok.
    pub not_ok: Vec<String>,
}

/// State of a verdict, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VerdictState {
    /// Every check passed.
    Valid,
    /// At least one check calls for caution.
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

/// The complete output behind a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Raw {
    /// What the load generator printed.
    pub load: Value,
    /// What the server printed.
    pub server: Value,
}

/// All repeats of a cell together: the range of each metric, and quantiles of the merged histograms.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Over [`RunOfCell::requests_per_second`].
    pub requests_per_second: Option<Range>,
    /// Over [`RunOfCell::server_run_us_per_request`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_run_us_per_request: Option<Range>,
    /// Over [`RunOfCell::server_user_us_per_request`].
    pub server_user_us_per_request: Option<Range>,
    /// Over [`RunOfCell::server_system_us_per_request`].
    pub server_system_us_per_request: Option<Range>,
    /// Over [`RunOfCell::server_core_us_per_request`].
    pub server_core_us_per_request: Option<Range>,
    /// Over [`RunOfCell::client_cpu_us_per_request`].
    pub client_cpu_us_per_request: Option<Range>,
    /// Over [`RunOfCell::syscalls_per_request`].
    pub syscalls_per_request: Option<Range>,
    /// Over [`RunOfCell::enters_per_request`].
    pub enters_per_request: Option<Range>,
    /// Over [`RunOfCell::lateness_us_p99`].
    pub lateness_us_p99: Option<Range>,
    /// Median response time.
    pub p50_us: Option<f64>,
    /// 99th percentile of response time.
    pub p99_us: Option<f64>,
    /// 99.9th percentile of response time.
    pub p99_9_us: Option<f64>,
}

impl Summary {
    /// Summarises `runs`. `responses` has the merged response times of all of them.
    ///
    /// A metric is summarised over the runs that have it; the range says how many those are.
    pub fn of(runs: &[RunOfCell], responses: Option<&Latencies>) -> Summary {
        let range = |metric: fn(&RunOfCell) -> Option<f64>| {
            let values: Vec<f64> = runs.iter().filter_map(metric).filter(|value| value.is_finite()).collect();
            Range::of(&values)
        };
        let quantile = |quantile| responses?.quantile_us(quantile);
        Summary {
            requests_per_second: range(|run| Some(run.requests_per_second)),
            server_run_us_per_request: range(|run| run.server_run_us_per_request),
            server_user_us_per_request: range(|run| run.server_user_us_per_request),
            server_system_us_per_request: range(|run| run.server_system_us_per_request),
            server_core_us_per_request: range(|run| run.server_core_us_per_request),
            client_cpu_us_per_request: range(|run| run.client_cpu_us_per_request),
            syscalls_per_request: range(|run| run.syscalls_per_request),
            enters_per_request: range(|run| run.enters_per_request),
            lateness_us_p99: range(|run| run.lateness_us_p99),
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            p99_9_us: quantile(0.999),
        }
    }
}

/// One interval of one run: a line of `series.jsonl`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Point {
    /// [`Cell::key`].
    pub cell: String,
    /// [`RunOfCell::repeat`].
    pub repeat: u32,
    /// Start of the interval, in seconds since the window began.
    pub start_s: f64,
    /// Length of the interval.
    pub duration_s: f64,
    /// Requests completed in the interval.
    pub completed: u64,
    /// Median response time of these requests.
    pub p50_us: Option<f64>,
    /// Their 99th percentile.
    pub p99_us: Option<f64>,
    /// Their 99.9th percentile.
    pub p99_9_us: Option<f64>,
    /// Their maximum.
    pub max_us: Option<f64>,
    /// Counters of the kernel and of both programs over the interval, by name. Only those that moved.
    pub counters: BTreeMap<String, f64>,
}

/// Memory of idle connections in one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryCell {
    /// `echo`, `http` or `websocket`.
    pub workload: String,
    /// Backend and variant.
    pub arm: String,
    /// Connections that were open.
    pub connections: u64,
    /// Number of reactors that shared them.
    pub reactors: u32,
    /// Growth of the server process's own memory over the connections.
    pub user_bytes_per_connection: Option<f64>,
    /// The most that the workload may use.
    pub budget_bytes: Option<u64>,
}
