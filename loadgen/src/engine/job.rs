//! What every worker of a run receives.

use super::control::Control;
use crate::LoadError;
use crate::phase::IntervalPhase;
use crate::plan::Plan;
use crate::plan::options::Options;
use crate::plan::target::{Requests, Secret};
use crate::record::ClockCheck;
use crate::recording::slice::Slice;
use crate::schedule::{Arrivals, Part, Schedule};
use crossbeam::channel::{Receiver, Sender};
use host::HostFacts;
use protocol::client::{HttpClient, HttpRequest};
use sys::clock::duration_ns;

/// Length of the intervals of the warm-up.
const WARM_UP_SLICE_NS: u64 = 100_000_000;

/// Where full slices go and empty ones come from.
#[derive(Debug)]
pub(crate) struct Slices {
    pub(crate) full: Sender<(usize, Box<Slice>)>,
    pub(crate) empty: Receiver<Box<Slice>>,
    /// Most full ones that may wait; see [`Slices::are_piling_up`].
    pub(crate) waiting_max: usize,
}

impl Slices {
    /// Whether the collector is behind. If so, a worker's interval goes on instead of ending: a slice takes
    /// over a MiB, and if a hundred workers leave the collector no CPU, slices would fill the host's memory.
    pub(crate) fn are_piling_up(&self) -> bool {
        self.full.len() >= self.waiting_max
    }
}

/// What every worker of a run receives.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) options: &'a Options,
    pub(crate) plan: &'a Plan,
    pub(crate) control: &'a Control,
    pub(crate) schedule: Schedule,
    pub(crate) slices: Slices,
    pub(crate) clock: ClockCheck,
    pub(crate) host: HostFacts,
}

impl Job<'_> {
    /// The HTTP request of this run.
    pub(super) fn request(&self, host: &str, path: &str, authorization: Option<&Secret>) -> HttpRequest {
        let authorization = authorization.map(|secret| ("Authorization".to_owned(), secret.reveal().to_owned()));
        HttpRequest {
            method: self.options.method.clone(),
            path: path.to_owned(),
            host: host.to_owned(),
            headers: authorization.into_iter().chain(self.options.headers.clone()).collect(),
            body: self.options.body.clone(),
            expect_status: self.options.expect_status.unwrap_or_default(),
            expect_body: self.options.expect_body.clone(),
        }
    }

    /// Refuses a request that no worker could write.
    pub(crate) fn check_request(&self) -> Result<(), LoadError> {
        if let Requests::Http { host, path, authorization } = &self.plan.target.requests {
            let is_given = |name: &str| self.options.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
            if authorization.is_some() && is_given("authorization") {
                return Err(LoadError::Usage(
                    "the target has credentials, and --header gives Authorization: leave one of them out".into(),
                ));
            }
            HttpClient::new(&self.request(host, path, authorization.as_ref()), 1)
                .map_err(|bad| LoadError::Usage(bad.to_string()))?;
        }
        Ok(())
    }

    /// Arrivals of one worker; none unless `from` gives the part and the start.
    pub(super) fn arrivals(&self, index: usize, from: Option<(Part, u64)>) -> Arrivals {
        let (part, start_ns) = from.unwrap_or((Part::Window, u64::MAX));
        self.schedule.arrivals(index as u32, part, start_ns)
    }

    /// Arrivals that one worker expects in the window.
    pub(crate) fn expected_arrivals(&self, index: usize) -> f64 {
        let window = self.options.window();
        let all = match self.options.heartbeat {
            Some(period) => f64::from(self.plan.connections[index]) * window.as_secs_f64() / period.as_secs_f64(),
            None => self.schedule.expected_until(duration_ns(window)) / f64::from(self.schedule.workers),
        };
        self.share(index).map_or(all, |share| all.min(share as f64))
    }

    /// The planned length of the window, which may end early.
    pub(super) fn expected_window_ns(&self) -> u64 {
        let window_ns = duration_ns(self.options.window());
        match (self.options.requests, self.options.rate) {
            (Some(requests), Some(rate)) => window_ns.min((requests as f64 / rate * 1e9) as u64),
            _ => window_ns,
        }
    }

    /// How long an open loop sleeps at a time, whatever happens; 0: it wakes as soon as something happens.
    pub(super) fn coalesce_ns(&self) -> u64 {
        duration_ns(self.options.coalesce)
    }

    /// How long before an arrival a worker stops sleeping.
    pub(super) fn spin_ns(&self) -> u64 {
        duration_ns(self.options.spin)
    }

    pub(super) fn slice_len_ns(&self, phase: IntervalPhase) -> u64 {
        match phase {
            IntervalPhase::WarmUp => WARM_UP_SLICE_NS,
            IntervalPhase::Measured => duration_ns(self.options.interval_or_default()),
            IntervalPhase::Grace => u64::MAX,
        }
    }

    /// Requests of one worker; the first workers take the remainder.
    pub(super) fn share(&self, worker: usize) -> Option<u64> {
        let workers = self.plan.connections.len() as u64;
        self.options.requests.map(|total| total / workers + u64::from((worker as u64) < total % workers))
    }
}
