//! Kernel tables of connections: established, closing, and without an owner.

use super::check::{Check, Finding, Kind, State, Turn};
use super::subject::Subject;
use crate::number::thousands;
use crate::request::Side;

/// Up to this many sockets in one hash chain, a lookup costs almost nothing. With 131,072 buckets iperf3 kept
/// 98 % of its throughput at chains of 8, 93 % at 32 and 88 % at 64.
const CHAIN_OK_MAX: u64 = 8;
const CHAIN_INFO_MAX: u64 = 32;
/// Most entries a namespace may ask for (kernel docs networking/ip-sysctl.rst).
const CHILD_ENTRIES_MAX: u64 = 1 << 24;

pub(super) const OPEN: &[Check] = &[Check {
    id: "net.ipv4.tcp_ehash_entries",
    title: "hash buckets of open connections",
    source: "kernel docs networking/ip-sysctl.rst, tcp_ehash_entries, tcp_child_ehash_entries; linux commit d1e5e6408b",
    kind: Kind::slows("buckets", Some(State::Warn), socket_table),
}];

pub(super) const TIME_WAIT: &[Check] = &[Check {
    id: "net.ipv4.tcp_max_tw_buckets",
    title: "closed within a minute",
    source: "kernel docs networking/ip-sysctl.rst, tcp_max_tw_buckets",
    kind: Kind::slows("sockets", Some(State::Info), time_wait),
}];

pub(super) const ORPHANS: &[Check] = &[Check {
    id: "net.ipv4.tcp_max_orphans",
    title: "closing at once, without a process",
    source: "kernel docs networking/ip-sysctl.rst, tcp_max_orphans",
    kind: Kind::slows("sockets", Some(State::Info), orphans),
}];

fn socket_table(subject: &Subject<'_>) -> Option<Finding> {
    let need = subject.ends.div_ceil(CHAIN_OK_MAX);
    let Some(table) = subject.facts.tcp.socket_table else {
        return Some(Finding::unknown(need));
    };
    let buckets = table.bucket_count;
    let chain = subject.ends.div_ceil(buckets);
    let hit_at = buckets.saturating_mul(CHAIN_OK_MAX) / subject.request.side.kernel_ends();
    let meaning = format!(
        "every packet searches a chain of about {} sockets; up to {CHAIN_OK_MAX} cost nothing",
        thousands(chain)
    );
    let shared = if table.shared { ", shared" } else { "" };
    let finding = Finding::limit(Some(buckets), need, Some(hit_at), meaning)
        .found(format!("{}{shared}", thousands(buckets)))
        .fine(format!("chains of about {chain} with both ends on this host"));
    let finding = match chain > CHAIN_OK_MAX && chain <= CHAIN_INFO_MAX {
        true => finding.state(State::Info),
        false => finding,
    };
    let entries = need.checked_next_power_of_two().unwrap_or(CHILD_ENTRIES_MAX).min(CHILD_ENTRIES_MAX);
    Some(if subject.request.side == Side::Server {
        // A new namespace would not have the network that the clients come from.
        finding.mend(Turn::Host, format!("# thash_entries={entries} among the kernel's boot options, and a reboot"))
    } else {
        let new = format!(
            "sysctl -w net.ipv4.tcp_child_ehash_entries={entries} && unshare --net sh -c 'ip link set lo up; exec sh'"
        );
        finding.mend(Turn::Namespace, new)
    })
}

fn time_wait(subject: &Subject<'_>) -> Option<Finding> {
    let need = subject.connections;
    let Some(most) = subject.facts.tcp.max_tw_buckets else {
        return Some(Finding::unknown(need));
    };
    let meaning = "counts at the end, for the side that closes first: beyond it connections skip TIME_WAIT \
                   (TCPTimeWaitOverflow), harmless unless some are opened again";
    Some(
        Finding::limit(Some(most), need, Some(most), meaning)
            .wanted(format!("≥ {} to close all at once", thousands(need)))
            .fine("every connection may wait at once")
            .mend(Turn::Network, format!("sysctl -w net.ipv4.tcp_max_tw_buckets={need}")),
    )
}

fn orphans(subject: &Subject<'_>) -> Option<Finding> {
    let need = subject.connections;
    let Some(most) = subject.facts.tcp.max_orphans else {
        return Some(Finding::unknown(need));
    };
    let meaning = "counts at the end: of a process that ends with more connections the rest are reset, and orphans \
                   outlive it, so let them drain before the next run";
    Some(
        Finding::limit(Some(most), need, Some(most), meaning)
            .wanted(format!("≥ {} to close all at once", thousands(need)))
            .fine("every connection may be closing at once")
            .mend(Turn::Host, format!("sysctl -w net.ipv4.tcp_max_orphans={need}")),
    )
}
