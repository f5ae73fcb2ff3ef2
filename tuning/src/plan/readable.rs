//! Facts that a plan needs and could not read. If one is missing, the plan never says that everything fits: a
//! hidden file must not turn into good news.

use ::host::{Conntrack, Cpu, Files, Meminfo, Network, Process, SlabCache, sysctl};
use serde::Serialize;

use super::link::{Link, Verdict};
use crate::checks::subject::Subject;
use crate::request::Side;
use crate::slabs::Basis;

/// A fact that the host does not show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The name of the limit, or what it is.
    pub what: String,
    /// How to see it with the right privileges.
    pub how: String,
}

/// Every fact that the judgement of `chain` lacks.
pub(super) fn unreadable(subject: &Subject<'_>, chain: &[Link]) -> Vec<Unreadable> {
    let facts = subject.facts;
    let mut missing: Vec<Unreadable> = chain
        .iter()
        .filter(|link| link.verdict == Verdict::Unknown)
        .map(|link| Unreadable { what: link.id.to_owned(), how: how(link.id) })
        .collect();
    // A server chooses no local ports.
    let has_clients = subject.request.side == Side::Both;
    // If neither file exists, nothing is tracked.
    let tracks = match (facts.conntrack.count, facts.conntrack.max) {
        (Some(count), None) => count > 0,
        (None, Some(_)) => true,
        _ => false,
    };
    let tracked = format!("{}*", Conntrack::PATHS);
    let files: [(bool, &str, &str); 8] = [
        (facts.cpu.online_count.is_none(), "processors online", Cpu::ONLINE_PATH),
        (facts.memory.available_bytes.is_none(), "available memory", Meminfo::PATH),
        (facts.files.open_count.is_none(), "files that are open", Files::OPEN_PATH),
        (facts.capabilities.effective.is_none(), "what this process may do", Process::STATUS_PATH),
        (has_clients && facts.network.port_range.is_none(), "local ports", sysctl::LOCAL_PORT_RANGE_PATH),
        (has_clients && facts.network.reserved_ports.is_none(), "reserved ports", Network::RESERVED_PORTS_PATH),
        (tracks, "connections the firewall tracks", &tracked),
        (subject.host.slabs.basis() == Basis::Table, "sizes of kernel objects", SlabCache::PATH),
    ];
    let files =
        files.into_iter().filter(|(is_missing, ..)| *is_missing).map(|(_, what, path)| (what, format!("/{path}")));
    let of_host = subject.host.room.unreadable.iter().map(|(what, path)| (*what, path.clone()));
    for (what, path) in files.chain(of_host) {
        missing.push(Unreadable { what: what.to_owned(), how: format!("as root: cat {path}") });
    }
    missing
}

/// How to see a limit that is not shown.
fn how(id: &str) -> String {
    match id {
        "memory" => format!("as root: cat /{}", Meminfo::PATH),
        // Some belong to the first network namespace and are not shown in others.
        id if id.starts_with("net.") => format!("as root, in the first network namespace: sysctl {id}"),
        id => format!("as root: sysctl {id}"),
    }
}
