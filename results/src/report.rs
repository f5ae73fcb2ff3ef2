//! Renders a record for people, as markdown, as one HTML file and as charts. Pure text from the record: it measures
//! nothing, and the same record always gives the same report.

mod agreement;
mod answer;
mod champions;
mod document;
mod host;
mod html;
mod load;
mod markdown;
mod matrix;
mod pictures;
mod readme;
mod runs_list;
mod table;

use crate::judged::Judged;
use crate::record::{Metric, Record, Turns};
use crate::run::{Curve, NamedFile};
use crate::shell;
use crate::visible::visible;

pub use crate::figures::{ABSENT, count, measure, percent, ratio};
pub use agreement::agreement_table;
pub use champions::champions_table;
pub use document::{Block, Document, Figure};
pub use host::{fact, host_table};
pub use html::html;
pub(crate) use load::title as title_of_load;
pub use markdown::{markdown as markdown_of, plain};
pub use matrix::matrix;
pub use readme::{find_readme_block, readme_block};
pub use runs_list::{FIRST_LINE as FIRST_LINE_OF_LIST, ListedRun, runs_list};
pub use table::{Table, connection_memory_table, operations_table, spread_table};

/// What holds for every comparison that this project makes on one small machine.
const LIMITS: [&str; 3] = [
    "Server and load generator share one host over loopback (co-located): absolute throughput is not claimed, and nothing \
     is said about network cards, their interrupts and losses.",
    "Core is the busy time of the server's processors, interrupts included, whoever caused it, from starts without stolen \
     time. User and system are the server's own, counted in ticks.",
    "Percentiles come from the merged histograms of all starts whose times are not INVALID, and need ten values above \
     them.",
];

/// The most rows of a table outside a fold.
const ROWS_IN_SIGHT_MAX: usize = 16;

/// All rendered files of a run: `report.md`, `report.html` and the charts that both show. `curves` belong to cells by
/// key; without them there are no charts of latency.
pub fn render(record: &Record, curves: &[Curve]) -> Vec<NamedFile> {
    files(&document(record, curves))
}

/// Renders the same files from any document.
pub fn files(document: &Document) -> Vec<NamedFile> {
    let mut files = vec![("report.md".to_owned(), markdown_of(document)), ("report.html".to_owned(), html(document))];
    files.extend(document.figures());
    files.into_iter().map(|(name, text)| (name, visible(&text).into_owned().into_bytes())).collect()
}

/// The answer in one line, for a list of runs.
pub fn answer_in_a_line(record: &Record) -> String {
    answer::in_a_line(record, &Judged::of(record))
}

/// The answer in sentences, and what the run could have seen: the last lines on a terminal.
pub fn answer_lines(record: &Record) -> Vec<String> {
    let judged = Judged::of(record);
    answer::answer(record, &judged).into_iter().chain(answer::seen(record, &judged)).collect()
}

/// The report before it is rendered: the answer first, then what it rests on, then everything else.
pub fn document(record: &Record, curves: &[Curve]) -> Document {
    let judged = Judged::of(record);
    let mut blocks = vec![Block::Answer(answer::answer(record, &judged))];
    blocks.extend(pictures::forest(record, &judged).map(Block::Figure));
    blocks.extend(answer::seen(record, &judged).into_iter().chain(answer::wild(&judged)).map(Block::Paragraph));
    result_blocks(record, &judged, &mut blocks);
    cost_blocks(record, curves, &judged, &mut blocks);
    blocks.push(Block::Heading("How it was measured".to_owned()));
    blocks.extend([Block::Paragraph(measured(record, &judged)), Block::Paragraph(decided(record, &judged))]);
    repeat_blocks(record, &mut blocks);
    note_blocks(record, &mut blocks);
    if !record.servers.is_empty() {
        let blocks_of = vec![Block::List(record.servers.clone())];
        blocks.push(Block::PageOnly { summary: "The servers and their settings".to_owned(), blocks: blocks_of });
    }
    let host = vec![Block::Table(host_table(&record.host))];
    blocks.push(Block::PageOnly { summary: "The host and its settings".to_owned(), blocks: host });
    Document { title: record.experiment.clone(), question: record.question.clone(), blocks }
}

