//! The system calls that need `unsafe`, behind safe functions. Everything else goes through rustix.

mod child;

pub use child::tie_to_this_thread;
use rustix::fd::{AsFd, AsRawFd};
use rustix::io::Errno;
use std::mem::MaybeUninit;

/// Gives the calling thread a descriptor table of its own that has standard input and output only.
///
/// RLIMIT_NOFILE then bounds each worker instead of the process, and the table can grow without the
/// lock and the `synchronize_rcu` that growing a shared table costs. A plain unshare(CLONE_FILES)
/// would also copy what others have open, and a copied socket stays open when they close theirs.
pub(crate) fn unshare_descriptors() -> Result<(), Errno> {
    const FIRST_CLOSED: libc::c_uint = 3;
    // SAFETY: with CLOSE_RANGE_UNSHARE (close_range(2), Linux 5.9) the closing happens in a new table
    // that only this thread has. A worker calls this before it opens anything and uses no descriptor
    // opened before; what it opens afterwards never leaves its thread.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, FIRST_CLOSED, libc::c_uint::MAX, libc::CLOSE_RANGE_UNSHARE) };
    checked(result)
}

fn checked(result: libc::c_long) -> Result<(), Errno> {
    if result == 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}

/// User and system time of the whole process so far, in µs.
pub(crate) fn process_cpu_us() -> (u64, u64) {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is valid for writes of one `rusage`, which is all getrusage(2) does with it.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
    // SAFETY: `rusage` consists of integers, for which zeroes (had the call failed) are valid.
    let usage = unsafe { usage.assume_init() };
    let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    (micros(usage.ru_utime), micros(usage.ru_stime))
}

/// How often the calling thread lost its CPU to another so far.
pub(crate) fn thread_involuntary_switches() -> u64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is valid for writes of one `rusage`, which is all getrusage(2) does with it.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
    // SAFETY: `rusage` consists of integers, for which zeroes (had the call failed) are valid.
    let usage = unsafe { usage.assume_init() };
    usage.ru_nivcsw as u64
}

/// Lets bind(2) take an address but no port, so that connect(2) can choose a port that is free for
/// this target only. Without it each bound port is taken for every target (ip(7), since Linux 4.2).
pub(crate) fn choose_port_late(socket: impl AsFd) -> Result<(), Errno> {
    let on: libc::c_int = 1;
    // SAFETY: `on` is a valid int for the length given, and setsockopt(2) only reads it.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    checked(libc::c_long::from(result))
}

/// Whether the calling thread runs before all ordinary ones (SCHED_FIFO at the lowest priority) or is one of them.
/// EPERM without CAP_SYS_NICE and with RLIMIT_RTPRIO of zero (sched(7)).
pub(crate) fn set_realtime(is_wanted: bool) -> Result<(), Errno> {
    let (policy, priority) = if is_wanted { (libc::SCHED_FIFO, 1) } else { (libc::SCHED_OTHER, 0) };
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: 0 is the calling thread; the kernel reads the structure and keeps no address.
    let result = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    checked(libc::c_long::from(result))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_runs_first_or_says_that_it_may_not() {
        let outcome = std::thread::spawn(|| set_realtime(true).and_then(|()| set_realtime(false))).join().unwrap();
        assert!(matches!(outcome, Ok(()) | Err(Errno::PERM)), "{outcome:?}");
    }

    #[test]
    fn process_time_grows() {
        let (user, system) = process_cpu_us();
        let spent = (0..30_000_000u64).fold(0u64, |sum, number| std::hint::black_box(sum ^ number));
        let (user_later, system_later) = process_cpu_us();
        assert!(user_later + system_later > user + system, "{spent}");
    }

    #[test]
    fn a_thread_gets_an_empty_table_of_its_own() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let number = file.as_raw_fd();
        std::thread::spawn(move || {
            unshare_descriptors().expect("needs no privilege");
            let link = format!("/proc/thread-self/fd/{number}");
            assert!(std::fs::read_link(link).is_err(), "what was open before is closed here");
        })
        .join()
        .unwrap();
        assert!(file.metadata().is_ok(), "and open everywhere else");
    }
}
