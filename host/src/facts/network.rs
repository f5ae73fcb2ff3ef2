//! Reads the settings of TCP and of the layers around it.

use serde::Serialize;

use super::interfaces::{self, Qdiscs};
use super::source::{Source, sysctl_path};
use crate::kernel::parse::{SoftnetRow, softnet};
use crate::sysctl::{LOCAL_PORT_RANGE_PATH, ports};
use crate::text::ranges;

/// Queues, ports and devices below TCP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Network {
    /// Upper limit of every listener's backlog.
    pub somaxconn: Option<u64>,
    /// Packets that one processor may have waiting between interrupt and protocol. Loopback uses this queue, too.
    pub netdev_backlog_max: Option<u64>,
    /// Packets dropped because that queue was full, since boot.
    pub softnet_dropped_count: Option<u64>,
    /// Queueing discipline of new devices.
    pub default_qdisc: Option<String>,
    /// Root queueing discipline of loopback. Null if the kernel was not asked.
    pub loopback_qdisc: Option<String>,
    /// Largest packet on loopback.
    pub loopback_mtu_bytes: Option<u64>,
    /// RPS on loopback: the mask of processors that take over packets of the first queue.
    pub loopback_receive_cpus: Option<String>,
    /// First and last port that the kernel chooses for outgoing connections.
    pub port_range: Option<[u64; 2]>,
    /// Ports that the kernel must not choose by itself, as ranges.
    pub reserved_ports: Option<Vec<(u64, u64)>>,
}

impl Network {
    /// The file of `reserved_ports`, below the root.
    pub const RESERVED_PORTS_PATH: &str = "proc/sys/net/ipv4/ip_local_reserved_ports";
}

/// TCP settings, named after their sysctl.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tcp {
    /// Half-open connections that are remembered when SYN cookies are off.
    pub max_syn_backlog: Option<u64>,
    /// 0 off, 1 when the queue is full, 2 always.
    pub syncookies: Option<u64>,
    /// 1 resets a client when the accept queue is full.
    pub abort_on_overflow: Option<u64>,
    /// 0 off, 1 for all, 2 for loopback.
    pub tw_reuse: Option<u64>,
    /// TIME_WAIT sockets that the host keeps at most.
    pub max_tw_buckets: Option<u64>,
    /// Sockets without a process that the host keeps at most.
    pub max_orphans: Option<u64>,
    /// Pages of queued data: low, pressure, maximum.
    pub mem_pages: Option<[u64; 3]>,
    /// Receive buffer: minimum, initial, maximum.
    pub rmem_bytes: Option<[u64; 3]>,
    /// Send buffer: minimum, initial, maximum.
    pub wmem_bytes: Option<[u64; 3]>,
    /// Congestion control of new sockets.
    pub congestion_control: Option<String>,
    /// Congestion controls that are loaded.
    pub congestion_controls_available: Option<Vec<String>>,
    /// The hash table of established connections.
    pub socket_table: Option<SocketTable>,
}

/// The hash table of established connections (`ehash`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SocketTable {
    /// Buckets of the table.
    pub bucket_count: u64,
    /// Whether this network namespace uses the table of the first namespace.
    pub shared: bool,
}

/// Connection tracking of the firewall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conntrack {
    /// Connections tracked now. Absent if the kernel has not loaded connection tracking.
    pub count: Option<u64>,
    /// Connections that can be tracked.
    pub max: Option<u64>,
    /// Buckets of its hash table.
    pub bucket_count: Option<u64>,
    /// Tables of the older iptables that are in use.
    pub iptables_tables: Option<Vec<String>>,
}

impl Conntrack {
    /// How the paths of its settings begin, below the root.
    pub const PATHS: &str = "proc/sys/net/netfilter/nf_conntrack_";
}

pub(super) fn network(source: &mut Source<'_>, qdiscs: &Qdiscs) -> Network {
    let loopback = interfaces::are_ours(source);
    Network {
        // Loopback has the index 1 in every namespace.
        loopback_qdisc: interfaces::qdisc(source, "lo", qdiscs),
        loopback_mtu_bytes: source.number("sys/class/net/lo/mtu").filter(|_| loopback),
        loopback_receive_cpus: source.word("sys/class/net/lo/queues/rx-0/rps_cpus").filter(|_| loopback),
        somaxconn: source.sysctl("net.core.somaxconn"),
        netdev_backlog_max: source.sysctl("net.core.netdev_max_backlog"),
        softnet_dropped_count: source.parsed("proc/net/softnet_stat", "hexadecimal columns", softnet_dropped),
        default_qdisc: source.sysctl_word("net.core.default_qdisc"),
        port_range: source.parsed(LOCAL_PORT_RANGE_PATH, "first and last port", ports),
        reserved_ports: source.parsed(Network::RESERVED_PORTS_PATH, "a list of ports", ranges),
    }
}

pub(super) fn tcp(source: &mut Source<'_>) -> Tcp {
    Tcp {
        max_syn_backlog: source.sysctl("net.ipv4.tcp_max_syn_backlog"),
        syncookies: source.sysctl("net.ipv4.tcp_syncookies"),
        abort_on_overflow: source.sysctl("net.ipv4.tcp_abort_on_overflow"),
        tw_reuse: source.sysctl("net.ipv4.tcp_tw_reuse"),
        max_tw_buckets: source.sysctl("net.ipv4.tcp_max_tw_buckets"),
        max_orphans: source.sysctl("net.ipv4.tcp_max_orphans"),
        mem_pages: source.sysctl_three("net.ipv4.tcp_mem"),
        rmem_bytes: source.sysctl_three("net.ipv4.tcp_rmem"),
        wmem_bytes: source.sysctl_three("net.ipv4.tcp_wmem"),
        congestion_control: source.sysctl_word("net.ipv4.tcp_congestion_control"),
        congestion_controls_available: source
            .text(&sysctl_path("net.ipv4.tcp_available_congestion_control"))
            .map(|text| text.split_whitespace().map(str::to_owned).collect()),
        socket_table: source.parsed(&sysctl_path("net.ipv4.tcp_ehash_entries"), "one number", |text| {
            // A negative number means that the table belongs to the first network namespace (ip-sysctl.rst).
            let entries: i64 = text.parse().ok().filter(|entries| *entries != 0)?;
            Some(SocketTable { bucket_count: entries.unsigned_abs(), shared: entries < 0 })
        }),
    }
}

pub(super) fn conntrack(source: &mut Source<'_>) -> Conntrack {
    let mut setting = |name| source.number(&format!("{}{name}", Conntrack::PATHS));
    Conntrack {
        count: setting("count"),
        max: setting("max"),
        bucket_count: setting("buckets"),
        iptables_tables: source
            .text("proc/net/ip_tables_names")
            .map(|text| text.split_whitespace().map(str::to_owned).collect()),
    }
}

/// Dropped packets, summed over the processors. `None` if a line is not understood.
fn softnet_dropped(text: &str) -> Option<u64> {
    let rows: Vec<SoftnetRow> = softnet(text).collect();
    (rows.len() == text.lines().count()).then(|| rows.iter().map(|row| u64::from(row.dropped)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softnet_columns_are_hexadecimal() {
        assert_eq!(softnet_dropped("0000a000 000000cf 00\n00000001 00000001 00"), Some(208));
        assert_eq!(softnet_dropped("0000a000 zz"), None);
        assert_eq!(softnet_dropped("0000a000"), None);
    }
}
