//! What all checks are made of: a rule, thresholds, and how they are written.

use crate::record::{Check, State};

/// A check before its outcome. Its name is added from the table of all checks.
pub(super) struct Rule {
    title: &'static str,
    warn: String,
    invalid: String,
}

pub(super) fn rule(title: &'static str, warn: impl Into<String>, invalid: impl Into<String>) -> Rule {
    Rule { title, warn: warn.into(), invalid: invalid.into() }
}

impl Rule {
    /// `why` is kept only when there is something to explain.
    pub(super) fn judged(self, value: String, state: State, why: impl Into<String>) -> Check {
        let why = if state == State::Valid { String::new() } else { why.into() };
        let Rule { title, warn, invalid } = self;
        Check { id: String::new(), title: title.into(), value, warn, invalid, state, why, follows: false }
    }

    /// `why` tells what would run the check.
    pub(super) fn skipped(self, value: impl Into<String>, why: impl Into<String>) -> Check {
        self.judged(value.into(), State::Skipped, why)
    }
}

/// The state that the two thresholds give.
pub(super) fn state(is_warn: bool, is_invalid: bool) -> State {
    match (is_warn, is_invalid) {
        (_, true) => State::Invalid,
        (true, false) => State::Warn,
        (false, false) => State::Valid,
    }
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.3} %", share * 100.0)
}

/// `part / whole`, or `empty` if `whole` is zero.
pub(super) fn share(part: u64, whole: u64, empty: f64) -> f64 {
    if whole == 0 { empty } else { part as f64 / whole as f64 }
}
