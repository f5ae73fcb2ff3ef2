//! What a run needs from the host, computed before the first connect: descriptors and ports.
//!
//! A plan that cannot be carried out is refused here, with the command that mends it, instead of
//! failing with EMFILE or EADDRNOTAVAIL in the middle of a measurement.

mod routes;
mod watched;

use crate::LoadError;
use crate::engine::check_tun;
use crate::options::{Engine, Options};
use crate::target::{self, Namespace, Permission, Resolve, Target};
use routes::Routes;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::AtomicBool;

pub(crate) use routes::Route;

/// Descriptors a worker needs beside its connections: the standard three, epoll, a timer, and a few
/// for what its libraries open.
pub const DESCRIPTOR_RESERVE: u64 = 16;
/// One port in this many stays free: for reconnects while old ports are in TIME_WAIT, and because
/// connect(2) searches ever longer as the range fills.
pub const PORT_RESERVE_SHARE: u32 = 32;

/// On loopback addresses cost nothing, so each carries only one in this many of the connections it could:
/// in a range that is nearly full connect(2) walks for a free port (200,000 connections over 8 addresses
/// filled over 9 in 10 took over 100 s, over 30 they take 8 s).
pub const LOOPBACK_FILL: u32 = 4;

/// Sources on loopback at least when connections come and go: each closed one keeps its port for a minute
/// (TIME-WAIT), and these have room for 30,000 a second in the default port range.
const LOOPBACK_SOURCES_CHURN: usize = 64;

/// What the host allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostLimits {
    /// RLIMIT_NOFILE after the soft limit was raised to the hard one.
    pub descriptors_max: u64,
    /// Ports in `net.ipv4.ip_local_port_range`, both ends included.
    pub ports: u32,
}

impl HostLimits {
    /// Raises the soft descriptor limit to the hard one and reads what then holds.
    pub fn read() -> HostLimits {
        let limit = getrlimit(Resource::Nofile);
        // Failing leaves the soft limit, which is what is read back.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
        HostLimits {
            descriptors_max: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
            ports: port_count(&range),
        }
    }

    /// Connections one source address can carry to one target.
    pub fn connections_per_source(&self) -> u32 {
        (self.ports - self.ports / PORT_RESERVE_SHARE).max(1)
    }
}

/// Ports in a range written as the sysctl does; the kernel's default range when it is unreadable.
fn port_count(range: &str) -> u32 {
    let mut ends = range.split_whitespace().filter_map(|end| end.parse::<u32>().ok());
    match (ends.next(), ends.next()) {
        (Some(first), Some(last)) if first <= last => last - first + 1,
        _ => 60_999 - 32_768 + 1,
    }
}

/// A run that fits the host.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) target: Target,
    /// The addresses that are connected to, connections taking turns over all workers; never empty.
    pub(crate) routes: Vec<Route>,
    /// Addresses of the target that are left out, each with the reason.
    pub(crate) left_out: Vec<(target::Address, String)>,
    /// Connections of each worker.
    pub connections: Vec<u32>,
    /// What the plan was made for.
    pub limits: HostLimits,
}

impl Plan {
    /// Makes the plan for `options` on a host with `limits`.
    ///
    /// # Errors
    /// [`LoadError::Usage`] and [`LoadError::Refused`], each saying what to change.
    pub fn new(options: &Options, limits: HostLimits) -> Result<Plan, LoadError> {
        Plan::with_names(options, limits, target::resolve, &AtomicBool::new(false))
    }

    /// The same with names looked up by `resolve`. A stop ends the trial of a target with several addresses.
    pub(crate) fn with_names(
        options: &Options,
        limits: HostLimits,
        resolve: Resolve,
        stop: &AtomicBool,
    ) -> Result<Plan, LoadError> {
        options.check()?;
        let target = Target::parse(&options.target, resolve)?;
        watched::check(options)?;
        let (namespace, is_tun) = (target::namespace(), options.engine == Engine::Tun);
        // First, because nothing makes up for a wrong place.
        if is_tun {
            check_tun(options, &target.addresses, namespace)?;
        }
        target.check_allowed(Permission {
            private: options.allow_private,
            own: options.i_own.as_deref(),
            is_in_own_namespace: namespace == Namespace::Own,
        })?;
        let connections = split(options.connections, options.threads);
        if is_tun {
            // Its connections take no descriptor and no port of the kernel's.
            let routes = target.addresses.iter().map(|address| Route::to(address.clone())).collect();
            return Ok(Plan { target, routes, left_out: Vec::new(), connections, limits });
        }
        check_descriptors(&connections, limits)?;
        let Routes { routes, left_out } = routes::find(options, &target, limits, stop)?;
        Ok(Plan { target, routes, left_out, connections, limits })
    }

