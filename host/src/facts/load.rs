//! Reads what else the host is doing: pressure, load, stolen time and other people's sockets.

use serde::Serialize;

use super::source::Source;
use crate::kernel::parse::level;

/// Share of the last ten seconds in which some task waited for the resource, in percent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pressure {
    /// Waiting for a processor.
    pub cpu_percent: Option<f64>,
    /// Waiting for memory.
    pub memory_percent: Option<f64>,
    /// Waiting for a disk.
    pub io_percent: Option<f64>,
}

/// What else the host is doing at the moment of reading.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Load {
    /// Tasks that run or wait for a disk: means over one, five and fifteen minutes.
    pub average: Option<[f64; 3]>,
    /// Tasks that could run now, including this process.
    pub runnable_count: Option<u64>,
    /// Share of all processor time since boot that the hypervisor gave to others, in percent.
    pub steal_percent: Option<f64>,
    /// Seconds since boot.
    pub uptime_s: Option<f64>,
    /// TCP sockets of this network namespace. Before a run, all of them belong to others.
    pub sockets: Sockets,
}

/// TCP sockets of this network namespace; IPv4 unless stated otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sockets {
    /// Sockets in the hash tables: listening and connected ones.
    pub in_use_count: Option<u64>,
    /// The same for IPv6.
    pub in_use_ipv6_count: Option<u64>,
    /// Sockets without a process that still send or wait for the peer. Counted over the whole host.
    pub orphan_count: Option<u64>,
    /// In TIME_WAIT.
    pub time_wait_count: Option<u64>,
    /// Sockets allocated on the whole host, of either family.
    pub allocated_count: Option<u64>,
    /// Pages charged for queued data on the whole host. Accurate to some hundred pages per processor.
    pub memory_pages: Option<u64>,
}

pub(super) fn pressure(source: &mut Source<'_>) -> Pressure {
    let mut percent = |resource: &str| source.parsed(&format!("proc/pressure/{resource}"), "some avg10=…", some_avg10);
    Pressure { cpu_percent: percent("cpu"), memory_percent: percent("memory"), io_percent: percent("io") }
}

pub(super) fn load(source: &mut Source<'_>) -> Load {
    let loadavg = source.parsed("proc/loadavg", "three means and a pair of counts", loadavg);
    Load {
        average: loadavg.map(|(average, _)| average),
        runnable_count: loadavg.map(|(_, runnable)| runnable),
        steal_percent: source.parsed("proc/stat", "a line of processor times", steal_percent),
        uptime_s: source.parsed("proc/uptime", "seconds since boot", |text| {
            text.split_whitespace().next()?.parse().ok().filter(|seconds: &f64| seconds.is_finite())
        }),
        sockets: sockets(source),
    }
}

fn sockets(source: &mut Source<'_>) -> Sockets {
    let ipv4 = source.text("proc/net/sockstat").unwrap_or_default();
    let ipv6 = source.text("proc/net/sockstat6").unwrap_or_default();
    let tcp = |name: &str| level(&ipv4, "TCP", name);
    Sockets {
        in_use_count: tcp("inuse"),
        in_use_ipv6_count: level(&ipv6, "TCP6", "inuse"),
        orphan_count: tcp("orphan"),
        time_wait_count: tcp("tw"),
        allocated_count: tcp("alloc"),
        memory_pages: tcp("mem"),
    }
}

/// `0.37 0.85 1.26 3/92 17033`; the last number is the newest process.
fn loadavg(text: &str) -> Option<([f64; 3], u64)> {
    let mut words = text.split_whitespace();
    let mut mean = || words.next()?.parse().ok().filter(|mean: &f64| mean.is_finite());
    let average = [mean()?, mean()?, mean()?];
    let (runnable, _) = words.next()?.split_once('/')?;
    Some((average, runnable.parse().ok()?))
}

/// The eighth time of the line `cpu` (proc_stat(5)). Guest time, the ninth and tenth, is already part of the first
/// two.
fn steal_percent(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let times: Option<Vec<u64>> = line.split_whitespace().take(8).map(|time| time.parse().ok()).collect();
    let times = times.filter(|times| times.len() == 8)?;
    let all: u128 = times.iter().copied().map(u128::from).sum();
    (all > 0).then(|| times[7] as f64 * 100.0 / all as f64)
}

/// `some avg10=0.62 avg60=…` of a pressure file.
fn some_avg10(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let value = line.split_whitespace().find_map(|part| part.strip_prefix("avg10="))?;
    value.parse().ok().filter(|percent: &f64| percent.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_lines() {
        assert_eq!(some_avg10("some avg10=0.62 avg60=0.36 avg300=0.13 total=2\nfull avg10=9"), Some(0.62));
        assert_eq!(some_avg10("full avg10=9"), None);
        assert_eq!(some_avg10("some avg10=NaN"), None);
    }

    #[test]
    fn load_lines() {
        assert_eq!(loadavg("0.37 0.85 1.26 3/92 17033"), Some(([0.37, 0.85, 1.26], 3)));
        assert_eq!(loadavg("0.37 0.85 3/92 17033"), None);
        assert_eq!(loadavg("inf 0 0 1/2 3"), None);
    }

    #[test]
    fn stolen_time_is_a_share_of_all_time() {
        assert_eq!(steal_percent("cpu  10 0 10 60 0 0 0 20 5 0\ncpu0 1 2 3"), Some(20.0));
        assert_eq!(steal_percent("cpu  0 0 0 0 0 0 0 0 0 0"), None);
        assert_eq!(steal_percent("cpu  1 2 3"), None);
        assert_eq!(steal_percent("intr 5"), None);
    }
}
