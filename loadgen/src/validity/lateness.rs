//! V2: how late the generator itself was, and which quantiles of the response time are therefore its own rather than
//! the target's. A closed loop skips it, because its requests are intended when a connection becomes free.

use super::evidence::Evidence;
use super::rule::{percent, rule, share, state};
use crate::record::Check;

/// mutated counts sends over 100 µs late as missed; fortio objects if 5 % of its sleeps fall behind.
const LATE_100US_SHARE_WARN: f64 = 0.001;
const LATE_SHARE_INVALID: f64 = 0.05;
/// The part of a quantile of the response time that may be the generator's own lateness; ours.
pub const OWN_SHARE_WARN: f64 = 0.1;
/// From this part on, a quantile is the generator's own: most of it is not the target's.
pub const OWN_SHARE: f64 = 0.5;
/// Up to this quantile, times are compared and quoted everywhere, so a run without them has no times. Beyond it a few
/// pauses of a small virtual machine decide, and only what they decide must not be quoted.
const P_NEEDED: f64 = 0.99;

/// A quantile of the lateness beside the same one of the response time, which contains it.
#[derive(Debug, Clone, Copy)]
struct Pair {
    /// As a field of [`crate::record::Summary`].
    name: &'static str,
    p: f64,
    late_us: f64,
    response_us: f64,
}

impl Pair {
    fn share(&self) -> f64 {
        self.late_us / self.response_us
    }

    fn is_own(&self) -> bool {
        self.share() >= OWN_SHARE
    }

    /// As people write it.
    fn words(&self) -> String {
        self.name.replace('_', ".")
    }

    fn amounts(&self) -> String {
        format!("{:.1} of {:.1} us", self.late_us, self.response_us)
    }
}

/// What both distributions have: quantiles from the lowest to the highest, then the maximum.
fn pairs(evidence: &Evidence<'_>) -> Vec<Pair> {
    let (Some(late), Some(response)) = (evidence.lateness, evidence.response) else { return Vec::new() };
    let maximum = [("max", 1.0, late.max, response.max)];
    let quantiles = late.quantiles().into_iter().zip(response.quantiles());
    let quantiles = quantiles.map(|((name, p, late), (_, _, response))| (name, p, late, response));
    let pair = |(name, p, late, response): (_, _, Option<f64>, Option<f64>)| {
        Some(Pair { name, p, late_us: late?, response_us: response.filter(|us| *us > 0.0)? })
    };
    quantiles.chain(maximum).filter_map(pair).collect()
}

/// The fields of the response time that are the generator's own, from the lowest quantile to the maximum.
pub(super) fn own(evidence: &Evidence<'_>) -> Vec<String> {
    if evidence.why_unscheduled().is_some() {
        return Vec::new();
    }
    pairs(evidence).iter().filter(|pair| pair.is_own()).map(|pair| pair.name.to_owned()).collect()
}

