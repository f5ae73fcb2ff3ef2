//! V12, V13, V14: whether there is enough data and whether it was steady: steadiness of the window, number of
//! samples, number of runs.

use super::evidence::Evidence;
use super::rule::{percent, rule, state};
use crate::record::{Check, State, Summary, samples_above};
use crate::statistics::{Trend, median, trend};

/// V12: fewer intervals show no trend; ours, as are the drifts.
const INTERVALS_MIN: usize = 30;
const TREND_P: f64 = 0.01;
const DRIFT_P50_WARN: f64 = 0.05;
const DRIFT_P99_WARN: f64 = 0.10;
/// V12: the figure of the window is then a quarter away from those of its beginning or its end, more than any
/// comparison would forgive. A p99 moves about twice as far by itself.
const DRIFT_P50_INVALID: f64 = 0.50;
const DRIFT_P99_INVALID: f64 = 1.0;
/// V13: p99 needs 10 samples above it to be printed.
const SAMPLES_WARN: u64 = 1000;
/// V13: with fewer than 6 above the median, the lowest quantile that anybody quotes, nothing is left to
/// quote. (The interval of a quantile exists from 3.7 samples above it on, or 5.7 by the normal
/// approximation. No printed quantile comes near either: 10 are required.)
const SAMPLES_INVALID: u64 = 12;
/// V13: the share of p99 by which chance may have moved it.
const HALF_WIDTH_WARN: f64 = 0.10;
/// V13: a quantile can be compared with that of another run when this many samples lie above it.
const SAMPLES_ABOVE_COMPARABLE: f64 = 100.0;

/// A change of a quantile in the course of the window.
struct Drift {
    /// Median of the last third of the intervals over that of the first, less one.
    change: f64,
    trend: Option<Trend>,
}

impl Drift {
    fn of(values: &[f64]) -> Option<Drift> {
        if values.len() < INTERVALS_MIN {
            return None;
        }
        let third = values.len() / 3;
        let (first, last) = (median(&values[..third])?, median(&values[values.len() - third..])?);
        (first > 0.0).then(|| Drift { change: last / first - 1.0, trend: trend(values) })
    }

    /// Whether chance does not explain it.
    fn is_trend(&self) -> bool {
        // A series that does not vary has no trend.
        self.trend.is_some_and(|trend| trend.p < TREND_P)
    }

    /// In words and numbers: how far the last third is from the first, and what speaks for a trend.
    fn words(&self, name: &str, count: usize) -> String {
        let (way, percent) = (if self.change < 0.0 { "fell" } else { "rose" }, self.change.abs() * 100.0);
        let Some(Trend { p, values_effective, .. }) = self.trend else { return format!("{name} did not vary") };
        let is_trend = if self.is_trend() { "a trend" } else { "no trend" };
        format!(
            "{name} {way} by {percent:.1} % ({is_trend}: p {p:.3}, {count} intervals count as {values_effective:.0})"
        )
    }
}

