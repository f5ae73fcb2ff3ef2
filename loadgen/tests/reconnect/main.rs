//! Clients that lose their connection come back by a policy, and everything about them is counted.

mod door;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "only its identities are needed here")]
mod support;

use door::{Door, Welcome, eventually};
use loadgen::record::{IntervalPhase, IntervalReconnects, Reconnects, Record};
use loadgen::{Engine, Options, WarmUp};
use protocol::Workload;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use support::check_identities;

const CLIENTS: u64 = 12;
/// Longer than any test; a script ends a run before.
const LONG: Duration = Duration::from_secs(120);

fn options(target: String, policy: &str) -> Options {
    Options {
        target,
        connections: CLIENTS as u32,
        threads: 2,
        duration: LONG,
        warmup: WarmUp::Fixed(Duration::ZERO),
        interval: Some(Duration::from_millis(100)),
        timeout: LONG,
        connect_timeout: LONG,
        reconnect: Some(policy.parse().unwrap()),
        ..Options::default()
    }
}

/// A closed loop, an open one, heartbeats, and idle connections.
fn modes(options: &Options) -> [Options; 4] {
    [
        options.clone(),
        Options { rate: Some(200.0), ..options.clone() },
        Options { heartbeat: Some(Duration::from_millis(300)), ..options.clone() },
        Options { rate: Some(0.0), ..options.clone() },
    ]
}

/// Carries out a run. When all workers are in `phase`, the script begins; when it ends, so does the run.
fn run_from(phase: IntervalPhase, options: &Options, script: impl FnOnce()) -> Record {
    let (stop, has_begun) = (AtomicBool::new(false), AtomicBool::new(false));
    let record = thread::scope(|scope| {
        let run = scope.spawn(|| {
            let outcome = loadgen::load(options, &stop, |snapshot| {
                let is_there = snapshot.last.is_some_and(|interval| interval.phase == phase);
                has_begun.fetch_or(is_there, Ordering::SeqCst);
            });
            outcome.unwrap().record
        });
        eventually("begin of the load", || has_begun.load(Ordering::SeqCst) || run.is_finished());
        script();
        stop.store(true, Ordering::SeqCst);
        run.join().unwrap()
    });
    check_identities(&record);
    record
}

fn run(options: &Options, script: impl FnOnce()) -> Record {
    run_from(IntervalPhase::Measured, options, script)
}

/// What the intervals of some phases add up to.
fn sums(record: &Record, is_meant: impl Fn(IntervalPhase) -> bool) -> IntervalReconnects {
    let mut sum = IntervalReconnects::default();
    for interval in record.intervals.iter().filter(|interval| is_meant(interval.phase)) {
        let counts = interval.reconnect.expect("each interval has its counts");
        sum.lost += counts.lost;
        sum.attempts += counts.attempts;
        sum.connected += counts.connected;
        sum.served_again += counts.served_again;
    }
    sum
}

/// The identities, independently of the generator's own check.
fn checked(record: &Record) -> &Reconnects {
    let found = record.reconnect.as_ref().expect("there is a policy");
    let shown = format!("{found:?} {:?}", record.connections);
    assert_eq!(found.losses, found.served_again + found.unserved + found.lost_again, "{shown}");
    assert_eq!(found.attempts, found.connected + found.attempts_failed + found.attempts_pending, "{shown}");
    assert_eq!(found.outage_us.count, found.served_again + found.unserved, "{shown}");
    let hellos = found.hellos;
    assert_eq!(hellos.sent, hellos.answered + hellos.failed + hellos.unanswered, "{shown}");
    assert!(found.connected >= found.served_again && found.attempts >= found.connected, "{shown}");
    assert!(found.losses <= record.connections.lost && found.attempts <= record.connections.attempts, "{shown}");
    let expected = IntervalReconnects {
        lost: found.losses,
        attempts: found.attempts,
        connected: found.connected,
        served_again: found.served_again,
    };
    assert_eq!(sums(record, |phase| phase != IntervalPhase::WarmUp), expected, "{shown}");
    assert_eq!(found.origin_monotonic_ns, record.window_start_ns);
    found
}

