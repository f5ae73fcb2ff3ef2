//! What a crowd of slow clients met with. Data only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::Kind;

/// The document of `c10m slow --json`. It says what the clients saw: one that does not read sees a reset, but no FIN behind
/// bytes that it did not read, so the server may have closed it all the same. Each opened connection has one end: `opened` is the sum of `closed_by_server`,
/// `reset`, `lost` and `open_at_end`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this form.
    pub schema: u32,
    /// The target without credentials.
    pub target: String,
    /// What each client did.
    pub kind: Kind,
    /// Connections asked for at the same time.
    pub connections: u32,
    /// Time between two bytes of a connection; absent where nothing is sent at intervals.
    pub interval_us: Option<u64>,
    /// Whether a connection that the server closed was opened again.
    pub reopens: bool,
    /// How long it took.
    pub duration_us: u64,
    /// Whether it was stopped early.
    pub interrupted: bool,
    /// Connections established.
    pub opened: u64,
    /// Connects that failed, by the name of the error.
    pub failed: BTreeMap<String, u64>,
    /// Connects under way at the end.
    pub connecting_at_end: u64,
    /// Connections that ended with a FIN of the server.
    pub closed_by_server: u64,
    /// Connections that the server reset.
    pub reset: u64,
    /// Connections that ended otherwise, by the name of the error.
    pub lost: BTreeMap<String, u64>,
    /// Connections still open at the end.
    pub open_at_end: u64,
    /// The most that were open at the same time.
    pub open_max: u64,
    /// Replies by status: 408 says that the server waited too long for the request, 2xx are served requests.
    pub statuses: BTreeMap<u16, u64>,
    /// Replies that were none of HTTP.
    pub faults: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Bytes read.
    pub received_bytes: u64,
    /// How long those connections lived that the server ended.
    pub held_us: Held,
}

/// From the moment a connection was established to the moment the server ended it, in µs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Connections that the server ended.
    pub count: u64,
    /// The median; absent when it ended none.
    pub p50: Option<u64>,
    /// The longest.
    pub max: Option<u64>,
}

impl Record {
    /// The version of the form that this program writes.
    pub const SCHEMA: u32 = 1;

    /// Whether each opened connection has one end.
    pub fn is_balanced(&self) -> bool {
        self.opened == self.closed_by_server + self.reset + self.lost.values().sum::<u64>() + self.open_at_end
    }
}
