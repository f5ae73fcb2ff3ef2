//! When requests are meant to be sent: arrival times from a seed, the same on every replay.
//!
//! The schedule knows nothing of connections or replies. Whatever happens on the network, the times
//! stay as they were computed, so a slow server cannot thin out the load it is measured under.
//!
//! Arrivals are spaced on a separate clock that counts expected arrivals; the stages map that clock to time.
//! So one spacing rule serves constant rates, stepped ramps and pauses alike.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Exp1};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use sys::clock::duration_ns;

/// How arrivals are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Process {
    /// Exponential gaps: independent users, no synchronisation with anything periodic.
    Poisson,
    /// Equal gaps; the workers are staggered so that the whole is evenly spaced too.
    Constant,
    /// Groups of arrivals at the same moment, the groups equally spaced.
    Bursts,
}

impl Process {
    /// The name in flags and records.
    pub const fn name(self) -> &'static str {
        match self {
            Process::Poisson => "poisson",
            Process::Constant => "constant",
            Process::Bursts => "bursts",
        }
    }
}

/// A rate that holds for a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Requests per second over all workers; zero is a pause.
    pub rate: f64,
    /// How long it holds.
    pub duration: Duration,
}

/// The arrivals of the whole run: each worker derives its share.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// How arrivals are spaced.
    pub process: Process,
    /// One after the other; the last one goes on for ever. No stage, no arrivals.
    pub stages: Vec<Stage>,
    /// Arrivals of a group in [`Process::Bursts`].
    pub burst: u32,
    /// Fixes every random choice.
    pub seed: u64,
    /// Workers sharing the rate.
    pub workers: u32,
}

/// The part of a run that arrivals belong to. Arrivals of the window do not depend on how long the warm-up
/// took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// At the first stage's rate.
    WarmUp,
    /// All stages.
    Window,
}

impl Schedule {
    /// Arrival times of one worker, the first one at or after `start_ns`.
    pub fn arrivals(&self, worker: u32, part: Part, start_ns: u64) -> Arrivals {
        let stages = match part {
            Part::WarmUp => &self.stages[..self.stages.len().min(1)],
            Part::Window => &self.stages[..],
        };
        let curve = Curve::new(stages);
        let units = match (self.process, curve.is_empty()) {
            (_, true) => Units::Never,
            (Process::Constant, false) => Units::Even { count: 0, burst: 1 },
            (Process::Bursts, false) => Units::Even { count: 0, burst: u64::from(self.burst.max(1)) },
            (Process::Poisson, false) => {
                let mut random = ChaCha8Rng::seed_from_u64(self.seed);
                // Streams of one seed are independent, so the superposition is Poisson of the full rate.
                random.set_stream(u64::from(worker) << 1 | u64::from(part == Part::WarmUp));
                Units::Random { random: Box::new(random), at: 0.0 }
            }
        };
        let mut arrivals = Arrivals { start_ns, next_ns: u64::MAX, worker, workers: self.workers, units, curve };
        arrivals.advance();
        arrivals
    }

    /// Arrivals expected of all workers within `offset_ns` of the window's start.
    pub fn expected_until(&self, offset_ns: u64) -> f64 {
        Curve::new(&self.stages).units_at(offset_ns as f64)
    }
}

/// Expected arrivals over time: piecewise linear.
#[derive(Debug, Clone, Default)]
struct Curve {
    pieces: Vec<Piece>,
    /// The piece of the last look-up; look-ups mostly go forward.
    current: usize,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    start_ns: f64,
    start_units: f64,
    units_per_ns: f64,
}

impl Curve {
    fn new(stages: &[Stage]) -> Curve {
        let (mut start_ns, mut start_units) = (0.0, 0.0);
        let pieces = stages.iter().map(|stage| {
            let piece = Piece { start_ns, start_units, units_per_ns: stage.rate / 1e9 };
            let len_ns = duration_ns(stage.duration) as f64;
            start_ns += len_ns;
            start_units += len_ns * piece.units_per_ns;
            piece
        });
        Curve { pieces: pieces.collect(), current: 0 }
    }

    /// Whether it never rises.
    fn is_empty(&self) -> bool {
        self.pieces.iter().all(|piece| piece.units_per_ns <= 0.0)
    }

