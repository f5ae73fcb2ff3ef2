//! What a run cost: system calls, CPU time, memory.

use serde::{Deserialize, Serialize};

/// System calls in the window, over all workers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the calls")]
pub struct Syscalls {
    pub recv: u64,
    pub send: u64,
    pub epoll_wait: u64,
    pub epoll_ctl: u64,
    pub connect: u64,
    pub close: u64,
    pub io_uring_enter: u64,
    pub io_uring_register: u64,
    /// Submissions to rings; not system calls.
    pub sqes: u64,
    /// Completions of rings; not system calls.
    pub cqes: u64,
    /// Packets read from TUN devices, and attempts that found none.
    pub read: u64,
    /// Packets written to TUN devices.
    pub write: u64,
    pub poll: u64,
}

/// CPU time of the generator between two samples at the ends of the window.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Cpu {
    /// User time of the process.
    pub user_us: u64,
    /// System time of the process.
    pub system_us: u64,
    /// Time between the samples.
    pub wall_us: u64,
    /// Replies received between the samples: what to divide by.
    pub requests_completed_in_window: u64,
    /// Time, contained in the above, that workers spent polling for the next arrival with nothing to do.
    pub polling_us: u64,
    /// Share of the window for which the busiest worker was on a CPU and not just polling; of workers pinned to the same
    /// CPU, all of them together.
    pub busiest_worker_share: Option<f64>,
    /// CPUs the workers were pinned to.
    pub cpus: Vec<u32>,
    /// Busy time of these CPUs, interrupts included; absent when some of the time was stolen.
    pub busy_us: Option<u64>,
}

/// CPU time of something else (the server) between the same two samples.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Watched {
    /// The process.
    pub pid: Option<u32>,
    /// Its time on a CPU, user and system, in ns; exact, by its CPU clock. Absent when it could not be read at both ends.
    #[serde(default)]
    pub run_ns: Option<u64>,
    /// Its user time; absent when it could not be read at both ends.
    pub user_us: Option<u64>,
    /// Its system time.
    pub system_us: Option<u64>,
    /// The CPUs.
    pub cpus: Vec<u32>,
    /// Their busy time, interrupts included; absent when some of the time was stolen.
    pub busy_us: Option<u64>,
    /// Replies received between the samples: what to divide by.
    pub requests_completed_in_window: u64,
}

/// Anonymous resident memory of the generator.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Memory {
    /// Workers ready, no connections yet.
    pub rss_anon_before_bytes: Option<u64>,
    /// Every connection established.
    pub rss_anon_established_bytes: Option<u64>,
    /// The difference for each established connection.
    pub per_connection_bytes: Option<f64>,
    /// Size limit of a connection's own data, checked at compile time.
    pub connection_struct_bytes_max: u64,
}
