//! What is known about a check before it is judged.

use super::evidence::Evidence;
use super::extent::Needs;
use crate::record::Check;

/// What a check puts in doubt when it objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affects {
    /// Only times: counts and CPU time stand whatever it says.
    Times,
    /// Counts and CPU time as well.
    Everything,
}

/// A check.
pub(super) struct Entry {
    /// Its stable name.
    pub(super) id: &'static str,
    /// What it puts in doubt.
    pub(super) affects: Affects,
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
    affects: Affects,
    needs: Needs,
    judge: fn(&Evidence<'_>) -> Check,
) -> Entry {
    Entry { id, affects, needs, follows_failure: false, judge }
}
