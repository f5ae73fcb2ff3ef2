//! What a run says before its tables: that the target could not keep up, or that no request was due. Beside the
//! verdict, that the run was interrupted. Reads the record; judges nothing again.

use loadgen::Mode;
use loadgen::record::{Queue, Record, State};

/// Below this share of the offered rate, the headline mentions the achieved rate even if nothing waited for a
/// connection.
const ACHIEVED_SHARE_MIN: f64 = 0.9;

/// The lines before everything else. Empty when all went as asked.
pub(super) fn headline(record: &Record) -> Vec<String> {
    let (Some(queue), false) = (&record.queue, is_nothing(record)) else { return Vec::new() };
    let mut lines = Vec::new();
    match (record.requests.scheduled, record.offered_per_second, record.achieved_per_second) {
        (0, ..) => lines.push(no_arrival(record)),
        (_, Some(offered), Some(achieved)) if queue.is_growing => {
            lines.push(overload(record, queue, offered, achieved))
        }
        (_, Some(offered), Some(achieved)) => lines.extend(lag(queue, offered, achieved)),
        _ => {}
    }
    lines.extend(more_connections(record, queue));
    if queue.dropped > 0 {
        lines.push(format!(
            "{} requests of the warm-up still waited when the window began and were dropped",
            tuning::thousands(queue.dropped)
        ));
    }
    lines
}

fn overload(record: &Record, queue: &Queue, offered: f64, achieved: f64) -> String {
    // If no connection is open, the target is not the slow part.
    let who = match record.connections.open {
        0 => "no connection is left",
        _ => "the target cannot keep up",
    };
    format!(
        "offered {}/s, achieved {}/s: {who}; the queue grew by {} requests/s ({} waiting at the end)",
        per_second(offered),
        per_second(achieved),
        per_second(queue.growth_per_second.unwrap_or_default()),
        tuning::thousands(queue.end)
    )
}

/// Requests pile up in the target, or wait in the queue, but no more of them than chance could explain. The target may
/// be slow to reply, or unable to keep up.
fn lag(queue: &Queue, offered: f64, achieved: f64) -> Option<String> {
    let unanswered = queue.in_flight_end.saturating_sub(queue.in_flight_start);
    let waiting = queue.end.saturating_sub(queue.start);
    let (more, how) = match achieved < ACHIEVED_SHARE_MIN * offered {
        true if unanswered > queue.in_flight_start => (unanswered, "were without a reply"),
        true if waiting > 0 => (waiting, "waited for a connection"),
        _ => return None,
    };
    Some(format!(
        "offered {}/s, achieved {}/s: {} more requests {how} at the end of the window than at its start",
        per_second(offered),
        per_second(achieved),
        tuning::thousands(more)
    ))
}

/// Little's law: a rate keeps as many connections busy as requests arrive within one response time.
fn more_connections(record: &Record, queue: &Queue) -> Option<String> {
    let service_s = record.service_us.mean.filter(|_| queue.is_growing)? / 1e6;
    let busy = (record.offered_per_second? * service_s).ceil();
    (record.mode == Mode::Open && busy > record.connections.established as f64).then(|| {
        format!(
            "with {} a reply this rate keeps {} connections busy, and there are {}: more of them (-c) may help",
            seconds(service_s * 1e6),
            tuning::thousands(busy as u64),
            tuning::thousands(record.connections.established)
        )
    })
}

fn no_arrival(record: &Record) -> String {
    let window = seconds(record.duration_us as f64);
    match record.rate.filter(|rate| *rate > 0.0) {
        Some(rate) => {
            let every = seconds(1e6 / rate);
            format!("no request was due in the window of {window}: --rate {rate} has one in {every} on average")
        }
        None => format!("no request was due in the window of {window}"),
    }
}

/// Whether there was no window to measure in.
pub(super) fn is_nothing(record: &Record) -> bool {
    record.interrupted_during.is_some_and(|part| part.why_nothing().is_some())
}

