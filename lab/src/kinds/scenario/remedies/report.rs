//! The report of a scenario about remedies: what happened, the picture, the remedies, the mechanism. Pure text: the same
//! record always gives the same report.

use results::report::{Block, Document, Table};

use crate::kinds::scenario::frame::{figure, heading, tail};
use crate::kinds::scenario::remedies::foretold::Foretold;
use crate::kinds::scenario::remedies::record::{ArmRecord, Record};
use crate::kinds::scenario::remedies::table::Remedies;
use crate::kinds::scenario::remedies::{picture, tables, words};

/// A report with more groups than this has them on its page only, and the tables of model and asides. One with more arms has there what
/// these are and what the kernel counted, and one with more figures most of them: nobody would read so much at once.
const GROUPS_MAX: usize = 1;
const ARMS_MAX: usize = 8;
const FIGURES_MAX: usize = 20;
const FIGURES_SHOWN: usize = 14;
const FIGURES_SHOWN_OF_MANY_ARMS: usize = 6;

/// The tables of the report, for a terminal too.
pub(super) fn tables(scenario: &Remedies, record: &Record) -> Vec<Table> {
    let groups = record.groups().into_iter().map(|group| Some(tables::of_group(scenario, record, group)));
    [
        Some(tables::remedies(scenario, record)),
        tables::others(scenario, record, 1..record.figures.len()),
        tables::mechanism(record),
    ]
    .into_iter()
    .chain(groups)
    .chain([record.foretold.as_ref().and_then(tables::foretold)])
    .flatten()
    .chain((scenario.asides)(record).into_iter().map(tables::aside))
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
    let has_many_arms = record.remedies.iter().filter(|arm| arm.group.is_none()).count() > ARMS_MAX;
    let shown = shown_count(record, has_many_arms);
    blocks.extend(tables::others(scenario, record, 1..shown).map(Block::Table));
    if let Some(rest) = tables::others(scenario, record, shown..record.figures.len()) {
        blocks.push(folded("More that was measured", vec![Block::Table(rest)]));
    }
    let first = record.remedies.first();
    let list = Block::List(first.into_iter().chain(record.remedies()).map(explained).collect());
    blocks.push(if has_many_arms { folded("What each arm is", vec![list]) } else { list });
    blocks.push(Block::Paragraph(design(record)));
    if let Some(mechanism) = tables::mechanism(record) {
        let counted = vec![Block::Table(mechanism)];
        match has_many_arms {
            true => blocks.push(folded("The mechanism: what the kernel counted", counted)),
            false => blocks.extend([heading("The mechanism")].into_iter().chain(counted)),
        }
    }
    let groups = record.groups();
    let is_long = groups.len() > GROUPS_MAX;
    for group in groups {
        let of_group = of_group(scenario, record, group);
        if is_long { blocks.push(folded(group, of_group)) } else { blocks.extend(of_group) }
    }
    blocks.extend(record.foretold.iter().flat_map(|foretold| of_model(scenario, foretold, is_long)));
    for aside in (scenario.asides)(record) {
        let (title, sentence) = (aside.title.clone(), aside.sentence.clone());
        let table = Block::Table(tables::aside(aside));
        blocks.extend([heading(&title), Block::Paragraph(sentence)]);
        blocks.push(if is_long { folded(&title, vec![table]) } else { table });
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

/// So many figures are shown at once, the first ones; those of a record that has few more are shown with them.
fn shown_count(record: &Record, has_many_arms: bool) -> usize {
    match record.figures.len() {
        count if count <= FIGURES_MAX => count,
        _ if has_many_arms => FIGURES_SHOWN_OF_MANY_ARMS,
        _ => FIGURES_SHOWN,
    }
}

fn folded(summary: &str, blocks: Vec<Block>) -> Block {
    Block::PageOnly { summary: summary.to_owned(), blocks }
}

fn explained(arm: &ArmRecord) -> String {
    format!("{}: {}.", arm.name, arm.what)
}

/// Arms that go through something else.
fn of_group(scenario: &Remedies, record: &Record, group: &str) -> Vec<Block> {
    let arms = record.remedies.iter().filter(|arm| arm.group.as_deref() == Some(group));
    let mut blocks = vec![
        heading(group),
        Block::Table(tables::of_group(scenario, record, group)),
        Block::List(arms.map(explained).collect()),
    ];
    if let Some(counted) = tables::mechanism_of(record, group) {
        let summary = format!("What the kernel counted, {group}");
        blocks.push(Block::PageOnly { summary, blocks: vec![Block::Table(counted)] });
    }
    blocks
}

/// What a model foretells, beside what was measured.
fn of_model(scenario: &Remedies, foretold: &Foretold, is_long: bool) -> Vec<Block> {
    let model = Block::Paragraph(foretold.model.clone());
    let mut blocks = vec![heading("The model")];
    blocks.push(if is_long { folded("How the model works", vec![model]) } else { model });
    let what = "Foretold at each size; dots were measured";
    blocks.extend(figure(picture::foretold(foretold, what), &format!("{}-model", scenario.about.name), what));
    blocks.extend(foretold.judgement().map(Block::Paragraph));
    let cases = tables::foretold(foretold).map(Block::Table);
    blocks.extend(match is_long {
        true => cases.map(|cases| folded("The model beside what was measured, case by case", vec![cases])),
        false => cases,
    });
    let diagram = foretold.diagram.as_ref().map(|diagram| Block::Table(tables::diagram(diagram)));
    blocks.extend(match is_long {
        true => diagram.map(|diagram| folded("What is foretold at other loads", vec![diagram])),
        false => diagram,
    });
    blocks
}

/// How it was measured.
fn design(record: &Record) -> String {
    let runs: usize = record.remedies.iter().map(|arm| arm.runs.len()).sum();
    let invalid = record.remedies.iter().flat_map(|arm| &arm.runs).filter(|run| run.verdict.starts_with("INVALID"));
    [
        format!(
            "{} repeats of every arm{}, forwards and backwards in turn; {runs} runs, of which the load generator calls {} INVALID \
             in some respect.",
            record.repeats,
            if record.remedies.iter().any(|arm| arm.repeats_max.is_some()) { ", or as many as its table says" } else { "" },
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
