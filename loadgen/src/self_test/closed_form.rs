//! The truth about a server that stalls: the response times that evenly arriving requests must have, computed
//! only from the stalls. Uses no measurement.
//!
//! A request intended at `t` within a stall `[a, b)` is served at `b` at the earliest, so it waits for `b −
//! t`. Requests arrive evenly, so the waits of one stall are uniform over `(0, b − a]`, and the stalled share
//! of all requests is (sum of stalls) / window. The server then has a backlog: request number k of a stall is
//! served `k × s` after `b` when one takes `s`, and whatever arrives before the backlog is gone waits as
//! well. With the rate R the wait falls from `b − a` to 0 with the slope `1 − R s` instead of 1: it stays
//! uniform over the same range, and only the share grows, by `1 / (1 − R s)`. `R s` is called utilisation
//! here. The service time of the request itself and the way to the server and back come on top; the caller
//! adds them.

/// Rounds of bisection: enough to halve an hour in ns to below the resolution of an f64.
const ROUNDS: u32 = 80;

/// Waiting times of requests that arrive evenly over a window.
#[derive(Debug, Clone, PartialEq)]
pub struct ClosedForm {
    /// Each stall as the shortest and the longest wait that begins in the window, in ns.
    waits_ns: Vec<(f64, f64)>,
    /// Length of the window over `1 / (1 − utilisation)`.
    effective_window_ns: f64,
}

impl ClosedForm {
    /// The waits due to `stalls` (begin and end in ns) for requests intended within `window`. Parts of a
    /// stall before the window do not count; requests at its end wait for the end of their stall.
    ///
    /// `utilisation` is the share of its time that the server needs for the rate, 0 for a server that answers
    /// a backlog at once. It is capped at 0.99.
    pub fn of(stalls: &[(u64, u64)], window: (u64, u64), utilisation: f64) -> ClosedForm {
        let inside = |(begin, end): &(u64, u64)| {
            let (first, last) = ((*begin).max(window.0), (*end).min(window.1));
            (first < last).then(|| ((end - last) as f64, (end - first) as f64))
        };
        let length_ns = window.1.saturating_sub(window.0).max(1) as f64;
        ClosedForm {
            waits_ns: stalls.iter().filter_map(inside).collect(),
            effective_window_ns: length_ns * (1.0 - utilisation.clamp(0.0, 0.99)),
        }
    }

    /// As [`ClosedForm::of`], for requests that are intended at these moments of the window rather than evenly. Each
    /// stands for an equal share of the window, so that its wait is spread over one such share.
    pub fn of_arrivals(stalls: &[(u64, u64)], arrivals: &[u64], window: (u64, u64), utilisation: f64) -> ClosedForm {
        let even = ClosedForm::of(stalls, window, utilisation);
        let half_ns = window.1.saturating_sub(window.0) as f64 / arrivals.len().max(1) as f64 / 2.0;
        let wait = |arrival: &u64| {
            let (_, end) = stalls.iter().find(|(begin, end)| begin <= arrival && arrival < end)?;
            let wait_ns = (end - arrival) as f64;
            Some((wait_ns - half_ns, wait_ns + half_ns))
        };
        ClosedForm { waits_ns: arrivals.iter().filter_map(wait).collect(), ..even }
    }

    /// The waits due to stalls of these lengths, one per period, over as many whole periods, for a server
    /// that answers a backlog at once.
    pub fn periodic(lengths_ns: &[u64], every_ns: u64) -> ClosedForm {
        let stalls: Vec<(u64, u64)> =
            (0..).zip(lengths_ns).map(|(k, length)| (k * every_ns, k * every_ns + length)).collect();
        ClosedForm::of(&stalls, (0, lengths_ns.len() as u64 * every_ns), 0.0)
    }

    /// The share of requests that wait for longer than `wait_ns`.
    pub fn share_above(&self, wait_ns: f64) -> f64 {
        let sum: f64 = self.waits_ns.iter().map(|(low, high)| (high - wait_ns.max(*low)).max(0.0)).sum();
        (sum / self.effective_window_ns).min(1.0)
    }

