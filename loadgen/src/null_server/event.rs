//! What `c10m null-server` prints, one line each: that it is ready, and its account at the end. Programs that start
//! it read the same types.

use serde::{Deserialize, Serialize};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The first.
    Ready {
        /// Where it listens.
        address: String,
        /// The process.
        pid: u32,
        /// Version of the program.
        version: String,
        /// The commit it was built from.
        commit: String,
    },
    /// The last.
    Exit(Exit),
}

/// What it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Requests answered.
    pub requests: u64,
    /// Replies that were held back. Absent where none could be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_replies: Option<u64>,
    /// Begin and end of each finished stall, in ns of CLOCK_MONOTONIC.
    pub stalls: Vec<(u64, u64)>,
}
