//! The queue of an open loop: arrivals that wait for a free connection, and whether they become more and more.

use serde::{Deserialize, Serialize};

/// It grows when it does by this share of the arrivals: with less the run would have to be a hundred times as
/// long to make up for it. Ours.
const GROWTH_SHARE_MIN: f64 = 0.01;
/// Poisson arrivals vary by the root of their number, and a queue that only varies by chance goes back again:
/// with three deviations one target in 370 that is just able to keep up is said not to be.
const GROWTH_DEVIATIONS_MIN: f64 = 3.0;

/// How far the number of arrivals is from even: what a queue may differ by at two moments though it does not grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spread {
    /// Independent arrivals.
    Random,
    /// Arrivals by the clock, of which so many may come at the same moment. There is no chance in them.
    Groups(u64),
}

/// Arrivals without a connection, and requests without a reply, at both ends of the window. Arrivals of the
/// warm-up are among them: what waits, waits, whenever it came.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    /// Waiting for a free connection when the window began.
    pub start: u64,
    /// The same at its end: those at its start and the window's arrivals, less what was sent in it. Where requests
    /// are counted (`--requests`) the end is the last arrival, here and below: what follows works the queue off.
    pub end: u64,
    /// The difference a second; absent for a window that is too short.
    pub growth_per_second: Option<f64>,
    /// Whether it grew by more than chance explains: the target, over these connections, cannot keep up.
    pub is_growing: bool,
    /// Requests of the warm-up that still waited when the window began and were dropped, because working them
    /// off would have taken more than a twentieth of it.
    pub dropped: u64,
    /// Sent and without a reply when the window began.
    pub in_flight_start: u64,
    /// The same at its end.
    pub in_flight_end: u64,
}

impl Queue {
    /// Whether a queue that went from `start` to `end` over so many arrivals is one that grows.
    pub(crate) fn grows(start: u64, end: u64, arrivals: u64, spread: Spread) -> bool {
        let arrivals = arrivals as f64;
        let uneven = match spread {
            Spread::Random => GROWTH_DEVIATIONS_MIN * arrivals.sqrt(),
            Spread::Groups(len) => len as f64,
        };
        end.saturating_sub(start) as f64 > uneven.max(GROWTH_SHARE_MIN * arrivals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_grows_by_more_than_chance() {
        for (start, end, arrivals, grows) in [
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
            assert_eq!(Queue::grows(start, end, arrivals, Spread::Random), grows, "{start} to {end} of {arrivals}");
        }
    }

    /// The fault: a quarter more than the target can answer went without a word for hundreds of arrivals.
    #[test]
    fn arrivals_by_the_clock_have_no_chance() {
        for (end, arrivals, group, grows) in [
            // 5/s over 10 s against 4/s.
            (10, 50, 1, true),
            (1, 50, 1, false),
            (2, 50, 2, false),
            (10, 50, 10, false),
            (100, 10_000, 1, false),
            (101, 10_000, 1, true),
        ] {
            let found = Queue::grows(0, end, arrivals, Spread::Groups(group));
            assert_eq!(found, grows, "{end} of {arrivals} in groups of {group}");
        }
        assert!(!Queue::grows(0, 10, 50, Spread::Random));
    }
}
