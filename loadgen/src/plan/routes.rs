//! The routes from this host to the target: which of its addresses are used, and from which sources.

use super::limits::HostLimits;
use super::sources::plan_sources;
use crate::LoadError;
use crate::plan::options::Options;
use crate::plan::target::{Address, Attempt, Target};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicBool;

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

/// Tries the addresses if there are several, and shares the connections among those that answer.
pub(super) fn find(
    options: &Options,
    target: &Target,
    limits: HostLimits,
    stop: &AtomicBool,
) -> Result<Routes, LoadError> {
    check_sources(options, target)?;
    let mut found = Routes::default();
    let mut tried = Vec::new();
    for address in &target.addresses {
        match address.tcp().map(|tcp| attempt(options, tcp)) {
            Some(Some(attempt)) => tried.push(attempt),
            Some(None) => found.left_out.push((address.clone(), "no --source of its family".to_owned())),
            None => found.routes.push(Route::to(address.clone())),
        }
    }
    let answers = Target::answers(&tried, options.connect_timeout, stop)?;
    let mut answering = Vec::new();
    for (attempt, answer) in tried.into_iter().zip(answers) {
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

#[cfg(test)]
mod tests {
    use super::super::Plan;
    use super::*;
    use crate::plan::target::Resolve;
    use std::io;
    use std::net::TcpListener;

    const LIMITS: HostLimits = HostLimits { descriptors_max: 20_000, ports: 28_232 };

    /// Stands in for a name server: `two.test` is 127.0.0.1 and 127.0.0.2, `both.test` 127.0.0.1 and ::1.
    fn names(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let second: IpAddr = if name == "both.test" { [0, 0, 0, 0, 0, 0, 0, 1].into() } else { [127, 0, 0, 2].into() };
        Ok(vec![(second, port).into(), ([127, 0, 0, 1], port).into()])
    }

    fn plan(target: String, change: impl FnOnce(&mut Options)) -> Result<Plan, LoadError> {
        let mut options = Options { target, connections: 60_000, threads: 10, ..Options::default() };
        change(&mut options);
        Plan::with_names(&options, LIMITS, names as Resolve, &AtomicBool::new(false))
    }

    #[test]
    fn only_those_that_answer_carry_connections() {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        for target in [format!("tcp://two.test:{port}"), format!("http://both.test:{port}/")] {
            let plan = plan(target, |_| {}).unwrap();
            let used: Vec<String> = plan.routes.iter().map(|route| route.address.to_string()).collect();
            // If sources were planned before the trial, ::1 would need three addresses that it does not have.
            assert_eq!(used, [format!("127.0.0.1:{port}")]);
            assert_eq!(plan.left_out.len(), 1, "{:?}", plan.left_out);
            assert!(plan.left_out[0].1.starts_with('E'), "{:?}", plan.left_out);
        }
        // SO_REUSEADDR and SO_REUSEPORT are not needed: another address is another socket.
        let second = TcpListener::bind(("127.0.0.2", port)).unwrap();
        let both = plan(format!("tcp://two.test:{port}"), |_| {}).unwrap();
        assert_eq!((both.routes.len(), both.left_out.len()), (2, 0));
        assert!(both.routes.iter().all(|route| route.sources.len() == 5), "30,000 connections each: {:?}", both.routes);
        assert_eq!(both.source_count(), 5);
        drop((first, second));
        let error = plan(format!("tcp://two.test:{port}"), |_| {}).unwrap_err();
        let named = [format!("127.0.0.1:{port} (ECONNREFUSED)"), format!("127.0.0.2:{port} (ECONNREFUSED)")];
        assert!(named.iter().all(|part| error.to_string().contains(part)), "{error}");
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn a_source_chooses_the_family() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let sources = vec!["127.0.0.9".parse().unwrap(), "127.0.0.8".parse().unwrap(), "127.0.0.7".parse().unwrap()];
        let plan = plan(format!("tcp://both.test:{port}"), |options| options.sources = sources).unwrap();
        assert_eq!((plan.routes.len(), plan.routes[0].sources.len()), (1, 3));
        assert_eq!(plan.left_out[0].1, "no --source of its family");
    }

    #[test]
    fn a_unix_socket_needs_no_ports() {
        let plan = plan("unix:/nowhere/x.sock".to_owned(), |_| {}).unwrap();
        assert_eq!((plan.source_count(), plan.is_unix(), plan.is_here()), (0, true, true));
        let source = vec!["127.0.0.9".parse().unwrap()];
        let error = self::plan("unix:/x".to_owned(), |options| options.sources = source).unwrap_err();
        assert!(error.to_string().contains("--source 127.0.0.9 has no effect"), "{error}");
    }
}
