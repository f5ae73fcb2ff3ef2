//! A short look at what the machine does while an experiment does nothing. Reads /proc; judges nothing.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// What was seen. What this kernel does not show is absent.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Look {
    /// Share of the look in which some task waited for a CPU (PSI).
    pub(crate) pressure: Option<f64>,
    /// Share of the look that the hypervisor took from the watched CPU that lost most.
    pub(crate) steal: f64,
    /// Share of the look in which the busiest watched CPU worked, and which CPU that was.
    pub(crate) busy: f64,
    pub(crate) busiest_cpu: usize,
    /// TCP sockets that no process holds any more.
    pub(crate) orphans: u64,
    /// Connections in TIME-WAIT.
    pub(crate) time_wait: u64,
    /// TCP sockets that are freed but that the slab allocator has not given back yet.
    pub(crate) sockets_undrained: Option<u64>,
}

/// Ticks of one CPU since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Ticks {
    busy: u64,
    steal: u64,
    all: u64,
}

impl Look {
    /// Watches `cpus` for `length`.
    pub(crate) fn take(cpus: &[usize], length: Duration) -> Look {
        let pressure = || fs::read_to_string("/proc/pressure/cpu").ok().as_deref().and_then(pressure_total_us);
        let stat = || fs::read_to_string("/proc/stat").unwrap_or_default();
        let (start, pressure_before, before) = (Instant::now(), pressure(), stat());
        thread::sleep(length);
        let (after, pressure_after) = (stat(), pressure());
        let wall_us = start.elapsed().as_micros().max(1) as f64;
        let waited = pressure_before.zip(pressure_after).map(|(before, after)| after.saturating_sub(before));
        let mut look = Look { pressure: waited.map(|us| us as f64 / wall_us), ..Look::default() };
        for &cpu in cpus {
            let Some((before, after)) = ticks(&before, cpu).zip(ticks(&after, cpu)) else { continue };
            let all = after.all.saturating_sub(before.all).max(1) as f64;
            let busy = after.busy.saturating_sub(before.busy) as f64 / all;
            if busy > look.busy {
                (look.busy, look.busiest_cpu) = (busy, cpu);
            }
            look.steal = look.steal.max(after.steal.saturating_sub(before.steal) as f64 / all);
        }
        let sockets = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
        look.orphans = tcp_number(&sockets, "orphan").unwrap_or(0);
        look.time_wait = tcp_number(&sockets, "tw").unwrap_or(0);
        let slabs = fs::read_to_string("/proc/slabinfo").ok();
        let objects = slabs.as_deref().map(tcp_objects);
        look.sockets_undrained =
            objects.zip(tcp_number(&sockets, "alloc")).map(|(objects, used)| objects.saturating_sub(used));
        look
    }
}

/// The CPUs that are online, by their numbers.
pub(crate) fn cpus() -> Vec<usize> {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let names = stat.lines().filter_map(|line| line.split_whitespace().next()?.strip_prefix("cpu"));
    names.filter_map(|number| number.parse().ok()).collect()
}

/// TCP sockets over IPv4 in any state but CLOSED and TIME-WAIT, of this network namespace.
pub(crate) fn tcp_in_use() -> Option<u64> {
    tcp_number(&fs::read_to_string("/proc/net/sockstat").ok()?, "inuse")
}

/// The number behind `name` in the TCP line of /proc/net/sockstat.
fn tcp_number(sockstat: &str, name: &str) -> Option<u64> {
    let mut words = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?.split_whitespace();
    words.find(|word| *word == name)?;
    words.next()?.parse().ok()
}

/// `total` of the first line of /proc/pressure/cpu (Documentation/accounting/psi.rst), in µs. Its averages
/// would not do: they remember the run before.
fn pressure_total_us(text: &str) -> Option<u64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split_whitespace().find_map(|word| word.strip_prefix("total="))?.parse().ok()
}

