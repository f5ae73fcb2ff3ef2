//! V11: whether the sends follow the process that the record names. Poisson is judged by the distribution of
//! gaps, constant by the absence of bunches, both by their rate.

use super::evidence::{ArrivalTest, Evidence};
use super::rule::{percent, rule, state};
use crate::record::{Check, State};
use crate::schedule::Process;
use crate::statistics::{CRITICAL_1_PERCENT, anderson_darling, gamma_tails};

/// Lancet's bound is twice the critical value.
const CRITICAL_TIMES_INVALID: f64 = 2.0;
/// A constant rate must not bunch by more than this many deviations of a Poisson count.
const BUNCH_DEVIATIONS_WARN: f64 = 6.0;
const BUNCH_DEVIATIONS_INVALID: f64 = 2.0 * BUNCH_DEVIATIONS_WARN;
/// The rate itself.
const RATE_OFF_INVALID: f64 = 0.01;
/// How far chance may move the number of Poisson arrivals: one case in 16,000.
const RATE_DEVIATIONS: f64 = 4.0;
/// Arrivals noticed in one turn have no gap between them, and to the test a gap of zero is the worst fault: a
/// healthy worker of 1,000 requests/s that wakes 60 µs late scores 10,000. Sums of this many gaps remove the
/// effect, because this many arrivals in one turn do not happen by chance.
const GAPS_MIN: f64 = 10.0;
/// With sums that span 1 ms of k gaps each, those of (k / 2)² gaps deviate by 0.5 ms: five times the
/// lateness that V2 allows, so that what the test sees is arrivals and not the timer. Simulated for 100 to
/// 300,000 requests/s with wake-ups 60 and 150 µs late, none of which exceeds the critical value often.
const GAPS_PER_SPAN: f64 = 0.5;
/// With fewer samples only gross faults would show.
const GAP_SUMS_MIN: usize = 20;
/// With more samples the test would find irrelevant deviations, because no sender is exact: 5,000 tell 2 % of
/// the distribution, 5,000,000 would tell the microseconds of a timer.
const GAP_SUMS_MAX: usize = 5000;

/// V11: whether the sends follow the process that the record names.
pub(super) fn arrivals(evidence: &Evidence<'_>) -> Check {
    let rule = rule(
        "arrivals as sent",
        "poisson: Anderson-Darling > 3.857 (1 %); constant: > mean + 6 sqrt(mean) in 1 ms",
        "twice that, or a rate off by > 1 % and more than chance",
    );
    if let Some(why) = evidence.why_unscheduled() {
        return rule.skipped("no schedule", why);
    }
    let Some(test) = &evidence.arrivals else {
        return rule.skipped("not recorded", "needs the send times of a worker: a longer run");
    };
    let off = (test.mean_rate_ratio - 1.0).abs();
    let (finding, shape, chance) = match evidence.process {
        Some(Process::Poisson) => match poisson(test) {
            Some((statistic, gaps)) => {
                let arrivals = test.gap_sums.len() as f64 * f64::from(test.gaps_per_sample);
                let is_warn = statistic > CRITICAL_1_PERCENT;
                let is_invalid = statistic > CRITICAL_1_PERCENT * CRITICAL_TIMES_INVALID;
                let finding = format!("Anderson-Darling {statistic:.3} over sums of {gaps} gaps");
                (finding, state(is_warn, is_invalid), RATE_DEVIATIONS / arrivals.sqrt())
            }
            None => {
                let value = format!("{} sums of {} gaps", test.gap_sums.len(), test.gaps_per_sample);
                let (count, gaps) = grouping(test.gaps_per_sample);
                let needed = GAP_SUMS_MIN * count;
                return rule.skipped(value, format!("needs {needed} of them to test sums of {gaps}: a longer run"));
            }
        },
        Some(Process::Constant) => {
            let finding = format!("at most {} in 1 ms, {:.3} on average", test.bin_count_max, test.bin_count_mean);
            // Each edge of the window may cut off one arrival; if few are expected, that can be more than all
            // of them.
            (finding, constant(test), 2.0 / test.expected)
        }
        Some(Process::Bursts) | None => {
            return rule
                .skipped("no test for this process", "needs --schedule poisson or constant; V1 and V2 judge the rest");
        }
    };
    let is_off = !off.is_finite() || (off > RATE_OFF_INVALID && off > chance);
    rule.judged(
        format!("{finding}; rate {} of the intended", percent(test.mean_rate_ratio)),
        shape.max(state(false, is_off)),
        "the load was not the one named in the record: the generator bunched or thinned out what it sent. Give it CPUs \
         of its own (--cpus), more --threads, or a lower --rate",
    )
}

/// How many neighbouring sums are added up before the test, and how many gaps each result spans.
pub(super) fn grouping(gaps_per_sample: u32) -> (usize, u32) {
    let gaps = f64::from(gaps_per_sample.max(1));
    let needed = (gaps * GAPS_PER_SPAN).powi(2).max(GAPS_MIN);
    let count = (needed / gaps).ceil();
    (count as usize, (count * gaps) as u32)
}

/// The statistic, and how many gaps each tested sum spans. Tests at most [`GAP_SUMS_MAX`] sums, taken evenly
/// from the window; `None` when there are too few.
fn poisson(test: &ArrivalTest) -> Option<(f64, u32)> {
    let (count, gaps) = grouping(test.gaps_per_sample);
    let groups = test.gap_sums.chunks_exact(count);
    if groups.len() < GAP_SUMS_MIN || test.gaps_per_sample == 0 {
        return None;
    }
    let step = groups.len().div_ceil(GAP_SUMS_MAX);
    let sums: Vec<f64> = groups.step_by(step).map(|group| group.iter().sum()).collect();
    // NaN is not a gap: treat it as infinitely far from Poisson.
    Some((anderson_darling(&sums, gamma_tails(gaps)).unwrap_or(f64::INFINITY), gaps))
}

