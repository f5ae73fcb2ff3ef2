//! Memory: what the connections take, and the pages that queued data may take.

use super::check::{Check, Finding, Kind, State, Turn};
use super::subject::{Asker, Subject, largest};
use crate::number::{bytes, thousands};
use crate::predict::{QUEUED_MS, queued_at_once};
use crate::request::Side;

/// The limit that no setting moves.
pub(super) const ROOM: &[Check] = &[Check {
    id: "memory",
    title: "kernel objects and both programs",
    source: "proc(5) MemAvailable; cgroups(7); slabinfo(5), object sizes measured on Linux 6.18",
    kind: Kind::stops("bytes", Some(State::Bad), room),
}];

pub(super) const QUEUED: &[Check] = &[Check {
    id: "net.ipv4.tcp_mem",
    title: "pages of queued data",
    source: "kernel docs networking/ip-sysctl.rst, tcp_mem; linux net/core/sock.c, __sk_mem_raise_allocated",
    kind: Kind::stops("pages", Some(State::Info), queued_pages),
}];

fn room(subject: &Subject<'_>) -> Option<Finding> {
    let need = subject.memory_needed(subject.connections);
    let Some(spare) = subject.spare() else {
        return Some(Finding::unknown(need));
    };
    let whose = match subject.request.side {
        Side::Server => "the server's side",
        Side::Both => "both sides",
        Side::Tun => "the server's side and a client in user space",
    };
    let mut meaning = format!("{} for {whose}; {} {} to spare", bytes(need), spare.limit.has(), bytes(spare.bytes));
    if need > spare.bytes {
        meaning.push_str(&format!(
            ", so {} are missing: beyond it the kernel kills processes to make room",
            bytes(need - spare.bytes)
        ));
    }
    Some(
        Finding::limit(Some(spare.bytes), need, subject.memory_fits(), meaning)
            .found(format!("{} {}", bytes(spare.left), spare.limit.place()))
            .way_out(spare.limit.way_out())
            .wanted(format!("{} one end, {} both", bytes(subject.memory_of_one_end()), bytes(need)))
            .fine("both ends fit while idle; a container's own limit is not counted here"),
    )
}

fn queued_pages(subject: &Subject<'_>) -> Option<Finding> {
    let heartbeat_ms = subject.request.heartbeat_ms;
    let all_busy = subject.asker == Asker::Audit;
    // Memory is charged to a socket in whole pages, so one queued byte costs one page.
    let pages = |ends| if all_busy { ends } else { queued_at_once(ends, heartbeat_ms) };
    let need = pages(subject.ends);
    let Some([low, pressure, most]) = subject.facts.tcp.mem_pages else {
        return Some(Finding::unknown(need));
    };
    let ends = subject.request.side.kernel_ends();
    let meaning = match heartbeat_ms {
        _ if all_busy => "idle sockets cost nothing here; when more than this many hold unread or unsent bytes at \
                          once, TCP drops data and aborts sockets (TCPMemoryPressures, TCPAbortOnMemory)"
            .to_owned(),
        Some(period_ms) => format!(
            "one queued byte costs a page: a heartbeat each {} s, queued for {QUEUED_MS} ms, holds so many at once; \
             beyond the limit TCP drops data and aborts sockets (TCPAbortOnMemory)",
            period_ms as f64 / 1000.0
        ),
        None => format!(
            "idle sockets hold none; {} at most may have data queued at once, as in a broadcast",
            thousands(most / ends)
        ),
    };
    let hit_at = largest(|many| pages(many.saturating_mul(ends)) <= most);
    // Pressure begins at the need, and twice as much is the hard limit. If all sockets are busy at once, that
    // is already the hard limit.
    let strained = if all_busy { need / 2 } else { need };
    let (middle, wanted) = (pressure.max(strained), strained.saturating_mul(2));
    Some(
        Finding::limit(Some(most), need, hit_at, meaning)
            .found(format!("{} {} {} pages", thousands(low), thousands(pressure), thousands(most)))
            .wanted(format!("max ≥ {} if all are busy", thousands(need)))
            .fine("every socket may have a page queued at once")
            .mend(Turn::Host, format!("sysctl -w net.ipv4.tcp_mem=\"{low} {middle} {wanted}\"")),
    )
}
