//! What a thread arranges for itself: an fd table, signals, its scheduling policy.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Gives the calling thread its own fd table with the standard streams and `kept`.
///
/// Then no lock of the table is shared between reactors, growing it does not wait for an RCU grace
/// period (Linux `fs/file.c`, `expand_fdtable`), and RLIMIT_NOFILE bounds each reactor instead of
/// the process. A plain unshare(CLONE_FILES) would also copy what other threads have open, and a
/// copied socket stays open when they close theirs: no FIN would leave.
///
/// # Errors
/// ENOSYS before Linux 5.9, EMFILE; no privilege is needed.
pub fn unshare_fd_table(kept: &[BorrowedFd<'_>]) -> io::Result<()> {
    close_others(kept)
}

/// Closes everything but the standard streams and `kept` in the fd table that `unshare_fd_table` gave the calling
/// thread: what it kept then to copy it, and does not need any more. Whoever still owns one of those in another
/// thread loses nothing, but the calling thread must not use it again.
///
/// # Errors
/// None in practice.
pub fn close_in_own_fd_table(kept: &[BorrowedFd<'_>]) -> io::Result<()> {
    close_others(kept)
}

fn close_others(kept: &[BorrowedFd<'_>]) -> io::Result<()> {
    const FIRST_CLOSED: u32 = 3;
    let mut kept: Vec<u32> = kept.iter().map(|descriptor| descriptor.as_raw_fd() as u32).collect();
    kept.sort_unstable();
    // The unsharing call itself closes everything after the last kept descriptor, so that it is never copied. In a
    // table that is the thread's own already, the flag does nothing.
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

fn close_range(first: u32, last: u32, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: the first call of `close_others` carries CLOSE_RANGE_UNSHARE (close_range(2)), so
    // all close in a table that only this thread has. A reactor calls it before it opens anything but
    // what it keeps, and of what was open before it uses only the standard streams and what it keeps.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Replaces standard output by /dev/null in the fd table of the calling thread. A copy of standard output would
/// keep a pipe open that the program has closed, and its reader waiting. The number stays in use, so that no
/// socket gets it.
///
/// # Errors
/// Those of open(2).
pub fn leave_stdout_to_others() -> io::Result<()> {
    let nothing = File::options().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(nothing)?)
}

/// Leaves signals to the other threads. A handler that ran here would look up its descriptors (for example
/// the pipe to the main thread) in this thread's table and could write to a client's connection with the same
/// number. The kernel prefers the main thread, but takes another one while that is stopped or traced
/// (kernel/signal.c, `complete_signal`).
///
/// # Errors
/// None, by pthread_sigmask(3).
pub fn leave_signals_to_others() -> io::Result<()> {
    // Signals for faults of the thread itself, which would kill the process unseen if they were blocked; and
    // those of profilers.
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
pub fn schedule_as_batch() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 is the calling thread; the kernel reads the structure and keeps no address.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sets whether the calling thread runs before all ordinary ones (SCHED_FIFO at the lowest priority) or is one of
/// them. EPERM without CAP_SYS_NICE and with RLIMIT_RTPRIO of zero (sched(7)).
///
/// # Errors
/// EPERM, as said.
pub fn set_realtime(is_wanted: bool) -> io::Result<()> {
    let (policy, priority) = if is_wanted { (libc::SCHED_FIFO, 1) } else { (libc::SCHED_OTHER, 0) };
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: 0 is the calling thread; the kernel reads the structure and keeps no address.
    match unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::doorbell;

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
    fn a_thread_runs_first_or_says_that_it_may_not() {
        let outcome = std::thread::spawn(|| set_realtime(true).and_then(|()| set_realtime(false))).join().unwrap();
        assert!(matches!(outcome, Ok(()) | Err(_)), "{outcome:?}");
    }

    #[test]
    fn a_reactor_holds_nobody_elses_sockets() {
        let below = std::fs::File::open("/dev/null").unwrap();
        let kept = doorbell::open().unwrap();
        let between = std::fs::File::open("/dev/null").unwrap();
        let kept_too = doorbell::open().unwrap();
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

    /// A socket is closed only when no table has it any more, so a copy must not stay behind.
    #[test]
    fn what_was_kept_to_copy_it_can_be_let_go() {
        let shared = doorbell::open().unwrap();
        let kept = doorbell::open().unwrap();
        let open = std::thread::scope(|scope| {
            let reactor = scope.spawn(|| {
                unshare_fd_table(&[shared.as_fd(), kept.as_fd()]).unwrap();
                let copy = shared.try_clone().unwrap();
                close_in_own_fd_table(&[kept.as_fd(), copy.as_fd()]).unwrap();
                [shared.as_raw_fd(), kept.as_raw_fd(), copy.as_raw_fd()]
                    .map(|number| std::fs::read_link(format!("/proc/thread-self/fd/{number}")).is_ok())
            });
            reactor.join().unwrap()
        });
        assert_eq!(open, [false, true, true]);
        assert!(doorbell::ring(&shared).is_ok(), "it is open here");
    }

    #[test]
    fn a_thread_gets_an_empty_table_of_its_own() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let number = file.as_raw_fd();
        std::thread::spawn(move || {
            unshare_fd_table(&[]).expect("needs no privilege");
            let link = format!("/proc/thread-self/fd/{number}");
            assert!(std::fs::read_link(link).is_err(), "what was open before is closed here");
        })
        .join()
        .unwrap();
        assert!(file.metadata().is_ok(), "and open everywhere else");
    }
}
