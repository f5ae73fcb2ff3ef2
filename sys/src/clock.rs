//! The one clock: CLOCK_MONOTONIC in nanoseconds. Wall time appears once per record, never in a stamp.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::Duration;

fn ns(time: Timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Now, in nanoseconds since some moment before the program started.
#[inline]
pub fn now_ns() -> u64 {
    ns(clock_gettime(ClockId::Monotonic))
}

/// CPU time of the calling thread.
pub fn thread_cpu_ns() -> u64 {
    ns(clock_gettime(ClockId::ThreadCPUTime))
}

/// Wall time in ms since 1970.
pub fn unix_ms() -> u64 {
    ns(clock_gettime(ClockId::Realtime)) / 1_000_000
}

/// A duration in nanoseconds; saturates above five hundred years.
pub fn duration_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The time from `now` to `then` for a system call; zero when `then` has passed.
#[inline]
pub fn until(then: u64, now: u64) -> Timespec {
    let left = then.saturating_sub(now);
    Timespec { tv_sec: (left / 1_000_000_000) as i64, tv_nsec: (left % 1_000_000_000) as i64 }
}
