//! What is asked of the turns.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::Workload;

/// A server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its process, whose CPU clock is read.
    pub pid: u32,
}

/// What is asked of the turns.
#[derive(Debug, Clone)]
pub struct Options {
    /// At least one server.
    pub targets: Vec<Target>,
    /// What to ask of each.
    pub workload: Workload,
    /// Connections to each, at least 1.
    pub connections: u32,
    /// Requests in one send, at least 1.
    pub pipeline: u32,
    /// Requests per second, at random times; without it each connection sends again when it has its reply.
    pub rate: Option<f64>,
    /// Rounds that are not disturbed, at least 1.
    pub rounds: u32,
    /// Length of the window of a turn.
    pub window: Duration,
    /// Of the order and of the times.
    pub seed: u64,
    /// The CPU of the client; anywhere if absent.
    pub cpu: Option<u32>,
    /// CPUs whose stolen time marks a round.
    pub watch_cpus: Vec<u32>,
}

/// Time before each window, and more for each connection: a burst of requests on all of them comes first.
const WARMUP_US: u64 = 2000;
const WARMUP_US_PER_CONNECTION: u64 = 8;

impl Options {
    /// Rounds that are made at most.
    pub fn rounds_max(&self) -> u32 {
        self.rounds.saturating_add(self.rounds / 2)
    }

    pub(super) fn warmup_ns(&self) -> u64 {
        (WARMUP_US + WARMUP_US_PER_CONNECTION * u64::from(self.connections)) * 1000
    }

    pub(super) fn window_ns(&self) -> u64 {
        self.window.as_nanos() as u64
    }
}
