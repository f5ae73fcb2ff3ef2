//! A retry budget for all clients of a worker: a bucket of tokens, one for each further attempt.
//!
//! Without one, retries multiply the load on a server that can bear least. Google's clients stop at 10 % of their
//! requests (Site Reliability Engineering, chapter 21, "Handling overload"); Finagle's `RetryBudget` has 20 %, at least
//! 10 retries a second, and forgets what was paid in after 10 s. Both count on new requests, which need no token and end
//! an outage. A client that lost its connection has none: so each gets the token of a new request every 10 s.

/// Tokens that come in every second at least.
const REFILL_PER_SECOND_MIN: f64 = 10.0;
/// Each client's token comes in this often. With 10 a second for all of a worker, of 4,000 clients on two workers 23 a
/// second came back to a server that was well again (measured 2026-11-30).
const REFILL_SECONDS: f64 = 10.0;

/// The tokens of a worker.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    /// Paid in for each first attempt and each success.
    payment: f64,
    refill_per_second: f64,
    tokens: f64,
    /// The reserve, and one payment for each client: what a loss of all of them pays in.
    tokens_max: f64,
    refilled_at_ns: u64,
}

impl Budget {
    pub(super) fn new(percent: f64, clients: u32, now_ns: u64) -> Budget {
        let payment = percent / 100.0;
        let refill_per_second = (f64::from(clients) / REFILL_SECONDS).max(REFILL_PER_SECOND_MIN);
        // The reserve, with which it begins, is what comes in within a second.
        let tokens_max = refill_per_second + payment * f64::from(clients);
        Budget { payment, refill_per_second, tokens: refill_per_second, tokens_max, refilled_at_ns: now_ns }
    }

    fn add(&mut self, tokens: f64) {
        self.tokens = (self.tokens + tokens).min(self.tokens_max);
    }

    pub(super) fn pay_in(&mut self) {
        self.add(self.payment);
    }

    /// Whether there is a token.
    pub(super) fn has_token(&mut self, now_ns: u64) -> bool {
        let elapsed_ns = now_ns.saturating_sub(self.refilled_at_ns);
        self.refilled_at_ns = self.refilled_at_ns.max(now_ns);
        self.add(elapsed_ns as f64 / 1e9 * self.refill_per_second);
        self.tokens >= 1.0
    }

    pub(super) fn take(&mut self) {
        self.tokens -= 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use random::Random;

    const SECOND: u64 = 1_000_000_000;

    /// Tokens that can be taken now.
    fn drain(budget: &mut Budget, now_ns: u64) -> u32 {
        let mut count = 0;
        while budget.has_token(now_ns) {
            budget.take();
            count += 1;
        }
        count
    }

    #[test]
    fn tokens_are_paid_in_taken_and_refilled() {
        let mut budget = Budget::new(25.0, 1000, 5 * SECOND);
        assert_eq!(drain(&mut budget, 5 * SECOND), 100, "the reserve");
        (0..100).for_each(|_| budget.pay_in());
        assert_eq!(drain(&mut budget, 5 * SECOND), 25, "a quarter of what was paid for");
        assert_eq!(drain(&mut budget, 7 * SECOND), 200, "one for each client every ten seconds");
        assert_eq!(drain(&mut budget, 6 * SECOND), 0, "time does not go back");
        assert_eq!(drain(&mut budget, 1000 * SECOND), 350, "the bucket is full: the reserve, and a quarter of 1,000");
    }

    #[test]
    fn nothing_paid_in_still_refills() {
        let mut budget = Budget::new(0.0, 7, 0);
        assert_eq!(drain(&mut budget, 0), 10);
        (0..100).for_each(|_| budget.pay_in());
        assert_eq!((drain(&mut budget, 0), drain(&mut budget, SECOND)), (0, 10));
    }

    /// Many small payments in any order do not add up to more than they are.
    #[test]
    fn the_order_of_payments_does_not_matter() {
        let mut random = Random::new(1);
        let mut budget = Budget::new(10.0, 100_000, 0);
        drain(&mut budget, 0);
        let (mut paid, mut taken) = (0_u32, 0_u32);
        for _ in 0..100_000 {
            if random.one_in(2) {
                budget.pay_in();
                paid += 1;
            } else if budget.has_token(0) {
                budget.take();
                taken += 1;
            }
        }
        taken += drain(&mut budget, 0);
        assert!((f64::from(taken) - f64::from(paid) / 10.0).abs() <= 1.0, "{taken} of {paid}");
    }
}