/// The line of one CPU in /proc/stat (proc_stat(5)): user nice system idle iowait irq softirq steal.
fn ticks(stat: &str, cpu: usize) -> Option<Ticks> {
    let name = format!("cpu{cpu}");
    let line = stat.lines().find(|line| line.split_whitespace().next() == Some(&name))?;
    let fields: Vec<u64> = line.split_whitespace().skip(1).take(8).filter_map(|field| field.parse().ok()).collect();
    let [user, nice, system, idle, iowait, irq, softirq, steal] = fields.try_into().ok()?;
    let busy = user + nice + system + irq + softirq;
    Some(Ticks { busy, steal, all: busy + steal + idle + iowait })
}

/// Objects in use of the caches TCP and TCPv6 (slabinfo(5)): the second column.
fn tcp_objects(slabinfo: &str) -> u64 {
    let caches = slabinfo.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let is_tcp = matches!(words.next()?, "TCP" | "TCPv6");
        words.next()?.parse::<u64>().ok().filter(|_| is_tcp)
    });
    caches.sum()
}

/// Memory of all slab caches that is in use, in bytes; only root may read it. Slabs do not divide evenly into
/// objects, so an object counts with its share of the slab.
pub(crate) fn slab_bytes(slabinfo: &str, page_len: u64) -> Option<f64> {
    let mut bytes = None;
    for line in slabinfo.lines().filter(|line| !line.starts_with('#') && line.contains(" : tunables ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| words.get(index).and_then(|word: &&str| word.parse::<u64>().ok());
        // name active_objs num_objs objsize objperslab pagesperslab
        let (active, per_slab, pages) = (number(1)?, number(4)?, number(5)?);
        if per_slab > 0 {
            *bytes.get_or_insert(0.0) += active as f64 * (pages * page_len) as f64 / per_slab as f64;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_understood() {
        let sockstat = "sockets: used 18\nTCP: inuse 2 orphan 3 tw 4200 alloc 5 mem 6\nUDP: inuse 9 mem 0\n";
        for (name, expected) in [("inuse", Some(2)), ("orphan", Some(3)), ("tw", Some(4200)), ("none", None)] {
            assert_eq!(tcp_number(sockstat, name), expected, "{name}");
        }
        assert_eq!(tcp_number("UDP: inuse 9\n", "inuse"), None);
        let pressure = "some avg10=1.62 avg60=1.34 avg300=3.06 total=3142902000\nfull avg10=0.00 total=7\n";
        assert_eq!(pressure_total_us(pressure), Some(3_142_902_000));
        assert_eq!(pressure_total_us("full total=7"), None);
        let stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu1 1 2 3 4 5 6 7 8 0 0\nintr 5\n";
        assert_eq!(ticks(stat, 1), Some(Ticks { busy: 19, steal: 8, all: 36 }));
        assert_eq!(ticks(stat, 0), None);
        let slabs = "slabinfo - version: 2.1\n# name <active_objs>\n\
            TCPv6 26 26 2496 13 8 : tunables 0 0 0 : slabdata 2 2 0\n\
            tw_sock_TCP 7 7 256 16 1 : tunables 0 0 0 : slabdata 1 1 0\n\
            TCP 100 130 2368 13 8 : tunables 0 0 0 : slabdata 10 10 0\n";
        assert_eq!(tcp_objects(slabs), 126);
        let expected = 126.0 * 32_768.0 / 13.0 + 7.0 * 256.0;
        assert!((slab_bytes(slabs, 4096).unwrap() - expected).abs() < 1e-6);
        assert_eq!(slab_bytes("", 4096), None);
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let look = Look::take(&[0], Duration::from_millis(50));
        for share in [look.steal, look.busy].into_iter().chain(look.pressure) {
            assert!((0.0..=1.5).contains(&share), "{look:?}");
        }
        assert!(tcp_in_use().is_some());
    }
}
