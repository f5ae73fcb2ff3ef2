//! Connections in a record, and the connects that made them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Connections, and the connects that made them. `attempts = opened + failed + pending`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Connections {
    /// Asked for.
    pub target: u64,
    /// Established when the load began.
    pub established: u64,
    /// Open without a loss for the whole window.
    pub held: u64,
    /// Connects started.
    pub attempts: u64,
    /// Connects that succeeded.
    pub opened: u64,
    /// Connects that failed.
    pub failed: u64,
    /// Connects without an outcome at the end.
    pub pending: u64,
    /// Connections established again after they had been closed.
    pub reconnects: u64,
    /// Connections that ended unannounced.
    pub lost: u64,
    /// Connections that ended as the peer had announced or this side had planned.
    pub closed: u64,
    /// Connections open at the very end. `opened = open + lost + closed`.
    pub open: u64,
    /// Source addresses in use; 0 when the kernel chose.
    pub sources: u64,
    /// Connections of an earlier, killed run that the server still had and that this run replaced. Only the engine
    /// `tun` meets them: it uses the same addresses and ports in each run.
    pub replaced: u64,
    /// Time from the first connect until all were established, or no worker tried any more.
    pub ramp_us: u64,
    /// Failed connects, and losses of idle connections, by cause.
    pub errors: BTreeMap<String, u64>,
}