/// The verdict, and whether the run was interrupted.
pub(super) fn verdict(record: &Record) -> String {
    let state = record.verdict.state.name();
    match record.interrupted_during {
        None => format!("verdict {state}"),
        Some(part) => match part.why_nothing() {
            Some(why) => format!("verdict {state}, {why}"),
            None => format!("verdict {state}, interrupted after {}", progress(record)),
        },
    }
}

/// The verdicts on counts, CPU and times, and what may be quoted.
pub(super) fn parts(record: &Record) -> String {
    let verdict = &record.verdict;
    let parts = [("counts", verdict.counts), ("CPU", verdict.cpu), ("times", verdict.times)];
    let states = parts.map(|(name, state)| match state {
        State::Skipped => format!("{name} not taken"),
        _ => format!("{name} {}", state.name()),
    });
    let named = |wanted| {
        let names: Vec<&str> = parts.iter().filter(|(_, state)| *state == wanted).map(|(name, _)| *name).collect();
        (!names.is_empty())
            .then(|| names.join(" and ").replacen(" and ", if names.len() > 2 { ", " } else { " and " }, 1))
    };
    let is_all = |wanted| parts.iter().all(|(_, state)| *state == wanted);
    let advice = [
        named(State::Invalid).map(|names| match is_all(State::Invalid) {
            true => "quote nothing of this run".to_owned(),
            false => format!("do not quote {names}"),
        }),
        named(State::Warn).map(|names| format!("quote {names} only with the reasons below")),
    ];
    let advice: Vec<String> = advice.into_iter().flatten().collect();
    let colon = if advice.is_empty() { "" } else { ": " };
    format!("{}{colon}{}", states.join(", "), advice.join("; "))
}

/// How far an interrupted run came. A run with a fixed number of requests has no planned length.
fn progress(record: &Record) -> String {
    let Some(planned_us) = record.duration_planned_us else { return seconds(record.duration_us as f64) };
    format!("{} of {}", number(record.duration_us as f64 / 1e6), seconds(planned_us as f64))
}

/// Why some checks are missing from the list: so short a window gives no rates or shares.
pub(super) fn unjudged(record: &Record) -> Option<String> {
    (record.requests_per_second.is_none() && !is_nothing(record)).then(|| {
        format!("not judged: rates and shares of a window of {}; they need 10 ms", seconds(record.duration_us as f64))
    })
}

/// A length in s, or in ms below a tenth of a second.
pub(super) fn seconds(us: f64) -> String {
    if us < 100_000.0 { format!("{} ms", number(us / 1e3)) } else { format!("{} s", number(us / 1e6)) }
}

/// One decimal, unless it is zero.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

