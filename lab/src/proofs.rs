//! What runs of `c10m tune prove` in a directory say of each setting.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::experiments;
use crate::kinds::scenario::trials::record::Record;
use crate::kinds::scenario::trials::report;

/// What a run says of a value of a setting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proof {
    /// The value, in a few words.
    pub value: String,
    /// `helps`, `hurts`, `no effect`, `undecided` or `not shown`.
    pub verdict: &'static str,
    /// How often as good as with the usual value, with its interval; absent: not known.
    pub effect: Option<String>,
    /// The figure that decided.
    pub figure: String,
    /// The workload.
    pub workload: String,
    /// The counter that moved, from how many to how many.
    pub moved: Option<String>,
    /// Whether it is about a whole profile without this setting.
    pub is_left_out: bool,
    /// The directory of the run.
    pub run: String,
    /// Whether it ran on a host like this one.
    pub is_of_this_host: bool,
    /// The kernel and the day.
    pub measured_on: String,
}

/// The proofs of each setting in the runs of a directory: of each those of the newest run that tried it. `host` has the facts
/// of this host. What cannot be read is no proof.
pub fn proofs(directory: &Path, host: &Value) -> BTreeMap<String, Vec<Proof>> {
    let mut runs: Vec<(String, Record)> = records(directory);
    runs.sort_by(|(_, one), (_, other)| one.head.started_at.cmp(&other.head.started_at));
    let mut proofs: BTreeMap<String, Vec<Proof>> = BTreeMap::new();
    for (name, record) in runs {
        let mut of_run: BTreeMap<String, Vec<Proof>> = BTreeMap::new();
        let is_of_this_host = ::host::fingerprint::differences(&record.head.host, host).is_empty();
        let kernel = record.head.host.pointer("/kernel/release").and_then(Value::as_str).unwrap_or("?");
        let day = record.head.started_at.split('T').next().unwrap_or_default();
        for told in report::told(&record) {
            let proof = Proof {
                value: told.value,
                verdict: told.verdict,
                effect: told.effect,
                figure: told.figure,
                workload: told.workload,
                moved: told.moved,
                is_left_out: told.is_left_out,
                run: name.clone(),
                is_of_this_host,
                measured_on: format!("Linux {kernel}, {day}"),
            };
            of_run.entry(told.setting).or_default().push(proof);
        }
        proofs.extend(of_run);
    }
    proofs
}

/// The records of trials in a directory, with the names of their runs.
fn records(directory: &Path) -> Vec<(String, Record)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_of_trials = |name: &String| name.contains(&format!("-{}", experiments::trials(vec![], false).about.name));
    let read = |name: String| {
        let text = fs::read(directory.join(&name).join("record.json")).ok()?;
        Some((name, serde_json::from_slice(&text).ok()?))
    };
    named.filter(is_of_trials).filter_map(read).collect()
}
