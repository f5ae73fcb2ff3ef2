//! The tables of a report as rows of text, so that a terminal and markdown show the same.

use std::collections::BTreeMap;

use super::load::{loads, title};
use super::verdicts::{Entry, contests};
use crate::figures::{ABSENT, count, measure, or_absent, percent};
use crate::record::{Cell, Metric, Record, RunOfCell, VerdictState};
use crate::stats::median;

/// A titled table; every row has as many fields as the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What the rows have in common.
    pub title: String,
    /// Names of the columns. The first column names the rows.
    pub header: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
    /// Whether the last column holds words. All columns between the first and the last hold numbers.
    pub ends_in_words: bool,
}

impl Table {
    /// A table whose last column holds words.
    pub fn new(title: String, header: &[&str], rows: Vec<Vec<String>>) -> Table {
        let header = header.iter().map(|name| (*name).to_owned()).collect();
        Table { title, header, rows, ends_in_words: true }
    }

    /// A table whose last column also holds numbers.
    pub(super) fn of_numbers(title: String, header: &[&str], rows: Vec<Vec<String>>) -> Table {
        Table { ends_in_words: false, ..Table::new(title, header, rows) }
    }

    /// Whether a column holds numbers, which are right-aligned. All columns but the first and the last do.
    pub fn is_number(&self, column: usize) -> bool {
        column != 0 && (column + 1 != self.header.len() || !self.ends_in_words)
    }
}

/// The column of run time.
const CPU_US: &str = "CPU µs";

/// One table for each load: workload, connections, loop and pipeline, in the order of the record;
/// within it one row for each arm.
pub fn table_rows(record: &Record) -> Vec<Table> {
    const HEADER: [&str; 13] = [
        "arm",
        "rps",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        CPU_US,
        "user µs",
        "system µs",
        "core µs",
        "calls",
        "spread",
        "client µs",
        "verdicts",
    ];
    // Older records do not have it.
    let is_shown = |name: &&&str| record.metric == Metric::ServerRun || **name != CPU_US;
    let header: Vec<&str> = HEADER.iter().filter(is_shown).copied().collect();
    let row = |cell| {
        let values = HEADER.iter().zip(row(record.metric, cell));
        values.filter(|(name, _)| is_shown(name)).map(|(_, value)| value).collect()
    };
    loads(record)
        .into_iter()
        .map(|cells| Table::new(title(cells[0]), &header, cells.into_iter().map(row).collect()))
        .collect()
}

/// Figures of single runs that only some experiments have: a name, and where a run has it.
type Figure = (&'static str, fn(&RunOfCell) -> Option<f64>);

/// Kernel operations of the server per request. `None` when only system calls were counted.
pub fn operations_table(record: &Record) -> Option<Table> {
    const FIGURES: [Figure; 4] = [
        ("system calls", |run| run.syscalls_per_request),
        ("io_uring_enter", |run| run.enters_per_request),
        ("SQEs", |run| run.sqes_per_request),
        ("CQEs", |run| run.cqes_per_request),
    ];
    medians(record, "Operations of the server for each request, medians of the repeats", &FIGURES, 1)
}

/// Memory of a connection under load. `None` when it was not measured.
pub fn connection_memory_table(record: &Record) -> Option<Table> {
    const FIGURES: [Figure; 2] = [
        ("server's own bytes", |run| run.server_bytes_per_connection),
        ("kernel's bytes, both ends", |run| run.kernel_bytes_per_connection),
    ];
    medians(record, "Memory for each connection under load, medians of the repeats", &FIGURES, 0)
}

/// How evenly the reactors shared the connections. `None` when there was only one reactor.
pub fn spread_table(record: &Record) -> Option<Table> {
    const FIGURES: [Figure; 2] = [
        ("fullest reactor / mean", |run| run.accepts_max_over_mean),
        ("coefficient of variation", |run| run.accepts_coefficient_of_variation),
    ];
    medians(record, "Connections over the reactors, medians of the repeats", &FIGURES, 0)
}

/// A row for each cell that has one of the figures from number `first` on.
fn medians(record: &Record, title_of_table: &str, figures: &[Figure], first: usize) -> Option<Table> {
    let middle =
        |cell: &Cell, of: fn(&RunOfCell) -> Option<f64>| median(&cell.runs.iter().filter_map(of).collect::<Vec<f64>>());
    let has_any = |cell: &&Cell| figures[first..].iter().any(|(_, of)| middle(cell, *of).is_some());
    let row = |cell: &Cell| {
        let values = figures.iter().map(|(_, of)| or_absent(middle(cell, *of), measure));
        [cell.arm.clone()].into_iter().chain(values).chain([title(cell)]).collect()
    };
    let rows: Vec<Vec<String>> = record.cells.iter().filter(has_any).map(row).collect();
    let names = figures.iter().map(|(name, _)| *name);
    let header: Vec<&str> = ["arm"].into_iter().chain(names).chain(["load"]).collect();
    (!rows.is_empty()).then(|| Table::new(title_of_table.to_owned(), &header, rows))
}

/// Memory of idle connections; `None` when it was not measured.
pub fn memory_table(record: &Record) -> Option<Table> {
    const HEADER: [&str; 6] = ["arm", "connections", "reactors", "bytes each", "budget", "workload"];
    let rows: Vec<Vec<String>> = record
        .memory
        .iter()
        .map(|cell| {
            vec![
                cell.arm.clone(),
                count(cell.connections as f64),
                cell.reactors.to_string(),
                or_absent(cell.user_bytes_per_connection, measure),
                cell.budget_bytes.map_or_else(|| ABSENT.to_owned(), |bytes| count(bytes as f64)),
                cell.workload.clone(),
            ]
        })
        .collect();
    let title = "The server's own memory for each idle connection".to_owned();
    (!rows.is_empty()).then(|| Table::new(title, &HEADER, rows))
}

/// Every ratio with its interval and its verdict, one table for each load with a comparison.
pub fn ratio_tables(record: &Record) -> Vec<Table> {
    let row = |entry: &Entry<'_>| {
        let median = record.metric.range(&entry.cell.summary).map(|range| range.median);
        let found = entry.comparison;
        let interval = found.and_then(|comparison| comparison.interval);
        let two = |number: f64| format!("{number:.3}");
        vec![
            entry.cell.arm.clone(),
            or_absent(median, measure),
            or_absent(found.map(|comparison| comparison.ratio), two),
            or_absent(interval.map(|interval| interval.low), two),
            or_absent(interval.map(|interval| interval.high), two),
            interval.map_or(ABSENT.to_owned(), |interval| percent(interval.coverage)),
            found.map_or(0, |comparison| comparison.count).to_string(),
            entry.left_out.to_string(),
            entry.judgement().words().to_owned(),
        ]
    };
    let header = ["arm", "median µs", "ratio", "from", "to", "holds in", "pairs", "left out", "verdict"];
    let contests = contests(record);
    let compared = contests.iter().filter_map(|contest| Some((contest, contest.reference?)));
    compared
        .filter(|(contest, _)| !contest.entries.is_empty())
        .map(|(contest, reference)| {
            let title = format!("{}: ratio to {}", contest.title, reference.arm);
            Table::new(title, &header, contest.entries.iter().map(row).collect())
        })
        .collect()
}

