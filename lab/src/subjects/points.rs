//! The intervals of a run as rows of `series.csv.zst`: what happened when, and which counters moved.

use std::collections::BTreeMap;

use host::kernel::KernelDelta;
use loadgen::record::{Interval, IntervalPhase};
use results::record::Point;

const US_PER_S: f64 = 1e6;

/// The intervals of the window, from those in a load generator's record. The caller fills in cell and repeat.
pub(crate) fn of_window(intervals: &[Interval]) -> Vec<Point> {
    intervals.iter().filter(|interval| interval.phase == IntervalPhase::Measured).map(point).collect()
}

fn point(interval: &Interval) -> Point {
    let mut counters = BTreeMap::new();
    let mut count = |name: &str, number: Option<u64>| {
        if let Some(number) = number.filter(|number| *number > 0) {
            counters.insert(name.to_owned(), number as f64);
        }
    };
    count("failed", Some(interval.failed));
    count("timed_out", Some(interval.timed_out));
    if let Some(kernel) = &interval.kernel {
        kernel.tcp.iter().for_each(|(name, grown)| count(name, Some(*grown)));
        of_kernel(kernel, count);
    }
    Point {
        start_s: interval.start_us as f64 / US_PER_S,
        duration_s: interval.duration_us as f64 / US_PER_S,
        completed: interval.completed,
        p50_us: interval.response_us.p50,
        p99_us: interval.response_us.p99,
        max_us: interval.response_us.max,
        counters,
        ..Point::default()
    }
}

/// Times in µs: of the server's process and CPUs, of the load generator's, and of all CPUs together.
fn of_kernel(kernel: &KernelDelta, mut count: impl FnMut(&str, Option<u64>)) {
    let softnet = kernel.softnet.unwrap_or_default();
    count("softnet_processed", Some(softnet.processed));
    count("softnet_dropped", Some(softnet.dropped));
    count("softnet_squeezed", Some(softnet.squeezed));
    count("server_core_us", kernel.watched_cpus_busy_us);
    count("client_core_us", kernel.own_cpus_busy_us);
    let server = kernel.watched.unwrap_or_default();
    for (side, process) in [("server", server), ("client", kernel.own)] {
        count(&format!("{side}_user_us"), process.user_us);
        count(&format!("{side}_system_us"), process.system_us);
        count(&format!("{side}_run_delay_us"), process.run_delay_us);
        count(&format!("{side}_involuntary_switches"), process.involuntary_switches);
    }
    count("steal_us", Some(kernel.cpus.iter().map(|cpu| cpu.steal_us).sum()));
    count("pressure_cpu_us", kernel.pressure_cpu_us);
}

#[cfg(test)]
mod tests {
    use host::kernel::{CpuTime, ProcessTime};
    use loadgen::record::Quantiles;

    use super::*;

    #[test]
    fn only_what_moved_within_the_window_is_kept() {
        let kernel = KernelDelta {
            tcp: [("InSegs".to_owned(), 12), ("TCPTimeouts".to_owned(), 0)].into(),
            cpus: vec![CpuTime { steal_us: 10_000, ..CpuTime::default() }; 2],
            watched_cpus_busy_us: Some(30_000),
            watched: Some(ProcessTime { user_us: Some(5), system_us: Some(0), ..ProcessTime::default() }),
            ..KernelDelta::default()
        };
        let measured = Interval {
            start_us: 50_000,
            duration_us: 50_001,
            completed: 7,
            response_us: Quantiles { count: 7, p50: Some(30.5), max: Some(90.0), ..Quantiles::default() },
            kernel: Some(kernel),
            ..Interval::default()
        };
        let warm_up = Interval { phase: IntervalPhase::WarmUp, start_us: -5, ..Interval::default() };
        let points = of_window(&[warm_up, measured]);
        let counters =
            [("InSegs", 12.0), ("server_core_us", 30_000.0), ("server_user_us", 5.0), ("steal_us", 20_000.0)];
        let expected = Point {
            start_s: 0.05,
            duration_s: 0.050_001,
            completed: 7,
            p50_us: Some(30.5),
            max_us: Some(90.0),
            counters: counters.map(|(name, number)| (name.to_owned(), number)).into(),
            ..Point::default()
        };
        assert_eq!(points, [expected]);
        assert_eq!(of_window(&[]), []);
    }
}
