//! The source addresses of a run, chosen so that no pair of addresses runs out of ports.

use super::limits::{HostLimits, PORT_RESERVE_SHARE};
use super::options::Options;
use crate::LoadError;
use std::net::{IpAddr, Ipv4Addr};

/// Addresses on loopback cost nothing, so each carries only one in this many of the connections it could. In
/// a range that is nearly full, connect(2) searches long for a free port (200,000 connections over 8
/// addresses filled over 9 in 10 took over 100 s, over 30 they take 8 s).
pub const LOOPBACK_FILL: u32 = 4;

/// Source addresses of 127.1.0.0/16 that are taken without being named: hosts 1 to 254 of each /24.
pub const LOOPBACK_SOURCES_MAX: usize = 256 * 254;

/// Fewest sources on loopback if connections come and go, or clients may have to come back. Each closed one keeps its port for a minute
/// (TIME-WAIT); this many sources allow 30,000 a second in the default port range.
pub(super) const LOOPBACK_SOURCES_CHURN: usize = 64;

/// The sources for this many connections to one address; none leaves the choice to the kernel.
pub(super) fn plan_sources(
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
    let is_churn = options.requests_per_connection > 0 || options.reconnect.is_some();
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

/// 127.1.0.1, 127.1.0.2, …: all of 127/8 is local, and these are unlikely to be used by anything else.
pub(super) fn loopback_sources(count: usize) -> Option<Vec<IpAddr>> {
    (count <= LOOPBACK_SOURCES_MAX).then(|| {
        let address = |index: usize| Ipv4Addr::new(127, 1, (index / 254) as u8, (index % 254) as u8 + 1);
        (0..count).map(|index| IpAddr::V4(address(index))).collect()
    })
}
