//! The servers that experiments compare: this project's variants, those of the distribution, and those on
//! other Rust libraries. What they have in common is here; a file each knows how one is set up.

pub(crate) mod c10m;
mod crates;
mod h2o;
mod haproxy;
mod lighttpd;
mod nginx;
mod program;
#[cfg(test)]
mod tests;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::bail;
use protocol::Workload;
use serde_json::{Value, json};
use server::{Balance, Exit, Variant};

use crate::session::process::Process;
pub(crate) use crates::Crate;
use program::Program;

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `c10m serve` with one variant.
    C10m(Variant),
    /// `c10m serve` with several reactors on one CPU, and somebody who chooses among them.
    Balanced(Balance),
    /// nginx with one worker per CPU and logging off.
    Nginx,
    /// The same with work for each request, so that it is slower than any generator.
    NginxBusy,
    /// h2o with one thread per CPU and a file of 13 bytes.
    H2o,
    /// haproxy with one thread per CPU, answering by itself.
    Haproxy,
    /// lighttpd with one worker per CPU and a file of 13 bytes.
    Lighttpd,
    /// A server on a Rust library, out of `peers/`.
    Crate(Crate),
}

impl Kind {
    /// Every server that is not this project's and makes its best effort.
    pub(crate) fn peers() -> impl Iterator<Item = Kind> {
        let programs = [Kind::Nginx, Kind::H2o, Kind::Haproxy, Kind::Lighttpd];
        programs.into_iter().chain(Crate::ALL.map(Kind::Crate))
    }

    /// Reactors it is started with at least.
    pub(crate) fn reactors_min(self) -> usize {
        if matches!(self, Kind::Balanced(_)) { c10m::REACTORS_BALANCED } else { 1 }
    }

    pub(crate) fn is_nginx(self) -> bool {
        matches!(self, Kind::Nginx | Kind::NginxBusy)
    }

    pub(crate) fn name(self) -> String {
        match self {
            Kind::C10m(variant) => variant.to_string(),
            Kind::Balanced(balance) => format!("{} × {} by {balance}", Variant::EpollLevel, c10m::REACTORS_BALANCED),
            Kind::NginxBusy => "busy nginx".to_owned(),
            Kind::Crate(peer) => peer.name.to_owned(),
            _ => self.program().map_or_else(String::new, |program| program.name.to_owned()),
        }
    }

    /// Whether it knows this workload.
    pub(crate) fn serves(self, workload: Workload) -> bool {
        match self {
            Kind::C10m(_) | Kind::Balanced(_) => true,
            Kind::Crate(peer) => peer.workload == workload,
            _ => workload == Workload::Http,
        }
    }

    /// The version that would run, or the reason why none can run here and what mends that.
    pub(crate) fn availability(self) -> Result<String, String> {
        match (self, self.program()) {
            (Kind::C10m(variant), _) => c10m::availability(variant),
            (Kind::Balanced(_), _) => c10m::availability(Variant::EpollLevel),
            (Kind::Crate(peer), _) => crates::availability(peer),
            (_, Some(program)) => program.availability(),
            (_, None) => Err("it is no program".to_owned()),
        }
    }

    /// Name, version, how it is set up and what it does beyond this project's server: what a report says of it.
    pub(crate) fn configuration(self) -> String {
        match (self, self.program()) {
            (Kind::C10m(variant), _) => c10m::configuration(variant),
            (Kind::Balanced(balance), _) => c10m::configuration_balanced(balance),
            (Kind::Crate(peer), _) => crates::configuration(peer),
            (_, Some(program)) => program.described(),
            (_, None) => self.name(),
        }
    }

    /// The program of the distribution, if it is one.
    fn program(self) -> Option<&'static Program> {
        match self {
            Kind::Nginx => Some(&nginx::PROGRAM),
            Kind::NginxBusy => Some(&nginx::BUSY),
            Kind::H2o => Some(&h2o::PROGRAM),
            Kind::Haproxy => Some(&haproxy::PROGRAM),
            Kind::Lighttpd => Some(&lighttpd::PROGRAM),
            Kind::C10m(_) | Kind::Balanced(_) | Kind::Crate(_) => None,
        }
    }
}

/// A server that serves.
pub(crate) struct Running {
    kind: Kind,
    process: Process,
    address: SocketAddr,
    /// The processes that do the work.
    pub(crate) workers: Vec<u32>,
    /// Goes with the server, however it ends.
    _directory: Option<TemporaryDirectory>,
}

/// A directory that is removed when this is dropped.
struct TemporaryDirectory(PathBuf);

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // Left behind it would be a few small files in the temporary directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether nginx is installed, and which.
pub(crate) fn nginx_version() -> Option<String> {
    nginx::PROGRAM.availability().ok()
}

/// What a server leaves when it ended well.
pub(crate) struct Ended {
    /// What it printed, for the record.
    pub(crate) printed: Value,
    /// What it counted; only this project's servers do.
    pub(crate) account: Option<Exit>,
}

impl Running {
    /// Starts a server on loopback with a reactor, or worker, on each of `cpus`.
    pub(crate) fn start(kind: Kind, workload: Workload, cpus: &[usize]) -> anyhow::Result<Running> {
        if !kind.serves(workload) {
            bail!("{} serves no {}", kind.name(), workload.name());
        }
        match (kind, kind.program()) {
            (Kind::C10m(variant), _) => c10m::start(kind, variant, Balance::Hash, workload, cpus),
            (Kind::Balanced(balance), _) => c10m::start(kind, Variant::EpollLevel, balance, workload, cpus),
            (Kind::Crate(peer), _) => crates::start(peer, cpus),
            (_, Some(program)) => program.start(kind, cpus),
            (_, None) => bail!("{} is no program", kind.name()),
        }
    }

    /// What a load generator connects to.
    pub(crate) fn url(&self, workload: Workload) -> String {
        workload.target(self.address)
    }

    /// Requests that nginx has served; this project's servers tell at their end, the others never.
    pub(crate) fn served(&self) -> anyhow::Result<Option<u64>> {
        if self.kind.is_nginx() { nginx::served(self.address) } else { Ok(None) }
    }

    /// Ends it in order and returns what it counted.
    pub(crate) fn finish(self) -> anyhow::Result<Ended> {
        let uncounted = |printed| Ok(Ended { printed, account: None });
        if let Some(program) = self.kind.program() {
            program.end(self.process)?;
            return uncounted(json!({"event": "exit"}));
        }
        self.process.terminate();
        let (output, code) = self.process.finish()?;
        match self.kind {
            Kind::C10m(_) | Kind::Balanced(_) => c10m::ended(self.kind, &output),
            _ if code != 0 => bail!("{} ended with {code}", self.kind.name()),
            _ => uncounted(json!({"event": "exit", "code": code})),
        }
    }
}
