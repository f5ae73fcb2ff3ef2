//! Whether the measurement deserves belief: the generator checks itself, not the server.
//!
//! A slow or failing server makes a bad result; a late generator, lost connections or requests that
//! nobody accounts for make an invalid one. Every check is a row of every record and states its
//! thresholds; one that does not apply is SKIPPED and says what would run it. Nothing here measures:
//! what the checks look at is gathered by others as [`Evidence`].

mod accounting;
mod arrivals;
mod calibration;
mod disclosure;
mod evidence;
mod extent;
mod host;
mod sampling;
mod schedule;
#[cfg(test)]
mod sound;

use crate::record::{Check, State, Verdict};

pub use evidence::{ArrivalTest, Calibration, ClockFacts, Disclosure, Evidence, SendWindow, Steadiness, Transport};
pub use extent::Extent;

/// Runs every check.
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    let checks = vec![
        schedule::sent(evidence),
        schedule::lateness(evidence),
        schedule::back_pressure(evidence),
        host::worker_cpu(evidence),
        host::run_delay(evidence),
        host::hiccups(evidence),
        accounting::identities(evidence),
        accounting::missing(evidence),
        accounting::connections(evidence),
        host::shortages(evidence),
        arrivals::arrivals(evidence),
        sampling::steadiness(evidence),
        sampling::samples(evidence),
        sampling::repeats(),
        calibration::null_server(evidence),
        calibration::self_test(),
        host::transport(evidence),
        host::clocks(evidence),
        accounting::clamped(evidence),
        disclosure::disclosure(evidence),
    ];
    let checks: Vec<Check> = checks.into_iter().map(|check| evidence.extent.hold(check)).collect();
    // VALID at least: a skipped check says nothing about the run.
    let state = checks.iter().map(|check| check.state).fold(State::Valid, State::max);
    Verdict { state, checks }
}

/// A check before its outcome.
struct Rule {
    id: &'static str,
    title: &'static str,
    warn: String,
    invalid: String,
}

fn rule(id: &'static str, title: &'static str, warn: impl Into<String>, invalid: impl Into<String>) -> Rule {
    Rule { id, title, warn: warn.into(), invalid: invalid.into() }
}

impl Rule {
    /// `why` is kept only when there is something to explain.
    fn judged(self, value: String, state: State, why: impl Into<String>) -> Check {
        let why = if state == State::Valid { String::new() } else { why.into() };
        let Rule { id, title, warn, invalid } = self;
        Check { id: id.into(), title: title.into(), value, warn, invalid, state, why, follows: false }
    }

    /// `why` tells what would run the check.
    fn skipped(self, value: impl Into<String>, why: impl Into<String>) -> Check {
        self.judged(value.into(), State::Skipped, why)
    }
}

/// What a threshold of each kind makes of a finding.
fn state(is_warn: bool, is_invalid: bool) -> State {
    match (is_warn, is_invalid) {
        (_, true) => State::Invalid,
        (true, false) => State::Warn,
        (false, false) => State::Valid,
    }
}

fn percent(share: f64) -> String {
    format!("{:.3} %", share * 100.0)
}

/// `part / whole`, or `empty` when there is no whole.
fn share(part: u64, whole: u64, empty: f64) -> f64 {
    if whole == 0 { empty } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_is_a_row_of_every_record() {
        let expected: Vec<String> = (1..=20).map(|number| format!("V{number}")).collect();
        for mode in ["closed", "open", "idle", "heartbeat", ""] {
            let verdict = judge(&Evidence { mode, ..Evidence::default() });
            let ids: Vec<&str> = verdict.checks.iter().map(|check| check.id.as_str()).collect();
            assert_eq!(ids, expected, "{mode}");
            for check in &verdict.checks {
                assert_eq!(check.why.is_empty(), check.state == State::Valid, "{mode} {}", check.id);
                assert!(!check.value.is_empty() && !check.title.is_empty(), "{mode} {}", check.id);
            }
        }
    }

    #[test]
    fn skipped_checks_leave_the_verdict_alone() {
        let verdict = judge(&Evidence { mode: "idle", ..Evidence::default() });
        assert_eq!(verdict.state, State::Valid);
        assert!(verdict.checks.iter().any(|check| check.state == State::Skipped));
        sound::expect_all(&[], |_| {});
    }
}
