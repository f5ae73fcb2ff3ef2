//! V4, V5, V6, V10, V17, V18: whether the generator's host was fit to measure on: CPU time, shortages,
//! the network stack and the clock.

use super::evidence::Evidence;
use super::rule::{percent, rule, share, state};
use crate::record::Check;

/// V4: Hyperfoil wants 20 % of each core idle; memtier at 95 % was found to measure itself.
const CPU_SHARE_WARN: f64 = 0.80;
const CPU_SHARE_INVALID: f64 = 0.95;
/// V4: a busy interval now and then does not mean saturation.
const BUSY_INTERVALS_INVALID: f64 = 0.05;
/// V5: share of the time a worker was ready to run and did not; ours.
const RUN_DELAY_SHARE_WARN: f64 = 0.01;
const RUN_DELAY_SHARE_INVALID: f64 = 0.05;
/// V6: if a thread that sleeps 2 ms wakes this late, other work ran on its CPU; the 100 ms are Hyperfoil's.
const HICCUP_US_WARN: f64 = 1000.0;
/// V17: shares of segments sent again; ours.
const RETRANSMITTED_SHARE_WARN: f64 = 0.0001;
const RETRANSMITTED_SHARE_INVALID: f64 = 0.01;
/// V18: two readings for each request must not be what is measured.
const CLOCK_READ_NS_WARN: f64 = 50.0;
/// V18: clock sources that are read without leaving the process: x86 and Arm.
const CLOCKSOURCES_GOOD: [&str; 2] = ["tsc", "arch_sys_counter"];

/// V4: a saturated worker measures itself. A closed loop gets at most a warning: it keeps its workers busy by
/// design, its requests are never late, and a full CPU only leaves open whether the throughput is the
/// target's limit or the generator's. A worker that still pauses waits for the target, so the warning needs a full CPU.
pub(super) fn worker_cpu(evidence: &Evidence<'_>) -> Check {
    let is_scheduled = evidence.why_unscheduled().is_none();
    let full = format!(
        ">= {} of the window or in > {} of the intervals",
        percent(CPU_SHARE_INVALID),
        percent(BUSY_INTERVALS_INVALID)
    );
    let (warn, invalid) = match is_scheduled {
        true => (format!(">= {} of the window or of any interval", percent(CPU_SHARE_WARN)), full),
        false => (full, "-".to_owned()),
    };
    let rule = rule("CPU share of the busiest worker", warn, invalid);
    let shares = evidence.worker_shares;
    let most = shares.iter().copied().fold(0.0, f64::max);
    let saturated = shares.iter().filter(|&&share| share >= CPU_SHARE_INVALID).count();
    let Some(busy) = evidence.busiest_worker_share else {
        return rule.skipped("not known", "needs a window of 10 ms at least");
    };
    let too_many = share(saturated as u64, shares.len() as u64, 0.0) > BUSY_INTERVALS_INVALID;
    let is_full = busy >= CPU_SHARE_INVALID || too_many;
    let is_warn = if is_scheduled { busy.max(most) >= CPU_SHARE_WARN } else { is_full };
    let value = match shares.len() {
        0 => percent(busy),
        count => format!(
            "{}; at most {} in an interval, {saturated} of {count} >= {}",
            percent(busy),
            percent(most),
            percent(CPU_SHARE_INVALID)
        ),
    };
    let why = match is_scheduled {
        true => "a worker had hardly a pause: part of the response time is its own; add --threads or lower --rate",
        false => "a closed loop keeps its worker busy: throughput may be the generator's limit, not the target's",
    };
    rule.judged(value, state(is_warn, is_scheduled && is_full), why)
}

