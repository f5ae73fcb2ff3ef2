//! The network namespace of a run: how it is set up before anything starts in it.

use anyhow::Context;
use host::sysctl;

/// Sets up the namespace of the calling thread.
pub(super) fn prepare() -> anyhow::Result<()> {
    // BBR, some hosts' default, paces each packet by a timer of its connection's own.
    // Reno is the one other that any namespace may choose.
    sysctl::write("net.ipv4.tcp_congestion_control", "reno").context("cannot choose reno in the namespace")?;
    // What a run that failed leaves half closed would stay for minutes, with its data.
    sysctl::write("net.ipv4.tcp_orphan_retries", "1").context("cannot shorten the life of orphans")
}
