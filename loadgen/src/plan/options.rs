//! All options of a run, and the checks that do not depend on the host.

use super::engine::Engine;
use super::grain;
use super::mode::Mode;
use super::ports::PortRange;
use crate::LoadError;
use crate::reconnect::Policy;
use crate::schedule::{Process, Stage};
use crate::slo::Slo;
use protocol::client::StatusSet;
use std::net::IpAddr;
use std::time::Duration;

/// How much load precedes the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarmUp {
    /// This long, whatever happens.
    Fixed(Duration),
    /// Until three intervals in a row agree on the median, or this long.
    UntilSteady(Duration),
}

/// One run. `Options::default()` with a target is a short closed-loop run over 10 connections.
#[derive(Debug, Clone)]
pub struct Options {
    /// `http://host:port/path`, `tcp://host:port` (echo), `unix:PATH` (HTTP) or `tcp+unix:PATH` (echo).
    pub target: String,
    /// Connections held, over all workers.
    pub connections: u32,
    /// Worker threads.
    pub threads: u32,
    /// Length of the measured window; with `requests` the most that it may be.
    pub duration: Duration,
    /// Number of requests in all, none of them in a warm-up; the window ends with the last of them.
    pub requests: Option<u64>,
    /// Load before the window: verified, but in no total.
    pub warmup: WarmUp,
    /// Requests per second in total. `None` is a closed loop; zero holds the connections idle.
    pub rate: Option<f64>,
    /// Rates one after the other, instead of one rate and a duration; their sum is the window.
    pub stages: Vec<Stage>,
    /// How arrivals are spaced when there is a rate.
    pub process: Process,
    /// Arrivals of one group when arrivals come in bursts.
    pub burst: u32,
    /// Each connection sends once in this time, at its own phase; instead of a rate.
    pub heartbeat: Option<Duration>,
    /// Connects started per second at most, over all workers; as fast as the target answers if absent.
    pub connect_rate: Option<f64>,
    /// Requests after which a connection is closed and opened again; 0 keeps it.
    pub requests_per_connection: u16,
    /// How clients come back that lose their connection once the load has begun. Without a policy they wait 10 ms,
    /// doubled up to 1 s, few at a time, and nothing is recorded of it.
    pub reconnect: Option<Policy>,
    /// Measures the generator against a null server first (V15); takes 2 to 3 s.
    pub calibrate: bool,
    /// What the run must meet; judged in the record.
    pub slo: Option<Slo>,
    /// Length of the intervals of the record; chosen from the length of the window when absent.
    pub interval: Option<Duration>,
    /// How long before an arrival an open loop stops sleeping and polls instead.
    pub spin: Duration,
    /// If not zero, an open loop wakes up at most once in this time and handles everything that came due.
    /// That means fewer wake-ups, but lateness and response times become that much coarser. There is no
    /// polling then.
    pub coalesce: Duration,
    /// During the load, workers take precedence over all ordinary threads of their CPUs (SCHED_FIFO). On a
    /// saturated host, a reply that is read late is retransmitted, which adds to the load.
    pub realtime: bool,
    /// Seed of the schedule and the echo pattern; random if absent.
    pub seed: Option<u64>,
    /// Requests written in one send and answered before the next (closed loop only).
    pub pipeline: u32,
    /// How long a reply may take, from the moment its request was written.
    pub timeout: Duration,
    /// How long a connect may take.
    pub connect_timeout: Duration,
    /// Closes every connection with a reset (SO_LINGER of zero), so that none is left in TIME-WAIT for a minute.
    pub reset: bool,
    /// Size of an echo message in bytes.
    pub payload_len: u32,
    /// HTTP method; GET when empty.
    pub method: String,
    /// HTTP headers beside Host and Content-Length.
    pub headers: Vec<(String, String)>,
    /// HTTP request body.
    pub body: Vec<u8>,
    /// The HTTP statuses that are a success; 2xx when absent.
    pub expect_status: Option<StatusSet>,
    /// If given, every reply with such a status must have exactly this body (a 304 has none).
    pub expect_body: Option<Vec<u8>>,
    /// Longest body of an HTTP reply in bytes; a longer one is a fault of the reply.
    pub body_len_max: u32,
    /// Worker i is pinned to `cpus[i % len]`; empty leaves the workers to the scheduler.
    pub cpus: Vec<u32>,
    /// Source addresses to connect from; empty lets the plan choose.
    pub sources: Vec<IpAddr>,
    /// Ports of these addresses to connect from, within the host's own range; absent lets the kernel choose (IP_LOCAL_PORT_RANGE of
    /// ip(7), Linux 6.3).
    pub source_ports: Option<PortRange>,
    /// How to do the I/O.
    pub engine: Engine,
    /// The run stops if the host has less memory left than this, in bytes. `None` means a thirty-second of all
    /// its memory, from 10,000 connections on.
    pub memory_reserve: Option<u64>,
    /// Permits targets in private ranges.
    pub allow_private: bool,
    /// The one public host that may be loaded: must name the host of the target.
    pub i_own: Option<String>,
    /// A process (the server) whose CPU time is sampled over the window.
    pub watch_pid: Option<u32>,
    /// CPUs (the server's) whose busy time is sampled over the window.
    pub watch_cpus: Vec<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            target: String::new(),
            connections: 10,
            threads: 1,
            duration: Duration::from_secs(10),
            requests: None,
            warmup: WarmUp::Fixed(Duration::from_millis(500)),
            rate: None,
            stages: Vec::new(),
            process: Process::Poisson,
            burst: 10,
            heartbeat: None,
            connect_rate: None,
            requests_per_connection: 0,
            reconnect: None,
            calibrate: false,
            slo: None,
            interval: None,
            spin: Duration::from_micros(50),
            coalesce: Duration::ZERO,
            realtime: false,
            seed: None,
            pipeline: 1,
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            reset: false,
            payload_len: 64,
            method: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
            expect_status: None,
            expect_body: None,
            body_len_max: 1 << 30,
            cpus: Vec::new(),
            sources: Vec::new(),
            source_ports: None,
            memory_reserve: None,
            engine: Engine::Epoll,
            allow_private: false,
            i_own: None,
            watch_pid: None,
            watch_cpus: Vec::new(),
        }
    }
}