fn result_blocks(record: &Record, judged: &Judged<'_>, blocks: &mut Vec<Block>) {
    let tables = matrix(record, judged);
    if !tables.is_empty() {
        blocks.push(Block::Heading("Each arm under each load".to_owned()));
        blocks.extend(tables.into_iter().map(Block::Table));
        blocks.push(Block::Paragraph(matrix::LEGEND.to_owned()));
    }
    if let Some(table) = champions_table(record, judged) {
        blocks.extend([Block::Table(table), Block::Paragraph(champions::LEGEND.to_owned())]);
    }
    if let Some(table) = agreement_table(record) {
        blocks.push(Block::Heading("Agreement".to_owned()));
        blocks.extend([Block::Table(table), Block::Paragraph(agreement::LEGEND.to_owned())]);
    }
    for load in 0..judged.loads.len() {
        let tables = matrix::of_load(record, judged, load);
        let summary = title_of_load(judged.loads[load][0]);
        blocks.push(Block::PageOnly { summary, blocks: tables.into_iter().map(Block::Table).collect() });
    }
}

/// Latency, operations, and what connections take.
fn cost_blocks(record: &Record, curves: &[Curve], judged: &Judged<'_>, blocks: &mut Vec<Block>) {
    let costs = pictures::costs(record);
    if !costs.is_empty() {
        blocks.push(Block::Heading("Cost against connections".to_owned()));
        blocks.extend(costs.into_iter().map(Block::Figure));
    }
    let percentiles = pictures::percentiles(record, curves, judged);
    if !percentiles.is_empty() {
        let blocks_of = percentiles.into_iter().map(Block::Figure).collect();
        blocks.push(Block::PageOnly { summary: "Response times".to_owned(), blocks: blocks_of });
    }
    blocks.extend([operations_table(record), spread_table(record)].into_iter().flatten().map(in_sight_or_folded));
    blocks.extend(connection_memory_table(record).map(in_sight_or_folded));
}

/// A table of any length. A long one stands only on the page, folded, with its title on the fold.
fn in_sight_or_folded(table: Table) -> Block {
    match table.rows.len() > ROWS_IN_SIGHT_MAX {
        true => Block::PageOnly {
            summary: table.title.clone(),
            blocks: vec![Block::Table(Table { title: String::new(), ..table })],
        },
        false => Block::Table(table),
    }
}

fn measured(record: &Record, judged: &Judged<'_>) -> String {
    let fact = |pointer: &str| fact(&record.host, pointer);
    let design = &record.design;
    let sum = |of: fn(&crate::record::Summary) -> u32| record.cells.iter().map(|cell| of(&cell.summary)).sum::<u32>();
    let starts = sum(|summary| summary.starts);
    let repeated = match design.turns[..] {
        [] => String::new(),
        _ => ", those of a block under a load together".to_owned(),
    };
    let how = match &design.turns[..] {
        [] => format!(
            "of server and generator, each at least {} s of load and a window of {} s. A block has every arm once and the \
             reference twice under each load, in random order; the next block has the order mirrored",
            design.warmup_s, design.seconds_per_run
        ),
        [Turns { rounds, window_s, .. }, others @ ..] => format!(
            "of servers. A block has every arm once and the reference twice: new processes that stand side by side, while a \
             client that never sleeps loads one after the other for a window of {:.0} ms, in {rounds} rounds of random order, \
             every second one mirrored{}. A round from which the hypervisor took time is made again, up to half as many{}",
            window_s * 1000.0,
            others.iter().map(another).collect::<String>(),
            apart(record, judged.loads.len())
        ),
    };
    format!(
        "{} blocks, {} starts {how}.{} {} starts were disturbed by \
         the hypervisor or by other processes, thrown away and repeated{repeated} (at most {} times each); {} were kept although they were \
         disturbed, because their repeats were, too, or all repeats were used up. {} decide nothing because their counts or CPU time are INVALID, and the times of {} are in no \
         quantile.{} Seed {}. Host: Linux {}, {}, {} processors.",
        design.blocks,
        count(starts.into()),
        windows_dropped(record),
        count(sum(|summary| summary.repeated).into()),
        design.repeats_max,
        count(sum(|summary| summary.disturbed).into()),
        count(sum(|summary| summary.invalid).into()),
        count(sum(|summary| summary.times_invalid).into()),
        same_counts(record),
        record.seed,
        fact("/kernel/release"),
        fact("/cpu/model"),
        fact("/cpu/online_count"),
    )
}

