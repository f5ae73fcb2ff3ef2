//! What the reactors need from the kernel besides I/O: limits, placement, private fd tables.
//!
//! The only unsafe code outside `backend/uring/`.

use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, UnshareFlags, sched_getaffinity, sched_setaffinity};

/// Gives the calling thread an fd table of its own.
///
/// Then no lock of the table is shared between reactors, growing it does not wait for an RCU grace
/// period (Linux `fs/file.c`, `expand_fdtable`), and RLIMIT_NOFILE bounds each reactor instead of
/// the process. Descriptors that exist at this moment are in both tables from here on.
///
/// # Errors
/// What unshare(2) says; CLONE_FILES needs no privilege.
pub(crate) fn unshare_fd_table() -> io::Result<()> {
    // SAFETY: the new table starts as a copy, so every descriptor this thread's values own stays
    // valid in it; values created later belong to this thread, which keeps and closes them itself.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FILES) }?;
    Ok(())
}

/// Runs the calling thread on `cpu` only.
///
/// # Errors
/// EINVAL when the CPU does not exist or is outside the cpuset of this process.
pub(crate) fn pin_to_cpu(cpu: usize) -> io::Result<()> {
    if cpu >= CpuSet::MAX_CPU {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set)?;
    Ok(())
}

/// The CPUs this process may run on, in ascending order.
///
/// # Errors
/// What sched_getaffinity(2) says.
pub(crate) fn allowed_cpus() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}

/// Raises the soft RLIMIT_NOFILE to the hard one and returns it. Raising the soft limit needs no
/// privilege; it is low by default only for the sake of select(2).
///
/// # Errors
/// What setrlimit(2) says.
pub(crate) fn raise_fd_limit() -> io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(maximum.unwrap_or(u64::MAX))
}

/// A counter that wakes a reactor from another thread.
///
/// # Errors
/// EMFILE and friends.
pub(crate) fn doorbell() -> io::Result<OwnedFd> {
    use rustix::event::{EventfdFlags, eventfd};
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

/// Rings a [`doorbell`].
///
/// # Errors
/// None in practice: EAGAIN would need 2^64 - 2 unanswered rings.
pub(crate) fn ring(doorbell: &OwnedFd) -> io::Result<()> {
    rustix::io::write(doorbell, &1u64.to_ne_bytes())?;
    Ok(())
}

/// Answers a [`doorbell`], so that it is quiet again.
pub(crate) fn answer(doorbell: &OwnedFd) {
    let mut count = [0u8; 8];
    // EAGAIN means that it was quiet already: nothing is lost, the ring's message is elsewhere.
    let _ = rustix::io::read(doorbell, &mut count);
}
