//! Whether the measurement can be trusted: the generator checks itself, not the server.
//!
//! A slow or failing server makes a bad result; a late generator, lost connections or unaccounted requests
//! make an invalid one. Every check is a row of every record and states its thresholds; one that does not
//! apply is SKIPPED and says what would run it. Nothing here measures: others gather the [`Evidence`].

mod accounting;
mod arrivals;
mod calibration;
mod disclosure;
mod entry;
mod evidence;
mod extent;
mod host;
mod rule;
mod sampling;
mod schedule;
#[cfg(test)]
mod sound;

use crate::record::{Check, State, Verdict};
use entry::Affects::{Everything, Times};
use entry::{Entry, check};
use extent::Needs::{Length, Nothing, Samples, Window};

pub use entry::Affects;
pub use evidence::{ArrivalTest, Calibration, ClockFacts, Disclosure, Evidence, SendWindow, Steadiness, Transport};
pub use extent::Extent;

/// What a check puts in doubt; `None` if there is no check of this name.
pub fn affects(id: &str) -> Option<Affects> {
    CHECKS.iter().find(|entry| entry.id == id).map(|entry| entry.affects)
}

/// Whether a check, if nothing was completed, says no more than that.
pub(crate) fn follows_failure(id: &str) -> bool {
    CHECKS.iter().any(|entry| entry.id == id && entry.follows_failure)
}

/// Every check, in the order of records. Those that follow from a failure of everything: requests sent in time,
/// good replies, lasting connections, steady times and enough of them.
const CHECKS: [Entry; 20] = [
    Entry { follows_failure: true, ..check("V1", Everything, Window, schedule::sent) },
    check("V2", Times, Window, schedule::lateness),
    Entry { follows_failure: true, ..check("V3", Everything, Window, schedule::back_pressure) },
    check("V4", Times, Length, host::worker_cpu),
    check("V5", Times, Length, host::run_delay),
    check("V6", Times, Length, host::hiccups),
    check("V7", Everything, Nothing, accounting::identities),
    Entry { follows_failure: true, ..check("V8", Everything, Window, accounting::missing) },
    Entry { follows_failure: true, ..check("V9", Everything, Window, accounting::connections) },
    check("V10", Everything, Window, host::shortages),
    check("V11", Times, Length, arrivals::arrivals),
    Entry { follows_failure: true, ..check("V12", Times, Window, sampling::steadiness) },
    Entry { follows_failure: true, ..check("V13", Times, Samples, sampling::samples) },
    check("V14", Everything, Window, |_| sampling::repeats()),
    check("V15", Times, Length, calibration::null_server),
    check("V16", Everything, Window, |_| calibration::self_test()),
    check("V17", Everything, Window, host::transport),
    check("V18", Times, Window, host::clocks),
    check("V19", Times, Window, accounting::clamped),
    check("V20", Everything, Window, disclosure::disclosure),
];

/// Runs every check.
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    let judged = |entry: &Entry| Check { id: entry.id.to_owned(), ..(entry.judge)(evidence) };
    let checks: Vec<Check> = CHECKS.iter().map(|entry| evidence.extent.hold(entry.needs, judged(entry))).collect();
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