    /// When `units` arrivals are expected to have come; `None` if never.
    #[inline]
    fn time_of(&mut self, units: f64) -> Option<f64> {
        while self.pieces.get(self.current + 1).is_some_and(|next| next.start_units <= units) {
            self.current += 1;
        }
        let piece = self.pieces.get(self.current)?;
        (piece.units_per_ns > 0.0).then(|| piece.start_ns + (units - piece.start_units) / piece.units_per_ns)
    }

    fn units_at(&self, offset_ns: f64) -> f64 {
        let piece = self.pieces.iter().rev().find(|piece| piece.start_ns <= offset_ns);
        piece.map_or(0.0, |piece| piece.start_units + (offset_ns - piece.start_ns) * piece.units_per_ns)
    }
}

/// An endless sequence of arrival times, never decreasing.
#[derive(Debug, Clone)]
pub struct Arrivals {
    start_ns: u64,
    next_ns: u64,
    worker: u32,
    workers: u32,
    units: Units,
    curve: Curve,
}

#[derive(Debug, Clone)]
enum Units {
    Never,
    Even { count: u64, burst: u64 },
    // Boxed: the generator keeps 256 bytes of output, which would push the engine's hot fields apart.
    Random { random: Box<ChaCha8Rng>, at: f64 },
}

impl Arrivals {
    /// The next arrival; `u64::MAX` when there is none.
    #[inline]
    pub fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// Moves on to the arrival after the next.
    #[inline]
    pub fn advance(&mut self) {
        let units = match &mut self.units {
            Units::Never => return,
            Units::Even { count, burst } => {
                // Counted, not summed: errors would add up to a different rate over an hour.
                let index = *count * u64::from(self.workers) + u64::from(self.worker);
                *count += 1;
                (index / *burst * *burst) as f64
            }
            Units::Random { random, at } => {
                // 53 bits of mantissa distinguish single arrivals up to 10^15 of them.
                let gap: f64 = Exp1.sample(random);
                *at += gap * f64::from(self.workers);
                *at
            }
        };
        let offset_ns = self.curve.time_of(units);
        self.next_ns = offset_ns.map_or(u64::MAX, |offset_ns| self.start_ns.saturating_add(offset_ns as u64));
    }
}

