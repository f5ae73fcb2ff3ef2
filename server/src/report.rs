//! The report of a server at its end: its counters, and whether it ended well.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::options::Balance;
use crate::shard::counters::{CloseReason, Counters};
use host::CpuTime;

/// One reactor's report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReactorReport {
    /// Its number, from 0.
    pub index: usize,
    /// The CPU it was pinned to.
    pub cpu: usize,
    /// What it counted.
    pub counters: Counters,
    /// Connections that were still open when it ended: 0 unless it failed.
    pub connections_left: u64,
    /// Pooled buffers in use at the end: 0 unless it failed.
    pub buffers_in_use: u32,
    /// Most pooled buffers in use at once.
    pub buffers_peak: u32,
    /// Memory that the buffer pool had from the kernel at the end, in bytes.
    pub buffer_memory_bytes: u64,
    /// Its peak.
    pub buffer_memory_bytes_peak: u64,
    /// Its limit: the configured one, or what the pool had when the kernel refused more.
    pub buffer_memory_bytes_max: u64,
    /// How often the kernel had no memory for buffers.
    pub buffer_memory_refusals: u64,
    /// CPU time of its thread.
    pub cpu_time: CpuTime,
    /// Why it failed.
    #[serde(deserialize_with = "Option::deserialize")]
    pub error: Option<String>,
}

/// How evenly connections were spread over the reactors. One reactor is always even.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Accepts of the busiest reactor over the mean of all: from 1 (even) to the number of reactors (one took
    /// everything).
    pub accepts_max_over_mean: f64,
    /// Standard deviation of the reactors' accepts over their mean: from 0 (even) to √(reactors − 1). For a
    /// hash, expect √((reactors − 1) / accepts).
    pub accepts_coefficient_of_variation: f64,
}

impl Spread {
    fn of(accepts: &[u64]) -> Option<Spread> {
        let mean = accepts.iter().sum::<u64>() as f64 / accepts.len() as f64;
        let most = *accepts.iter().max()? as f64;
        let variance = accepts.iter().map(|count| (*count as f64 - mean).powi(2)).sum::<f64>() / accepts.len() as f64;
        (most > 0.0).then(|| Spread {
            accepts_max_over_mean: most / mean,
            accepts_coefficient_of_variation: variance.sqrt() / mean,
        })
    }
}

/// The whole server's report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Connections that a drain had to cut off, including those that it could not even accept.
    pub forced_closes: u64,
    /// Who chose the reactor of a new connection.
    pub balance: Balance,
    /// CPU time that each request was made to cost beyond its work; only where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handicap_ns: Option<NonZeroU32>,
    /// How evenly it chose; `None` if no connection came.
    #[serde(deserialize_with = "Option::deserialize")]
    pub spread: Option<Spread>,
    /// Sums over the reactors.
    pub totals: Counters,
    /// Each reactor.
    pub reactors: Vec<ReactorReport>,
}

impl Report {
    pub(crate) fn new(balance: Balance, handicap_ns: Option<NonZeroU32>, mut reactors: Vec<ReactorReport>) -> Report {
        reactors.sort_by_key(|reactor| reactor.index);
        let mut totals = Counters::default();
        reactors.iter().for_each(|reactor| totals.add(&reactor.counters));
        let accepts: Vec<u64> = reactors.iter().map(|reactor| reactor.counters.accepts).collect();
        let forced_closes = totals.closed_for(CloseReason::DrainForced) + totals.queue_resets;
        Report { forced_closes, balance, handicap_ns, spread: Spread::of(&accepts), totals, reactors }
    }

    /// Exit code: 0 drained, 3 closed connections by force, 1 failed.
    pub fn exit_code(&self) -> u8 {
        if self.reactors.iter().any(|reactor| reactor.error.is_some()) {
            1
        } else if self.forced_closes > 0 {
            3
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_goes_from_even_to_everything_on_one() {
        let check = |accepts: &[u64], expected: Option<(f64, f64)>| {
            let found = Spread::of(accepts).map(|s| (s.accepts_max_over_mean, s.accepts_coefficient_of_variation));
            assert_eq!(found, expected, "{accepts:?}");
        };
        check(&[], None);
        check(&[0, 0], None);
        check(&[7], Some((1.0, 0.0)));
        check(&[100, 100, 100, 100], Some((1.0, 0.0)));
        check(&[0, 0, 0, 0, 50], Some((5.0, 2.0)));
        check(&[2, 4, 4, 4, 5, 5, 7, 9], Some((1.8, 0.4)));
    }
}
