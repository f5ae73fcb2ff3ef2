//! The report of a watched scenario: what happened, then the sections that the experiment chose. Pure text: the same
//! record always gives the same report.

use results::report::{Block, Document, Table, count};

use crate::kinds::scenario::frame::{figure, heading, tail};
use crate::kinds::scenario::watched::record::{Record, StepRecord};
use crate::kinds::scenario::watched::table::{Section, Watched};
use crate::kinds::scenario::watched::{picture, tables, troubles};

/// The tables of the report, for a terminal too.
pub(super) fn tables(watched: &Watched, record: &Record) -> Vec<Table> {
    watched.sections.iter().filter_map(|section| table(watched, record, *section)).collect()
}

pub(super) fn document(watched: &Watched, record: &Record) -> Document {
    let mut blocks = vec![Block::Answer(findings(watched, record)), Block::Paragraph(measured(record))];
    blocks.extend(watched.sections.iter().flat_map(|section| blocks_of(watched, record, *section)));
    let commands = record.steps.iter().flat_map(|step| step.commands.iter().cloned());
    let commands = vec![Block::Commands(commands.collect())];
    blocks.push(Block::PageOnly { summary: "The commands of each step".to_owned(), blocks: commands });
    let lists = [("Not run", record.skipped.as_slice()), ("Waits and failures", &record.incidents)];
    blocks.extend(tail(lists, &record.head, &record.notes));
    let head = &record.head;
    let title =
        head.profile.as_ref().map_or(head.experiment.clone(), |profile| format!("{}, {profile}", head.experiment));
    Document { title, question: head.question.clone(), blocks }
}

fn measured(record: &Record) -> String {
    format!(
        "{}; seed {}. Server and load generator were co-located on this host.",
        record.head.words(),
        record.head.seed
    )
}

fn findings(watched: &Watched, record: &Record) -> Vec<String> {
    let finding = |step: &StepRecord| {
        let broke = watched.broke(step);
        if broke.is_empty() {
            (watched.happened)(step)
        } else {
            format!("{}: not held: {}.", step.name, broke.join(", "))
        }
    };
    record.steps.iter().map(finding).chain((watched.together)(record)).collect()
}

/// In one line, how many steps held.
pub(super) fn answer(watched: &Watched, record: &Record) -> String {
    let (held, broken): (Vec<&StepRecord>, Vec<&StepRecord>) =
        record.steps.iter().partition(|step| watched.broke(step).is_empty());
    let mut text = format!("{} of {} steps held", held.len(), record.steps.len());
    if let Some(most) = held.iter().map(|step| step.connections).max() {
        text += &format!(", the largest with {} connections", count(most as f64));
    }
    if !broken.is_empty() {
        let names: Vec<&str> = broken.iter().map(|step| step.name.as_str()).collect();
        text += &format!(". Not held: {}", names.join(", "));
    }
    text + "."
}

fn table(watched: &Watched, record: &Record, section: Section) -> Option<Table> {
    Some(match section {
        Section::Held => tables::held_table(record, &|step| watched.broke(step)),
        Section::Memory => tables::memory_table(record),
        Section::Planner => tables::planner_table(record),
        Section::Opening => tables::cost_table(record),
        Section::Troubles => return None,
    })
}

fn blocks_of(watched: &Watched, record: &Record, section: Section) -> Vec<Block> {
    let paragraph = |text: &str| Block::Paragraph(text.to_owned());
    let (title, figures, words) = match section {
        Section::Held => (
            "What was held",
            vec![],
            "Times in ms. Probe: response time of the busy connections while the others were opened. Heartbeats: one of \
             each connection, from its intended send time. In parentheses: times that the generator calls INVALID.",
        ),
        Section::Memory => (
            "Memory against connections",
            vec![figure(
                picture::memory(record),
                "memory",
                "Slabs of the kernel and both processes while connections are opened. Figures in the table below.",
            )],
            "Bytes for each connection: the processes' own memory, the kernel's slabs (both ends over loopback), what the \
             host lost. Off the line: the farthest that memory came from a straight line through the ramp, as a share of \
             the memory at its end.",
        ),
        Section::Planner => ("The planner against what was measured", vec![], ""),
        Section::Opening => (
            "What opening costs",
            vec![
                figure(
                    picture::rate(record),
                    "rate",
                    "Connections over time while they are opened: a straight line is a constant rate.",
                ),
                figure(
                    picture::cost(record),
                    "cost",
                    "CPU time of all CPUs for one connect, against the connections there were.",
                ),
            ],
            "CPU time in µs for one connect and for one heartbeat: of all CPUs, of the server's process and of the load \
             generator's. Fullest: connections of the fullest reactor over the mean.",
        ),
        Section::Troubles => {
            return [vec![heading("What broke first, and how it showed")], troubles::troubles(record)].concat();
        }
    };
    let mut blocks = vec![heading(title)];
    blocks.extend(figures.into_iter().flatten());
    blocks.extend(table(watched, record, section).map(Block::Table));
    blocks.extend((!words.is_empty()).then(|| paragraph(words)));
    if section == Section::Memory {
        let slabs: Vec<Block> = record
            .steps
            .iter()
            .filter(|step| !step.memory.slabs.is_empty())
            .map(tables::slabs)
            .map(Block::Table)
            .collect();
        if !slabs.is_empty() {
            blocks.push(Block::PageOnly { summary: "Slab caches of each step".to_owned(), blocks: slabs });
        }
    }
    blocks
}
