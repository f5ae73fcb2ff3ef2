//! What is known of each step, as written to `record.json`. What could not be read is absent.

use results::record::VerdictState;
use serde::{Deserialize, Serialize};

use crate::kinds::scenario::frame::Head;
use crate::kinds::scenario::seen::{Sample, Trouble};

/// One run of the scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(flatten)]
    pub(crate) head: Head,
    pub(crate) notes: Vec<String>,
    /// Steps that were not begun, with the reasons.
    pub(crate) skipped: Vec<String>,
    /// Attempts that failed, and waits for a quiet machine.
    pub(crate) incidents: Vec<String>,
    pub(crate) steps: Vec<StepRecord>,
}

/// One number of connections, held by one variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepRecord {
    pub(crate) name: String,
    pub(crate) place: String,
    pub(crate) variant: String,
    pub(crate) connections: u64,
    pub(crate) reactors: u64,
    pub(crate) workers: u64,
    /// Size of the namespace's connection table.
    pub(crate) ehash_entries: Option<u64>,
    /// The commands of server, load generator and probe.
    pub(crate) commands: Vec<String>,
    pub(crate) established: u64,
    /// Seconds from the first connect until all connections were established. Absent when they never were.
    pub(crate) ramp_s: Option<f64>,
    pub(crate) connect_us: Tail,
    /// CPU time of one connect: of all CPUs, of the server and of the load generator.
    pub(crate) ramp_cpu: CpuEach,
    /// Response times of the probe's connections while the others were opened.
    pub(crate) probe: Option<Tail>,
    pub(crate) memory: Memory,
    /// What the planner predicted.
    pub(crate) predicted: Predicted,
    pub(crate) heartbeat_s: u64,
    pub(crate) heartbeat: Tail,
    /// Requests without a good answer in time.
    pub(crate) heartbeats_failed: u64,
    /// CPU time for one heartbeat.
    pub(crate) heartbeat_cpu: CpuEach,
    /// The load generator's verdict, with the checks that did not pass.
    pub(crate) verdict: String,
    /// Seconds from the first close until the kernel had no connection left. Absent when some remained.
    pub(crate) close_s: Option<f64>,
    pub(crate) orphans_max: u64,
    pub(crate) time_wait_max: u64,
    /// Connections of the fullest reactor divided by the mean.
    pub(crate) accepts_max_over_mean: Option<f64>,
    /// Signs of trouble, in order of appearance.
    pub(crate) troubles: Vec<Trouble>,
    pub(crate) samples: Vec<Sample>,
}

/// Times in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tail {
    pub(crate) count: u64,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) p99_9_us: Option<f64>,
    pub(crate) max_us: Option<f64>,
}

/// CPU time in microseconds of one event (a connect or a heartbeat).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CpuEach {
    /// Of all CPUs while they were not idle. Includes the work on packets, and what a hypervisor took meanwhile.
    pub(crate) all_us: Option<f64>,
    pub(crate) server_us: Option<f64>,
    pub(crate) generator_us: Option<f64>,
}

/// Growth from before the first connect until all connections were established and still idle.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// The server's memory before the first connect.
    pub(crate) server_bytes_fixed: Option<u64>,
    /// Growth of each process's own memory per connection.
    pub(crate) server_bytes_each: Option<f64>,
    pub(crate) generator_bytes_each: Option<f64>,
    /// Growth of all slabs in use per connection.
    pub(crate) slab_bytes_each: Option<f64>,
    /// What the host lost per connection, whoever uses it: MemFree, Buffers and Cached of /proc/meminfo.
    pub(crate) host_bytes_each: Option<f64>,
    /// Growth in bytes of the kernel's slabs, and of both processes with all their threads.
    pub(crate) slab_bytes: Option<f64>,
    pub(crate) server_bytes: Option<u64>,
    pub(crate) generator_bytes: Option<u64>,
    pub(crate) host_bytes: Option<f64>,
    /// Slab caches that grew, largest first.
    pub(crate) slabs: Vec<Slab>,
}

/// The growth of one slab cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Slab {
    pub(crate) name: String,
    pub(crate) object_bytes: u64,
    /// Objects per connection.
    pub(crate) objects: f64,
    /// Bytes per connection. An object counts with its share of its slab.
    pub(crate) bytes: f64,
}

/// What the planner predicted, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Predicted {
    pub(crate) slab_bytes: u64,
    pub(crate) server_bytes: u64,
    pub(crate) generator_bytes: u64,
    pub(crate) total_bytes: u64,
}

impl StepRecord {
    /// Whether the generator says that its times must not be used.
    pub(crate) fn has_invalid_times(&self) -> bool {
        self.verdict.starts_with(VerdictState::Invalid.word())
    }

    /// Connections established per second, over the whole ramp.
    pub(crate) fn connects_per_s(&self) -> Option<f64> {
        self.ramp_s.filter(|ramp_s| *ramp_s > 0.0).map(|ramp_s| self.connections as f64 / ramp_s)
    }

    /// The predicted memory of slabs and both processes divided by the measured one. A prediction of the host's loss
    /// depends on what the previous step left in half-filled slabs, so it says little for 100,000 connections.
    pub(crate) fn prediction_ratio(&self) -> Option<f64> {
        let (memory, predicted) = (&self.memory, &self.predicted);
        let measured = memory.slab_bytes? + memory.server_bytes? as f64 + memory.generator_bytes? as f64;
        let foretold = predicted.slab_bytes + predicted.server_bytes + predicted.generator_bytes;
        (measured > 0.0).then(|| foretold as f64 / measured)
    }

    /// The predicted memory as a whole divided by what the host lost.
    pub(crate) fn prediction_ratio_host(&self) -> Option<f64> {
        let measured = self.memory.host_bytes.filter(|bytes| *bytes > 0.0)?;
        Some(self.predicted.total_bytes as f64 / measured)
    }
}
