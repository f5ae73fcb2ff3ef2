//! The report of a scenario about remedies: what happened, the picture, the remedies, the mechanism. Pure text: the same
//! record always gives the same report.

use results::report::{Block, Document, Table};

use crate::kinds::scenario::frame::{figure, heading, tail};
use crate::kinds::scenario::remedies::record::Record;
use crate::kinds::scenario::remedies::table::Remedies;
use crate::kinds::scenario::remedies::{picture, tables, words};

/// The tables of the report, for a terminal too.
pub(super) fn tables(scenario: &Remedies, record: &Record) -> Vec<Table> {
    [Some(tables::remedies(scenario, record)), tables::others(scenario, record), tables::mechanism(record)]
        .into_iter()
        .flatten()
        .collect()
}

/// What to read if nothing else.
pub(super) fn answers(scenario: &Remedies, record: &Record) -> Vec<String> {
    if record.head.without_fault {
        return vec![control(scenario, record), words::ranking(record)];
    }
    let broke = expectations(scenario, record).map(|words| format!("This run does not show what it should: {words}."));
    // Advice is no better than what was found.
    let advice = if words::is_helped(record) { (scenario.advice)(record) } else { String::new() };
    let sentences = [(scenario.happened)(record), words::ranking(record), advice];
    broke.chain(sentences).filter(|sentence| !sentence.is_empty()).collect()
}

/// What the run should have shown and did not.
pub(super) fn expectations(scenario: &Remedies, record: &Record) -> impl Iterator<Item = String> {
    [scenario.fault_shows].into_iter().chain(scenario.expectations.iter().copied()).filter_map(|holds| holds(record))
}

/// What a control found, in which nothing went wrong.
fn control(scenario: &Remedies, record: &Record) -> String {
    match (scenario.fault_shows)(record) {
        Some(words) => format!("A control, played without the fault: it was not seen, as it should be ({words})."),
        None => "A control, played without the fault, and it was seen all the same: do not believe this experiment."
            .to_owned(),
    }
}

pub(super) fn document(scenario: &Remedies, record: &Record) -> Document {
    let drawn = scenario.picture;
    let mut blocks = vec![Block::Answer(answers(scenario, record))];
    blocks.extend(figure(picture::draw(&drawn, record), scenario.about.name, drawn.caption));
    blocks.push(heading("The remedies"));
    blocks.push(Block::Table(tables::remedies(scenario, record)));
    blocks.extend(tables::others(scenario, record).map(Block::Table));
    blocks.push(Block::List(
        record
            .remedies
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != 1)
            .map(|(_, arm)| format!("{}: {}.", arm.name, arm.what))
            .collect(),
    ));
    blocks.push(Block::Paragraph(design(record)));
    if let Some(mechanism) = tables::mechanism(record) {
        blocks.extend([heading("The mechanism"), Block::Table(mechanism)]);
    }
    let commands = record.remedies.iter().flat_map(|arm| arm.commands.iter().cloned()).collect();
    let commands = vec![Block::Commands(commands)];
    blocks.push(Block::PageOnly { summary: "The commands of each arm".to_owned(), blocks: commands });
    let lists = [("Not run", record.skipped.as_slice()), ("Waits and failures", &record.incidents)];
    blocks.extend(tail(lists, &record.head, &record.notes));
    let head = &record.head;
    let title =
        head.profile.as_ref().map_or(head.experiment.clone(), |profile| format!("{}, {profile}", head.experiment));
    Document { title, question: head.question.clone(), blocks }
}

/// How it was measured.
fn design(record: &Record) -> String {
    let runs: usize = record.remedies.iter().map(|arm| arm.runs.len()).sum();
    let invalid = record.remedies.iter().flat_map(|arm| &arm.runs).filter(|run| run.verdict.starts_with("INVALID"));
    [
        format!(
            "{} repeats of every arm, forwards and backwards in turn; {runs} runs, of which the load generator calls {} INVALID \
             in some respect.",
            record.repeats,
            invalid.count()
        ),
        words::twin(record).unwrap_or_default(),
        match record.remedies().any(|arm| arm.effect.is_some()) {
            true => "The intervals hold together with 95 %.".to_owned(),
            false => String::new(),
        },
        format!("{}; seed {}.", record.head.words(), record.head.seed),
    ]
    .into_iter()
    .filter(|sentence| !sentence.is_empty())
    .collect::<Vec<_>>()
    .join(" ")
}
