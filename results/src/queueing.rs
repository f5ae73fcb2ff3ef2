//! What queueing theory foretells of one server whose customers come at random (M/G/1, first come first served): how long
//! they wait, given how long each is served.
//!
//! The mean wait is the formula of Pollaczek and Khinchine. The distribution of the wait is that of a sum of residual
//! service times, as many as a geometric variable says (Beneš 1957). On a lattice that sum obeys a recursion (Panjer
//! 1981), which is exact but for the width of the lattice; unlike a simulation it has no noise, and it needs no transform
//! to be inverted where service times are a few points and the transform oscillates.

/// Points of the lattice within the longest service time.
const STEPS: usize = 2000;
/// Longest wait that is looked for, in longest service times. Whoever waits longer has a queue that hardly ever empties.
const SERVICES_MAX: usize = 100;

/// One server, and customers who come at random.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    arrivals_per_s: f64,
    services: Vec<Service>,
}

/// A length of service, and how often it is that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Service {
    /// Its length.
    pub seconds: f64,
    /// The share of customers with it; all shares make 1.
    pub share: f64,
}

impl Queue {
    /// A queue of customers of these kinds: how many of each come per second, and how long each is served. `None` if none
    /// comes, a number makes no sense, or more work comes than the server can do.
    pub fn of_kinds(kinds: &[(f64, f64)]) -> Option<Queue> {
        let arrivals_per_s: f64 = kinds.iter().map(|(per_s, _)| per_s).sum();
        let is_sound =
            |(per_s, seconds): &(f64, f64)| per_s.is_finite() && *per_s >= 0.0 && seconds.is_finite() && *seconds > 0.0;
        if arrivals_per_s <= 0.0 || !kinds.iter().all(is_sound) {
            return None;
        }
        let services = kinds.iter().map(|&(per_s, seconds)| Service { seconds, share: per_s / arrivals_per_s });
        let queue = Queue { arrivals_per_s, services: services.collect() };
        (queue.utilisation() < 1.0).then_some(queue)
    }

    /// The mean of a function of the length of service.
    fn mean(&self, of: impl Fn(f64) -> f64) -> f64 {
        self.services.iter().map(|service| service.share * of(service.seconds)).sum()
    }

    /// The share of the time that the server is busy.
    pub fn utilisation(&self) -> f64 {
        self.arrivals_per_s * self.mean(|seconds| seconds)
    }

    /// The mean time that customers wait before they are served.
    pub fn mean_wait_s(&self) -> f64 {
        self.arrivals_per_s * self.mean(|seconds| seconds * seconds) / (2.0 * (1.0 - self.utilisation()))
    }

    /// The time that this share of the customers waits at most. `None` where that takes more than a hundred of the longest
    /// service times, or the share is not below 1.
    pub fn wait_s(&self, share: f64) -> Option<f64> {
        let longest = self.services.iter().map(|service| service.seconds).fold(0.0, f64::max);
        let (width, busy) = (longest / STEPS as f64, self.utilisation());
        // How much of the residual service time falls to each point of the lattice: what lies within half a step of it.
        let residual = |until: f64| self.mean(|seconds| seconds.min(until)) / self.mean(|seconds| seconds);
        let point = |index: usize| {
            let from = if index == 0 { 0.0 } else { residual((index as f64 - 0.5) * width) };
            residual((index as f64 + 0.5) * width) - from
        };
        let points: Vec<f64> = (0..=STEPS).map(point).collect();
        let scale = 1.0 / (1.0 - busy * points[0]);
        let mut waits = vec![(1.0 - busy) * scale];
        let mut below = waits[0];
        while below < share {
            let index = waits.len();
            if index > STEPS * SERVICES_MAX {
                return None;
            }
            let reach = index.min(STEPS);
            let sum: f64 = points[1..=reach].iter().zip(waits.iter().rev()).map(|(point, wait)| point * wait).sum();
            let wait = busy * scale * sum;
            below += wait;
            waits.push(wait);
        }
        (share < 1.0).then_some((waits.len() - 1) as f64 * width)
    }
}

