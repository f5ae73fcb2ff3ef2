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
mod rule;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::mode::Mode;

    #[test]
    fn every_check_is_a_row_of_every_record() {
        let expected: Vec<String> = (1..=20).map(|number| format!("V{number}")).collect();
        for mode in [Mode::Closed, Mode::Open, Mode::Idle, Mode::Heartbeat] {
            let verdict = judge(&Evidence { mode, ..Evidence::default() });
            let ids: Vec<&str> = verdict.checks.iter().map(|check| check.id.as_str()).collect();
            assert_eq!(ids, expected, "{mode:?}");
            for check in &verdict.checks {
                assert_eq!(check.why.is_empty(), check.state == State::Valid, "{mode:?} {}", check.id);
                assert!(!check.value.is_empty() && !check.title.is_empty(), "{mode:?} {}", check.id);
            }
        }
    }

    #[test]
    fn skipped_checks_leave_the_verdict_alone() {
        let verdict = judge(&Evidence { mode: Mode::Idle, ..Evidence::default() });
        assert_eq!(verdict.state, State::Valid);
        assert!(verdict.checks.iter().any(|check| check.state == State::Skipped));
        sound::expect_all(&[], |_| {});
    }
}
