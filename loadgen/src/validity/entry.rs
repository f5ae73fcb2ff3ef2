//! What is known about a check before it is judged.

use super::evidence::Evidence;
use super::extent::Needs;
use crate::record::Check;

/// A part of a record that a check puts in doubt when it objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affects {
    /// What was counted: requests, errors, connections, and the rates made of them.
    Counts,
    /// CPU time and memory, and what is made of them per request and per connection.
    Cpu,
    /// Times: response, service, lateness, connect.
    Times,
}

/// Only times: counts and CPU time stand whatever the check says.
pub(super) const TIMES: &[Affects] = &[Affects::Times];
/// What depends on the host: CPU time and times.
pub(super) const COSTS: &[Affects] = &[Affects::Cpu, Affects::Times];
/// All figures.
pub(super) const EVERYTHING: &[Affects] = &[Affects::Counts, Affects::Cpu, Affects::Times];

/// A check.
pub(super) struct Entry {
    /// Its stable name.
    pub(super) id: &'static str,
    /// What it puts in doubt.
    pub(super) affects: &'static [Affects],
    /// What it needs.
    pub(super) needs: Needs,
    /// Whether, if nothing was completed, it says no more than that.
    pub(super) follows_failure: bool,
    /// How it is judged.
    pub(super) judge: fn(&Evidence<'_>) -> Check,
}

/// A check that says something of its own even if nothing was completed.
pub(super) const fn check(
    id: &'static str,
    affects: &'static [Affects],
    needs: Needs,
    judge: fn(&Evidence<'_>) -> Check,
) -> Entry {
    Entry { id, affects, needs, follows_failure: false, judge }
}
