//! Everything a run can be told, and the checks that need no look at the host.

use crate::LoadError;
use crate::schedule::Process;
use std::net::IpAddr;
use std::time::Duration;

/// How the generator does its I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Readiness: edge-triggered epoll, registered once per connection.
    Epoll,
}

impl Engine {
    /// The name in flags and records.
    pub const fn name(self) -> &'static str {
        match self {
            Engine::Epoll => "epoll",
        }
    }
}

/// One run. `Options::default()` with a target is a short closed-loop run over 10 connections.
#[derive(Debug, Clone)]
pub struct Options {
    /// `tcp://host:port` (echo) or `http://host:port/path`.
    pub target: String,
    /// Connections held, over all workers.
    pub connections: u32,
    /// Worker threads.
    pub threads: u32,
    /// Length of the measured window.
    pub duration: Duration,
    /// Load before the window: verified, not recorded.
    pub warmup: Duration,
    /// Requests per second in total. `None` is a closed loop; zero holds the connections idle.
    pub rate: Option<f64>,
    /// How arrivals are spaced when there is a rate.
    pub process: Process,
    /// Where the schedule and the echo pattern come from; random when absent.
    pub seed: Option<u64>,
    /// Requests written in one send and answered before the next (closed loop only).
    pub pipeline: u32,
    /// How long a reply may take, from the moment its request was written.
    pub timeout: Duration,
    /// How long a connect may take.
    pub connect_timeout: Duration,
    /// Size of an echo message in bytes.
    pub payload_len: u32,
    /// HTTP method; GET when empty.
    pub method: String,
    /// HTTP headers beside Host and Content-Length.
    pub headers: Vec<(String, String)>,
    /// HTTP request body.
    pub body: String,
    /// When given, every 2xx reply must have exactly this body.
    pub expect_body: Option<String>,
    /// Worker i is pinned to `cpus[i % len]`; empty leaves the workers to the scheduler.
    pub cpus: Vec<u32>,
    /// Source addresses to connect from; empty lets the plan choose.
    pub sources: Vec<IpAddr>,
    /// How to do the I/O.
    pub engine: Engine,
    /// Permits targets in private ranges.
    pub allow_private: bool,
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
            warmup: Duration::from_millis(500),
            rate: None,
            process: Process::Poisson,
            seed: None,
            pipeline: 1,
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            payload_len: 64,
            method: String::new(),
            headers: Vec::new(),
            body: String::new(),
            expect_body: None,
            cpus: Vec::new(),
            sources: Vec::new(),
            engine: Engine::Epoll,
            allow_private: false,
            watch_pid: None,
            watch_cpus: Vec::new(),
        }
    }
}

/// Worker threads beyond this are a typing error.
const THREADS_MAX: u32 = 1024;
/// Longest batch in bytes; the messages of a batch live in one buffer per worker.
const BATCH_LEN_MAX: u64 = 64 << 20;

impl Options {
    /// Refuses what contradicts itself on any host.
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
        if let Some(rate) = self.rate {
            if !(rate == 0.0 || (1e-3..=1e8).contains(&rate)) {
                return usage(format!(
                    "--rate {rate} must be 0 (hold the connections idle) or between 0.001 and 100,000,000"
                ));
            }
            if self.pipeline > 1 {
                return usage(
                    "--pipeline needs a closed loop: requests of an open loop are sent one by one at their own times; \
                     leave out --rate or --pipeline"
                        .into(),
                );
            }
        }
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

    /// `closed`, `open` or `idle`.
    pub fn mode(&self) -> &'static str {
        match self.rate {
            None => "closed",
            Some(0.0) => "idle",
            Some(_) => "open",
        }
    }
}

/// Reads a CPU list such as `0,2-3`.
///
/// # Errors
/// [`LoadError::Usage`] when it is none.
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

    #[test]
    fn contradictions_are_usage_errors() {
        let good = Options::default;
        good().check().unwrap();
        for (name, options) in [
            ("--connections", Options { connections: 0, ..good() }),
            ("--threads", Options { threads: 0, ..good() }),
            ("--threads", Options { threads: 11, ..good() }),
            ("--duration", Options { duration: Duration::ZERO, ..good() }),
            ("--rate", Options { rate: Some(-1.0), ..good() }),
            ("--rate", Options { rate: Some(f64::NAN), ..good() }),
            ("--pipeline", Options { pipeline: 0, ..good() }),
            ("--pipeline", Options { pipeline: 2, rate: Some(1.0), ..good() }),
            ("--payload", Options { payload_len: 65_537, ..good() }),
        ] {
            let error = options.check().unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(name), "{error}");
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
