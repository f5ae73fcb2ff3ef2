//! Ratios at a glance: one row per load, one column per arm. Every report begins with it, and `docs/results.md` holds
//! it as a block between two comments.

use super::answer;
use super::document::Block;
use super::markdown;
use super::table::Table;
use super::verdicts::{Contest, Entry, contests};
use crate::figures::{ABSENT, capitalised, count, measure, ratio};
use crate::record::Record;
use crate::stats::Judgement;

/// Precedes a ratio that is measurably below 1.
pub(super) const BETTER: &str = "▼ ";
/// Precedes a ratio that is measurably above 1.
pub(super) const WORSE: &str = "▲ ";
const NO_DIFFERENCE: &str = "= ";
const INCONCLUSIVE: &str = "? ";

/// What the signs mean.
pub(super) const LEGEND: &str =
    "Ratios to the reference, less is better: ▼ better, ▲ worse, = no measurable difference, ? inconclusive.";

/// One row per load, with the reference's median and the ratio of every other arm. `None` when nothing was compared.
pub fn overview_table(record: &Record) -> Option<Table> {
    overview(record, &contests(record))
}

pub(super) fn overview(record: &Record, contests: &[Contest<'_>]) -> Option<Table> {
    let mut arms: Vec<&str> = Vec::new();
    for entry in contests.iter().flat_map(|contest| &contest.entries) {
        if !arms.contains(&name(entry)) {
            arms.push(name(entry));
        }
    }
    let reference = |contest: &Contest<'_>| {
        let cell = contest.reference?;
        Some(format!("{} µs", measure(record.metric.range(&cell.summary)?.median)))
    };
    let row = |contest: &Contest<'_>| {
        let of = |arm: &&str| contest.entries.iter().find(|entry| name(entry) == *arm).map_or(ABSENT.to_owned(), field);
        let first = [contest.title.clone(), reference(contest).unwrap_or_else(|| ABSENT.to_owned())];
        first.into_iter().chain(arms.iter().map(of)).collect()
    };
    let references: Vec<&str> = contests.iter().filter_map(|contest| contest.reference).map(label).collect();
    let one = references.windows(2).all(|pair| pair[0] == pair[1]);
    let named = if one { references.first().copied().unwrap_or("reference") } else { "reference" };
    let header: Vec<&str> = ["load", named].into_iter().chain(arms.iter().copied()).collect();
    let title = format!("{} of each arm, as a ratio", capitalised(record.metric.words()));
    (!arms.is_empty()).then(|| Table::of_numbers(title, &header, contests.iter().map(row).collect()))
}

/// The name of the generator whatever server it loads, or the name of the arm.
fn label(cell: &crate::record::Cell) -> &str {
    if cell.generator.is_empty() { &cell.arm } else { &cell.generator }
}

fn name<'a>(entry: &Entry<'a>) -> &'a str {
    label(entry.cell)
}

/// `▲ 1.27`.
fn field(entry: &Entry<'_>) -> String {
    let sign = match entry.judgement() {
        Judgement::Better => BETTER,
        Judgement::Worse => WORSE,
        Judgement::NoDifference => NO_DIFFERENCE,
        Judgement::Inconclusive => INCONCLUSIVE,
    };
    entry.comparison.map_or_else(|| ABSENT.to_owned(), |comparison| format!("{sign}{}", ratio(comparison.ratio)))
}

/// The block for a README or a page of results: the answer, the table, and where to find the rest. `run` is the path
/// of the run's directory relative to that page.
pub fn readme_block(record: &Record, run: &str) -> String {
    let contests = contests(record);
    let mut blocks = vec![Block::Paragraph(answer::answer(record, &contests).join(" "))];
    if let Some(table) = overview(record, &contests) {
        blocks.push(Block::Table(Table { title: String::new(), ..table }));
        blocks.push(Block::Paragraph(LEGEND.to_owned()));
    }
    let body = markdown::blocks(&blocks);
    format!(
        "{}\n{body}\n[{}]({run}/report.md), {} repeats of {} s, {} runs, seed {}, commit {}: intervals, latency, host, how to repeat.\n{}\n",
        opening(run),
        markdown::plain(&record.experiment),
        record.repeats,
        record.seconds_per_run,
        count(record.cells.iter().map(|cell| cell.runs.len()).sum::<usize>() as f64),
        record.seed,
        markdown::plain(record.commit.get(..12).unwrap_or(&record.commit)),
        CLOSING
    )
}

/// The first line of the block.
fn opening(run: &str) -> String {
    format!("<!-- results: {run} -->")
}

/// The last line of the block.
const CLOSING: &str = "<!-- /results -->";

/// Finds the block in a text. Returns the run that it names, and the whole block with its first and last line.
pub fn find_readme_block(text: &str) -> Option<(&str, &str)> {
    let start = text.find("<!-- results: ")?;
    let end = start + text[start..].find(CLOSING)? + CLOSING.len() + 1;
    let block = text.get(start..end)?;
    let (first, _) = block.split_once(" -->")?;
    Some((first.strip_prefix("<!-- results: ")?, block))
}
