//! The parsers read real output of the tools: versions of Debian 12, and oha 1.16.0, each run for 5 s against a server
//! that stalls. The figures do not matter; a busy machine made them.

use super::*;
use loadgen::Distribution;
use loadgen::record::{RequestCounts, Summary};

/// Compares the figures one by one, so that rounding does not matter.
fn check(found: Option<Reported>, expected: &Reported) {
    let found = found.expect("the output is understood");
    assert_eq!((found.requests, found.failed), (expected.requests, expected.failed));
    let close = |found: f64, expected: f64| (found - expected).abs() < 1e-6;
    for (found, expected) in [(found.mean_ms, expected.mean_ms), (found.max_ms, expected.max_ms)] {
        assert!(found.zip(expected).is_some_and(|(found, expected)| close(found, expected)), "{found:?} {expected:?}");
    }
    assert_eq!(found.percentiles.len(), expected.percentiles.len(), "{:?}", found.percentiles);
    for (found, expected) in found.percentiles.iter().zip(&expected.percentiles) {
        assert!(close(found.0, expected.0) && close(found.1, expected.1), "{found:?} {expected:?}");
    }
}

fn reported(requests: u64, failed: u64, mean: f64, max: f64, percentiles: &[(f64, f64)]) -> Reported {
    let percentiles = percentiles.iter().map(|(percent, time)| (percent / 100.0, *time)).collect();
    Reported { requests, failed, mean_ms: Some(mean), max_ms: Some(max), percentiles }
}

#[test]
fn wrk_is_understood() {
    let rows = [(50.0, 3.5), (75.0, 7.32), (90.0, 13.11), (99.0, 84.2)];
    let text = include_str!("../samples/wrk.txt");
    check(wrk(text), &reported(70_880, 0, 7.06, 116.1, &rows));
    // The two lines that wrk adds when something went wrong.
    let errors = "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 5\n";
    check(wrk(&(text.to_owned() + errors)), &reported(70_880, 15, 7.06, 116.1, &rows));
}

#[test]
fn h2load_is_understood() {
    check(h2load(include_str!("../samples/h2load.txt")), &reported(71_947, 0, 3.47, 108.24, &[]));
    check(h2load(include_str!("../samples/h2load-rps.txt")), &reported(10_000, 0, 4.37, 100.42, &[]));
}

#[test]
fn hey_is_understood() {
    let rows = [(10.0, 0.9), (25.0, 2.0), (50.0, 3.4), (75.0, 5.0), (90.0, 8.1), (95.0, 10.1), (99.0, 16.2)];
    let text = include_str!("../samples/hey.txt");
    check(hey(text), &reported(56_121, 0, 4.5, 113.7, &rows));
    let rows = [(10.0, 0.6), (25.0, 1.2), (50.0, 2.2), (75.0, 4.0), (90.0, 7.5), (95.0, 10.7), (99.0, 84.3)];
    check(hey(include_str!("../samples/hey-q.txt")), &reported(9450, 0, 5.2, 113.8, &rows));
    let failing = text.replace("[200]\t56121 responses", "[200]\t56000 responses\n  [503]\t121 responses");
    let failing = failing.trim_end().to_owned() + "\n\nError distribution:\n  [7]\tGet \"http://a/\": EOF\n";
    let found = hey(&failing).expect("understood");
    assert_eq!((found.requests, found.failed), (56_000, 128));
}

#[test]
fn ab_is_understood() {
    let rows =
        [(50.0, 0.0), (66.0, 2.0), (75.0, 4.0), (80.0, 4.0), (90.0, 8.0), (95.0, 9.0), (98.0, 12.0), (99.0, 16.0)];
    check(ab(include_str!("../samples/ab.txt")), &reported(95_587, 0, 3.0, 116.0, &rows));
}

#[test]
fn oha_is_understood() {
    let rows = [
        (10.0, 0.088_657),
        (25.0, 0.119_247),
        (50.0, 0.207_522),
        (75.0, 59.125_071),
        (90.0, 506.480_579),
        (95.0, 778.101_585),
        (99.0, 951.566_056),
        (99.9, 995.330_133),
        (99.99, 998.682_496),
    ];
    let text = include_str!("../samples/oha.json");
    check(oha(text), &reported(9999, 0, 123.053_414_332, 998.682_496, &rows));
    let failing = text.replace("\"aborted due to deadline\": 3", "\"aborted due to deadline\": 3, \"refused\": 4");
    assert_eq!(oha(&failing).map(|found| found.failed), Some(4));
}

#[test]
fn sockperf_is_understood_as_round_trips() {
    let rows = [
        (25.0, 0.039_352),
        (50.0, 0.047_384),
        (75.0, 1.676_972),
        (90.0, 7.172_788),
        (99.0, 92.198_862),
        (99.9, 104.095_896),
        (99.99, 107.092_246),
        (99.999, 107.587_066),
    ];
    check(sockperf(include_str!("../samples/sockperf.txt")), &reported(9005, 95, 5.486_888, 107.587_066, &rows));
}

#[test]
fn the_record_of_c10m_is_understood() {
    let mut latencies = Latencies::new();
    latencies.record(2_000_000, 1000).expect("in range");
    let response = latencies.encode().expect("encodable");
    let record = Record {
        requests: RequestCounts {
            completed: 20_000,
            failed: 1,
            timed_out: 2,
            censored: 3,
            unsent: 4,
            ..RequestCounts::default()
        },
        response_us: Summary {
            p50: Some(50.0),
            p90: Some(1000.0),
            p99: Some(90_000.5),
            max: Some(1e5),
            mean: Some(5000.0),
            ..Summary::default()
        },
        histograms: [(Distribution::Response, response.clone())].into(),
        ..Record::default()
    };
    let text = serde_json::to_string(&record).expect("JSON");
    let found = c10m(&text);
    let p95 = found.as_ref().and_then(|found| found.at(0.95)).expect("from the histogram");
    assert!((p95 - 2.0).abs() < 0.002, "{p95}");
    check(found, &reported(20_000, 10, 5.0, 100.0, &[(50.0, 0.05), (90.0, 1.0), (95.0, p95), (99.0, 90.0005)]));
    let found = c10m(&text.replace(&response, "")).expect("understood");
    assert_eq!((found.at(0.9), found.at(0.95), found.at(0.999)), (Some(1.0), None, None));
}

#[test]
fn other_texts_are_not_understood() {
    for text in ["", "{}", "connect: connection refused\n", "Latency\nrequests:\n", "{\"latencyPercentiles\": 1}"] {
        for parse in [c10m, wrk, h2load, hey, ab, oha, sockperf] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}

#[test]
fn durations_have_units() {
    for (text, expected) in [
        ("80us", Some(0.08)),
        ("3.50ms", Some(3.5)),
        ("1.20s", Some(1200.0)),
        ("2.00m", Some(120_000.0)),
        ("1h", Some(3_600_000.0)),
        ("5", None),
        ("ms", None),
        ("5 ms", None),
    ] {
        assert_eq!(duration_ms(text), expected, "{text}");
    }
}
