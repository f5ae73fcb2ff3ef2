//! V15, V16: whether the generator measures the target and not itself. Only runs against known servers can
//! show it.

use super::evidence::Evidence;
use super::rule::{percent, rule, state};
use crate::record::Check;

/// V15: mutilate wants a server that saturates far before its client; the shares are ours.
const RATE_SHARE_WARN: f64 = 0.5;
const RATE_SHARE_INVALID: f64 = 0.7;
/// V15: the part of the tail that exists without any server work; ours.
const FLOOR_SHARE_WARN: f64 = 0.2;
const FLOOR_SHARE_INVALID: f64 = 0.5;

/// V15: compares the run with the generator's performance against a server that does nothing.
pub(super) fn null_server(evidence: &Evidence<'_>) -> Check {
    let rule = rule(
        "share of the generator itself, by a server that does nothing",
        format!(
            "rate > {} of its ceiling, or its p99 > {} of p99",
            percent(RATE_SHARE_WARN),
            percent(FLOOR_SHARE_WARN)
        ),
        format!("rate > {}, or p99 > {}", percent(RATE_SHARE_INVALID), percent(FLOOR_SHARE_INVALID)),
    );
    if let Some(why) = evidence.why_untimed() {
        return rule.skipped("no requests", why);
    }
    let Some(null) = evidence.calibration.filter(|null| null.null_requests_per_second_max > 0.0) else {
        return rule
            .skipped("not calibrated", "needs --calibrate, which runs the same load against such a server first");
    };
    let Some(achieved) = evidence.achieved_per_second else {
        return rule.skipped("not known", "needs a window of 10 ms at least");
    };
    let rate = achieved / null.null_requests_per_second_max;
    let p99 = evidence.response.and_then(|response| response.p99).filter(|p99| *p99 > 0.0);
    let floor = p99.map(|p99| null.null_response_us_p99 / p99);
    let is_beyond =
        |rate_limit: f64, floor_limit: f64| rate > rate_limit || floor.is_some_and(|floor| floor > floor_limit);
    let floor = floor.map_or_else(|| "no p99 to compare".to_owned(), |floor| format!("p99 {}", percent(floor)));
    rule.judged(
        format!("rate {}, {floor}", percent(rate)),
        state(is_beyond(RATE_SHARE_WARN, FLOOR_SHARE_WARN), is_beyond(RATE_SHARE_INVALID, FLOOR_SHARE_INVALID)),
        "much of this result is the generator's own: a server that does nothing would look much the same. Give it more \
         CPUs and --threads, or lower --rate",
    )
}

/// V16: the proof that waiting is not omitted needs a server that stalls on purpose.
pub(super) fn self_test() -> Check {
    rule("known stalls are measured as they are", "off by > 5 %", "off by > 10 %")
        .skipped("not part of a run", "needs a server that stalls as told: `c10m load --self-test`")
}

#[cfg(test)]
mod tests {
    use super::super::evidence::Calibration;
    use super::super::sound::{expect, expect_all};
    use crate::record::State;

    #[test]
    fn v15_finds_a_generator_that_measures_itself() {
        // The sound run has 10,000 requests/s and a p99 of 2,000 µs.
        for (ceiling, floor, expected) in [
            (20_000.0, 400.0, State::Valid),
            (19_999.0, 400.0, State::Warn),
            (20_000.0, 400.1, State::Warn),
            (14_286.0, 1000.0, State::Warn),
            (14_285.0, 400.0, State::Invalid),
            (20_000.0, 1000.1, State::Invalid),
            (0.0, 400.0, State::Skipped),
        ] {
            expect("V15", expected, |run| {
                run.evidence.calibration =
                    Some(Calibration { null_response_us_p99: floor, null_requests_per_second_max: ceiling });
            });
        }
        expect("V15", State::Skipped, |run| run.evidence.calibration = None);
        expect("V15", State::Valid, |run| run.response.p99 = None);
    }

    #[test]
    fn v16_belongs_to_the_self_test() {
        expect_all(&[("V16", State::Skipped)], |_| {});
    }
}
