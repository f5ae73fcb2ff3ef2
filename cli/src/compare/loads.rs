//! Two runs of `c10m load`: figures side by side. One run each has no repeats, so there is a ratio and no
//! interval, and nothing is claimed of it.
//!
//! The records may be of different versions of the program, so only the fields that are compared have to be there: they
//! are found by name, each is checked, and a test holds the names against today's record.

use results::compare::Conflict;
use results::report::{ABSENT, Table, measure};
use serde_json::{Value, json};

use super::args::{CompareArgs, DRIFT};
use lab::terminal;

/// What makes two loads the same load.
const LOAD: [(&str, &str); 11] = [
    ("workload", "/workload"),
    ("mode", "/mode"),
    ("schedule", "/schedule"),
    ("rate", "/rate"),
    ("connections", "/connections/target"),
    ("pipeline", "/pipeline"),
    ("requests a connection", "/requests_per_connection"),
    ("window, µs", "/duration_planned_us"),
    ("requests in all", "/requests/asked"),
    ("engine", "/engine"),
    ("threads", "/threads"),
];

/// What ends a window: its length, or so many requests. A record has one of them at least.
const ENDS: [&str; 2] = ["/duration_planned_us", "/requests/asked"];

/// What a record leaves out where it does not apply; the first where connections are kept.
const OPTIONAL: [&str; 3] = ["/requests_per_connection", ENDS[0], ENDS[1]];

/// Figures that two runs can be compared in, and what they are called.
const FIGURES: [(&str, &str); 8] = [
    ("requests/s, co-located", "/requests_per_second"),
    ("response p50, µs", "/response_us/p50"),
    ("response p90, µs", "/response_us/p90"),
    ("response p99, µs", "/response_us/p99"),
    ("response p99.9, µs", "/response_us/p99_9"),
    ("service p99, µs", "/service_us/p99"),
    ("lateness p99, µs", "/lateness_us/p99"),
    ("failed requests", "/requests/failed"),
];

/// Whether a record of a load has everything that is compared: what is missing on both sides would look alike.
///
/// # Errors
/// What it lacks.
pub(super) fn check(load: &Value) -> Result<(), String> {
    for (_, pointer) in LOAD.into_iter().filter(|(_, pointer)| !OPTIONAL.contains(pointer)) {
        load.pointer(pointer).ok_or_else(|| format!("it lacks {pointer}"))?;
    }
    if ENDS.iter().all(|pointer| load.pointer(pointer).is_none()) {
        return Err(format!("it lacks {}", ENDS.join(" and ")));
    }
    for (_, pointer) in FIGURES {
        let figure = load.pointer(pointer).ok_or_else(|| format!("it lacks {pointer}"))?;
        // A quantile that too few values support is null.
        if !figure.is_number() && !figure.is_null() {
            return Err(format!("{pointer} is no number"));
        }
    }
    match load.pointer("/verdict/state").and_then(Value::as_str) {
        Some("VALID" | "WARN" | "INVALID") => {}
        _ => return Err("it lacks a /verdict/state of VALID, WARN or INVALID".to_owned()),
    }
    load.get("host").filter(|host| host.is_object()).map(|_| ()).ok_or_else(|| "it lacks /host".to_owned())
}

pub(super) fn conflicts(first: &Value, second: &Value) -> Vec<Conflict> {
    let mut found = Vec::new();
    let mut differ = |what: &str, a: Option<&Value>, b: Option<&Value>, is_host: bool| {
        if a != b {
            let words = |value: Option<&Value>| value.map_or("unknown".to_owned(), Value::to_string);
            found.push(Conflict { what: what.to_owned(), first: words(a), second: words(b), is_host });
        }
    };
    for (what, pointer) in LOAD {
        differ(what, first.pointer(pointer), second.pointer(pointer), false);
    }
    let host = |value: &Value| value.get("host").and_then(Value::as_object).cloned().unwrap_or_default();
    let (a, b) = (host(first), host(second));
    for name in a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))) {
        differ(name, a.get(name), b.get(name), true);
    }
    found
}

/// Exit code 4 when one of the two is INVALID.
pub(super) fn print(args: &CompareArgs, first: &Value, second: &Value, found: &[Conflict]) -> anyhow::Result<u8> {
    let figure = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_f64);
    let rows = FIGURES.map(|(name, pointer)| {
        let (a, b) = (figure(first, pointer), figure(second, pointer));
        let ratio = a.zip(b).map(|(a, b)| b / a).filter(|ratio| ratio.is_finite());
        (name, a, b, ratio)
    });
    let state = |value: &Value| value["verdict"]["state"].as_str().unwrap_or("INVALID").to_owned();
    let states = [state(first), state(second)];
    if args.json {
        let figures =
            rows.map(|(name, a, b, ratio)| json!({ "figure": name, "first": a, "second": b, "ratio": ratio }));
        // As text: a path that is no UTF-8 has no other form in JSON, and `json!` panics at one.
        let [a, b] = [&args.first, &args.second].map(|path| path.display().to_string());
        let document = json!({
            "first": { "run": a, "verdict": states[0] },
            "second": { "run": b, "verdict": states[1] },
            "despite": args.despite,
            "host_differences": found,
            "note": DRIFT,
            "judgement": "inconclusive",
            "figures": figures,
        });
        terminal::print(&(serde_json::to_string(&document)? + "\n"))?;
    } else {
        let words = |value: Option<f64>| value.map_or(ABSENT.to_owned(), measure);
        let ratio = |ratio: Option<f64>| ratio.map_or(ABSENT.to_owned(), |ratio| format!("{ratio:.3}"));
        let lines = rows.map(|(name, a, b, quotient)| {
            vec![name.to_owned(), words(a), words(b), ratio(quotient), "inconclusive".to_owned()]
        });
        let title = format!("First ({}) and second ({})", states[0], states[1]);
        let table = Table::new(title, &["figure", "first", "second", "ratio", "verdict"], lines.to_vec());
        terminal::print(&terminal::terminal([table]))?;
        terminal::print(&format!(
            "\nOne run each: without repeats a ratio has no interval, so nothing is claimed. `c10m bench` repeats.\n{DRIFT}\n"
        ))?;
    }
    let is_invalid = states.iter().any(|state| state == "INVALID");
    if is_invalid {
        say!("c10m: a measurement is INVALID, so its figures must not be used: {} and {}", states[0], states[1]);
    }
    Ok(if is_invalid { 4 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadgen::record::RequestCounts;
    use loadgen::{Process, Record};

    /// A field that was renamed in the record and not here.
    #[test]
    fn every_name_is_one_of_the_record() {
        let record = Record {
            duration_planned_us: Some(1),
            requests_per_connection: Some(1),
            schedule: Some(Process::Poisson),
            requests: RequestCounts { asked: Some(1), ..RequestCounts::default() },
            ..Record::default()
        };
        let whole = serde_json::to_value(record).expect("JSON");
        assert_eq!(check(&whole), Ok(()));
        for pointer in LOAD.into_iter().chain(FIGURES).map(|(_, pointer)| pointer).chain(ENDS) {
            assert!(whole.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
