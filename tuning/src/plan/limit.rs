//! The limits of a plan: each a fixed name, unit and source, and a judgement of the subject.

use super::subject::Subject;
use super::{Link, Verdict, descriptors, network, room, tables};

/// What reaching a limit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// No further connection opens, or open ones are lost.
    Stops,
    /// Everything goes on, worse.
    Slows,
}

/// A limit: what it is about, and how to judge it.
pub(super) struct Limit {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    pub(super) source: &'static str,
    pub(super) kind: Kind,
    /// `None`: the limit does not exist for what was asked.
    pub(super) judge: fn(&Subject<'_>) -> Option<Finding>,
}

/// When a command has its turn. The order is that of the kernel's dependencies: a hard limit cannot
/// exceed fs.nr_open, a namespace takes its table's size at birth and has settings of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// Settings of the whole host.
    Host,
    /// Limits of the shell that starts the programs.
    Shell,
    /// A new network namespace.
    Namespace,
    /// Settings of the namespace the programs run in.
    Network,
    /// A flag of the programs; the commands that start them carry it.
    Flag,
}

/// A command that moves a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mend {
    pub(super) turn: Turn,
    pub(super) command: String,
}

impl Mend {
    pub(super) fn new(turn: Turn, command: impl Into<String>) -> Option<Mend> {
        Some(Mend { turn, command: command.into() })
    }
}

/// What a judgement says.
pub(super) struct Finding {
    pub(super) limit: Option<u64>,
    pub(super) need: Option<u64>,
    pub(super) hit_at: Option<u64>,
    pub(super) meaning: String,
    /// Used only when the limit does not hold.
    pub(super) mend: Option<Mend>,
    pub(super) is_known: bool,
}

impl Finding {
    pub(super) fn new(limit: Option<u64>, need: u64, hit_at: Option<u64>, meaning: impl Into<String>) -> Finding {
        Finding { limit, need: Some(need), hit_at, meaning: meaning.into(), mend: None, is_known: true }
    }

    /// The host does not say.
    pub(super) fn not_readable(need: u64) -> Finding {
        let meaning = "this kernel or container does not show it";
        Finding { is_known: false, ..Finding::new(None, need, None, meaning) }
    }

    pub(super) fn mend(mut self, mend: Option<Mend>) -> Finding {
        self.mend = mend;
        self
    }
}

impl Limit {
    pub(super) fn link(&self, subject: &Subject<'_>) -> Option<(Link, Option<Mend>)> {
        let finding = (self.judge)(subject)?;
        let is_hit = finding.hit_at.is_some_and(|most| most < subject.connections);
        let verdict = match (finding.is_known, is_hit, self.kind) {
            (false, ..) => Verdict::Unknown,
            (true, false, _) => Verdict::Holds,
            (true, true, Kind::Stops) => Verdict::Wall,
            (true, true, Kind::Slows) => Verdict::Slows,
        };
        let mend = finding.mend.filter(|_| matches!(verdict, Verdict::Wall | Verdict::Slows));
        let link = Link {
            id: self.id,
            title: self.title,
            limit: finding.limit,
            need: finding.need,
            unit: self.unit,
            hit_at: finding.hit_at,
            verdict,
            meaning: finding.meaning,
            command: mend.as_ref().map(|mend| mend.command.clone()),
            source: self.source,
        };
        Some((link, mend))
    }
}

/// Every limit. The order counts only between limits that are hit by the same number.
pub(super) fn all() -> impl Iterator<Item = &'static Limit> {
    [descriptors::LIMITS, network::LIMITS, tables::LIMITS, room::LIMITS].into_iter().flatten()
}

/// The limits beyond which no connection opens.
pub(super) fn walls() -> Vec<&'static str> {
    all().filter(|limit| limit.kind == Kind::Stops).map(|limit| limit.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_name_of_its_own_and_a_source() {
        let mut ids: Vec<&str> = all().map(|limit| limit.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "two limits share a name");
        assert!(all().all(|limit| !limit.source.is_empty() && !limit.unit.is_empty()));
    }
}
