//! Whether load generators agree: compares each one with a reference on the same server under the same load, run by
//! run, and with what the server itself counted.

use super::load::title;
use super::table::Table;
use super::verdicts::GENERATOR_OF_REFERENCE as REFERENCE;
use crate::figures::{ABSENT, ratio as two};
use crate::record::{Cell, Record, RunOfCell};
use crate::stats::{Comparison, paired};

/// A figure on which two generators must agree.
type Figure = fn(&RunOfCell) -> Option<f64>;

const FIGURES: [(&str, Figure); 5] = [
    ("rps", |run| Some(run.requests_per_second)),
    ("p50", |run| run.response_us.p50),
    ("p90", |run| run.response_us.p90),
    ("p99", |run| run.response_us.p99),
    ("CPU/request", |run| run.client_cpu_us_per_request),
];

/// The table of ratios. `None` when no generators were compared.
pub fn agreement_table(record: &Record) -> Option<Table> {
    let rows: Vec<Vec<String>> = record.cells.iter().filter_map(|cell| row(record, cell)).collect();
    let figures = FIGURES.iter().map(|(name, _)| *name);
    let header: Vec<&str> = ["generator"].into_iter().chain(figures).chain(["server's count", "load"]).collect();
    let title =
        format!("Each generator against {REFERENCE} on the same server: median of paired ratios [95 % interval]");
    (!rows.is_empty()).then(|| Table::new(title, &header, rows))
}

fn row(record: &Record, cell: &Cell) -> Option<Vec<String>> {
    if cell.generator.is_empty() || cell.generator == REFERENCE {
        return None;
    }
    let reference = record.cells.iter().find(|other| {
        let load = |cell: &Cell| (cell.connections, cell.pipeline, cell.load_loop, cell.workload.clone());
        other.generator == REFERENCE && other.server == cell.server && load(other) == load(cell)
    })?;
    let ratios = FIGURES.iter().map(|(_, figure)| match ratio(cell, reference, *figure) {
        Some(Comparison { ratio, interval: Some(interval), .. }) => {
            format!("{ratio:.3} [{}, {}]", two(interval.low), two(interval.high))
        }
        Some(Comparison { ratio, .. }) => format!("{ratio:.3}"),
        None => ABSENT.to_owned(),
    });
    let name = format!("{} on {}", cell.generator, cell.server);
    Some([name].into_iter().chain(ratios).chain([counts(cell), title(cell)]).collect())
}

/// The ratio over runs with the same number, because interleaved arms drift together.
fn ratio(cell: &Cell, reference: &Cell, figure: Figure) -> Option<Comparison> {
    let pair = |run: &RunOfCell| {
        let partner = reference.runs.iter().find(|partner| partner.repeat == run.repeat)?;
        Some((figure(run)?, figure(partner)?))
    };
    // The smallest effect is 0, because there is no verdict here, only a ratio.
    paired(&cell.runs.iter().filter_map(pair).collect::<Vec<_>>(), 0.0)
}

/// In how many runs the generator counted as many replies as the server counted requests.
fn counts(cell: &Cell) -> String {
    let both: Vec<(u64, u64)> =
        cell.runs.iter().filter_map(|run| run.replies_whole_run.zip(run.served_whole_run)).collect();
    match both.iter().filter(|(own, served)| own == served).count() {
        _ if both.is_empty() => ABSENT.to_owned(),
        equal => format!("equal in {equal} of {}", both.len()),
    }
}
