//! What broke first: which kernel counters moved, when, and in which phase.

use results::report::{Block, Table, count, percent};

use crate::kinds::scenario::timeline::Phase;
use crate::kinds::scenario::watched::picture;
use crate::kinds::scenario::watched::record::{Record, StepRecord};

/// The report calls memory bent when it leaves the straight line by more than this share of its end.
pub(super) const STRAIGHT_WITHIN: f64 = 0.02;

pub(super) fn troubles(record: &Record) -> Vec<Block> {
    const HEADER: [&str; 7] = ["step", "first at s", "while", "connections then", "in all", "counter", "meaning"];
    let mut sentences: Vec<String> = Vec::new();
    for step in &record.steps {
        let bend = picture::off_the_line(step).filter(|share| *share > STRAIGHT_WITHIN);
        if let Some(share) = bend {
            sentences.push(format!(
                "{}: memory is up to {} off a straight line; the chart shows where.",
                step.name,
                percent(share)
            ));
        }
        match step.troubles.first() {
            None => sentences.push(format!("{}: nothing was lost, refused or retried.", step.name)),
            Some(first) => sentences.push(format!(
                "{}: the first sign was {} at {} connections, while {}.",
                step.name,
                first.counter,
                count(first.connections as f64),
                doing(step, first.at_s)
            )),
        }
    }
    let rows = record.steps.iter().flat_map(|step| {
        step.troubles.iter().map(|trouble| {
            vec![
                step.name.clone(),
                format!("{:.1}", trouble.at_s),
                doing(step, trouble.at_s).to_owned(),
                count(trouble.connections as f64),
                count(trouble.count as f64),
                trouble.counter.clone(),
                host::kernel::meaning(&trouble.counter).unwrap_or_default().to_owned(),
            ]
        })
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let mut blocks = vec![Block::List(sentences)];
    if !rows.is_empty() {
        let table = Block::Table(Table::new(String::new(), &HEADER, rows));
        blocks.push(Block::PageOnly { summary: "Counters that moved".to_owned(), blocks: vec![table] });
    }
    blocks
}

/// What a step was doing at some time.
fn doing(step: &StepRecord, at_s: f64) -> &'static str {
    match step.samples.iter().rfind(|sample| sample.at_s <= at_s).map(|sample| sample.phase) {
        None | Some(Phase::Opening) => "opening",
        Some(Phase::Holding) => "holding",
        Some(Phase::Closing) => "closing",
    }
}
