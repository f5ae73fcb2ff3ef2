//! What is asked of a fan-out. Every limit is here.

use std::time::Duration;

use super::extra::Extra;
use crate::LoadError;
use crate::plan::options::Options as LoadOptions;
use crate::schedule::{Process, Schedule, Stage};

/// Requests that need several replies.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where parts are sent to, in turn; at least one.
    pub targets: Vec<String>,
    /// Connections to each.
    pub connections: u32,
    /// Requests per second, at random times.
    pub rate: f64,
    /// Replies that each request needs.
    pub parts: u32,
    /// What is sent beyond one copy of each part.
    pub extra: Extra,
    /// Load before the window, which teaches a quantile and is in no number.
    pub warm_up: Duration,
    /// Length of the window.
    pub duration: Duration,
    /// How long a reply may take.
    pub timeout: Duration,
    /// What is longer counts as slow.
    pub slow_above: Duration,
    /// Fixes the schedule.
    pub seed: u64,
    /// CPU of the one thread.
    pub cpu: Option<u32>,
    /// Allows targets in private address ranges.
    pub allow_private: bool,
    /// Allows this public host.
    pub i_own: Option<String>,
}

impl Options {
    /// Most parts of a request.
    pub const PARTS_MAX: u32 = 10_000;

    /// Refuses what contradicts itself on any host.
    ///
    /// # Errors
    /// [`LoadError::Usage`], which names the option.
    pub(super) fn check(&self) -> Result<(), LoadError> {
        let usage = |message: String| Err(LoadError::Usage(message));
        if !(1e-3..=1e6).contains(&self.rate) {
            return usage("--rate must be between 0.001 and 1,000,000 per second".to_owned());
        }
        if self.duration.is_zero() || self.timeout.is_zero() || self.slow_above.is_zero() {
            return usage("--duration, --timeout and --slow-above must be longer than zero".to_owned());
        }
        if !(1..=Options::PARTS_MAX).contains(&self.parts) {
            return usage(format!("--parts must be between 1 and {}", Options::PARTS_MAX));
        }
        let needed = u64::from(self.parts) * if self.extra == Extra::Tied { 2 } else { 1 };
        let connections = u64::from(self.connections) * self.targets.len() as u64;
        if connections < needed.max(if self.extra == Extra::None { 1 } else { 2 }) {
            return usage(format!(
                "--connections: {connections} in all do not do for {} parts, each on a connection of its own, with their copies",
                self.parts
            ));
        }
        if self.extra.learns() && self.warm_up.is_zero() {
            return usage(
                "--hedge after a quantile learns it in the warm-up: give it a --warmup, or a time".to_owned(),
            );
        }
        Ok(())
    }

    /// The same connections as an ordinary load that holds them: their plan is made, and permitted, by the same rules.
    pub(super) fn as_load(&self, target: &str) -> LoadOptions {
        LoadOptions {
            target: target.to_owned(),
            connections: self.connections,
            threads: 1,
            duration: self.duration,
            rate: Some(0.0),
            allow_private: self.allow_private,
            i_own: self.i_own.clone(),
            ..LoadOptions::default()
        }
    }

    pub(super) fn schedule(&self) -> Schedule {
        let stages = vec![Stage { rate: self.rate, duration: self.duration }];
        Schedule { process: Process::Poisson, stages, burst: 1, seed: self.seed, workers: 1 }
    }
}
