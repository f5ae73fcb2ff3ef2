//! A stall of the server must show in the response time of every request that was due meanwhile, not only of
//! the few on the wire.

mod support;

use base64::Engine;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use loadgen::record::Record;
use loadgen::{Distribution, Options, Process, WarmUp};
use protocol::Workload;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use support::{Manner, Server, Stall, check_identities};

const CONNECTIONS: u32 = 8;
const STALL_MS: u64 = 800;
/// What counts as slow. A busy test machine has its own pauses, though rarely this long; the bounds below
/// hold anyway.
const SLOW_MS: u64 = 200;
const WINDOW_MS: u64 = 2500;
/// Most slow replies of one connection: as many as fit into the window and the grace after it.
const SLOW_PER_CONNECTION_MAX: u64 = (WINDOW_MS + 1000) / SLOW_MS;

fn stalled(rate: Option<f64>, process: Process) -> Record {
    let stall = Stall { at_request: 300, pause: Duration::from_millis(STALL_MS) };
    let server = Server::start_stalling(Workload::Echo, &[Manner::Good], Some(stall));
    let options = Options {
        target: server.target(),
        connections: CONNECTIONS,
        rate,
        process,
        warmup: WarmUp::Fixed(Duration::ZERO),
        duration: Duration::from_millis(WINDOW_MS),
        ..Options::default()
    };
    let record = loadgen::load(&options, &AtomicBool::new(false), |_| {}).unwrap().record;
    check_identities(&record);
    record
}

/// How many values of a distribution are above `ms`.
fn count_above(record: &Record, distribution: Distribution, ms: u64) -> u64 {
    let bytes = base64::engine::general_purpose::STANDARD.decode(&record.histograms[&distribution]).unwrap();
    let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
    histogram
        .iter_recorded()
        .filter(|step| step.value_iterated_to() > ms * 1_000_000)
        .map(|step| step.count_at_value())
        .sum()
}

#[test]
fn an_open_loop_counts_every_arrival_of_a_stall() {
    for process in [Process::Constant, Process::Poisson] {
        let record = stalled(Some(1000.0), process);
        // 800 arrivals fall into the stall, and those of its first 600 ms wait over 200 ms. Poisson
        // counts of 600 vary by 25; the stall may begin late, but it begins within the window.
        let slow = count_above(&record, Distribution::Response, SLOW_MS);
        assert!(slow >= 400, "{process:?}: {slow} slow responses");
        // Only requests on the wire had a long service time.
        let slow = count_above(&record, Distribution::Service, SLOW_MS);
        assert!((1..=u64::from(CONNECTIONS) * SLOW_PER_CONNECTION_MAX).contains(&slow), "{process:?}: {slow}");
        // The requests waited for a connection, which is neither the generator's fault nor only the server's.
        assert!(count_above(&record, Distribution::BackPressure, SLOW_MS) >= 300, "{process:?}");
    }
}

#[test]
fn a_closed_loop_cannot_see_it() {
    let record = stalled(None, Process::Poisson);
    let slow = count_above(&record, Distribution::Response, SLOW_MS);
    assert!((1..=u64::from(CONNECTIONS) * SLOW_PER_CONNECTION_MAX).contains(&slow), "{slow} slow responses");
}

#[test]
fn an_overload_is_never_dropped_silently() {
    let server = Server::start(Workload::Echo, &[Manner::Late(Duration::from_millis(100))]);
    let options = Options {
        target: server.target(),
        connections: 2,
        rate: Some(1000.0),
        warmup: WarmUp::Fixed(Duration::ZERO),
        duration: Duration::from_millis(800),
        ..Options::default()
    };
    let record = loadgen::load(&options, &AtomicBool::new(false), |_| {}).unwrap().record;
    check_identities(&record);
    // Two connections can carry 20 of 1,000 requests a second; the others are recorded as missing.
    assert!(record.requests.unsent > 500, "{:?}", record.requests);
    assert!(
        count_above(&record, Distribution::Response, 500) > 200,
        "what never left has the time it has been missing for"
    );
    assert!(record.response_us.p50.is_none(), "the median is unknown");
    let invalid: Vec<_> = record.verdict.checks.iter().filter(|check| check.state.name() == "INVALID").collect();
    assert!(invalid.iter().any(|check| check.id == "V1"), "{invalid:?}");
}
