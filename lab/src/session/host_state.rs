//! A short look at the load of the machine while an experiment does nothing. Judges nothing.

use std::thread;
use std::time::{Duration, Instant};

use host::SlabCache;
use host::kernel::{CpuTimes, cpu_waited_us, sockets};

/// The load of the machine. Absent where this kernel does not show it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Look {
    /// Share of the look in which some task waited for a CPU (PSI).
    pub(crate) pressure: Option<f64>,
    /// Share of the look that the hypervisor took from one CPU: the watched one that lost most.
    pub(crate) steal: f64,
    /// Share of the look in which the busiest watched CPU worked, and the number of that CPU.
    pub(crate) busy: f64,
    pub(crate) busiest_cpu: usize,
    /// TCP sockets that no process holds any more.
    pub(crate) orphans: u64,
    /// Connections in TIME-WAIT.
    pub(crate) time_wait: u64,
    /// TCP sockets that are freed but that the slab allocator has not given back yet.
    pub(crate) sockets_undrained: Option<u64>,
}

impl Look {
    /// Watches `cpus` for `length`.
    pub(crate) fn take(cpus: &[usize], length: Duration) -> Look {
        // If the kernel does not show CPU times, no CPU counts as busy.
        let times = || CpuTimes::read().ok();
        let (start, waited_before, before) = (Instant::now(), cpu_waited_us(), times());
        thread::sleep(length);
        let (after, waited_after) = (times(), cpu_waited_us());
        let wall_us = start.elapsed().as_micros().max(1) as f64;
        let waited = waited_before.zip(waited_after).map(|(before, after)| after.saturating_sub(before));
        let mut look = Look { pressure: waited.map(|us| us as f64 / wall_us), ..Look::default() };
        for &cpu in cpus {
            let of = |times: &Option<CpuTimes>| times.as_ref().and_then(|times| times.of(cpu as u32));
            let Some((before, after)) = of(&before).zip(of(&after)) else { continue };
            let time = after.since(&before);
            if time.busy_share() > look.busy {
                (look.busy, look.busiest_cpu) = (time.busy_share(), cpu);
            }
            look.steal = look.steal.max(time.stolen_share());
        }
        let sockets = sockets().unwrap_or_default();
        look.orphans = sockets.tcp_orphan.unwrap_or(0);
        look.time_wait = sockets.tcp_tw.unwrap_or(0);
        let objects = SlabCache::all().map(|caches| tcp_objects(&caches));
        look.sockets_undrained = objects.zip(sockets.tcp_alloc).map(|(objects, used)| objects.saturating_sub(used));
        look
    }
}

/// Objects in use of the caches TCP and TCPv6.
fn tcp_objects(caches: &[SlabCache]) -> u64 {
    let of_tcp = caches.iter().filter(|cache| matches!(cache.name.as_str(), "TCP" | "TCPv6"));
    of_tcp.map(|cache| cache.objects).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_are_understood() {
        let cache = |name: &str, objects| SlabCache {
            name: name.to_owned(),
            objects,
            object_bytes: 2368,
            objects_per_slab: 13,
            pages_per_slab: 8,
        };
        assert_eq!(tcp_objects(&[cache("TCPv6", 26), cache("tw_sock_TCP", 7), cache("TCP", 100)]), 126);
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let look = Look::take(&[0], Duration::from_millis(50));
        for share in [look.steal, look.busy].into_iter().chain(look.pressure) {
            assert!((0.0..=1.5).contains(&share), "{look:?}");
        }
    }
}