/// Worker threads beyond this are a typing error.
pub const THREADS_MAX: u32 = 1024;
/// Longest batch in bytes; the messages of a batch live in one buffer per worker.
const BATCH_LEN_MAX: u64 = 64 << 20;

/// A window that ends with its requests and has no other end: ten years, which no clock of 64 bits in ns overflows.
pub const WHATEVER_IT_TAKES: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Beats closer than this are a rate.
const HEARTBEAT_MIN: Duration = Duration::from_millis(1);
/// Workers look at the time every 10 ms.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

impl Options {
    /// The CPU that a worker is pinned to.
    pub(crate) fn cpu_of(&self, worker: usize) -> Option<u32> {
        self.cpus.get(worker % self.cpus.len().max(1)).copied()
    }

    /// Refuses options that contradict each other on any host.
    ///
    /// # Errors
    /// [`LoadError::Usage`] naming the option.
    pub fn check(&self) -> Result<(), LoadError> {
        let usage = |message: String| Err(LoadError::Usage(message));
        if self.connections == 0 {
            return usage("--connections must be at least 1".into());
        }
        if !(1..=THREADS_MAX).contains(&self.threads) || self.threads > self.connections {
            return usage(format!(
                "--threads {} must be between 1 and {}: each worker needs a connection",
                self.threads,
                THREADS_MAX.min(self.connections)
            ));
        }
        if self.duration.is_zero() || self.timeout.is_zero() || self.connect_timeout.is_zero() {
            return usage("--duration, --timeout and --connect-timeout must be longer than zero".into());
        }
        grain::check(self.connections, self.timeout, self.connect_timeout)?;
        self.check_schedule()?;
        self.check_requests()?;
        self.reconnect.as_ref().map_or(Ok(()), Policy::check)?;
        if !(1..=u32::from(u16::MAX)).contains(&self.pipeline) {
            return usage(format!("--pipeline {} must be between 1 and 65,535", self.pipeline));
        }
        if !(1..=65_536).contains(&self.payload_len) {
            return usage(format!("--payload {} must be between 1 and 65,536 bytes", self.payload_len));
        }
        if u64::from(self.pipeline) * (u64::from(self.payload_len) + self.body.len() as u64) > BATCH_LEN_MAX {
            return usage("--pipeline times the size of a request must stay below 64 MiB".into());
        }
        Ok(())
    }

