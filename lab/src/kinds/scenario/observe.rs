//! Counts on both of two joined hosts: what the kernel counted on either, ten times a second while nothing else is done. A
//! process that is started takes a while, and what is counted meanwhile is one observation.

use std::time::{Duration, Instant};

use anyhow::Context;
use host::AcceptQueues;
use host::kernel::{Config, Sample, Sampler};

use crate::kinds::scenario::seen::Observation;
use crate::session::namespace::Hosts;
use crate::session::side::Side;

/// Time between two observations. Retransmitted SYNs come a second after the first, so it is short enough to tell them
/// apart.
const PERIOD: Duration = Duration::from_millis(100);

/// A sampler of each host, whose files stay open, so that no observation has to change hosts.
pub(super) struct Observer {
    server: Followed,
    client: Followed,
    queues: AcceptQueues,
    taken: Instant,
    observations: Vec<Observation>,
}

struct Followed {
    sampler: Sampler,
    last: Sample,
}

impl Followed {
    fn on(hosts: &Hosts, side: Side) -> anyhow::Result<Followed> {
        hosts.enter(side)?;
        let mut sampler = Sampler::new(Config::default());
        let last = sampler.sample();
        Ok(Followed { sampler, last })
    }

    fn follow(&mut self) -> host::kernel::KernelDelta {
        let now = self.sampler.sample();
        let grown = now.since(&self.last);
        self.last = now;
        grown
    }
}

impl Observer {
    pub(super) fn begin(hosts: &Hosts) -> anyhow::Result<Observer> {
        let client = Followed::on(hosts, Side::Client)?;
        let server = Followed::on(hosts, Side::Server)?;
        let queues = AcceptQueues::open().context("cannot read the accept queues of the server's host")?;
        Ok(Observer { server, client, queues, taken: Instant::now(), observations: vec![] })
    }

    /// Time until the next observation is due.
    pub(super) fn due_in(&self) -> Duration {
        PERIOD.saturating_sub(self.taken.elapsed())
    }

    pub(super) fn observe(&mut self) {
        let (server, client) = (self.server.follow(), self.client.follow());
        let accept_queue = self.queues.longest();
        self.observations.push(Observation { at_ns: self.server.last.at_ns(), server, client, accept_queue });
        self.taken = Instant::now();
    }

    /// Everything observed, to this moment.
    pub(super) fn end(mut self) -> Vec<Observation> {
        self.observe();
        self.observations
    }

    /// Connections of the server's host as last observed.
    pub(super) fn established(&self) -> u64 {
        self.server.last.established().unwrap_or(0)
    }
}
