//! The outcome of the checks: how far a run can be trusted.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How far a run can be trusted, by one check or by all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// The check did not apply to this run; `why` says what would run it. It says nothing about the run.
    Skipped,
    /// Nothing to object to.
    #[default]
    Valid,
    /// Read the reason before quoting the number.
    Warn,
    /// Do not quote the number.
    Invalid,
}

impl State {
    /// The name in records and tables.
    pub const fn name(self) -> &'static str {
        match self {
            State::Skipped => "SKIPPED",
            State::Valid => "VALID",
            State::Warn => "WARN",
            State::Invalid => "INVALID",
        }
    }
}

/// The outcome of all checks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Verdict {
    /// The worst state of any check: VALID, WARN or INVALID, never SKIPPED.
    pub state: State,
    /// The worst state of the checks that put counts in doubt: requests, errors, connections and rates.
    pub counts: State,
    /// The worst state of the checks that put CPU time and memory in doubt.
    pub cpu: State,
    /// The worst state of the checks that put times in doubt; SKIPPED when nothing was timed.
    pub times: State,
    /// The fields of `response_us` of which at least half is the generator's own lateness, such as `p99_9` and `max`:
    /// they say nothing about the target and must not be quoted for it, whatever `times` is. V2 gives the amounts.
    pub generators_own: Vec<String>,
    /// Every check, passed, failed or skipped.
    pub checks: Vec<Check>,
}

impl fmt::Display for Verdict {
    /// The state, and the names of the checks that object.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objecting = self.checks.iter().filter(|check| check.state > State::Valid);
        let names: Vec<&str> = objecting.map(|check| check.id.as_str()).collect();
        match names.is_empty() {
            true => formatter.write_str(self.state.name()),
            false => write!(formatter, "{} ({})", self.state.name(), names.join(" ")),
        }
    }
}

/// One check of the measurement.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Check {
    /// Stable name, `V1` and so on.
    pub id: String,
    /// What is checked.
    pub title: String,
    /// What was found.
    pub value: String,
    /// The condition of a warning.
    pub warn: String,
    /// The condition of invalidity.
    pub invalid: String,
    /// The outcome.
    pub state: State,
    /// What it means, or what would run a skipped check; empty for a plain pass.
    pub why: String,
    /// Whether it only repeats [`crate::Record::likely_cause`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follows: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_name_what_objects() {
        let check = |id: &str, state| Check { id: id.to_owned(), state, ..Check::default() };
        let (valid, warns, skipped) =
            (check("V1", State::Valid), check("V2", State::Warn), check("V6", State::Skipped));
        let invalid = check("V3", State::Invalid);
        for (state, checks, expected) in [
            (State::Warn, vec![valid.clone(), warns.clone(), skipped], "WARN (V2)"),
            (State::Invalid, vec![invalid, warns], "INVALID (V3 V2)"),
            (State::Valid, vec![valid], "VALID"),
        ] {
            assert_eq!(Verdict { state, checks, ..Verdict::default() }.to_string(), expected);
        }
    }
}
