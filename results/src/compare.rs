//! Compares two runs of one experiment: whether they are comparable, and whether an arm's ratio to the reference differs
//! between them.
//!
//! Arms within one run are interleaved; two runs are not. Whatever differed on the host between the two runs is part of
//! every raw figure, and no interval can remove it, so raw figures get no verdict. It is part of an arm and of the
//! reference of its own run alike, so the ratio of both ratios is free of it, with the uncertainty of both.

use serde::Serialize;
use serde_json::Value;
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::judged::Judged;
use crate::record::Record;
use crate::report::title_of_load;
use crate::stats::blocks::{Effect, Finding};

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

/// An arm in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArmPair {
    /// Its name.
    pub arm: String,
    /// Whether it only shows what the runs could see.
    pub is_control: bool,
    /// The load in words; absent for the effect over all loads.
    pub load: Option<String>,
    /// Its ratio to the reference in the first run.
    pub first: Effect,
    /// In the second.
    pub second: Effect,
    /// Second over first.
    pub change: Change,
}

/// How far an arm's ratio to the reference changed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// The ratio of both ratios: above 1 the arm became dearer beside the reference.
    pub ratio: f64,
    /// The ends of its interval, simultaneous for all arms.
    pub low: f64,
    /// Likewise.
    pub high: f64,
    /// What may be claimed of the second run.
    pub finding: Finding,
}

/// Two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunPair {
    /// Arms of both, first over all loads, then under each, in the order of the first.
    pub arms: Vec<ArmPair>,
    /// Arms that only the first run has.
    pub only_first: Vec<String>,
    /// Arms that only the second run has.
    pub only_second: Vec<String>,
    /// Whether the controls of each run hold.
    pub controls_hold: [bool; 2],
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
    differ("reference", first.decision.reference.clone(), second.decision.reference.clone(), false);
    differ("metric", first.metric.words().to_owned(), second.metric.words().to_owned(), false);
    differ(
        "seconds per run",
        first.design.seconds_per_run.to_string(),
        second.design.seconds_per_run.to_string(),
        false,
    );
    // A client that goes round never sleeps, so it does not ask of a server what one of its own does.
    let way = |record: &Record| {
        let turns = record.design.turns.iter();
        let words: Vec<String> = turns
            .map(|turns| format!("in turns of {} s under {}", turns.window_s, turns.loads.join(" and ")))
            .collect();
        if words.is_empty() { "one after another".to_owned() } else { format!("side by side, {}", words.join("; ")) }
    };
    differ("how servers are measured", way(first), way(second), false);
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

/// False differences among all that is said of two runs. Effects over all loads have half of it, single loads the rest.
const RATE: f64 = 0.05;

/// The arms that both runs have. The smallest effect that matters is that of the first run.
pub fn compare(first: &Record, second: &Record) -> RunPair {
    let (a, b) = (Judged::of(first), Judged::of(second));
    let found = common(&a, &b);
    let names = |judged: &Judged<'_>| judged.arms.iter().map(|arm| arm.name.to_owned()).collect::<Vec<_>>();
    let lacking = |own: &Judged<'_>, other: &Judged<'_>| {
        let other = names(other);
        names(own).into_iter().filter(|name| !other.contains(name)).collect()
    };
    let family = |is_pooled: bool| found.iter().filter(|(_, load, ..)| load.is_none() == is_pooled).count();
    let (pooled, single) = (family(true), family(false));
    RunPair {
        only_first: lacking(&a, &b),
        only_second: lacking(&b, &a),
        controls_hold: [a.controls.hold(), b.controls.hold()],
        arms: found
            .iter()
            .map(|(arm, load, one, two)| {
                let family = if load.is_none() { pooled } else { single };
                let change = change(one, two, family, first.decision.effect_min);
                let is_control = a.arms.iter().any(|known| known.name == arm && known.role.is_control());
                ArmPair { arm: arm.clone(), is_control, load: load.clone(), first: *one, second: *two, change }
            })
            .collect(),
    }
}

/// Arm, load and both effects.
type Common = (String, Option<String>, Effect, Effect);

fn common(a: &Judged<'_>, b: &Judged<'_>) -> Vec<Common> {
    let mut found: Vec<Common> = Vec::new();
    let loads = |judged: &Judged<'_>, name: &str| -> Vec<String> {
        judged.loads_of(name).iter().map(|load| title_of_load(judged.loads[*load][0])).collect()
    };
    for (arm, one) in a.pooled() {
        // Over other loads it is another effect.
        let is_same = |name: &str| name == arm.name && loads(a, name) == loads(b, name);
        let other = b.pooled().find(|(other, _)| is_same(other.name));
        found.extend(other.map(|(_, two)| (arm.name.to_owned(), None, one, two)));
    }
    for (load, cells) in a.loads.iter().enumerate() {
        let title = title_of_load(cells[0]);
        let Some(other) = b.loads.iter().position(|cells| title_of_load(cells[0]) == title) else { continue };
        for arm in &a.arms {
            let both = a.under(load, arm.name).zip(b.under(other, arm.name));
            found.extend(both.map(|(one, two)| (arm.name.to_owned(), Some(title.clone()), one, two)));
        }
    }
    found
}

/// The change of one of `family` arms.
fn change(first: &Effect, second: &Effect, family: usize, effect_min: f64) -> Change {
    let mean = second.ratio.ln() - first.ratio.ln();
    let error = first.error.hypot(second.error);
    // The smaller of both degrees of freedom makes the interval a little wider than it need be.
    let freedom = first.blocks.min(second.blocks).saturating_sub(1).max(1) as f64;
    // Šidák's share of each comparison.
    let each = 1.0 - (1.0 - RATE / 2.0).powf(1.0 / family.max(1) as f64);
    let student = StudentsT::new(0.0, 1.0, freedom).expect("its parameters are positive");
    let reach = student.inverse_cdf(1.0 - each / 2.0) * error;
    let (ratio, low, high) = (mean.exp(), (mean - reach).exp(), (mean + reach).exp());
    Change { ratio, low, high, finding: Finding::of(ratio, low, high, effect_min) }
}
