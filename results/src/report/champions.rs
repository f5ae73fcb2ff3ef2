//! Compares this project's cheapest arm under each load with the cheapest other server. The other tables show this
//! only indirectly, through the reference.

use super::load::{loads, title};
use super::table::Table;
use super::verdicts::entry;
use crate::figures::{ABSENT, measure, or_absent};
use crate::record::{Cell, Record};

/// With fewer other servers, this would be the overview table with one column less.
const OTHERS_MIN: usize = 2;

/// A row for each load with several other servers. `None` when there is no such load.
pub fn champions_table(record: &Record) -> Option<Table> {
    let rows: Vec<Vec<String>> = loads(record).iter().filter_map(|cells| row(record, cells)).collect();
    let header = ["load", "own µs", "other µs", "ratio", "from", "to", "pairs", "arms", "verdict"];
    let title = "This project's cheapest arm against the cheapest other server";
    (!rows.is_empty()).then(|| Table::new(title.to_owned(), &header, rows))
}

/// The note for the table.
pub(super) const LEGEND: &str = "The cheapest of each side by its median of all repeats, the ratio by pairs of runs. Both were \
                                 chosen by the figures they are compared in, which flatters either a little.";

fn row(record: &Record, cells: &[&Cell]) -> Option<Vec<String>> {
    let others = cells.iter().copied().filter(|cell| !cell.is_own());
    if others.clone().count() < OTHERS_MIN {
        return None;
    }
    let median = |cell: &Cell| record.metric.range(&cell.summary).map(|range| range.median);
    let own = cheapest(cells.iter().copied().filter(|cell| cell.is_own()), median)?;
    let other = cheapest(others, median)?;
    let entry = entry(record, own, other);
    let interval = entry.comparison.and_then(|comparison| comparison.interval);
    let three = |number: f64| format!("{number:.3}");
    Some(vec![
        title(own),
        or_absent(median(own), measure),
        or_absent(median(other), measure),
        or_absent(entry.comparison.map(|comparison| comparison.ratio), three),
        interval.map_or(ABSENT.to_owned(), |interval| three(interval.low)),
        interval.map_or(ABSENT.to_owned(), |interval| three(interval.high)),
        entry.comparison.map_or(0, |comparison| comparison.count).to_string(),
        format!("{} / {}", own.arm, other.arm),
        entry.judgement().words().to_owned(),
    ])
}

fn cheapest<'a>(cells: impl Iterator<Item = &'a Cell>, median: impl Fn(&Cell) -> Option<f64>) -> Option<&'a Cell> {
    let priced = cells.filter_map(|cell| Some((median(cell)?, cell)));
    priced.min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, cell)| cell)
}
