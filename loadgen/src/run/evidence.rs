//! Gathers the evidence for the validity checks. Judges nothing.

use super::conduct::Conducted;
use crate::engine::job::Job;
use crate::plan::mode::Mode;
use crate::ratio::share_of;
use crate::record::{Interval, IntervalPhase};
use crate::recording::arrival_log::ArrivalLog;
use crate::recording::counters::Traffic;
use crate::recording::cpu_shares::Waited;
use crate::schedule::{Process, Schedule};
use crate::validity::{ArrivalTest, ClockFacts, Disclosure, SendWindow, Steadiness, Transport};
use host::kernel::KernelDelta;
use sys::clock::duration_ns;

/// Arrivals due and reached, second by second.
pub(super) fn windows(log: &ArrivalLog) -> Vec<SendWindow> {
    log.seconds.iter().map(|second| SendWindow { due: second.due, reached: second.reached }).collect()
}

/// The process against which the arrivals can be tested.
pub(super) fn process(job: &Job<'_>) -> Option<Process> {
    match (job.options.mode(), job.options.process) {
        // Neither bins nor their mean mean anything when the rate changes.
        (Mode::Open, Process::Constant) if job.schedule.stages.len() > 1 => None,
        (Mode::Open, process) => Some(process),
        (Mode::Closed | Mode::Heartbeat | Mode::Idle, _) => None,
    }
}

/// The sends of the worker with most of them.
pub(super) fn arrivals(job: &Job<'_>, log: &ArrivalLog, window_ns: u64) -> Option<ArrivalTest> {
    if log.count == 0 || window_ns == 0 {
        return None;
    }
    // The window may have been cut short, so expect only the arrivals until its end.
    let share = window_ns as f64 / duration_ns(job.options.window()).max(1) as f64;
    let expected = match job.options.heartbeat {
        Some(_) => job.expected_arrivals(0) * share,
        None => expected(&job.schedule, job.options.requests, log.last_ns, window_ns),
    };
    let span_ns = if job.options.requests.is_some() { log.last_ns.clamp(1, window_ns) } else { window_ns };
    let units = |ns: u64| job.schedule.expected_until(ns) / f64::from(job.schedule.workers);
    let gap_sums = log.stamps.windows(2).map(|pair| units(pair[1]) - units(pair[0])).collect();
    Some(ArrivalTest {
        gap_sums,
        gaps_per_sample: log.gaps_per_stamp,
        mean_rate_ratio: log.count as f64 / expected,
        expected,
        bin_count_max: log.bin_count_max,
        bin_count_mean: expected * 1e6 / span_ns as f64,
    })
}

/// The arrivals expected of a worker. With counted requests, the window ends with the last reply, but the
/// schedule with its last arrival; there is one more arrival than gaps before it.
fn expected(schedule: &Schedule, requests: Option<u64>, last_ns: u64, window_ns: u64) -> f64 {
    let of_worker = |until_ns| schedule.expected_until(until_ns) / f64::from(schedule.workers);
    match requests {
        Some(_) => (of_worker(last_ns) + 1.0).min(of_worker(window_ns).max(1.0)),
        None => of_worker(window_ns),
    }
}

/// CPU shares of whole intervals of the window.
pub(super) fn worker_shares(job: &Job<'_>, intervals: &[Interval]) -> Vec<f64> {
    let whole_us = duration_ns(job.options.interval_or_default()) / 1000;
    let whole = measured(intervals).filter(|interval| interval.duration_us >= whole_us / 2);
    whole.filter_map(|interval| interval.busiest_worker_share).collect()
}

/// The course of the quantiles.
pub(super) fn steadiness(conducted: &Conducted, intervals: &[Interval]) -> Steadiness {
    Steadiness {
        reached_steady: conducted.is_steady,
        warmup_us: conducted.warm_up_ns / 1000,
        p50_us: measured(intervals).filter_map(|interval| interval.response_us.p50).collect(),
        p99_us: measured(intervals).filter_map(|interval| interval.response_us.p99).collect(),
    }
}

