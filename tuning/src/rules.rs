//! The rules of the audit: each a fixed name, title and source, and a judgement of the facts.
//!
//! A rule stands here only with a mechanism and a place where that mechanism can be looked up. A
//! setting that merely *could* matter is `Info`: an alarm must always mean something.

mod backlog;
mod buffers;
mod conntrack;
mod files;
mod host;
mod memory;
mod ports;
mod tables;

pub(crate) use ports::usable_ports;

use crate::audit::{IoUring, Row, State};
use ::host::Facts;

/// Room in a reactor's descriptor table beside its connections: standard streams, listener, epoll or
/// ring, event and timer descriptors, and a spare to close when descriptors run out.
const DESCRIPTORS_RESERVED: u64 = 64;

/// What a rule judges.
pub(crate) struct Subject<'a> {
    facts: &'a Facts,
    io_uring: &'a IoUring,
    connections: u64,
    /// Sockets on this host when both ends of every connection are here.
    endpoints: u64,
    /// Reactors of a server that follows the default of one per processor.
    reactors: u64,
    /// Descriptors each of those reactors needs.
    descriptors_per_reactor: u64,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(facts: &'a Facts, connections: u64, io_uring: &'a IoUring) -> Self {
        let reactors = facts.cpu.online_count.unwrap_or(1).max(1);
        Subject {
            facts,
            io_uring,
            connections,
            endpoints: connections.saturating_mul(2),
            reactors,
            descriptors_per_reactor: descriptors_needed(connections, reactors),
        }
    }
}

/// Descriptors the fullest of `reactors` needs. SO_REUSEPORT spreads connections by a hash, so a share
/// is a mean with a standard deviation of about its square root; four of those above the mean are
/// exceeded less than once in ten thousand shares.
pub(crate) fn descriptors_needed(connections: u64, reactors: u64) -> u64 {
    let mean = connections.div_ceil(reactors);
    let unevenness = if reactors > 1 { 4 * (mean.isqrt() + 1) } else { 0 };
    mean.saturating_add(unevenness).saturating_add(DESCRIPTORS_RESERVED)
}

/// A rule: what it is about, and how to judge it.
pub(crate) struct Rule {
    id: &'static str,
    title: &'static str,
    source: &'static str,
    judge: fn(&Subject<'_>) -> Finding,
}

impl Rule {
    pub(crate) fn row(&self, subject: &Subject<'_>) -> Row {
        let finding = (self.judge)(subject);
        Row {
            id: self.id.to_owned(),
            title: self.title,
            found: finding.found,
            state: finding.state,
            meaning: finding.meaning,
            wanted: finding.wanted,
            command: finding.command,
            source: self.source,
        }
    }
}

/// Every rule, in the order of the report: what stops connections first, then what disturbs
/// measurements.
pub(crate) fn all() -> impl Iterator<Item = &'static Rule> {
    [
        files::RULES,
        memory::RULES,
        backlog::RULES,
        ports::RULES,
        tables::RULES,
        conntrack::RULES,
        buffers::RULES,
        host::RULES,
    ]
    .into_iter()
    .flatten()
}

/// What a judgement says.
struct Finding {
    found: String,
    state: State,
    meaning: String,
    wanted: Option<String>,
    command: Option<String>,
}

impl Finding {
    fn new(state: State, found: impl Into<String>, meaning: impl Into<String>) -> Self {
        Finding { found: found.into(), state, meaning: meaning.into(), wanted: None, command: None }
    }

    /// The host does not say. That is no fault of the host, so it is no alarm.
    fn not_readable() -> Self {
        Finding::new(State::Info, "not readable", "this kernel or container does not show it")
    }

    fn wanted(mut self, wanted: impl Into<String>) -> Self {
        self.wanted = Some(wanted.into());
        self
    }

    fn command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_reactor_decides() {
        for (connections, reactors, expected) in
            [(0, 1, 64), (10_000, 1, 10_064), (10_000, 4, 2500 + 204 + 64), (u64::MAX, 1, u64::MAX)]
        {
            assert_eq!(descriptors_needed(connections, reactors), expected, "{connections} over {reactors}");
        }
    }

    #[test]
    fn every_rule_has_a_name_of_its_own_and_a_source() {
        let mut ids: Vec<&str> = all().map(|rule| rule.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "two rules share a name");
        assert!(all().all(|rule| !rule.source.is_empty() && !rule.title.is_empty()));
    }
}