/// V5: others on the generator's CPUs. This program's own other threads, which sample, collect and watch for pauses, are
/// none: on a host without a CPU to spare they share the workers' CPUs. A worker waits for them no longer than they
/// run, so their run time is taken off, all of it, since nobody counts how much of it the worker waited for. That
/// hides as much of others' work at most, 1 to 3 % of the window on a small virtual machine.
///
/// Workers that are pinned to the same CPU wait for each other, too, as the requests of a single worker do: V4 judges how busy
/// they are together, and V2 how late that makes them. Their work is taken off as well, and since it is much, it might
/// hide others: what else ran on this CPU is known and counts, as far as the worker may have waited for it.
pub(super) fn run_delay(evidence: &Evidence<'_>) -> Check {
    let rule = rule(
        "time a worker waited for a CPU that others had",
        format!("> {}", percent(RUN_DELAY_SHARE_WARN)),
        format!("> {}", percent(RUN_DELAY_SHARE_INVALID)),
    );
    if let Some(why) = evidence.why_untimed() {
        return rule.skipped("nothing timed", why);
    }
    let Some(delay) = evidence.run_delay_share.filter(|share| share.is_finite()) else {
        return rule.skipped("not known", "needs a kernel with CONFIG_SCHED_INFO: /proc/PID/task/TID/schedstat");
    };
    // If nobody knows what else ran there, nothing is taken off for them.
    let (siblings, foreign) = evidence.foreign_share.map_or((0.0, 0.0), |share| (evidence.siblings_share, share));
    let own = (evidence.attendants_share + siblings).clamp(0.0, delay);
    let hidden = if siblings > 0.0 { foreign.clamp(0.0, delay) } else { 0.0 };
    let others = (delay - own).max(hidden);
    // For a worker it makes no difference whether a process or another virtual machine took its CPU.
    let steal = evidence.steal_share.filter(|share| share.is_finite()).unwrap_or(0.0);
    let all = match own > 0.0 {
        true => format!(", {} with up to {} for this program's other threads", percent(delay), percent(own)),
        false => String::new(),
    };
    let stolen = if steal > 0.0 { format!(", {} stolen by the hypervisor", percent(steal)) } else { String::new() };
    let switches =
        evidence.involuntary_switches.map_or_else(String::new, |count| format!(", taken off its CPU {count} times"));
    rule.judged(
        format!("{}{all}{stolen}{switches}", percent(others)),
        state(others.max(steal) > RUN_DELAY_SHARE_WARN, others.max(steal) > RUN_DELAY_SHARE_INVALID),
        "something else ran on the generator's CPUs, and its turns are part of the times; give the workers CPUs of \
         their own (--cpus), fewer --threads, or a quieter host",
    )
}

/// V6: pauses of the whole host or process, seen by a thread that does nothing else.
pub(super) fn hiccups(evidence: &Evidence<'_>) -> Check {
    let rule = rule(
        "oversleep of a thread that wakes every 2 ms, less its wait for a CPU",
        format!("p99.9 > {HICCUP_US_WARN:.0} us"),
        "any gap > 100 ms",
    );
    if let Some(why) = evidence.why_untimed() {
        return rule.skipped("nothing timed", why);
    }
    let (tail, max, gaps) = (evidence.hiccup_us_p99_9, evidence.hiccup_us_max, evidence.hiccup_gaps);
    if tail.is_none() && max.is_none() && gaps == 0 {
        return rule.skipped("not recorded", "needs the hiccup thread");
    }
    let us = |value: Option<f64>| value.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.1} us"));
    rule.judged(
        format!("p99.9 {}, max {}, {gaps} gaps > 100 ms", us(tail), us(max)),
        state(tail.is_some_and(|tail| tail > HICCUP_US_WARN), gaps > 0),
        "the host stopped now and then (another load, a hypervisor, power saving), and so did the generator: the tail \
         contains that; use a quieter host",
    )
}

/// V10: the generator's host, not the target, was short of something.
pub(super) fn shortages(evidence: &Evidence<'_>) -> Check {
    let rule = rule("shortages of the generator's host", "-", ">= 1");
    let count = evidence.host_shortages;
    rule.judged(
        count.to_string(),
        state(false, count > 0),
        "descriptors, ports, buffers or memory ran out on this side (EMFILE, ENFILE, EADDRNOTAVAIL, ENOBUFS, ENOMEM)",
    )
}

/// V17: what the network stack lost or sent twice.
pub(super) fn transport(evidence: &Evidence<'_>) -> Check {
    let rule = rule(
        "segments sent again, or dropped on this side",
        format!("> {} sent again, or any drop or memory pressure", percent(RETRANSMITTED_SHARE_WARN)),
        format!("> {} sent again", percent(RETRANSMITTED_SHARE_INVALID)),
    );
    if evidence.is_unix {
        return rule.skipped("no segments", "a unix socket has no TCP below it, so nothing can be lost or sent again");
    }
    let Some(found) = evidence.transport else {
        return rule.skipped("not known", "needs /proc/net/snmp, /proc/net/netstat and /proc/net/softnet_stat");
    };
    let again = share(found.retrans_segs, found.out_segs, if found.retrans_segs > 0 { 1.0 } else { 0.0 });
    let dropped = found.softnet_dropped + found.backlog_drops + found.memory_pressures;
    rule.judged(
        format!(
            "{} of {} segments sent again; {} dropped by a CPU's queue, {} by a backlog; memory pressure {} times",
            found.retrans_segs, found.out_segs, found.softnet_dropped, found.backlog_drops, found.memory_pressures
        ),
        state(again > RETRANSMITTED_SHARE_WARN || dropped > 0, again > RETRANSMITTED_SHARE_INVALID),
        "packets were lost, so the tail shows timers of TCP (200 ms and more) instead of the target; these counters \
         are those of the network namespace, the softnet ones of the host: another program may have raised them",
    )
}

