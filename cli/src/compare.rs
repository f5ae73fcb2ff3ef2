//! `c10m compare`: compares two runs after checking that they are comparable. What a ratio means and what it proves
//! belongs to `results`.

use std::fmt;
use std::path::Path;

use results::compare::{ArmPair, Conflict, RunPair, compare, conflicts};
use results::record::Record;
use results::report::Table;
use results::run as run_directory;
use results::stats::blocks::Finding;
use results::visible::visible_line;
use serde_json::{Value, json};

use lab::record_file::{Kind, RecordFile};
use lab::{Refusal, terminal};

mod args;
mod loads;

pub(crate) use args::CompareArgs;
use args::RATIOS;

/// Two records of the same kind.
enum Pair {
    Experiments(Box<(Record, Record)>),
    Loads(Value, Value),
}

/// Compares, or says why not. Exit code 2 if the runs are not comparable, 4 if nothing can be said
/// or a run does not see its own controls.
pub(crate) fn run(args: CompareArgs) -> anyhow::Result<u8> {
    let pair = match read(&args.first, &args.second) {
        Ok(pair) => pair,
        Err(refusal) => {
            say!("c10m: {refusal}");
            return Ok(refusal.code);
        }
    };
    let found = match &pair {
        Pair::Experiments(records) => conflicts(&records.0, &records.1),
        Pair::Loads(first, second) => loads::conflicts(first, second),
    };
    if let Some(refusal) = refusal(&found, args.despite.as_deref()) {
        return Ok(refuse(&refusal));
    }
    if let Some(reason) = &args.despite {
        say!("c10m: WARNING: compared although the hosts differ in {}: {reason}", list(&found));
    }
    match pair {
        Pair::Experiments(records) => print_experiments(&args, &records.0, &records.1, &found),
        Pair::Loads(first, second) => loads::print(&args, &first, &second, &found),
    }
}

fn refuse(complaint: &str) -> u8 {
    say!("c10m: {complaint}");
    2
}

/// Reads both files, which must be of the same kind.
fn read(first: &Path, second: &Path) -> Result<Pair, Refusal> {
    let records = [RecordFile::open(first)?, RecordFile::open(second)?];
    for record in &records {
        if !matches!(record.kind, Kind::Comparison | Kind::Load) {
            return Err(Refusal::usage(format!(
                "{} is neither a run of `c10m bench` that compares arms nor one of `c10m load --out`: `{}` wrote it",
                record.path.display(),
                record.kind.command()
            )));
        }
    }
    let damaged = |path: &Path, complaint: &dyn fmt::Display| {
        Refusal::failed(format!("cannot read the record {}: {complaint}", path.display()))
    };
    let [first, second] = records;
    match (first.kind, second.kind) {
        (Kind::Load, Kind::Load) => {
            for load in [&first, &second] {
                loads::check(&load.document).map_err(|complaint| damaged(&load.path, &complaint))?;
            }
            Ok(Pair::Loads(first.document, second.document))
        }
        (Kind::Comparison, Kind::Comparison) => {
            let record = |RecordFile { path, document, .. }: RecordFile| {
                run_directory::of_json(document)
                    .and_then(|record| run_directory::beside(record, path.parent().unwrap_or(Path::new("."))))
                    .map(|run| run.record)
                    .map_err(|error| damaged(&path, &error))
            };
            Ok(Pair::Experiments(Box::new((record(first)?, record(second)?))))
        }
        _ => Err(Refusal::usage(
            "one of these is a run of `c10m bench`, the other one of `c10m load`: name two of a kind".to_owned(),
        )),
    }
}

/// Why these runs may not be compared, in one line. `None` when they may.
fn refusal(found: &[Conflict], despite: Option<&str>) -> Option<String> {
    let fatal: Vec<&Conflict> = found.iter().filter(|conflict| !conflict.is_host).collect();
    let all = |conflicts: &[&Conflict]| {
        let one = |conflict: &&Conflict| {
            format!("{}: {} against {}", visible_line(&conflict.what), brief(&conflict.first), brief(&conflict.second))
        };
        conflicts.iter().map(one).collect::<Vec<_>>().join("; ")
    };
    match (fatal.is_empty(), found.is_empty(), despite) {
        (false, ..) => Some(format!("these runs are not comparable: {}", all(&fatal))),
        (true, false, None) => Some(format!(
            "these runs are of different hosts, so a difference need not be the program's: {}; to compare them anyway, \
             say why with --despite REASON",
            all(&found.iter().collect::<Vec<_>>())
        )),
        (true, false, Some(reason)) if reason.trim().is_empty() => Some("--despite needs a reason".to_owned()),
        (true, true, Some(_)) => {
            Some("--despite is for runs of different hosts, and these are of one; leave it out".to_owned())
        }
        _ => None,
    }
}

