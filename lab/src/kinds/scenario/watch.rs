//! The watch of a run: how many connections there are, what they cost, and what goes wrong. It reads a few files four
//! times a second, in the network namespace of the calling thread, and does not disturb the run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use host::kernel::{CpuTimes, sockets, tcp_ext};
use host::{Meminfo, SlabCache, process};

use crate::kinds::scenario::seen::{Look, Sample};
use crate::kinds::scenario::timeline::Phase;

/// Time between two samples.
const PERIOD: Duration = Duration::from_millis(250);

/// Counters that stay still as long as nothing is lost, refused or retried. `host::kernel` documents their meanings.
const TROUBLES: [&str; 16] = [
    "ListenOverflows",
    "ListenDrops",
    "TCPReqQFullDoCookies",
    "TCPReqQFullDrop",
    "SyncookiesSent",
    "TCPBacklogDrop",
    "TCPSynRetrans",
    "TCPTimeouts",
    "TCPSpuriousRTOs",
    "TCPAbortOnMemory",
    "TCPAbortOnTimeout",
    "TCPMemoryPressures",
    "PruneCalled",
    "TCPRcvQDrop",
    "TCPWqueueTooBig",
    "TCPTimeWaitOverflow",
];

/// The watched processes that have started.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pids {
    pub(super) server: Option<u32>,
    pub(super) generator: Option<u32>,
}

/// The target of the watch, and the samples so far.
pub(super) struct Watch {
    start: Instant,
    /// Sockets in use that do not belong to the connections.
    sockets_before: u64,
    /// Kernel sockets per connection.
    ends: u64,
    /// How many connections are wanted.
    connections: u64,
    sampled: Option<Instant>,
    pub(super) samples: Vec<Sample>,
    /// When all connections were established, in seconds since `start`.
    pub(super) held_at_s: Option<f64>,
    /// When the last connection was gone.
    pub(super) gone_at_s: Option<f64>,
}

impl Watch {
    pub(super) fn begin(sockets_before: u64, ends: u64, connections: u64) -> Watch {
        let start = Instant::now();
        let samples = vec![];
        Watch { start, sockets_before, ends, connections, sampled: None, samples, held_at_s: None, gone_at_s: None }
    }

    /// Time until the next sample is due.
    pub(super) fn due_in(&self) -> Duration {
        self.sampled.map_or(Duration::ZERO, |sampled| PERIOD.saturating_sub(sampled.elapsed()))
    }

    /// Takes a sample; `is_over` says that the load generator has ended.
    pub(super) fn sample(&mut self, pids: Pids, is_over: bool) {
        let mut sample = self.look(pids, is_over);
        if self.held_at_s.is_none() && sample.connections >= self.connections {
            self.held_at_s = Some(sample.at_s);
            sample.phase = Phase::Holding;
        }
        if is_over && sample.connections == 0 {
            self.gone_at_s.get_or_insert(sample.at_s);
        }
        self.samples.push(sample);
        self.sampled = Some(Instant::now());
    }

    fn look(&self, pids: Pids, is_over: bool) -> Sample {
        let sockets = sockets().unwrap_or_default();
        let at_s = self.start.elapsed().as_secs_f64();
        let connections = sockets.tcp_inuse.unwrap_or(0).saturating_sub(self.sockets_before) / self.ends;
        let most = self.samples.iter().map(|sample| sample.connections).max().unwrap_or(0);
        let phase = match self.held_at_s {
            Some(_) if connections < self.connections - self.connections / 1000 => Phase::Closing,
            Some(_) => Phase::Holding,
            None if is_over && connections < most => Phase::Closing,
            None => Phase::Opening,
        };
        let cpu_us = |pid: Option<u32>| {
            let time = pid.and_then(|pid| process::cpu_time(pid).ok()).unwrap_or_default();
            time.user_us + time.system_us
        };
        Sample {
            at_s,
            phase,
            connections,
            slab_bytes: caches().iter().map(SlabCache::bytes).sum(),
            server_bytes: pids.server.map_or(0, resident_bytes),
            generator_bytes: pids.generator.map_or(0, resident_bytes),
            host_bytes_free: Meminfo::read().unused.unwrap_or(0),
            cpu_us: all_cpus_us(),
            server_cpu_us: cpu_us(pids.server),
            generator_cpu_us: cpu_us(pids.generator),
            orphans: sockets.tcp_orphan.unwrap_or(0),
            time_wait: sockets.tcp_tw.unwrap_or(0),
            troubles: troubles_now(),
        }
    }
}

/// Takes a close look at memory.
pub(super) fn look(pids: Pids) -> Look {
    let bytes = |pid: Option<u32>| pid.and_then(|pid| process::anonymous_bytes(pid).ok());
    Look {
        slabs: caches(),
        host_bytes_free: Meminfo::read().unused,
        server_bytes: bytes(pids.server),
        generator_bytes: bytes(pids.generator),
    }
}

/// TCP sockets in use in the namespace of the calling thread.
pub(super) fn sockets_in_use() -> u64 {
    sockets().and_then(|sockets| sockets.tcp_inuse).unwrap_or(0)
}

/// All slab caches. Empty when only root may read them.
fn caches() -> Vec<SlabCache> {
    SlabCache::all().unwrap_or_default()
}

/// Anonymous memory from the kernel's fast counters, which lag by some dozen pages for each CPU.
fn resident_bytes(pid: u32) -> u64 {
    process::anonymous_bytes_quick(pid).unwrap_or(0)
}

/// Time since boot in which the CPUs were not idle. What a hypervisor took meanwhile is in it: a part of that time counts
/// as idle too, so taking it off would take off too much.
fn all_cpus_us() -> u64 {
    CpuTimes::read().map_or(0, |times| times.cpus().filter_map(|cpu| times.not_idle_us(cpu)).sum())
}

fn troubles_now() -> BTreeMap<String, u64> {
    let mut counters = tcp_ext();
    counters.retain(|name, count| *count > 0 && TROUBLES.contains(&name.as_str()));
    counters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_shows_what_is_watched() {
        assert!(all_cpus_us() > 0);
        assert!(resident_bytes(std::process::id()) > 0 && resident_bytes(u32::MAX) == 0);
        let known = tcp_ext();
        let unknown: Vec<&str> = TROUBLES.into_iter().filter(|name| !known.contains_key(*name)).collect();
        assert_eq!(unknown, [] as [&str; 0], "counters this kernel has not");
        assert!(TROUBLES.iter().all(|name| host::kernel::meaning(name).is_some()));
    }
}
