//! The flags of `c10m load` in groups, and their conversion to options. The load generator checks the options; this
//! file does not check them again.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use loadgen::reconnect::Policy;
use loadgen::self_test::SelfTestOptions;
use loadgen::slo::Slo;
use loadgen::{Engine, LoadError, Options, PortRange, Process, Stage, StatusSet, WHATEVER_IT_TAKES, WarmUp};

use super::body::{self, Body};
use super::condition::Condition;
use super::self_test;
use crate::count;
use crate::given::Given;

/// Longest warm-up with `--warmup auto`.
const WARM_UP_MAX: Duration = Duration::from_secs(10);
/// Default length of a run, and of a probe of `--find-knee`.
const DURATION: Duration = Duration::from_secs(10);
const PROBE_DURATION: Duration = Duration::from_secs(3);

const EXAMPLES: &str = "\
Examples:
  closed loop, as fast as 64 connections allow:
    c10m load http://127.0.0.1:8080/ -c 64
  100,000 requests, no more and no less:
    c10m load http://127.0.0.1:8080/ -c 64 -n 100000
  open loop, latency from the intended send time, files:
    c10m load tcp://127.0.0.1:7000 -r 20000 --out run1
  15,000 connections that do nothing:
    c10m load tcp://127.0.0.1:7000 -c 15000 -r 0 -d 5s
  the highest rate that keeps p99 below 5 ms:
    c10m load http://127.0.0.1:8080/ --find-knee 'p99<5ms'
  is this generator right? (a server that stalls, closed form):
    c10m load --self-test
  counts are understood as 10k, 2.5M, 1e6:
    c10m load http://127.0.0.1:8080/ -c 10k -r 2.5e4
  HTTP and echo over a unix socket:
    c10m load unix:/run/server.sock
    c10m load tcp+unix:/run/echo.sock
  10,000 clients that come back, each at times of its own, when the server
  restarts:
    c10m load tcp://127.0.0.1:7000 -c 10k -r 0 -d 60s --reconnect full-jitter
  ten seconds at one rate, thirty at another:
    c10m load tcp://127.0.0.1:7000 --stages 1000@10s,5000@30s

Exit codes: 0 done, 1 failed or interrupted (with a report of what
was measured), 2 usage, 3 the SLO is breached or no rate met the
condition, 4 the measurement is invalid.";

/// Arguments of `c10m load`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    given: Given,
    /// What to load: http://HOST:PORT/PATH (http:// may be left out), tcp://HOST:PORT (echo), unix:PATH (HTTP over
    /// a unix socket; http+unix://%2FPATH%2FOF%2FSOCKET/PATH names a path), tcp+unix:PATH (echo)
    #[arg(required_unless_present = "self_test")]
    target: Option<String>,
    #[command(flatten)]
    load: LoadGroup,
    #[command(flatten)]
    schedule: ScheduleGroup,
    #[command(flatten)]
    connections: ConnectionsGroup,
    #[command(flatten)]
    requests: RequestsGroup,
    #[command(flatten)]
    measurement: MeasurementGroup,
    #[command(flatten)]
    pub(super) output: OutputGroup,
    #[command(flatten)]
    safety: SafetyGroup,
}