/// V12: whether the target was warm when the window began, and unchanged at its end.
pub(super) fn steadiness(evidence: &Evidence<'_>) -> Check {
    let rule = rule(
        "steady response times",
        format!(
            "never steady before the window, or a trend (p < {TREND_P}) with a drift of p50 > {} or p99 > {}",
            percent(DRIFT_P50_WARN),
            percent(DRIFT_P99_WARN)
        ),
        format!("a trend with a drift of p50 > {} or p99 > {}", percent(DRIFT_P50_INVALID), percent(DRIFT_P99_INVALID)),
    );
    if let Some(why) = evidence.why_untimed() {
        return rule.skipped("nothing timed", why);
    }
    let more = format!("needs {INTERVALS_MIN} intervals with enough samples: a longer run or a higher rate");
    let Some(found) = &evidence.steadiness else { return rule.skipped("not recorded", more) };
    let seconds = found.warmup_us as f64 / 1e6;
    let (warm, never_steady) = match found.reached_steady {
        Some(true) => (format!("steady after {seconds:.2} s"), false),
        Some(false) => (format!("not steady after {seconds:.2} s"), true),
        None => (format!("warmed up for {seconds:.2} s"), false),
    };
    let mut worst = state(never_steady, false);
    let (mut parts, mut drifts) = (vec![warm], 0);
    for (name, values, warn, invalid) in [
        ("p50", &found.p50_us, DRIFT_P50_WARN, DRIFT_P50_INVALID),
        ("p99", &found.p99_us, DRIFT_P99_WARN, DRIFT_P99_INVALID),
    ] {
        let Some(drift) = Drift::of(values) else {
            parts.push(format!("{name} {} of {INTERVALS_MIN} intervals", values.len()));
            continue;
        };
        drifts += 1;
        let is_beyond = |limit: f64| drift.is_trend() && drift.change.abs() > limit;
        worst = worst.max(state(is_beyond(warn), is_beyond(invalid)));
        parts.push(drift.words(name, values.len()));
    }
    let value = parts.join("; ");
    if drifts == 0 && found.reached_steady.is_none() {
        return rule.skipped(value, more);
    }
    let why = match never_steady && worst == State::Warn {
        true => "response times still moved when the window began; a longer --warmup, or a quieter host",
        false => {
            "response times moved in the course of the window, from its first third to its last, and chance does not \
             explain it: one number stands for none of it; a longer --warmup"
        }
    };
    rule.judged(value, worst, why)
}

/// V13: enough samples for what is printed.
pub(super) fn samples(evidence: &Evidence<'_>) -> Check {
    let rule = rule(
        "completed requests",
        format!("< {SAMPLES_WARN}, or half of the 95 % interval of p99 > {} of it", percent(HALF_WIDTH_WARN)),
        format!("< {SAMPLES_INVALID}"),
    );
    if let Some(why) = evidence.why_untimed() {
        return rule.skipped("no requests", why);
    }
    let completed = evidence.requests.map_or(0, |requests| requests.completed);
    let half_width = evidence.response.and_then(half_width_of_p99);
    let comparable = evidence.response.into_iter().flat_map(|response| {
        response.printed().filter(|(_, p, _)| samples_above(response.count, *p) >= SAMPLES_ABOVE_COMPARABLE)
    });
    let comparable = match comparable.last() {
        Some((name, _, _)) => format!("comparable up to {}", name.replace('_', ".")),
        None => "no quantile comparable".to_owned(),
    };
    let width = match half_width {
        Some(width) if width.is_finite() => format!("; p99 +- {}", percent(width)),
        Some(_) => "; p99 without an upper end".to_owned(),
        None => String::new(),
    };
    let is_wide = half_width.is_some_and(|width| width > HALF_WIDTH_WARN);
    let why = match completed {
        0..SAMPLES_INVALID => "too few replies for any statement; run longer",
        SAMPLES_INVALID..SAMPLES_WARN => "p99 has fewer than 10 samples above it and is not quoted; run longer",
        _ => "chance alone may have moved p99 that far; run longer, or quote its interval with it",
    };
    let state = state(completed < SAMPLES_WARN || is_wide, completed < SAMPLES_INVALID);
    rule.judged(format!("{completed}, {comparable}{width}"), state, why)
}

/// Half of the interval of p99 over p99; infinite without an upper end, `None` when p99 is not printed.
fn half_width_of_p99(response: &Summary) -> Option<f64> {
    let p99 = response.p99.filter(|p99| *p99 > 0.0)?;
    let [lower, upper] = *response.ci95.get("p99")?;
    Some(lower.zip(upper).map_or(f64::INFINITY, |(lower, upper)| (upper - lower) / 2.0 / p99))
}

/// V14: one run cannot predict the next.
pub(super) fn repeats() -> Check {
    rule("repeated runs", "< 5", "a claimed difference whose interval contains 0").skipped(
        "one run",
        "one run compares nothing; `c10m bench` repeats runs, interleaves them and judges differences",
    )
}

#[cfg(test)]
mod tests {
    use super::super::sound::{Run, expect, expect_all};
    use crate::record::State;

    /// Forty intervals that rise by `percent` in all, with a wobble that hides no trend.
    fn rising(percent: f64) -> Vec<f64> {
        (0..40).map(|index| 1000.0 * (1.0 + percent / 100.0 * f64::from(index) / 39.0) + f64::from(index % 3)).collect()
    }

