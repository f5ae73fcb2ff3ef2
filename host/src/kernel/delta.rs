//! What happened between two samples, in the form of records. A public format; nothing here reads.

use super::counters::meaning;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the kernel counted between two samples, and the levels at the later one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KernelDelta {
    /// Time between the samples, each stamped before anything is read.
    pub wall_us: u64,
    /// Time from the stamp of the later sample until its counters of TCP were read; older records lack it. What they grew by
    /// took `wall_us + counting_us` at most: one that reads on busy CPUs may be kept waiting for tens of milliseconds.
    #[serde(default)]
    pub counting_us: Option<u64>,
    /// TCP counters of the network namespace that grew, by the kernel's names (`Tcp` and `TcpExt` together).
    /// [`meaning`] explains them; [`KernelDelta::counter`] distinguishes zero from unknown.
    pub tcp: BTreeMap<String, u64>,
    /// Counters whose growth is unknown: this kernel does not have them, or they went back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tcp_absent: Vec<String>,
    /// Sockets and their memory at the end.
    pub sockstat: SocketStat,
    /// Packets on the way from an interface (or loopback) to TCP, over all CPUs of the host.
    pub softnet: Option<Softnet>,
    /// Time of every CPU of the host.
    pub cpus: Vec<CpuTime>,
    /// Busy time of this process's CPUs, interrupts included; absent when none were named, or when some of the time was
    /// stolen.
    pub own_cpus_busy_us: Option<u64>,
    /// Busy time of the watched CPUs.
    pub watched_cpus_busy_us: Option<u64>,
    /// This process.
    pub own: ProcessTime,
    /// The watched process. Absent when there is none.
    pub watched: Option<ProcessTime>,
    /// Time in which at least one task of the host waited for a CPU (PSI, `some`).
    pub pressure_cpu_us: Option<u64>,
}

/// Sockets at one moment (/proc/net/sockstat). In use, TIME-WAIT and established belong to the network namespace;
/// orphans, allocated and memory belong to the whole host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketStat {
    /// Sockets of every family.
    pub used: Option<u64>,
    /// TCP sockets over IPv4 in any state but CLOSED and TIME-WAIT, including listeners.
    pub tcp_inuse: Option<u64>,
    /// TCP sockets that no process has open any more.
    pub tcp_orphan: Option<u64>,
    /// Connections in TIME-WAIT.
    pub tcp_tw: Option<u64>,
    /// TCP sockets that have memory, including IPv6.
    pub tcp_alloc: Option<u64>,
    /// Memory of TCP's buffers in pages, the number that the kernel compares with net.ipv4.tcp_mem.
    pub tcp_mem_pages: Option<u64>,
    /// CurrEstab: connections in ESTABLISHED or CLOSE-WAIT, including IPv6. A connection within the namespace has two
    /// ends and counts twice.
    pub established: Option<u64>,
}

/// Packets in the receiving softirq of the kernel (/proc/net/softnet_stat).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Softnet {
    /// Packets handled.
    pub processed: u64,
    /// Packets dropped because a CPU's queue (net.core.netdev_max_backlog) was full.
    pub dropped: u64,
    /// Times the softirq had to stop with packets left (net.core.netdev_budget).
    pub squeezed: u64,
}

/// Time of one CPU (/proc/stat). The kernel counts in ticks, usually of 10 ms. A time that went back, as idle and
/// iowait may (proc_stat(5)), counts as zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTime {
    /// Number of the CPU.
    pub cpu: u32,
    /// Time in processes, including nice ones.
    pub user_us: u64,
    /// Time in the kernel on behalf of processes.
    pub system_us: u64,
    /// Time in interrupts.
    pub irq_us: u64,
    /// Time in soft interrupts: most of the network's receiving side.
    pub softirq_us: u64,
    /// Time that this machine wanted, but that the hypervisor gave to another.
    pub steal_us: u64,
    /// Idle time.
    pub idle_us: u64,
    /// Idle time with disk I/O outstanding.
    pub iowait_us: u64,
}

/// What a process used and waited for. Waits and switches are summed over its threads. The sum excludes what a thread
/// did between the last sample and its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessTime {
    /// Time on a CPU, in user mode and in the kernel, in ns: exact, where the two below are counted in ticks of 10 ms.
    #[serde(default)]
    pub run_ns: Option<u64>,
    /// User time.
    pub user_us: Option<u64>,
    /// System time.
    pub system_us: Option<u64>,
    /// Time in which threads were ready to run but had no CPU. May exceed the wall time. The kernel adds a wait when
    /// it ends.
    pub run_delay_us: Option<u64>,
    /// Times a thread gave up its CPU to wait for something.
    pub voluntary_switches: Option<u64>,
    /// Times a thread lost its CPU to another.
    pub involuntary_switches: Option<u64>,
}

impl KernelDelta {
    /// Growth of the TCP counter `name`. Absent when it is not kept or not known.
    pub fn counter(&self, name: &str) -> Option<u64> {
        let grown = self.tcp.get(name).copied();
        let is_known = meaning(name).is_some() && !self.tcp_absent.iter().any(|absent| absent == name);
        grown.or(is_known.then_some(0))
    }
}

impl Softnet {
    pub(crate) fn since(self, before: Softnet) -> Softnet {
        Softnet {
            processed: self.processed.saturating_sub(before.processed),
            dropped: self.dropped.saturating_sub(before.dropped),
            squeezed: self.squeezed.saturating_sub(before.squeezed),
        }
    }
}

impl CpuTime {
    /// The time between `before` and this reading of the same CPU.
    pub fn since(&self, before: &CpuTime) -> CpuTime {
        CpuTime {
            cpu: self.cpu,
            user_us: self.user_us.saturating_sub(before.user_us),
            system_us: self.system_us.saturating_sub(before.system_us),
            irq_us: self.irq_us.saturating_sub(before.irq_us),
            softirq_us: self.softirq_us.saturating_sub(before.softirq_us),
            steal_us: self.steal_us.saturating_sub(before.steal_us),
            idle_us: self.idle_us.saturating_sub(before.idle_us),
            iowait_us: self.iowait_us.saturating_sub(before.iowait_us),
        }
    }

    /// Of a difference, the share that the CPU worked.
    pub fn busy_share(&self) -> f64 {
        self.busy_us() as f64 / self.all_us()
    }

    /// Of a difference, the share that the hypervisor took.
    pub fn stolen_share(&self) -> f64 {
        self.steal_us as f64 / self.all_us()
    }

    /// Of a difference, the time that the CPU worked, interrupts included.
    pub fn busy_us(&self) -> u64 {
        self.user_us + self.system_us + self.irq_us + self.softirq_us
    }

    /// At least 1, so that no time has no share.
    fn all_us(&self) -> f64 {
        (self.busy_us() + self.steal_us + self.idle_us + self.iowait_us).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_count_all_time() {
        let before = CpuTime { cpu: 1, user_us: 1, ..CpuTime::default() };
        let after = CpuTime {
            cpu: 1,
            user_us: 4,
            system_us: 3,
            idle_us: 4,
            iowait_us: 5,
            irq_us: 6,
            softirq_us: 7,
            steal_us: 8,
        };
        let time = after.since(&before);
        assert_eq!((time.busy_share(), time.stolen_share()), (19.0 / 36.0, 8.0 / 36.0));
        let nothing = before.since(&before);
        assert_eq!((nothing.busy_share(), nothing.stolen_share()), (0.0, 0.0));
    }
}