// No documentation comments on the groups: clap would print them instead of the command's own.

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Load")]
struct LoadGroup {
    /// Connections to hold
    #[arg(short = 'c', long, default_value_t = 10, value_name = "N", value_parser = count::between(0, u32::MAX))]
    connections: u32,
    /// Requests per second in total; absent: closed loop; 0: hold the connections idle
    #[arg(short = 'r', long, value_name = "R", value_parser = count::rate)]
    rate: Option<f64>,
    /// Length of the measured window; with -n, its longest duration [default: 10s; 3s for each probe of --find-knee;
    /// unlimited with -n]
    #[arg(short = 'd', long, value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// Send exactly this many requests, and stop when all have ended; there is no warm-up
    #[arg(short = 'n', long, value_name = "N", value_parser = count::between(1, u64::MAX), conflicts_with = "find_knee")]
    requests: Option<u64>,
    /// Load before the window, not counted in any total: `auto` waits until the median is steady, at most 10s
    /// [default: auto; none with -n]
    #[arg(long, value_parser = parse_warm_up, value_name = "auto|DURATION")]
    warmup: Option<WarmUp>,
    /// Worker threads; at most as many as connections
    #[arg(short = 't', long, default_value_t = 1, value_name = "T", value_parser = count::between(0, u32::MAX))]
    threads: u32,
    /// Pin worker i to the i-th of these CPUs, for example 0,2-3
    #[arg(long, value_parser = parse_cpus, value_name = "LIST")]
    cpus: Option<Cpus>,
    /// How to do the I/O
    #[arg(long, value_enum, default_value_t = EngineName::Epoll)]
    engine: EngineName,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Schedule")]
struct ScheduleGroup {
    /// How arrivals are spaced if there is a rate
    #[arg(long, value_enum, default_value_t = ScheduleName::Poisson)]
    schedule: ScheduleName,
    /// Several rates in sequence instead of one, for example rate=1000@10s,5000@30s
    #[arg(long, value_parser = parse_stages, value_name = "SPEC", conflicts_with_all = ["rate", "duration"])]
    stages: Option<Stages>,
    /// Arrivals of one group with --schedule bursts
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = count::between(0, u32::MAX))]
    burst: u32,
    /// Period in which each connection sends once; each has its own phase
    #[arg(long, value_parser = humantime::parse_duration, value_name = "DURATION", conflicts_with = "rate")]
    heartbeat: Option<Duration>,
    /// Poll instead of sleeping for this long before each arrival: more punctual, but costs CPU time
    #[arg(long, default_value = "50us", value_parser = humantime::parse_duration, value_name = "DURATION")]
    spin: Duration,
    /// Wake up at most once in this time and do all that is due together, instead of --spin: costs less CPU time, but
    /// makes response times coarser by as much
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    coalesce: Duration,
    /// Run before all ordinary threads while there is load (SCHED_FIFO); needs CAP_SYS_NICE and --coalesce
    #[arg(long)]
    realtime: bool,
    /// Seed of the schedule; random if absent, and printed either way
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connections")]
struct ConnectionsGroup {
    /// Connects started per second at most; absent: as fast as the target answers
    #[arg(long, value_name = "R", value_parser = count::rate)]
    connect_rate: Option<f64>,
    /// Close and reopen each connection after this many requests; 0 keeps it
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = count::between(0, u16::MAX))]
    requests_per_connection: u16,
    /// How clients come back that lose their connection under load, each on its own: NAME[,KEY=VALUE…], for example
    /// full-jitter,base=100ms,cap=10s,budget=10%. With v = min(cap, base·2ⁿ) the delay is, for immediate: none; fixed:
    /// base; exponential: v; equal-jitter: from v/2 to v; full-jitter: from 0 to v; decorrelated: from base to three
    /// times the last, or to cap. Keys: base (100ms), cap (10s), spread=W (first attempts wait up to W more), budget=P%
    /// (further attempts for each loss and each success), breaker=N (failures in a row after which nobody tries for
    /// cap, or open=TIME), hint (who is told when to come again, 503 with Retry-After, waits so long, and at random up to
    /// as long again)
    #[arg(long, value_name = "POLICY", value_parser = str::parse::<Policy>)]
    reconnect: Option<Policy>,
    /// How long a connect may take
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    connect_timeout: Duration,
    /// Close with a reset instead of a FIN, which leaves nothing in TIME-WAIT for the next run
    #[arg(long)]
    reset: bool,
    /// Source addresses to connect from
    #[arg(long = "source", value_delimiter = ',', value_name = "ADDR,…")]
    sources: Vec<IpAddr>,
    /// Ports to connect from, within net.ipv4.ip_local_port_range (IP_LOCAL_PORT_RANGE, Linux 6.3)
    #[arg(long, value_name = "FIRST-LAST")]
    source_ports: Option<PortRange>,
    /// Stop, close everything and fail when the host has less memory left, for example 512M [default: a 32nd of its
    /// memory]
    #[arg(long, value_name = "BYTES", value_parser = crate::size::size)]
    memory_reserve: Option<u64>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Requests")]
