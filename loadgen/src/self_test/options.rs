//! How to test the generator against a server that stalls.

use crate::{Engine, LoadError};
use protocol::Workload;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What spaces the requests whose times must be right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SelfTestArrivals {
    /// Equal gaps.
    #[default]
    Constant,
    /// Exponential gaps; the seed says where they fall.
    Poisson,
    /// Each connection sends once a period.
    Heartbeats,
}

/// How to test. The default takes about 15 s.
#[derive(Debug, Clone)]
pub struct SelfTestOptions {
    /// What is spoken.
    pub workload: Workload,
    /// What spaces the requests.
    pub arrivals: SelfTestArrivals,
    /// What moves the bytes.
    pub engine: Engine,
    /// Workers of the generator.
    pub threads: u32,
    /// Length of a stall.
    pub stall: Duration,
    /// From the beginning of one stall to that of the next.
    pub every: Duration,
    /// Periods in the measured window.
    pub periods: u32,
    /// Requests per second, about: a fraction of a request per period is added, see [`SelfTestOptions::rate`].
    pub rate: f64,
    /// Connections; enough that no request waits for one.
    pub connections: u32,
    /// Periods of the closed-loop run, whose times are not corrected.
    pub periods_uncorrected: u32,
    /// CPU of the null server.
    pub server_cpu: Option<u32>,
    /// CPUs of the generator's workers.
    pub cpus: Vec<u32>,
    /// Fixes the bytes that are sent, and Poisson arrivals.
    pub seed: u64,
}

impl Default for SelfTestOptions {
    fn default() -> Self {
        SelfTestOptions {
            workload: Workload::Echo,
            arrivals: SelfTestArrivals::Constant,
            engine: Engine::Epoll,
            threads: 1,
            stall: Duration::from_millis(100),
            every: Duration::from_secs(1),
            periods: 10,
            rate: 2000.0,
            connections: 400,
            periods_uncorrected: 2,
            server_cpu: None,
            cpus: Vec::new(),
            seed: 1,
        }
    }
}

impl SelfTestOptions {
    /// The rate in use: a whole number of requests per period and one `periods`-th of a request. So each
    /// stall begins at a different point between two arrivals, and together they see evenly spread waits.
    /// With a whole number, all stalls would see the same waits, a gap apart.
    pub fn rate(&self) -> f64 {
        let every_s = self.every.as_secs_f64();
        ((self.rate * every_s).floor() + 1.0 / f64::from(self.periods)) / every_s
    }

    /// The period in which each connection's heartbeat gives [`SelfTestOptions::rate`].
    pub(super) fn heartbeat(&self) -> Duration {
        Duration::from_secs_f64(f64::from(self.connections) / self.rate())
    }

    /// # Errors
    /// [`LoadError::Usage`] if the test could not show anything.
    pub(super) fn check(&self) -> Result<(), LoadError> {
        let usage = |message: String| Err(LoadError::Usage(format!("self-test: {message}")));
        if self.periods == 0 || self.periods_uncorrected == 0 {
            return usage("at least one period is needed".into());
        }
        if self.stall.is_zero() || self.stall * 2 > self.every {
            return usage(format!("a stall of {:?} must be at most half of {:?}", self.stall, self.every));
        }
        if !(self.rate * self.stall.as_secs_f64() >= 10.0 && self.rate <= 1e6) {
            return usage(format!("{} requests/s put fewer than 10 into a stall, or are too many", self.rate));
        }
        let in_flight = self.rate() * self.stall.as_secs_f64();
        if f64::from(self.connections) < in_flight * 1.5 {
            return usage(format!(
                "a stall holds up {in_flight:.0} requests, so {} connections are too few: {:.0} are needed",
                self.connections,
                in_flight * 1.5
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_meet_every_stall_elsewhere() {
        let options = SelfTestOptions::default();
        assert!((options.rate() - 2000.1).abs() < 1e-9);
        let offbeat = SelfTestOptions { rate: 1999.9, every: Duration::from_millis(500), periods: 4, ..options };
        // 999 requests and a quarter in half a second.
        assert!((offbeat.rate() - 1998.5).abs() < 1e-9);
    }
}
