//! What is known of each step, as it is written to `record.json`. What could not be read is absent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the document.
pub(super) const SCHEMA: u32 = 1;

/// The experiment, run once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) schema: u32,
    pub(super) experiment: String,
    pub(super) profile: String,
    pub(super) question: String,
    pub(super) started_at: String,
    pub(super) duration_s: f64,
    pub(super) command: Vec<String>,
    pub(super) version: String,
    pub(super) commit: String,
    pub(super) host: Value,
    pub(super) seed: u64,
    pub(super) notes: Vec<String>,
    /// Steps that were not begun, with the reason.
    pub(super) skipped: Vec<String>,
    /// Attempts that failed, and waits for a quiet machine.
    pub(super) incidents: Vec<String>,
    pub(super) steps: Vec<StepRecord>,
}

/// One number of connections, held by one variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StepRecord {
    pub(super) name: String,
    pub(super) place: String,
    pub(super) variant: String,
    pub(super) connections: u64,
    pub(super) reactors: u64,
    pub(super) workers: u64,
    /// Size of the namespace's table of connections.
    pub(super) ehash_entries: Option<u64>,
    /// Server, load generator, probe.
    pub(super) commands: Vec<String>,
    pub(super) established: u64,
    /// From the first connect until all were established; absent when they never were.
    pub(super) ramp_s: Option<f64>,
    pub(super) connect_us: Tail,
    /// CPU time of all CPUs, of the server and of the load generator for one connect.
    pub(super) ramp_cpu: CpuEach,
    /// The active connections while the others were opened.
    pub(super) probe: Option<Tail>,
    pub(super) memory: Memory,
    /// What the planner had said.
    pub(super) predicted: Predicted,
    pub(super) heartbeat_s: u64,
    pub(super) heartbeat: Tail,
    /// Requests without a good answer in time.
    pub(super) heartbeats_failed: u64,
    /// CPU time for one heartbeat.
    pub(super) heartbeat_cpu: CpuEach,
    /// The load generator's verdict, with the checks that are not passed.
    pub(super) verdict: String,
    /// From the first close until the kernel had no connection left; absent when some remained.
    pub(super) close_s: Option<f64>,
    pub(super) orphans_max: u64,
    pub(super) time_wait_max: u64,
    /// Connections of the fullest reactor over the mean.
    pub(super) accepts_max_over_mean: Option<f64>,
    /// Signs of trouble, in the order in which they appeared.
    pub(super) troubles: Vec<Trouble>,
    pub(super) samples: Vec<Sample>,
}

/// Times in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tail {
    pub(super) count: u64,
    pub(super) p50_us: Option<f64>,
    pub(super) p99_us: Option<f64>,
    pub(super) p99_9_us: Option<f64>,
    pub(super) max_us: Option<f64>,
}

/// CPU time in microseconds for one of what is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct CpuEach {
    /// Of all CPUs, the packets' work included, without what the hypervisor took.
    pub(super) all_us: Option<f64>,
    pub(super) server_us: Option<f64>,
    pub(super) generator_us: Option<f64>,
}

/// Growth from before the first connect until all were established, and nothing but idle.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// The server's process before the first connect.
    pub(super) server_bytes_fixed: Option<u64>,
    /// Growth of the processes' own memory for each connection.
    pub(super) server_bytes_each: Option<f64>,
    pub(super) generator_bytes_each: Option<f64>,
    /// Growth of all slabs in use for each connection.
    pub(super) slab_bytes_each: Option<f64>,
    /// What the host lost for each connection, whoever has it: MemFree, Buffers and Cached of /proc/meminfo.
    pub(super) host_bytes_each: Option<f64>,
    /// Both processes with all their threads and everything the kernel's slabs grew by, in bytes.
    pub(super) slab_bytes: Option<f64>,
    pub(super) server_bytes: Option<u64>,
    pub(super) generator_bytes: Option<u64>,
    pub(super) host_bytes: Option<f64>,
    /// Slab caches that grew, the largest first.
    pub(super) slabs: Vec<Slab>,
}

/// The growth of one slab cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Slab {
    pub(super) name: String,
    pub(super) object_bytes: u64,
    /// For each connection.
    pub(super) objects: f64,
    /// For each connection; an object counts with its share of its slab.
    pub(super) bytes: f64,
}

/// In bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Predicted {
    pub(super) slab_bytes: u64,
    pub(super) server_bytes: u64,
    pub(super) generator_bytes: u64,
    pub(super) total_bytes: u64,
}

/// A counter that should stand still began to move.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Trouble {
    pub(super) counter: String,
    /// When it was first seen, since the first connect, and how many connections there were.
    pub(super) at_s: f64,
    pub(super) connections: u64,
    /// Its value at the end.
    pub(super) count: u64,
}

/// What a step is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    Opening,
    Holding,
    Closing,
}

/// One moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    /// Since the first connect.
    pub(super) at_s: f64,
    pub(super) phase: Phase,
    pub(super) connections: u64,
    pub(super) slab_bytes: f64,
    pub(super) server_bytes: u64,
    pub(super) generator_bytes: u64,
    pub(super) host_bytes_free: u64,
    /// Since boot, or since the process began.
    pub(super) cpu_us: u64,
    pub(super) server_cpu_us: u64,
    pub(super) generator_cpu_us: u64,
    pub(super) orphans: u64,
    pub(super) time_wait: u64,
    /// Counters of trouble that are not zero.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) troubles: BTreeMap<String, u64>,
}

impl StepRecord {
    /// Connections established in a second, over the whole ramp.
    pub(super) fn connects_per_s(&self) -> Option<f64> {
        self.ramp_s.filter(|ramp_s| *ramp_s > 0.0).map(|ramp_s| self.connections as f64 / ramp_s)
    }

    /// The prediction of slabs and both processes over what was measured. That of the host's loss depends on what
    /// the step before has left in half-filled slabs; with 100,000 connections it says little.
    pub(super) fn prediction_ratio(&self) -> Option<f64> {
        let (memory, predicted) = (&self.memory, &self.predicted);
        let measured = memory.slab_bytes? + memory.server_bytes? as f64 + memory.generator_bytes? as f64;
        let foretold = predicted.slab_bytes + predicted.server_bytes + predicted.generator_bytes;
        (measured > 0.0).then(|| foretold as f64 / measured)
    }

    /// The prediction of everything over what the host lost.
    pub(super) fn prediction_ratio_host(&self) -> Option<f64> {
        let measured = self.memory.host_bytes.filter(|bytes| *bytes > 0.0)?;
        Some(self.predicted.total_bytes as f64 / measured)
    }
}
