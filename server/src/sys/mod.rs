//! What the reactors need from the kernel besides I/O: limits, placement, private fd tables, programs
//! of reuseport groups.
//!
//! The only unsafe code outside `backend/uring/`.

pub(crate) mod bpf;
pub(crate) mod pages;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Gives the calling thread an fd table of its own that has the standard streams and `kept`.
///
/// Then no lock of the table is shared between reactors, growing it does not wait for an RCU grace
/// period (Linux `fs/file.c`, `expand_fdtable`), and RLIMIT_NOFILE bounds each reactor instead of
/// the process. A plain unshare(CLONE_FILES) would also copy what other threads have open, and a
/// copied socket stays open when they close theirs: no FIN would leave.
///
/// # Errors
/// ENOSYS before Linux 5.9, EMFILE; no privilege is needed.
pub(crate) fn unshare_fd_table(kept: &[BorrowedFd<'_>]) -> io::Result<()> {
    const FIRST_CLOSED: u32 = 3;
    let mut kept: Vec<u32> = kept.iter().map(|descriptor| descriptor.as_raw_fd() as u32).collect();
    kept.sort_unstable();
    // What lies behind the last one goes with the unsharing itself, so that it is never copied.
    close_range(kept.last().map_or(FIRST_CLOSED, |last| last + 1), u32::MAX, libc::CLOSE_RANGE_UNSHARE)?;
    let mut first = FIRST_CLOSED;
    for kept in kept {
        if kept > first {
            close_range(first, kept - 1, 0)?;
        }
        first = first.max(kept + 1);
    }
    Ok(())
}

/// Puts /dev/null in the place of standard output in the fd table of the calling thread. A copy of it would keep a
/// pipe open that the program gave up, and its reader waiting. The place stays taken, so that no socket gets its
/// number.
///
/// # Errors
/// Those of open(2).
pub(crate) fn leave_stdout_to_others() -> io::Result<()> {
    let nothing = File::options().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(nothing)?)
}

fn close_range(first: u32, last: u32, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: the first call of `unshare_fd_table` carries CLOSE_RANGE_UNSHARE (close_range(2)), so
    // both close in a table that only this thread has. A reactor calls it before it opens anything,
    // and of what was open before it uses only the standard streams and the descriptors it keeps.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes a listener match no segment that finds neither a connection nor a handshake under way, by
/// binding it to an interface that does not exist. Established handshakes keep their own interface.
///
/// # Errors
/// EPERM where it is bound to an interface already; no privilege is needed since Linux 5.7.
pub(crate) fn bind_to_no_interface(listener: &impl AsFd) -> io::Result<()> {
    // Interfaces are numbered upwards from 1, and the kernel does not look whether this one exists
    // (`net/core/sock.c`, `sock_bindtoindex_locked`).
    let no_interface = libc::c_int::MAX;
    // asm-generic/socket.h; the libc crate lacks it.
    const SO_BINDTOIFINDEX: libc::c_int = 62;
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    let interface = (&raw const no_interface).cast();
    let listener = listener.as_fd().as_raw_fd();
    // SAFETY: the kernel reads `size` bytes at the address, an initialised int, and writes none.
    match unsafe { libc::setsockopt(listener, libc::SOL_SOCKET, SO_BINDTOIFINDEX, interface, size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Bytes that the peer of a stream socket has not acknowledged, sent or not (SIOCOUTQ, tcp(7)). Of a unix socket
/// it is the memory of messages that were not received to their end, so it changes in large steps.
///
/// # Errors
/// ENOTTY and EINVAL for what is no connected stream socket.
pub(crate) fn unacknowledged_len(socket: &impl AsFd) -> io::Result<u32> {
    let mut len: libc::c_int = 0;
    // SAFETY: TIOCOUTQ, which is SIOCOUTQ (linux/sockios.h), writes one int to the address.
    match unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut len) } {
        0 => Ok(u32::try_from(len).unwrap_or(0)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Connections in the accept queue of a TCP listener: the kernel gives them as unacknowledged segments
/// (`tcp_get_info` in net/ipv4/tcp.c: `sk_ack_backlog`, since Linux 2.6.23).
///
/// # Errors
/// ENOTSUP for other sockets.
pub(crate) fn queued_connections(listener: &impl AsFd) -> io::Result<u32> {
    let mut info = std::mem::MaybeUninit::<libc::tcp_info>::zeroed();
    let mut size = size_of::<libc::tcp_info>() as libc::socklen_t;
    let listener = listener.as_fd().as_raw_fd();
    let place = info.as_mut_ptr().cast();
    // SAFETY: the kernel writes at most `size` bytes, the length of `info`, and the length to `size`.
    match unsafe { libc::getsockopt(listener, libc::IPPROTO_TCP, libc::TCP_INFO, place, &raw mut size) } {
        // SAFETY: every field is a number, for which all bytes that were zeroed or written stand.
        0 => Ok(unsafe { info.assume_init() }.tcpi_unacked),
        _ => Err(io::Error::last_os_error()),
    }
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

/// Leaves signals to the other threads. A handler that ran here would look for its descriptors (the pipe that
/// tells the main thread, for instance) in this thread's table, and write to whatever has that number: a
/// client's connection. The kernel prefers the main thread, but takes another one while that is stopped or
/// traced (kernel/signal.c, `complete_signal`).
///
/// # Errors
/// None that pthread_sigmask(3) knows.
pub(crate) fn leave_signals_to_others() -> io::Result<()> {
    // Of faults of the thread itself, which would kill the process unseen if they were blocked; and of profilers.
    const KEPT: [libc::c_int; 7] =
        [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT, libc::SIGPROF];
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: the C library fills the set that it is given.
    unsafe { libc::sigfillset(set.as_mut_ptr()) };
    for signal in KEPT {
        // SAFETY: as above; the set was filled.
        unsafe { libc::sigdelset(set.as_mut_ptr(), signal) };
    }
    // SAFETY: the set is read, and there is no place for the old one.
    match unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Lets the calling thread wait for its turn instead of interrupting others when it wakes up.
///
/// # Errors
/// EPERM where a policy above it was set; no privilege is needed (sched(7)).
pub(crate) fn schedule_as_batch() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 is the calling thread; the kernel reads the structure and keeps no address.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_can_be_without_haste() {
        let policy = std::thread::spawn(|| {
            schedule_as_batch().unwrap();
            // Field 41 of stat is the policy (proc_pid_stat(5)): 3 is SCHED_BATCH.
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            stat.rsplit_once(')').unwrap().1.split_whitespace().nth(38).unwrap().to_owned()
        });
        assert_eq!(policy.join().unwrap(), "3");
    }

    #[test]
    fn a_reactor_holds_nobody_elses_sockets() {
        let below = std::fs::File::open("/dev/null").unwrap();
        let kept = doorbell().unwrap();
        let between = std::fs::File::open("/dev/null").unwrap();
        let kept_too = doorbell().unwrap();
        let above = std::fs::File::open("/dev/null").unwrap();
        let numbers =
            [&below as &dyn AsRawFd, &kept, &between, &kept_too, &above].map(|descriptor| descriptor.as_raw_fd());
        let open = std::thread::scope(|scope| {
            let reactor = scope.spawn(|| {
                unshare_fd_table(&[kept_too.as_fd(), kept.as_fd()]).unwrap();
                numbers.map(|number| std::fs::read_link(format!("/proc/thread-self/fd/{number}")).is_ok())
            });
            reactor.join().unwrap()
        });
        assert_eq!(open, [false, true, false, true, false]);
        assert!([below, between, above].iter().all(|file| file.metadata().is_ok()), "they are still open here");
    }
}
