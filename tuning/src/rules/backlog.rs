//! The way in: queues a new connection passes before the server accepts it.

use super::{Finding, Rule, Subject};
use crate::audit::State;
use crate::number::{counted, thousands};

/// The kernel's own default since 5.4.
const SOMAXCONN_WANTED: u64 = 4096;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "net.core.somaxconn",
        title: "accept queue of a listener",
        source: "listen(2); kernel docs networking/ip-sysctl.rst, somaxconn",
        judge: somaxconn,
    },
    Rule {
        id: "net.ipv4.tcp_max_syn_backlog",
        title: "half-open connections without cookies",
        source: "linux net/ipv4/tcp_input.c tcp_conn_request",
        judge: max_syn_backlog,
    },
    Rule {
        id: "net.ipv4.tcp_syncookies",
        title: "what happens when that queue is full",
        source: "kernel docs networking/ip-sysctl.rst, tcp_syncookies",
        judge: syncookies,
    },
    Rule {
        id: "net.ipv4.tcp_abort_on_overflow",
        title: "what a client sees of a full queue",
        source: "kernel docs networking/ip-sysctl.rst, tcp_abort_on_overflow",
        judge: abort_on_overflow,
    },
    Rule {
        id: "net.core.netdev_max_backlog",
        title: "packets waiting per processor",
        source: "linux drivers/net/loopback.c, net/core/dev.c enqueue_to_backlog",
        judge: netdev_backlog,
    },
];

fn somaxconn(subject: &Subject<'_>) -> Finding {
    let Some(somaxconn) = subject.facts.network.somaxconn else {
        return Finding::not_readable();
    };
    // More than the connections themselves is never queued.
    let needed = SOMAXCONN_WANTED.min(subject.connections);
    let wanted = format!("≥ {}", thousands(needed));
    if somaxconn >= needed {
        return Finding::new(State::Ok, thousands(somaxconn), "each reactor's listener can hold a burst this long")
            .wanted(wanted);
    }
    Finding::new(
        State::Warn,
        thousands(somaxconn),
        "a burst longer than this is dropped and retried a second later (ListenOverflows); \
         applies to listeners opened after the change",
    )
    .wanted(wanted)
    .command(format!("sysctl -w net.core.somaxconn={SOMAXCONN_WANTED}"))
}

fn max_syn_backlog(subject: &Subject<'_>) -> Finding {
    let Some(backlog) = subject.facts.tcp.max_syn_backlog else {
        return Finding::not_readable();
    };
    let found = thousands(backlog);
    match subject.facts.tcp.syncookies {
        Some(0) if backlog < SOMAXCONN_WANTED.min(subject.connections) => Finding::new(
            State::Warn,
            found,
            "without SYN cookies, connections of unknown peers are dropped once three quarters of it are used",
        )
        .wanted("tcp_syncookies=1")
        .command("sysctl -w net.ipv4.tcp_syncookies=1"),
        Some(0) => Finding::new(State::Ok, found, "counts because SYN cookies are off"),
        Some(_) => Finding::new(State::Ok, found, "never consulted while SYN cookies are on; leave it"),
        None => Finding::new(State::Info, found, "counts only when SYN cookies are off, which is not readable"),
    }
}

fn syncookies(subject: &Subject<'_>) -> Finding {
    match subject.facts.tcp.syncookies {
        None => Finding::not_readable(),
        Some(0) => Finding::new(State::Info, "0", "a full queue drops connections instead of answering with a cookie"),
        Some(1) => Finding::new(State::Ok, "1", "cookies only when the queue is full (SyncookiesSent counts them)"),
        Some(value) => Finding::new(
            State::Warn,
            value.to_string(),
            "cookies for every connection, a setting for testing cookies: accepts cost more and options may be lost",
        )
        .wanted("1")
        .command("sysctl -w net.ipv4.tcp_syncookies=1"),
    }
}

fn abort_on_overflow(subject: &Subject<'_>) -> Finding {
    match subject.facts.tcp.abort_on_overflow {
        None => Finding::not_readable(),
        Some(0) => Finding::new(State::Ok, "0", "the client retries after a second"),
        Some(value) => Finding::new(
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
        Some(0) => Finding::new(State::Ok, thousands(backlog), "no packet has been dropped here since boot"),
        None => Finding::new(State::Ok, thousands(backlog), "every loopback packet passes this queue"),
        Some(dropped) => Finding::new(
            State::Info,
            format!("{}, {} dropped", thousands(backlog), thousands(dropped)),
            format!(
                "{} dropped since boot: every loopback packet passes this queue, and a connect storm can fill it",
                counted(dropped, "packet", "packets")
            ),
        )
        .wanted("no new drops")
        .command(format!(
            "sysctl -w net.core.netdev_max_backlog={}",
            backlog.saturating_mul(10).clamp(10_000, 100_000)
        )),
    }
}
