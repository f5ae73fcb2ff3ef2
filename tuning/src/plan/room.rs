//! The limit that no setting moves: memory.

use super::limit::{Finding, Kind, Limit};
use super::subject::Subject;
use crate::number::bytes;
use crate::request::Side;

pub(super) const LIMITS: &[Limit] = &[Limit {
    id: "memory",
    title: "kernel objects and both programs",
    unit: "bytes",
    source: "proc(5) MemAvailable; cgroups(7); slabinfo(5), object sizes measured on Linux 6.18",
    kind: Kind::Stops,
    judge: memory,
}];

fn memory(subject: &Subject<'_>) -> Option<Finding> {
    let need = subject.memory_needed(subject.connections);
    let Some(available) = subject.memory_available() else {
        return Some(Finding::not_readable(need));
    };
    let whose = match subject.request.side {
        Side::Server => "the server's side",
        Side::Both => "both sides",
        Side::Tun => "the server's side and a client in user space",
    };
    let bound = if subject.is_bound_by_cgroup() { "the memory cgroup leaves" } else { "this host has" };
    let mut meaning = format!("{} for {whose}; {bound} {} to spare", bytes(need), bytes(available));
    if need > available {
        meaning.push_str(&format!(
            ", so {} are missing: beyond it the kernel kills processes to make room",
            bytes(need - available)
        ));
    }
    Some(Finding::new(Some(available), need, subject.memory_fits(), meaning))
}