/// V2. The maximum is one request, so it decides nothing here; [`own`] names it.
pub(super) fn lateness(evidence: &Evidence<'_>) -> Check {
    let rule = rule(
        "sends later than intended",
        format!(
            "> {} by > 100 us, or > {:.0} % of a quantile of the response time",
            percent(LATE_100US_SHARE_WARN),
            OWN_SHARE_WARN * 100.0
        ),
        format!(
            "> {} by > 1 ms and > p50 / 10, or >= {:.0} % of the response time at p50, p90 or p99",
            percent(LATE_SHARE_INVALID),
            OWN_SHARE * 100.0
        ),
    );
    if let Some(why) = evidence.why_unscheduled() {
        return rule.skipped("no schedule", why);
    }
    let count = evidence.lateness.map_or(0, |lateness| lateness.count);
    if count == 0 {
        return rule.skipped("nothing was sent", "needs a request that was sent");
    }
    let (late, far) = (share(evidence.late_100us, count, 0.0), share(evidence.late_far, count, 0.0));
    let pairs = pairs(evidence);
    let quantiles = || pairs.iter().filter(|pair| pair.p < 1.0);
    let is_large = quantiles().any(|pair| pair.share() > OWN_SHARE_WARN);
    let is_lost = quantiles().any(|pair| pair.is_own() && pair.p <= P_NEEDED);
    let first_own = quantiles().find(|pair| pair.is_own());
    let telling = first_own.or_else(|| quantiles().max_by(|a, b| a.share().total_cmp(&b.share())));
    let telling = telling.map_or_else(
        || "too few for quantiles".into(),
        |pair| format!("{} {}, {} of the response time", pair.words(), pair.amounts(), percent(pair.share())),
    );
    const MEND: &str = "Give it CPUs of its own (--cpus), more --threads, or a lower --rate";
    let why = match first_own {
        Some(first) => format!(
            "{} the generator's own: {}. Do not quote {} for the target; service_us has no lateness in it. {MEND}",
            subject(&pairs),
            first.amounts(),
            if subject(&pairs).ends_with("is") { "it" } else { "them" }
        ),
        None => {
            format!(
                "the generator itself was late, and response times contain that; service_us has no lateness in it. {MEND}"
            )
        }
    };
    rule.judged(
        format!("{} by > 100 us, {} far; {telling}", percent(late), percent(far)),
        state(late > LATE_100US_SHARE_WARN || is_large, far > LATE_SHARE_INVALID || is_lost),
        why,
    )
}

