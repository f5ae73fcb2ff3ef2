//! The offered load, the achieved load, and the queue between the two.

use crate::engine::job::Job;
use crate::plan::mode::Mode;
use crate::ratio::per_second;
use crate::record::Queue;
use crate::recording::counters::Pace;
use crate::schedule::Process;

/// A queue counts as growing if it grows by this share of the arrivals: below it, the run would have to be a
/// hundred times as long to make up for it. Our own threshold.
const GROWTH_SHARE_MIN: f64 = 0.01;
/// The number of Poisson arrivals varies by its square root, and a queue that varies only by chance shrinks
/// again. With three deviations, one in 370 targets that just keep up is judged as not keeping up.
const GROWTH_DEVIATIONS_MIN: f64 = 3.0;

/// How unevenly arrivals come: how far a queue may differ between two moments although it does not grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    /// Independent arrivals.
    Random,
    /// Arrivals at fixed times, of which this many may come at the same moment. They involve no chance.
    Groups(u64),
}

/// How far the schedule's arrivals spread. Each worker has its own queue, which may hold a group at one end of the
/// window and none at the other. The phases of heartbeats are random.
pub(super) fn spread(job: &Job<'_>) -> Spread {
    let schedule = &job.schedule;
    match (job.options.mode(), job.options.process) {
        (Mode::Open, Process::Constant) => Spread::Groups(u64::from(schedule.workers)),
        (Mode::Open, Process::Bursts) => Spread::Groups(u64::from(schedule.burst.max(1)) * u64::from(schedule.workers)),
        _ => Spread::Random,
    }
}

/// The queue after `scheduled` arrivals that came within `paced_ns`.
pub(super) fn queue(pace: &Pace, scheduled: u64, paced_ns: u64, spread: Spread) -> Queue {
    let (start, dispatched) = (pace.waiting_start, pace.dispatched);
    let end = (start + scheduled).saturating_sub(dispatched);
    let growth = |rate: f64| rate * if end < start { -1.0 } else { 1.0 };
    Queue {
        start,
        end,
        growth_per_second: per_second(end.abs_diff(start), paced_ns).map(growth),
        is_growing: grows(start, end, scheduled, spread),
        dropped: pace.dropped,
        in_flight_start: pace.in_flight_start,
        in_flight_end: pace.in_flight_end,
    }
}

/// Whether a queue that went from `start` to `end` over `arrivals` arrivals is growing.
fn grows(start: u64, end: u64, arrivals: u64, spread: Spread) -> bool {
    let arrivals = arrivals as f64;
    let uneven = match spread {
        Spread::Random => GROWTH_DEVIATIONS_MIN * arrivals.sqrt(),
        Spread::Groups(len) => len as f64,
    };
    end.saturating_sub(start) as f64 > uneven.max(GROWTH_SHARE_MIN * arrivals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_sent_is_still_waiting() {
        let pace =
            Pace { waiting_start: 2, dispatched: 42, dropped: 58, in_flight_start: 4, in_flight_end: 4, answered: 40 };
        let found = queue(&pace, 100, 10_000_000_000, Spread::Random);
        assert_eq!((found.start, found.end, found.growth_per_second), (2, 60, Some(5.8)));
        assert!(found.is_growing && found.dropped == 58);
        let idle =
            queue(&Pace { waiting_start: 50, dispatched: 150, ..Pace::default() }, 100, 10_000_000_000, Spread::Random);
        assert_eq!((idle.end, idle.growth_per_second, idle.is_growing), (0, Some(-5.0), false));
        assert_eq!(queue(&pace, 100, 1, Spread::Random).growth_per_second, None);
    }

    #[test]
    fn a_queue_grows_by_more_than_chance() {
        for (start, end, arrivals, expected) in [
            (0, 60, 100, true),
            (0, 30, 100, false),
            (2, 62, 100, true),
            (60, 60, 100, false),
            (60, 0, 100, false),
            (0, 0, 0, false),
            // 1 % of a million; chance is 3,000.
            (0, 10_000, 1_000_000, false),
            (0, 10_001, 1_000_000, true),
        ] {
            assert_eq!(grows(start, end, arrivals, Spread::Random), expected, "{start} to {end} of {arrivals}");
        }
    }

    /// Once, an overload by a quarter was not reported for hundreds of arrivals.
    #[test]
    fn arrivals_by_the_clock_have_no_chance() {
        for (end, arrivals, group, expected) in [
            // 5/s over 10 s against 4/s.
            (10, 50, 1, true),
            (1, 50, 1, false),
            (2, 50, 2, false),
            (10, 50, 10, false),
            (100, 10_000, 1, false),
            (101, 10_000, 1, true),
        ] {
            let found = grows(0, end, arrivals, Spread::Groups(group));
            assert_eq!(found, expected, "{end} of {arrivals} in groups of {group}");
        }
        assert!(!grows(0, 10, 50, Spread::Random));
    }
}
