//! What is measured of a loop that blocks, and what theory foretells from what the server says of its own work.

use results::queueing::Queue;
use server::ReactorReport;

use super::scenes;
use crate::kinds::scenario::remedies::record::Better;
use crate::kinds::scenario::remedies::scene::Scene;
use crate::kinds::scenario::remedies::table::Figure;

pub(super) const P99: &str = "p99";
pub(super) const BLOCKED: &str = "loop blocked";
pub(super) const FORETOLD: &str = "p99 foretold";
pub(super) const ERROR: &str = "that against measured";

/// A figure that is a time; `of` gives it in µs.
const fn time(name: &'static str, of_us: fn(&Scene<'_>) -> Option<f64>) -> Figure {
    Figure { name, unit: "µs", better: Better::Less, is_generators_time: true, of: of_us }
}

/// The same, by the server's account.
const fn own(name: &'static str, of_us: fn(&Scene<'_>) -> Option<f64>) -> Figure {
    Figure { is_generators_time: false, ..time(name, of_us) }
}

pub(super) const FIGURES: [Figure; 9] = [
    time(P99, |scene| scene.load.response_us.p99),
    time("p50", |scene| scene.load.response_us.p50),
    time("p99.9", |scene| scene.load.response_us.p99_9),
    time("mean", |scene| scene.load.response_us.mean),
    own("a call takes", |scene| Some(calls(only_reactor(scene)?)?.mean_s * 1e6)),
    Figure { unit: "%", ..own(BLOCKED, blocked_percent) },
    own(FORETOLD, |scene| Some(foretold(scene)?.p99_s * 1e6)),
    own("mean foretold", |scene| Some(foretold(scene)?.mean_s * 1e6)),
    Figure {
        unit: "%",
        ..time(ERROR, |scene| Some(100.0 * (foretold(scene)?.p99_s * 1e6 / scene.load.response_us.p99? - 1.0)))
    },
];

/// How long the loop was blocked by a call: mean and standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Calls {
    mean_s: f64,
    deviation_s: f64,
}

impl Calls {
    /// From the number of calls, the sum of their times and the sum of the squares; absent where there were none.
    fn of(count: u64, sum_us: u64, squares_us: u64) -> Option<Calls> {
        let mean_us = (count > 0).then(|| sum_us as f64 / count as f64)?;
        let variance = squares_us as f64 / count as f64 - mean_us * mean_us;
        Some(Calls { mean_s: mean_us / 1e6, deviation_s: variance.max(0.0).sqrt() / 1e6 })
    }

    /// Two lengths with the same mean and the same second moment, each of half of the calls: as much of their distribution as is
    /// known. None is shorter than nothing.
    fn lengths(self) -> [f64; 2] {
        let apart = self.deviation_s.min(self.mean_s * 0.999);
        [self.mean_s - apart, self.mean_s + apart]
    }
}

fn only_reactor<'a>(scene: &'a Scene<'_>) -> Option<&'a ReactorReport> {
    match &scene.served.as_ref()?.report.reactors[..] {
        [reactor] => Some(reactor),
        _ => None,
    }
}

fn calls(reactor: &ReactorReport) -> Option<Calls> {
    let counters = &reactor.counters;
    Calls::of(counters.blocks, counters.block_us, counters.block_us_squared)
}

/// What theory foretells of the short requests: the wait in a queue of one server, and what a request takes that need not
/// wait, which is the median, as long as the loop is idle for more than half of the time.
struct Foretold {
    p99_s: f64,
    mean_s: f64,
}

fn foretold(scene: &Scene<'_>) -> Option<Foretold> {
    scenes::of(scene.arm).filter(|scene| scene.is_one_queue)?;
    let reactor = only_reactor(scene)?;
    let cpu_s = (reactor.cpu_time.user_us + reactor.cpu_time.system_us) as f64 / 1e6;
    let short_s = (cpu_s / reactor.counters.requests as f64).max(1e-6);
    // As many as came, not as many as were to come.
    let per_s = |requests: u64| requests as f64 / scene.window_s();
    let short = (per_s(scene.load.requests.scheduled), short_s);
    let calls_per_s = per_s(reactor.counters.blocks);
    let long = calls(reactor).map(Calls::lengths).into_iter().flatten();
    // A call is a request too: to its sleep comes what any request takes.
    let kinds: Vec<(f64, f64)> =
        std::iter::once(short).chain(long.map(|length_s| (calls_per_s / 2.0, length_s + short_s))).collect();
    let queue = Queue::of_kinds(&kinds)?;
    let unhindered_s = scene.load.response_us.p50? / 1e6;
    Some(Foretold { p99_s: queue.wait_s(0.99)? + unhindered_s, mean_s: queue.mean_wait_s() + unhindered_s })
}

/// The share of the time that a loop is blocked by calls.
fn blocked_percent(scene: &Scene<'_>) -> Option<f64> {
    let report = &scene.served.as_ref()?.report;
    Some(100.0 * report.totals.block_us as f64 / 1e6 / (scene.window_s() * report.reactors.len() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four calls of 3, 3, 3 and 5 ms: the two lengths have the same first two moments.
    #[test]
    fn two_lengths_stand_for_all_calls() {
        let calls = Calls::of(4, 14_000, 52_000_000).expect("some");
        let [short, long] = calls.lengths();
        assert!(((short + long) / 2.0 - 3.5e-3).abs() < 1e-9, "{calls:?}");
        assert!(((short * short + long * long) / 2.0 - 13e-6).abs() < 1e-12, "{calls:?}");
        assert_eq!((Calls::of(0, 0, 0), Calls::of(2, 6, 18).map(|calls| calls.deviation_s)), (None, Some(0.0)));
        let wild = Calls { mean_s: 1.0, deviation_s: 5.0 };
        assert!(wild.lengths().iter().all(|length| *length > 0.0));
    }
}
