//! The descriptors and ports that a run needs from the host, computed before the first connect.
//!
//! A plan that cannot be carried out is refused here, with the command that mends it, instead of
//! failing with EMFILE or EADDRNOTAVAIL in the middle of a measurement.

pub(crate) mod engine;
pub(crate) mod grain;
mod limits;
pub(crate) mod mode;
pub(crate) mod options;
pub(crate) mod ports;
mod routes;
mod sources;
pub(crate) mod target;
pub(crate) mod tun;

use crate::LoadError;
use options::Options;
use routes::Routes;
use std::net::IpAddr;
use target::Target;

pub use limits::{HostLimits, PORT_RESERVE_SHARE};
pub(crate) use routes::{Answer, Attempt, Route};
pub use sources::{LOOPBACK_FILL, LOOPBACK_SOURCES_MAX};

/// Descriptors a worker needs beside its connections: the standard three, epoll, a timer, and a few
/// for what its libraries open.
pub const DESCRIPTOR_RESERVE: u64 = 16;

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
    /// The addresses to try before the plan is made, each with the source it is tried from.
    ///
    /// # Errors
    /// [`LoadError::Usage`] and [`LoadError::Refused`], whatever the answers would be, each saying what to change.
    pub(crate) fn attempts(options: &Options, limits: HostLimits, target: &Target) -> Result<Vec<Attempt>, LoadError> {
        check_descriptors(&split(options.connections, options.threads), limits)?;
        routes::attempts(options, target)
    }

    /// Makes the plan for `options` on a host with `limits`, with the answers of all [`Plan::attempts`].
    ///
    /// # Errors
    /// If nothing answers, or the sources have too few ports.
    pub(crate) fn new(
        options: &Options,
        limits: HostLimits,
        target: Target,
        answers: Vec<(Attempt, Answer)>,
    ) -> Result<Plan, LoadError> {
        let Routes { routes, left_out } = routes::find(options, &target, limits, answers)?;
        Ok(Plan { target, routes, left_out, connections: split(options.connections, options.threads), limits })
    }

    /// The plan of the engine `tun`, whose connections take no descriptor and no port of the kernel's.
    pub(crate) fn through_devices(options: &Options, limits: HostLimits, target: Target) -> Plan {
        let routes = target.addresses.iter().map(|address| Route::to(address.clone())).collect();
        let connections = split(options.connections, options.threads);
        Plan { target, routes, left_out: Vec::new(), connections, limits }
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

    /// Whether the connections use unix sockets instead of TCP.
    pub(crate) fn is_unix(&self) -> bool {
        self.routes.iter().any(|route| route.address.is_unix())
    }
}

/// Splits `total` over `parts`; the first ones take the remainder.
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

#[cfg(test)]
mod tests {
    use super::sources::{LOOPBACK_SOURCES_CHURN, loopback_sources};
    use super::*;

    const LIMITS: HostLimits = HostLimits { descriptors_max: 20_000, ports: 64_512 };

    fn options(target: &str, connections: u32, threads: u32) -> Options {
        Options { target: target.into(), connections, threads, allow_private: true, ..Options::default() }
    }

    /// Every address that is tried answers.
    fn planned(options: &Options) -> Result<Plan, LoadError> {
        let target = Target::parse(&options.target, |_, _| panic!("an address needs no look-up"))?;
        let attempts = Plan::attempts(options, LIMITS, &target)?;
        Plan::new(options, LIMITS, target, attempts.into_iter().map(|attempt| (attempt, Ok(()))).collect())
    }

    fn refusal(options: &Options, part: &str) {
        let error = planned(options).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn descriptors_bind_each_worker() {
        let plan = planned(&options("tcp://127.0.0.1:7", 59_951, 3)).unwrap();
        assert_eq!(plan.connections, [19_984, 19_984, 19_983]);
        let plan = planned(&options("tcp://127.0.0.1:7", 19_984, 1)).unwrap();
        assert_eq!(plan.connections, [19_984]);
        refusal(&options("tcp://127.0.0.1:7", 19_985, 1), "use -t 2");
        refusal(&options("tcp://127.0.0.1:7", 1_000_000, 50), "use -t 51");
    }

    #[test]
    fn loopback_takes_as_many_sources_as_it_needs() {
        let sources = |connections| {
            let plan = planned(&options("tcp://127.0.0.1:7", connections, 500)).unwrap();
            plan.routes[0].sources.clone()
        };
        assert!(sources(15_624).is_empty(), "one source: the kernel may choose it");
        assert_eq!(sources(15_625), ["127.1.0.1".parse::<IpAddr>().unwrap(), "127.1.0.2".parse().unwrap()]);
        assert_eq!(sources(5_000_000).len(), 321);
        let churn = Options { requests_per_connection: 1, ..options("tcp://127.0.0.1:7", 1, 1) };
        assert_eq!(planned(&churn).unwrap().source_count(), LOOPBACK_SOURCES_CHURN);
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
        assert_eq!(planned(&with).unwrap().source_count(), 2);
        with.sources.push("fd00::1".parse().unwrap());
        refusal(&with, "--source fd00::1 is of the other family");
    }

    #[test]
    fn parts_make_the_whole() {
        assert_eq!(split(10, 4), [3, 3, 2, 2]);
        assert_eq!(split(3, 3), [1, 1, 1]);
    }
}
