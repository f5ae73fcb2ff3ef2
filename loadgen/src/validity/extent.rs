//! How much of a window there was to judge. A run interrupted before its window has measured nothing, and a
//! window of almost no length has no shares or rates; neither counts against the generator.

use crate::ratio::SPAN_NS_MIN;
use crate::record::{Check, Interruption, State};

/// How much of a window there was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Extent {
    /// Long enough for shares and rates.
    #[default]
    Enough,
    /// Too short for them; its length in µs.
    Short(u64),
    /// The run was interrupted before its window.
    Nothing(Interruption),
}

/// What has to be there before a check can be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing: that the accounts balance holds of every run.
    Nothing,
    /// A window, of whatever length.
    Window,
    /// A window of some length: it is a share of time, or a rate.
    Length,
    /// Something to quote. Without a window there is nothing, and the run is invalid.
    Samples,
}

impl Extent {
    /// The extent of a window of this length.
    pub(crate) fn of(window_ns: u64, interruption: Option<Interruption>) -> Extent {
        match interruption {
            Some(early) if early.why_nothing().is_some() => Extent::Nothing(early),
            _ if window_ns < SPAN_NS_MIN => Extent::Short(window_ns / 1000),
            _ => Extent::Enough,
        }
    }

    /// Whether the run was interrupted before its window.
    pub(super) fn is_nothing(self) -> bool {
        matches!(self, Extent::Nothing(_))
    }

    /// Leaves a check as it is, or says why it was not judged.
    pub(super) fn hold(self, needs: Needs, check: Check) -> Check {
        let unjudged = |why| Check { value: "not judged".to_owned(), state: State::Skipped, why, ..check.clone() };
        match (self, needs) {
            (Extent::Nothing(_), Needs::Nothing) => check,
            (Extent::Nothing(early), Needs::Samples) => {
                let why = early.why_nothing().unwrap_or_default().to_owned();
                // The verdict is that of the worst check, and this is no measurement.
                Check { value: "none".to_owned(), state: State::Invalid, why, ..check }
            }
            (Extent::Nothing(early), Needs::Window | Needs::Length) => {
                unjudged(format!("not judged: {}", early.why_nothing().unwrap_or_default()))
            }
            (Extent::Short(window_us), Needs::Length) => unjudged(format!(
                "not judged: the window lasted {} ms; needs {} ms at least",
                window_us as f64 / 1e3,
                SPAN_NS_MIN / 1_000_000
            )),
            (Extent::Enough | Extent::Short(_), _) => check,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sound::{Run, expect_all};
    use super::*;
    use crate::plan::mode::Mode;

    #[test]
    fn a_run_without_a_window_has_measured_nothing() {
        for early in [Interruption::Connecting, Interruption::WarmUp] {
            for mode in [Mode::Open, Mode::Closed, Mode::Idle] {
                let mut run = Run::sound();
                run.evidence.extent = Extent::of(0, Some(early));
                (run.evidence.mode, run.evidence.busiest_worker_share) = (mode, Some(51_417.0));
                if mode == Mode::Idle {
                    run.requests = crate::record::RequestCounts::default();
                    run.response.count = 0;
                }
                let verdict = run.verdict();
                assert_eq!(verdict.state, State::Invalid);
                for check in &verdict.checks {
                    let expected = match check.id.as_str() {
                        "V7" => State::Valid,
                        "V13" => State::Invalid,
                        _ => State::Skipped,
                    };
                    assert_eq!(check.state, expected, "{mode:?}: {check:?}");
                    assert!(check.id == "V7" || check.why.contains("nothing was measured"), "{mode:?}: {check:?}");
                }
            }
        }
    }

    #[test]
    fn a_window_of_next_to_no_length_has_no_shares() {
        let short = |run: &mut Run| {
            run.evidence.extent = Extent::of(1_500_000, None);
            run.evidence.busiest_worker_share = Some(51_417.0);
        };
        expect_all(&["V4", "V5", "V6", "V11", "V15"].map(|id| (id, State::Skipped)), short);
        let mut run = Run::sound();
        short(&mut run);
        let why = &run.verdict().checks[3].why;
        assert_eq!(why, "not judged: the window lasted 1.5 ms; needs 10 ms at least");
        assert_eq!(Extent::of(SPAN_NS_MIN, None), Extent::Enough);
        assert_eq!(Extent::of(SPAN_NS_MIN, Some(Interruption::Window)), Extent::Enough);
    }
}
