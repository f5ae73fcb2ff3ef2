//! Tables and pages the kernel shares among connections: the hash of open ones, those that close, and
//! the pages of queued data.

use super::limit::{Finding, Kind, Limit, Mend, Turn};
use super::subject::{Subject, largest};
use crate::number::thousands;
use crate::predict::{QUEUED_MS, queued_at_once};
use crate::request::Side;

/// Sockets in one chain up to which a lookup costs next to nothing; see the audit's rule.
const CHAIN_MAX: u64 = 8;
/// Most entries a namespace may ask for (kernel docs networking/ip-sysctl.rst).
const CHILD_ENTRIES_MAX: u64 = 1 << 24;

pub(super) const LIMITS: &[Limit] = &[
    Limit {
        id: "net.ipv4.tcp_ehash_entries",
        title: "hash buckets of open connections",
        unit: "buckets",
        source: "kernel docs networking/ip-sysctl.rst, tcp_ehash_entries, tcp_child_ehash_entries; linux commit d1e5e6408b",
        kind: Kind::Slows,
        judge: socket_table,
    },
    Limit {
        id: "net.ipv4.tcp_mem",
        title: "pages of queued data",
        unit: "pages",
        source: "kernel docs networking/ip-sysctl.rst, tcp_mem; linux net/core/sock.c, __sk_mem_raise_allocated",
        kind: Kind::Stops,
        judge: queued_pages,
    },
    Limit {
        id: "net.ipv4.tcp_max_orphans",
        title: "closing at once, without a process",
        unit: "sockets",
        source: "kernel docs networking/ip-sysctl.rst, tcp_max_orphans",
        kind: Kind::Slows,
        judge: orphans,
    },
    Limit {
        id: "net.ipv4.tcp_max_tw_buckets",
        title: "closed within a minute",
        unit: "sockets",
        source: "kernel docs networking/ip-sysctl.rst, tcp_max_tw_buckets",
        kind: Kind::Slows,
        judge: time_wait,
    },
];

fn socket_table(subject: &Subject<'_>) -> Option<Finding> {
    let need = subject.ends.div_ceil(CHAIN_MAX);
    let Some(table) = subject.facts.tcp.socket_table else {
        return Some(Finding::not_readable(need));
    };
    let buckets = table.bucket_count;
    let chain = subject.ends.div_ceil(buckets);
    let hit_at = buckets.saturating_mul(CHAIN_MAX) / subject.request.side.kernel_ends();
    let meaning =
        format!("every packet searches a chain of about {} sockets; up to {CHAIN_MAX} cost nothing", thousands(chain));
    let entries = need.checked_next_power_of_two().unwrap_or(CHILD_ENTRIES_MAX).min(CHILD_ENTRIES_MAX);
    let mend = if subject.request.side == Side::Server {
        // A new namespace would be without the network the clients come from.
        Mend::new(Turn::Host, format!("# thash_entries={entries} among the kernel's boot options, and a reboot"))
    } else {
        let new = format!(
            "sysctl -w net.ipv4.tcp_child_ehash_entries={entries} && unshare --net sh -c 'ip link set lo up; exec sh'"
        );
        Mend::new(Turn::Namespace, new)
    };
    Some(Finding::new(Some(buckets), need, Some(hit_at), meaning).mend(mend))
}

fn queued_pages(subject: &Subject<'_>) -> Option<Finding> {
    let heartbeat_ms = subject.request.heartbeat_ms;
    let need = queued_at_once(subject.ends, heartbeat_ms);
    let Some([low, pressure, most]) = subject.facts.tcp.mem_pages else {
        return Some(Finding::not_readable(need));
    };
    let at_once = most / subject.request.side.kernel_ends();
    let Some(period_ms) = heartbeat_ms else {
        let meaning = format!(
            "idle sockets hold none; {} at most may have data queued at once, as in a broadcast",
            thousands(at_once)
        );
        return Some(Finding::new(Some(most), 0, None, meaning));
    };
    let fits =
        |many: u64| queued_at_once(many.saturating_mul(subject.request.side.kernel_ends()), heartbeat_ms) <= most;
    let meaning = format!(
        "one queued byte costs a page: a heartbeat each {} s, queued for {QUEUED_MS} ms, holds so many at once; \
         beyond the limit TCP drops data and aborts sockets (TCPAbortOnMemory)",
        period_ms as f64 / 1000.0
    );
    let wanted = need.saturating_mul(2);
    let mend = Mend::new(Turn::Host, format!("sysctl -w net.ipv4.tcp_mem=\"{low} {} {wanted}\"", pressure.max(need)));
    Some(Finding::new(Some(most), need, largest(fits), meaning).mend(mend))
}

fn orphans(subject: &Subject<'_>) -> Option<Finding> {
    let need = subject.connections;
    let Some(most) = subject.facts.tcp.max_orphans else {
        return Some(Finding::not_readable(need));
    };
    let meaning = "counts at the end: of a process that ends with more connections the rest are reset, and orphans \
                   outlive it, so let them drain before the next run";
    let mend = Mend::new(Turn::Host, format!("sysctl -w net.ipv4.tcp_max_orphans={need}"));
    Some(Finding::new(Some(most), need, Some(most), meaning).mend(mend))
}

fn time_wait(subject: &Subject<'_>) -> Option<Finding> {
    let need = subject.connections;
    let Some(most) = subject.facts.tcp.max_tw_buckets else {
        return Some(Finding::not_readable(need));
    };
    let meaning = "counts at the end, for the side that closes first: beyond it connections skip TIME_WAIT \
                   (TCPTimeWaitOverflow), harmless unless some are opened again";
    let mend = Mend::new(Turn::Network, format!("sysctl -w net.ipv4.tcp_max_tw_buckets={need}"));
    Some(Finding::new(Some(most), need, Some(most), meaning).mend(mend))
}