struct RequestsGroup {
    /// Requests written in one send (closed loop only)
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = count::between(0, u32::MAX))]
    pipeline: u32,
    /// How long a reply may take
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    timeout: Duration,
    /// Size of an echo message, 1 to 65,536
    #[arg(long, default_value_t = 64, value_name = "BYTES", value_parser = crate::size::small)]
    payload: u32,
    /// HTTP method
    #[arg(long, default_value = "GET")]
    method: String,
    /// HTTP header; may be repeated
    #[arg(long = "header", value_parser = parse_header, value_name = "'K: V'")]
    headers: Vec<(String, String)>,
    /// HTTP request body; @FILE reads it from a file, @@ is one @
    #[arg(long, value_name = "STRING|@FILE", value_parser = body::parse)]
    body: Option<Body>,
    /// HTTP statuses that count as success: codes, classes and ranges, for example 2xx,304 [default: 2xx]
    #[arg(long, value_name = "LIST", value_parser = str::parse::<StatusSet>)]
    expect_status: Option<StatusSet>,
    /// The body that every reply with such a status must have (a 304 has none); @FILE as above
    #[arg(long, value_name = "STRING|@FILE", value_parser = body::parse)]
    expect_body: Option<Body>,
    /// Longest reply body; a longer one counts as a fault of the server
    #[arg(long, default_value_t = 1 << 30, value_name = "BYTES", value_parser = crate::size::small)]
    body_len_max: u32,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Measurement")]
