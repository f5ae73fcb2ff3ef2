//! Synthetic distributions against the closed form: correct ones pass, each kind of wrong one fails.

use super::*;

const MS: u64 = 1_000_000;
const STALL_NS: f64 = 100e6;
const BASE: Base = Base { service: 50_000.0, service_mean: 51_000.0, sending: 8_000.0, sending_mean: 9_000.0 };

/// Ten seconds at 2,000.1 requests/s with a stall of 100 ms in each.
fn stalls() -> Vec<(u64, u64)> {
    (0..10).map(|k| ((k * 1000 + 450) * MS, (k * 1000 + 550) * MS)).collect()
}

/// What a generator records when `respond` makes the recorded time from the intended time and the wait.
fn recorded(respond: impl Fn(u64, u64) -> Option<u64>) -> Histogram<u64> {
    let mut histogram = Histogram::new(3).unwrap();
    for number in 0..20_001u64 {
        let intended = (number as f64 * 1e9 / 2000.1) as u64;
        let wait =
            stalls().iter().find(|(begin, end)| (*begin..*end).contains(&intended)).map(|(_, end)| end - intended);
        if let Some(time) = respond(number, wait.unwrap_or(0)) {
            histogram.record(time).unwrap();
        }
    }
    histogram
}

fn right(_: u64, wait: u64) -> Option<u64> {
    Some(wait + 50_000 + if wait == 0 { 8_000 } else { 0 })
}

fn deviations(histogram: &Histogram<u64>) -> Vec<(String, f64)> {
    let form = ClosedForm::of(&stalls(), (0, 10_000 * MS), 0.0);
    let found = quantities(histogram, &form, BASE, STALL_NS);
    found.into_iter().map(|quantity| (quantity.name, quantity.deviation)).collect()
}

#[test]
fn the_truth_is_accepted() {
    let found = deviations(&recorded(right));
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["p50", "p95", "p99", "p99.9", "max", "mean", "share over half a stall"]);
    for (name, deviation) in found {
        assert!(deviation <= DEVIATION_ACCEPTED, "{name}: {deviation}");
    }
}

#[test]
fn each_kind_of_wrong_is_found_where_it_must_be() {
    type Respond = fn(u64, u64) -> Option<u64>;
    let cases: [(&str, &str, Respond); 6] = [
        ("only every tenth stalled request is recorded", "p99", |number, wait| {
            if wait > 0 && !number.is_multiple_of(10) { None } else { right(number, wait) }
        }),
        ("counted from the actual write", "p99", |_, _| Some(50_000)),
        ("stalls counted twice", "share over half a stall", |number, wait| right(number, wait * 2)),
        ("timeouts of 80 ms left out", "max", |number, wait| right(number, wait).filter(|time| *time < 80 * MS)),
        ("a bias of one millisecond, as of a coarse timer", "p50", |number, wait| {
            right(number, wait).map(|time| time + MS)
        }),
        ("a fifth of the stalled requests back-filled once too often", "mean", |number, wait| {
            right(number, if wait == 0 && number.is_multiple_of(50) { 50 * MS } else { wait })
        }),
    ];
    for (what, name, respond) in cases {
        let found = deviations(&recorded(respond));
        let deviation = found.iter().find(|(found, _)| found == name).map(|(_, deviation)| *deviation);
        assert!(deviation.is_some_and(|deviation| deviation > DEVIATION_ACCEPTED), "{what}: {found:?}");
    }
}

#[test]
fn too_few_samples_are_not_compared() {
    let mut few = Histogram::new(3).unwrap();
    assert_eq!(deviations(&few), []);
    assert_eq!(worst(&[]), f64::MAX);
    few.record_n(58_000, 100).unwrap();
    let names: Vec<String> = deviations(&few).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["p50", "max", "mean", "share over half a stall"]);
}

#[test]
fn the_base_is_the_mean_without_the_tail() {
    let mut histogram = Histogram::new(3).unwrap();
    assert_eq!(mean_of_lowest(&histogram, 0.5), 0.0);
    for (value, count) in [(100, 40), (200, 50), (1_000_000, 10)] {
        histogram.record_n(value, count).unwrap();
    }
    for (share, expected) in [(0.4, 100.0), (0.8, 150.0), (0.0, 0.0), (-1.0, 0.0)] {
        assert_eq!(mean_of_lowest(&histogram, share), expected, "{share}");
    }
    assert!(mean_of_lowest(&histogram, 2.0) > 100_000.0, "more than all is all");
}

#[test]
fn deviations_have_states() {
    for (deviation, state) in [
        (0.0, State::Valid),
        (0.05, State::Valid),
        (0.051, State::Warn),
        (0.1, State::Warn),
        (0.101, State::Invalid),
        (f64::NAN, State::Invalid),
    ] {
        assert_eq!(state_of(deviation), state, "{deviation}");
    }
}
