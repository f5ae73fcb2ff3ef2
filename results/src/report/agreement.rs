//! Whether load generators agree: each one against the reference on the same server under the same load, block by
//! block, and against what the server itself counted.

use super::load::short;
use super::table::Table;
use crate::figures::{ABSENT, percent, ratio as two};
use crate::judged::Judged;
use crate::record::{Cell, Record, Role, RunOfCell};
use crate::run::has_times;
use crate::stats::blocks::{Effect, Finding};

/// A figure that two generators must agree on.
struct Figure {
    name: &'static str,
    /// Its name in a sentence.
    words: &'static str,
    /// The difference that does not matter.
    effect_min: f64,
    of: fn(&RunOfCell) -> Option<f64>,
}

const FIGURES: [Figure; 4] = [
    Figure { name: "rps", words: "requests a second", effect_min: 0.05, of: |run| Some(run.requests_per_second) },
    Figure {
        name: "p50",
        words: "the median",
        effect_min: 0.10,
        of: |run| run.response_us_p50.filter(|_| has_times(run)),
    },
    Figure { name: "p90", words: "p90", effect_min: 0.10, of: |run| run.response_us_p90.filter(|_| has_times(run)) },
    Figure { name: "p99", words: "p99", effect_min: 0.20, of: |run| run.response_us_p99.filter(|_| has_times(run)) },
];

const AGREES: &str = "agrees";
const DIFFERS: &str = "differs";
const OPEN: &str = "open";

/// What the words of the table mean.
pub(super) const LEGEND: &str = "Agrees: the whole interval of the ratio is within 5 % (requests a second), 10 % (p50, p90) or 20 % (p99) of 1, \
                                 which is a test of equivalence. Differs: it lies beside 1. Open: neither is known. Each \
                                 figure is judged by itself: 5 % is the chance of a false difference in one of them, not in all. Times that are INVALID are left out.";

/// The table of ratios; `None` if no generators were compared.
pub fn agreement_table(record: &Record) -> Option<Table> {
    let is_of_generators = record.cells.iter().any(|cell| !cell.generator.is_empty());
    let judged = if is_of_generators { judged(record) } else { Vec::new() };
    let rows: Vec<Vec<String>> =
        record.cells.iter().filter(|cell| !cell.generator.is_empty()).filter_map(|cell| row(&judged, cell)).collect();
    let figures = FIGURES.iter().map(|figure| figure.name);
    let header: Vec<&str> = ["generator"].into_iter().chain(figures).chain(["server's count"]).collect();
    let title = format!("Each generator against {} on the same server", record.decision.reference);
    (!rows.is_empty()).then(|| Table::new(title, &header, rows))
}

/// Each figure judged by itself.
fn judged(record: &Record) -> Vec<Judged<'_>> {
    FIGURES.iter().map(|figure| Judged::by(record, figure.of, figure.effect_min)).collect()
}

/// `Against wrk with http 64: ours agrees in p90 (± 10 %), leaves open p99 (0.90 [0.74, 1.10]).` `None` if nothing can be
/// told of any figure.
pub(super) fn sentence(record: &Record) -> Option<String> {
    let judged = judged(record);
    let whole = judged.first()?;
    let arms: Vec<String> =
        whole.arms.iter().filter(|arm| !arm.role.is_control()).filter_map(|arm| of_arm(&judged, arm.name)).collect();
    let loads = match &whole.loads[..] {
        [load] => short(load[0]),
        loads => format!("{} loads together", loads.len()),
    };
    (!arms.is_empty()).then(|| format!("Against {} with {loads}: {}.", whole.reference, arms.join("; ")))
}

/// `ours agrees in p90 (± 10 %), leaves open p99 (0.90 [0.74, 1.10])`.
fn of_arm(judged: &[Judged<'_>], name: &str) -> Option<String> {
    let effect = |judged: &Judged<'_>| judged.pooled().find(|(arm, _)| arm.name == name).map(|(_, effect)| effect);
    let found: Vec<(&Figure, Effect)> =
        FIGURES.iter().zip(judged).filter_map(|(figure, judged)| Some((figure, effect(judged)?))).collect();
    let of_word = |asked: &str| {
        let named = |(figure, effect): &(&Figure, Effect)| match asked {
            AGREES => format!("{} (± {})", figure.words, percent(figure.effect_min)),
            _ => format!("{} ({})", figure.words, interval(effect)),
        };
        let named: Vec<String> = found.iter().filter(|(_, effect)| word(effect) == asked).map(named).collect();
        let lead = if asked == OPEN { "leaves open" } else { asked };
        let is_in = if asked == OPEN { "" } else { " in" };
        (!named.is_empty()).then(|| format!("{lead}{is_in} {}", listed(&named)))
    };
    let parts: Vec<String> = [AGREES, DIFFERS, OPEN].into_iter().filter_map(of_word).collect();
    (!parts.is_empty()).then(|| format!("{name} {}", parts.join(", ")))
}

/// `a, b and c`.
fn listed(words: &[String]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        few => few.concat(),
    }
}

/// The effects on each figure, for a chart: what agrees in it, the arm or the control, the effect.
pub(super) fn effects(record: &Record) -> Vec<(String, String, Effect)> {
    let of_figure = |(figure, judged): (&Figure, Judged<'_>)| {
        let group = format!("{}: agrees within {}", figure.words, percent(figure.effect_min));
        judged.pooled().map(|(arm, effect)| (group.clone(), arm.name.to_owned(), effect)).collect::<Vec<_>>()
    };
    FIGURES.iter().zip(judged(record)).flat_map(of_figure).collect()
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
    format!("{} {}", word(&effect), interval(&effect))
}

/// `agrees`, `differs` or `open`.
pub(super) fn word(effect: &Effect) -> &'static str {
    match effect.finding {
        Finding::Equal => AGREES,
        Finding::Cheaper | Finding::Dearer | Finding::SignKnown => DIFFERS,
        Finding::Undecided => OPEN,
    }
}

/// `1.01 [0.99, 1.03]`.
fn interval(effect: &Effect) -> String {
    format!("{} [{}, {}]", two(effect.ratio), two(effect.low), two(effect.high))
}

/// In how many starts the generator counted as many replies as the server counted requests.
fn counts(cell: &Cell) -> String {
    match cell.summary.counts_both {
        0 => ABSENT.to_owned(),
        both => format!("equal in {} of {both}", cell.summary.counts_equal),
    }
}
