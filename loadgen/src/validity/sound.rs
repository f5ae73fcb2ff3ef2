//! A faultless run for tests: each test breaks one thing and expects one check to notice.

use super::evidence::{ArrivalTest, Calibration, ClockFacts, Disclosure, Evidence, SendWindow, Steadiness, Transport};
use super::{arrivals, judge};
use crate::plan::mode::Mode;
use crate::record::{Connections, Reconnects, RequestCounts, State, Summary, Verdict};
use crate::schedule::Process;
use crate::statistics::gamma_tails;

/// Evidence, together with the parts that it borrows.
pub(super) struct Run {
    pub(super) requests: RequestCounts,
    pub(super) connections: Connections,
    pub(super) response: Summary,
    pub(super) lateness: Summary,
    pub(super) back_pressure: Summary,
    pub(super) windows: Vec<SendWindow>,
    pub(super) worker_shares: Vec<f64>,
    pub(super) reconnect: Option<Reconnects>,
    pub(super) evidence: Evidence<'static>,
}

impl Run {
    pub(super) fn sound() -> Run {
        let count = 10_000;
        Run {
            requests: RequestCounts { scheduled: count, sent: count, completed: count, ..RequestCounts::default() },
            connections: Connections {
                target: 10,
                established: 10,
                open: 10,
                held: 10,
                attempts: 10,
                opened: 10,
                ..Connections::default()
            },
            response: Summary {
                count,
                p50: Some(1000.0),
                p90: Some(1500.0),
                p99: Some(2000.0),
                p99_9: Some(5000.0),
                max: Some(9000.0),
                ci95: [("p99".to_owned(), [Some(1900.0), Some(2100.0)])].into(),
                ..Summary::default()
            },
            lateness: Summary { count, p99_9: Some(60.0), ..Summary::default() },
            back_pressure: Summary { count, ..Summary::default() },
            windows: vec![SendWindow { due: 1000, reached: 1000 }; 10],
            worker_shares: vec![0.3; 40],
            reconnect: None,
            evidence: evidence(),
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        judge(&Evidence {
            requests: Some(&self.requests),
            connections: Some(&self.connections),
            response: Some(&self.response),
            service: Some(&self.response),
            lateness: Some(&self.lateness),
            back_pressure: Some(&self.back_pressure),
            windows: &self.windows,
            worker_shares: &self.worker_shares,
            reconnect: self.reconnect.as_ref(),
            ..self.evidence.clone()
        })
    }

    pub(super) fn arrivals(&mut self) -> &mut ArrivalTest {
        self.evidence.arrivals.get_or_insert_default()
    }

    pub(super) fn steadiness(&mut self) -> &mut Steadiness {
        self.evidence.steadiness.get_or_insert_default()
    }

    pub(super) fn disclosure(&mut self) -> &mut Disclosure {
        self.evidence.disclosure.get_or_insert_default()
    }
}

fn evidence() -> Evidence<'static> {
    let some = |text: &str| Some(text.to_owned());
    Evidence {
        mode: Mode::Open,
        process: Some(Process::Poisson),
        arrivals: Some(ArrivalTest {
            gap_sums: exponential_gaps(100, 1.0),
            gaps_per_sample: 1,
            mean_rate_ratio: 1.0,
            expected: 10_000.0,
            bin_count_max: 4,
            bin_count_mean: 1.0,
        }),
        busiest_worker_share: Some(0.3),
        run_delay_share: Some(0.001),
        involuntary_switches: Some(5),
        hiccup_us_p99_9: Some(100.0),
        hiccup_us_max: Some(400.0),
        kernel_established: Some((20, 2)),
        is_alone: true,
        steadiness: Some(Steadiness {
            reached_steady: Some(true),
            warmup_us: 1_000_000,
            p50_us: (0..40).map(|index| 1000.0 + f64::from(index % 5)).collect(),
            p99_us: (0..40).map(|index| 2000.0 + f64::from(index % 7)).collect(),
        }),
        transport: Some(Transport { out_segs: 10_000, ..Transport::default() }),
        clock: Some(ClockFacts { clocksource: "tsc".into(), read_ns: 20.0, steps_back: 0 }),
        calibration: Some(Calibration { null_response_us_p99: 100.0, null_requests_per_second_max: 100_000.0 }),
        achieved_per_second: Some(10_000.0),
        disclosure: Some(Disclosure {
            is_co_located: false,
            cpus: vec![0, 1],
            governor: some("performance"),
            kernel: some("6.18.0"),
            mitigations: some("on"),
            clocksource: some("tsc"),
            version: "1.0.0".into(),
            seed: Some(42),
        }),
        ..Evidence::default()
    }
}

/// Single gaps whose sums, as V11 adds them up, are `count` evenly spaced quantiles of the distribution
/// that they should have, times `factor`: as close to it as samples can be.
pub(super) fn exponential_gaps(count: usize, factor: f64) -> Vec<f64> {
    let (group, gaps) = arrivals::grouping(1);
    let tails = gamma_tails(gaps);
    let mut sum = 0.0;
    let sums = (0..count).map(|index| {
        let share = (index as f64 + 0.5) / count as f64;
        let (mut low, mut high) = (sum, 100.0);
        // Precise to 100 / 2^32.
        for _ in 0..32 {
            let middle = (low + high) / 2.0;
            if tails(middle).0 < share { low = middle } else { high = middle }
        }
        sum = low;
        low * factor / group as f64
    });
    sums.flat_map(|part| std::iter::repeat_n(part, group)).collect()
}

/// Judges a sound run after `change`: `expected` lists every check whose state must change; no other may.
pub(super) fn expect_all(expected: &[(&str, State)], change: impl FnOnce(&mut Run)) {
    let mut run = Run::sound();
    change(&mut run);
    let verdict = run.verdict();
    let sound = |id: &str| if ["V14", "V16"].contains(&id) { State::Skipped } else { State::Valid };
    let mut worst = State::Valid;
    for check in &verdict.checks {
        let moved = expected.iter().find(|(id, _)| *id == check.id).map(|(_, state)| *state);
        let wanted = moved.unwrap_or_else(|| sound(&check.id));
        worst = worst.max(wanted);
        assert_eq!(check.state, wanted, "{} while expecting {expected:?}: {} {}", check.id, check.value, check.why);
        assert_eq!(check.why.is_empty(), check.state == State::Valid, "{}", check.id);
    }
    assert_eq!(verdict.state, worst, "{expected:?}");
}

/// As [`expect_all`], for one check.
pub(super) fn expect(id: &str, expected: State, change: impl FnOnce(&mut Run)) {
    expect_all(&[(id, expected)], change);
}