#[test]
fn all_clients_are_served_again_when_the_server_is_back() {
    let check = |options: &Options, door: &Door| {
        let record = run(options, || {
            door.shut(Welcome::Nothing);
            thread::sleep(Duration::from_millis(200));
            door.reopen();
            door.await_served(CLIENTS);
        });
        let (found, mode) = (checked(&record), record.mode);
        let shown = format!("{mode:?} {:?}: {found:?} {:?}", record.engine, record.requests);
        assert_eq!((found.losses, found.served_again, found.unserved), (CLIENTS, CLIENTS, 0), "{shown}");
        assert!(found.attempts_per_served_mean >= Some(1.0), "{shown}");
        assert!(found.attempts_per_served_max.map(|max| max as f64) >= found.attempts_per_served_mean, "{shown}");
        assert!(found.outage_us.max >= found.outage_us.min && found.outage_us.min > Some(0.0), "{shown}");
        let hellos = if mode == loadgen::Mode::Closed { 0 } else { CLIENTS };
        assert_eq!((found.hellos.sent, found.hellos.answered), (hellos, hellos), "{shown}");
        // The first connects, and all that followed.
        assert_eq!(record.connections.attempts, CLIENTS + found.attempts, "{shown}");
        assert!(record.time_to_first_response_us.count >= CLIENTS, "{shown}");
    };
    thread::scope(|scope| {
        for engine in [Engine::Epoll, Engine::IoUring] {
            for workload in Workload::ALL {
                scope.spawn(move || {
                    let door = Door::open(workload);
                    let options = Options { engine, ..options(door.target(), "full-jitter,base=20ms,cap=200ms") };
                    for options in modes(&options) {
                        check(&options, &door);
                    }
                });
            }
        }
    });
}

/// The twin of the test above.
#[test]
fn without_a_loss_nothing_is_counted() {
    for engine in [Engine::Epoll, Engine::IoUring] {
        let door = Door::open(Workload::Echo);
        for options in modes(&options(door.target(), "immediate,budget=10%,breaker=3")) {
            let record = run(&Options { engine, ..options }, || {});
            let found = checked(&record);
            let policy = "immediate,base=100ms,cap=10s,budget=10%,breaker=3".to_owned();
            assert_eq!(found.policy, policy);
            let nothing = Reconnects {
                policy,
                origin_monotonic_ns: found.origin_monotonic_ns,
                told: Some(0),
                ..Reconnects::default()
            };
            assert_eq!(serde_json::to_value(found).unwrap(), serde_json::to_value(&nothing).unwrap());
        }
    }
}

#[test]
fn a_planned_close_is_no_loss() {
    let door = Door::open(Workload::Http);
    for options in &modes(&options(door.target(), "fixed,base=1h"))[..2] {
        let accepted = door.accepted();
        let options = Options { requests_per_connection: 2, ..options.clone() };
        let record = run(&options, || eventually("reconnects", || door.accepted() > accepted + 5 * CLIENTS));
        let found = checked(&record);
        assert_eq!((found.losses, found.attempts, found.hellos.sent), (0, 0, 0), "{found:?}");
        assert!(record.connections.reconnects > CLIENTS, "{:?}", record.connections);
    }
}

#[test]
fn clients_without_delay_try_more_often() {
    let attempts = |policy| {
        let door = Door::open(Workload::Echo);
        let record = run(&options(door.target(), policy), || {
            door.shut(Welcome::Nothing);
            thread::sleep(Duration::from_millis(300));
            door.reopen();
            door.await_served(CLIENTS);
        });
        let found = checked(&record);
        assert_eq!(found.served_again, CLIENTS, "{found:?}");
        found.attempts
    };
    let (immediate, jittered) = (attempts("immediate"), attempts("full-jitter,base=50ms,cap=1s"));
    assert!(immediate > 2 * jittered, "{immediate} and {jittered}");
}

/// Without a policy a worker has 64 connects in flight at most.
#[test]
fn a_storm_is_not_bounded_by_the_ramp() {
    for engine in [Engine::Epoll, Engine::IoUring] {
        let door = Door::open(Workload::Echo);
        let options = Options { engine, connections: 100, threads: 1, ..options(door.target(), "fixed,base=1ms") };
        let record = run(&options, || {
            door.shut(Welcome::Crowd);
            eventually("storm", || door.waiting() > 80);
        });
        let found = checked(&record);
        assert!(found.attempts_pending > 80, "{found:?}");
    }
}

