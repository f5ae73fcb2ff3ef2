//! The watch of a run: how many connections there are, what they take, what goes wrong. It reads a few files four times
//! a second, in the network namespace of the calling thread, and disturbs nobody.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use crate::kinds::scenario::seen::{Cache, Look, Sample};
use crate::kinds::scenario::timeline::Phase;
use crate::session::namespace::Sockets;
use crate::session::{host_state, proc};

/// Between two samples.
const PERIOD: Duration = Duration::from_millis(250);
/// The counters of TCP of this thread's namespace (proc_net(5)).
const NETSTAT: &str = "/proc/thread-self/net/netstat";

/// Counters that stand still as long as nothing is lost, refused or retried. Their meanings are in
/// `host::kernel`.
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

/// The processes that are watched, as far as they have started.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pids {
    pub(super) server: Option<u32>,
    pub(super) generator: Option<u32>,
}

/// What is watched, and what was seen so far.
pub(super) struct Watch {
    start: Instant,
    /// Sockets in use that are not of the connections.
    sockets_before: u64,
    /// Sockets of the kernel for each connection.
    ends: u64,
    /// How many are wanted.
    connections: u64,
    sampled: Option<Instant>,
    pub(super) samples: Vec<Sample>,
    /// When all connections were established, since `start`.
    pub(super) held_at_s: Option<f64>,
    /// When the last one was gone.
    pub(super) gone_at_s: Option<f64>,
}

impl Watch {
    pub(super) fn begin(sockets_before: u64, ends: u64, connections: u64) -> Watch {
        let start = Instant::now();
        let samples = vec![];
        Watch { start, sockets_before, ends, connections, sampled: None, samples, held_at_s: None, gone_at_s: None }
    }

    /// When the next sample is to be taken.
    pub(super) fn due_in(&self) -> Duration {
        self.sampled.map_or(Duration::ZERO, |sampled| PERIOD.saturating_sub(sampled.elapsed()))
    }

    /// Takes one; `is_over` says that the load generator has ended.
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
        let sockets = Sockets::read();
        let at_s = self.start.elapsed().as_secs_f64();
        let connections = sockets.in_use.saturating_sub(self.sockets_before) / self.ends;
        let most = self.samples.iter().map(|sample| sample.connections).max().unwrap_or(0);
        let phase = match self.held_at_s {
            Some(_) if connections < self.connections - self.connections / 1000 => Phase::Closing,
            Some(_) => Phase::Holding,
            None if is_over && connections < most => Phase::Closing,
            None => Phase::Opening,
        };
        let cpu_us = |pid: Option<u32>| pid.and_then(|pid| proc::process_cpu_us(pid).ok()).unwrap_or(0);
        Sample {
            at_s,
            phase,
            connections,
            slab_bytes: caches().iter().map(Cache::bytes).sum(),
            server_bytes: pids.server.map_or(0, resident_bytes),
            generator_bytes: pids.generator.map_or(0, resident_bytes),
            host_bytes_free: host_bytes_free().unwrap_or(0),
            cpu_us: all_cpus_us(),
            server_cpu_us: cpu_us(pids.server),
            generator_cpu_us: cpu_us(pids.generator),
            orphans: sockets.orphans,
            time_wait: sockets.time_wait,
            troubles: troubles_now(),
        }
    }
}

/// Takes a close look at memory.
pub(super) fn look(pids: Pids) -> Look {
    let bytes = |pid: Option<u32>| pid.and_then(|pid| proc::anonymous_bytes(pid).ok());
    Look {
        slabs: caches(),
        host_bytes_free: host_bytes_free(),
        server_bytes: bytes(pids.server),
        generator_bytes: bytes(pids.generator),
    }
}

/// All slab caches (slabinfo(5)); only root may read them.
fn caches() -> Vec<Cache> {
    let text = fs::read_to_string("/proc/slabinfo").unwrap_or_default();
    parse_caches(&text, rustix::param::page_size() as u64)
}

fn parse_caches(text: &str, page_bytes: u64) -> Vec<Cache> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && line.contains(" : tunables "));
    let cache = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        // name active_objs num_objs objsize objperslab pagesperslab
        let number = |index: usize| words.get(index)?.parse::<u64>().ok();
        Some(Cache {
            name: (*words.first()?).to_owned(),
            objects: number(1)?,
            object_bytes: number(3)?,
            objects_per_slab: number(4).filter(|objects| *objects > 0)?,
            slab_bytes: number(5)? * page_bytes,
        })
    };
    lines.filter_map(cache).collect()
}

/// Memory in nobody's hands: MemFree, Buffers and Cached. Not MemAvailable, which takes half of the inodes and
/// dentries of open sockets for reclaimable.
fn host_bytes_free() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()
    };
    Some((kib("MemFree")? + kib("Buffers")? + kib("Cached")?) * 1024)
}

/// Anonymous memory by the account in `status`, which is quick and lags by some dozen pages for each CPU.
fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Time all CPUs have worked since boot.
fn all_cpus_us() -> u64 {
    host_state::cpus().into_iter().filter_map(|cpu| proc::cpu_busy_us(cpu).ok()).sum()
}

fn troubles_now() -> BTreeMap<String, u64> {
    let text = fs::read_to_string(NETSTAT).unwrap_or_default();
    let mut counters = counters(&text);
    counters.retain(|name, count| *count > 0 && TROUBLES.contains(&name.as_str()));
    counters
}

/// Pairs of lines, `TcpExt: names…` and `TcpExt: numbers…`.
fn counters(netstat: &str) -> BTreeMap<String, u64> {
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("TcpExt:"));
    let (names, numbers) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let numbers = numbers.split_whitespace().filter_map(|number| number.parse().ok());
    names.split_whitespace().map(str::to_owned).zip(numbers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_understood() {
        let slabs = "slabinfo - version: 2.1\n# name <active_objs>\n\
            TCP 100 130 2368 13 8 : tunables 0 0 0 : slabdata 10 10 0\n\
            broken 1 1 8 0 1 : tunables 0 0 0 : slabdata 1 1 0\n";
        let caches = parse_caches(slabs, 4096);
        assert_eq!((caches.len(), caches[0].objects, caches[0].object_bytes), (1, 100, 2368));
        assert!((caches[0].bytes() - 100.0 * 32_768.0 / 13.0).abs() < 1e-6);
        let netstat = "TcpExt: SyncookiesSent ListenDrops\nTcpExt: 3 0\nIpExt: InOctets\nIpExt: 7\n";
        assert_eq!(counters(netstat), [("ListenDrops".to_owned(), 0), ("SyncookiesSent".to_owned(), 3)].into());
        assert!(host_bytes_free().unwrap() > 0 && all_cpus_us() > 0);
        assert!(resident_bytes(std::process::id()) > 0 && resident_bytes(u32::MAX) == 0);
        let known = counters(&fs::read_to_string("/proc/net/netstat").unwrap());
        let unknown: Vec<&str> = TROUBLES.into_iter().filter(|name| !known.contains_key(*name)).collect();
        assert_eq!(unknown, [] as [&str; 0], "counters this kernel has not");
        assert!(TROUBLES.iter().all(|name| host::kernel::meaning(name).is_some() || known.contains_key(*name)));
    }
}
