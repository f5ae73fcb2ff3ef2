//! Service over made-up intervals.

use super::*;
use loadgen::record::IntervalPhase;

const HUNDREDTH: u64 = 10;

/// Tenths of a second with so many good replies, and so many of them in time.
fn intervals(counts: &[(u64, u64)]) -> Vec<Interval> {
    let interval = |(index, (completed, in_time)): (i64, &(u64, u64))| Interval {
        phase: IntervalPhase::Measured,
        start_us: index * 100_000,
        duration_us: 100_000,
        completed: *completed,
        completed_in_time: Some(*in_time),
        ..Interval::default()
    };
    (0..).zip(counts).map(interval).collect()
}

/// Half of the clients are served, and send in twenty tenths what came due in forty: as many replies as before.
#[test]
fn what_came_due_meanwhile_is_no_service() {
    let counts: Vec<(u64, u64)> = (0..20).map(|_| (10 * HUNDREDTH, 4 * HUNDREDTH)).collect();
    let all = intervals(&counts);
    let service = BeforeAndAfter { before: 1000.0, period_s: 1.0, after: all.iter().collect(), away: 0, window_s: 2.0 };
    assert_eq!(service.at_the_end_percent(), Some(40.0));
    assert!((service.longest_below_s(0.5) - 2.0).abs() < 1e-9);
    assert!((service.below_s(0.9) - 2.0).abs() < 1e-9);
}

/// The longest stretch counts, not all of them together, and not the time in which the server was away.
#[test]
fn service_that_comes_back_ends_a_stretch() {
    let (none, full) = ((0, 0), (100, 100));
    let all = intervals(&[none, none, none, none, full, none, none, full, none]);
    let service = BeforeAndAfter { before: 1000.0, period_s: 0.1, after: all.iter().collect(), away: 3, window_s: 0.9 };
    assert!((service.longest_below_s(0.5) - 0.2).abs() < 1e-9);
    assert!((service.below_s(0.5) - 0.7).abs() < 1e-9);
}

/// Those that were served together send together: four tenths of a second full and six empty are 40 % at any time.
#[test]
fn service_goes_by_whole_periods() {
    let counts: Vec<(u64, u64)> = (0..30).map(|tenth| if tenth % 10 < 4 { (100, 100) } else { (0, 0) }).collect();
    let all = intervals(&counts);
    let of = |before| BeforeAndAfter { before, period_s: 1.0, after: all.iter().collect(), away: 0, window_s: 3.0 };
    let (half, third) = (of(1000.0).longest_below_s(0.5), of(1000.0).longest_below_s(0.3));
    assert!((half - 3.0).abs() < 1e-9, "{half}");
    assert!(third.abs() < 1e-9, "{third}");
    assert_eq!(of(1000.0).at_the_end_percent().map(f64::round), Some(40.0));
    // Of less than a period nothing is known.
    let short = BeforeAndAfter { away: 25, ..of(1000.0) };
    assert!(short.longest_below_s(0.5).abs() < 1e-9);
}
