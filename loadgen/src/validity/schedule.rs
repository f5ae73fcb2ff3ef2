//! V1, V3: whether requests were sent when they were meant to be. These checks need intended times, so a closed
//! loop skips them, as it does V2 and V11: its requests are intended when a connection becomes free.

use super::evidence::{Evidence, SendWindow};
use super::rule::{percent, rule, share, state};
use crate::record::{Check, State};

/// V1: Caladan warns below 99.9 % of scheduled requests sent and gives up below 95 %.
const SENT_SHARE_WARN: f64 = 0.999;
const SENT_SHARE_INVALID: f64 = 0.95;
/// V1: for a single second, because the run as a whole may hide it.
const WINDOW_SHARE_INVALID: f64 = 0.90;
/// V3: share of requests that waited; Hyperfoil fails a run on any, mutated reports the mean.
const WAITED_SHARE_WARN: f64 = 0.01;
/// V1: judges the whole run by what was sent, and each second by what the generator noticed in time. The
/// target may cause the first; only the generator causes the second.
pub(super) fn sent(evidence: &Evidence<'_>) -> Check {
    let rule = rule(
        "scheduled requests that were sent",
        format!("< {} of the run, or of the arrivals of any second noticed in it", percent(SENT_SHARE_WARN)),
        format!("< {} of the run, or < {} of any second", percent(SENT_SHARE_INVALID), percent(WINDOW_SHARE_INVALID)),
    );
    if let Some(why) = evidence.why_unscheduled() {
        return rule.skipped("no schedule", why);
    }
    let (sent, scheduled) = evidence.requests.map_or((0, 0), |requests| (requests.sent, requests.scheduled));
    if scheduled == 0 {
        return rule.skipped("nothing was scheduled", "needs an arrival in the window: a longer one, or a higher rate");
    }
    let sent = share(sent, scheduled, 1.0);
    let short = evidence.windows.iter().filter_map(noticed_short);
    let worst = short.clone().fold(1.0, f64::min);
    // Under a reconnect policy clients without a connection send nothing: that is what such a run is about.
    let is_outage = evidence.reconnect.is_some_and(|reconnect| reconnect.losses > 0);
    let is_invalid = (sent < SENT_SHARE_INVALID && !is_outage) || worst < WINDOW_SHARE_INVALID;
    let state = state(sent < SENT_SHARE_WARN || worst < 1.0, is_invalid);
    let seconds = evidence.windows.len();
    let value = match short.count() {
        _ if seconds == 0 => format!("{} of the run", percent(sent)),
        0 => format!("{} of the run, {seconds} seconds in time", percent(sent)),
        count => {
            format!("{} of the run, {count} of {seconds} seconds short, the worst {}", percent(sent), percent(worst))
        }
    };
    let why = match worst < 1.0 {
        true => {
            "the generator fell behind its schedule for a while; give it CPUs of its own (--cpus), more --threads, or \
             a lower --rate"
        }
        false if is_outage => {
            "clients that had lost their connection sent nothing meanwhile: response times are those of the others, and \
             reconnect has the outages"
        }
        false => {
            "no connection was free for the rest: the target or the generator cannot keep up with this rate on this \
             many connections; lower --rate or raise --connections"
        }
    };
    rule.judged(value, state, why)
}

/// The share of a second's arrivals noticed in it, if that is too small. Arrivals at the end of a second may
/// be noticed in the next one: 0.1 % of them correspond to 1 ms of lateness, and by chance that millisecond
/// may hold three deviations and one arrival more.
fn noticed_short(window: &SendWindow) -> Option<f64> {
    let missing = window.due.saturating_sub(window.reached) as f64;
    let cut_off = window.due as f64 * (1.0 - SENT_SHARE_WARN);
    (missing > cut_off + 3.0 * cut_off.sqrt() + 1.0).then(|| share(window.reached, window.due, 1.0))
}

/// V3: waiting for a connection or for the kernel. Never the generator's fault, hence never invalid.
pub(super) fn back_pressure(evidence: &Evidence<'_>) -> Check {
    let rule = rule(
        "requests that waited > 1 ms to be sent",
        format!("> {}, or a queue that grew by more than chance", percent(WAITED_SHARE_WARN)),
        "-",
    );
    if let Some(why) = evidence.why_unscheduled() {
        return rule.skipped("no schedule", why);
    }
    let count = evidence.back_pressure.map_or(0, |back_pressure| back_pressure.count);
    if let Some(queue) = evidence.queue.filter(|queue| queue.is_growing) {
        let value =
            format!("{} of {count}; {} waited at the start, {} at the end", evidence.waited, queue.start, queue.end);
        return rule.judged(
            value,
            State::Warn,
            "the target, over these connections, could not keep up with the rate. achieved_per_second is what it \
             does. The response times contain the wait in a queue that grew until the window ended: a longer window \
             has longer ones, so they say nothing about the target. Lower --rate, or raise --connections",
        );
    }
    if count == 0 {
        return rule.skipped("nothing was sent", "needs a request that was sent");
    }
    let waited = share(evidence.waited, count, 0.0);
    rule.judged(
        format!("{} ({} of {count})", percent(waited), evidence.waited),
        state(waited > WAITED_SHARE_WARN, false),
        "requests waited for a free connection or for the kernel: response times contain that, as they should, but \
         fewer connections were free than the rate needs; raise --connections to measure the target alone",
    )
}

