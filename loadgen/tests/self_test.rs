//! The self-test as a whole. On a busy machine it may reach any verdict. On every machine the identities must
//! hold, and no wait for the end of a stall may be missing.

use loadgen::Engine;
use loadgen::record::State;
use loadgen::self_test::{Attempt, SelfTestArrivals, SelfTestOptions, SelfTestReport, run};
use protocol::Workload;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const STALL_US: f64 = 200_000.0;

fn options() -> SelfTestOptions {
    SelfTestOptions {
        stall: Duration::from_millis(200),
        every: Duration::from_millis(500),
        periods: 3,
        rate: 1000.0,
        connections: 400,
        periods_uncorrected: 1,
        ..SelfTestOptions::default()
    }
}

fn observed(attempt: &Attempt, name: &str) -> f64 {
    let found = attempt.quantities.iter().find(|quantity| quantity.name == name);
    found.unwrap_or_else(|| panic!("{name} is not among {:?}", attempt.quantities)).observed
}

#[test]
fn every_wait_for_the_end_of_a_stall_is_counted() {
    check_every_wait(&options());
}

/// The correction is in no engine, protocol or worker, so it holds for all.
#[test]
fn the_correction_holds_for_every_engine_protocol_and_number_of_workers() {
    use SelfTestArrivals::{Constant, Heartbeats, Poisson};
    for (workload, arrivals, engine, threads) in [
        (Workload::Http, Constant, Engine::Epoll, 1),
        (Workload::Echo, Constant, Engine::IoUring, 1),
        (Workload::Http, Poisson, Engine::IoUring, 3),
        (Workload::Echo, Poisson, Engine::Epoll, 1),
        (Workload::Echo, Heartbeats, Engine::Epoll, 2),
        (Workload::Http, Heartbeats, Engine::IoUring, 1),
    ] {
        check_every_wait(&SelfTestOptions { workload, arrivals, engine, threads, ..options() });
    }
}

/// The engine without sockets makes its own namespace. Where that is not permitted the test says so, like those of the
/// engine itself.
#[test]
fn the_correction_holds_without_sockets() {
    if std::env::var_os("C10M_WITHOUT_TUN").is_some_and(|value| value == "1") {
        return eprintln!("left out: C10M_WITHOUT_TUN=1");
    }
    let devices = || std::fs::read_to_string("/proc/thread-self/net/dev").unwrap().contains("c10m");
    let had_devices = devices();
    check_every_wait(&SelfTestOptions { engine: Engine::Tun, threads: 2, ..options() });
    assert_eq!(devices(), had_devices, "its devices are in a namespace of its own");
}

fn check_every_wait(options: &SelfTestOptions) {
    let report = run(options, &AtomicBool::new(false));
    let report = report.unwrap_or_else(|error| panic!("{error}; C10M_WITHOUT_TUN=1 leaves out the engine tun"));
    assert_eq!((report.workload, report.engine, report.threads), (options.workload, options.engine, options.threads));
    assert_eq!(report.arrivals, options.arrivals);
    assert!((1..=2).contains(&report.attempts.len()), "{}", report.attempts.len());
    for attempt in &report.attempts {
        // 500 requests and a third in each of three periods; the ends of the window may split one. Heartbeats lie
        // anywhere within their share of a period, and Poisson arrivals where the seed says.
        let requests = match options.arrivals {
            SelfTestArrivals::Constant => 1500..=1502,
            SelfTestArrivals::Heartbeats => 1490..=1512,
            SelfTestArrivals::Poisson => 1300..=1700,
        };
        assert!(requests.contains(&attempt.requests), "{} requests", attempt.requests);
        assert!(!attempt.objections.iter().any(|objection| objection.contains("of the seed")), "{attempt:?}");
        // Whatever is paused, no request is answered before the end of the stall in which it was intended.
        // Two requests in five are intended in a stall, one in a hundred within its first 5 ms.
        assert!(observed(attempt, "p95") >= STALL_US * 0.7, "{attempt:?}");
        assert!(observed(attempt, "p99") >= STALL_US * 0.8, "{attempt:?}");
        assert!(observed(attempt, "max") >= STALL_US * 0.9, "{attempt:?}");
        // The mean wait is 2/5 × 100 ms.
        assert!(observed(attempt, "mean") >= 20_000.0, "{attempt:?}");
        assert!(observed(attempt, "share over half a stall") >= 0.1, "{attempt:?}");
        assert!(attempt.uncorrected.requests > 0, "{attempt:?}");
    }
    check_verdict(&report);
}

#[test]
fn an_interrupted_test_proves_nothing() {
    let report = run(&options(), &AtomicBool::new(true)).unwrap();
    assert_eq!((report.attempts.len(), report.state, report.is_accepted), (1, State::Invalid, false));
    assert!(report.interrupted && report.why.contains("interrupted"), "{}", report.why);
    check_verdict(&report);
}

/// The report never claims a pass that its numbers do not support.
fn check_verdict(report: &SelfTestReport) {
    let (last, earlier) = report.attempts.split_last().expect("at least one attempt");
    assert!(earlier.iter().all(|attempt| attempt.noise.is_noisy && !attempt.is_accepted), "repeated without a reason");
    assert_eq!((report.state, report.is_accepted), (last.state, last.is_accepted));
    for attempt in &report.attempts {
        let worst = attempt.quantities.iter().map(|quantity| quantity.deviation).fold(0.0, f64::max);
        let clean = attempt.objections.is_empty();
        assert_eq!(attempt.is_accepted, clean && worst <= 0.01, "{attempt:?}");
        assert_eq!(attempt.state == State::Invalid, !clean || worst > 0.10, "{attempt:?}");
        assert!(clean <= attempt.uncorrected.is_rejected, "a test that times without correction pass proves nothing");
        for quantity in &attempt.quantities {
            let off = (quantity.observed - quantity.expected).abs();
            assert!(quantity.deviation <= off / quantity.expected + 1e-9, "{quantity:?}");
        }
    }
    let check = report.check();
    assert_eq!((check.id.as_str(), check.state), ("V16", report.state));
    let text = serde_json::to_string(report).unwrap();
    let read: SelfTestReport = serde_json::from_str(&text).unwrap();
    assert_eq!(read.attempts.len(), report.attempts.len());
}