#[test]
fn a_hello_is_in_no_number_about_requests() {
    for engine in [Engine::Epoll, Engine::IoUring] {
        let door = Door::open(Workload::Http);
        let options = Options { engine, rate: Some(0.0), ..options(door.target(), "full-jitter,base=10ms,cap=50ms") };
        let record = run(&options, || {
            door.shut(Welcome::Slam);
            door.reopen();
            door.await_served(CLIENTS);
        });
        let found = checked(&record);
        assert_eq!(found.hellos.answered, door.answered(), "{found:?}");
        let requests = &record.requests;
        let counted = requests.scheduled + requests.sent + requests.completed_whole_run + requests.failed;
        assert_eq!(counted, 0, "{requests:?}");
        assert_eq!((record.response_us.count, record.service_us.count, record.first_byte_us.count), (0, 0, 0));
        assert!(record.intervals.iter().all(|interval| interval.in_flight == 0 && interval.completed == 0));
        assert!(record.bytes_out > 0);
        assert_eq!(record.time_to_first_response_us.count, found.hellos.answered);
    }
}

#[test]
fn a_connection_that_ends_before_a_reply_prolongs_the_outage() {
    for options in modes(&options(String::new(), "full-jitter,base=10ms,cap=50ms")) {
        let door = Door::open(Workload::Echo);
        let record = run(&Options { target: door.target(), ..options }, || {
            door.shut(Welcome::Slam);
            eventually("attempts", || door.accepted() >= 4 * CLIENTS);
            door.reopen();
            door.await_served(CLIENTS);
        });
        let found = checked(&record);
        let shown = format!("{:?}: {found:?} {:?}", record.mode, record.connections);
        assert_eq!((found.served_again, found.unserved), (CLIENTS, 0), "{shown}");
        assert!(found.lost_again > 0 && found.losses == record.connections.lost, "{shown}");
        assert!(found.attempts_per_served_mean > Some(2.0), "{shown}");
    }
}

/// A server that is overloaded often says so with a 503.
#[test]
fn a_client_that_is_refused_goes_on_by_its_policy() {
    for (welcome, rate) in [
        (Welcome::Refusal, Some(0.0)),
        (Welcome::Refusal, Some(50.0)),
        (Welcome::LastRefusal, Some(0.0)),
        (Welcome::LastRefusal, None),
    ] {
        let door = Door::open(Workload::Http);
        let options = Options { rate, ..options(door.target(), "fixed,base=20ms") };
        let record = run(&options, || {
            door.shut(welcome);
            eventually("attempts", || door.accepted() >= 4 * CLIENTS);
            door.reopen();
            door.await_served(CLIENTS);
        });
        let found = checked(&record);
        let shown = format!("{welcome:?} {rate:?}: {found:?} {:?} {:?}", record.connections, record.requests);
        assert_eq!((found.served_again, found.unserved), (CLIENTS, 0), "{shown}");
        assert!(found.attempts >= 3 * CLIENTS, "{shown}");
        assert_eq!(found.lost_again > 0, welcome == Welcome::Refusal, "what was announced is no loss: {shown}");
        let errors = if rate.is_some() { &record.connections.errors } else { &record.requests.errors };
        assert!(errors.contains_key("status_503"), "{shown}");
        assert_eq!(found.hellos.failed > 0, rate.is_some(), "{shown}");
    }
}

#[test]
fn budget_and_breaker_hold_attempts_back() {
    let found = |policy: &str, is_held: fn(&Reconnects) -> bool| {
        let door = Door::open(Workload::Echo);
        let record = run(&options(door.target(), policy), || {
            door.shut(Welcome::Nothing);
            thread::sleep(Duration::from_millis(500));
            door.reopen();
            door.await_served(CLIENTS);
        });
        let found = checked(&record);
        assert_eq!((found.served_again, found.unserved), (CLIENTS, 0), "{found:?}");
        assert!(is_held(found), "{found:?}");
    };
    found("immediate,base=5ms,budget=10%", |found| found.put_off > 0 && found.breaker_opened == 0);
    found("immediate,base=5ms,breaker=3,open=50ms", |found| found.breaker_opened > 0 && found.breaker_put_off > 0);
}