/// V18: one process reads one clock, so clocks that differ between hosts do not matter here.
pub(super) fn clocks(evidence: &Evidence<'_>) -> Check {
    let rule = rule(
        "clock",
        format!("another source than {}, or >= {CLOCK_READ_NS_WARN:.0} ns to read", CLOCKSOURCES_GOOD.join(" or ")),
        "a step back",
    );
    if let Some(why) = evidence.why_untimed() {
        return rule.skipped("nothing timed", why);
    }
    let Some(clock) = &evidence.clock else {
        return rule.skipped("not known", "needs /sys/devices/system/clocksource");
    };
    let is_slow = clock.read_ns >= CLOCK_READ_NS_WARN || !CLOCKSOURCES_GOOD.contains(&clock.clocksource.as_str());
    let why = match clock.steps_back {
        0 => {
            "reading the clock costs more than it should and is part of each time; the kernel's log says why it chose \
              this source"
        }
        _ => "CLOCK_MONOTONIC went backwards, which it must not: no time of this run means anything",
    };
    rule.judged(
        format!("{}, {:.1} ns to read, {} steps back", clock.clocksource, clock.read_ns, clock.steps_back),
        state(is_slow, clock.steps_back > 0),
        why,
    )
}

#[cfg(test)]
mod tests {
    use super::super::evidence::{ClockFacts, Transport};
    use super::super::sound::{Run, expect, expect_all};
    use crate::plan::mode::Mode;
    use crate::record::State;

    #[test]
    fn v4_finds_saturated_workers() {
        for (busy, saturated, at, expected) in [
            (0.79, 0, 0.95, State::Valid),
            (0.80, 0, 0.95, State::Warn),
            (0.94, 0, 0.95, State::Warn),
            (0.95, 0, 0.95, State::Invalid),
            (0.30, 1, 0.79, State::Valid),
            (0.30, 1, 0.80, State::Warn),
            // Two of forty intervals are 5 %.
            (0.30, 2, 0.95, State::Warn),
            (0.30, 3, 0.95, State::Invalid),
            (0.30, 3, 0.94, State::Warn),
        ] {
            expect("V4", expected, |run| {
                run.evidence.busiest_worker_share = Some(busy);
                run.worker_shares[..saturated].fill(at);
            });
        }
        expect("V4", State::Invalid, |run| {
            (run.worker_shares, run.evidence.busiest_worker_share) = (Vec::new(), Some(0.95))
        });
    }

    #[test]
    fn v4_only_warns_of_a_closed_loop() {
        for (busy, saturated, expected) in [
            (1.0, 40, State::Warn),
            (0.95, 0, State::Warn),
            // It has pauses, and then waits for the target.
            (0.94, 2, State::Valid),
            (0.94, 3, State::Warn),
        ] {
            let expected = [
                ("V1", State::Skipped),
                ("V2", State::Skipped),
                ("V3", State::Skipped),
                ("V4", expected),
                ("V11", State::Skipped),
            ];
            expect_all(&expected, |run| {
                (run.evidence.mode, run.evidence.busiest_worker_share) = (Mode::Closed, Some(busy));
                run.worker_shares[..saturated].fill(1.0);
            });
        }
    }

    #[test]
    fn v5_finds_others_on_the_cpus() {
        for (delay, expected) in [
            (Some(0.01), State::Valid),
            (Some(0.0101), State::Warn),
            (Some(0.05), State::Warn),
            (Some(0.0501), State::Invalid),
            (None, State::Skipped),
            (Some(f64::NAN), State::Skipped),
        ] {
            expect("V5", expected, |run| run.evidence.run_delay_share = delay);
            if delay.is_some_and(f64::is_finite) {
                expect("V5", expected, |run| run.evidence.steal_share = delay);
            }
        }
        expect("V5", State::Valid, |run| run.evidence.involuntary_switches = None);
    }

