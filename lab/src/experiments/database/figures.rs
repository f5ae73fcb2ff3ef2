//! What is measured of a database that is asked for more than it can do.

use results::queueing::capacity_per_s;

use super::arms::threads;
use super::knee::{self, CAPACITY, KNEE};
use crate::kinds::scenario::remedies::record::Better;
use crate::kinds::scenario::remedies::scene::Scene;
use crate::kinds::scenario::remedies::table::Figure;

pub(super) const IN_TIME: &str = "answered in time";
pub(super) const GOOD: &str = "good replies";
pub(super) const FOR_NOBODY: &str = "queries for nobody";

/// A figure of which less is better.
const fn less(name: &'static str, unit: &'static str, of: fn(&Scene<'_>) -> Option<f64>) -> Figure {
    Figure { name, unit, better: Better::Less, is_generators_time: false, of }
}

const fn more(name: &'static str, unit: &'static str, of: fn(&Scene<'_>) -> Option<f64>) -> Figure {
    Figure { better: Better::More, ..less(name, unit, of) }
}

pub(super) const FIGURES: [Figure; 9] = [
    more(IN_TIME, "%", |scene| share(scene.load.requests.completed, scene.load.requests.scheduled)),
    more(GOOD, "per s", good_per_s),
    more(CAPACITY, "per s", |scene| capacity_per_s(threads(scene.arm)?, mean_service_s(scene)?)),
    more(KNEE, "per s", knee::measured),
    less("mean service", "ms", |scene| Some(mean_service_s(scene)? * 1000.0)),
    Figure {
        is_generators_time: true,
        ..less("p99 of good replies", "ms", |scene| Some(scene.load.service_us.p99? / 1000.0))
    },
    less("answered 503", "%", |scene| {
        let totals = &scene.served.as_ref()?.report.totals;
        share(totals.jobs_refused + totals.jobs_expired, totals.jobs)
    }),
    less(FOR_NOBODY, "%", |scene| {
        let done = scene.served.as_ref()?.report.totals.jobs_done;
        share(done.saturating_sub(scene.load.requests.completed_whole_run), done)
    }),
    less("longest queue", "", |scene| Some(scene.served.as_ref()?.report.totals.jobs_queued_peak as f64)),
];

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| 100.0 * part as f64 / whole as f64)
}

/// Good replies that came within the window, over its length. Those that came after it belong to its requests, but not to its time.
fn good_per_s(scene: &Scene<'_>) -> Option<f64> {
    let completed: u64 = scene.measured().map(|interval| interval.completed).sum();
    Some(completed as f64 / scene.window_s()).filter(|rate| rate.is_finite())
}

/// What a query took on its thread, by the account of the server.
fn mean_service_s(scene: &Scene<'_>) -> Option<f64> {
    let totals = &scene.served.as_ref()?.report.totals;
    (totals.jobs_done > 0).then(|| totals.job_run_us as f64 / 1e6 / totals.jobs_done as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::scenario::remedies::arm::Arm;
    use crate::kinds::scenario::seen::Seen;
    use loadgen::Record as Load;
    use loadgen::record::{Interval, IntervalPhase};

    /// 190 replies came in the second of the window and 13 after it: 203 of four threads that can do 200 a second would be too many.
    #[test]
    fn replies_after_the_window_are_not_of_its_time() {
        let interval = |phase, start_us, completed| Interval {
            phase,
            start_us,
            duration_us: 500_000,
            completed,
            ..Interval::default()
        };
        let intervals = vec![
            interval(IntervalPhase::Measured, 0, 90),
            interval(IntervalPhase::Measured, 500_000, 100),
            interval(IntervalPhase::Grace, 1_000_000, 13),
        ];
        let mut load = Load { intervals, duration_us: 1_000_000, ..Load::default() };
        load.requests.completed = 203;
        let (arm, seen) = (Arm::named("128 places", ""), Seen::default());
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
        assert_eq!(good_per_s(&scene), Some(190.0));
    }
}
