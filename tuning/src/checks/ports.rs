//! Outgoing connections: ports and addresses of the clients.

use super::check::{Check, Finding, Kind, State, Turn};
use super::subject::Subject;
use crate::budget;
use crate::number::{counted, thousands};
use crate::request::Side;

const WIDER_RANGE: &str = "sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "net.ipv4.ip_local_port_range",
        title: "ports for outgoing connections",
        source: "ip(7); kernel docs networking/ip-sysctl.rst, ip_local_port_range",
        kind: Kind::Setting(port_range),
    },
    Check {
        id: "net.ipv4.tcp_tw_reuse",
        title: "new connections over TIME_WAIT",
        source: "kernel docs networking/ip-sysctl.rst, tcp_tw_reuse",
        kind: Kind::Setting(tw_reuse),
    },
    Check {
        id: "client ports × addresses",
        title: "addresses the clients connect from",
        source: "ip(7) ip_local_port_range; linux net/ipv4/inet_hashtables.c, __inet_hash_connect; loadgen::plan",
        kind: Kind::stops("client addresses", None, client_ports),
    },
];

fn port_range(subject: &Subject<'_>) -> Finding {
    let Some(range) = subject.facts.network.port_range else {
        return Finding::not_readable();
    };
    let ports = subject.ports;
    let found = format!("{}–{}, {} usable", range[0], range[1], thousands(ports));
    if ports == 0 {
        return Finding::setting(State::Bad, found, "no port is left for outgoing connections")
            .mend(Turn::Network, WIDER_RANGE);
    }
    let addresses = subject.connections.div_ceil(ports);
    if addresses <= 1 {
        return Finding::setting(
            State::Ok,
            found,
            "one source address reaches one server address with all connections",
        )
        .wanted(format!("≥ {}", thousands(subject.connections)));
    }
    Finding::setting(
        State::Info,
        found,
        "a port is used once for each source address, server address and server port; \
         on loopback the load generator takes 127.0.0.0/8, over a network it needs the addresses",
    )
    .wanted(counted(addresses, "source address", "source addresses"))
    .mend(Turn::Network, WIDER_RANGE)
}

fn tw_reuse(subject: &Subject<'_>) -> Finding {
    let (state, value, meaning) = match subject.facts.tcp.tw_reuse {
        None => return Finding::not_readable(),
        Some(0) => (State::Info, 0, "a port the client closed first rests for 60 s, on loopback too"),
        Some(1) => (State::Ok, 1, "ports in TIME_WAIT are reused after a second, given tcp_timestamps"),
        Some(value) => {
            (State::Ok, value, "reused on loopback only: reconnects there find ports sooner than over a network")
        }
    };
    Finding::setting(state, value.to_string(), meaning)
}

fn client_ports(subject: &Subject<'_>) -> Option<Finding> {
    let need = subject.addresses()?;
    if subject.ports == 0 {
        let finding = Finding::limit(None, need, Some(0), "no port is left for outgoing connections");
        return Some(finding.mend(Turn::Network, WIDER_RANGE));
    }
    let per_source = subject.connections_per_source();
    let each = counted(per_source, "connection", "connections");
    let Some(sources) = subject.request.sources else {
        if subject.request.side == Side::Server {
            let meaning = format!(
                "a matter of the clients' hosts: one address carries {each} to one server port with this host's range"
            );
            return Some(Finding::limit(None, need, None, meaning));
        }
        // The generator spreads over as much of 127.1.0.0/16 as it needs.
        let most = budget::LOOPBACK_SOURCES_MAX;
        let hit_at = most.saturating_mul((per_source / budget::LOOPBACK_FILL).max(1));
        let meaning = "loopback has addresses enough: the generator fills each to a quarter, because connect(2) \
                       walks through a full range";
        return Some(Finding::limit(Some(most), need, Some(hit_at), meaning).mend(Turn::Network, WIDER_RANGE));
    };
    let meaning = format!("one address carries {each} to one server port");
    let mend = format!("c10m load --source A,B,… with {}", counted(need, "address", "addresses"));
    Some(Finding::limit(Some(sources), need, Some(sources.saturating_mul(per_source)), meaning).mend(Turn::Flag, mend))
}
