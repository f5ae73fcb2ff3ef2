//! Memory of this process and of the host. Reads only, and never in a worker.

use host::Meminfo;
use std::time::{Duration, Instant};

/// One part in this many of the host's memory stays free, unless another reserve is asked for.
pub const RESERVE_SHARE: u64 = 32;
/// Between two looks while connections are opened. At 100,000 connects/s and 8 KB each the kernel takes 160 MB
/// meanwhile, a fifth of the reserve of a host of 24 GiB.
const LOOK_PERIOD: Duration = Duration::from_millis(200);

/// Anonymous resident memory of this process: what it allocated and touched.
pub(crate) fn rss_anon_bytes() -> Option<u64> {
    host::process::anonymous_bytes_quick(std::process::id())
}

/// Memory of the host in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct HostMemory {
    total: u64,
    available: u64,
    reclaimable: u64,
}

impl HostMemory {
    fn read() -> Option<HostMemory> {
        HostMemory::of(Meminfo::read())
    }

    fn of(meminfo: Meminfo) -> Option<HostMemory> {
        Some(HostMemory { total: meminfo.total?, available: meminfo.available?, reclaimable: meminfo.reclaimable? })
    }
}

/// Memory that ran short, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shortage {
    pub(crate) left: u64,
    pub(crate) reserve: u64,
}

/// Watches over the host's memory while connections are opened, so that the kernel need not kill anybody.
#[derive(Debug)]
pub(crate) struct Guard {
    reserve: u64,
    reclaimable_before: u64,
    looked_at: Option<Instant>,
}

impl Guard {
    /// Keeps `reserve` bytes free, or its share when there is none. On a host that does not show its memory
    /// nothing is guarded.
    pub(crate) fn new(reserve: Option<u64>) -> Guard {
        let host = HostMemory::read();
        Guard {
            reserve: reserve.unwrap_or_else(|| host.map_or(0, |host| host.total / RESERVE_SHARE)),
            reclaimable_before: host.map_or(0, |host| host.reclaimable),
            looked_at: None,
        }
    }

    /// Whether less is left than the reserve; looks a few times a second, however often it is asked.
    pub(crate) fn shortage(&mut self) -> Option<Shortage> {
        if self.looked_at.is_some_and(|at| at.elapsed() < LOOK_PERIOD) {
            return None;
        }
        self.looked_at = Some(Instant::now());
        self.judge(HostMemory::read()?)
    }

    /// MemAvailable counts inodes and dentries as reclaimable, which those of open sockets are not (linux
    /// mm/show_mem.c, si_mem_available): what they grew by is taken off.
    fn judge(&self, host: HostMemory) -> Option<Shortage> {
        let left = host.available.saturating_sub(host.reclaimable.saturating_sub(self.reclaimable_before));
        (left < self.reserve).then_some(Shortage { left, reserve: self.reserve })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sockets_hold_is_not_available() {
        let known = Meminfo {
            total: Some(1000 << 10),
            available: Some(500 << 10),
            reclaimable: Some(100 << 10),
            ..Meminfo::default()
        };
        let host = HostMemory::of(known).unwrap();
        assert_eq!(host, HostMemory { total: 1000 << 10, available: 500 << 10, reclaimable: 100 << 10 });
        assert_eq!(HostMemory::of(Meminfo { available: None, ..known }), None);
        let guard = |reserve: u64| Guard { reserve, reclaimable_before: 40 << 10, looked_at: None };
        assert_eq!(guard(440 << 10).judge(host), None);
        let shortage = Shortage { left: 440 << 10, reserve: (440 << 10) + 1 };
        assert_eq!(guard((440 << 10) + 1).judge(host), Some(shortage));
    }

    #[test]
    fn a_guard_looks_now_and_then() {
        let mut guard = Guard::new(Some(u64::MAX));
        assert!(guard.shortage().is_some() && guard.shortage().is_none());
        assert_eq!(Guard::new(Some(0)).shortage(), None);
        assert!(Guard::new(None).reserve > 0);
    }

    #[test]
    fn own_memory_is_readable() {
        assert!(rss_anon_bytes().unwrap() > 4096);
    }
}
