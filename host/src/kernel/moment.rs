//! What the kernel counts, read once, without a sampler.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use super::delta::{CpuTime, SocketStat};
use super::parse;
use crate::cpu_time::TICK_US;
use sys::clock;

/// Times since boot of all online CPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuTimes {
    at_us: u64,
    times: Vec<CpuTime>,
}

impl CpuTimes {
    /// The times now.
    ///
    /// # Errors
    /// When /proc/stat cannot be read.
    pub fn read() -> io::Result<CpuTimes> {
        let at_us = clock::now_ns() / 1000;
        Ok(CpuTimes { at_us, times: parse::stat(&fs::read_to_string("/proc/stat")?, TICK_US) })
    }

    /// The numbers of the CPUs.
    pub fn cpus(&self) -> impl Iterator<Item = u32> {
        self.times.iter().map(|time| time.cpu)
    }

    /// The time of one CPU.
    pub fn of(&self, cpu: u32) -> Option<CpuTime> {
        self.times.iter().find(|time| time.cpu == cpu).copied()
    }

    /// How long one CPU was busy since an earlier reading; `None` when some of the time was stolen, or the CPU is not in
    /// both.
    pub fn busy_us_since(&self, earlier: &CpuTimes, cpu: u32) -> Option<u64> {
        let stolen_us = |times: &CpuTimes| Some(times.of(cpu)?.steal_us);
        let is_whole = stolen_us(self)? == stolen_us(earlier)?;
        self.not_idle_us(cpu)?.checked_sub(earlier.not_idle_us(cpu)?).filter(|_| is_whole)
    }

    /// How long one CPU was neither idle nor waiting for I/O. What the hypervisor took meanwhile is in it.
    pub fn not_idle_us(&self, cpu: u32) -> Option<u64> {
        parse::not_idle_us(&self.times, &[cpu], self.at_us)
    }
}

/// TCP sockets of the network namespace of the calling thread, without `established`. /proc/net would show those of
/// the process's first thread (proc_pid_net(5)).
pub fn sockets() -> Option<SocketStat> {
    let mut levels = SocketStat::default();
    parse::sockstat(&fs::read_to_string("/proc/thread-self/net/sockstat").ok()?, &mut levels);
    Some(levels)
}

/// All TcpExt counters in the network namespace of the calling thread. Empty if they cannot be read.
pub fn tcp_ext() -> BTreeMap<String, u64> {
    let text = fs::read_to_string("/proc/thread-self/net/netstat").unwrap_or_default();
    parse::tcp_ext(&text).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Time since boot in which some task waited for a CPU, in µs. The averages in the same file would still include
/// earlier times.
pub fn cpu_waited_us() -> Option<u64> {
    parse::pressure(&fs::read_to_string("/proc/pressure/cpu").ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_can_be_read() {
        let times = CpuTimes::read().unwrap();
        let first = times.cpus().next().expect("a CPU");
        assert!(times.not_idle_us(first) > Some(0), "{times:?}");
        let later = |idle_us: u64, steal_us: u64| {
            let grown = |time: &CpuTime| CpuTime {
                idle_us: time.idle_us + idle_us,
                steal_us: time.steal_us + steal_us,
                ..*time
            };
            CpuTimes { at_us: times.at_us + 1000, times: times.times.iter().map(grown).collect() }
        };
        assert_eq!(later(300, 0).busy_us_since(&times, first), Some(700));
        assert_eq!(later(300, 10).busy_us_since(&times, first), None, "stolen time may be idle time, too");
        assert_eq!(later(300, 0).busy_us_since(&times, u32::MAX), None);
        assert_eq!(times.of(first).map(|time| time.cpu), Some(first));
        assert_eq!((times.of(u32::MAX), times.not_idle_us(u32::MAX)), (None, None));
        assert!(tcp_ext().contains_key("ListenDrops"));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(sockets().unwrap().tcp_inuse > Some(0));
        drop(listener);
    }
}
