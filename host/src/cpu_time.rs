//! CPU time of a process or of the calling thread, split into user and system time by the kernel.

use serde::{Deserialize, Serialize};

/// CPU time in microseconds. The kernel samples the split between user and system at its timer ticks (4 ms at HZ=250),
/// so the split is only accurate over seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTime {
    /// Time in user mode.
    pub user_us: u64,
    /// Time in the kernel on behalf of the process or thread.
    pub system_us: u64,
}

/// /proc counts in USER_HZ, which is 100 on every architecture Rust runs on (proc(5), time(7)).
pub(crate) const TICK_US: u64 = 10_000;

impl CpuTime {
    /// CPU time of the calling thread. Zero if /proc is not mounted.
    pub fn of_thread() -> CpuTime {
        std::fs::read_to_string("/proc/thread-self/stat")
            .ok()
            .and_then(|stat| CpuTime::of_stat(&stat))
            .unwrap_or_default()
    }

    /// User and system time of a thread, or of a process including its ended threads: fields 14 and 15 of
    /// proc_pid_stat(5). The name in field 2 may contain spaces and parentheses.
    pub(crate) fn of_stat(stat: &str) -> Option<CpuTime> {
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
        let mut next_us = || fields.next()?.parse::<u64>().ok()?.checked_mul(TICK_US);
        Some(CpuTime { user_us: next_us()?, system_us: next_us()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_times() {
        for (text, expected) in [
            ("12 (a) b (c)) S 1 12 12 0 -1 4194304 100 0 0 0 250 75 0 0 20 0 1 0 5", Some((2_500_000, 750_000))),
            ("7 (a) b) R 1 2 3 4 5 6 7 8 9 10 42 43 0 0", Some((420_000, 430_000))),
            ("12 (a", None),
            ("12 (a) S 1", None),
            ("12 (a) S 1 12 12 0 -1 4194304 100 0 0 0 250", None),
            ("", None),
        ] {
            let expected = expected.map(|(user_us, system_us)| CpuTime { user_us, system_us });
            assert_eq!(CpuTime::of_stat(text), expected, "{text:?}");
        }
    }
}
