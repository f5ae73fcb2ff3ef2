//! The one table of rules, which audit and plan read: what to find, what is needed, what it means, what fixes
//! it, and the source.
//!
//! A rule needs a mechanism and a source that describes it. A setting that merely *could* matter is `Info`:
//! an alarm must always mean something.

mod backlog;
mod buffers;
mod conntrack;
mod descriptors;
mod files;
mod host;
mod memory;
mod ports;
pub(crate) mod rule;
pub(crate) mod spare;
pub(crate) mod subject;
mod tables;

use rule::Rule;

/// Every rule, in the order of the audit: what stops connections first, then what disturbs
/// measurements.
pub(crate) fn for_audit() -> impl Iterator<Item = &'static Rule> {
    [
        descriptors::RULES,
        files::OPEN,
        files::WATCHED,
        memory::ROOM,
        memory::QUEUED,
        backlog::RULES,
        ports::RULES,
        tables::OPEN,
        tables::TIME_WAIT,
        tables::ORPHANS,
        conntrack::RULES,
        buffers::RULES,
        host::RING,
        host::RULES,
    ]
    .into_iter()
    .flatten()
}

/// The same rules in the order of a plan's chain, which decides between limits that are hit by the same
/// number of connections.
pub(crate) fn for_plan() -> impl Iterator<Item = &'static Rule> {
    [
        host::RING,
        descriptors::RULES,
        files::OPEN,
        files::WATCHED,
        ports::RULES,
        backlog::RULES,
        conntrack::RULES,
        tables::OPEN,
        memory::QUEUED,
        tables::ORPHANS,
        tables::TIME_WAIT,
        memory::ROOM,
        buffers::RULES,
        host::RULES,
    ]
    .into_iter()
    .flatten()
}

/// The rules about what holds the connections of any server, in the order in which they refuse some.
pub(crate) fn for_spread() -> impl Iterator<Item = &'static Rule> {
    [memory::ROOM, files::OPEN, descriptors::RULES].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use rule::Kind;

    #[test]
    fn every_rule_has_a_name_of_its_own_and_a_source() {
        let ids: BTreeSet<&str> = for_audit().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), for_audit().count(), "two rules share a name");
        for rule in for_audit() {
            assert!(!rule.source.is_empty() && !rule.title.is_empty(), "{}", rule.id);
            assert!(!matches!(&rule.kind, Kind::Limit(limit) if limit.unit.is_empty()), "{}", rule.id);
        }
    }

    #[test]
    fn audit_and_plan_read_the_same_rules() {
        let ids = |rules: &mut dyn Iterator<Item = &'static Rule>| rules.map(|rule| rule.id).collect::<BTreeSet<_>>();
        assert_eq!(ids(&mut for_audit()), ids(&mut for_plan()));
        assert_eq!(for_audit().count(), for_plan().count());
    }
}