/// Reads stages such as `rate=1000@10s,5k@30s`; `rate` parses the part before the `@`, `duration` the part after
/// it.
///
/// # Errors
/// What is wrong and how to write it.
pub fn parse_stages(
    text: &str,
    rate: impl Fn(&str) -> Option<f64>,
    duration: impl Fn(&str) -> Option<Duration>,
) -> Result<Vec<Stage>, String> {
    let stage = |part: &str| {
        let bad = || format!("{part:?} is no stage; write RATE@DURATION, for example rate=1000@10s,5000@30s");
        let part = part.trim();
        let (written, held) = part.strip_prefix("rate=").unwrap_or(part).split_once('@').ok_or_else(bad)?;
        let rate = rate(written.trim()).ok_or_else(bad)?;
        let duration = duration(held.trim()).filter(|duration| !duration.is_zero()).ok_or_else(bad)?;
        Ok(Stage { rate, duration })
    };
    text.split(',').map(stage).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn schedule(process: Process, seed: u64) -> Schedule {
        Schedule { process, stages: vec![Stage { rate: 1000.0, duration: SECOND }], burst: 10, seed, workers: 4 }
    }

    fn times(schedule: &Schedule, worker: u32, count: usize) -> Vec<u64> {
        let mut arrivals = schedule.arrivals(worker, Part::Window, 1_000_000);
        let next = || {
            let next = arrivals.next_ns();
            arrivals.advance();
            next
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    fn merged(schedule: &Schedule, count: usize) -> Vec<u64> {
        let mut merged: Vec<u64> = (0..schedule.workers).flat_map(|worker| times(schedule, worker, count)).collect();
        merged.sort_unstable();
        merged
    }

    #[test]
    fn a_seed_replays_exactly() {
        for process in [Process::Poisson, Process::Constant, Process::Bursts] {
            let schedule = schedule(process, 42);
            assert_eq!(times(&schedule, 1, 1000), times(&schedule, 1, 1000));
        }
        let one = schedule(Process::Poisson, 42);
        assert_ne!(times(&one, 0, 10), times(&schedule(Process::Poisson, 43), 0, 10));
        assert_ne!(times(&one, 0, 10), times(&one, 1, 10));
        let warm_up = one.arrivals(0, Part::WarmUp, 1_000_000);
        assert_ne!(warm_up.next_ns(), times(&one, 0, 1)[0], "the warm-up has arrivals of its own");
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_the_spread_of_an_exponential() {
        let times = times(&schedule(Process::Poisson, 42), 0, 100_001);
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
        // 4 workers share 1,000/s: 4 ms each. The standard error of 100,000 gaps is 0.3 %.
        assert!((mean / 4e6 - 1.0).abs() < 0.02, "mean {mean}");
        assert!((deviation / 4e6 - 1.0).abs() < 0.05, "deviation {deviation}");
    }

    #[test]
    fn merged_workers_have_the_total_rate() {
        let merged = merged(&schedule(Process::Poisson, 42), 50_000);
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
        let expected: Vec<u64> = (0..400).map(|index| 1_000_000 + index * 1_000_000).collect();
        assert_eq!(merged(&schedule(Process::Constant, 0), 100), expected);
    }

    #[test]
    fn bursts_come_together_and_keep_the_rate() {
        let expected: Vec<u64> = (0..400).map(|index| 1_000_000 + index / 10 * 10_000_000).collect();
        assert_eq!(merged(&schedule(Process::Bursts, 0), 100), expected);
    }

    #[test]
    fn stages_bend_the_clock() {
        let stage = |rate, ms| Stage { rate, duration: Duration::from_millis(ms) };
        let stages = vec![stage(1000.0, 2), stage(0.0, 5), stage(2000.0, 1)];
        let steps = Schedule { stages, workers: 1, ..schedule(Process::Constant, 0) };
        let offsets: Vec<u64> = times(&steps, 0, 6).iter().map(|time| time - 1_000_000).collect();
        // Two in 2 ms, none in 5 ms, then one each half ms, which goes on.
        assert_eq!(offsets, [0, 1_000_000, 7_000_000, 7_500_000, 8_000_000, 8_500_000]);
        assert_eq!(steps.expected_until(2_000_000), 2.0);
        assert_eq!(steps.expected_until(6_000_000), 2.0);
        assert_eq!(steps.expected_until(8_000_000), 4.0);
        let poisson = Schedule { process: Process::Poisson, ..steps };
        let many: Vec<usize> = (0..2000)
            .map(|seed| {
                let times = times(&Schedule { seed, ..poisson.clone() }, 0, 30);
                let before = |ms: u64| times.iter().filter(|&&time| time - 1_000_000 < ms * 1_000_000).count();
                assert_eq!(before(2), before(7), "nothing comes in a pause");
                before(8)
            })
            .collect();
        let mean = many.iter().sum::<usize>() as f64 / many.len() as f64;
        assert!((mean - 4.0).abs() < 0.2, "{mean} arrivals in 8 ms, 4 expected");
    }

    #[test]
    fn no_rate_has_no_arrivals() {
        for stages in [vec![], vec![Stage { rate: 0.0, duration: SECOND }]] {
            for process in [Process::Poisson, Process::Constant] {
                assert_eq!(times(&Schedule { stages: stages.clone(), ..schedule(process, 0) }, 0, 2), [u64::MAX; 2]);
            }
        }
    }

    #[test]
    fn stages_are_read() {
        let rate = |text: &str| text.parse().ok();
        let seconds = |text: &str| text.strip_suffix('s')?.parse().ok().map(Duration::from_secs);
        let stages = parse_stages("rate=1000@10s, 5e3@30s", rate, seconds).unwrap();
        let expected = [(1000.0, 10), (5000.0, 30)].map(|(rate, s)| Stage { rate, duration: Duration::from_secs(s) });
        assert_eq!(stages, expected);
        for text in ["", "1000", "@10s", "x@10s", "1000@", "1000@0s", "1000@10s,"] {
            assert!(parse_stages(text, rate, seconds).unwrap_err().contains("RATE@DURATION"), "{text:?}");
        }
    }
}
