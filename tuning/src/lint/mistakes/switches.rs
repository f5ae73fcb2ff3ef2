//! Settings of which one value is a mistake.

use super::found::Found;
use crate::State;
use crate::lint::mistake::{Mistake, MistakeKind};
use crate::lint::numbers::numbers;
use crate::lint::subject::Subject;

/// A value that nobody should set.
struct Switch {
    kind: MistakeKind,
    key: &'static str,
    value: i128,
    state: State,
    says: &'static str,
    mend: &'static str,
    source: &'static str,
}

const SWITCHES: [Switch; 7] = [
    Switch {
        kind: MistakeKind::AutotuningOff,
        key: "net.ipv4.tcp_moderate_rcvbuf",
        value: 0,
        state: State::Warn,
        says: "Receive buffers then stay at their default size, so a connection with a long round trip is slow.",
        mend: "net.ipv4.tcp_moderate_rcvbuf = 1",
        source: "tcp(7)",
    },
    Switch {
        kind: MistakeKind::WindowScalingOff,
        key: "net.ipv4.tcp_window_scaling",
        value: 0,
        state: State::Warn,
        says: "Without window scaling no more than 64 KiB can be under way, whatever the buffers are.",
        mend: "net.ipv4.tcp_window_scaling = 1",
        source: "RFC 7323, section 2; tcp(7)",
    },
    Switch {
        kind: MistakeKind::SackOff,
        key: "net.ipv4.tcp_sack",
        value: 0,
        state: State::Warn,
        says: "Without selective acknowledgements, several losses in one window take a round trip each. The flaws of 2019 \
               for which people switched them off are mended in kernels since 5.2 and in all that are kept up to date.",
        mend: "net.ipv4.tcp_sack = 1",
        source: "RFC 2018; tcp(7); CVE-2019-11477",
    },
    Switch {
        kind: MistakeKind::TimestampsOff,
        key: "net.ipv4.tcp_timestamps",
        value: 0,
        state: State::Warn,
        says: "tcp_tw_reuse, window scaling under SYN cookies and protection against old segments need timestamps. They \
               cost 12 bytes a segment. Since Linux 4.10 they start at a random number for each peer and show no uptime.",
        mend: "net.ipv4.tcp_timestamps = 1",
        source: "RFC 7323, section 3; kernel docs networking/ip-sysctl.rst, tcp_timestamps",
    },
    Switch {
        kind: MistakeKind::SynCookiesOff,
        key: "net.ipv4.tcp_syncookies",
        value: 0,
        state: State::Warn,
        says: "Once the queue of handshakes is full, the kernel drops SYNs, so a flood shuts clients out. Cookies cost \
               nothing until the queue is full.",
        mend: "net.ipv4.tcp_syncookies = 1",
        source: "kernel docs networking/ip-sysctl.rst, tcp_syncookies",
    },
    Switch {
        kind: MistakeKind::SynCookiesAlways,
        key: "net.ipv4.tcp_syncookies",
        value: 2,
        state: State::Warn,
        says: "2 sends cookies for every SYN and is for tests. Connections without timestamps lose window scaling and \
               selective acknowledgements.",
        mend: "net.ipv4.tcp_syncookies = 1",
        source: "kernel docs networking/ip-sysctl.rst, tcp_syncookies",
    },
    Switch {
        kind: MistakeKind::AbortOnOverflow,
        key: "net.ipv4.tcp_abort_on_overflow",
        value: 1,
        state: State::Warn,
        says: "When the accept queue is full for a moment, clients are reset that would have been served a little later.",
        mend: "net.ipv4.tcp_abort_on_overflow = 0, and a larger net.core.somaxconn",
        source: "kernel docs networking/ip-sysctl.rst, tcp_abort_on_overflow",
    },
];

pub(super) fn all(subject: &Subject<'_>) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for switch in &SWITCHES {
        for setting in subject.winning(switch.key) {
            if numbers(&setting.value).first() == Some(&switch.value) {
                let found = Found::new(switch.state, &setting.at, switch.says).mend(switch.mend);
                mistakes.push(found.mistake(switch.kind, switch.source));
            }
        }
    }
    mistakes
}
