//! A reconnect policy as data, and the limits of its values. Reads no text and draws no delay.

use crate::LoadError;
use std::time::Duration;

/// Shortest and longest time of a policy. Below a millisecond the turns of a worker show; a client keeps its last
/// delay in 32 bits of µs, and the histogram of outages ends at an hour.
const TIME_MIN: Duration = Duration::from_millis(1);
const TIME_MAX: Duration = Duration::from_secs(3600);
/// Retries for each loss, in percent, beyond which a budget limits nothing: ten for each.
const BUDGET_PERCENT_MAX: f64 = 1000.0;

/// How the delay before an attempt is chosen. `v` is min(cap, base · 2ⁿ), where n counts the delays since the loss from
/// 0, and U(a, b) is drawn evenly from a to b. The formulas are those of the AWS Architecture Blog, "Exponential
/// backoff and jitter" (2015).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delay {
    /// None.
    Immediate,
    /// Always base.
    Fixed,
    /// v.
    Exponential,
    /// v/2 + U(0, v/2).
    EqualJitter,
    /// U(0, v).
    FullJitter,
    /// U(base, 3 · the last delay), or U(base, cap) where that would reach cap: cut off at cap, as it was published,
    /// clients would fall in step there.
    Decorrelated,
}

impl Delay {
    /// Every one, in the order of help and documents.
    pub const ALL: [Delay; 6] = [
        Delay::Immediate,
        Delay::Fixed,
        Delay::Exponential,
        Delay::EqualJitter,
        Delay::FullJitter,
        Delay::Decorrelated,
    ];

    /// The name in flags and records.
    pub const fn name(self) -> &'static str {
        match self {
            Delay::Immediate => "immediate",
            Delay::Fixed => "fixed",
            Delay::Exponential => "exponential",
            Delay::EqualJitter => "equal-jitter",
            Delay::FullJitter => "full-jitter",
            Delay::Decorrelated => "decorrelated",
        }
    }

    /// Whether delays grow from base to cap.
    pub(super) const fn grows(self) -> bool {
        !matches!(self, Delay::Immediate | Delay::Fixed)
    }
}

/// When a circuit breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRule {
    /// Failed attempts in a row, over all clients, that open it.
    pub failures: u32,
    /// How long nobody tries then; the policy's cap if absent.
    pub open: Option<Duration>,
}

/// How clients that lost their connection come back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// The delay before an attempt.
    pub delay: Delay,
    /// The first delay, or the least.
    pub base: Duration,
    /// The longest delay.
    pub cap: Duration,
    /// The first attempt after a loss waits U(0, spread) more.
    pub spread: Duration,
    /// Further attempts allowed for each loss and each success, in percent; no limit if absent.
    pub budget_percent: Option<f64>,
    /// The circuit breaker, if there is one.
    pub breaker: Option<BreakerRule>,
    /// Whether a client that was refused waits as long as the server asks for (Retry-After), and up to as long again.
    pub honours_hint: bool,
}

impl Policy {
    /// Delays of this kind from 100 ms to 10 s, without spread, budget or breaker.
    pub const fn new(delay: Delay) -> Policy {
        Policy {
            delay,
            base: Duration::from_millis(100),
            cap: Duration::from_secs(10),
            spread: Duration::ZERO,
            budget_percent: None,
            breaker: None,
            honours_hint: false,
        }
    }

    /// How long the breaker stays open.
    pub(super) fn open(&self) -> Duration {
        self.breaker.and_then(|rule| rule.open).unwrap_or(self.cap)
    }

    /// Whether base changes anything: what is put off waits at least so long.
    pub(super) fn uses_base(&self) -> bool {
        self.delay != Delay::Immediate || self.budget_percent.is_some() || self.breaker.is_some()
    }

    /// Whether cap changes anything.
    pub(super) fn uses_cap(&self) -> bool {
        self.delay.grows() || self.breaker.is_some_and(|rule| rule.open.is_none())
    }

    /// Refuses values that make no policy.
    ///
    /// # Errors
    /// [`LoadError::Usage`] naming the key.
    pub fn check(&self) -> Result<(), LoadError> {
        let usage =
            |message: String| Err(LoadError::Usage(format!("reconnect policy {}: {message}", self.delay.name())));
        for (key, time) in [("base", self.base), ("cap", self.cap), ("open", self.open())] {
            if !(TIME_MIN..=TIME_MAX).contains(&time) {
                return usage(format!("{key} {time:?} must be between 1ms and 1h"));
            }
        }
        if self.spread > TIME_MAX {
            return usage(format!("spread {:?} must be 1h at most", self.spread));
        }
        if self.delay.grows() && self.base > self.cap {
            return usage(format!("base {:?} is longer than cap {:?}", self.base, self.cap));
        }
        match (self.budget_percent, self.breaker) {
            (Some(percent), _) if !(0.0..=BUDGET_PERCENT_MAX).contains(&percent) => {
                usage(format!("budget {percent}% must be between 0% and {BUDGET_PERCENT_MAX}%"))
            }
            (_, Some(rule)) if rule.failures == 0 => {
                usage("breaker must be at least 1: the failures in a row that open it".into())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_make_no_policy_are_refused() {
        let good = Policy::new(Delay::FullJitter);
        let breaker = |failures, open| Some(BreakerRule { failures, open });
        let (long, short) = (Duration::from_secs(3601), Duration::from_micros(999));
        for delay in Delay::ALL {
            Policy::new(delay).check().unwrap();
        }
        // It has no use for a cap.
        Policy { base: Duration::from_secs(20), delay: Delay::Fixed, ..good }.check().unwrap();
        for (word, policy) in [
            ("base", Policy { base: Duration::ZERO, ..good }),
            ("base", Policy { base: short, ..good }),
            ("base", Policy { base: Duration::from_secs(11), ..good }),
            ("cap", Policy { cap: long, ..good }),
            ("spread", Policy { spread: long, ..good }),
            ("budget", Policy { budget_percent: Some(-1.0), ..good }),
            ("budget", Policy { budget_percent: Some(f64::NAN), ..good }),
            ("budget", Policy { budget_percent: Some(1001.0), ..good }),
            ("breaker", Policy { breaker: breaker(0, None), ..good }),
            ("open", Policy { breaker: breaker(1, Some(long)), ..good }),
        ] {
            let error = policy.check().unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(&format!("full-jitter: {word}")), "{error}");
        }
    }
}