#[cfg(test)]
mod tests {
    use super::super::sound::{Run, expect, expect_all};
    use super::*;
    use crate::plan::mode::Mode;
    use crate::record::{Queue, Reconnects, RequestCounts, Summary};

    #[test]
    fn v1_finds_requests_that_were_not_sent() {
        // An unsent request has no reply either, so V8 objects too.
        for (unsent, sent, missing) in
            [(11, State::Warn, State::Warn), (150, State::Warn, State::Invalid), (501, State::Invalid, State::Invalid)]
        {
            expect_all(&[("V1", sent), ("V8", missing)], |run| {
                (run.requests.sent, run.requests.completed) = (10_000 - unsent, 10_000 - unsent);
                run.requests.unsent = unsent;
            });
        }
    }

    /// Clients that are out send nothing, and that is no fault of the run; a generator that is behind still is.
    #[test]
    fn v1_and_v8_know_outages() {
        let outage = |run: &mut Run| {
            (run.requests.sent, run.requests.completed, run.requests.unsent) = (9_000, 9_000, 1_000);
            let mut reconnect = Reconnects { losses: 5, served_again: 5, ..Reconnects::default() };
            reconnect.outage_us.count = 5;
            run.reconnect = Some(reconnect);
        };
        expect_all(&[("V1", State::Warn), ("V8", State::Warn)], outage);
        expect_all(&[("V1", State::Invalid), ("V8", State::Warn)], |run| {
            outage(run);
            run.windows[3] = SendWindow { due: 1000, reached: 100 };
        });
        // A policy that had nothing to do excuses nothing.
        expect_all(&[("V1", State::Invalid), ("V8", State::Invalid)], |run| {
            outage(run);
            run.reconnect = Some(Reconnects::default());
        });
    }

    #[test]
    fn v1_finds_seconds_in_which_the_generator_was_behind() {
        for (due, reached, expected) in [
            (100_000, 99_871, State::Valid),
            (100_000, 99_860, State::Warn),
            (100_000, 90_000, State::Warn),
            (100_000, 89_999, State::Invalid),
            (100_000, 120_000, State::Valid),
            // Few arrivals: the boundary of a second may cut off some of them.
            (1000, 995, State::Valid),
            (1000, 994, State::Warn),
            (10, 9, State::Valid),
            (10, 8, State::Invalid),
            (0, 0, State::Valid),
        ] {
            expect("V1", expected, |run| run.windows[3] = SendWindow { due, reached });
        }
    }

    #[test]
    fn v3_reports_back_pressure_and_blames_nobody() {
        expect("V3", State::Valid, |run| run.evidence.waited = 100);
        expect("V3", State::Warn, |run| run.evidence.waited = 101);
        expect("V3", State::Warn, |run| run.evidence.waited = 10_000);
        expect("V3", State::Skipped, |run| run.back_pressure = Summary::default());
    }

    #[test]
    fn v3_finds_a_queue_that_grows() {
        const GROWING: Queue = Queue {
            start: 2,
            end: 60,
            growth_per_second: Some(5.8),
            is_growing: true,
            dropped: 58,
            in_flight_start: 4,
            in_flight_end: 4,
        };
        expect("V3", State::Warn, |run| run.evidence.queue = Some(&GROWING));
        // Nothing of the window was sent: this is the case that matters most.
        expect("V3", State::Warn, |run| {
            (run.evidence.queue, run.back_pressure) = (Some(&GROWING), Summary::default());
        });
        const STANDING: Queue = Queue { end: 2, is_growing: false, ..GROWING };
        expect("V3", State::Valid, |run| run.evidence.queue = Some(&STANDING));
    }

    #[test]
    fn a_window_without_arrivals_proves_nothing() {
        let skipped = ["V1", "V2", "V3", "V8"].map(|id| (id, State::Skipped));
        let expected: Vec<_> = skipped.into_iter().chain([("V13", State::Invalid)]).collect();
        expect_all(&expected, |run| {
            run.requests = RequestCounts::default();
            (run.response.count, run.lateness.count, run.back_pressure.count) = (0, 0, 0);
        });
    }

    #[test]
    fn a_closed_loop_has_no_schedule_to_judge() {
        let skipped = ["V1", "V2", "V3", "V11"].map(|id| (id, State::Skipped));
        expect_all(&skipped, |run: &mut Run| run.evidence.mode = Mode::Closed);
    }
}
