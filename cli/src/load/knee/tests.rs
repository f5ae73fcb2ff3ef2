//! The search on simulated servers, generators and hosts.

use super::*;
use random::Random;

/// Requests per second that the simulated servers can serve.
const CAPACITY: f64 = 10_000.0;
const LIMIT_US: f64 = 5_000.0;

/// An M/M/1 queue: its response times are exponential with mean 1/(capacity − rate), so that p99 is
/// ln(100) times that (Kleinrock, Queueing Systems I, 3.2).
fn p99_us(rate: f64) -> f64 {
    if rate < CAPACITY { 1e6 * 100_f64.ln() / (CAPACITY - rate) } else { f64::INFINITY }
}

/// The rate at which the queue's p99 is exactly the limit.
fn knee_of_mm1() -> f64 {
    CAPACITY - 1e6 * 100_f64.ln() / LIMIT_US
}

fn measured(rate: f64, us: f64) -> Probe {
    let valid = rate < CAPACITY;
    let measured_us = us.is_finite().then_some(us);
    // Beyond its capacity a server leaves requests unsent, which makes a run invalid, but not by its generator.
    let held = us < LIMIT_US;
    Probe { rate, achieved: rate.min(CAPACITY), measured_us, held, valid, spoiled: held && !valid, seed: 0 }
}

fn limits(rate_start: f64) -> Limits {
    Limits { rate_start, rate_min: 10.0, rate_max: 1e6, probes_max: 200, repeats: 5 }
}

fn run(limits: Limits, mut probe: impl FnMut(f64) -> Probe) -> Outcome {
    search(limits, |_, rate, _| Ok(Some(probe(rate))))
}

#[test]
fn a_quiet_queue_is_found_to_one_percent() {
    for start in [1.0, 100.0, 1000.0, 9000.0, 9500.0, 500_000.0] {
        let limits = Limits { rate_min: 1.0, ..limits(start) };
        let Outcome { knee, steps, error } = run(limits, |rate| measured(rate, p99_us(rate)));
        assert!(error.is_none());
        let (rate, failed) = (knee.rate.expect("a rate"), knee.rate_failed.expect("one above"));
        assert!(rate <= knee_of_mm1() && knee_of_mm1() < failed && failed / rate <= PRECISION, "{start}: {knee:?}");
        assert_eq!((knee.end, knee.repeats, knee.held), (End::Found, 5, 5));
        assert_eq!(knee.limited_by, Some(LimitedBy::Condition));
        assert_eq!(knee.measured_us.expect("repeats").median, p99_us(rate));
        assert!(steps.len() < 60, "{start} took {} probes", steps.len());
    }
}

/// p99 varies by 10 % either way, and the host spoils one probe in ten.
#[test]
fn a_noisy_queue_is_found_to_a_few_percent() {
    for seed in 0..200 {
        let mut noise = Random::new(seed);
        let Outcome { knee, .. } = run(limits(1000.0), |rate| {
            let spoilt = noise.uniform() < 0.1;
            let us = p99_us(rate) * (0.9 + 0.2 * noise.uniform());
            measured(rate, if spoilt { us + 50_000.0 } else { us })
        });
        let rate = knee.rate.expect("a rate");
        let ratio = rate / knee_of_mm1();
        // Where p99 is off by a tenth, the rate is off by only a hundredth.
        assert!((0.96..1.02).contains(&ratio), "seed {seed}: {ratio} {knee:?}");
        assert_eq!((knee.end, knee.repeats), (End::Found, 5), "seed {seed}");
        assert!(knee.held >= 3, "seed {seed}: {knee:?}");
        let range = knee.measured_us.expect("repeats");
        assert!(range.min <= range.median && range.median <= range.max && range.median < LIMIT_US, "seed {seed}");
    }
}

#[test]
fn a_server_that_never_holds() {
    let Outcome { knee, steps, .. } = run(limits(1000.0), |rate| measured(rate, 1e6));
    assert_eq!((knee.end, knee.rate, knee.rate_failed), (End::NeverHeld, None, Some(10.0)));
    assert_eq!(steps.len(), 16, "1000 halved seven times, each twice");
    assert!(steps[2..].iter().all(|step| step.stage == Stage::Halve));
}

#[test]
fn a_server_without_a_limit() {
    let probe = |rate| Probe { valid: true, spoiled: false, ..measured(rate, 100.0) };
    let Outcome { knee, .. } = run(limits(1000.0), probe);
    assert_eq!((knee.end, knee.rate, knee.rate_failed), (End::RateLimit, Some(1e6), None));
    assert_eq!((knee.held, knee.limited_by), (5, None));
}

#[test]
fn a_generator_that_gives_up_first_finds_no_knee() {
    let Outcome { knee, .. } = run(limits(1000.0), |rate| measured(rate, 100.0));
    assert_eq!((knee.end, knee.limited_by), (End::Invalid, Some(LimitedBy::Measurement)));
    assert!(knee.rate.is_some_and(|rate| (CAPACITY / PRECISION..CAPACITY).contains(&rate)), "{knee:?}");
    assert_eq!((knee.repeats, knee.held), (5, 5), "what holds below is confirmed all the same");
}