/// What servers can do together at most, per second (Little's law at the knee, where none of them is idle).
pub fn capacity_per_s(servers: u32, mean_service_s: f64) -> Option<f64> {
    Some(f64::from(servers) / mean_service_s).filter(|capacity| capacity.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use random::Random;

    fn check(what: &str, found: f64, expected: f64, tolerance: f64) {
        assert!((found / expected - 1.0).abs() <= tolerance, "{what}: {found}, but expected {expected}");
    }

    /// Erlang's formula for M/D/1: the share of customers that wait for at most `wait` services.
    fn erlang(busy: f64, wait: f64) -> f64 {
        let term = |count: u32| {
            let left = busy * (wait - f64::from(count));
            let factorial: f64 = (1..=count).map(f64::from).product();
            left.exp() * (-left).powi(count as i32) / factorial
        };
        (1.0 - busy) * (0..=wait as u32).map(term).sum::<f64>()
    }

    #[test]
    fn equal_services_wait_as_erlang_says() {
        for busy in [0.1, 0.5, 0.8] {
            let queue = Queue::of_kinds(&[(busy * 100.0, 0.01)]).expect("it keeps up");
            check("mean", queue.mean_wait_s(), busy * 0.01 / (2.0 * (1.0 - busy)), 1e-9);
            for share in [0.95, 0.99, 0.999] {
                let wait = queue.wait_s(share).expect("it is found");
                let found = erlang(busy, wait / 0.01);
                assert!((found - share).abs() < 2e-3 * (1.0 - share).max(0.1), "{busy}, {share}: {found} at {wait}");
            }
            assert_eq!(queue.wait_s((1.0 - busy) * 0.9), Some(0.0), "that many find nobody there");
        }
    }

    /// Exponential services, cut into pieces of the same share, each at its mean.
    #[test]
    fn exponential_services_wait_as_the_closed_form_says() {
        const PIECES: u32 = 1000;
        let edge = |piece: u32| {
            let left = 1.0 - f64::from(piece) / f64::from(PIECES);
            // The integral of x·e^-x up to where so much is left.
            if left == 0.0 { 1.0 } else { 1.0 - left * (1.0 - left.ln()) }
        };
        for busy in [0.3_f64, 0.7] {
            let per_s = busy * 100.0 / f64::from(PIECES);
            let piece = |piece: u32| (per_s, 0.01 * (edge(piece + 1) - edge(piece)) * f64::from(PIECES));
            let kinds: Vec<(f64, f64)> = (0..PIECES).map(piece).collect();
            let queue = Queue::of_kinds(&kinds).expect("it keeps up");
            check("busy", queue.utilisation(), busy, 1e-6);
            check("mean", queue.mean_wait_s(), busy * 0.01 / (1.0 - busy), 0.01);
            for share in [0.9, 0.99] {
                let expected = (busy / (1.0 - share)).ln() * 0.01 / (1.0 - busy);
                check("quantile", queue.wait_s(share).expect("it is found"), expected, 0.02);
            }
        }
    }

    /// Two lengths, far apart: against Lindley's recursion, which plays the queue customer by customer.
    #[test]
    fn two_lengths_wait_as_a_played_queue_does() {
        let (short, long) = ((4000.0, 0.000_02), (40.0, 0.005));
        let queue = Queue::of_kinds(&[short, long]).expect("it keeps up");
        let mut random = Random::new(7);
        let (mut wait, mut waits) = (0.0_f64, Vec::new());
        for _ in 0..2_000_000 {
            waits.push(wait);
            let service = if random.uniform() < long.0 / (short.0 + long.0) { long.1 } else { short.1 };
            let gap = -(1.0 - random.uniform()).ln() / (short.0 + long.0);
            wait = (wait + service - gap).max(0.0);
        }
        check("mean", waits.iter().sum::<f64>() / waits.len() as f64, queue.mean_wait_s(), 0.03);
        waits.sort_by(f64::total_cmp);
        for share in [0.9, 0.99, 0.999] {
            let played = waits[(share * waits.len() as f64) as usize];
            check("quantile", queue.wait_s(share).expect("it is found"), played, 0.03);
        }
    }

    #[test]
    fn what_makes_no_sense_foretells_nothing() {
        for kinds in
            [&[][..], &[(0.0, 1.0)], &[(1.0, 1.0)], &[(-1.0, 0.1), (2.0, 0.1)], &[(1.0, 0.0)], &[(1.0, f64::NAN)]]
        {
            assert_eq!(Queue::of_kinds(kinds), None, "{kinds:?}");
        }
        let full = Queue::of_kinds(&[(0.9999, 1.0)]).expect("just");
        assert_eq!((full.wait_s(0.9999), full.wait_s(1.0)), (None, None));
        assert_eq!(capacity_per_s(4, 0.002), Some(2000.0));
        assert_eq!(capacity_per_s(4, 0.0), None);
    }
}
