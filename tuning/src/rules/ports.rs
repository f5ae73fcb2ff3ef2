//! The way out: local ports of the load generator.

use super::{Finding, Rule, Subject};
use crate::audit::State;
use crate::number::{counted, thousands};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "net.ipv4.ip_local_port_range",
        title: "ports for outgoing connections",
        source: "ip(7); kernel docs networking/ip-sysctl.rst, ip_local_port_range",
        judge: port_range,
    },
    Rule {
        id: "net.ipv4.tcp_tw_reuse",
        title: "new connections over TIME_WAIT",
        source: "kernel docs networking/ip-sysctl.rst, tcp_tw_reuse",
        judge: tw_reuse,
    },
];

/// Ports of the range that are not reserved. Ranges of the kernel's list never overlap.
pub(crate) fn usable_ports([first, last]: [u64; 2], reserved: &[(u64, u64)]) -> u64 {
    let taken: u64 = reserved.iter().map(|&(from, to)| (to.min(last) + 1).saturating_sub(from.max(first))).sum();
    (last - first + 1).saturating_sub(taken)
}

fn port_range(subject: &Subject<'_>) -> Finding {
    let network = &subject.facts.network;
    let Some(range) = network.port_range else {
        return Finding::not_readable();
    };
    let ports = usable_ports(range, network.reserved_ports.as_deref().unwrap_or_default());
    let found = format!("{}–{}, {} usable", range[0], range[1], thousands(ports));
    if ports == 0 {
        return Finding::new(State::Bad, found, "no port is left for outgoing connections")
            .command("sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"");
    }
    let addresses = subject.connections.div_ceil(ports);
    if addresses <= 1 {
        return Finding::new(State::Ok, found, "one source address reaches one server address with all connections")
            .wanted(format!("≥ {}", thousands(subject.connections)));
    }
    Finding::new(
        State::Info,
        found,
        "a port is used once for each source address, server address and server port; \
         on loopback the load generator takes 127.0.0.0/8, over a network it needs the addresses",
    )
    .wanted(counted(addresses, "source address", "source addresses"))
    .command("sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"")
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
    Finding::new(state, value.to_string(), meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_ports_count_only_inside_the_range() {
        for (range, reserved, expected) in [
            ([32_768, 60_999], vec![], 28_232),
            ([1024, 65_535], vec![(8080, 8080), (9000, 9009)], 64_501),
            ([1024, 65_535], vec![(1, 1023)], 64_512),
            ([1024, 65_535], vec![(1000, 1024), (65_535, 65_535)], 64_510),
            ([5000, 5000], vec![(4000, 6000)], 0),
        ] {
            assert_eq!(usable_ports(range, &reserved), expected, "{range:?} {reserved:?}");
        }
    }
}
