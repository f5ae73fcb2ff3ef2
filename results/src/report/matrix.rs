//! Each arm under each load: at a glance, and load by load.

use super::answer::{amount, signed};
use super::load::{short, title};
use super::table::Table;
use crate::figures::{ABSENT, capitalised, count, measure, or_absent, ratio};
use crate::judged::Judged;
use crate::record::{Cell, Record, Role};
use crate::stats::blocks::{Effect, Finding};

/// Loads beside each other that fit a narrow page.
const LOADS_MAX: usize = 4;

/// In front of a ratio that is below 1, and matters.
pub(super) const CHEAPER: &str = "▼ ";
/// In front of a ratio that is above 1, and matters.
pub(super) const DEARER: &str = "▲ ";

/// What the signs mean.
pub(super) const LEGEND: &str = "Ratios to the reference: ▼ cheaper, ▲ dearer, = equal, ~ sign known and size not, ? undecided. Intervals of \
                                 single loads are wider than that of all loads together, so more of them are undecided.";

/// One row for each arm, one column for all loads together and for each load; several tables where there are many loads.
/// Empty if nothing was compared.
pub fn matrix(record: &Record, judged: &Judged<'_>) -> Vec<Table> {
    let Some(findings) = &judged.findings else { return vec![] };
    let loads: Vec<usize> = (0..judged.loads.len()).collect();
    let tables = loads.chunks(LOADS_MAX).enumerate().map(|(number, part)| {
        let with_all = number == 0 && judged.loads.len() > 1;
        let all = with_all.then(|| "all loads".to_owned());
        let names = part.iter().map(|load| short(judged.loads[*load][0]));
        let header: Vec<String> = ["arm".to_owned()].into_iter().chain(all).chain(names).collect();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let costs = part.iter().map(|load| cost(record, judged, *load));
        let first = [judged.reference.to_owned()].into_iter().chain(with_all.then(|| "1".to_owned())).chain(costs);
        let rows = judged.arms.iter().enumerate().map(|(index, arm)| {
            let all = with_all.then(|| field(findings.pooled[index]));
            let each = part.iter().map(|load| field(findings.by_load[*load][index]));
            [arm.name.to_owned()].into_iter().chain(all).chain(each).collect::<Vec<String>>()
        });
        let has_any = |row: &Vec<String>| row[1..].iter().any(|field| field != ABSENT);
        let rows = [first.collect()].into_iter().chain(rows.filter(has_any)).collect();
        let metric = capitalised(record.metric.words());
        let title = if number == 0 {
            format!("{metric}: the reference in µs, every other arm as a ratio to it")
        } else {
            String::new()
        };
        Table::of_numbers(title, &header, rows)
    });
    if judged.arms.is_empty() { vec![] } else { tables.collect() }
}

/// What the reference needs under a load.
fn cost(record: &Record, judged: &Judged<'_>, load: usize) -> String {
    let reference = judged.loads[load].iter().find(|cell| cell.role == Role::Reference);
    let median = reference.and_then(|cell| Some(record.metric.range(&cell.summary)?.median));
    median.map_or(ABSENT.to_owned(), |median| format!("{} µs", measure(median)))
}

fn field(effect: Option<Effect>) -> String {
    let Some(effect) = effect else { return ABSENT.to_owned() };
    let sign = match effect.finding {
        Finding::Cheaper => CHEAPER,
        Finding::Dearer => DEARER,
        Finding::Equal => "= ",
        Finding::SignKnown => "~ ",
        Finding::Undecided => "? ",
    };
    format!("{sign}{}", ratio(effect.ratio))
}

/// What is known of one load: the ratios with their intervals, and the other figures.
pub(super) fn of_load(record: &Record, judged: &Judged<'_>, load: usize) -> [Table; 2] {
    let cells = &judged.loads[load];
    let decided = cells.iter().map(|cell| decided(record, judged, load, cell)).collect();
    let header = ["arm", "µs", "ratio", "finding"];
    let name = record.metric.words();
    let figures: Vec<Vec<String>> = cells.iter().map(|cell| figures(cell)).collect();
    [
        Table::new(format!("{}: {name}", title(cells[0])), &header, decided),
        Table::of_numbers(
            format!("{}: the other figures", title(cells[0])),
            &["arm", "user", "system", "core", "calls", "p50", "p99", "rps"],
            figures,
        ),
    ]
}

fn decided(record: &Record, judged: &Judged<'_>, load: usize, cell: &Cell) -> Vec<String> {
    let median = record.metric.range(&cell.summary).map(|range| range.median);
    let effect = judged.under(load, cell.contestant()).filter(|_| cell.role != Role::Reference);
    let (share, words) = match (effect, cell.role) {
        (Some(effect), _) => {
            let is_known = matches!(effect.finding, Finding::Cheaper | Finding::Dearer);
            let size = if is_known { amount(&effect) } else { signed(&effect) };
            (ratio(effect.ratio), format!("{}: {size}", effect.finding.words()))
        }
        (None, Role::Reference) => ("1".to_owned(), "the reference".to_owned()),
        (None, _) => (ABSENT.to_owned(), "not judged: too few complete blocks".to_owned()),
    };
    vec![cell.contestant().to_owned(), or_absent(median, measure), share, words]
}

fn figures(cell: &Cell) -> Vec<String> {
    let summary = &cell.summary;
    let median = |range: Option<crate::stats::Range>| range.map(|range| range.median);
    vec![
        cell.contestant().to_owned(),
        or_absent(median(summary.server_user_us_per_request), measure),
        or_absent(median(summary.server_system_us_per_request), measure),
        or_absent(median(summary.server_core_us_per_request), measure),
        or_absent(median(summary.syscalls_per_request), measure),
        or_absent(summary.p50_us, measure),
        or_absent(summary.p99_us, measure),
        or_absent(median(summary.requests_per_second), count),
    ]
}
