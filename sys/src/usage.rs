//! What the kernel has charged to this process and to the calling thread (getrusage(2)).

use std::mem::MaybeUninit;

/// User and system time of the whole process so far, in µs.
pub fn process_cpu_us() -> (u64, u64) {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is valid for writes of one `rusage`, which is all getrusage(2) does with it.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
    // SAFETY: `rusage` consists of integers, for which zeroes (had the call failed) are valid.
    let usage = unsafe { usage.assume_init() };
    let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    (micros(usage.ru_utime), micros(usage.ru_stime))
}

/// Time that a process has run so far, in ns: user and system, of all its threads, ended ones too, by its CPU clock
/// (clock_getcpuclockid(3)), which is exact where the fields of /proc count ticks. But it only moves when a thread gives up
/// its CPU or a tick of the kernel finds it running: up to then, what a running thread of another process has used is not in
/// it (kernel/sched/cputime.c, thread_group_cputime). Stolen time is not in it as far as the hypervisor tells. `None` when
/// there is no such process.
pub fn process_run_ns(pid: u32) -> Option<u64> {
    let pid = libc::pid_t::try_from(pid).ok().filter(|pid| *pid > 0)?;
    let mut clock = 0;
    // SAFETY: the pointer is valid for writes of one `clockid_t`, which is all the call does with it.
    let error = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if error != 0 {
        return None;
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for writes of one `timespec`, which is all the call does with it.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    (result == 0).then(|| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// How often the calling thread lost its CPU to another so far.
pub fn thread_involuntary_switches() -> u64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is valid for writes of one `rusage`, which is all getrusage(2) does with it.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
    // SAFETY: `rusage` consists of integers, for which zeroes (had the call failed) are valid.
    let usage = unsafe { usage.assume_init() };
    usage.ru_nivcsw as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against getrusage(2), which counts the same in another place, and a child that spends nothing.
    #[test]
    fn a_process_s_own_clock_is_exact() {
        let own_us = || process_run_ns(std::process::id()).expect("it runs") / 1000;
        let first = own_us();
        let spent = (0..30_000_000u64).fold(0u64, |sum, number| std::hint::black_box(sum ^ number));
        let before = own_us();
        let (user, system) = process_cpu_us();
        let after = own_us();
        // What runs on other CPUs is charged there at the next tick, and there are some other tests.
        assert!(
            before > first && user + system <= after + 1000 && user + system + 1_000_000 > before,
            "{spent} {before}"
        );
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().expect("a child");
        let idle_ns = process_run_ns(child.id());
        child.kill().and_then(|()| child.wait()).expect("its end");
        assert!(idle_ns.is_some_and(|idle_ns| idle_ns < 1_000_000_000), "{idle_ns:?}");
        assert_eq!((process_run_ns(child.id()), process_run_ns(0), process_run_ns(u32::MAX)), (None, None, None));
    }

    #[test]
    fn process_time_grows() {
        let (user, system) = process_cpu_us();
        let spent = (0..30_000_000u64).fold(0u64, |sum, number| std::hint::black_box(sum ^ number));
        let (user_later, system_later) = process_cpu_us();
        assert!(user_later + system_later > user + system, "{spent}");
    }
}