    /// The wait at `quantile` (0.99 for p99): the shortest that is exceeded by at most `1 − quantile`.
    pub fn quantile_ns(&self, quantile: f64) -> f64 {
        let above = 1.0 - quantile;
        let (mut low, mut high) = (0.0, self.max_ns());
        if self.share_above(low) <= above {
            return low;
        }
        for _ in 0..ROUNDS {
            let middle = (low + high) / 2.0;
            if self.share_above(middle) > above { low = middle } else { high = middle }
        }
        high
    }

    /// The longest wait.
    pub fn max_ns(&self) -> f64 {
        self.waits_ns.iter().map(|(_, high)| *high).fold(0.0, f64::max)
    }

    /// The mean wait over all requests, those that do not wait included.
    pub fn mean_ns(&self) -> f64 {
        let sum: f64 = self.waits_ns.iter().map(|(low, high)| (high * high - low * low) / 2.0).sum();
        sum / self.effective_window_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// 100 ms in every second, as in talks about coordinated omission.
    #[test]
    fn the_classic_case() {
        let stalls: Vec<(u64, u64)> = (0..10).map(|k| ((k * 1000 + 400) * MS, (k * 1000 + 500) * MS)).collect();
        let form = ClosedForm::of(&stalls, (0, 10_000 * MS), 0.0);
        assert_eq!(form, ClosedForm::periodic(&[100 * MS; 10], 1000 * MS), "only lengths matter");
        for (quantile, expected_ms) in
            [(0.5, 0.0), (0.9, 0.0), (0.95, 50.0), (0.99, 90.0), (0.999, 99.0), (0.9999, 99.9), (1.0, 100.0)]
        {
            let found_ms = form.quantile_ns(quantile) / 1e6;
            assert!((found_ms - expected_ms).abs() < 1e-6, "p{quantile}: {found_ms}");
        }
        assert!((form.share_above(0.0) - 0.1).abs() < 1e-12);
        assert!((form.share_above(50e6) - 0.05).abs() < 1e-12);
        assert!((form.mean_ns() / 1e6 - 5.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_waits_without_a_stall() {
        for form in [ClosedForm::of(&[], (0, MS), 0.5), ClosedForm::of(&[(5, 9)], (9, 20), 0.0)] {
            assert_eq!((form.quantile_ns(0.999), form.max_ns(), form.mean_ns()), (0.0, 0.0, 0.0));
        }
        assert_eq!(ClosedForm::of(&[(0, 9)], (5, 5), 0.0).quantile_ns(1.0), 0.0, "an empty window");
    }

    /// What is listed evenly has the waits of what arrives evenly; what is bunched has those of its bunch.
    #[test]
    fn listed_arrivals_have_their_own_waits() {
        let stalls: Vec<(u64, u64)> = (0..10).map(|k| ((k * 1000 + 400) * MS, (k * 1000 + 500) * MS)).collect();
        let window = (0, 10_000 * MS);
        let even: Vec<u64> = (0..20_001).map(|number| number * window.1 / 20_001).collect();
        let (form, listed) =
            (ClosedForm::of(&stalls, window, 0.1), ClosedForm::of_arrivals(&stalls, &even, window, 0.1));
        for quantile in [0.5, 0.9, 0.95, 0.99, 0.999] {
            let (found, expected) = (listed.quantile_ns(quantile), form.quantile_ns(quantile));
            assert!((found - expected).abs() < 0.5e6, "p{quantile}: {found} instead of {expected}");
        }
        assert!((listed.mean_ns() / form.mean_ns() - 1.0).abs() < 0.005, "{} {}", listed.mean_ns(), form.mean_ns());
        assert!((listed.max_ns() - 100e6).abs() < 0.5e6, "{}", listed.max_ns());
        // Half of all requests 30 ms before the end of a stall, the others outside of any.
        let bunched: Vec<u64> = (0..1000).map(|number| (number % 10 * 1000 + number % 2 * 470) * MS).collect();
        let listed = ClosedForm::of_arrivals(&stalls, &bunched, window, 0.0);
        assert!((listed.share_above(20e6) - 0.5).abs() < 1e-9 && listed.share_above(40e6) == 0.0);
        assert!((listed.mean_ns() - 15e6).abs() < 1.0, "{}", listed.mean_ns());
        assert_eq!(ClosedForm::of_arrivals(&stalls, &[], window, 0.0).max_ns(), 0.0);
    }

    /// A queue with one server, simulated request by request: the waits before service, sorted.
    fn simulated(stalls: &[(u64, u64)], window: (u64, u64), gap_ns: f64, service_ns: f64) -> Vec<f64> {
        let (mut free_at, mut waits) = (0.0f64, Vec::new());
        // Start long before the window, because its beginning may lie within a stall.
        let first = (window.0 as f64 / gap_ns) as u64;
        for number in first / 2.. {
            let arrival = number as f64 * gap_ns;
            if arrival >= window.1 as f64 {
                break;
            }
            let mut start = arrival.max(free_at);
            while let Some((_, end)) = stalls.iter().find(|(begin, end)| *begin as f64 <= start && start < *end as f64)
            {
                start = *end as f64;
            }
            free_at = start + service_ns;
            if arrival >= window.0 as f64 {
                waits.push(start - arrival);
            }
        }
        waits.sort_by(f64::total_cmp);
        waits
    }

    #[test]
    fn it_agrees_with_a_simulation() {
        let even: Vec<(u64, u64)> = (0..20).map(|k| ((k * 1000 + 400) * MS, (k * 1000 + 500) * MS)).collect();
        // Lengths of 60, 70 … 150 ms at uneven distances.
        let uneven: Vec<(u64, u64)> =
            (0..10).map(|k| ((k * 1130 + 300) * MS, (k * 1130 + 360 + k * 10) * MS)).collect();
        let middle = (3000 * MS, 11_000 * MS);
        for (name, stalls, window, utilisation) in [
            ("even", &even, (1000 * MS, 11_000 * MS), 0.0),
            ("even, slow to catch up", &even, (1000 * MS, 11_000 * MS), 0.05),
            ("even, very slow to catch up", &even, (1000 * MS, 11_000 * MS), 0.5),
            ("uneven", &uneven, middle, 0.0),
            ("uneven, slow to catch up", &uneven, middle, 0.1),
            ("the window begins in a stall", &even, (1450 * MS, 11_450 * MS), 0.0),
            ("the window ends in a stall", &even, (1420 * MS, 10_450 * MS), 0.0),
        ] {
            // The gap must not divide the period, or every stall would see the same few waits.
            let gap_ns = 100_003.0;
            let form = ClosedForm::of(stalls, window, utilisation);
            let waits = simulated(stalls, window, gap_ns, gap_ns * utilisation);
            let close = |what: &str, found: f64, expected: f64, tolerance: f64| {
                assert!((found - expected).abs() <= tolerance, "{name}: {what}: {found} instead of {expected}");
            };
            for quantile in [0.5, 0.85, 0.9, 0.93, 0.95, 0.97, 0.99, 0.995, 0.999] {
                let rank = (quantile * waits.len() as f64).ceil() as usize - 1;
                // A handful of gaps: where a stall begins between two arrivals is chance.
                close(&format!("p{quantile}"), waits[rank], form.quantile_ns(quantile), 12.0 * gap_ns);
            }
            close("max", waits[waits.len() - 1], form.max_ns(), 2.0 * gap_ns);
            let mean = waits.iter().sum::<f64>() / waits.len() as f64;
            close("mean", mean, form.mean_ns(), form.mean_ns() * 0.005);
            for wait_ms in [0.0, 20.0, 50.0, 80.0] {
                let count = waits.iter().filter(|wait| **wait > wait_ms * 1e6).count();
                let share = count as f64 / waits.len() as f64;
                close(&format!("share above {wait_ms} ms"), share, form.share_above(wait_ms * 1e6), 0.001);
            }
        }
    }
}
