//! The tables of a report as rows of text, so that a terminal and markdown show the same.

use std::collections::BTreeMap;

use super::figures::{ABSENT, count, measure, or_absent, percent};
use super::plain;
use crate::record::{Cell, Loop, Record, VerdictState};

/// A titled table; every row has as many fields as the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What the rows have in common.
    pub title: String,
    /// Names of the columns; the first names the rows.
    pub header: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(title: String, header: &[&str], rows: Vec<Vec<String>>) -> Table {
        Table { title, header: header.iter().map(|name| (*name).to_owned()).collect(), rows }
    }

    /// Appends the table with its title; all columns but the first and the last are numbers, so they
    /// are aligned to the right.
    pub fn write_markdown(&self, text: &mut String) {
        text.push_str(&format!("### {}\n\n", plain(&self.title)));
        let mut line = |fields: &[String]| {
            text.push_str(&format!("| {} |\n", fields.join(" | ")));
        };
        line(&self.header);
        let last = self.header.len() - 1;
        let rule = |column| if column == 0 || column == last { "---" } else { "---:" }.to_owned();
        line(&(0..=last).map(rule).collect::<Vec<_>>());
        for row in &self.rows {
            line(&row.iter().map(|field| plain(field)).collect::<Vec<_>>());
        }
        text.push('\n');
    }
}

/// One table for each load: workload, connections, loop and pipeline, in the order of the record;
/// within it one row for each arm.
pub fn table_rows(record: &Record) -> Vec<Table> {
    const HEADER: [&str; 12] = [
        "arm",
        "rps",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "user µs",
        "system µs",
        "core µs",
        "calls",
        "spread",
        "client µs",
        "verdicts",
    ];
    loads(record)
        .into_iter()
        .map(|cells| Table::new(title(cells[0]), &HEADER, cells.into_iter().map(row).collect()))
        .collect()
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

/// The cells grouped by load, both in the order of the record.
pub(super) fn loads(record: &Record) -> Vec<Vec<&Cell>> {
    let mut groups: Vec<Vec<&Cell>> = Vec::new();
    for cell in &record.cells {
        match groups.iter_mut().find(|group| same_load(group[0], cell)) {
            Some(group) => group.push(cell),
            None => groups.push(vec![cell]),
        }
    }
    groups
}

fn same_load(a: &Cell, b: &Cell) -> bool {
    (&a.workload, a.connections, a.load_loop, a.pipeline) == (&b.workload, b.connections, b.load_loop, b.pipeline)
}

/// `echo, 64 connections, 20,000 requests/s, pipeline 1`.
pub(super) fn title(cell: &Cell) -> String {
    let load_loop = match cell.load_loop {
        Loop::Closed => "closed loop".to_owned(),
        Loop::Open { rate } => format!("{} requests/s", count(rate)),
    };
    let connections = if cell.connections == 1 { "connection" } else { "connections" };
    format!(
        "{}, {} {connections}, {load_loop}, pipeline {}",
        cell.workload,
        count(cell.connections as f64),
        cell.pipeline
    )
}

fn row(cell: &Cell) -> Vec<String> {
    let summary = &cell.summary;
    let core = summary.server_core_us_per_request;
    // One run has no spread, which is not the same as a spread of zero.
    let spread = core.filter(|range| range.count > 1).and_then(|range| range.spread());
    vec![
        cell.arm.clone(),
        or_absent(summary.requests_per_second.map(|range| range.median), count),
        or_absent(summary.p50_us, measure),
        or_absent(summary.p99_us, measure),
        or_absent(summary.p99_9_us, measure),
        or_absent(summary.server_user_us_per_request.map(|range| range.median), measure),
        or_absent(summary.server_system_us_per_request.map(|range| range.median), measure),
        or_absent(core.map(|range| range.median), measure),
        or_absent(summary.syscalls_per_request.map(|range| range.median), measure),
        or_absent(spread, percent),
        or_absent(summary.client_cpu_us_per_request.map(|range| range.median), measure),
        verdicts(cell),
    ]
}

/// `3 VALID, 2 WARN (V4 V5)`, and the errors, if any.
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
