//! Heartbeats: every connection sends once per period, each at its own phase.
//!
//! The phases divide the period evenly and are shifted at random within their share, so the beats are neither
//! synchronised nor evenly spaced. A beat is computed from its number; no connection stores a time.

use random::Random;

/// The beats of one worker's connections, in order of time: beat k belongs to connection k mod count.
#[derive(Debug, Clone)]
pub(super) struct Beats {
    start_ns: u64,
    period_ns: f64,
    seed: u64,
    count: u64,
    /// Number of the beat that is due next.
    next: u64,
    next_ns: u64,
}

impl Beats {
    pub(super) fn new(start_ns: u64, period_ns: u64, seed: u64, count: usize) -> Self {
        let count = count.max(1) as u64;
        let mut beats = Beats { start_ns, period_ns: period_ns as f64, seed, count, next: 0, next_ns: 0 };
        beats.next_ns = beats.time_of(0);
        beats
    }

    #[inline]
    pub(super) fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// When beat `number` is due.
    fn time_of(&self, number: u64) -> u64 {
        let (round, index) = (number / self.count, number % self.count);
        let place = (index as f64 + shift(self.seed, index)) / self.count as f64;
        self.start_ns.saturating_add(((round as f64 + place) * self.period_ns) as u64)
    }

    /// Takes the next beat: the connection and the time.
    pub(super) fn take(&mut self) -> (usize, u64) {
        let taken = ((self.next % self.count) as usize, self.next_ns);
        self.next += 1;
        self.next_ns = self.time_of(self.next);
        taken
    }

    /// The time of the oldest of a connection's last `overdue` beats.
    pub(super) fn oldest(&self, index: usize, overdue: u64) -> u64 {
        let rounds_done = (self.next + self.count - 1 - index as u64) / self.count;
        self.time_of((rounds_done - overdue) * self.count + index as u64)
    }
}

/// A number in 0..1 that belongs to a connection.
fn shift(seed: u64, index: u64) -> f64 {
    Random::at(seed, index) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_beats_once_a_period_at_its_own_phase() {
        let mut beats = Beats::new(1000, 1_000_000, 7, 10);
        let taken: Vec<(usize, u64)> = std::iter::repeat_with(|| beats.take()).take(30).collect();
        assert!(taken.windows(2).all(|pair| pair[0].1 <= pair[1].1), "in order of time");
        for (number, (index, time)) in taken.iter().enumerate() {
            assert_eq!(*index, number % 10);
            let from = 1000 + number as u64 * 100_000;
            assert!((from..=from + 100_000).contains(time), "beat {number} at {time}");
            assert!(number < 10 || *time - taken[number - 10].1 == 1_000_000, "period of connection {index}");
        }
        let gaps: std::collections::BTreeSet<u64> = taken.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
        assert!(gaps.len() > 5, "no drum: {gaps:?}");
    }

    #[test]
    fn overdue_beats_are_found_by_their_number() {
        let mut beats = Beats::new(0, 1_000_000, 7, 3);
        let taken: Vec<(usize, u64)> = std::iter::repeat_with(|| beats.take()).take(8).collect();
        // Connections 0 and 1 had three beats, connection 2 two.
        for (index, overdue, number) in [(0, 1, 6), (0, 2, 3), (0, 3, 0), (1, 1, 7), (2, 1, 5), (2, 2, 2)] {
            assert_eq!(beats.oldest(index, overdue), taken[number].1, "{index} {overdue}");
        }
    }
}
