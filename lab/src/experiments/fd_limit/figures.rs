//! What is measured of a run of `fd-limit`: what the shortage costs the server, and what clients see of it.

use loadgen::Distribution;
use loadgen::record::Interval;
use results::histogram::Latencies;

use crate::kinds::scenario::remedies::record::Better;
use crate::kinds::scenario::remedies::scene::Scene;
use crate::kinds::scenario::remedies::table::Figure;

/// The moments between which descriptors are short.
pub(super) const SHORT: &str = "short";
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
    Figure { name: CPU, unit: "%", of: |scene| Some(cpu_us(scene)? / 1e4 / short_s(scene)?), ..BAD },
    Figure { name: FAILING, unit: "per s", of: failing_per_s, ..BAD },
    Figure { name: "pauses of accept", of: pauses, ..BAD },
    Figure { name: HELD_P99, unit: "ms", is_generators_time: true, of: held_p99_ms, ..BAD },
    Figure { name: HELD_TIMES, unit: "×", is_generators_time: true, of: held_times, ..BAD },
    Figure { name: "newcomers' requests answered", unit: "%", better: Better::More, of: answered, ..BAD },
    Figure { name: "late", of: late, ..BAD },
    Figure { name: "hung", of: |scene| Some(scene.load.requests.timed_out as f64), ..BAD },
    Figure { name: "reset", of: reset, ..BAD },
    Figure { name: "refused", of: |scene| Some(scene.load.connections.failed as f64), ..BAD },
    Figure { name: "of those held, lost", of: |scene| Some(scene.probe.as_ref()?.connections.lost as f64), ..BAD },
    Figure { name: RECOVERY, unit: "ms", is_generators_time: true, of: recovery_ms, ..BAD },
];

/// For how long descriptors were short.
fn short_s(scene: &Scene<'_>) -> Option<f64> {
    Some(scene.mark(FREE)?.checked_sub(scene.mark(SHORT)?)? as f64 / 1e9).filter(|seconds| *seconds > 0.0)
}

fn cpu_us(scene: &Scene<'_>) -> Option<f64> {
    Some(scene.server_run_ns(FREE)?.checked_sub(scene.server_run_ns(SHORT)?)? as f64 / 1e3)
}

/// The intervals of those held that lie within two moments.
fn held<'a>(scene: &'a Scene<'_>, from_ns: u64, to_ns: u64) -> Option<impl Iterator<Item = &'a Interval>> {
    let probe = scene.probe.as_ref()?;
    let start_ns = probe.window_start_ns as i64;
    Some(probe.intervals.iter().filter(move |interval| {
        let begin_ns = start_ns + interval.start_us * 1000;
        begin_ns >= from_ns as i64 && begin_ns + interval.duration_us as i64 * 1000 <= to_ns as i64
    }))
}

/// Replies of the server while descriptors were short. Those to clients held come at a rate, so what the ends of the time
/// cut off is made up for by it.
fn replies(scene: &Scene<'_>) -> Option<f64> {
    let (mut completed, mut whole_s) = (0.0, 0.0);
    for interval in held(scene, scene.mark(SHORT)?, scene.mark(FREE)?)? {
        completed += interval.completed as f64;
        whole_s += interval.duration_us as f64 / 1e6;
    }
    let to_held = if whole_s > 0.0 { completed / whole_s * short_s(scene)? } else { return None };
    Some(to_held + scene.load.requests.completed_whole_run as f64).filter(|replies| *replies > 0.0)
}

fn failing_per_s(scene: &Scene<'_>) -> Option<f64> {
    Some(scene.served.as_ref()?.report.totals.emfile_failures as f64 / short_s(scene)?)
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
    p99_ms(held(scene, scene.mark(SHORT)?, scene.mark(FREE)?)?)
}

fn held_times(scene: &Scene<'_>) -> Option<f64> {
    let before_ms = p99_ms(held(scene, 0, scene.mark(SHORT)?)?).filter(|p99_ms| *p99_ms > 0.0)?;
    Some(held_p99_ms(scene)? / before_ms)
}

fn answered(scene: &Scene<'_>) -> Option<f64> {
    let requests = &scene.load.requests;
    (requests.scheduled > 0).then(|| 100.0 * requests.completed as f64 / requests.scheduled as f64)
}

/// Replies that came, but late.
fn late(scene: &Scene<'_>) -> Option<f64> {
    let text = scene.load.histograms.get(&Distribution::Service)?;
    Some(Latencies::decode(text).ok()?.count_above_us(LATE_US) as f64)
}

/// Requests and idle connections that ended by a reset, or by an end of the connection that nobody had announced.
fn reset(scene: &Scene<'_>) -> Option<f64> {
    const CAUSES: [&str; 3] = ["connection_reset", "broken_pipe", "closed_by_peer"];
    let of = |errors: &std::collections::BTreeMap<String, u64>| -> u64 {
        CAUSES.iter().filter_map(|cause| errors.get(*cause)).sum()
    };
    Some((of(&scene.load.requests.errors) + of(&scene.load.connections.errors)) as f64)
}

/// From the moment at which the newcomers had gone to the last of the latecomers' first replies.
fn recovery_ms(scene: &Scene<'_>) -> Option<f64> {
    let latecomer = scene.latecomer.as_ref().filter(|latecomer| latecomer.requests.completed > 0)?;
    let started_ms = latecomer.window_start_ns.saturating_sub(scene.mark(FREE)?) as f64 / 1e6;
    Some(started_ms + latecomer.response_us.max? / 1000.0)
}