    #[test]
    fn v5_does_not_blame_others_for_the_programs_own_threads() {
        for (delay, own, expected) in [
            (0.02, 0.015, State::Valid),
            (0.02, 0.005, State::Warn),
            // They may have run while the worker had nothing to do.
            (0.005, 0.02, State::Valid),
            (0.50, 0.02, State::Invalid),
            (0.04, 0.02, State::Warn),
        ] {
            expect("V5", expected, |run| {
                (run.evidence.run_delay_share, run.evidence.attendants_share) = (Some(delay), own);
            });
        }
        let mut run = Run::sound();
        (run.evidence.run_delay_share, run.evidence.attendants_share) = (Some(0.02), 0.015);
        let value = &run.verdict().checks[4].value;
        assert_eq!(
            value,
            "0.500 %, 2.000 % with up to 1.500 % for this program's other threads, taken off its CPU 5 times"
        );
    }

    /// Workers of one CPU wait for each other, and for whatever else runs there.
    #[test]
    fn v5_does_not_blame_others_for_workers_of_the_same_cpu() {
        for (delay, siblings, foreign, expected) in [
            (0.30, 0.40, Some(0.0), State::Valid),
            (0.30, 0.40, None, State::Invalid),
            (0.30, 0.20, Some(0.0), State::Invalid),
            // As much as one may have hidden behind them.
            (0.30, 0.40, Some(0.02), State::Warn),
            (0.30, 0.40, Some(0.30), State::Invalid),
            (0.005, 0.40, Some(0.30), State::Valid),
            // A worker that has its CPU alone waits for nobody but others.
            (0.005, 0.0, Some(0.30), State::Valid),
        ] {
            expect("V5", expected, |run| {
                let evidence = &mut run.evidence;
                (evidence.run_delay_share, evidence.siblings_share, evidence.foreign_share) =
                    (Some(delay), siblings, foreign);
            });
        }
    }

    #[test]
    fn v6_finds_pauses() {
        for (tail, max, gaps, expected) in [
            (Some(1000.0), Some(90_000.0), 0, State::Valid),
            (Some(1000.1), Some(90_000.0), 0, State::Warn),
            (Some(100.0), Some(110_000.0), 1, State::Invalid),
            (None, Some(90_000.0), 0, State::Valid),
            (None, None, 1, State::Invalid),
            (None, None, 0, State::Skipped),
        ] {
            expect("V6", expected, |run| {
                let evidence = &mut run.evidence;
                (evidence.hiccup_us_p99_9, evidence.hiccup_us_max, evidence.hiccup_gaps) = (tail, max, gaps);
            });
        }
    }

    #[test]
    fn v10_finds_shortages() {
        for (count, expected) in [(0, State::Valid), (1, State::Invalid), (1000, State::Invalid)] {
            expect("V10", expected, |run| run.evidence.host_shortages = count);
        }
    }

    #[test]
    fn v17_finds_lost_packets() {
        let sound = Transport { out_segs: 1_000_000, ..Transport::default() };
        for (found, expected) in [
            (Some(Transport { retrans_segs: 100, ..sound }), State::Valid),
            (Some(Transport { retrans_segs: 101, ..sound }), State::Warn),
            (Some(Transport { retrans_segs: 10_000, ..sound }), State::Warn),
            (Some(Transport { retrans_segs: 10_001, ..sound }), State::Invalid),
            (Some(Transport { softnet_dropped: 1, ..sound }), State::Warn),
            (Some(Transport { backlog_drops: 1, ..sound }), State::Warn),
            (Some(Transport { memory_pressures: 1, ..sound }), State::Warn),
            (Some(Transport::default()), State::Valid),
            (Some(Transport { retrans_segs: 1, ..Transport::default() }), State::Invalid),
            (None, State::Skipped),
        ] {
            expect("V17", expected, |run| run.evidence.transport = found);
        }
        expect("V17", State::Skipped, |run| {
            // Losses of others in the namespace say nothing about a unix socket.
            (run.evidence.is_unix, run.evidence.transport) = (true, Some(Transport { retrans_segs: 10_001, ..sound }));
        });
    }

    #[test]
    fn v18_finds_slow_and_broken_clocks() {
        let clock = |clocksource: &str, read_ns, steps_back| ClockFacts {
            clocksource: clocksource.into(),
            read_ns,
            steps_back,
        };
        for (found, expected) in [
            (Some(clock("arch_sys_counter", 49.9, 0)), State::Valid),
            (Some(clock("tsc", 50.0, 0)), State::Warn),
            (Some(clock("hpet", 25.0, 0)), State::Warn),
            (Some(clock("tsc", 25.0, 1)), State::Invalid),
            (None, State::Skipped),
        ] {
            expect("V18", expected, |run| run.evidence.clock = found.clone());
        }
    }
}
