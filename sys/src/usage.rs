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

    #[test]
    fn process_time_grows() {
        let (user, system) = process_cpu_us();
        let spent = (0..30_000_000u64).fold(0u64, |sum, number| std::hint::black_box(sum ^ number));
        let (user_later, system_later) = process_cpu_us();
        assert!(user_later + system_later > user + system, "{spent}");
    }
}
