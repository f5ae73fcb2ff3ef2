//! What a server says when it ends: its counters, and whether it ended well.

use serde::{Deserialize, Serialize};

use crate::cpu_time::CpuTime;
use crate::shard::counters::{CloseReason, Counters};

/// One reactor's account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReactorReport {
    /// Its number, from 0.
    pub index: usize,
    /// The CPU it was pinned to.
    pub cpu: usize,
    /// What it counted.
    pub counters: Counters,
    /// Connections that were still open when it ended: 0 unless it failed.
    pub connections_left: u64,
    /// Pooled buffers in use at the end: 0 unless it failed.
    pub buffers_in_use: u32,
    /// Most pooled buffers in use at once.
    pub buffers_peak: u32,
    /// Memory the pooled buffers were cut from, in bytes.
    pub buffer_memory_bytes: u64,
    /// CPU time of its thread.
    pub cpu_time: CpuTime,
    /// What made it fail.
    pub error: Option<String>,
}

/// The whole server's account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Connections that a drain had to cut off.
    pub forced_closes: u64,
    /// Sums over the reactors.
    pub totals: Counters,
    /// Each reactor.
    pub reactors: Vec<ReactorReport>,
}

impl Report {
    pub(crate) fn new(mut reactors: Vec<ReactorReport>) -> Report {
        reactors.sort_by_key(|reactor| reactor.index);
        let mut totals = Counters::default();
        reactors.iter().for_each(|reactor| totals.add(&reactor.counters));
        Report { forced_closes: totals.closed_for(CloseReason::DrainForced), totals, reactors }
    }

    /// Exit code: 0 drained, 3 closed connections by force, 1 failed.
    pub fn exit_code(&self) -> u8 {
        if self.reactors.iter().any(|reactor| reactor.error.is_some()) {
            1
        } else if self.forced_closes > 0 {
            3
        } else {
            0
        }
    }
}
