//! CPU time of the calling thread, split as the kernel splits it.

use serde::{Deserialize, Serialize};

/// CPU time in microseconds. The kernel samples the split between user and system at its timer
/// ticks (4 ms at HZ=250), so it is only good over seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTime {
    /// In user mode.
    pub user_us: u64,
    /// In the kernel on this thread's behalf.
    pub system_us: u64,
}

/// /proc counts in USER_HZ, which is 100 on every architecture Rust runs on (proc(5), time(7)).
const TICK_US: u64 = 10_000;

impl CpuTime {
    /// Of the calling thread; zero where /proc is not mounted.
    pub fn of_thread() -> CpuTime {
        std::fs::read_to_string("/proc/thread-self/stat").ok().and_then(|stat| parse(&stat)).unwrap_or_default()
    }
}

/// Fields 14 and 15 of proc_pid_stat(5); the name in field 2 may hold blanks and parentheses.
fn parse(stat: &str) -> Option<CpuTime> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(CpuTime { user_us: ticks()? * TICK_US, system_us: ticks()? * TICK_US })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b) R 1 2 3 4 5 6 7 8 9 10 42 43 0 0";
        assert_eq!(parse(stat), Some(CpuTime { user_us: 420_000, system_us: 430_000 }));
        assert_eq!(parse("nonsense"), None);
    }
}
