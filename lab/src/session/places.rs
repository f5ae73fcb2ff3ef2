//! Which CPUs the parts of an experiment use.

use anyhow::{Context, bail};

/// Which CPUs do what.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) server: usize,
    pub(crate) client: usize,
    pub(crate) all: Vec<usize>,
}

/// Server and client on separate CPUs, if there are two.
pub(crate) fn here() -> anyhow::Result<Places> {
    let set = rustix::thread::sched_getaffinity(None).context("cannot ask for the CPUs of this process")?;
    let all: Vec<usize> = (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect();
    let (Some(server), Some(client)) = (all.first().copied(), all.last().copied()) else {
        bail!("this process may use no CPU");
    };
    Ok(Places { server, client, all })
}
