//! What is measured of a run of `fd-limit`: what the shortage costs the server, and what clients see of it.

use loadgen::record::{Interval, IntervalPhase};
use loadgen::{Distribution, Record as Load};
use results::histogram::Latencies;

use crate::kinds::scenario::remedies::record::Better;
use crate::kinds::scenario::remedies::scene::{Scene, by_interval, replies_per_s};
use crate::kinds::scenario::remedies::table::Figure;

/// The moment at which all clients held are connected, that at which the newcomers come, and one at which they are still there: so
/// are those held, whose load must not end before. At the last one the newcomers have gone, however long that takes.
pub(super) const HELD: &str = "held";
pub(super) const SHORT: &str = "short";
pub(super) const STILL: &str = "still short";
pub(super) const FREE: &str = "free";

pub(super) const CPU: &str = "server's CPU while short";
pub(super) const FAILING: &str = "failing accepts";
pub(super) const HELD_P99: &str = "p99 of those held";
pub(super) const HELD_TIMES: &str = "that against before";
pub(super) const RECOVERY: &str = "recovery";

/// A reply after this is late.
const LATE_US: u64 = 100_000;

/// A count of something bad.
const BAD: Figure = Figure { name: "", unit: "", better: Better::Less, is_generators_time: false, of: |_| None };

pub(super) const FIGURES: [Figure; 13] = [
    Figure { name: "server's CPU per reply", unit: "µs", of: |scene| Some(cpu_us(scene)? / replies(scene)?), ..BAD },
    Figure { name: CPU, unit: "%", of: |scene| Some(cpu_us(scene)? / 1e4 / seconds(scene, STILL)?), ..BAD },
    Figure { name: FAILING, unit: "per s", of: failing_per_s, ..BAD },
    Figure { name: "pauses of accept", of: pauses, ..BAD },
    Figure { name: HELD_P99, unit: "ms", is_generators_time: true, of: held_p99_ms, ..BAD },
    Figure { name: HELD_TIMES, unit: "×", is_generators_time: true, of: held_times, ..BAD },
    Figure { name: "newcomers' requests answered", unit: "%", better: Better::More, of: answered, ..BAD },
    Figure { name: "late", of: late, ..BAD },
    Figure { name: "hung", of: |scene| Some(newcomers(scene)?.requests.timed_out as f64), ..BAD },
    Figure { name: "reset", of: reset, ..BAD },
    Figure { name: "refused", of: |scene| Some(newcomers(scene)?.connections.failed as f64), ..BAD },
    Figure { name: "of those held, lost", of: |scene| Some(scene.load.connections.lost as f64), ..BAD },
    Figure { name: RECOVERY, unit: "ms", is_generators_time: true, of: recovery_ms, ..BAD },
];

/// What the newcomers saw. Their generator cannot be vouched for where they are not served, and need not be: no time is
/// theirs.
fn newcomers<'a>(scene: &'a Scene<'_>) -> Option<&'a Load> {
    scene.probe.as_ref()
}

/// Replies per second to the newcomers, by time.
pub(super) fn newcomers_served(scene: &Scene<'_>) -> Vec<(f64, f64)> {
    newcomers(scene).map_or(vec![], |load| by_interval(load, replies_per_s))
}

/// For how long descriptors have been short at a moment.
fn seconds(scene: &Scene<'_>, until: &str) -> Option<f64> {
    Some(scene.mark(until)?.checked_sub(scene.mark(SHORT)?)? as f64 / 1e9).filter(|seconds| *seconds > 0.0)
}

fn cpu_us(scene: &Scene<'_>) -> Option<f64> {
    Some(scene.server_run_ns(STILL)?.checked_sub(scene.server_run_ns(SHORT)?)? as f64 / 1e3)
}

/// The intervals of a load that lie within two moments.
fn within(load: &Load, from_ns: u64, to_ns: u64) -> impl Iterator<Item = &Interval> {
    let start_ns = load.window_start_ns as i64;
    let measured = load.intervals.iter().filter(|interval| interval.phase == IntervalPhase::Measured);
    measured.filter(move |interval| {
        let begin_ns = start_ns + interval.start_us * 1000;
        begin_ns >= from_ns as i64 && begin_ns + interval.duration_us as i64 * 1000 <= to_ns as i64
    })
}

/// Replies of the server while descriptors were short. Those to clients held come at a rate, so what the ends of the time
/// cut off is made up for by it.
fn replies(scene: &Scene<'_>) -> Option<f64> {
    let (mut completed, mut whole_s) = (0.0, 0.0);
    let (from_ns, to_ns) = (scene.mark(SHORT)?, scene.mark(STILL)?);
    for interval in within(&scene.load, from_ns, to_ns) {
        completed += interval.completed as f64;
        whole_s += interval.duration_us as f64 / 1e6;
    }
    let to_held = if whole_s > 0.0 { completed / whole_s * seconds(scene, STILL)? } else { return None };
    let to_newcomers: u64 = within(newcomers(scene)?, from_ns, to_ns).map(|interval| interval.completed).sum();
    Some(to_held + to_newcomers as f64).filter(|replies| *replies > 0.0)
}

