//! A server from its start to its end.

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
    pub(crate) fn start(host: &dyn Host, kind: Kind, workload: Workload, cpus: &[usize]) -> anyhow::Result<Running> {
        if !kind.serves(workload) {
            bail!("{} serves no {}", kind.name(), workload.name());
        }
        let started = match (kind, program(kind)) {
            (Kind::C10m(variant), _) => c10m::start(host, variant, Balance::Hash, workload, cpus)?,
            (Kind::Balanced(balance), _) => c10m::start(host, Variant::EpollLevel, balance, workload, cpus)?,
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
        let (output, code) = self.started.end()?;
        match self.kind {
            Kind::C10m(_) | Kind::Balanced(_) => c10m::ended(self.kind, &output),
            _ if code != 0 => bail!("{} ended with {code}", self.kind.name()),
            _ => uncounted(json!({"event": "exit", "code": code})),
        }
    }
}