/// A single arrival is never a bunch, however rare arrivals are.
fn constant(test: &ArrivalTest) -> State {
    let bound = |deviations: f64| (test.bin_count_mean + deviations * test.bin_count_mean.sqrt()).max(1.0);
    let most = test.bin_count_max as f64;
    state(most > bound(BUNCH_DEVIATIONS_WARN), most > bound(BUNCH_DEVIATIONS_INVALID))
}

#[cfg(test)]
mod tests {
    use super::super::sound::{expect, exponential_gaps};
    use super::*;

    #[test]
    fn v11_finds_arrivals_that_are_not_poisson() {
        for (count, factor, expected) in [
            (1000, 1.0, State::Valid),
            (1000, 1.01, State::Valid),
            (1000, 1.035, State::Warn),
            (1000, 0.965, State::Warn),
            (1000, 1.05, State::Invalid),
            (20, 1.05, State::Valid),
            (19, 1.0, State::Skipped),
            // Four times as many samples do not make a small deviation worse.
            (5000, 1.005, State::Valid),
            (20_000, 1.005, State::Valid),
            (1000, f64::NAN, State::Invalid),
        ] {
            expect("V11", expected, |run| run.arrivals().gap_sums = exponential_gaps(count, factor));
        }
        expect("V11", State::Skipped, |run| run.arrivals().gaps_per_sample = 0);
        expect("V11", State::Skipped, |run| run.evidence.arrivals = None);
        expect("V11", State::Skipped, |run| run.evidence.process = Some(Process::Bursts));
        // Single gaps are not sums of four.
        expect("V11", State::Invalid, |run| run.arrivals().gaps_per_sample = 4);
    }

    /// Send times of a worker that sleeps until the next arrival, wakes late by `late_ns` (less on
    /// average), and sends whatever is due.
    fn reached(rate: f64, late_ns: u64, count: usize) -> Vec<u64> {
        use crate::schedule::{Part, Process, Schedule, Stage};
        let stages = vec![Stage { rate, duration: std::time::Duration::from_secs(1) }];
        let schedule = Schedule { process: Process::Poisson, stages, burst: 1, seed: 3, workers: 1 };
        let mut arrivals = schedule.arrivals(0, Part::Window, 0);
        let mut now = 0;
        let mut next = || {
            if arrivals.next_ns() > now {
                // A number unrelated to the gaps makes wake-ups uneven.
                now = arrivals.next_ns() + late_ns / 2 + arrivals.next_ns() * 7919 % (late_ns / 2).max(1);
            }
            arrivals.advance();
            now
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn v11_bears_a_timer_and_not_a_sleeper() {
        for rate in [100.0, 1000.0, 5000.0, 50_000.0] {
            let gaps_per_sample = (rate / 1000.0_f64).ceil() as usize;
            let (group, _) = grouping(gaps_per_sample as u32);
            for (late_ns, expected) in [(0, State::Valid), (100_000, State::Valid), (20_000_000, State::Invalid)] {
                let reached = reached(rate, late_ns, gaps_per_sample * group * 500 + 1);
                let marks: Vec<u64> = reached.into_iter().step_by(gaps_per_sample).collect();
                let gap_sums = marks.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e9 * rate).collect();
                // At 100 requests/s two arrivals seldom meet in 20 ms.
                let expected = if rate == 100.0 { State::Valid } else { expected };
                expect("V11", expected, |run| {
                    (run.arrivals().gap_sums, run.arrivals().gaps_per_sample) = (gap_sums, gaps_per_sample as u32);
                });
            }
        }
    }

    #[test]
    fn v11_finds_a_rate_that_is_off() {
        for (count, ratio, expected) in [
            (1000, 1.0, State::Valid),
            // 10,000 arrivals, give or take four times 1 %.
            (1000, 1.039, State::Valid),
            (1000, 0.959, State::Invalid),
            (20_000, 1.009, State::Valid),
            (20_000, 1.011, State::Invalid),
            (20_000, f64::NAN, State::Invalid),
        ] {
            expect("V11", expected, |run| {
                run.arrivals().gap_sums = exponential_gaps(count, 1.0);
                run.arrivals().mean_rate_ratio = ratio;
            });
        }
    }

    #[test]
    fn v11_finds_bunches_in_a_constant_rate() {
        for (most, mean, ratio, expected) in [
            (16, 4.0, 1.0, State::Valid),
            (17, 4.0, 1.0, State::Warn),
            (28, 4.0, 1.0, State::Warn),
            (29, 4.0, 1.0, State::Invalid),
            (1, 0.0001, 1.0, State::Valid),
            (2, 0.01, 1.0, State::Invalid),
            (4, 4.0, 1.009, State::Valid),
            (4, 4.0, 1.011, State::Invalid),
            // One arrival a second: the edges of ten seconds may cut off two.
            (1, 0.001, 0.9, State::Valid),
            (1, 0.001, 0.7, State::Invalid),
            // One arrival instead of an expected tenth once counted as a rate of 1,000 %.
            (1, 0.000_01, 10.0, State::Valid),
        ] {
            expect("V11", expected, |run| {
                run.evidence.process = Some(Process::Constant);
                let test = run.arrivals();
                (test.bin_count_max, test.bin_count_mean, test.mean_rate_ratio) = (most, mean, ratio);
                test.expected = mean * 10_000.0;
            });
        }
    }
}
