//! The block that a page of results holds between two comments: the answer, the ratios, and where the rest is.

use super::answer;
use super::document::Block;
use super::markdown;
use super::matrix;
use crate::figures::count;
use crate::judged::Judged;
use crate::record::Record;

/// The block. `run` is the directory of the run as that page finds it.
pub fn readme_block(record: &Record, run: &str) -> String {
    let judged = Judged::of(record);
    let mut blocks = vec![Block::Paragraph(answer::answer(record, &judged).join(" "))];
    let tables = matrix::matrix(record, &judged);
    if !tables.is_empty() {
        blocks.extend(tables.into_iter().map(Block::Table));
        blocks.push(Block::Paragraph(matrix::LEGEND.to_owned()));
    }
    blocks.extend(answer::seen(record, &judged).map(Block::Paragraph));
    let body = markdown::blocks(&blocks);
    format!(
        "{}\n{body}\n[{}]({run}/report.md), {} blocks, {} starts, seed {}, commit {}: intervals, latency, host, how \
         to repeat.\n{}\n",
        opening(run),
        markdown::plain(&record.experiment),
        record.design.blocks,
        count(record.cells.iter().map(|cell| cell.summary.starts).sum::<u32>().into()),
        record.seed,
        markdown::plain(record.commit.get(..12).unwrap_or(&record.commit)),
        CLOSING
    )
}

/// The line that the block begins with.
fn opening(run: &str) -> String {
    format!("<!-- results: {run} -->")
}

/// The line that the block ends with.
const CLOSING: &str = "<!-- /results -->";

/// Finds the block in a text: the run it names, and all of it, including both lines.
pub fn find_readme_block(text: &str) -> Option<(&str, &str)> {
    let start = text.find("<!-- results: ")?;
    let end = start + text[start..].find(CLOSING)? + CLOSING.len() + 1;
    let block = text.get(start..end)?;
    let (first, _) = block.split_once(" -->")?;
    Some((first.strip_prefix("<!-- results: ")?, block))
}
