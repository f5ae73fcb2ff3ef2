//! A circuit breaker for all clients of a worker: after some failures in a row nobody tries for a while, then one
//! client probes (M. Nygard, "Release It!", 2007).

use super::policy::Policy;
use sys::clock::duration_ns;

/// What a breaker lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Everybody. So many failures came in a row.
    Closed { failures: u32 },
    /// Nobody.
    Open { until_ns: u64 },
    /// One client is under way. If nothing has come of that by then, another may go.
    HalfOpen { until_ns: u64 },
}

/// The breaker of a worker.
#[derive(Debug, Clone)]
pub(super) struct Breaker {
    failures_max: u32,
    open_ns: u64,
    state: State,
    /// How often it has opened.
    pub(super) opened: u64,
}

impl Breaker {
    /// The breaker of a policy that has one.
    pub(super) fn of(policy: &Policy) -> Option<Breaker> {
        let failures_max = policy.breaker?.failures;
        Some(Breaker {
            failures_max,
            open_ns: duration_ns(policy.open()),
            state: State::Closed { failures: 0 },
            opened: 0,
        })
    }

    /// Lets a client through, or says until when it is shut. Who is let through while it is open is the probe.
    pub(super) fn ask(&mut self, now_ns: u64) -> Result<(), u64> {
        match self.state {
            State::Closed { .. } => Ok(()),
            State::Open { until_ns } if now_ns < until_ns => Err(until_ns),
            // The outcome of a probe is not known before it is there.
            State::HalfOpen { until_ns } if now_ns < until_ns => Err(now_ns),
            State::Open { .. } | State::HalfOpen { .. } => {
                self.state = State::HalfOpen { until_ns: now_ns + self.open_ns };
                Ok(())
            }
        }
    }

    /// An attempt failed. Failures of those that were under way when it opened are no news.
    pub(super) fn fail(&mut self, now_ns: u64) {
        let opens = match &mut self.state {
            State::Closed { failures } => {
                *failures += 1;
                *failures >= self.failures_max
            }
            State::HalfOpen { .. } => true,
            State::Open { .. } => false,
        };
        if opens {
            self.state = State::Open { until_ns: now_ns + self.open_ns };
            self.opened += 1;
        }
    }

    /// A client is served: the server is well, whoever found out.
    pub(super) fn succeed(&mut self) {
        self.state = State::Closed { failures: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconnect::policy::{BreakerRule, Delay};
    use std::time::Duration;

    /// Three failures open it for 100 ns.
    fn breaker() -> Breaker {
        let rule = BreakerRule { failures: 3, open: Some(Duration::from_nanos(100)) };
        Breaker::of(&Policy { breaker: Some(rule), ..Policy::new(Delay::Fixed) }).unwrap()
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_does_not() {
        let mut breaker = breaker();
        breaker.fail(0);
        breaker.fail(0);
        breaker.succeed();
        breaker.fail(0);
        breaker.fail(0);
        assert_eq!((breaker.ask(1), breaker.opened), (Ok(()), 0));
        breaker.fail(5);
        assert_eq!((breaker.ask(6), breaker.opened), (Err(105), 1));
        breaker.fail(50);
        assert_eq!((breaker.ask(104), breaker.opened), (Err(105), 1), "one that was under way is no news");
    }

    #[test]
    fn one_client_probes_and_its_fate_decides() {
        let mut breaker = breaker();
        (0..3).for_each(|_| breaker.fail(0));
        assert_eq!((breaker.ask(100), breaker.ask(101)), (Ok(()), Err(101)), "only one");
        breaker.fail(110);
        assert_eq!((breaker.ask(209), breaker.opened), (Err(210), 2), "open again");
        assert_eq!((breaker.ask(210), breaker.ask(210)), (Ok(()), Err(210)));
        breaker.succeed();
        assert_eq!((breaker.ask(211), breaker.ask(211), breaker.opened), (Ok(()), Ok(()), 2));
    }

    /// A probe whose client never tells must not shut all others out for ever.
    #[test]
    fn a_probe_without_outcome_is_followed_by_another() {
        let mut breaker = breaker();
        (0..3).for_each(|_| breaker.fail(0));
        assert_eq!((breaker.ask(100), breaker.ask(199)), (Ok(()), Err(199)));
        assert_eq!((breaker.ask(200), breaker.ask(201)), (Ok(()), Err(201)));
    }

    #[test]
    fn it_stays_open_for_cap_unless_told_otherwise() {
        let rule = |open| Policy { breaker: Some(BreakerRule { failures: 1, open }), ..Policy::new(Delay::Immediate) };
        for (open, expected_ns) in [(None, 10_000_000_000), (Some(Duration::from_millis(5)), 5_000_000)] {
            let mut breaker = Breaker::of(&rule(open)).unwrap();
            breaker.fail(1);
            assert_eq!(breaker.ask(1), Err(1 + expected_ns));
        }
        assert!(Breaker::of(&Policy::new(Delay::Immediate)).is_none());
    }
}