/// What the host does to a probe: it becomes invalid, and its times are long.
fn spoil(probe: Probe) -> Probe {
    Probe { held: false, valid: false, spoiled: true, measured_us: Some(1e6), ..probe }
}

/// Taken for failed rates, spoiled probes made the knee too low.
#[test]
fn spoiled_probes_are_made_again() {
    for seed in 0..100 {
        let mut noise = Random::new(seed);
        let mut count = 0;
        let Outcome { knee, steps, .. } = run(limits(1000.0), |rate| {
            let probe = measured(rate, p99_us(rate));
            // One in four, but never four in a row.
            let is_spoiled = noise.uniform() < 0.25 && count < 3;
            count = if is_spoiled { count + 1 } else { 0 };
            if is_spoiled { spoil(probe) } else { probe }
        });
        let quiet = run(limits(1000.0), |rate| measured(rate, p99_us(rate)));
        assert_eq!(knee, quiet.knee, "seed {seed}");
        let kept = steps.into_iter().filter(|step| !step.probe.spoiled);
        assert_eq!(kept.collect::<Vec<_>>(), quiet.steps, "seed {seed}");
    }
}

#[test]
fn a_host_that_spoils_every_probe_gives_no_answer() {
    let Outcome { knee, steps, .. } = run(limits(1000.0), |rate| spoil(measured(rate, 100.0)));
    assert_eq!((knee.end, knee.rate), (End::Invalid, None));
    assert_eq!((knee.limited_by, knee.rate_failed), (Some(LimitedBy::Measurement), Some(10.0)));
    assert_eq!(steps.len(), 8 * (1 + SPOILED_AGAIN_MAX), "1000 halved seven times, each as often as allowed");
}

/// From the third repeat on, nothing can be measured at 8,000/s and above.
#[test]
fn repeats_that_are_spoiled_confirm_nothing() {
    let mut repeats = 0;
    let Outcome { knee, .. } = search(limits(1000.0), |stage, rate, _| {
        repeats += i32::from(stage == Stage::Repeat);
        let probe = measured(rate, p99_us(rate));
        Ok(Some(if repeats > 2 && rate >= 8000.0 { spoil(probe) } else { probe }))
    });
    assert_eq!((knee.end, knee.repeats, knee.held), (End::Invalid, 5, 5));
    assert!(knee.rate < Some(8000.0) && knee.rate > Some(8000.0 / STRIDE / STRIDE), "{knee:?}");
}

/// The first few probes of 2,000/s fail, as if the host had been busy.
#[test]
fn one_hiccup_is_forgiven_and_two_in_a_row_are_found_out() {
    for (hiccups, checks) in [(1, 2), (2, 3)] {
        let mut left = hiccups;
        let Outcome { knee, steps, .. } = run(limits(1000.0), |rate| {
            let is_hiccup = rate == 2000.0 && left > 0;
            left -= i32::from(is_hiccup);
            measured(rate, if is_hiccup { 1e6 } else { p99_us(rate) })
        });
        assert!(knee.rate > Some(knee_of_mm1() / PRECISION), "{hiccups}: {knee:?}");
        let found = steps.iter().filter(|step| step.stage == Stage::Check).count();
        assert_eq!(found, checks, "a check that fails is made twice, one that passes once");
    }
}

/// A rate that passes once and then never again makes the search step down until the probes are used up.
#[test]
fn the_number_of_probes_is_bounded() {
    let mut seen = Vec::new();
    let Outcome { knee, steps, .. } = run(limits(1000.0), |rate| {
        let is_new = !seen.contains(&rate);
        seen.push(rate);
        measured(rate, if is_new && rate < 9000.0 { 1.0 } else { 1e6 })
    });
    assert_eq!((knee.end, steps.len()), (End::ProbeLimit, 200));
    assert_eq!((knee.repeats, knee.measured_us), (0, None), "nothing was confirmed");
}

#[test]
fn an_early_end_keeps_what_is_known() {
    let mut left = 4;
    let outcome = search(limits(1000.0), |_, rate, before| {
        assert_eq!(before, 4 - left);
        left -= 1;
        Ok((left > 0).then(|| measured(rate, 1.0)))
    });
    assert_eq!((outcome.knee.end, outcome.knee.rate), (End::Interrupted, Some(4000.0)));
    // A check at 5 % above that always passes makes the search continue, but the confirmed rate remains.
    let outcome = search(limits(1000.0), |stage, rate, _| {
        Ok(Some(measured(rate, if stage == Stage::Check { 1.0 } else { p99_us(rate) })))
    });
    assert_eq!((outcome.knee.end, outcome.knee.repeats, outcome.knee.held), (End::ProbeLimit, 5, 5));
    let outcome = search(limits(1000.0), |_, rate, before| {
        if before == 2 { anyhow::bail!("the server died") } else { Ok(Some(measured(rate, 1.0))) }
    });
    assert_eq!((outcome.knee.end, outcome.knee.rate, outcome.steps.len()), (End::Failed, Some(2000.0), 2));
    assert_eq!(outcome.error.expect("an error").to_string(), "the server died");
}
