//! The routes from this host to the target: which of its addresses are used, and from which sources.

use super::limits::HostLimits;
use super::sources::plan_sources;
use crate::LoadError;
use crate::plan::options::Options;
use crate::plan::target::{Address, Target};
use std::net::{IpAddr, SocketAddr};

/// One address, and from where it is tried before the run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) address: SocketAddr,
    pub(crate) source: Option<IpAddr>,
}

/// Whether an address can be connected to; if not, the name of the error.
pub(crate) type Answer = Result<(), String>;

/// One address of the target, and the sources to connect from, connections taking turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) address: Address,
    /// Empty leaves the choice to the kernel.
    pub(crate) sources: Vec<IpAddr>,
}

impl Route {
    pub(crate) fn to(address: Address) -> Route {
        Route { address, sources: Vec::new() }
    }

    /// The source of connection number `turn` of this route.
    pub(crate) fn source(&self, turn: usize) -> Option<SocketAddr> {
        let count = self.sources.len();
        (count > 0).then(|| SocketAddr::new(self.sources[turn % count], 0))
    }
}

/// The routes in use, and the addresses left out.
#[derive(Debug, Default)]
pub(super) struct Routes {
    pub(super) routes: Vec<Route>,
    pub(super) left_out: Vec<(Address, String)>,
}

/// The addresses to try. Others of the target are no matter of trying: those that no source reaches, and unix sockets.
pub(super) fn attempts(options: &Options, target: &Target) -> Result<Vec<Attempt>, LoadError> {
    check_sources(options, target)?;
    let addresses = target.addresses.iter().filter_map(Address::tcp);
    Ok(addresses.filter_map(|address| attempt(options, address)).collect())
}

/// Shares the connections among the addresses that answered.
pub(super) fn find(
    options: &Options,
    target: &Target,
    limits: HostLimits,
    answers: Vec<(Attempt, Answer)>,
) -> Result<Routes, LoadError> {
    let mut found = Routes::default();
    for address in &target.addresses {
        match address.tcp() {
            Some(tcp) if attempt(options, tcp).is_some() => {}
            Some(_) => found.left_out.push((address.clone(), "no --source of its family".to_owned())),
            None => found.routes.push(Route::to(address.clone())),
        }
    }
    let mut answering = Vec::new();
    for (attempt, answer) in answers {
        match answer {
            Ok(()) => answering.push(attempt.address),
            Err(why) => found.left_out.push((Address::Tcp(attempt.address), why)),
        }
    }
    if answering.is_empty() && found.routes.is_empty() {
        let why = found.left_out.iter().map(|(address, why)| format!("{address} ({why})"));
        return Err(LoadError::NoneAnswers(why.collect::<Vec<_>>().join(", ")));
    }
    // If there are more addresses than connections, the last ones get none.
    let most = options.connections.div_ceil(u32::try_from(answering.len()).unwrap_or(u32::MAX).max(1));
    for address in answering {
        let sources = plan_sources(options, address.ip(), most, limits)?;
        found.routes.push(Route { address: Address::Tcp(address), sources });
    }
    Ok(found)
}

/// Every source must be able to reach some address of the target.
fn check_sources(options: &Options, target: &Target) -> Result<(), LoadError> {
    let families: Vec<bool> = target.addresses.iter().filter_map(Address::ip).map(|ip| ip.is_ipv4()).collect();
    let Some(stray) = options.sources.iter().find(|source| !families.contains(&source.is_ipv4())) else {
        return Ok(());
    };
    Err(LoadError::Usage(match target.addresses.first().and_then(Address::ip) {
        Some(address) => format!(
            "--source {stray} is of the other family than target {address}: they are of different families, and no \
             connection could use it; leave it out"
        ),
        None => format!("--source {stray} has no effect on a unix socket, which has no addresses; leave it out"),
    }))
}

/// How an address is tried; `None` when no source can reach it.
fn attempt(options: &Options, address: SocketAddr) -> Option<Attempt> {
    let source = options.sources.iter().copied().find(|source| source.is_ipv4() == address.is_ipv4());
    (source.is_some() || options.sources.is_empty()).then_some(Attempt { address, source })
}
