//! Decides when each of a worker's clients tries again. The caller tells what happened and what time it is.

use super::backoff::{Backoff, between};
use super::breaker::Breaker;
use super::budget::Budget;
use super::policy::{Delay, Policy};
use random::Random;
use sys::clock::duration_ns;

/// What holds an attempt back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The retry budget is used up.
    Budget,
    /// The circuit breaker is open, or another client is probing.
    Breaker,
}

/// Whether a client whose delay has passed may try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It tries now.
    Go,
    /// It waits once more.
    PutOff {
        /// Why.
        by: Limit,
        /// How long, in ns.
        delay_ns: u64,
    },
}

/// A policy at work for the clients of one worker. An attempt fails when its connect does, or when its connection ends
/// before a good reply; a client is served when it has one. Between two calls for a client lies either a wait or an
/// attempt.
#[derive(Debug, Clone)]
pub struct Retries {
    policy: Policy,
    random: Random,
    budget: Option<Budget>,
    breaker: Option<Breaker>,
}

impl Retries {
    /// For so many clients that share a budget and a breaker. The same seed and the same calls give the same delays.
    pub fn new(policy: Policy, clients: u32, seed: u64, now_ns: u64) -> Retries {
        Retries {
            policy,
            random: Random::new(seed),
            budget: policy.budget_percent.map(|percent| Budget::new(percent, clients, now_ns)),
            breaker: Breaker::of(&policy),
        }
    }

    /// A client that was served has lost its connection: how long it waits, in ns.
    pub fn on_loss(&mut self, client: &mut Backoff) -> u64 {
        *client = Backoff::default();
        let spread_ns = between(&mut self.random, 0, duration_ns(self.policy.spread));
        spread_ns + client.draw(&self.policy, &mut self.random)
    }

    /// A client's attempt has failed: how long it waits, in ns.
    pub fn on_failure(&mut self, client: &mut Backoff, now_ns: u64) -> u64 {
        if let Some(breaker) = &mut self.breaker {
            breaker.fail(now_ns);
        }
        client.draw(&self.policy, &mut self.random)
    }

    /// A client's attempt was refused, and the server has asked it to come again in so many seconds: how long it waits, in
    /// ns. All who were told the same would come at once, so each waits up to as long again.
    pub fn on_told(&mut self, client: &mut Backoff, now_ns: u64, seconds: u8) -> u64 {
        let drawn_ns = self.on_failure(client, now_ns);
        let told_ns = u64::from(seconds) * 1_000_000_000;
        if !self.policy.honours_hint {
            return drawn_ns;
        }
        drawn_ns.max(between(&mut self.random, told_ns, 2 * told_ns))
    }

    /// A client's wait is over. With [`Answer::Go`] its attempt has begun.
    pub fn on_due(&mut self, client: &mut Backoff, now_ns: u64) -> Answer {
        let is_first = client.attempts() == 0;
        let is_covered = is_first || self.budget.as_mut().is_none_or(|budget| budget.has_token(now_ns));
        if !is_covered {
            return self.put_off(client, Limit::Budget, 0);
        }
        // Asked last: who is let through is perhaps the probe, and has to go.
        if let Some(Err(until_ns)) = self.breaker.as_mut().map(|breaker| breaker.ask(now_ns)) {
            return self.put_off(client, Limit::Breaker, until_ns.saturating_sub(now_ns));
        }
        match &mut self.budget {
            Some(budget) if is_first => budget.pay_in(),
            Some(budget) => budget.take(),
            None => {}
        }
        client.begin_attempt();
        Answer::Go
    }

    /// A client is served again.
    pub fn on_served(&mut self, client: &mut Backoff) {
        *client = Backoff::default();
        if let Some(budget) = &mut self.budget {
            budget.pay_in();
        }
        if let Some(breaker) = &mut self.breaker {
            breaker.succeed();
        }
    }

    /// How often the breaker has opened.
    pub fn times_opened(&self) -> u64 {
        self.breaker.as_ref().map_or(0, |breaker| breaker.opened)
    }

    /// The client's next delay, after the time for which nobody may go. All who wait for the same moment are spread by
    /// their delays, as far as these have jitter.
    fn put_off(&mut self, client: &mut Backoff, by: Limit, shut_ns: u64) -> Answer {
        let drawn_ns = client.draw(&self.policy, &mut self.random);
        // A client without delay would ask again and again.
        let delay_ns = if self.policy.delay == Delay::Immediate { duration_ns(self.policy.base) } else { drawn_ns };
        Answer::PutOff { by, delay_ns: shut_ns + delay_ns }
    }
}

#[cfg(test)]
mod tests;