    #[test]
    fn v12_finds_a_drift() {
        // From the middle of the first third to that of the last it is two thirds of the whole rise.
        for (p50, p99, expected) in [
            (6.0, 13.0, State::Valid),
            (9.0, 0.0, State::Warn),
            (-9.0, 0.0, State::Warn),
            (0.0, 17.0, State::Warn),
            (28.0, 28.0, State::Warn),
            (70.0, 140.0, State::Warn),
            (82.0, 0.0, State::Invalid),
            (-72.0, 0.0, State::Invalid),
            (0.0, 200.0, State::Invalid),
        ] {
            expect("V12", expected, |run| {
                let steadiness = run.steadiness();
                (steadiness.p50_us, steadiness.p99_us) = (rising(p50), rising(p99));
            });
        }
    }

    #[test]
    fn v12_ignores_differences_without_a_trend() {
        // Alternately high and low; the last third is a little higher only because of where it begins.
        let turns: Vec<f64> = (0..40).map(|index| if index % 2 == 0 { 1000.0 } else { 1400.0 }).collect();
        expect("V12", State::Valid, |run| run.steadiness().p50_us = turns.clone());
        expect("V12", State::Valid, |run| run.steadiness().p50_us = vec![1000.0; 40]);
        expect("V12", State::Valid, |run| run.steadiness().p50_us = vec![0.0; 40]);
    }

    #[test]
    fn v12_says_how_far_times_moved() {
        let mut run = Run::sound();
        (run.steadiness().p50_us, run.steadiness().p99_us) = (rising(9.0), vec![2000.0; 40]);
        let check = run.verdict().checks.swap_remove(11);
        assert!(check.value.starts_with("steady after 1.00 s; p50 rose by 6."), "{}", check.value);
        assert!(check.value.contains("(a trend: p 0.000, 40 intervals count as "), "{}", check.value);
        assert!(check.value.ends_with("; p99 did not vary"), "{}", check.value);
        assert!(check.why.contains("first third"), "{}", check.why);
    }

    /// Two humps: each slice resembles its neighbours, and the last third happens to lie higher.
    #[test]
    fn v12_takes_noise_that_lingers_for_no_drift() {
        let humps = (0..40).map(|index| 1000.0 + 300.0 * (f64::from(index) / 40.0 * 14.0 - 2.2).sin());
        let humps: Vec<f64> = humps.collect();
        expect("V12", State::Valid, |run| run.steadiness().p50_us = humps);
    }

    #[test]
    fn v12_needs_intervals_or_an_automatic_warm_up() {
        for (reached, intervals, expected) in [
            (Some(true), 29, State::Valid),
            (Some(false), 29, State::Warn),
            (None, 29, State::Skipped),
            (None, 30, State::Valid),
        ] {
            expect("V12", expected, |run| {
                let steadiness = run.steadiness();
                steadiness.reached_steady = reached;
                steadiness.p50_us.truncate(intervals);
                steadiness.p99_us.truncate(intervals);
            });
        }
        expect("V12", State::Skipped, |run| run.evidence.steadiness = None);
    }

    #[test]
    fn v13_finds_too_few_samples() {
        for (count, expected) in
            [(1000, State::Valid), (999, State::Warn), (12, State::Warn), (11, State::Invalid), (1, State::Invalid)]
        {
            expect("V13", expected, |run| {
                let requests = &mut run.requests;
                (requests.scheduled, requests.sent, requests.completed) = (count, count, count);
                run.response.count = count;
            });
        }
    }

    #[test]
    fn v13_finds_a_p99_that_chance_may_have_moved() {
        for (lower, upper, expected) in [
            (Some(1800.0), Some(2200.0), State::Valid),
            (Some(1800.0), Some(2201.0), State::Warn),
            (Some(1990.0), None, State::Warn),
        ] {
            expect("V13", expected, |run| {
                run.response.ci95.insert("p99".into(), [lower, upper]);
            });
        }
        expect("V13", State::Valid, |run| run.response.ci95.clear());
    }

    #[test]
    fn v14_belongs_to_comparisons() {
        expect_all(&[("V14", State::Skipped)], |_| {});
    }
}
