//! When requests are meant to be sent: arrival times from a seed, the same on every replay.
//!
//! The schedule knows nothing of connections or replies. Whatever happens on the network, the times
//! stay as they were computed, so a slow server cannot thin out the load it is measured under.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Exp};
use serde::{Deserialize, Serialize};

/// How arrivals are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Process {
    /// Exponential gaps: independent users, no synchronisation with anything periodic.
    Poisson,
    /// Equal gaps; the workers are staggered so that the whole is evenly spaced too.
    Constant,
}

impl Process {
    /// The name in flags and records.
    pub const fn name(self) -> &'static str {
        match self {
            Process::Poisson => "poisson",
            Process::Constant => "constant",
        }
    }
}

/// The arrivals of the whole run: each worker derives its share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// How arrivals are spaced.
    pub process: Process,
    /// Requests per second over all workers; zero has no arrivals.
    pub rate: f64,
    /// Fixes every random choice.
    pub seed: u64,
    /// Workers sharing the rate.
    pub workers: u32,
}

impl Schedule {
    /// Arrival times of one worker, the first one at or after `start_ns`.
    pub fn arrivals(&self, worker: u32, start_ns: u64) -> Arrivals {
        let gaps = if self.rate <= 0.0 {
            Gaps::Never
        } else {
            match self.process {
                Process::Constant => {
                    Gaps::Constant { count: 0, worker, workers: self.workers, gap_ns: 1e9 / self.rate }
                }
                Process::Poisson => {
                    let mut random = ChaCha8Rng::seed_from_u64(self.seed);
                    // Streams of one seed are independent, so the superposition is Poisson of the full rate.
                    random.set_stream(u64::from(worker));
                    let rate_per_ns = self.rate / f64::from(self.workers) / 1e9;
                    // A rate above zero is always a valid rate; were it not, nothing arrives.
                    match Exp::new(rate_per_ns) {
                        Ok(gap_ns) => Gaps::Poisson { random: Box::new(random), gap_ns, offset_ns: 0.0 },
                        Err(_) => Gaps::Never,
                    }
                }
            }
        };
        let mut arrivals = Arrivals { start_ns, next_ns: u64::MAX, gaps };
        arrivals.advance();
        arrivals
    }
}

/// An endless sequence of arrival times, never decreasing.
#[derive(Debug, Clone)]
pub struct Arrivals {
    start_ns: u64,
    next_ns: u64,
    gaps: Gaps,
}

#[derive(Debug, Clone)]
enum Gaps {
    Never,
    Constant { count: u64, worker: u32, workers: u32, gap_ns: f64 },
    // Boxed: the generator keeps 256 bytes of output, which would push the engine's hot fields apart.
    Poisson { random: Box<ChaCha8Rng>, gap_ns: Exp<f64>, offset_ns: f64 },
}

impl Arrivals {
    /// The next arrival; `u64::MAX` when there is none.
    #[inline]
    pub fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// Moves on to the arrival after the next.
    pub fn advance(&mut self) {
        let offset_ns = match &mut self.gaps {
            Gaps::Never => return,
            Gaps::Constant { count, worker, workers, gap_ns } => {
                // Multiplied, not summed: errors would add up to a different rate over an hour.
                let index = *count * u64::from(*workers) + u64::from(*worker);
                *count += 1;
                index as f64 * *gap_ns
            }
            Gaps::Poisson { random, gap_ns, offset_ns } => {
                // 53 bits of mantissa count single ns for 104 days.
                *offset_ns += gap_ns.sample(random);
                *offset_ns
            }
        };
        self.next_ns = self.start_ns.saturating_add(offset_ns as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(schedule: Schedule, worker: u32, count: usize) -> Vec<u64> {
        let mut arrivals = schedule.arrivals(worker, 1_000_000);
        std::iter::repeat_with(|| {
            let next = arrivals.next_ns();
            arrivals.advance();
            next
        })
        .take(count)
        .collect()
    }

    const POISSON: Schedule = Schedule { process: Process::Poisson, rate: 1000.0, seed: 42, workers: 4 };
    const CONSTANT: Schedule = Schedule { process: Process::Constant, ..POISSON };

    #[test]
    fn a_seed_replays_exactly() {
        for schedule in [POISSON, CONSTANT] {
            assert_eq!(times(schedule, 1, 1000), times(schedule, 1, 1000));
            assert_ne!(times(schedule, 1, 1000), times(schedule, 2, 1000));
        }
        assert_ne!(times(POISSON, 0, 10), times(Schedule { seed: 43, ..POISSON }, 0, 10));
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_the_spread_of_an_exponential() {
        let times = times(POISSON, 0, 100_001);
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
        // 4 workers share 1,000/s: 4 ms each. The standard error of 100,000 gaps is 0.3 %.
        assert!((mean / 4e6 - 1.0).abs() < 0.02, "mean {mean}");
        assert!((deviation / 4e6 - 1.0).abs() < 0.05, "deviation {deviation}");
    }

    #[test]
    fn merged_workers_have_the_total_rate() {
        let mut merged: Vec<u64> = (0..4).flat_map(|worker| times(POISSON, worker, 50_000)).collect();
        merged.sort_unstable();
        // Only the part that every worker covers.
        let span_ns = merged[150_000] - merged[0];
        let rate = 150_000.0 / (span_ns as f64 / 1e9);
        assert!((rate / 1000.0 - 1.0).abs() < 0.02, "rate {rate}");
        let gaps: Vec<f64> = merged[..150_000].windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let long = gaps.iter().filter(|&&gap| gap > 1e6).count() as f64 / gaps.len() as f64;
        assert!((long - (-1.0f64).exp()).abs() < 0.01, "share of gaps above the mean {long}");
    }

    #[test]
    fn constant_workers_are_staggered() {
        let mut merged: Vec<u64> = (0..4).flat_map(|worker| times(CONSTANT, worker, 100)).collect();
        merged.sort_unstable();
        let expected: Vec<u64> = (0..400).map(|index| 1_000_000 + index * 1_000_000).collect();
        assert_eq!(merged, expected);
    }

    #[test]
    fn no_rate_has_no_arrivals() {
        assert_eq!(times(Schedule { rate: 0.0, ..POISSON }, 0, 2), [u64::MAX; 2]);
    }
}
