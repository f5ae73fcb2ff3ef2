//! This project's best arm under each load against each of the other servers.
//!
//! Whoever picks the best of several by the same figures that he then shows flatters it. So the best is chosen by the
//! blocks with even numbers, and measured by those with odd ones.

use super::load::short;
use super::table::Table;
use crate::figures::ratio;
use crate::judged::Judged;
use crate::record::{Cell, Metric, Record, Role};
use crate::stats::blocks::{Finding, Starts, judge};

/// A row for each load in which that says more than the other tables; `None` if there is none, or servers are not what is
/// compared.
pub fn champions_table(record: &Record, judged: &Judged<'_>) -> Option<Table> {
    if record.metric != Metric::ServerRun {
        return None;
    }
    let rows: Vec<Vec<String>> = judged.loads.iter().flat_map(|cells| row(record, cells)).collect();
    let header = ["load", "own best", "best other", "ratio", "from", "to", "finding"];
    let title = "This project's best arm against the best other server";
    (!rows.is_empty()).then(|| Table::new(title.to_owned(), &header, rows))
}

/// What has to be known beside the table.
pub(super) const LEGEND: &str = "Both were chosen by one half of the blocks and measured by the other. The ratio is of the \
                                 project's to the other's, with an interval that holds for all other servers of its load: 5 % is the chance of a \
                                 false difference in each row.";

fn row(record: &Record, cells: &[&Cell]) -> Option<Vec<String>> {
    let is_arm = |cell: &&&Cell| matches!(cell.role, Role::Arm | Role::Reference);
    let own: Vec<&Cell> = cells.iter().filter(is_arm).copied().filter(|cell| cell.is_own).collect();
    let others: Vec<&Cell> = cells.iter().filter(is_arm).copied().filter(|cell| !cell.is_own).collect();
    let best = own.into_iter().min_by(|a, b| total(record, a).total_cmp(&total(record, b)))?;
    // The ratio of a single other one to the reference stands in the other tables.
    if others.is_empty() || (others.len() == 1 && best.role == Role::Reference) {
        return None;
    }
    // The best is the reference here, with its value in both places.
    let block = |block: u32| -> Option<Vec<f64>> {
        let own = value(record, best, block)?;
        let theirs: Option<Vec<f64>> = others.iter().map(|cell| value(record, cell, block)).collect();
        Some([own, own].into_iter().chain(theirs?).collect())
    };
    let blocks = (0..record.design.blocks).filter(|block| block % 2 == 1).filter_map(block).collect();
    let starts = Starts { arms: (0..others.len()).collect(), blocks };
    let findings = judge(&[starts], others.len(), record.decision.effect_min)?;
    let (index, effect) = findings
        .pooled
        .iter()
        .enumerate()
        .filter_map(|(index, effect)| Some((index, (*effect)?)))
        .min_by(|a, b| total(record, others[a.0]).total_cmp(&total(record, others[b.0])))?;
    // The judgement has the other's ratio to ours.
    let turned = match effect.finding {
        Finding::Cheaper => Finding::Dearer,
        Finding::Dearer => Finding::Cheaper,
        same => same,
    };
    Some(vec![
        short(best),
        best.arm.clone(),
        others[index].arm.clone(),
        ratio(1.0 / effect.ratio),
        ratio(1.0 / effect.high),
        ratio(1.0 / effect.low),
        turned.words().to_owned(),
    ])
}

/// The mean of the logarithms over the blocks that choose.
fn total(record: &Record, cell: &Cell) -> f64 {
    let chosen = (0..record.design.blocks).filter(|block| block % 2 == 0);
    let (sum, count) = chosen
        .filter_map(|block| value(record, cell, block))
        .fold((0.0, 0.0), |(sum, count), value| (sum + value.ln(), count + 1.0));
    if count > 0.0 { sum / count } else { f64::INFINITY }
}

/// What a cell needed in a block; the reference has the mean of its two starts.
fn value(record: &Record, cell: &Cell, block: u32) -> Option<f64> {
    let runs = cell.runs.iter().filter(|run| run.block == block && run.stands());
    let values: Vec<f64> = runs.filter_map(|run| record.metric.of_run(run)).filter(|value| *value > 0.0).collect();
    (!values.is_empty()).then(|| (values.iter().map(|value| value.ln()).sum::<f64>() / values.len() as f64).exp())
}