    /// Different source addresses in use; 0 when the kernel chooses.
    pub(crate) fn source_count(&self) -> usize {
        let mut sources: Vec<IpAddr> = self.routes.iter().flat_map(|route| route.sources.iter().copied()).collect();
        sources.sort_unstable();
        sources.dedup();
        sources.len()
    }

    /// Whether the other end of every connection is on this host.
    pub(crate) fn is_here(&self) -> bool {
        self.routes.iter().all(|route| route.address.is_here())
    }

    /// Whether the connections are none of TCP.
    pub(crate) fn is_unix(&self) -> bool {
        self.routes.iter().any(|route| route.address.is_unix())
    }
}

/// `total` over `parts`, the first ones taking what is left over.
fn split(total: u32, parts: u32) -> Vec<u32> {
    (0..parts).map(|part| total / parts + u32::from(part < total % parts)).collect()
}

fn check_descriptors(connections: &[u32], limits: HostLimits) -> Result<(), LoadError> {
    let per_worker = u64::from(connections[0]);
    if per_worker + DESCRIPTOR_RESERVE <= limits.descriptors_max {
        return Ok(());
    }
    let total: u64 = connections.iter().map(|&count| u64::from(count)).sum();
    let mend = match limits.descriptors_max.checked_sub(DESCRIPTOR_RESERVE).filter(|&room| room > 0) {
        Some(room) => format!("use -t {} (each worker has a descriptor table of its own)", total.div_ceil(room)),
        None => "raise the limit".into(),
    };
    Err(LoadError::Refused(format!(
        "{per_worker} connections per worker need {} descriptors, but RLIMIT_NOFILE is {}: {mend}, \
         or raise it before the start with `ulimit -n {}`",
        per_worker + DESCRIPTOR_RESERVE,
        limits.descriptors_max,
        per_worker + DESCRIPTOR_RESERVE
    )))
}

/// The sources of so many connections to one address; none leaves the choice to the kernel.
fn plan_sources(
    options: &Options,
    target_address: IpAddr,
    connections: u32,
    limits: HostLimits,
) -> Result<Vec<IpAddr>, LoadError> {
    let per_source = limits.connections_per_source();
    let needed = connections.div_ceil(per_source) as usize;
    let mut given = options.sources.clone();
    given.sort_unstable();
    given.dedup();
    given.retain(|source| source.is_ipv4() == target_address.is_ipv4());
    if given.is_empty()
        && let Some(other) = options.sources.first()
    {
        return Err(LoadError::Usage(format!(
            "--source {other} and target {target_address} are of different families"
        )));
    }
    let is_loopback_v4 = matches!(target_address, IpAddr::V4(address) if address.is_loopback());
    let is_churn = options.requests_per_connection > 0;
    let wanted = match is_loopback_v4 {
        true if is_churn => {
            (connections.div_ceil((per_source / LOOPBACK_FILL).max(1)) as usize).max(LOOPBACK_SOURCES_CHURN)
        }
        true => connections.div_ceil((per_source / LOOPBACK_FILL).max(1)) as usize,
        false => needed,
    };
    if given.is_empty() && wanted <= 1 {
        return Ok(Vec::new());
    }
    if given.is_empty() && is_loopback_v4 {
        return loopback_sources(wanted).ok_or_else(|| {
            LoadError::Refused(format!(
                "{wanted} source addresses are more than 127.1.0.0/16 has: use fewer connections"
            ))
        });
    }
    if given.len() < needed {
        return Err(LoadError::Refused(format!(
            "{} connections need {needed} source addresses: one carries {per_source} to one target \
             (net.ipv4.ip_local_port_range has {} ports, 1 in {PORT_RESERVE_SHARE} kept free), {} given; \
             add addresses with --source A,B,…",
            connections,
            limits.ports,
            given.len()
        )));
    }
    Ok(given)
}