fn measured(intervals: &[Interval]) -> impl Iterator<Item = &Interval> {
    intervals.iter().filter(|interval| interval.phase == IntervalPhase::Measured)
}

/// The network stack in the window, that of the engine `tun` included; `None` when its counters could not
/// be read.
pub(super) fn transport(kernel: &KernelDelta, traffic: &Traffic) -> Option<Transport> {
    Some(Transport {
        out_segs: kernel.counter("OutSegs")? + traffic.write,
        retrans_segs: kernel.counter("RetransSegs")? + traffic.retransmits,
        softnet_dropped: kernel.softnet?.dropped,
        backlog_drops: kernel.counter("TCPBacklogDrop")?,
        memory_pressures: kernel.counter("TCPMemoryPressures")?,
    })
}

/// Share of the window that the hypervisor took, on the worst of the generator's CPUs.
pub(super) fn steal_share(job: &Job<'_>, kernel: &KernelDelta) -> Option<f64> {
    let is_own = |cpu: u32| job.options.cpus.is_empty() || job.options.cpus.contains(&cpu);
    let stolen = kernel.cpus.iter().filter(|time| is_own(time.cpu)).map(|time| time.steal_us).max()?;
    share_of(stolen.saturating_mul(1000), kernel.wall_us.saturating_mul(1000))
}

/// Share of the window for which something else than this program ran on a CPU that several workers share, softirqs
/// included; `None` if none do, and when it is not known.
pub(super) fn foreign_share(waited: Waited, attendants_share: f64, kernel: &KernelDelta) -> Option<f64> {
    let (cpu, ran) = waited.shared?;
    let time = kernel.cpus.iter().find(|time| time.cpu == cpu)?;
    let busy = share_of(time.busy_us().saturating_mul(1000), kernel.wall_us.saturating_mul(1000))?;
    Some((busy - ran - attendants_share).max(0.0))
}

/// How far the kernel's count rose over the connects, and how many ends of each connection it counts. Connections of a
/// dead client that these replaced are subtracted from the count before the connects.
pub(super) fn kernel_established(conducted: &Conducted, replaced: u64, has_both_ends: bool) -> Option<(u64, u64)> {
    let before = conducted.kernel_established_before?.saturating_sub(replaced);
    let rise = conducted.kernel_established?.saturating_sub(before);
    Some((rise, if has_both_ends { 2 } else { 1 }))
}

/// The clock.
pub(super) fn clock(job: &Job<'_>) -> ClockFacts {
    ClockFacts {
        clocksource: job.clock.clocksource.clone().unwrap_or_else(|| "unknown".into()),
        read_ns: job.clock.read_ns,
        steps_back: job.clock.steps_back,
    }
}

/// The facts without which a number is worthless.
pub(super) fn disclosure(job: &Job<'_>, is_co_located: bool) -> Disclosure {
    Disclosure {
        is_co_located,
        cpus: job.options.cpus.clone(),
        governor: job.host.governor.clone(),
        kernel: job.host.kernel.clone(),
        mitigations: job.host.mitigations.clone(),
        clocksource: job.clock.clocksource.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        seed: Some(job.schedule.seed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Stage;
    use std::time::Duration;

    /// If a server took a second for the last of 50 replies, the rate once looked like a tenth of what it
    /// was.
    #[test]
    fn a_window_that_ends_with_its_replies_does_not_thin_the_rate_out() {
        let stages = vec![Stage { rate: 1000.0, duration: Duration::from_secs(3600) }];
        let schedule = Schedule { process: Process::Constant, stages, burst: 1, seed: 0, workers: 1 };
        let (last_ns, window_ns) = (49_000_000, 1_049_000_000);
        assert_eq!(expected(&schedule, Some(50), last_ns, window_ns), 50.0);
        assert_eq!(expected(&schedule, None, last_ns, window_ns), 1049.0);
        // A window that was cut short had as many as fit.
        assert_eq!(expected(&schedule, Some(1000), 49_900_000, 50_000_000), 50.0);
        let two = Schedule { workers: 2, ..schedule };
        assert_eq!(expected(&two, Some(50), 48_000_000, window_ns), 25.0);
    }
}