struct MeasurementGroup {
    /// Condition that the run must meet; otherwise exit code 3, for example 'p99<5ms,error<0.1%'. A limit on times
    /// never holds at a rate that the target does not keep up with
    #[arg(long, value_parser = parse_slo, value_name = "SPEC", conflicts_with = "find_knee")]
    slo: Option<Slo>,
    /// First measure this generator against a server that does nothing, to show the generator's own share
    #[arg(long)]
    calibrate: bool,
    /// Prove that response times are right, on a server that stalls, instead of loading a target. Takes 15 to 30 s.
    /// echo or http, and constant, poisson or heartbeats, for example --self-test=http,poisson. Of the other flags, only
    /// --threads, --engine, --seed, --cpus, --watch-cpus (for the server) and --json apply
    #[arg(long, value_parser = self_test::parse, value_name = "WORKLOAD,ARRIVALS", num_args = 0..=1, require_equals = true,
          default_missing_value = "echo,constant", conflicts_with_all = ["target", "find_knee", "slo", "out"])]
    self_test: Option<self_test::Subject>,
    /// Length of the intervals of a run [default: about a 40th of the run]
    #[arg(long, value_parser = humantime::parse_duration, value_name = "DURATION")]
    interval: Option<Duration>,
    /// Search for the highest rate that meets a condition, for example 'p99<5ms': doubles from --rate (or 1000),
    /// bisects to 1 %, then repeats the rate it found
    #[arg(long, value_parser = str::parse::<Condition>, value_name = "CONDITION")]
    find_knee: Option<Condition>,
    /// Sample the CPU time of this process over the window
    #[arg(long, value_name = "PID")]
    watch_pid: Option<u32>,
    /// Sample the busy time of these CPUs over the window
    #[arg(long, value_parser = parse_cpus, value_name = "LIST")]
    watch_cpus: Option<Cpus>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputGroup {
    /// Write record.json, series.csv, latency.hlog and a .hgrm per histogram here (with --find-knee: knee.json); never
    /// replaces results of an earlier run
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Print the record as one JSON document on stdout
    #[arg(long)]
    pub(super) json: bool,
    /// No live display, even on a terminal
    #[arg(short = 'q', long)]
    pub(super) quiet: bool,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Safety")]
struct SafetyGroup {
    /// Allow a target in a private address range
    #[arg(long)]
    allow_private: bool,
    /// Allow this public host; repeat the name of the target's host here
    #[arg(long, value_name = "HOST")]
    i_own: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum EngineName {
    Epoll,
    #[value(name = "io_uring")]
    IoUring,
    /// TCP in user space over a TUN device, so that millions of connections cost the kernel only the server's side.
    /// Needs a network namespace that contains the server, which is loaded as 198.18.0.1
    Tun,
}

impl From<EngineName> for Engine {
    fn from(name: EngineName) -> Engine {
        match name {
            EngineName::Epoll => Engine::Epoll,
            EngineName::IoUring => Engine::IoUring,
            EngineName::Tun => Engine::Tun,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScheduleName {
    Poisson,
    Constant,
    Bursts,
}

/// A list in one argument. clap would expect several arguments for a bare `Vec`.
#[derive(Debug, Clone)]
struct Cpus(Vec<u32>);

/// A list in one argument, like [`Cpus`].
#[derive(Debug, Clone)]
struct Stages(Vec<Stage>);

fn parse_stages(text: &str) -> Result<Stages, String> {
    loadgen::schedule::parse_stages(
        text,
        |rate| count::rate(rate).ok(),
        |duration| humantime::parse_duration(duration).ok(),
    )
    .map(Stages)
}

fn parse_slo(text: &str) -> Result<Slo, LoadError> {
    Slo::parse(text)
}

fn parse_warm_up(text: &str) -> Result<WarmUp, String> {
    match text {
        "auto" => Ok(WarmUp::UntilSteady(WARM_UP_MAX)),
        text => humantime::parse_duration(text).map(WarmUp::Fixed).map_err(|error| format!("{error}; or write auto")),
    }
}

fn parse_cpus(text: &str) -> Result<Cpus, LoadError> {
    loadgen::parse_cpus(text).map(Cpus)
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write 'Name: value'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

impl LoadArgs {
    /// Which options the user gave by name.
    pub(super) fn given(&self) -> &Given {
        &self.given
    }

    /// The condition of a search, if the user asks for one.
    pub(super) fn condition(&self) -> Option<Condition> {
        self.measurement.find_knee
    }

    /// The options of the self-test, if the user asks for it.
    pub(super) fn self_test(&self) -> Option<SelfTestOptions> {
        let self_test::Subject { workload, arrivals } = self.measurement.self_test?;
        let options = SelfTestOptions::default();
        Some(SelfTestOptions {
            workload,
            arrivals,
            seed: self.schedule.seed.unwrap_or(options.seed),
            engine: self.load.engine.into(),
            threads: self.load.threads,
            cpus: self.load.cpus.clone().map_or_else(Vec::new, |cpus| cpus.0),
            server_cpu: self.measurement.watch_cpus.as_ref().and_then(|cpus| cpus.0.first().copied()),
            ..options
        })
    }

    /// What the run does differently from what the user asked for.
    pub(super) fn note(&self) -> Option<String> {
        let LoadGroup { threads, connections, .. } = self.load;
        (threads > connections && connections > 0)
            .then(|| format!("--threads {threads} is lowered to {connections}: each worker needs a connection"))
    }

    /// The options for the load generator.
    pub(super) fn into_options(self) -> Options {
        let LoadArgs { target, load, schedule, connections, requests, measurement, safety, .. } = self;
        let (duration, warmup) = match (&measurement.find_knee, load.requests) {
            (Some(_), _) => (PROBE_DURATION, WarmUp::UntilSteady(WARM_UP_MAX)),
            (None, Some(_)) => (WHATEVER_IT_TAKES, WarmUp::Fixed(Duration::ZERO)),
            (None, None) => (DURATION, WarmUp::UntilSteady(WARM_UP_MAX)),
        };
        Options {
            target: target.unwrap_or_default(),
            connections: load.connections,
            threads: load.threads.min(load.connections.max(1)),
            duration: load.duration.unwrap_or(duration),
            requests: load.requests,
            warmup: load.warmup.unwrap_or(warmup),
            rate: load.rate,
            process: match schedule.schedule {
                ScheduleName::Poisson => Process::Poisson,
                ScheduleName::Constant => Process::Constant,
                ScheduleName::Bursts => Process::Bursts,
            },
            stages: schedule.stages.map_or_else(Vec::new, |stages| stages.0),
            burst: schedule.burst,
            heartbeat: schedule.heartbeat,
            spin: schedule.spin,
            coalesce: schedule.coalesce,
            realtime: schedule.realtime,
            connect_rate: connections.connect_rate,
            requests_per_connection: connections.requests_per_connection,
            reconnect: connections.reconnect,
            interval: measurement.interval,
            calibrate: measurement.calibrate,
            seed: schedule.seed,
            pipeline: requests.pipeline,
            timeout: requests.timeout,
            connect_timeout: connections.connect_timeout,
            reset: connections.reset,
            payload_len: requests.payload,
            method: requests.method,
            headers: requests.headers,
            body: requests.body.map_or_else(Vec::new, |body| body.0),
            expect_status: requests.expect_status,
            expect_body: requests.expect_body.map(|body| body.0),
            body_len_max: requests.body_len_max,
            cpus: load.cpus.map_or_else(Vec::new, |cpus| cpus.0),
            sources: connections.sources,
            source_ports: connections.source_ports,
            memory_reserve: connections.memory_reserve,
            engine: load.engine.into(),
            allow_private: safety.allow_private,
            i_own: safety.i_own,
            slo: measurement.slo,
            watch_pid: measurement.watch_pid,
            watch_cpus: measurement.watch_cpus.map_or_else(Vec::new, |cpus| cpus.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        assert_eq!(parse_header("A: b:c"), Ok(("A".into(), "b:c".into())));
        assert!(parse_header("A").is_err());
    }
}
