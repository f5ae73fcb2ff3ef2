//! Prepares the network namespace of a run before anything starts in it.

use anyhow::Context;
use host::sysctl;

/// Prepares the namespace of the calling thread.
pub(super) fn prepare() -> anyhow::Result<()> {
    // BBR, the default on some hosts, paces each packet with a timer for each connection. Reno is the only other
    // algorithm that any namespace may choose.
    sysctl::write("net.ipv4.tcp_congestion_control", "reno").context("cannot choose reno in the namespace")?;
    // Otherwise connections that a failed run leaves half closed would stay for minutes, with their data.
    sysctl::write("net.ipv4.tcp_orphan_retries", "1").context("cannot shorten the life of orphans")
}
