//! What /proc says about the processes of an experiment (proc(5)).

use std::fs;

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};

/// /proc counts CPU time in USER_HZ, 100 on every architecture Rust runs on (time(7)).
const TICK_US: u64 = 10_000;

/// User and system time of a process in microseconds. Works for a zombie too.
pub(crate) fn process_cpu_us(pid: u32) -> anyhow::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("reading a process's account")?;
    // The name in field 2 may hold blanks and parentheses; utime and stime are fields 14 and 15.
    let fields: Vec<&str> =
        stat.rsplit_once(')').context("/proc/PID/stat is malformed")?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).context("/proc/PID/stat is malformed")?;
    Ok((user + system) * TICK_US)
}

/// Anonymous memory of a process in bytes. From smaps_rollup, which walks the page tables: the
/// figure in `status` may lag by dozens of pages per CPU.
pub(crate) fn anonymous_bytes(pid: u32) -> anyhow::Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).context("reading a process's memory")?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:")).context("no Anonymous line")?;
    let kib = line.trim().trim_end_matches("kB").trim().parse::<u64>().context("no number of kB")?;
    Ok(kib * 1024)
}

/// Busy time of one CPU in microseconds: everything but idle and waiting for I/O, and without what
/// the hypervisor took.
pub(crate) fn cpu_busy_us(cpu: usize) -> anyhow::Result<u64> {
    let now = clock_gettime(ClockId::Monotonic);
    let now_us = now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000;
    let stat = fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
    let name = format!("cpu{cpu}");
    let line = stat.lines().find(|line| line.split_whitespace().next() == Some(&name)).context("no such CPU")?;
    let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    let away = [3, 4, 7].iter().filter_map(|index| ticks.get(*index)).sum::<u64>() * TICK_US;
    (now_us.checked_sub(away)).context("the CPU was away for longer than the host has been up")
}

/// The children of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_an_account() {
        let pid = std::process::id();
        assert!(process_cpu_us(pid).is_ok());
        assert!(anonymous_bytes(pid).unwrap() > 4096);
        assert!(process_cpu_us(u32::MAX).is_err());
        let cpu = fs::read_to_string("/proc/stat").unwrap().lines().nth(1).unwrap()[3..4].parse().unwrap();
        assert!(cpu_busy_us(cpu).unwrap() > 0);
    }
}
