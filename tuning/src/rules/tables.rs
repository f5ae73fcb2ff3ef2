//! Tables the kernel keeps about connections: established, closing, and without an owner.

use super::{Finding, Rule, Subject};
use crate::audit::State;
use crate::number::thousands;

/// Sockets in one hash chain up to which a lookup costs next to nothing. With 131,072 buckets iperf3
/// kept 98 % of its throughput at chains of 8, 93 % at 32 and 88 % at 64.
const CHAIN_OK_MAX: u64 = 8;
const CHAIN_INFO_MAX: u64 = 32;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "net.ipv4.tcp_ehash_entries",
        title: "hash buckets of open connections",
        source: "kernel docs networking/ip-sysctl.rst, tcp_ehash_entries; linux commit d1e5e6408b",
        judge: socket_table,
    },
    Rule {
        id: "net.ipv4.tcp_max_tw_buckets",
        title: "connections in TIME_WAIT",
        source: "kernel docs networking/ip-sysctl.rst, tcp_max_tw_buckets",
        judge: time_wait,
    },
    Rule {
        id: "net.ipv4.tcp_max_orphans",
        title: "closing sockets without a process",
        source: "kernel docs networking/ip-sysctl.rst, tcp_max_orphans",
        judge: orphans,
    },
];

fn socket_table(subject: &Subject<'_>) -> Finding {
    let Some(table) = subject.facts.tcp.socket_table else {
        return Finding::not_readable();
    };
    let shared = if table.shared { ", shared" } else { "" };
    let found = format!("{}{shared}", thousands(table.bucket_count));
    let buckets_wanted = subject.endpoints.div_ceil(CHAIN_OK_MAX);
    let wanted = format!("≥ {}", thousands(buckets_wanted));
    let chain = subject.endpoints.div_ceil(table.bucket_count);
    if chain <= CHAIN_OK_MAX {
        return Finding::new(State::Ok, found, format!("chains of about {chain} with both ends on this host"))
            .wanted(wanted);
    }
    let state = if chain <= CHAIN_INFO_MAX { State::Info } else { State::Warn };
    // 16 Mi entries is the most a network namespace may ask for.
    let entries = buckets_wanted.checked_next_power_of_two().unwrap_or(1 << 24).min(1 << 24);
    Finding::new(
        state,
        found,
        format!(
            "chains of about {} with both ends on this host: every packet searches one; \
             only a new network namespace or thash_entries= at boot gets a larger table",
            thousands(chain)
        ),
    )
    .wanted(wanted)
    .command(format!("sysctl -w net.ipv4.tcp_child_ehash_entries={entries} && unshare --net …"))
}

fn time_wait(subject: &Subject<'_>) -> Finding {
    let Some(buckets) = subject.facts.tcp.max_tw_buckets else {
        return Finding::not_readable();
    };
    let wanted = format!("≥ {} to close all at once", thousands(subject.connections));
    if buckets >= subject.connections {
        return Finding::new(State::Ok, thousands(buckets), "every connection may wait at once").wanted(wanted);
    }
    Finding::new(
        State::Info,
        thousands(buckets),
        "when more close within 60 s, the rest skip TIME_WAIT (TCPTimeWaitOverflow): \
         harmless at the end of a run, a distortion inside one",
    )
    .wanted(wanted)
    .command(format!("sysctl -w net.ipv4.tcp_max_tw_buckets={}", subject.connections))
}

fn orphans(subject: &Subject<'_>) -> Finding {
    let Some(orphans_max) = subject.facts.tcp.max_orphans else {
        return Finding::not_readable();
    };
    let wanted = format!("≥ {} to close all at once", thousands(subject.connections));
    if orphans_max >= subject.connections {
        return Finding::new(State::Ok, thousands(orphans_max), "every connection may be closing at once")
            .wanted(wanted);
    }
    Finding::new(
        State::Info,
        thousands(orphans_max),
        "when a process with more connections ends while data is queued, the rest are reset; \
         orphans outlive the process, so let them drain between runs",
    )
    .wanted(wanted)
    .command(format!("sysctl -w net.ipv4.tcp_max_orphans={}", subject.connections))
}
