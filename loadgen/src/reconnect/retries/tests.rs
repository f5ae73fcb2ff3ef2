//! A storm without sockets: clients of one worker against a server that refuses for a while.

use super::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const MS: u64 = 1_000_000;
/// The server refuses this long.
const DOWN_NS: u64 = 2000 * MS;
/// What a refusal takes, and a good reply.
const ANSWER_NS: u64 = MS;
const CLIENTS: u32 = 300;

/// What came of a storm.
#[derive(Debug, Default, PartialEq)]
struct Storm {
    attempts: u64,
    failed: u64,
    put_off_by_budget: u64,
    put_off_by_breaker: u64,
    opened: u64,
    first_attempts_ns: Vec<u64>,
    /// Most attempts within 10 ms after the server was back.
    peak: u64,
    served: u64,
    last_served_ns: u64,
}

/// All clients lose their connection at time 0.
fn storm(text: &str, seed: u64) -> Storm {
    let mut retries = Retries::new(text.parse().unwrap(), CLIENTS, seed, 0);
    let mut clients = vec![Backoff::default(); CLIENTS as usize];
    let (mut found, mut bins) = (Storm::default(), vec![0; 100_000]);
    // Due, the client, whether it is a good reply that arrives.
    let mut events: BinaryHeap<Reverse<(u64, usize, bool)>> = BinaryHeap::new();
    for (index, client) in clients.iter_mut().enumerate() {
        events.push(Reverse((retries.on_loss(client), index, false)));
    }
    while let Some(Reverse((now, index, is_reply))) = events.pop() {
        let client = &mut clients[index];
        if is_reply {
            assert!(client.attempts() > 0);
            retries.on_served(client);
            assert_eq!(*client, Backoff::default(), "a loss later begins anew");
            found.served += 1;
            found.last_served_ns = now;
            continue;
        }
        match retries.on_due(client, now) {
            Answer::PutOff { by, delay_ns } => {
                match by {
                    Limit::Budget => found.put_off_by_budget += 1,
                    Limit::Breaker => found.put_off_by_breaker += 1,
                }
                events.push(Reverse((now + delay_ns, index, false)));
            }
            Answer::Go => {
                found.attempts += 1;
                if client.attempts() == 1 {
                    found.first_attempts_ns.push(now);
                }
                let is_refused = now < DOWN_NS;
                found.failed += u64::from(is_refused);
                bins[((now / (10 * MS)) as usize).min(99_999)] += u64::from(!is_refused);
                let delay_ns = if is_refused { retries.on_failure(client, now) } else { 0 };
                events.push(Reverse((now + ANSWER_NS + delay_ns, index, !is_refused)));
            }
        }
        assert!(found.attempts < 10_000_000, "{text} never ends");
    }
    found.opened = retries.times_opened();
    found.peak = bins.into_iter().max().unwrap_or(0);
    found
}

#[test]
fn every_client_is_served_whatever_the_policy() {
    for kind in Delay::ALL {
        for extra in ["", ",spread=1s", ",budget=10%", ",breaker=10,open=500ms", ",budget=0%,breaker=10,open=500ms"] {
            let text = format!("{}{extra}", kind.name());
            let found = storm(&text, 7);
            assert_eq!(found.served, u64::from(CLIENTS), "{text}");
            assert_eq!(found.attempts, found.failed + found.served, "{text}");
            assert_eq!(found.first_attempts_ns.len(), CLIENTS as usize, "{text}");
            assert_eq!(found.opened > 0, extra.contains("breaker"), "{text}");
            assert_eq!(found, storm(&text, 7), "{text}: the seed decides");
        }
    }
}

/// What the policies are compared for: attempts while nobody is served, and how many come at once when the server is
/// back.
#[test]
fn policies_differ_as_they_should() {
    let found = |text| storm(text, 7);
    let (immediate, fixed) = (found("immediate"), found("fixed"));
    let (exponential, full) = (found("exponential"), found("full-jitter"));
    assert!(immediate.failed > 100 * full.failed, "{} and {}", immediate.failed, full.failed);
    assert!(fixed.failed > 3 * exponential.failed, "{} and {}", fixed.failed, exponential.failed);
    assert_eq!(exponential.peak, u64::from(CLIENTS), "in step");
    for text in ["full-jitter", "equal-jitter", "decorrelated"] {
        let found = storm(text, 7);
        assert!(found.peak < u64::from(CLIENTS) / 10, "{text}: {} at once", found.peak);
    }
}

