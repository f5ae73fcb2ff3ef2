//! Limits on the way in and out: ports and addresses of the clients, the accept queue, connection
//! tracking.

use super::limit::{Finding, Kind, Limit, Mend, Turn};
use super::subject::Subject;
use crate::budget;
use crate::number::counted;
use crate::request::Side;

/// Connections a second that a plan must bear: what one core was seen to open over a TUN device on
/// 2026-11 (96,000/s).
const CONNECTS_PER_SECOND: u64 = 100_000;

/// How long a busy reactor may leave its accept queue alone, in milliseconds.
const ACCEPT_STALL_MS: u64 = 100;

pub(super) const LIMITS: &[Limit] = &[
    Limit {
        id: "client ports × addresses",
        title: "addresses the clients connect from",
        unit: "client addresses",
        source: "ip(7) ip_local_port_range; linux net/ipv4/inet_hashtables.c, __inet_hash_connect; loadgen::plan",
        kind: Kind::Stops,
        judge: client_ports,
    },
    Limit {
        id: "net.core.somaxconn",
        title: "accept queue of each listener",
        unit: "connections a queue",
        source: "listen(2); kernel docs networking/ip-sysctl.rst, somaxconn",
        kind: Kind::Slows,
        judge: accept_queue,
    },
    Limit {
        id: "net.netfilter.nf_conntrack_max",
        title: "connections the firewall tracks",
        unit: "connections",
        source: "kernel docs networking/nf_conntrack-sysctl.rst; linux net/netfilter/nf_conntrack_core.c",
        kind: Kind::Stops,
        judge: conntrack,
    },
];

fn client_ports(subject: &Subject<'_>) -> Option<Finding> {
    let need = subject.addresses()?;
    if subject.ports == 0 {
        let finding = Finding::new(None, need, Some(0), "no port is left for outgoing connections");
        return Some(finding.mend(wider_range()));
    }
    let per_source = subject.connections_per_source();
    let each = counted(per_source, "connection", "connections");
    let Some(sources) = subject.request.sources else {
        if subject.request.side == Side::Server {
            let meaning = format!(
                "a matter of the clients' hosts: one address carries {each} to one server port with this host's range"
            );
            return Some(Finding::new(None, need, None, meaning));
        }
        // The generator spreads over as much of 127.1.0.0/16 as it needs.
        let most = budget::LOOPBACK_SOURCES_MAX;
        let hit_at = most.saturating_mul((per_source / budget::LOOPBACK_FILL).max(1));
        let meaning = "loopback has addresses enough: the generator fills each to a quarter, because connect(2) \
                       walks through a full range";
        return Some(Finding::new(Some(most), need, Some(hit_at), meaning).mend(wider_range()));
    };
    let meaning = format!("one address carries {each} to one server port");
    let mend =
        Mend::new(Turn::Flag, format!("c10m load --source A,B,… with {}", counted(need, "address", "addresses")));
    Some(Finding::new(Some(sources), need, Some(sources.saturating_mul(per_source)), meaning).mend(mend))
}

fn wider_range() -> Option<Mend> {
    Mend::new(Turn::Network, "sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"")
}

fn accept_queue(subject: &Subject<'_>) -> Option<Finding> {
    let burst = (CONNECTS_PER_SECOND * ACCEPT_STALL_MS / 1000).min(subject.connections);
    // Where the plan has more reactors there are more queues.
    let listeners = subject.reactors_planned().unwrap_or(subject.reactors);
    let need = burst.div_ceil(listeners);
    let Some(somaxconn) = subject.facts.network.somaxconn else {
        return Some(Finding::not_readable(need));
    };
    let queue = somaxconn.min(budget::LISTEN_BACKLOG);
    // A queue that is long enough is never hit; a short one is, by a burst that fills all of them.
    let hit_at = (queue < need).then(|| queue.saturating_mul(listeners));
    let meaning = format!(
        "at {} connects a second a reactor that is busy for {ACCEPT_STALL_MS} ms has so many waiting; beyond the \
         queue they are dropped and retried a second later (ListenOverflows)",
        crate::number::thousands(CONNECTS_PER_SECOND)
    );
    let mend = Mend::new(Turn::Network, format!("sysctl -w net.core.somaxconn={}", budget::LISTEN_BACKLOG));
    Some(Finding::new(Some(queue), need, hit_at, meaning).mend(mend))
}

fn conntrack(subject: &Subject<'_>) -> Option<Finding> {
    let facts = &subject.facts.conntrack;
    // Present is not active: without rules that need it nothing is tracked.
    let (count, most) = (facts.count.filter(|&count| count > 0)?, facts.max?);
    let need = subject.connections.saturating_add(count);
    let meaning =
        "active: every connection has an entry, and beyond the limit packets are dropped (\"table full\" in dmesg)";
    let wanted = need.saturating_add(need / 4);
    let mend = Mend::new(Turn::Host, format!("sysctl -w net.netfilter.nf_conntrack_max={wanted}"));
    Some(Finding::new(Some(most), need, Some(most.saturating_sub(count)), meaning).mend(mend))
}
