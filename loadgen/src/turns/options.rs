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

/// How long a connection lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// To the end of all turns.
    Stays,
    /// For one batch of requests; the client closes it, in order, and opens another.
    Goes,
}

/// What is asked of the turns.
#[derive(Debug, Clone)]
pub struct Options {
    /// At least one server.
    pub targets: Vec<Target>,
    /// What to ask of each.
    pub workload: Workload,
    /// Connections to each at a time, at least 1.
    pub connections: u32,
    /// How long each of them lives.
    pub life: Life,
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

/// Time before each window, and more for each connection: a burst of requests on all of them comes first, and of
/// connects if they come and go.
const WARMUP_US: u64 = 2000;
const WARMUP_US_PER_REQUEST: u64 = 8;
const WARMUP_US_PER_CONNECT: u64 = 64;

impl Options {
    /// Rounds that are made at most.
    pub fn rounds_max(&self) -> u32 {
        self.rounds.saturating_add(self.rounds / 2)
    }

    pub(super) fn warmup_ns(&self) -> u64 {
        let each_us = match self.life {
            Life::Stays => WARMUP_US_PER_REQUEST,
            Life::Goes => WARMUP_US_PER_CONNECT,
        };
        (WARMUP_US + each_us * u64::from(self.connections)) * 1000
    }

    pub(super) fn window_ns(&self) -> u64 {
        self.window.as_nanos() as u64
    }
}
