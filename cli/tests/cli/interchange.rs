//! Other programs read our histograms: Python's hdrhistogram finds in them exactly what we do.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use results::hlog;
use serde_json::Value;

use crate::program::{Server, finish, run};
use crate::scratch::Scratch;

/// The Python that scripts/python.sh has made.
pub(crate) fn python_command() -> Command {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/python3");
    assert!(python.exists(), "there is no {}: run scripts/python.sh", python.display());
    let mut command = Command::new(python);
    command.stdin(Stdio::null());
    command
}

/// What Python finds in these files.
fn python(files: &[&str]) -> Vec<Value> {
    let mut command = python_command();
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/decode.py")).args(files);
    let (code, stdout, stderr) = finish(&mut command);
    assert_eq!(code, 0, "{stderr}");
    serde_json::from_str(&stdout).expect("JSON")
}

fn decode(encoded: &str) -> Histogram<u64> {
    let bytes = BASE64_STANDARD.decode(encoded).expect("base64");
    Deserializer::new().deserialize(&mut bytes.as_slice()).expect("a histogram")
}

fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).expect("a Vec");
    BASE64_STANDARD.encode(bytes)
}

/// Every value and its count, of which all quantiles follow.
fn values(histogram: &Histogram<u64>) -> BTreeMap<u64, u64> {
    histogram.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
}

fn number(found: &Value, key: &str) -> u64 {
    let value = &found[key];
    value.as_u64().or(value.as_f64().map(|value| value as u64)).unwrap_or_else(|| panic!("no {key} in {found}"))
}

fn values_found(found: &Value) -> BTreeMap<u64, u64> {
    let pairs = found["values"].as_array().expect("a list").iter();
    pairs.map(|pair| (pair[0].as_u64().expect("a value"), pair[1].as_u64().expect("a count"))).collect()
}

fn assert_same(found: &Value, histogram: &Histogram<u64>) {
    assert_eq!(values_found(found), values(histogram), "{}", found["name"]);
    assert_eq!(number(found, "count"), histogram.len(), "{}", found["name"]);
    if !histogram.is_empty() {
        assert_eq!(number(found, "max"), histogram.max(), "{}", found["name"]);
    }
}

/// From 1 ns to an hour, with the bounds that the load generator gives its histograms.
fn made_up(count: u64, step: impl Fn(u64) -> u64) -> Histogram<u64> {
    let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("a valid range");
    (1..=count).for_each(|i| histogram.record(step(i)).expect("within the range"));
    histogram
}

#[test]
fn a_log_is_read_line_by_line() {
    let histograms = [
        ("response", made_up(10_000, |i| i * i * 359)),
        ("service", made_up(1000, |i| i)),
        ("response", made_up(100, |_| 3_600_000_000_000)),
        ("lateness", made_up(0, |i| i)),
        ("back_pressure", made_up(100, |i| if i == 100 { 1 } else { 0 })),
    ];
    let encoded: Vec<String> = histograms.iter().map(|(_, histogram)| encode(histogram)).collect();
    let lines = histograms.iter().zip(&encoded).enumerate().map(|(index, ((tag, histogram), encoded))| hlog::Line {
        tag,
        start_us: index as u64 * 999_000,
        duration_us: 500_000,
        max_ns: histogram.max(),
        encoded,
    });
    let scratch = Scratch::new("made-up");
    let path = scratch.path("made-up.hlog");
    fs::write(&path, hlog::text(1_700_000_000_000, lines)).expect("writable");
    let found = python(&[&path]);
    assert_eq!(found.len(), histograms.len(), "{found:?}");
    for (index, (found, (tag, histogram))) in found.iter().zip(&histograms).enumerate() {
        assert_eq!(found["name"], *tag);
        assert_same(found, histogram);
        // The counts are multiples of 100: other libraries round the rank of a quantile differently.
        for (key, quantile) in [("p50", 0.5), ("p99", 0.99)].into_iter().filter(|_| !histogram.is_empty()) {
            assert_eq!(number(found, key), histogram.value_at_quantile(quantile), "{key} of {tag}");
        }
        let start_ms = 1_700_000_000_000 + index as u64 * 999;
        // Seconds as floating point numbers are not exact to the millisecond.
        assert!(number(found, "start_ms").abs_diff(start_ms) <= 1, "{found}");
        assert!(number(found, "end_ms").abs_diff(start_ms + 500) <= 1, "{found}");
    }
}

