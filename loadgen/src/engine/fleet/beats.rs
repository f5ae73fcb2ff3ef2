//! Heartbeats: every connection sends once a period, each at a phase of its own.
//!
//! The phases divide the period evenly and are shifted at random within their share, so the whole is
//! neither lockstep nor a drum. A beat is computed from its number; no connection stores a time.

use super::{Engine, Fleet};
use crate::engine::connection::Phase;
use protocol::client::Client;
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
    fn take(&mut self) -> (usize, u64) {
        let taken = ((self.next % self.count) as usize, self.next_ns);
        self.next += 1;
        self.next_ns = self.time_of(self.next);
        taken
    }

    /// The time of the oldest of a connection's last `overdue` beats.
    fn oldest(&self, index: usize, overdue: u64) -> u64 {
        let rounds_done = (self.next + self.count - 1 - index as u64) / self.count;
        self.time_of((rounds_done - overdue) * self.count + index as u64)
    }
}

/// A number in 0..1 that belongs to a connection.
fn shift(seed: u64, index: u64) -> f64 {
    Random::at(seed, index) as f64 / u64::MAX as f64
}

impl<C: Client, K, const OPEN: bool> Fleet<'_, C, K, OPEN> {
    /// Starts the beats of the warm-up or of the window anew; beats overdue before are forgotten, as
    /// they belong to no window.
    pub(in crate::engine) fn begin_beats(&mut self, start_ns: u64, period_ns: u64) {
        let seed = self.job.schedule.seed.wrapping_add(self.index as u64);
        self.connections.iter_mut().for_each(|connection| connection.overdue = 0);
        self.overdue = 0;
        self.beats = Some(Beats::new(start_ns, period_ns, seed, self.connections.len()));
    }

    /// Sends the beats that are due on the connections they belong to, `beats_max` at most: a worker that has
    /// fallen behind reads replies in between, or they would be sent again and again.
    pub(super) fn dispatch_beats<E: Engine<Socket = K>>(&mut self, engine: &mut E, now: u64, beats_max: usize) {
        for _ in 0..beats_max {
            let Some(beats) = &mut self.beats else { return };
            if beats.next_ns() > now || beats.next_ns() >= self.end_ns {
                return;
            }
            let (index, intended) = beats.take();
            self.count_scheduled(intended, now);
            let connection = &mut self.connections[index];
            match connection.phase {
                Phase::Idle => self.send_batch(engine, index, intended, now),
                _ => match connection.overdue.checked_add(1) {
                    Some(overdue) => {
                        connection.overdue = overdue;
                        self.overdue += 1;
                    }
                    // 65,535 wait already: the oldest gives up.
                    None => {
                        let oldest = self.beats.as_ref().map(|beats| beats.oldest(index, u64::from(u16::MAX) + 1));
                        self.censor_arrival(oldest.unwrap_or(intended), now);
                    }
                },
            }
        }
    }

    /// A connection is free again: a beat that came due meanwhile has waited for it.
    pub(super) fn send_overdue_beat<E: Engine<Socket = K>>(&mut self, engine: &mut E, index: usize, now: u64) {
        let overdue = self.connections[index].overdue;
        if overdue == 0 || !self.is_loading {
            return;
        }
        if let Some(beats) = &self.beats {
            let intended = beats.oldest(index, u64::from(overdue));
            self.connections[index].overdue -= 1;
            self.overdue -= 1;
            // Reached in time: the wait was for the connection.
            self.send_batch(engine, index, intended, intended.min(now));
        }
    }

    /// Enters beats that never left.
    pub(super) fn censor_beats(&mut self, now: u64) {
        let Some(beats) = self.beats.take() else { return };
        for index in 0..self.connections.len() {
            for overdue in 1..=self.connections[index].overdue {
                self.censor_arrival(beats.oldest(index, u64::from(overdue)), now);
            }
        }
    }
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