#[test]
fn a_spread_delays_only_first_attempts() {
    let found = storm("immediate,spread=2s", 7);
    let first = &found.first_attempts_ns;
    let mean = first.iter().sum::<u64>() as f64 / first.len() as f64;
    assert!(first.iter().all(|at| *at < 2000 * MS), "U(0, W)");
    // The standard error is 33 ms.
    assert!((mean - 1000.0 * MS as f64).abs() < 150.0 * MS as f64, "{mean}");
    assert!(found.failed > found.served * 100, "all others follow at once");
}

#[test]
fn a_budget_bounds_further_attempts() {
    let found = storm("fixed,base=10ms,budget=10%", 7);
    let further = found.attempts - u64::from(CLIENTS);
    // The reserve, a tenth of all first attempts and of all who were served, and a tenth of all each second.
    let seconds = found.last_served_ns / (1000 * MS) + 1;
    let most = (3 + seconds) * u64::from(CLIENTS) / 10;
    assert!(further <= most, "{further} of {most}");
    assert!(found.put_off_by_budget > 1000, "{}", found.put_off_by_budget);
    assert_eq!(found.put_off_by_breaker, 0);
}

#[test]
fn a_breaker_lets_one_try_while_the_server_is_down() {
    let found = storm("full-jitter,breaker=10,open=500ms", 7);
    // The ten that opened it, and a probe each 500 ms at most.
    assert!(found.failed <= 10 + DOWN_NS / (500 * MS), "{}", found.failed);
    assert!((2..=6).contains(&found.opened), "{}", found.opened);
    assert!(found.put_off_by_breaker >= u64::from(CLIENTS), "{}", found.put_off_by_breaker);
}

/// The token stays where the breaker says no.
#[test]
fn an_attempt_that_a_breaker_stops_costs_nothing() {
    let policy: Policy = "fixed,budget=0%,breaker=1,open=1s".parse().unwrap();
    let mut retries = Retries::new(policy, 1, 1, 0);
    let mut client = Backoff::default();
    retries.on_loss(&mut client);
    assert_eq!(retries.on_due(&mut client, 0), Answer::Go, "the first one is free");
    retries.on_failure(&mut client, 0);
    for _ in 0..50 {
        let Answer::PutOff { by: Limit::Breaker, delay_ns } = retries.on_due(&mut client, 0) else { panic!("open") };
        assert_eq!(delay_ns, 1000 * MS + 100 * MS, "until it is half open, and the policy's delay");
    }
    retries.on_served(&mut client);
    client.begin_attempt();
    for _ in 0..10 {
        assert_eq!(retries.on_due(&mut client, 0), Answer::Go, "the reserve is whole");
    }
    assert_eq!(retries.on_due(&mut client, 0), Answer::PutOff { by: Limit::Budget, delay_ns: 100 * MS });
}

/// Each waits as long as the server asked for, and up to as long again, so that they do not come all at once; whoever does
/// not listen waits as after any failure.
#[test]
fn who_is_told_when_to_come_again_comes_then() {
    let delays = |text: &str| -> Vec<u64> {
        let mut retries = Retries::new(text.parse().unwrap(), 1, 1, 0);
        (0..1000).map(|_| retries.on_told(&mut Backoff::default(), 0, 2)).collect()
    };
    let told = delays("immediate,hint");
    assert!(told.iter().all(|delay_ns| (2000 * MS..=4000 * MS).contains(delay_ns)));
    let mean_ms = told.iter().sum::<u64>() as f64 / 1000.0 / MS as f64;
    // U(2 s, 4 s); the standard error is 18 ms.
    assert!((2900.0..3100.0).contains(&mean_ms), "{mean_ms}");
    assert!(delays("immediate").iter().all(|delay_ns| *delay_ns == 0));
    assert!(delays("fixed,base=10s,hint").iter().all(|delay_ns| *delay_ns == 10_000 * MS), "the longer one counts");
}

/// A refusal is a failure, whatever it says.
#[test]
fn who_is_told_opens_the_breaker_too() {
    let mut retries = Retries::new("immediate,breaker=2,open=1s,hint".parse().unwrap(), 2, 1, 0);
    let mut clients = [Backoff::default(); 2];
    clients.iter_mut().for_each(|client| _ = retries.on_told(client, 0, 1));
    assert_eq!(retries.times_opened(), 1);
}
