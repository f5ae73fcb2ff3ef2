//! The two hosts of a run that has hosts of its own. Data only.

use serde::{Deserialize, Serialize};

/// One of two joined hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    Server,
    Client,
}

impl Side {
    pub(crate) const BOTH: [Side; 2] = [Side::Server, Side::Client];

    /// The word for it in tables.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Side::Server => "server",
            Side::Client => "client",
        }
    }
}
