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

/// What a check puts in doubt when it objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affects {
    /// Times alone: counts and CPU time stand whatever it says.
    Times,
    /// Counts and CPU time as well.
    Everything,
}

/// What a check puts in doubt; `None` when there is none of this name.
pub fn affects(id: &str) -> Option<Affects> {
    CHECKS.iter().find(|(name, ..)| *name == id).map(|(_, affects, _)| *affects)
}

/// A check: its stable name, what it puts in doubt, and how it is judged.
type Entry = (&'static str, Affects, fn(&Evidence<'_>) -> Check);

/// Every check, in the order of records.
const CHECKS: [Entry; 20] = [
    ("V1", Affects::Everything, schedule::sent),
    ("V2", Affects::Times, schedule::lateness),
    ("V3", Affects::Everything, schedule::back_pressure),
    ("V4", Affects::Times, host::worker_cpu),
    ("V5", Affects::Times, host::run_delay),
    ("V6", Affects::Times, host::hiccups),
    ("V7", Affects::Everything, accounting::identities),
    ("V8", Affects::Everything, accounting::missing),
    ("V9", Affects::Everything, accounting::connections),
    ("V10", Affects::Everything, host::shortages),
    ("V11", Affects::Times, arrivals::arrivals),
    ("V12", Affects::Times, sampling::steadiness),
    ("V13", Affects::Times, sampling::samples),
    ("V14", Affects::Everything, |_| sampling::repeats()),
    ("V15", Affects::Times, calibration::null_server),
    ("V16", Affects::Everything, |_| calibration::self_test()),
    ("V17", Affects::Everything, host::transport),
    ("V18", Affects::Times, host::clocks),
    ("V19", Affects::Times, accounting::clamped),
    ("V20", Affects::Everything, disclosure::disclosure),
];

/// Runs every check.
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    let checks = CHECKS.iter().map(|(id, _, judge)| Check { id: (*id).to_owned(), ..judge(evidence) });
    let checks: Vec<Check> = checks.map(|check| evidence.extent.hold(check)).collect();
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
    fn each_check_says_what_it_puts_in_doubt() {
        let times = (1..=20).map(|number| format!("V{number}")).filter(|id| affects(id) == Some(Affects::Times));
        let times: Vec<String> = times.collect();
        assert_eq!(times, ["V2", "V4", "V5", "V6", "V11", "V12", "V13", "V15", "V18", "V19"]);
        assert_eq!((affects("V7"), affects("V21")), (Some(Affects::Everything), None));
    }

    #[test]
    fn skipped_checks_leave_the_verdict_alone() {
        let verdict = judge(&Evidence { mode: Mode::Idle, ..Evidence::default() });
        assert_eq!(verdict.state, State::Valid);
        assert!(verdict.checks.iter().any(|check| check.state == State::Skipped));
        sound::expect_all(&[], |_| {});
    }
}
