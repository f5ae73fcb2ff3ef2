//! Watches a step from beside: how many connections there are, what they take, what goes wrong. Runs in the
//! step's namespace, on a thread of its own, and disturbs nobody: it reads a few files four times a second.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::record::{Phase, Sample, Trouble};
use crate::session::namespace::Sockets;
use crate::session::{host_state, proc};

/// Between two samples.
const PERIOD: Duration = Duration::from_millis(250);
/// The counters of TCP of this thread's namespace (proc_net(5)).
const NETSTAT: &str = "/proc/thread-self/net/netstat";

/// Counters that stand still as long as nothing is lost, refused or retried. Their meanings are in
/// `loadgen::kernel`.
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

/// What is watched.
pub(super) struct Watch<'a> {
    pub(super) server: u32,
    /// Its process, 0 before it has started.
    pub(super) generator: &'a AtomicU32,
    /// Sockets in use that are not of the step's connections.
    pub(super) sockets_before: u64,
    pub(super) ends: u64,
    pub(super) connections: u64,
    /// Set when the load generator has ended.
    pub(super) is_over: &'a AtomicBool,
    /// Longest wait for the last connection to go.
    pub(super) close_max: Duration,
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) samples: Vec<Sample>,
    /// All slab caches when all connections were established.
    pub(super) slabs_held: Vec<Cache>,
    /// The server's own memory then and the generator's, by their page tables.
    pub(super) server_bytes_held: Option<u64>,
    pub(super) generator_bytes_held: Option<u64>,
    pub(super) host_bytes_free_held: Option<u64>,
    /// When that was, since `start`.
    pub(super) held_at_s: Option<f64>,
    /// When the last connection was gone.
    pub(super) gone_at_s: Option<f64>,
}

impl Watch<'_> {
    /// Watches until the load generator has ended and its connections are gone. `on_held` is called once, when
    /// all connections are established.
    pub(super) fn run(&self, start: Instant, mut on_held: impl FnMut()) -> Seen {
        let mut seen = Seen::default();
        let mut over_at: Option<Instant> = None;
        loop {
            let mut sample = self.sample(start, &seen);
            if seen.held_at_s.is_none() && sample.connections >= self.connections {
                seen.held_at_s = Some(sample.at_s);
                sample.phase = Phase::Holding;
                self.look_closely(&mut seen);
                on_held();
            }
            let is_over = self.is_over.load(Ordering::Acquire);
            if is_over {
                over_at.get_or_insert_with(Instant::now);
                if sample.connections == 0 {
                    seen.gone_at_s = Some(sample.at_s);
                }
            }
            seen.samples.push(sample);
            if seen.gone_at_s.is_some() || over_at.is_some_and(|at| at.elapsed() > self.close_max) {
                return seen;
            }
            thread::sleep(PERIOD);
        }
    }

    fn sample(&self, start: Instant, seen: &Seen) -> Sample {
        let sockets = Sockets::read();
        let at_s = start.elapsed().as_secs_f64();
        let connections = sockets.in_use.saturating_sub(self.sockets_before) / self.ends;
        let generator = self.generator.load(Ordering::Acquire);
        let most = seen.samples.iter().map(|sample| sample.connections).max().unwrap_or(0);
        let phase = match seen.held_at_s {
            Some(_) if connections < self.connections - self.connections / 1000 => Phase::Closing,
            Some(_) => Phase::Holding,
            None if self.is_over.load(Ordering::Acquire) && connections < most => Phase::Closing,
            None => Phase::Opening,
        };
        Sample {
            at_s,
            phase,
            connections,
            slab_bytes: caches().iter().map(Cache::bytes).sum(),
            server_bytes: resident_bytes(self.server),
            generator_bytes: if generator == 0 { 0 } else { resident_bytes(generator) },
            host_bytes_free: host_bytes_free().unwrap_or(0),
            cpu_us: all_cpus_us(),
            server_cpu_us: proc::process_cpu_us(self.server).unwrap_or(0),
            generator_cpu_us: if generator == 0 { 0 } else { proc::process_cpu_us(generator).unwrap_or(0) },
            orphans: sockets.orphans,
            time_wait: sockets.time_wait,
            troubles: troubles_now(),
        }
    }

    fn look_closely(&self, seen: &mut Seen) {
        seen.slabs_held = caches();
        seen.host_bytes_free_held = host_bytes_free();
        seen.server_bytes_held = proc::anonymous_bytes(self.server).ok();
        seen.generator_bytes_held = proc::anonymous_bytes(self.generator.load(Ordering::Acquire)).ok();
    }
}

impl Seen {
    /// Each counter that moved, when that was first seen, and how far it came.
    pub(super) fn troubles(&self) -> Vec<Trouble> {
        let mut troubles: Vec<Trouble> = Vec::new();
        for sample in &self.samples {
            for (counter, count) in &sample.troubles {
                match troubles.iter_mut().find(|trouble| trouble.counter == *counter) {
                    Some(trouble) => trouble.count = *count,
                    None => troubles.push(Trouble {
                        counter: counter.clone(),
                        at_s: sample.at_s,
                        connections: sample.connections,
                        count: *count,
                    }),
                }
            }
        }
        troubles
    }
}

/// A slab cache (slabinfo(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cache {
    pub(super) name: String,
    pub(super) objects: u64,
    pub(super) object_bytes: u64,
    slab_bytes: u64,
    objects_per_slab: u64,
}

impl Cache {
    /// An object counts with its share of its slab.
    pub(super) fn bytes(&self) -> f64 {
        self.objects as f64 * self.bytes_of_one()
    }

    pub(super) fn bytes_of_one(&self) -> f64 {
        self.slab_bytes as f64 / self.objects_per_slab as f64
    }
}

/// All of them; only root may read them.
pub(super) fn caches() -> Vec<Cache> {
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
pub(super) fn host_bytes_free() -> Option<u64> {
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
pub(super) fn all_cpus_us() -> u64 {
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
        assert!(TROUBLES.iter().all(|name| loadgen::kernel::meaning(name).is_some() || known.contains_key(*name)));
    }

    #[test]
    fn troubles_keep_their_order() {
        let sample = |at_s: f64, troubles: &[(&str, u64)]| Sample {
            at_s,
            phase: Phase::Opening,
            connections: (at_s * 10.0) as u64,
            slab_bytes: 0.0,
            server_bytes: 0,
            generator_bytes: 0,
            host_bytes_free: 0,
            cpu_us: 0,
            server_cpu_us: 0,
            generator_cpu_us: 0,
            orphans: 0,
            time_wait: 0,
            troubles: troubles.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        };
        let samples = vec![sample(1.0, &[]), sample(2.0, &[("b", 1)]), sample(3.0, &[("a", 4), ("b", 9)])];
        let troubles = Seen { samples, ..Seen::default() }.troubles();
        let found: Vec<(&str, f64, u64, u64)> = troubles
            .iter()
            .map(|trouble| (trouble.counter.as_str(), trouble.at_s, trouble.connections, trouble.count))
            .collect();
        assert_eq!(found, [("b", 2.0, 20, 9), ("a", 3.0, 30, 4)]);
    }
}
