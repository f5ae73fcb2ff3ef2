//! Whether load generators agree: each one against the reference on the same server under the same load, block by
//! block, and against what the server itself counted.

use super::load::short;
use super::table::Table;
use crate::figures::{ABSENT, ratio as two};
use crate::judged::Judged;
use crate::record::{Cell, Record, Role, RunOfCell};
use crate::run::has_times;
use crate::stats::blocks::{Effect, Finding};

/// A figure that two generators must agree on, and the difference that does not matter.
type Figure = (&'static str, f64, fn(&RunOfCell) -> Option<f64>);

const FIGURES: [Figure; 4] = [
    ("rps", 0.05, |run| Some(run.requests_per_second)),
    ("p50", 0.10, |run| run.response_us_p50.filter(|_| has_times(run))),
    ("p90", 0.10, |run| run.response_us_p90.filter(|_| has_times(run))),
    ("p99", 0.20, |run| run.response_us_p99.filter(|_| has_times(run))),
];

/// What the words of the table mean.
pub(super) const LEGEND: &str = "Agrees: the whole interval of the ratio is within 5 % (requests a second), 10 % (p50, p90) or 20 % (p99) of 1, \
                                 which is a test of equivalence. Differs: it lies beside 1. Open: neither is known. Each \
                                 figure is judged by itself. Times that are INVALID are left out.";

/// The table of ratios; `None` if no generators were compared.
pub fn agreement_table(record: &Record) -> Option<Table> {
    let is_of_generators = record.cells.iter().any(|cell| !cell.generator.is_empty());
    let judged: Vec<Judged<'_>> = FIGURES
        .iter()
        .filter(|_| is_of_generators)
        .map(|(_, effect_min, figure)| Judged::by(record, figure, *effect_min))
        .collect();
    let rows: Vec<Vec<String>> =
        record.cells.iter().filter(|cell| !cell.generator.is_empty()).filter_map(|cell| row(&judged, cell)).collect();
    let figures = FIGURES.iter().map(|(name, ..)| *name);
    let header: Vec<&str> = ["generator"].into_iter().chain(figures).chain(["server's count"]).collect();
    let title = format!("Each generator against {} on the same server", record.decision.reference);
    (!rows.is_empty()).then(|| Table::new(title, &header, rows))
}

fn row(judged: &[Judged<'_>], cell: &Cell) -> Option<Vec<String>> {
    let load = judged.first()?.loads.iter().position(|cells| cells.iter().any(|other| other.key == cell.key))?;
    let field = |judged: &Judged<'_>| judged.under(load, cell.contestant()).map_or(ABSENT.to_owned(), words);
    let name = format!("{}, {}", cell.contestant(), short(cell));
    let ratios = judged.iter().map(field);
    (cell.role != Role::Reference).then(|| [name].into_iter().chain(ratios).chain([counts(cell)]).collect())
}

/// `agrees 1.01 [0.99, 1.03]`.
fn words(effect: Effect) -> String {
    let word = match effect.finding {
        Finding::Equal => "agrees",
        Finding::Cheaper | Finding::Dearer | Finding::SignKnown => "differs",
        Finding::Undecided => "open",
    };
    format!("{word} {} [{}, {}]", two(effect.ratio), two(effect.low), two(effect.high))
}

/// In how many starts the generator counted as many replies as the server counted requests.
fn counts(cell: &Cell) -> String {
    match cell.summary.counts_both {
        0 => ABSENT.to_owned(),
        both => format!("equal in {} of {both}", cell.summary.counts_equal),
    }
}