/// Response times of every arm under every load; `None` when none were measured.
pub fn latency_table(record: &Record) -> Option<Table> {
    let header = ["load", "p50 µs", "p99 µs", "p99.9 µs", "lateness p99 µs", "errors", "arm"];
    let measured = record.cells.iter().filter(|cell| cell.summary.p50_us.is_some());
    let row = |cell: &Cell| {
        vec![
            title(cell),
            or_absent(cell.summary.p50_us, measure),
            or_absent(cell.summary.p99_us, measure),
            or_absent(cell.summary.p99_9_us, measure),
            or_absent(cell.summary.lateness_us_p99.map(|range| range.max), measure),
            count(cell.runs.iter().map(|run| run.errors).sum::<u64>() as f64),
            cell.arm.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = measured.map(row).collect();
    let title = "Response time from the intended send time, and the load generator's own lateness (worst repeat)";
    (!rows.is_empty()).then(|| Table::new(title.to_owned(), &header, rows))
}

fn row(metric: Metric, cell: &Cell) -> Vec<String> {
    let summary = &cell.summary;
    let core = summary.server_core_us_per_request;
    let spread = if metric == Metric::ServerRun { summary.server_run_us_per_request } else { core };
    // One run has no spread, which is not the same as a spread of zero.
    let spread = spread.filter(|range| range.count > 1).and_then(|range| range.spread());
    vec![
        cell.arm.clone(),
        or_absent(summary.requests_per_second.map(|range| range.median), count),
        or_absent(summary.p50_us, measure),
        or_absent(summary.p99_us, measure),
        or_absent(summary.p99_9_us, measure),
        or_absent(summary.server_run_us_per_request.map(|range| range.median), measure),
        or_absent(summary.server_user_us_per_request.map(|range| range.median), measure),
        or_absent(summary.server_system_us_per_request.map(|range| range.median), measure),
        or_absent(core.map(|range| range.median), measure),
        or_absent(summary.syscalls_per_request.map(|range| range.median), measure),
        or_absent(spread, percent),
        or_absent(summary.client_cpu_us_per_request.map(|range| range.median), measure),
        verdicts(cell),
    ]
}

/// `3 VALID, 2 WARN (V4 V5)`, and the number of errors, if any.
fn verdicts(cell: &Cell) -> String {
    let mut states: BTreeMap<VerdictState, (u32, Vec<&str>)> = BTreeMap::new();
    for run in &cell.runs {
        let (runs, checks) = states.entry(run.verdict.state).or_default();
        *runs += 1;
        for check in &run.verdict.not_ok {
            if !checks.contains(&check.as_str()) {
                checks.push(check);
            }
        }
    }
    let mut parts: Vec<String> = states
        .into_iter()
        .map(|(state, (runs, checks))| match checks.as_slice() {
            [] => format!("{runs} {}", state.word()),
            checks => format!("{runs} {} ({})", state.word(), checks.join(" ")),
        })
        .collect();
    let errors: u64 = cell.runs.iter().map(|run| run.errors).sum();
    if errors > 0 {
        parts.push(format!("{} errors", count(errors as f64)));
    }
    if parts.is_empty() { ABSENT.to_owned() } else { parts.join(", ") }
}
