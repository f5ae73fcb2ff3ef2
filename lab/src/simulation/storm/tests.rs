//! The simulated storm against what can be worked out by hand, and against itself.

use super::*;
use course::SECOND_NS;
use std::time::Duration;

use loadgen::reconnect::{Delay, Policy};

fn storm(clients: u64, delay: Delay) -> Storm {
    Storm {
        clients,
        policy: Policy::new(delay),
        seed: 7,
        notice_ns: 1_000.0,
        attempt_ns: 10_000.0,
        welcome_ns: 0.0,
        login_ns: 20_000.0,
        places: 4096,
        // More than ever meet one that is in use.
        ports: u64::MAX,
        patience_ns: 5 * SECOND_NS,
        away_ns: SECOND_NS / 2,
        watched_ns: 8 * SECOND_NS,
        load_before: 0.0,
    }
}

/// One who asks every 100 ms for half a second is refused five or six times; the next attempt is served in 30 µs.
#[test]
fn one_client_is_refused_until_the_server_is_back() {
    let course = simulate(&storm(1, Delay::Fixed));
    assert!((5.0..=7.0).contains(&course.attempts_per_client), "{course:?}");
    assert!(course.most_served_ns.is_some_and(|at_ns| at_ns < SECOND_NS / 10 + 100_000), "{course:?}");
    assert_eq!((course.served, course.logins_for_nobody), (1.0, 0.0));
}

/// A server that always has work to do serves them in the time that their logins take.
#[test]
fn a_busy_server_is_the_bound() {
    let course = simulate(&Storm { places: 100_000, ..storm(50_000, Delay::Immediate) });
    let seconds = course.most_served_ns.expect("all are served") as f64 / 1e9;
    assert!((0.99..1.05).contains(&seconds), "{seconds} s for 49,500 logins of 20 µs");
    assert_eq!(course.served, 1.0);
}

/// Who finds no place sends the SYN again after a second, not sooner.
#[test]
fn a_full_queue_costs_a_second() {
    let course = |places| simulate(&Storm { places, ..storm(2_000, Delay::Immediate) });
    let (room, none) = (course(4096), course(500));
    assert!(room.most_served_ns.is_some_and(|at_ns| at_ns < SECOND_NS / 10), "{room:?}");
    assert!(none.most_served_ns.is_some_and(|at_ns| at_ns > SECOND_NS && at_ns < 2 * SECOND_NS), "{none:?}");
}

/// The metastable failure: patience shorter than the queue keeps the server busy for nobody; a short queue ends it, and so
/// does patience.
#[test]
fn a_queue_longer_than_patience_serves_nobody() {
    let impatient = Storm { login_ns: 80_000.0, patience_ns: SECOND_NS / 10, ..storm(10_000, Delay::Immediate) };
    let stuck = simulate(&impatient);
    assert!(stuck.served < 0.5 && stuck.logins_for_nobody > 0.8, "{stuck:?}");
    let short = simulate(&Storm { places: 500, ..impatient });
    assert!(short.served > 0.95 && short.logins_for_nobody < 0.1, "{short:?}");
    let patient = simulate(&Storm { patience_ns: 5 * SECOND_NS, ..impatient });
    assert!(patient.served == 1.0 && patient.logins_for_nobody == 0.0, "{patient:?}");
}

/// A spread of the first attempts is what lowers the peak; jitter between retries comes after it.
#[test]
fn a_spread_lowers_the_peak() {
    let peak = |delay, spread| {
        let policy = Policy { spread: Duration::from_secs(spread), ..Policy::new(delay) };
        simulate(&Storm { policy, attempt_ns: 1_000.0, ..storm(20_000, delay) }).syns_per_s_max
    };
    let (fixed, full, spread) = (peak(Delay::Fixed, 0), peak(Delay::FullJitter, 0), peak(Delay::FullJitter, 2));
    assert!(full > 0.7 * fixed && spread < 0.3 * fixed, "{fixed} {full} {spread}");
}

/// While the server is away, each of the lost connections costs one SYN more, and none twice; then no attempt costs more.
#[test]
fn a_port_that_the_server_remembers_costs_a_second_syn() {
    // 20,000 attempts in half a second, evenly.
    let storm =
        |clients, ports| Storm { attempt_ns: 25_000.0, notice_ns: 0.0, ports, ..storm(clients, Delay::Immediate) };
    let peak = |clients, ports| simulate(&storm(clients, ports)).syns_per_s_max;
    let alone = peak(1_000, u64::MAX);
    assert!((39_000.0..41_000.0).contains(&alone), "{alone}");
    // Of 4,000 attempts in the first tenth, each of which lowers the number of those left by what it meets: 1 - e^-1 of 4,000.
    let many = peak(4_000, 4_000);
    assert!((1.6 * alone..1.67 * alone).contains(&many), "{many} after {alone}");
    let few = peak(100, 1_000_000);
    assert!((alone..1.01 * alone).contains(&few), "{few} after {alone}");
}

/// The same seed gives the same course; another one nearly the same; and so do ten clients for each simulated one.
#[test]
fn a_course_depends_on_the_seed_and_on_proportions() {
    let base = Storm {
        policy: Policy { spread: Duration::from_secs(2), ..Policy::new(Delay::FullJitter) },
        ..storm(50_000, Delay::FullJitter)
    };
    let course = simulate(&base);
    assert_eq!(course, simulate(&base));
    let near = |other: Course| {
        let ratio = |one: u64, two: u64| one as f64 / two as f64;
        let half = ratio(other.half_served_ns.expect("half"), course.half_served_ns.expect("half"));
        (0.9..1.1).contains(&half) && (0.95..1.05).contains(&(other.attempts_per_client / course.attempts_per_client))
    };
    assert!(near(simulate(&Storm { seed: 8, ..base })));
    let tenth =
        Storm { notice_ns: 100.0, attempt_ns: 1_000.0, login_ns: 2_000.0, places: 40_960, clients: 500_000, ..base };
    assert!(near(simulate(&tenth)), "{:?} {course:?}", simulate(&tenth));
}

/// Those who are served take their share, and leave less for logins.
#[test]
fn a_loaded_server_takes_longer() {
    // With room for all, the server is the bound, and not when a SYN is sent again.
    let patient = Storm { places: 100_000, ..storm(20_000, Delay::Immediate) };
    let took = |load_before| simulate(&Storm { load_before, ..patient }).most_served_ns.expect("all");
    assert!(took(0.8) > took(0.0) * 3 / 2);
}

/// What a successful attempt takes of the clients' CPU is a bound, too, where the server is faster.
#[test]
fn busy_clients_are_the_bound() {
    let course = simulate(&Storm { welcome_ns: 40_000.0, places: 100_000, ..storm(20_000, Delay::Fixed) });
    let seconds = course.most_served_ns.expect("all are served") as f64 / 1e9;
    assert!((0.99..1.15).contains(&seconds), "{seconds} s for 19,800 attempts of 50 µs");
}
