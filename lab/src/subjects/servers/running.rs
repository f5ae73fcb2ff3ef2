//! A server from its start to its end.

use std::net::SocketAddr;

use anyhow::bail;
use protocol::Workload;
use serde_json::json;
use server::{Balance, Variant};

use super::about::program;
use super::ended::Ended;
use super::kind::Kind;
use super::started::Started;
use super::{c10m, crates, nginx};
use crate::session::host::Host;

/// A running server.
pub(crate) struct Running {
    kind: Kind,
    pub(super) started: Started,
}

impl Running {
    /// Starts a server on loopback with a reactor or worker on each of `cpus`.
    /// With a handicap, it burns so many ns for each request; only this project's own server can.
    pub(crate) fn start(
        host: &dyn Host,
        kind: Kind,
        workload: Workload,
        cpus: &[usize],
        handicap_ns: Option<u32>,
    ) -> anyhow::Result<Running> {
        if !kind.serves(workload) {
            bail!("{} serves no {}", kind.name(), workload.name());
        }
        if handicap_ns.is_some() && !matches!(kind, Kind::C10m(_)) {
            bail!("{} cannot be made dearer", kind.name());
        }
        let started = match (kind, program(kind)) {
            (Kind::C10m(variant), _) => c10m::start(host, variant, Balance::Hash, workload, cpus, handicap_ns)?,
            (Kind::Balanced(balance), _) => c10m::start(host, Variant::EpollLevel, balance, workload, cpus, None)?,
            (Kind::Crate(peer), _) => crates::start(host, peer, cpus)?,
            (_, Some(program)) => program.start(host, cpus)?,
            (_, None) => bail!("{} is no program", kind.name()),
        };
        Ok(Running { kind, started })
    }

    /// The processes that do the work.
    pub(crate) fn workers(&self) -> &[u32] {
        &self.started.workers
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.started.address
    }

    /// The URL for a load generator.
    pub(crate) fn url(&self, workload: Workload) -> String {
        workload.target(self.started.address)
    }

    /// Requests that nginx has served so far. `None` for other servers: this project's tell when they end, the rest
    /// never.
    pub(crate) fn served(&self) -> anyhow::Result<Option<u64>> {
        if self.kind.is_nginx() { nginx::served(self.started.address) } else { Ok(None) }
    }

    /// Ends it in order and returns what it counted.
    pub(crate) fn finish(self) -> anyhow::Result<Ended> {
        let uncounted = |printed| Ok(Ended { printed, account: None });
        if let Some(program) = program(self.kind) {
            program.end(self.started)?;
            return uncounted(json!({"event": "exit"}));
        }
        if let Kind::C10m(_) | Kind::Balanced(_) = self.kind {
            let (output, _) = self.started.end_at_once()?;
            return c10m::ended(self.kind, &output);
        }
        let (_, code) = self.started.end()?;
        if code != 0 {
            bail!("{} ended with {code}", self.kind.name());
        }
        uncounted(json!({"event": "exit", "code": code}))
    }
}
