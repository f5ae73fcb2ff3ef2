//! What decides when requests are sent.

use serde::{Deserialize, Serialize};

/// What decides when requests are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The next request follows the reply to the last.
    #[default]
    Closed,
    /// A schedule of arrivals, whatever the target does.
    Open,
    /// Each connection sends once a period.
    Heartbeat,
    /// Nothing is sent: connections are held.
    Idle,
}

impl Mode {
    /// Whether requests have times at which they are meant to be sent.
    pub const fn is_scheduled(self) -> bool {
        matches!(self, Mode::Open | Mode::Heartbeat)
    }
}
