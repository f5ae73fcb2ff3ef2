//! What was offered, what was achieved, and the queue between the two.

use crate::engine::Job;
use crate::ratio::per_second;
use crate::record::{Queue, Spread};
use crate::recording::tally::Pace;
use crate::schedule::Process;

/// How far the schedule's arrivals spread. Each worker has a queue of its own, in which a group may stand at one end
/// of the window and none at the other. Heartbeats have their phases by chance.
pub(super) fn spread(job: &Job<'_>) -> Spread {
    let schedule = &job.schedule;
    match (job.options.mode(), job.options.process) {
        ("open", Process::Constant) => Spread::Groups(u64::from(schedule.workers)),
        ("open", Process::Bursts) => Spread::Groups(u64::from(schedule.burst.max(1)) * u64::from(schedule.workers)),
        _ => Spread::Random,
    }
}

/// The queue after so many arrivals, which took so long to come.
pub(super) fn queue(pace: &Pace, scheduled: u64, paced_ns: u64, spread: Spread) -> Queue {
    let (start, dispatched) = (pace.waiting_start, pace.dispatched);
    let end = (start + scheduled).saturating_sub(dispatched);
    let growth = |rate: f64| rate * if end < start { -1.0 } else { 1.0 };
    Queue {
        start,
        end,
        growth_per_second: per_second(end.abs_diff(start), paced_ns).map(growth),
        is_growing: Queue::grows(start, end, scheduled, spread),
        dropped: pace.dropped,
        in_flight_start: pace.in_flight_start,
        in_flight_end: pace.in_flight_end,
    }
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
}
