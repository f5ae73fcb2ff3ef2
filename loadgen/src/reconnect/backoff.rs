//! The delay before a client's next attempt: the formulas of [`Delay`], and the 8 bytes that a client keeps for them.

use super::policy::{Delay, Policy};
use random::Random;
use sys::clock::duration_ns;

/// What a client remembers from its loss until it is served again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backoff {
    /// The last delay that was drawn.
    previous_us: u32,
    /// Delays drawn.
    drawn: u16,
    /// Attempts begun.
    attempts: u16,
}

const _: () = assert!(size_of::<Backoff>() <= 8, "it is kept for each connection of a load");

impl Backoff {
    /// Attempts begun since the loss; 65,535 and more are the same.
    pub fn attempts(&self) -> u16 {
        self.attempts
    }

    /// Counts attempts anew, and goes on with the delays where they were.
    pub fn forget_attempts(&mut self) {
        self.attempts = 0;
    }

    pub(super) fn begin_attempt(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }

    /// Draws the next delay in ns.
    pub(super) fn draw(&mut self, policy: &Policy, random: &mut Random) -> u64 {
        let (base_ns, cap_ns) = (duration_ns(policy.base), duration_ns(policy.cap));
        let grown_ns = grown(base_ns, cap_ns, self.drawn);
        let delay_ns = match policy.delay {
            Delay::Immediate => 0,
            Delay::Fixed => base_ns,
            Delay::Exponential => grown_ns,
            Delay::EqualJitter => between(random, grown_ns / 2, grown_ns),
            Delay::FullJitter => between(random, 0, grown_ns),
            Delay::Decorrelated => {
                let previous_ns = if self.drawn == 0 { base_ns } else { u64::from(self.previous_us) * 1000 };
                match between(random, base_ns, previous_ns.max(base_ns) * 3) {
                    delay_ns if delay_ns < cap_ns => delay_ns,
                    _ => between(random, base_ns, cap_ns),
                }
            }
        };
        self.drawn = self.drawn.saturating_add(1);
        self.previous_us = u32::try_from(delay_ns / 1000).unwrap_or(u32::MAX);
        delay_ns
    }
}

/// min(cap, base · 2ⁿ).
fn grown(base_ns: u64, cap_ns: u64, doublings: u16) -> u64 {
    2_u64
        .checked_pow(u32::from(doublings))
        .and_then(|factor| base_ns.checked_mul(factor))
        .unwrap_or(u64::MAX)
        .min(cap_ns)
}

/// Drawn evenly from `least` to `most`.
pub(super) fn between(random: &mut Random, least: u64, most: u64) -> u64 {
    least + (random.uniform() * (most - least) as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const MS: u64 = 1_000_000;
    const CLIENTS: usize = 20_000;

    /// From 100 ms to 1 s.
    fn policy(delay: Delay) -> Policy {
        Policy { cap: Duration::from_secs(1), ..Policy::new(delay) }
    }

    /// The first delays of a client, one after the other.
    fn delays(policy: &Policy, count: usize, random: &mut Random) -> Vec<u64> {
        let mut client = Backoff::default();
        std::iter::repeat_with(|| client.draw(policy, random)).take(count).collect()
    }

    /// The n-th delay of many clients.
    fn nth(policy: &Policy, n: usize) -> Vec<u64> {
        let mut random = Random::new(7);
        std::iter::repeat_with(|| delays(policy, n + 1, &mut random)[n]).take(CLIENTS).collect()
    }

    fn mean(values: &[u64]) -> f64 {
        values.iter().sum::<u64>() as f64 / values.len() as f64
    }

    #[test]
    fn delays_without_jitter_are_those_of_the_formula() {
        for (delay, expected_ms) in [
            (Delay::Immediate, [0, 0, 0, 0, 0, 0]),
            (Delay::Fixed, [100, 100, 100, 100, 100, 100]),
            (Delay::Exponential, [100, 200, 400, 800, 1000, 1000]),
        ] {
            assert_eq!(delays(&policy(delay), 6, &mut Random::new(1)), expected_ms.map(|ms| ms * MS), "{delay:?}");
        }
    }

    /// The mean of U(a, b) is (a + b) / 2; over 20,000 draws its standard error is 0.2 % of b − a.
    #[test]
    fn jitter_has_its_bounds_and_its_mean() {
        for (n, grown_ms) in [(0, 100), (1, 200), (3, 800), (4, 1000), (9, 1000)] {
            let grown = grown_ms * MS;
            for (delay, least) in [(Delay::FullJitter, 0), (Delay::EqualJitter, grown / 2)] {
                let drawn = nth(&policy(delay), n);
                assert!(drawn.iter().all(|delay| (least..=grown).contains(delay)), "{delay:?} {n}");
                let (found, expected) = (mean(&drawn), (least + grown) as f64 / 2.0);
                assert!((found / expected - 1.0).abs() < 0.02, "{delay:?} {n}: {found} is not {expected}");
                let width = grown - least;
                let (low, high) = (drawn.iter().min().unwrap(), drawn.iter().max().unwrap());
                assert!(*low < least + width / 100 && *high > grown - width / 100, "{delay:?} {n}: {low} to {high}");
            }
        }
    }

    #[test]
    fn decorrelated_delays_lie_between_base_and_three_times_the_last() {
        let policy = policy(Delay::Decorrelated);
        let mut random = Random::new(3);
        for _ in 0..1000 {
            let mut previous = 100 * MS;
            for delay in delays(&policy, 10, &mut random) {
                // The last one is kept to the µs.
                let most = if previous * 3 < 1000 * MS { previous * 3 } else { 1000 * MS };
                assert!((100 * MS..=most).contains(&delay), "{delay} after {previous}");
                previous = delay;
            }
        }
        // U(100, 300).
        let found = mean(&nth(&policy, 0));
        assert!((found / (200.0 * MS as f64) - 1.0).abs() < 0.01, "{found}");
    }

    /// Cut off at cap, more than half of all delays would be the cap itself once it is reached.
    #[test]
    fn decorrelated_clients_do_not_meet_at_the_cap() {
        let mut late = nth(&policy(Delay::Decorrelated), 20);
        assert!(late.iter().all(|delay| (100 * MS..1000 * MS).contains(delay)));
        late.sort_unstable();
        late.dedup();
        assert!(late.len() > CLIENTS * 99 / 100, "{} different delays of {CLIENTS}", late.len());
    }

    #[test]
    fn a_seed_draws_the_same_delays_again() {
        for delay in [Delay::EqualJitter, Delay::FullJitter, Delay::Decorrelated] {
            let drawn = |seed| delays(&policy(delay), 50, &mut Random::new(seed));
            assert_eq!(drawn(1), drawn(1), "{delay:?}");
            assert_ne!(drawn(1), drawn(2), "{delay:?}");
        }
    }

    #[test]
    fn no_number_of_attempts_overflows() {
        for delay in Delay::ALL {
            let longest = Duration::from_secs(3600);
            let policy = Policy { base: longest, cap: longest, ..Policy::new(delay) };
            let mut client = Backoff { previous_us: u32::MAX, drawn: u16::MAX, attempts: u16::MAX };
            client.begin_attempt();
            assert!(client.draw(&policy, &mut Random::new(1)) <= duration_ns(longest), "{delay:?}");
            assert_eq!((client.drawn, client.attempts()), (u16::MAX, u16::MAX));
        }
    }
}
