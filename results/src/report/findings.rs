//! What the numbers say, in sentences, and never more than they say: the arm that is lowest in the
//! experiment's metric in each load, and whether the others are measurably apart from it.

use super::figures::{measure, percent};
use super::plain;
use super::table::{loads, title};
use crate::record::{Cell, Metric, Record, VerdictState};
use crate::stats::{Range, paired_ratio_median};

/// Ranges that lie apart by mere chance more often than this are not called a difference.
const CHANCE_MAX: f64 = 0.05;

/// An arm that takes part in the comparison.
struct Arm<'a> {
    cell: &'a Cell,
    range: Range,
}

/// One list item for each load.
pub(super) fn sentences(record: &Record) -> String {
    let items: Vec<String> = loads(record).iter().map(|cells| sentence(cells, record.metric)).collect();
    if items.is_empty() {
        return "Nothing: no run was recorded.".to_owned();
    }
    items.join("\n")
}

fn sentence(cells: &[&Cell], metric: Metric) -> String {
    let mut arms: Vec<Arm<'_>> = cells.iter().filter_map(|cell| arm(cell, metric)).collect();
    arms.sort_by(|a, b| a.range.median.total_cmp(&b.range.median));
    let mut text = format!("- {}: ", plain(&title(cells[0])));
    match arms.as_slice() {
        [] => text.push_str("no arm can be compared"),
        [only] => {
            text.push_str(&format!(
                "{} used {} µs of {}; there is no arm to compare it with",
                plain(&only.cell.arm),
                measure(only.range.median),
                metric.words()
            ));
        }
        [best, others @ ..] => {
            text.push_str(&format!(
                "the lowest median {} is {}'s, {} µs",
                metric.words(),
                plain(&best.cell.arm),
                measure(best.range.median)
            ));
            others.iter().for_each(|other| text.push_str(&compared(best, other, metric)));
        }
    }
    text.push('.');
    let left_out: Vec<String> =
        cells.iter().filter(|cell| arm(cell, metric).is_none()).map(|cell| plain(&cell.arm)).collect();
    if !left_out.is_empty() {
        text.push_str(&format!(" Left out, for an INVALID run or no CPU time: {}.", left_out.join(", ")));
    }
    text
}

/// An arm with an invalid run is no ground for any claim, whatever its other runs say; but claims here are
/// about CPU time, which stands when only times are in doubt.
fn arm(cell: &Cell, metric: Metric) -> Option<Arm<'_>> {
    let invalid = cell.runs.iter().any(|run| run.verdict.state == VerdictState::Invalid && !run.verdict.times_only);
    let range = metric.range(&cell.summary).filter(|range| range.median > 0.0)?;
    (!invalid).then_some(Arm { cell, range })
}

/// `; mio edge needs 1.13 × (paired 1.12 ×), …`.
fn compared(best: &Arm<'_>, other: &Arm<'_>, metric: Metric) -> String {
    let ratio = other.range.median / best.range.median;
    let paired = match paired_ratio(other.cell, best.cell, metric) {
        Some(paired) => format!(" (paired {paired:.2} ×)"),
        None => String::new(),
    };
    let chance = best.range.chance_apart(&other.range);
    let judgement = if best.range.overlaps(&other.range) {
        "within the spread: no measurable difference".to_owned()
    } else if chance > CHANCE_MAX {
        format!("ranges apart, but so few repeats lie apart by chance in {} of cases: inconclusive", percent(chance))
    } else {
        "ranges apart: a measurable difference".to_owned()
    };
    format!("; {} needs {ratio:.2} ×{paired}, {judgement}", plain(&other.cell.arm))
}

/// The median ratio over repeats that both arms have.
fn paired_ratio(other: &Cell, best: &Cell, metric: Metric) -> Option<f64> {
    let mut values = Vec::new();
    let mut base = Vec::new();
    for run in &other.runs {
        let partner = best.runs.iter().find(|partner| partner.repeat == run.repeat);
        if let Some(partner) = partner {
            values.push(metric.of_run(run)?);
            base.push(metric.of_run(partner)?);
        }
    }
    paired_ratio_median(&values, &base)
}
