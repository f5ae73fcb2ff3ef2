//! Memory: what the sockets themselves cost, and the pages queued data may take.

use super::{Finding, Rule, Subject};
use crate::audit::State;
use crate::number::{bytes, thousands};

/// Kernel memory of one idle endpoint: socket, inode, dentry and file take 3.8 KB in slabs, an epoll
/// item 208 B more. Measured with idle loopback connections on Linux 6.18, x86-64.
const ENDPOINT_BYTES: u64 = 4096;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "memory",
        title: "kernel memory for the sockets",
        source: "measured on Linux 6.18, x86-64: 4 KB an idle endpoint",
        judge: sockets,
    },
    Rule {
        id: "net.ipv4.tcp_mem",
        title: "pages of queued TCP data",
        source: "kernel docs networking/ip-sysctl.rst, tcp_mem; linux net/core/sock.c",
        judge: queued_pages,
    },
];

fn sockets(subject: &Subject<'_>) -> Finding {
    let Some(available) = subject.facts.memory.available_bytes else {
        return Finding::not_readable();
    };
    let one_end = subject.connections.saturating_mul(ENDPOINT_BYTES);
    let both_ends = subject.endpoints.saturating_mul(ENDPOINT_BYTES);
    let found = format!("{} available", bytes(available));
    let wanted = format!("{} one end, {} both", bytes(one_end), bytes(both_ends));
    let (state, meaning) = if available >= both_ends {
        (State::Ok, "both ends fit while idle; a container's own limit is not counted here")
    } else if available >= one_end {
        (State::Warn, "the server's end fits, both ends do not: the kernel would kill processes to make room")
    } else {
        (State::Bad, "the sockets alone do not fit: the kernel would kill processes to make room")
    };
    Finding::new(state, found, meaning).wanted(wanted)
}

fn queued_pages(subject: &Subject<'_>) -> Finding {
    let Some([low, pressure, max]) = subject.facts.tcp.mem_pages else {
        return Finding::not_readable();
    };
    let found = format!("{} {} {} pages", thousands(low), thousands(pressure), thousands(max));
    let wanted = format!("max ≥ {} if all are busy", thousands(subject.endpoints));
    // Memory is charged to a socket in whole pages, so one queued byte costs one page.
    if max >= subject.endpoints {
        return Finding::new(State::Ok, found, "every socket may have a page queued at once").wanted(wanted);
    }
    Finding::new(
        State::Info,
        found,
        "idle sockets cost nothing here; when more than this many hold unread or unsent bytes at once, \
         TCP drops data and aborts sockets (TCPMemoryPressures, TCPAbortOnMemory)",
    )
    .wanted(wanted)
    .command(format!(
        "sysctl -w net.ipv4.tcp_mem=\"{low} {} {}\"",
        subject.connections.max(pressure),
        subject.endpoints
    ))
}
