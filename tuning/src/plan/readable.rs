//! Facts that a plan needs and could not read. If one is missing, the plan never says that everything fits: a
//! hidden file must not turn into good news.

use serde::Serialize;

use super::link::{Link, Verdict};
use crate::request::Side;
use crate::rules::subject::Subject;
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
    let files: [(bool, &str, &str); 8] = [
        (facts.cpu.online_count.is_none(), "processors online", "/sys/devices/system/cpu/online"),
        (facts.memory.available_bytes.is_none(), "available memory", "/proc/meminfo"),
        (facts.files.open_count.is_none(), "files that are open", "/proc/sys/fs/file-nr"),
        (facts.capabilities.effective.is_none(), "what this process may do", "/proc/self/status"),
        (has_clients && facts.network.port_range.is_none(), "local ports", "/proc/sys/net/ipv4/ip_local_port_range"),
        (
            has_clients && facts.network.reserved_ports.is_none(),
            "reserved ports",
            "/proc/sys/net/ipv4/ip_local_reserved_ports",
        ),
        (tracks, "connections the firewall tracks", "/proc/sys/net/netfilter/nf_conntrack_*"),
        (subject.host.slabs.basis() == Basis::Table, "sizes of kernel objects", "/proc/slabinfo"),
    ];
    let files = files.into_iter().filter(|(is_missing, ..)| *is_missing).map(|(_, what, path)| (what, path.to_owned()));
    let of_host = subject.host.room.unreadable.iter().map(|(what, path)| (*what, path.clone()));
    for (what, path) in files.chain(of_host) {
        missing.push(Unreadable { what: what.to_owned(), how: format!("as root: cat {path}") });
    }
    missing
}

/// How to see a limit that is not shown.
fn how(id: &str) -> String {
    match id {
        "memory" => "as root: cat /proc/meminfo".to_owned(),
        // Some belong to the first network namespace and are not shown in others.
        id if id.starts_with("net.") => format!("as root, in the first network namespace: sysctl {id}"),
        id => format!("as root: sysctl {id}"),
    }
}
