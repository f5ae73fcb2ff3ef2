//! CPU and memory read from /proc at the two ends of the window. Reads only, and never in a worker.

use crate::clock;
use crate::sys;
use std::fs;

/// CPU times at one moment, in µs since some fixed past.
#[derive(Debug, Clone, Default)]
pub(crate) struct CpuSample {
    pub(crate) at_ns: u64,
    pub(crate) own: (u64, u64),
    /// Busy time of the generator's CPUs.
    pub(crate) own_cpus: Option<u64>,
    pub(crate) watched_process: Option<(u64, u64)>,
    pub(crate) watched_cpus: Option<u64>,
    /// Replies received by all workers when the sample was taken.
    pub(crate) completed: u64,
}

/// What to sample.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    pub(crate) own_cpus: Vec<u32>,
    pub(crate) pid: Option<u32>,
    pub(crate) cpus: Vec<u32>,
}

impl Watch {
    /// Takes a sample; what cannot be read is absent, never zero.
    pub(crate) fn sample(&self, completed: impl Fn() -> u64) -> CpuSample {
        let stat = match self.own_cpus.is_empty() && self.cpus.is_empty() {
            true => String::new(),
            false => fs::read_to_string("/proc/stat").unwrap_or_default(),
        };
        CpuSample {
            at_ns: clock::now_ns(),
            own: sys::process_cpu_us(),
            completed: completed(),
            watched_process: self.pid.and_then(process_cpu_us),
            own_cpus: busy_us(&stat, &self.own_cpus, tick_us()),
            watched_cpus: busy_us(&stat, &self.cpus, tick_us()),
        }
    }
}

fn tick_us() -> u64 {
    1_000_000 / rustix::param::clock_ticks_per_second().max(1)
}

/// User and system time of a process, all of its threads included.
fn process_cpu_us(pid: u32) -> Option<(u64, u64)> {
    parse_process(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?, tick_us())
}

/// Fields 14 and 15 of proc_pid_stat(5). The name in field 2 may contain spaces and parentheses.
fn parse_process(stat: &str, tick_us: u64) -> Option<(u64, u64)> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some((next()? * tick_us, next()? * tick_us))
}

/// Busy time of `cpus` in /proc/stat: user, nice, system, irq and softirq. Idle and iowait are not
/// work, steal was not ours, and guest time is contained in user (proc_stat(5)).
fn busy_us(stat: &str, cpus: &[u32], tick_us: u64) -> Option<u64> {
    if cpus.is_empty() {
        return None;
    }
    let busy_of = |cpu: &u32| {
        let name = format!("cpu{cpu}");
        let line = stat.lines().find(|line| line.split_ascii_whitespace().next() == Some(&name))?;
        let ticks: Vec<u64> = line.split_ascii_whitespace().skip(1).map_while(|field| field.parse().ok()).collect();
        Some([0, 1, 2, 5, 6].iter().filter_map(|&field: &usize| ticks.get(field)).sum::<u64>() * tick_us)
    };
    cpus.iter().map(busy_of).sum()
}

/// Anonymous resident memory of this process: what it allocated and touched.
pub(crate) fn rss_anon_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_times() {
        let stat = "12 (a) b (c)) S 1 12 12 0 -1 4194304 100 0 0 0 250 75 0 0 20 0 1 0 5";
        assert_eq!(parse_process(stat, 10_000), Some((2_500_000, 750_000)));
        assert_eq!(parse_process("12 (a", 10_000), None);
        assert_eq!(parse_process("12 (a) S 1", 10_000), None);
        assert!(process_cpu_us(std::process::id()).is_some());
    }

    #[test]
    fn busy_times() {
        let stat =
            "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 100 100 4 5 6 7 8\ncpu1 10 0 0 1 1 0 0 0 0 0\ncpu10 7 0 0 0\nintr 1";
        for (cpus, expected) in
            [(&[0u32][..], Some(15)), (&[0, 1], Some(25)), (&[10], Some(7)), (&[2], None), (&[], None)]
        {
            assert_eq!(busy_us(stat, cpus, 1), expected, "{cpus:?}");
        }
    }

    #[test]
    fn own_memory_is_readable() {
        assert!(rss_anon_bytes().unwrap() > 4096);
    }
}