/// The rank of a quantile as our library counts: the least value that so many are not above.
fn quantile(values: &BTreeMap<u64, u64>, quantile: f64) -> u64 {
    let total: u64 = values.values().sum();
    let mut left = (total as f64 * quantile).ceil() as u64;
    let found = values.iter().find(|&(_, &count)| {
        left = left.saturating_sub(count);
        left == 0
    });
    *found.expect("values").0
}

#[test]
fn the_files_of_a_run_say_the_same() {
    let server = Server::start(&["echo"]);
    let target = format!("tcp://{}", server.address);
    let scratch = Scratch::new("real");
    let out = scratch.path("out");
    let (code, stdout, stderr) =
        run(&["load", &target, "-r", "3000", "-d", "2500ms", "--warmup", "300ms", "--json", "--out", &out]);
    assert!(code == 0 || code == 4, "{stderr}");
    let printed: Value = serde_json::from_str(&stdout).expect("a record");
    let record_path = scratch.path("out/record.json");
    let record: Value = serde_json::from_str(&fs::read_to_string(&record_path).expect("written")).expect("a record");
    assert_eq!(record, printed);

    let mut sums: BTreeMap<String, Histogram<u64>> = BTreeMap::new();
    let found = python(&[&record_path]);
    let names: Vec<&str> = found.iter().filter_map(|found| found["name"].as_str()).collect();
    for name in ["response", "service", "lateness", "back_pressure", "connect"] {
        assert!(names.contains(&name), "{names:?}");
    }
    for found in &found {
        let name = found["name"].as_str().expect("a name");
        let histogram = decode(record["histograms"][name].as_str().expect("base64"));
        assert_same(found, &histogram);
        let summary = &record[format!("{name}_us")];
        assert_eq!(summary["count"].as_u64(), Some(histogram.len()), "{name}");
        let in_ns = |key: &str| summary[key].as_f64().map(|us| (us * 1000.0).round() as u64);
        assert_eq!(in_ns("max"), (!histogram.is_empty()).then(|| number(found, "max")), "{name}");
        for (key, p) in [("p50", 0.5), ("p99", 0.99)] {
            if let Some(ns) = in_ns(key) {
                assert_eq!(ns, quantile(&values_found(found), p), "{key} of {name}");
            }
        }
        let curve = Path::new(&out).join(format!("{name}.hgrm"));
        assert_eq!(curve.exists(), !histogram.is_empty(), "{name}");
        sums.insert(name.to_owned(), histogram);
    }

    let log_path = scratch.path("out/latency.hlog");
    let lines = python(&[&log_path]);
    assert!(!lines.is_empty(), "an empty log agrees with everything");
    let tags: Vec<&str> = lines.iter().filter_map(|line| line["name"].as_str()).collect();
    // The intervals of a tag are all of it: the warm-up is not in the log, and nothing is missing.
    for (tag, whole) in sums.iter().filter(|(tag, _)| tags.contains(&tag.as_str())) {
        let mut sum: BTreeMap<u64, u64> = BTreeMap::new();
        for line in lines.iter().filter(|line| line["name"] == tag.as_str()) {
            values_found(line).into_iter().for_each(|(value, count)| *sum.entry(value).or_default() += count);
        }
        assert_eq!(sum, values(whole), "the intervals of {tag}");
    }
    let rows = fs::read_to_string(scratch.path("out/series.csv")).expect("written");
    let intervals = record["intervals"].as_array().expect("a list").len();
    assert_eq!(rows.lines().count(), intervals + 1);
    assert!(rows.starts_with("start_us,duration_us,phase,scheduled,sent,completed"), "{rows}");
}
