//! The memory to spare on a host, and which limit says so: the host's own, or that of a cgroup. Reads nothing.

use ::host::{CgroupMemory, Memory};
use serde::Serialize;

use crate::budget::MEMORY_RESERVE_SHARE;

/// What bounds the memory of a new process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryLimit {
    /// The memory of the host.
    Host,
    /// The limit of a memory cgroup.
    Cgroup,
}

impl MemoryLimit {
    /// The beginning of a sentence about what is to spare.
    pub const fn has(self) -> &'static str {
        match self {
            MemoryLimit::Host => "this host has",
            MemoryLimit::Cgroup => "the memory cgroup leaves",
        }
    }

    /// Who has it.
    pub(crate) const fn place(self) -> &'static str {
        match self {
            MemoryLimit::Host => "on this host",
            MemoryLimit::Cgroup => "in the memory cgroup",
        }
    }

    /// What people can do about too little of it. No command of this program does it.
    pub(crate) const fn way_out(self) -> &'static str {
        match self {
            MemoryLimit::Host => "end other programs, or use a larger host",
            MemoryLimit::Cgroup => {
                "raise memory.max (memory.limit_in_bytes of version 1) of the cgroup, or run outside of it"
            }
        }
    }
}

/// Memory that a new process can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spare {
    /// The limit that leaves the least.
    pub(crate) limit: MemoryLimit,
    /// What it leaves, in bytes.
    pub(crate) left: u64,
    /// The same less the reserve.
    pub(crate) bytes: u64,
}

impl Spare {
    /// `None` if neither limit can be read. The reserve is a share of the whole limit, as the load generator's is: a
    /// share of what is left would shrink to nothing on a host that is nearly full.
    pub(crate) fn of(host: &Memory, cgroup: Option<CgroupMemory>) -> Option<Spare> {
        let less = |limit, whole: u64, left: u64| {
            let bytes = left.saturating_sub(whole / MEMORY_RESERVE_SHARE);
            Spare { limit, left, bytes }
        };
        let of_host = host.total_bytes.zip(host.available_bytes);
        let of_host = of_host.map(|(total, available)| less(MemoryLimit::Host, total, available));
        let of_cgroup = cgroup.map(|memory| less(MemoryLimit::Cgroup, memory.limit, memory.left));
        of_host.into_iter().chain(of_cgroup).min_by_key(|spare| spare.bytes)
    }
}
