//! Socket buffers and congestion control.

use super::check::{Check, Finding, Kind, State, Turn};
use super::subject::Subject;
use crate::number::bytes;

/// Without window scaling a TCP header cannot announce more than this; a buffer of at most this size needs no
/// scaling.
const WINDOW_UNSCALED_BYTES: u64 = 65_535;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "net.ipv4.tcp_rmem",
        title: "receive buffer: least, first, most",
        source: "tcp(7) tcp_rmem; kernel docs networking/ip-sysctl.rst",
        kind: Kind::Setting(receive),
    },
    Check {
        id: "net.ipv4.tcp_wmem",
        title: "send buffer: least, first, most",
        source: "tcp(7) tcp_wmem; kernel docs networking/ip-sysctl.rst",
        kind: Kind::Setting(send),
    },
    Check {
        id: "net.ipv4.tcp_congestion_control",
        title: "congestion control of new sockets",
        source: "linux net/ipv4/tcp_bbr.c, sk_pacing_status; tcp(7)",
        kind: Kind::Setting(congestion_control),
    },
];

fn receive(subject: &Subject<'_>) -> Finding {
    buffer(subject.facts.tcp.rmem_bytes)
}

fn send(subject: &Subject<'_>) -> Finding {
    buffer(subject.facts.tcp.wmem_bytes)
}

fn buffer(limits: Option<[u64; 3]>) -> Finding {
    let Some([least, first, most]) = limits else {
        return Finding::not_readable();
    };
    let found = format!("{}, {}, {}", bytes(least), bytes(first), bytes(most));
    if most <= WINDOW_UNSCALED_BYTES {
        return Finding::setting(
            State::Info,
            found,
            "so small that long replies are cut into windows; it saves no memory, as idle sockets hold none",
        );
    }
    Finding::setting(State::Ok, found, "limits, not reservations: an idle socket holds no buffer")
}

fn congestion_control(subject: &Subject<'_>) -> Finding {
    let Some(name) = subject.facts.tcp.congestion_control.as_deref() else {
        return Finding::not_readable();
    };
    if name != "bbr" {
        return Finding::setting(State::Ok, name, "does not pace by itself");
    }
    let finding = Finding::setting(
        State::Info,
        name,
        "paces every socket, by a timer each where the device has no fq queue (loopback and veth): \
         a confounder there, so use the same for all arms and name it with the result",
    );
    let available = subject.facts.tcp.congestion_controls_available.as_deref().unwrap_or_default();
    // The kernel's own default comes first; with both, acknowledgements decide when to send.
    match ["cubic", "reno"].into_iter().find(|name| available.iter().any(|other| other == name)) {
        Some(other) => {
            finding.wanted(other).mend(Turn::Network, format!("sysctl -w net.ipv4.tcp_congestion_control={other}"))
        }
        None => finding,
    }
}