fn per_second(rate: f64) -> String {
    if rate < 100.0 { number(rate) } else { tuning::thousands(rate.round() as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::sample;
    use loadgen::record::Interruption;

    fn record() -> Record {
        let mut record = sample::record(Some(500.0));
        record.connections.open = 4;
        (record.offered_per_second, record.achieved_per_second) = (Some(10.0), Some(4.0));
        let queue = record.queue.as_mut().expect("an open loop");
        (queue.start, queue.end, queue.dropped) = (0, 60, 58);
        (queue.growth_per_second, queue.is_growing) = (Some(6.0), true);
        record
    }

    #[test]
    fn a_target_that_cannot_keep_up_comes_first() {
        let mut record = record();
        (record.connections.established, record.service_us.mean) = (4, Some(1_000_400.0));
        let lines = headline(&record);
        assert_eq!(
            lines,
            [
                "offered 10/s, achieved 4/s: the target cannot keep up; the queue grew by 6 requests/s (60 waiting at \
                 the end)",
                "with 1 s a reply this rate keeps 11 connections busy, and there are 4: more of them (-c) may help",
                "58 requests of the warm-up still waited when the window began and were dropped"
            ]
        );
        (record.connections.open, record.service_us.mean) = (0, None);
        assert!(headline(&record)[0].contains("achieved 4/s: no connection is left; the queue"));
    }

    #[test]
    fn a_rate_that_is_reached_needs_no_words() {
        assert_eq!(headline(&sample::record(None)), Vec::<String>::new(), "a closed loop");
        let mut record = record();
        record.achieved_per_second = Some(9.9);
        if let Some(queue) = &mut record.queue {
            (queue.is_growing, queue.in_flight_start, queue.in_flight_end, queue.dropped) = (false, 0, 60, 0);
        }
        assert_eq!(headline(&record), Vec::<String>::new());
        record.achieved_per_second = Some(4.0);
        let expected = "offered 10/s, achieved 4/s: 60 more requests were without a reply at the end of the window \
                        than at its start";
        assert_eq!(headline(&record), [expected]);
        if let Some(queue) = &mut record.queue {
            (queue.in_flight_start, queue.in_flight_end, queue.end) = (4, 4, 6);
        }
        let expected = "offered 10/s, achieved 4/s: 6 more requests waited for a connection at the end of the window \
                        than at its start";
        assert_eq!(headline(&record), [expected]);
    }

    #[test]
    fn a_window_without_arrivals_says_why() {
        let mut record = record();
        (record.requests.scheduled, record.rate, record.duration_us) = (0, Some(0.1), 1_000_000);
        if let Some(queue) = &mut record.queue {
            (queue.is_growing, queue.dropped) = (false, 0);
        }
        assert_eq!(
            headline(&record),
            ["no request was due in the window of 1 s: --rate 0.1 has one in 10 s on average"]
        );
    }

    #[test]
    fn an_interruption_stands_beside_the_verdict() {
        let mut record = record();
        let state = record.verdict.state.name();
        assert_eq!(verdict(&record), format!("verdict {state}"));
        (record.duration_us, record.duration_planned_us) = (1_123_456, Some(20_000_000));
        for (part, words) in [
            (Interruption::Window, "interrupted after 1.1 of 20 s"),
            (Interruption::WarmUp, "interrupted during the warm-up: nothing was measured"),
            (Interruption::Connecting, "interrupted while connecting: nothing was measured"),
        ] {
            record.interrupted_during = Some(part);
            assert_eq!(verdict(&record), format!("verdict {state}, {words}"));
            assert_eq!(is_nothing(&record), part != Interruption::Window);
        }
        assert_eq!(headline(&record), Vec::<String>::new());
    }

    #[test]
    fn counts_cpu_and_times_have_verdicts_of_their_own() {
        use State::{Invalid, Skipped, Valid, Warn};
        for (states, expected) in [
            ([Valid; 3], "counts VALID, CPU VALID, times VALID"),
            ([Valid, Valid, Skipped], "counts VALID, CPU VALID, times not taken"),
            ([Valid, Valid, Warn], "counts VALID, CPU VALID, times WARN: quote times only with the reasons below"),
            ([Valid, Valid, Invalid], "counts VALID, CPU VALID, times INVALID: do not quote times"),
            (
                [Warn, Warn, Invalid],
                "counts WARN, CPU WARN, times INVALID: do not quote times; quote counts and CPU only with the \
                 reasons below",
            ),
            ([Warn; 3], "counts WARN, CPU WARN, times WARN: quote counts, CPU and times only with the reasons below"),
            ([Invalid; 3], "counts INVALID, CPU INVALID, times INVALID: quote nothing of this run"),
        ] {
            let mut record = record();
            let verdict = &mut record.verdict;
            [verdict.counts, verdict.cpu, verdict.times] = states;
            assert_eq!(parts(&record), expected);
        }
    }

    #[test]
    fn lengths_have_a_fitting_unit() {
        for (us, expected) in [(1000.0, "1 ms"), (15_400.0, "15.4 ms"), (100_000.0, "0.1 s"), (10_000_000.0, "10 s")] {
            assert_eq!(seconds(us), expected);
        }
    }
}