/// Source addresses of 127.1.0.0/16 that are taken without being named: hosts 1 to 254 of each /24.
pub const LOOPBACK_SOURCES_MAX: usize = 256 * 254;

/// 127.1.0.1, 127.1.0.2, …: all of 127/8 is local, and these are unlikely to be used by anything else.
fn loopback_sources(count: usize) -> Option<Vec<IpAddr>> {
    (count <= LOOPBACK_SOURCES_MAX).then(|| {
        let address = |index: usize| Ipv4Addr::new(127, 1, (index / 254) as u8, (index % 254) as u8 + 1);
        (0..count).map(|index| IpAddr::V4(address(index))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HostLimits = HostLimits { descriptors_max: 20_000, ports: 64_512 };

    fn options(target: &str, connections: u32, threads: u32) -> Options {
        Options { target: target.into(), connections, threads, allow_private: true, ..Options::default() }
    }

    fn refusal(options: &Options, part: &str) {
        let error = Plan::new(options, LIMITS).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn descriptors_bind_each_worker() {
        let plan = Plan::new(&options("tcp://127.0.0.1:7", 59_951, 3), LIMITS).unwrap();
        assert_eq!(plan.connections, [19_984, 19_984, 19_983]);
        let plan = Plan::new(&options("tcp://127.0.0.1:7", 19_984, 1), LIMITS).unwrap();
        assert_eq!(plan.connections, [19_984]);
        refusal(&options("tcp://127.0.0.1:7", 19_985, 1), "use -t 2");
        refusal(&options("tcp://127.0.0.1:7", 1_000_000, 50), "use -t 51");
    }

    #[test]
    fn ports() {
        for (range, expected) in
            [("1024\t65535\n", 64_512), ("32768 60999", 28_232), ("5 5", 1), ("", 28_232), ("9 1", 28_232)]
        {
            assert_eq!(port_count(range), expected, "{range:?}");
        }
        assert_eq!(LIMITS.connections_per_source(), 62_496);
        assert_eq!(HostLimits { ports: 1, ..LIMITS }.connections_per_source(), 1);
    }

    #[test]
    fn loopback_takes_as_many_sources_as_it_needs() {
        let sources = |connections| {
            let plan = Plan::new(&options("tcp://127.0.0.1:7", connections, 500), LIMITS).unwrap();
            plan.routes[0].sources.clone()
        };
        assert!(sources(15_624).is_empty(), "one source: the kernel may choose it");
        assert_eq!(sources(15_625), ["127.1.0.1".parse::<IpAddr>().unwrap(), "127.1.0.2".parse().unwrap()]);
        assert_eq!(sources(5_000_000).len(), 321);
        let churn = Options { requests_per_connection: 1, ..options("tcp://127.0.0.1:7", 1, 1) };
        assert_eq!(Plan::new(&churn, LIMITS).unwrap().source_count(), LOOPBACK_SOURCES_CHURN);
        let many = loopback_sources(1000).unwrap();
        let distinct: std::collections::BTreeSet<_> = many.iter().collect();
        assert_eq!(distinct.len(), 1000);
        assert!(loopback_sources(70_000).is_none());
    }

    #[test]
    fn other_targets_need_sources_by_name() {
        refusal(&options("tcp://10.0.0.2:7", 100_000, 10), "need 2 source addresses");
        refusal(&options("tcp://[::1]:7", 100_000, 10), "need 2 source addresses");
        let mut with = options("tcp://10.0.0.2:7", 100_000, 10);
        with.sources = vec!["10.0.0.3".parse().unwrap(), "10.0.0.3".parse().unwrap()];
        refusal(&with, "1 given");
        with.sources.push("10.0.0.4".parse().unwrap());
        assert_eq!(Plan::new(&with, LIMITS).unwrap().source_count(), 2);
        with.sources.push("fd00::1".parse().unwrap());
        refusal(&with, "--source fd00::1 is of the other family");
    }

    #[test]
    fn parts_make_the_whole() {
        assert_eq!(split(10, 4), [3, 3, 2, 2]);
        assert_eq!(split(3, 3), [1, 1, 1]);
    }
}