#[test]
fn clients_that_are_never_served_count_as_at_least() {
    for engine in [Engine::Epoll, Engine::IoUring] {
        for options in modes(&options(String::new(), "equal-jitter,base=10ms,cap=50ms")) {
            let door = Door::open(Workload::Echo);
            let record = run(&Options { engine, target: door.target(), ..options }, || {
                door.shut(Welcome::Nothing);
                thread::sleep(Duration::from_millis(300));
            });
            let found = checked(&record);
            let shown = format!("{:?} {engine:?}: {found:?}", record.mode);
            assert_eq!((found.losses, found.served_again, found.unserved), (CLIENTS, 0, CLIENTS), "{shown}");
            assert!(found.attempts_failed > 0 && found.attempts_per_served_mean.is_none(), "{shown}");
            let outage = &found.outage_us;
            assert!(outage.max > Some(0.0) && outage.printed().count() == 0, "{shown}");
        }
    }
}

/// Whatever is lost before the window counts in no total.
#[test]
fn losses_of_the_warm_up_stay_there() {
    let door = Door::open(Workload::Echo);
    let warmup = WarmUp::Fixed(Duration::from_secs(2));
    let options = Options { warmup, ..options(door.target(), "full-jitter,base=10ms,cap=50ms") };
    let record = run_from(IntervalPhase::WarmUp, &options, || {
        door.shut(Welcome::Nothing);
        door.reopen();
        door.await_served(CLIENTS);
        thread::sleep(Duration::from_millis(2500));
    });
    let found = checked(&record);
    let warm_up = sums(&record, |phase| phase == IntervalPhase::WarmUp);
    // Unless the machine slept through the warm-up, all losses are there.
    assert_eq!(warm_up.lost + found.losses, record.connections.lost, "{found:?} {warm_up:?}");
    assert!(record.connections.lost >= CLIENTS, "{:?}", record.connections);
}

#[test]
fn without_a_policy_the_record_is_as_ever() {
    let door = Door::open(Workload::Echo);
    let options = Options { reconnect: None, ..options(door.target(), "fixed") };
    let record = run(&options, || {
        door.shut(Welcome::Nothing);
        door.reopen();
        door.await_served(CLIENTS);
    });
    let document = serde_json::to_value(&record).unwrap();
    assert!(document.get("reconnect").is_none(), "{document}");
    assert!(record.intervals.iter().all(|interval| interval.reconnect.is_none()));
    assert!(record.connections.reconnects >= CLIENTS, "{:?}", record.connections);
}

/// Clients that honour what the server says come again after a second at the earliest, and others at once.
#[test]
fn a_hint_is_honoured_by_those_who_listen() {
    let attempts = |policy: &str, options: &dyn Fn(Options) -> Options| {
        let door = Door::open(Workload::Http);
        let record = run(&options(crate::options(door.target(), policy)), || {
            door.shut(Welcome::Later);
            thread::sleep(Duration::from_millis(900));
            door.reopen();
            door.await_served(CLIENTS);
        });
        let found = checked(&record).clone();
        assert_eq!((found.served_again, found.unserved), (CLIENTS, 0), "{found:?}");
        found
    };
    let closed = |options| options;
    let heartbeats = |options| Options { heartbeat: Some(Duration::from_millis(300)), ..options };
    for mode in [&closed as &dyn Fn(Options) -> Options, &heartbeats] {
        let (deaf, hearing) = (attempts("immediate", mode), attempts("immediate,hint", mode));
        assert_eq!((deaf.told, hearing.told), (Some(0), Some(CLIENTS)), "{hearing:?}");
        // The first attempt follows the loss at once and is told to wait, and the second is served.
        assert_eq!(hearing.attempts, 2 * CLIENTS, "{hearing:?}");
        assert!(hearing.outage_us.min >= Some(1e6), "{hearing:?}");
        assert!(deaf.attempts > 4 * hearing.attempts, "{deaf:?}");
    }
}

/// A client that has lost nothing yet, but is told to come again later, does not open its connection at once.
#[test]
fn who_is_told_before_any_loss_waits_too() {
    let accepted = |policy: &str| {
        let door = Door::open(Workload::Http);
        door.shut(Welcome::Later);
        let options = Options { heartbeat: Some(Duration::from_millis(100)), ..options(door.target(), policy) };
        run(&options, || thread::sleep(Duration::from_millis(900)));
        door.accepted()
    };
    let (deaf, hearing) = (accepted("immediate"), accepted("immediate,hint"));
    assert!(deaf > 2 * hearing, "{deaf} and {hearing}");
}
