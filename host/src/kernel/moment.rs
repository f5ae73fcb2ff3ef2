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

    /// How long one CPU worked for this machine: was not idle, did not wait for I/O and was not stolen.
    pub fn busy_us(&self, cpu: u32) -> Option<u64> {
        parse::busy_us(&self.times, &[cpu], self.at_us)
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
        assert!(times.busy_us(first) > Some(0), "{times:?}");
        assert_eq!(times.of(first).map(|time| time.cpu), Some(first));
        assert_eq!((times.of(u32::MAX), times.busy_us(u32::MAX)), (None, None));
        assert!(tcp_ext().contains_key("ListenDrops"));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(sockets().unwrap().tcp_inuse > Some(0));
        drop(listener);
    }
}
