//! Compares two runs of one experiment: whether they are comparable, and what each cell needed in the second run as a
//! ratio to the first.
//!
//! Arms within one run are interleaved; two runs are not. Whatever differed on the host between the two runs is part
//! of every ratio here, and no interval can remove it.

use serde::Serialize;
use serde_json::Value;

use crate::record::{Cell, Record};
use crate::report::{stands, title_of_load};
use crate::stats::{Comparison, Judgement, Range, unpaired};

/// Facts of the host that change what a request costs.
const HOST_FACTS: [(&str, &str); 10] = [
    ("processor", "/cpu/model"),
    ("processors online", "/cpu/online_count"),
    ("frequency governor", "/cpu/governor"),
    ("kernel", "/kernel/release"),
    ("mitigations", "/kernel/mitigations"),
    ("clock source", "/kernel/clocksource"),
    ("congestion control", "/tcp/congestion_control"),
    ("receive buffers", "/tcp/rmem_bytes"),
    ("send buffers", "/tcp/wmem_bytes"),
    ("packet filters", "/conntrack/iptables_tables"),
];

/// Why two runs are not comparable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// What differs.
    pub what: String,
    /// In the first run.
    pub first: String,
    /// In the second run.
    pub second: String,
    /// Whether only the host differs, which a user may want to compare on purpose.
    pub is_host: bool,
}

/// One cell in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellPair {
    /// The cell's name in both records.
    pub key: String,
    /// Its load, in words.
    pub load: String,
    /// Its arm.
    pub arm: String,
    /// Its figure in the first run.
    pub first: Option<Range>,
    /// Its figure in the second run.
    pub second: Option<Range>,
    /// Second run divided by first. Absent when one of them has no usable run.
    pub comparison: Option<Comparison>,
    /// Number of runs of both that were left out, because they are INVALID or lack the figure.
    pub left_out: usize,
}

impl CellPair {
    /// What may be claimed of the second run.
    pub fn judgement(&self) -> Judgement {
        self.comparison.map_or(Judgement::Inconclusive, |comparison| comparison.judgement)
    }
}

/// All cells of two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunPair {
    /// Cells of both, in the order of the first.
    pub cells: Vec<CellPair>,
    /// Keys that only the first run has.
    pub only_first: Vec<String>,
    /// Keys that only the second run has.
    pub only_second: Vec<String>,
}

/// Everything that makes two runs not comparable. Empty when they are comparable.
pub fn conflicts(first: &Record, second: &Record) -> Vec<Conflict> {
    let mut found = Vec::new();
    let mut differ = |what: &str, a: String, b: String, is_host: bool| {
        if a != b {
            found.push(Conflict { what: what.to_owned(), first: a, second: b, is_host });
        }
    };
    differ("experiment", first.experiment.clone(), second.experiment.clone(), false);
    differ("metric", first.metric.words().to_owned(), second.metric.words().to_owned(), false);
    differ("seconds per run", first.seconds_per_run.to_string(), second.seconds_per_run.to_string(), false);
    let (a, b) = (keys(first), keys(second));
    if !a.iter().any(|key| b.contains(key)) {
        let named = |keys: &[&str]| keys.first().map_or("none".to_owned(), |key| format!("{key} and so on"));
        differ("loads and arms (none is in both)", named(&a), named(&b), false);
    }
    let loads = |record: &Record| {
        let mut loads: Vec<String> = record.cells.iter().map(title_of_load).collect();
        loads.sort();
        loads.dedup();
        loads
    };
    let (a, b) = (loads(first), loads(second));
    let lacking = |own: &[String], other: &[String]| {
        let lacking: Vec<&str> = own.iter().filter(|load| !other.contains(load)).map(String::as_str).collect();
        if lacking.is_empty() { "all of the other's".to_owned() } else { format!("also {}", lacking.join("; ")) }
    };
    if a != b {
        differ("loads", lacking(&a, &b), lacking(&b, &a), false);
    }
    for (what, pointer) in HOST_FACTS {
        let fact = |record: &Record| record.host.pointer(pointer).map_or("unknown".to_owned(), words);
        differ(what, fact(first), fact(second), true);
    }
    found
}

fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn keys(record: &Record) -> Vec<&str> {
    record.cells.iter().map(|cell| cell.key.as_str()).collect()
}

/// Compares the cells that both runs have, in the figure that decides the experiment. The first run determines the
/// smallest effect that matters.
pub fn compare(first: &Record, second: &Record) -> RunPair {
    let lacking = |own: &Record, other: &Record| {
        let other = keys(other);
        keys(own).into_iter().filter(|key| !other.contains(key)).map(str::to_owned).collect()
    };
    let partner = |cell: &Cell| second.cells.iter().find(|other| other.key == cell.key);
    RunPair {
        cells: first.cells.iter().filter_map(|cell| Some(pair(first, cell, partner(cell)?))).collect(),
        only_first: lacking(first, second),
        only_second: lacking(second, first),
    }
}

fn pair(record: &Record, first: &Cell, second: &Cell) -> CellPair {
    let values = |cell: &Cell| {
        let runs = cell.runs.iter().filter(|run| stands(run));
        let values = runs.filter_map(|run| record.metric.of_run(run));
        values.filter(|value| *value > 0.0 && value.is_finite()).collect::<Vec<f64>>()
    };
    let (a, b) = (values(first), values(second));
    CellPair {
        key: first.key.clone(),
        load: title_of_load(first),
        arm: first.arm.clone(),
        first: Range::of(&a),
        second: Range::of(&b),
        comparison: unpaired(&b, &a, record.decision.effect_min),
        left_out: first.runs.len() + second.runs.len() - a.len() - b.len(),
    }
}
