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
mod lateness;
mod rule;
mod sampling;
mod schedule;
#[cfg(test)]
mod sound;

use crate::record::{Check, State, Verdict};
use entry::{COSTS, EVERYTHING, Entry, TIMES, check};
use extent::Needs::{Length, Nothing, Samples, Window};

pub use entry::Affects;
pub use evidence::{ArrivalTest, Calibration, ClockFacts, Disclosure, Evidence, SendWindow, Steadiness, Transport};
pub use extent::Extent;
pub use lateness::{OWN_SHARE, OWN_SHARE_WARN};

/// What a check puts in doubt; `None` if there is no check of this name.
pub fn affects(id: &str) -> Option<&'static [Affects]> {
    CHECKS.iter().find(|entry| entry.id == id).map(|entry| entry.affects)
}

/// Whether a check objects to a target that fails or does not keep up, however good the generator is. If nothing was
/// completed, it says no more than that.
pub fn follows_failure(id: &str) -> bool {
    CHECKS.iter().any(|entry| entry.id == id && entry.follows_failure)
}

/// Every check, in the order of records. Those that follow from a failure of everything: requests sent in time,
/// good replies, lasting connections, steady times and enough of them.
const CHECKS: [Entry; 20] = [
    Entry { follows_failure: true, ..check("V1", EVERYTHING, Window, schedule::sent) },
    check("V2", TIMES, Window, lateness::lateness),
    Entry { follows_failure: true, ..check("V3", TIMES, Window, schedule::back_pressure) },
    check("V4", TIMES, Length, host::worker_cpu),
    check("V5", TIMES, Length, host::run_delay),
    check("V6", TIMES, Length, host::hiccups),
    check("V7", EVERYTHING, Nothing, accounting::identities),
    Entry { follows_failure: true, ..check("V8", EVERYTHING, Window, accounting::missing) },
    Entry { follows_failure: true, ..check("V9", EVERYTHING, Window, accounting::connections) },
    check("V10", EVERYTHING, Window, host::shortages),
    check("V11", TIMES, Length, arrivals::arrivals),
    Entry { follows_failure: true, ..check("V12", TIMES, Window, sampling::steadiness) },
    Entry { follows_failure: true, ..check("V13", TIMES, Samples, sampling::samples) },
    check("V14", EVERYTHING, Window, |_| sampling::repeats()),
    check("V15", TIMES, Length, calibration::null_server),
    check("V16", TIMES, Window, |_| calibration::self_test()),
    check("V17", EVERYTHING, Window, host::transport),
    check("V18", TIMES, Window, host::clocks),
    check("V19", TIMES, Window, accounting::clamped),
    check("V20", COSTS, Window, disclosure::disclosure),
];

/// Runs every check.
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    let judged = |entry: &Entry| Check { id: entry.id.to_owned(), ..(entry.judge)(evidence) };
    let checks: Vec<Check> = CHECKS.iter().map(|entry| evidence.extent.hold(entry.needs, judged(entry))).collect();
    // VALID at least: a skipped check says nothing about the run.
    let worst = |states: &mut dyn Iterator<Item = State>| states.fold(State::Valid, State::max);
    let state = worst(&mut checks.iter().map(|check| check.state));
    let part = |part: Affects| match evidence.extent.is_nothing() {
        // Without a window there is no figure of any kind.
        true => state,
        false => {
            let own = CHECKS.iter().zip(&checks).filter(|(entry, _)| entry.affects.contains(&part));
            worst(&mut own.map(|(_, check)| check.state))
        }
    };
    let times = if evidence.why_untimed().is_some() { State::Skipped } else { part(Affects::Times) };
    let generators_own = if evidence.extent.is_nothing() { Vec::new() } else { lateness::own(evidence) };
    Verdict { state, counts: part(Affects::Counts), cpu: part(Affects::Cpu), times, generators_own, checks }
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
        let with = |part| {
            let ids = (1..=20).map(|number| format!("V{number}"));
            ids.filter(|id| affects(id).unwrap().contains(&part)).collect::<Vec<_>>()
        };
        assert_eq!(with(Affects::Counts), ["V1", "V7", "V8", "V9", "V10", "V14", "V17"]);
        assert_eq!(with(Affects::Cpu), ["V1", "V7", "V8", "V9", "V10", "V14", "V17", "V20"]);
        assert_eq!(with(Affects::Times).len(), 20, "no check leaves times alone");
        assert_eq!((affects("V5"), affects("V21")), (Some(&[Affects::Times][..]), None));
    }

    #[test]
    fn each_part_has_the_worst_state_of_its_own_checks() {
        use State::{Invalid, Skipped, Valid, Warn};
        let check = |change: fn(&mut sound::Run), expected: [State; 4]| {
            let mut run = sound::Run::sound();
            change(&mut run);
            let Verdict { state, counts, cpu, times, checks, .. } = run.verdict();
            let objecting: Vec<_> = checks.iter().filter(|check| check.state > Valid).map(|check| &check.id).collect();
            assert_eq!([state, counts, cpu, times], expected, "{objecting:?}");
        };
        check(|_| {}, [Valid; 4]);
        check(|run| run.evidence.run_delay_share = Some(0.9), [Invalid, Valid, Valid, Invalid]);
        check(|run| run.evidence.host_shortages = 1, [Invalid; 4]);
        check(|run| run.disclosure().governor = None, [Warn, Valid, Warn, Warn]);
        check(
            |run| {
                run.disclosure().governor = None;
                run.connections.held = 9;
                run.connections.lost = 1;
                run.connections.open = 9;
            },
            [Invalid; 4],
        );
        // Nothing was timed while idle; nothing at all before the window.
        check(
            |run| {
                (run.requests, run.response.count) = (crate::record::RequestCounts::default(), 0);
                run.evidence.mode = Mode::Idle;
            },
            [Valid, Valid, Valid, Skipped],
        );
        check(|run| run.evidence.extent = Extent::of(0, Some(crate::record::Interruption::WarmUp)), [Invalid; 4]);
    }

    #[test]
    fn skipped_checks_leave_the_verdict_alone() {
        let verdict = judge(&Evidence { mode: Mode::Idle, ..Evidence::default() });
        assert_eq!(verdict.state, State::Valid);
        assert!(verdict.checks.iter().any(|check| check.state == State::Skipped));
        sound::expect_all(&[], |_| {});
    }
}
