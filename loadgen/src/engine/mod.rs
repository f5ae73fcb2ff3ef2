//! The engines that move the bytes, and the part of a connection they share.
//!
//! Workload and loop are chosen here, once per worker; below this point everything is monomorphised.

mod connection;
mod epoll;
mod shelf;

use crate::LoadError;
use crate::control::Control;
use crate::plan::Plan;
use crate::schedule::Schedule;
use crate::tally::Tally;
use crate::target::Workload;
use crate::{Options, sys};
use protocol::client::{Client, EchoClient, HttpClient, HttpRequest};
use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};
use std::num::NonZeroU64;

pub(crate) use connection::CONNECTION_LEN_MAX;

/// What every worker of a run is given.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) options: &'a Options,
    pub(crate) plan: &'a Plan,
    pub(crate) control: &'a Control,
    pub(crate) schedule: Schedule,
}

impl Job<'_> {
    /// The HTTP request of this run.
    fn request(&self, host: &str, path: &str) -> HttpRequest {
        HttpRequest {
            method: self.options.method.clone(),
            path: path.to_owned(),
            host: host.to_owned(),
            headers: self.options.headers.clone(),
            body: self.options.body.clone().into_bytes(),
            expect_body: self.options.expect_body.clone().map(String::into_bytes),
        }
    }

    /// Refuses a request that no worker could write.
    pub(crate) fn check_request(&self) -> Result<(), LoadError> {
        if let Workload::Http { host, path } = &self.plan.target.workload {
            HttpClient::new(&self.request(host, path), 1).map_err(|bad| LoadError::Usage(bad.to_string()))?;
        }
        Ok(())
    }

    /// Runs worker `index` on the calling thread until the load has ended.
    pub(crate) fn work(&self, index: usize) -> Result<Tally, LoadError> {
        sys::unshare_descriptors().map_err(|errno| {
            setup("give a worker its own descriptor table (close_range with CLOSE_RANGE_UNSHARE, Linux 5.9)", errno)
        })?;
        self.pin(index)?;
        // The default slack of 50 µs would be added to every sleep before an arrival (prctl(2)).
        // Without it the run is only less punctual, and its lateness says so.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        match &self.plan.target.workload {
            Workload::Echo => {
                let seed = self.schedule.seed.wrapping_add(index as u64);
                let client = EchoClient::new(self.options.payload_len as usize, self.options.pipeline, seed);
                self.run(index, client)
            }
            Workload::Http { host, path } => {
                let client = HttpClient::new(&self.request(host, path), self.options.pipeline);
                self.run(index, client.map_err(|bad| LoadError::Usage(bad.to_string()))?)
            }
        }
    }

    fn run<C: Client>(&self, index: usize, client: C) -> Result<Tally, LoadError> {
        Ok(match self.options.rate {
            Some(_) => epoll::Worker::<C, true>::new(self, index, client)?.run(),
            None => epoll::Worker::<C, false>::new(self, index, client)?.run(),
        })
    }

    fn pin(&self, index: usize) -> Result<(), LoadError> {
        let cpus = &self.options.cpus;
        if cpus.is_empty() {
            return Ok(());
        }
        let cpu = cpus[index % cpus.len()];
        let mut set = CpuSet::new();
        set.set(cpu as usize);
        sched_setaffinity(None, &set).map_err(|errno| {
            LoadError::Refused(format!(
                "a worker cannot run on CPU {cpu} of --cpus ({errno}); `taskset -cp $$` shows the CPUs there are"
            ))
        })
    }
}

fn setup(what: &'static str, errno: rustix::io::Errno) -> LoadError {
    LoadError::Setup { what, source: errno.into() }
}
