//! One arm under one load.

use serde::{Deserialize, Serialize};

use super::{RunOfCell, Summary};

/// One arm under one load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Names the cell in `runs.csv.zst`, `series.csv.zst` and `latency.hlog` (the tag): lower case letters, digits and
    /// dashes, unique within the record.
    pub key: String,
    /// `echo`, `http` or `websocket`.
    pub workload: String,
    /// Backend and variant, for example `epoll level`.
    pub arm: String,
    /// What the arm is there for.
    pub role: Role,
    /// The load generator, where several are compared; empty otherwise.
    pub generator: String,
    /// The server it loads, where generators are compared; empty otherwise.
    pub server: String,
    /// Whether the arm is a server of this project.
    pub is_own: bool,
    /// Connections of the load generator.
    pub connections: u64,
    /// What makes it send.
    #[serde(rename = "loop")]
    pub load_loop: Loop,
    /// Requests in flight on a connection.
    pub pipeline: u32,
    /// Requests after which the client closes a connection and opens another; 0 keeps it.
    pub requests_per_connection: u32,
    /// What the server burnt for each request, in ns, because it is the handicapped twin; absent for all others.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub handicap_ns: Option<u32>,
    /// All starts together.
    pub summary: Summary,
    /// Each start. They are in `runs.csv.zst` and not in the document.
    #[serde(skip)]
    pub runs: Vec<RunOfCell>,
}

impl Cell {
    /// What is compared under its load: the generator where generators are compared, else the arm.
    pub fn contestant(&self) -> &str {
        if self.generator.is_empty() { &self.arm } else { &self.generator }
    }
}

/// What an arm is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It is compared with the reference.
    Arm,
    /// All others are compared with it; it has two starts in each block.
    Reference,
    /// The reference once more, under another name: no difference is there to be found.
    Twin,
    /// The reference, made dearer by a known amount: this difference has to be found.
    Handicapped,
}

impl Role {
    /// Whether the arm only shows what the run could see.
    pub fn is_control(self) -> bool {
        matches!(self, Role::Twin | Role::Handicapped)
    }
}

/// What makes the load generator send the next request.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loop {
    /// The reply to the one before.
    Closed,
    /// A schedule that does not wait for replies.
    Open {
        /// Requests a second.
        rate: f64,
    },
}