    /// Checks the schedule and the options that it excludes.
    fn check_schedule(&self) -> Result<(), LoadError> {
        let usage = |message: String| Err(LoadError::Usage(message));
        let ways = [self.rate.is_some(), !self.stages.is_empty(), self.heartbeat.is_some()];
        if ways.iter().filter(|&&way| way).count() > 1 {
            return usage("--rate, --stages and --heartbeat exclude one another: each says when to send".into());
        }
        let is_rate = |rate: f64| rate == 0.0 || (1e-3..=1e8).contains(&rate);
        if let Some(rate) = self.rate.filter(|&rate| !is_rate(rate)) {
            return usage(format!(
                "--rate {rate} must be 0 (hold the connections idle) or between 0.001 and 100,000,000"
            ));
        }
        if let Some(stage) = self.stages.iter().find(|stage| !is_rate(stage.rate)) {
            return usage(format!("--stages: {} must be 0 (a pause) or between 0.001 and 100,000,000", stage.rate));
        }
        if self.heartbeat.is_some_and(|period| period < HEARTBEAT_MIN) {
            return usage("--heartbeat must be at least 1ms".into());
        }
        if self.realtime && (self.coalesce.is_zero() || self.mode() == Mode::Closed) {
            return usage(
                "--realtime needs an open loop with --coalesce: a worker that never sleeps would leave nobody else a CPU".into(),
            );
        }
        if self.connect_rate.is_some_and(|rate| !(1e-3..=1e8).contains(&rate)) {
            return usage("--connect-rate must be between 0.001 and 100,000,000 per second".into());
        }
        if self.interval.is_some_and(|interval| interval < INTERVAL_MIN) {
            return usage("--interval must be at least 10ms".into());
        }
        if self.mode() != Mode::Closed && self.pipeline > 1 {
            return usage(
                "--pipeline needs a closed loop: requests of an open loop are sent one by one at their own times; \
                 leave out --rate, --stages and --heartbeat, or --pipeline"
                    .into(),
            );
        }
        if self.heartbeat.is_some() && self.requests_per_connection > 0 {
            return usage("--heartbeat keeps its connections: leave out --requests-per-connection".into());
        }
        if self.requests_per_connection > 0 && !u32::from(self.requests_per_connection).is_multiple_of(self.pipeline) {
            return usage("--requests-per-connection must be a multiple of --pipeline".into());
        }
        if self.process == Process::Bursts && self.burst == 0 {
            return usage("--burst must be at least 1".into());
        }
        Ok(())
    }

    /// Checks which options exclude a number of requests, and which need HTTP.
    fn check_requests(&self) -> Result<(), LoadError> {
        let usage = |message: &str| Err(LoadError::Usage(message.into()));
        if self.expect_status.is_some() && self.target.starts_with("tcp://") {
            return usage("--expect-status needs an http:// target: an echo has no status");
        }
        let Some(requests) = self.requests else { return Ok(()) };
        if requests == 0 {
            return usage("--requests must be at least 1; to hold connections without a request, use --rate 0");
        }
        if self.warmup != WarmUp::Fixed(Duration::ZERO) {
            return usage(
                "--requests counts every request that reaches the server, so there is no warm-up: leave out --warmup",
            );
        }
        match self.mode() {
            Mode::Idle => usage("--requests needs a rate above 0, or none: --rate 0 sends nothing"),
            Mode::Heartbeat => usage("--heartbeat goes on for --duration: leave out --requests"),
            _ if !self.stages.is_empty() => usage("--stages say when the run ends: leave out --requests"),
            _ => Ok(()),
        }
    }

    /// What decides when requests are sent.
    pub fn mode(&self) -> Mode {
        match (self.rate, self.stages.is_empty(), self.heartbeat) {
            (.., Some(_)) => Mode::Heartbeat,
            (None, true, None) => Mode::Closed,
            (Some(0.0), true, None) => Mode::Idle,
            _ => Mode::Open,
        }
    }

    /// Length of the measured window.
    pub fn window(&self) -> Duration {
        if self.stages.is_empty() { self.duration } else { self.stages.iter().map(|stage| stage.duration).sum() }
    }

    /// Length of the intervals the window is cut into: a round part of it, 40 to 100 of them for windows
    /// from 4 s on, because drift shows in 30 and more (V12).
    pub fn interval_or_default(&self) -> Duration {
        const ROUND_MS: [u64; 8] = [50, 100, 250, 500, 1000, 5000, 10_000, 60_000];
        self.interval.unwrap_or_else(|| {
            // A run that ends with its requests may be short or long: a second fits both.
            if self.requests.is_some() && self.window() >= WHATEVER_IT_TAKES {
                return Duration::from_secs(1);
            }
            let wanted_ms = self.window().as_millis() as u64 / 40;
            Duration::from_millis(ROUND_MS.into_iter().rev().find(|&round| round <= wanted_ms).unwrap_or(ROUND_MS[0]))
        })
    }
}