/// Shortens a fact to fit a line.
fn brief(text: &str) -> String {
    const CHARACTERS_MAX: usize = 120;
    match text.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", visible_line(&text[..end])),
        None => visible_line(text.trim_end()).into_owned(),
    }
}

fn list(found: &[Conflict]) -> String {
    found.iter().map(|conflict| visible_line(&conflict.what)).collect::<Vec<_>>().join(", ")
}

fn print_experiments(args: &CompareArgs, first: &Record, second: &Record, found: &[Conflict]) -> anyhow::Result<u8> {
    let pair = compare(first, second);
    if args.json {
        let of = |path: &Path, record: &Record| {
            // As text: a path that is not UTF-8 has no other form in JSON, and `json!` would panic.
            let run = path.display().to_string();
            json!({ "run": run, "commit": record.commit, "started_at": record.started_at })
        };
        let document = json!({
            "first": of(&args.first, first),
            "second": of(&args.second, second),
            "metric": first.metric,
            "reference": first.decision.reference,
            "effect_min": first.decision.effect_min,
            "despite": args.despite,
            "host_differences": found,
            "note": RATIOS,
            "arms": pair.arms,
            "controls_hold": pair.controls_hold,
            "only_first": pair.only_first,
            "only_second": pair.only_second,
        });
        terminal::print(&(serde_json::to_string(&document)? + "\n"))?;
    } else {
        terminal::print(&terminal::terminal(tables(first, &pair)))?;
        terminal::print(&format!("\n{}", summary(args, first, second, &pair)))?;
    }
    if pair.arms.is_empty() {
        say!("c10m: no arm has an effect in both runs: too few of their blocks are complete");
    }
    for (run, holds) in [&args.first, &args.second].into_iter().zip(pair.controls_hold) {
        if !holds {
            say!("c10m: {} does not see its own controls as they are: do not believe it", run.display());
        }
    }
    Ok(if pair.arms.is_empty() || pair.controls_hold.contains(&false) { 4 } else { 0 })
}

/// One table for all loads together, and one for each.
fn tables(record: &Record, pair: &RunPair) -> Vec<Table> {
    let header = ["arm", "first", "second", "change", "from", "to", "second is"];
    let mut tables: Vec<Table> = Vec::new();
    for arm in &pair.arms {
        let load = arm.load.as_deref().unwrap_or("all loads together");
        let title = format!("{load}: {}, ratio to {}", record.metric.words(), record.decision.reference);
        if tables.last().is_none_or(|table| table.title != title) {
            tables.push(Table::new(title, &header, Vec::new()));
        }
        if let Some(table) = tables.last_mut() {
            table.rows.push(row(arm));
        }
    }
    tables
}

fn row(pair: &ArmPair) -> Vec<String> {
    let change = &pair.change;
    let numbers = [pair.first.ratio, pair.second.ratio, change.ratio, change.low, change.high];
    let words = change.finding.words().to_owned();
    [pair.arm.clone()].into_iter().chain(numbers.map(|number| format!("{number:.3}"))).chain([words]).collect()
}

fn summary(args: &CompareArgs, first: &Record, second: &Record, pair: &RunPair) -> String {
    let all = || pair.arms.iter().filter(|pair| pair.load.is_none() && !pair.is_control);
    let counts = Finding::ALL.map(|finding| {
        let count = all().filter(|pair| pair.change.finding == finding).count();
        format!("{count} {}", finding.words())
    });
    let mut lines = vec![
        format!("first:  {} ({}, {})", args.first.display(), brief(&first.commit), brief(&first.started_at)),
        format!("second: {} ({}, {})", args.second.display(), brief(&second.commit), brief(&second.started_at)),
        format!("The second run against the first, over all loads: {}.", counts.join(", ")),
        RATIOS.to_owned(),
    ];
    for (which, arms) in [("first", &pair.only_first), ("second", &pair.only_second)] {
        if !arms.is_empty() {
            lines.push(format!("Only in the {which}: {}.", arms.join(", ")));
        }
    }
    lines.iter().map(|line| visible_line(line).into_owned() + "\n").collect()
}