fn failing_per_s(scene: &Scene<'_>) -> Option<f64> {
    Some(scene.served.as_ref()?.report.totals.emfile_failures as f64 / seconds(scene, FREE)?)
}

fn pauses(scene: &Scene<'_>) -> Option<f64> {
    let totals = &scene.served.as_ref()?.report.totals;
    Some((totals.full_pauses + totals.emfile_pauses) as f64)
}

fn p99_ms<'a>(intervals: impl Iterator<Item = &'a Interval>) -> Option<f64> {
    let p99s: Vec<f64> = intervals.filter_map(|interval| interval.response_us.p99).collect();
    results::stats::median(&p99s).map(|p99_us| p99_us / 1000.0)
}

fn held_p99_ms(scene: &Scene<'_>) -> Option<f64> {
    p99_ms(within(&scene.load, scene.mark(SHORT)?, scene.mark(STILL)?))
}

/// Before means after all of them have connected: what waits while they connect says nothing of how long they wait normally.
fn held_times(scene: &Scene<'_>) -> Option<f64> {
    let before_ms =
        p99_ms(within(&scene.load, scene.mark(HELD)?, scene.mark(SHORT)?)).filter(|p99_ms| *p99_ms > 0.0)?;
    Some(held_p99_ms(scene)? / before_ms)
}

fn answered(scene: &Scene<'_>) -> Option<f64> {
    let requests = &newcomers(scene)?.requests;
    (requests.scheduled > 0).then(|| 100.0 * requests.completed as f64 / requests.scheduled as f64)
}

/// Replies that came, but late.
fn late(scene: &Scene<'_>) -> Option<f64> {
    let text = newcomers(scene)?.histograms.get(&Distribution::Service)?;
    Some(Latencies::decode(text).ok()?.count_above_us(LATE_US) as f64)
}

/// Requests and idle connections that ended by a reset, or by an end of the connection that nobody had announced.
fn reset(scene: &Scene<'_>) -> Option<f64> {
    const CAUSES: [&str; 3] = ["connection_reset", "broken_pipe", "closed_by_peer"];
    let of = |errors: &std::collections::BTreeMap<String, u64>| -> u64 {
        CAUSES.iter().filter_map(|cause| errors.get(*cause)).sum()
    };
    let newcomers = newcomers(scene)?;
    Some((of(&newcomers.requests.errors) + of(&newcomers.connections.errors)) as f64)
}

/// From the moment at which the newcomers had gone to the last of the latecomers' first replies.
fn recovery_ms(scene: &Scene<'_>) -> Option<f64> {
    let latecomer = scene.latecomer.as_ref().filter(|latecomer| latecomer.requests.completed > 0)?;
    let started_ms = latecomer.window_start_ns.saturating_sub(scene.mark(FREE)?) as f64 / 1e6;
    Some(started_ms + latecomer.response_us.max? / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::scenario::remedies::arm::Arm;
    use crate::kinds::scenario::seen::Seen;
    use loadgen::record::Quantiles;

    const MS: u64 = 1_000_000;

    /// Those held had a p99 of 5 ms while they connected, of 0.2 ms afterwards, and of 0.3 ms while descriptors were short.
    #[test]
    fn times_are_those_between_their_moments() {
        let interval = |start_ms: i64, p99_us| Interval {
            phase: IntervalPhase::Measured,
            start_us: start_ms * 1000,
            duration_us: 200_000,
            response_us: Quantiles { p99: Some(p99_us), ..Quantiles::default() },
            ..Interval::default()
        };
        let times =
            [(0, 5000.0), (200, 5000.0), (400, 200.0), (600, 200.0), (800, 900.0), (1000, 300.0), (1200, 300.0)];
        let load = Load {
            window_start_ns: 10 * MS,
            intervals: times.map(|(start_ms, p99_us)| interval(start_ms, p99_us)).to_vec(),
            ..Load::default()
        };
        // The interval in which the newcomers come lies on neither side.
        let marks = vec![(HELD, 400 * MS), (SHORT, 850 * MS), (STILL, 1500 * MS), (FREE, 3000 * MS)];
        let (arm, seen) = (Arm::named("rest", ""), Seen { marks, ..Seen::default() });
        let scene = Scene {
            arm: &arm,
            seen: &seen,
            load,
            fan_out: None,
            reported: None,
            probe: None,
            latecomer: None,
            slow: None,
            served: None,
            null_served: None,
        };
        assert_eq!(held_p99_ms(&scene), Some(0.3));
        assert!(held_times(&scene).is_some_and(|times| (times - 1.5).abs() < 1e-9), "{:?}", held_times(&scene));
    }
}