/// Reads a CPU list such as `0,2-3`.
///
/// # Errors
/// [`LoadError::Usage`] if it is not one.
pub fn parse_cpus(text: &str) -> Result<Vec<u32>, LoadError> {
    let bad = || LoadError::Usage(format!("{text:?} is no CPU list; write for example 0,2-3"));
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u32 = first.trim().parse().map_err(|_| bad())?;
        let last: u32 = last.trim().parse().map_err(|_| bad())?;
        // cpu_set_t has 1,024 bits (sched_setaffinity(2)).
        if first > last || last >= 1024 {
            return Err(bad());
        }
        cpus.extend(first..=last);
    }
    Ok(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconnect::Delay;

    const SECOND: Duration = Duration::from_secs(1);
    const STAGE: Stage = Stage { rate: 1.0, duration: SECOND };

    #[test]
    fn contradictions_are_usage_errors() {
        let good = Options::default;
        let counted = || Options { requests: Some(1), warmup: WarmUp::Fixed(Duration::ZERO), ..good() };
        good().check().unwrap();
        counted().check().unwrap();
        for (name, options) in [
            ("--connections", Options { connections: 0, ..good() }),
            ("--threads", Options { threads: 0, ..good() }),
            ("--threads", Options { threads: 11, ..good() }),
            ("--duration", Options { duration: Duration::ZERO, ..good() }),
            ("--rate", Options { rate: Some(-1.0), ..good() }),
            ("--rate", Options { rate: Some(f64::NAN), ..good() }),
            ("--pipeline", Options { pipeline: 0, ..good() }),
            ("--pipeline", Options { pipeline: 2, rate: Some(1.0), ..good() }),
            ("--pipeline", Options { pipeline: 2, heartbeat: Some(SECOND), ..good() }),
            ("--stages", Options { stages: vec![STAGE], rate: Some(1.0), ..good() }),
            ("--stages", Options { stages: vec![Stage { rate: -1.0, ..STAGE }], ..good() }),
            ("--heartbeat", Options { heartbeat: Some(SECOND), rate: Some(1.0), ..good() }),
            ("--heartbeat", Options { heartbeat: Some(Duration::from_micros(1)), ..good() }),
            ("--heartbeat", Options { heartbeat: Some(SECOND), requests_per_connection: 1, ..good() }),
            ("--requests-per-connection", Options { requests_per_connection: 3, pipeline: 2, ..good() }),
            ("--connect-rate", Options { connect_rate: Some(0.0), ..good() }),
            ("--interval", Options { interval: Some(Duration::from_millis(9)), ..good() }),
            (
                "reconnect",
                Options { reconnect: Some(Policy { base: Duration::ZERO, ..Policy::new(Delay::Fixed) }), ..good() },
            ),
            ("--burst", Options { process: Process::Bursts, burst: 0, ..good() }),
            ("--payload", Options { payload_len: 65_537, ..good() }),
            ("--requests", Options { requests: Some(0), ..counted() }),
            ("--warmup", Options { requests: Some(1), ..good() }),
            ("--rate", Options { rate: Some(0.0), ..counted() }),
            ("--heartbeat", Options { heartbeat: Some(SECOND), ..counted() }),
            ("--stages", Options { stages: vec![STAGE], ..counted() }),
            (
                "--expect-status",
                Options { expect_status: Some(StatusSet::default()), target: "tcp://a:1".into(), ..good() },
            ),
        ] {
            let error = options.check().unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn modes_and_windows() {
        let good = Options::default;
        for (mode, window_s, options) in [
            (Mode::Closed, 10, good()),
            (Mode::Open, 10, Options { rate: Some(1.0), ..good() }),
            (Mode::Idle, 10, Options { rate: Some(0.0), ..good() }),
            (Mode::Heartbeat, 10, Options { heartbeat: Some(SECOND), ..good() }),
            (Mode::Open, 2, Options { stages: vec![STAGE, Stage { rate: 0.0, ..STAGE }], ..good() }),
        ] {
            options.check().unwrap();
            assert_eq!((options.mode(), options.window().as_secs()), (mode, window_s));
        }
        for (window_s, interval_ms) in [(1, 50), (4, 100), (10, 250), (60, 1000), (3600, 60_000)] {
            let options = Options { duration: Duration::from_secs(window_s), ..good() };
            assert_eq!(options.interval_or_default().as_millis(), interval_ms, "{window_s} s");
        }
    }

    #[test]
    fn cpu_lists() {
        assert_eq!(parse_cpus("0").unwrap(), [0]);
        assert_eq!(parse_cpus("1,4-6, 2").unwrap(), [1, 4, 5, 6, 2]);
        for text in ["", "a", "1-", "-1", "3-2", "1,,2", "1024"] {
            assert!(parse_cpus(text).is_err(), "{text:?}");
        }
    }
}