/// The quantiles that are the generator's own, as the beginning of a sentence: "p99.9 and beyond are".
fn subject(pairs: &[Pair]) -> String {
    let own: Vec<String> = pairs.iter().filter(|pair| pair.is_own()).map(Pair::words).collect();
    let from = pairs.iter().position(Pair::is_own).unwrap_or(pairs.len());
    match own.as_slice() {
        [only] => format!("{only} is"),
        [first, ..] if pairs[from..].iter().all(Pair::is_own) => format!("{first} and beyond are"),
        _ => format!("{} are", own.join(" and ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sound::{Run, expect};
    use crate::plan::mode::Mode;
    use crate::record::{State, Summary};
    use crate::recording::recorder::Recorder;
    use crate::recording::summary::summarise;

    #[test]
    fn v2_finds_a_late_generator() {
        for (late_100us, late_far, own, all, expected) in [
            (10, 0, 60.0, 5000.0, State::Valid),
            (11, 0, 60.0, 5000.0, State::Warn),
            (10, 0, 501.0, 5000.0, State::Warn),
            (10, 0, 2499.0, 5000.0, State::Warn),
            (10, 0, 2500.0, 5000.0, State::Warn),
            (600, 500, 60.0, 5000.0, State::Warn),
            (600, 501, 60.0, 5000.0, State::Invalid),
            (10, 0, 99.0, 110.0, State::Warn),
            (10, 0, 100.0, 110.0, State::Warn),
        ] {
            expect("V2", expected, |run| {
                (run.evidence.late_100us, run.evidence.late_far) = (late_100us, late_far);
                (run.lateness.p99_9, run.response.p99_9) = (Some(own), Some(all));
            });
        }
        // Without a quantile the shares decide.
        expect("V2", State::Valid, |run| run.lateness.p99_9 = None);
        expect("V2", State::Warn, |run| (run.lateness.p99_9, run.evidence.late_100us) = (None, 11));
        expect("V2", State::Skipped, |run| run.lateness = Summary::default());
    }

    #[test]
    fn v2_judges_each_quantile_by_itself() {
        // The response times of a sound run: 1000, 1500, 2000, 5000; max 9000.
        for (late, expected, own, why) in [
            ([1.0, 2.0, 200.0, 500.0, 900.0], State::Valid, &[][..], ""),
            ([1.0, 2.0, 201.0, 500.0, 900.0], State::Warn, &[], "the generator itself was late"),
            ([101.0, 102.0, 103.0, 104.0, 105.0], State::Warn, &[], "the generator itself was late"),
            ([1.0, 2.0, 3.0, 4.0, 4500.0], State::Valid, &["max"], ""),
            (
                [1.0, 2.0, 999.0, 2500.0, 3000.0],
                State::Warn,
                &["p99_9"],
                "p99.9 is the generator's own: 2500.0 of 5000.0 us. Do not quote it",
            ),
            (
                [1.0, 2.0, 999.0, 2500.0, 4500.0],
                State::Warn,
                &["p99_9", "max"],
                "p99.9 and beyond are the generator's own: 2500.0 of 5000.0 us. Do not quote them",
            ),
            (
                [1.0, 2.0, 1000.0, 3000.0, 4500.0],
                State::Invalid,
                &["p99", "p99_9", "max"],
                "p99 and beyond are the generator's own: 1000.0 of 2000.0 us",
            ),
            ([500.0, 501.0, 502.0, 503.0, 504.0], State::Invalid, &["p50"], "p50 is the generator's own"),
            (
                [1.0, 750.0, 751.0, 2500.0, 2501.0],
                State::Invalid,
                &["p90", "p99_9"],
                "p90 and p99.9 are the generator's own: 750.0 of 1500.0 us",
            ),
        ] {
            let mut run = Run::sound();
            let [p50, p90, p99, p99_9, max] = late.map(Some);
            run.lateness = Summary { p50, p90, p99, p99_9, max, ..run.lateness.clone() };
            let verdict = run.verdict();
            let check = &verdict.checks[1];
            assert_eq!((check.state, verdict.times), (expected, expected), "{late:?}: {}", check.value);
            assert_eq!((verdict.counts, verdict.cpu), (State::Valid, State::Valid), "{late:?}");
            assert_eq!(verdict.generators_own, own, "{late:?}");
            assert!(check.why.starts_with(why) && check.why.is_empty() == why.is_empty(), "{late:?}: {}", check.why);
        }
    }

    /// Ten thousand replies after 200 µs, `late` of which were sent `late_us` too late: what the recorders of such a
    /// run hold.
    fn planted(late: u64, late_us: u64) -> Run {
        let (mut lateness, mut response) = (Recorder::new(), Recorder::new());
        for index in 0..10_000 {
            // A good sleep ends a few µs late.
            let late_ns = if index < late { late_us * 1000 } else { 1000 + index % 4000 };
            lateness.record(late_ns);
            response.record(late_ns + 200_000);
        }
        let mut run = Run::sound();
        (run.evidence.late_100us, run.evidence.late_far) =
            (lateness.count_above(100_000), lateness.count_above(1_000_000));
        (run.lateness, run.response) = (summarise(&lateness, None), summarise(&response, None));
        run
    }

    #[test]
    fn a_planted_lag_is_found_where_it_is() {
        for (late, late_us, expected, own) in [
            (0, 0, State::Valid, &[][..]),
            (200, 5000, State::Invalid, &["p99", "p99_9", "max"]),
            (50, 5000, State::Warn, &["p99_9", "max"]),
            // Two samples decide no quantile.
            (2, 5000, State::Valid, &["max"]),
            (200, 90, State::Warn, &[]),
        ] {
            let verdict = planted(late, late_us).verdict();
            let check = &verdict.checks[1];
            assert_eq!(check.state, expected, "{late} by {late_us} us: {} {}", check.value, check.why);
            assert_eq!(verdict.generators_own, own, "{late} by {late_us} us");
        }
        let verdict = planted(50, 5000).verdict();
        assert!(
            verdict.checks[1].why.starts_with("p99.9 and beyond are the generator's own: 500"),
            "{}",
            verdict.checks[1].why
        );
    }

    #[test]
    fn nothing_is_the_generators_own_where_nothing_can_be_late() {
        for mode in [Mode::Closed, Mode::Idle] {
            let mut run = planted(200, 5000);
            run.evidence.mode = mode;
            assert!(run.verdict().generators_own.is_empty(), "{mode:?}");
        }
        let mut run = planted(200, 5000);
        run.lateness = Summary::default();
        assert!(run.verdict().generators_own.is_empty());
    }
}
