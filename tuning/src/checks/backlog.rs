//! Incoming connections: the queues they pass before the server accepts them.

use super::check::{Check, Finding, Kind, State, Turn};
use super::subject::{Asker, Subject};
use crate::budget;
use crate::number::{counted, thousands};

/// The kernel's own default for net.core.somaxconn since 5.4.
const SOMAXCONN_DEFAULT: u64 = 4096;

/// Connections a second that a plan must handle: about what one core opened over a TUN device in 2026-11
/// (96,000/s).
const CONNECTS_PER_SECOND: u64 = 100_000;

/// How long a busy reactor may leave its accept queue alone, in milliseconds.
const ACCEPT_STALL_MS: u64 = 100;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "net.core.somaxconn",
        title: "accept queue of each listener",
        source: "listen(2); kernel docs networking/ip-sysctl.rst, somaxconn",
        kind: Kind::slows("connections a queue", Some(State::Warn), accept_queue),
    },
    Check {
        id: "net.ipv4.tcp_max_syn_backlog",
        title: "half-open connections without cookies",
        source: "linux net/ipv4/tcp_input.c tcp_conn_request",
        kind: Kind::Setting(max_syn_backlog),
    },
    Check {
        id: "net.ipv4.tcp_syncookies",
        title: "what happens when that queue is full",
        source: "kernel docs networking/ip-sysctl.rst, tcp_syncookies",
        kind: Kind::Setting(syncookies),
    },
    Check {
        id: "net.ipv4.tcp_abort_on_overflow",
        title: "what a client sees of a full queue",
        source: "kernel docs networking/ip-sysctl.rst, tcp_abort_on_overflow",
        kind: Kind::Setting(abort_on_overflow),
    },
    Check {
        id: "net.core.netdev_max_backlog",
        title: "packets waiting per processor",
        source: "linux drivers/net/loopback.c, net/core/dev.c enqueue_to_backlog",
        kind: Kind::Setting(netdev_backlog),
    },
];

fn accept_queue(subject: &Subject<'_>) -> Option<Finding> {
    let (burst, listeners) = match subject.asker {
        // The audit knows no rate; it takes the kernel's default as enough for any one queue.
        Asker::Audit => (SOMAXCONN_DEFAULT, 1),
        // If the plan has more reactors, there are more queues.
        Asker::Plan => {
            (CONNECTS_PER_SECOND * ACCEPT_STALL_MS / 1000, subject.reactors_planned().unwrap_or(subject.reactors))
        }
    };
    // Never more than all connections are queued.
    let need = burst.min(subject.connections).div_ceil(listeners);
    let Some(somaxconn) = subject.facts.network.somaxconn else {
        return Some(Finding::unknown(need));
    };
    let queue = somaxconn.min(budget::LISTEN_BACKLOG);
    // A queue that is long enough is never hit; short ones are hit by a burst that fills them all.
    let hit_at = (queue < need).then(|| queue.saturating_mul(listeners));
    let meaning = match subject.asker {
        Asker::Audit => "a burst longer than this is dropped and retried a second later (ListenOverflows); \
                         applies to listeners opened after the change"
            .to_owned(),
        Asker::Plan => format!(
            "at {} connects a second a reactor that is busy for {ACCEPT_STALL_MS} ms has so many waiting; beyond the \
             queue they are dropped and retried a second later (ListenOverflows)",
            thousands(CONNECTS_PER_SECOND)
        ),
    };
    Some(
        Finding::limit(Some(queue), need, hit_at, meaning)
            .found(thousands(somaxconn))
            .fine("each reactor's listener can hold a burst this long")
            .mend(Turn::Network, format!("sysctl -w net.core.somaxconn={}", budget::LISTEN_BACKLOG)),
    )
}

fn max_syn_backlog(subject: &Subject<'_>) -> Finding {
    let Some(backlog) = subject.facts.tcp.max_syn_backlog else {
        return Finding::not_readable();
    };
    let found = thousands(backlog);
    match subject.facts.tcp.syncookies {
        Some(0) if backlog < SOMAXCONN_DEFAULT.min(subject.connections) => Finding::setting(
            State::Warn,
            found,
            "without SYN cookies, connections of unknown peers are dropped once three quarters of it are used",
        )
        .wanted("tcp_syncookies=1")
        .mend(Turn::Network, "sysctl -w net.ipv4.tcp_syncookies=1"),
        Some(0) => Finding::setting(State::Ok, found, "counts because SYN cookies are off"),
        Some(_) => Finding::setting(State::Ok, found, "never consulted while SYN cookies are on; leave it"),
        None => Finding::setting(State::Info, found, "counts only when SYN cookies are off, which is not readable"),
    }
}

fn syncookies(subject: &Subject<'_>) -> Finding {
    match subject.facts.tcp.syncookies {
        None => Finding::not_readable(),
        Some(0) => {
            Finding::setting(State::Info, "0", "a full queue drops connections instead of answering with a cookie")
        }
        Some(1) => Finding::setting(State::Ok, "1", "cookies only when the queue is full (SyncookiesSent counts them)"),
        Some(value) => Finding::setting(
            State::Warn,
            value.to_string(),
            "cookies for every connection, a setting for testing cookies: accepts cost more and options may be lost",
        )
        .wanted("1")
        .mend(Turn::Network, "sysctl -w net.ipv4.tcp_syncookies=1"),
    }
}

fn abort_on_overflow(subject: &Subject<'_>) -> Finding {
    match subject.facts.tcp.abort_on_overflow {
        None => Finding::not_readable(),
        Some(0) => Finding::setting(State::Ok, "0", "the client retries after a second"),
        Some(value) => Finding::setting(
            State::Info,
            value.to_string(),
            "the client is reset: overflows become visible as errors, and a burst becomes refusals",
        )
        .wanted("0"),
    }
}

fn netdev_backlog(subject: &Subject<'_>) -> Finding {
    let Some(backlog) = subject.facts.network.netdev_backlog_max else {
        return Finding::not_readable();
    };
    match subject.facts.network.softnet_dropped_count {
        Some(0) => Finding::setting(State::Ok, thousands(backlog), "no packet has been dropped here since boot"),
        None => Finding::setting(State::Ok, thousands(backlog), "every loopback packet passes this queue"),
        Some(dropped) => Finding::setting(
            State::Info,
            format!("{}, {} dropped", thousands(backlog), thousands(dropped)),
            format!(
                "{} dropped since boot: every loopback packet passes this queue, and a connect storm can fill it",
                counted(dropped, "packet", "packets")
            ),
        )
        .wanted("no new drops")
        .mend(
            Turn::Host,
            format!("sysctl -w net.core.netdev_max_backlog={}", backlog.saturating_mul(10).clamp(10_000, 100_000)),
        ),
    }
}