/// How many windows of turns do not count, where that is known.
fn windows_dropped(record: &Record) -> String {
    let known: Vec<u32> = record.cells.iter().filter_map(|cell| cell.summary.windows_dropped).collect();
    match known[..] {
        [] => String::new(),
        _ => format!(" {} windows do not count because of stolen time.", count(known.iter().sum::<u32>().into())),
    }
}

/// Whether server and client counted the same requests, where the client's own account says so (V7).
fn same_counts(record: &Record) -> String {
    let sum = |of: fn(&crate::record::Summary) -> u32| record.cells.iter().map(|cell| of(&cell.summary)).sum::<u32>();
    let (equal, both) = (sum(|summary| summary.counts_equal), sum(|summary| summary.counts_both));
    match record.metric {
        Metric::ServerRun if both > 0 => format!(
            " In {} of the {} starts whose server counts, it counted as many requests as the client replies.",
            count(equal.into()),
            count(both.into())
        ),
        _ => String::new(),
    }
}

/// Another length of a window.
fn another(turns: &Turns) -> String {
    let Turns { rounds, window_s, loads } = turns;
    format!("; under {}, for a window of {:.0} ms, in {rounds} rounds", loads.join(" and "), window_s * 1000.0)
}

/// The loads whose servers did not stand side by side.
fn apart(record: &Record, loads: usize) -> String {
    let design = &record.design;
    let together: usize = design.turns.iter().map(|turns| turns.loads.len()).sum();
    match loads.saturating_sub(together) {
        0 => String::new(),
        count => format!(
            ". Under {count} of {loads} loads they were measured one after another, each with a generator of its own, at least {} \
             s of load and a window of {} s",
            design.warmup_s, design.seconds_per_run
        ),
    }
}

fn decided(record: &Record, judged: &Judged<'_>) -> String {
    let left_out = match judged.blocks_left_out {
        0 => String::new(),
        blocks => format!(" {blocks} blocks lack a start that stands and decide nothing."),
    };
    let unjudged: Vec<String> = judged
        .unjudged
        .iter()
        .map(|(arm, load)| format!("{arm} under {}", load::short(judged.loads[*load][0])))
        .collect();
    let unjudged = match unjudged.is_empty() {
        true => String::new(),
        false => format!(" Not judged, because too few of their starts have the figure: {}.", unjudged.join("; ")),
    };
    let predicted = record
        .design
        .resolution_pooled
        .map_or(String::new(), |share| format!(" The pilot expected to find {:.1} %.", share * 100.0));
    format!(
        "An arm is cheaper or dearer when the whole interval of its ratio lies beside 1 and the ratio is at least {0} away; equal \
         when the whole interval is closer to 1 than that. The intervals are simultaneous: the chance of any false \
         difference among these arms and loads is 5 %.{left_out}{unjudged}{predicted}",
        percent(record.decision.effect_min)
    )
}

fn repeat_blocks(record: &Record, blocks: &mut Vec<Block>) {
    let commit = record.commit.trim_end_matches("-dirty");
    let mut lines = Vec::new();
    if commit != "unknown" {
        lines.push(format!("git checkout {commit}"));
    }
    lines.push("cargo build --release".to_owned());
    let mut command = record.command.clone();
    if let Some(program) = command.first_mut() {
        *program = "target/release/c10m".to_owned();
    }
    if !command.iter().any(|argument| argument == "--seed" || argument.starts_with("--seed=")) {
        command.extend(["--seed".to_owned(), record.seed.to_string()]);
    }
    lines.push(shell::line(&command));
    blocks.push(Block::Commands(lines));
    if record.commit.ends_with("-dirty") {
        blocks.push(Block::Paragraph("The tree had changes beside that commit, which are not recorded.".to_owned()));
    }
}

fn note_blocks(record: &Record, blocks: &mut Vec<Block>) {
    if !record.skipped.is_empty() {
        blocks.push(Block::Heading("Not run".to_owned()));
        blocks.push(Block::List(record.skipped.clone()));
    }
    blocks.push(Block::Heading("Notes and limits".to_owned()));
    let resumed =
        (record.resumed > 0).then(|| format!("The experiment was interrupted and continued {} times.", record.resumed));
    let waits = (!record.waits.is_empty())
        .then(|| format!("It waited {} times for a quiet machine, first {}.", record.waits.len(), record.waits[0]));
    let notes = record.notes.iter().cloned().chain(waits).chain(resumed);
    blocks.push(Block::List(notes.chain(LIMITS.map(str::to_owned)).collect()));
}
