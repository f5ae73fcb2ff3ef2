//! The one table of checks, which audit and plan read: what to find, what is needed, what it means, what fixes
//! it, and the source.
//!
//! A check needs a mechanism and a source that describes it. A setting that merely *could* matter is `Info`:
//! an alarm must always mean something.

mod backlog;
mod buffers;
pub(crate) mod check;
mod conntrack;
mod descriptors;
mod files;
mod host;
mod memory;
mod ports;
pub(crate) mod spare;
pub(crate) mod subject;
mod tables;

use check::Check;

/// Every check, in the order of the audit: what stops connections first, then what disturbs
/// measurements.
pub(crate) fn for_audit() -> impl Iterator<Item = &'static Check> {
    [
        descriptors::CHECKS,
        files::OPEN,
        files::WATCHED,
        memory::ROOM,
        memory::QUEUED,
        backlog::CHECKS,
        ports::CHECKS,
        tables::OPEN,
        tables::TIME_WAIT,
        tables::ORPHANS,
        conntrack::CHECKS,
        buffers::CHECKS,
        host::RING,
        host::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// The same checks in the order of a plan's chain, which decides between limits that are hit by the same
/// number of connections.
pub(crate) fn for_plan() -> impl Iterator<Item = &'static Check> {
    [
        host::RING,
        descriptors::CHECKS,
        files::OPEN,
        files::WATCHED,
        ports::CHECKS,
        backlog::CHECKS,
        conntrack::CHECKS,
        tables::OPEN,
        memory::QUEUED,
        tables::ORPHANS,
        tables::TIME_WAIT,
        memory::ROOM,
        buffers::CHECKS,
        host::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// The checks about what holds the connections of any server, in the order in which they refuse some.
pub(crate) fn for_spread() -> impl Iterator<Item = &'static Check> {
    [memory::ROOM, files::OPEN, descriptors::CHECKS].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use check::Kind;

    #[test]
    fn every_rule_has_a_name_of_its_own_and_a_source() {
        let ids: BTreeSet<&str> = for_audit().map(|check| check.id).collect();
        assert_eq!(ids.len(), for_audit().count(), "two checks share a name");
        for check in for_audit() {
            assert!(!check.source.is_empty() && !check.title.is_empty(), "{}", check.id);
            assert!(!matches!(&check.kind, Kind::Limit(limit) if limit.unit.is_empty()), "{}", check.id);
        }
    }

    #[test]
    fn audit_and_plan_read_the_same_rules() {
        let ids =
            |checks: &mut dyn Iterator<Item = &'static Check>| checks.map(|check| check.id).collect::<BTreeSet<_>>();
        assert_eq!(ids(&mut for_audit()), ids(&mut for_plan()));
        assert_eq!(for_audit().count(), for_plan().count());
    }
}
