//! A known cost for each request, planted on purpose: the positive control of an experiment. A comparison that
//! does not find a difference of this size would not find a real one either. Or a cost for the first request of each
//! connection, which stands for the work of a login.
//!
//! It knows neither clock nor connections while the server serves; the shard says how many requests there were.

use std::hint::black_box;
use std::num::NonZeroU32;

/// Iterations of one timed round: about 0.2 ms, next to which the two readings of the clock are nothing, and
/// short enough for some rounds to pass without an interruption.
const ITERATIONS_PER_ROUND: u64 = 1 << 17;
/// Timed rounds. Together they take less than 10 ms, in which a CPU that idled reaches its usual frequency.
const ROUNDS: u32 = 32;
/// Less than this is not burned but saved up. A burn takes about 10 ns beyond its iterations, because the processor
/// seldom predicts the end of a loop. Next to 15 ns for one request that is much, next to these one or two
/// microseconds a hundredth. With it 15 ns took 18.6 at one request a turn, of which the accounting is the rest,
/// and 15.5 at sixteen (2026-11-29, unoptimised build).
const ITERATIONS_PER_BURN_MIN: f64 = 1024.0;

/// Burns CPU time for requests.
///
/// Time is burned by counting, not by looking at a clock: reading the thread's CPU clock takes a system call,
/// which is longer than what is to be planted, and would add to the very counters that are compared. Nor by a
/// pause instruction, whose length differs tenfold between processors. Like any work, the loop takes longer at a
/// lower frequency than at that of the calibration.
#[derive(Debug)]
pub(crate) struct Handicap {
    iterations_per_request: f64,
    /// What is saved up, fractions included.
    iterations_owed: f64,
    /// Requests that are accounted for.
    requests: u64,
}

impl Handicap {
    /// A handicap of `ns_per_request` on the CPU of the calling thread.
    ///
    /// The loop is timed by the thread's CPU clock, and the fastest round counts. Interruptions and cold caches
    /// only make a round slower, so the minimum is not moved by them.
    pub(crate) fn calibrate(ns_per_request: NonZeroU32) -> Handicap {
        let round_ns = || {
            let start = sys::clock::thread_cpu_ns();
            burn(ITERATIONS_PER_ROUND);
            sys::clock::thread_cpu_ns() - start
        };
        let fastest_ns = (0..ROUNDS).map(|_| round_ns()).fold(u64::MAX, u64::min).max(1);
        let iterations_per_ns = ITERATIONS_PER_ROUND as f64 / fastest_ns as f64;
        Handicap {
            iterations_per_request: f64::from(ns_per_request.get()) * iterations_per_ns,
            iterations_owed: 0.0,
            requests: 0,
        }
    }

    /// Burns what the requests since the last call cost; `requests` counts those from the start.
    #[cold]
    pub(crate) fn pay(&mut self, requests: u64) {
        let iterations = self.due(requests);
        if iterations > 0 {
            burn(iterations);
        }
    }

    /// The iterations to burn now.
    fn due(&mut self, requests: u64) -> u64 {
        self.iterations_owed += (requests - self.requests) as f64 * self.iterations_per_request;
        self.requests = requests;
        if self.iterations_owed < ITERATIONS_PER_BURN_MIN {
            return 0;
        }
        let due = self.iterations_owed.trunc();
        self.iterations_owed -= due;
        due as u64
    }
}

/// A chain in which every step needs the one before, so neither the compiler nor the processor does two at once,
/// and a neighbour on the same core loses next to nothing. Not inlined: what is timed is what is used.
#[inline(never)]
fn burn(iterations: u64) {
    // The finaliser of SplitMix64 (Steele, Lea, Flood 2014), one step of it. Both operations are bijections.
    let mut value = black_box(0x9E37_79B9_7F4A_7C15_u64);
    for _ in 0..iterations {
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    black_box(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(iterations_per_request: f64) -> Handicap {
        Handicap { iterations_per_request, iterations_owed: 0.0, requests: 0 }
    }

    #[test]
    fn every_request_is_paid_once_and_fractions_add_up() {
        let mut handicap = of(1500.75);
        assert_eq!([1, 2, 3, 4, 4, 104].map(|requests| handicap.due(requests)), [1500, 1501, 1501, 1501, 0, 150_075]);
        assert_eq!(of(f64::from(u32::MAX)).due(u64::MAX), u64::MAX, "no overflow");
    }

    #[test]
    fn little_is_saved_up_until_it_is_worth_a_burn() {
        let mut handicap = of(100.25);
        let due: Vec<u64> = (1..=22).map(|requests| handicap.due(requests)).filter(|due| *due > 0).collect();
        assert_eq!(due, [1102, 1103], "after 11 and 22 requests");
    }

    /// What `batches` of `requests` each take, over what they should: the nearest of several rounds.
    fn ratio(ns_per_request: u32, requests: u64, batches: u64) -> f64 {
        let mut handicap = Handicap::calibrate(NonZeroU32::new(ns_per_request).expect("not zero"));
        let planted_ns = (u64::from(ns_per_request) * requests * batches) as f64;
        let mut total = 0;
        let mut round = || {
            let start = sys::clock::thread_cpu_ns();
            for _ in 0..batches {
                total += requests;
                handicap.pay(total);
            }
            (sys::clock::thread_cpu_ns() - start) as f64 / planted_ns
        };
        (0..20)
            .map(|_| round())
            .fold(f64::INFINITY, |best, ratio| if ratio.ln().abs() < best.ln().abs() { ratio } else { best })
    }

    #[test]
    fn what_is_planted_is_burned() {
        for (ns_per_request, requests, batches) in [(15, 16, 4000), (15, 1, 20_000), (1000, 1, 500), (100_000, 5, 2)] {
            let ratio = ratio(ns_per_request, requests, batches);
            assert!((0.5..3.0).contains(&ratio), "{requests} requests of {ns_per_request} ns took {ratio} of it");
        }
    }
}
