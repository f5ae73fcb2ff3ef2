//! The tables of a report as rows of text, so that a terminal and markdown show the same.

use super::load::short;
use crate::figures::{measure, or_absent};
use crate::record::{Cell, Record, Summary};
use crate::stats::Range;

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

/// Figures that only some experiments have: a name, and where a summary has it.
type Figure = (&'static str, fn(&Summary) -> Option<Range>);

/// Kernel operations of the server per request. `None` when only system calls were counted.
pub fn operations_table(record: &Record) -> Option<Table> {
    const FIGURES: [Figure; 4] = [
        ("system calls", |summary| summary.syscalls_per_request),
        ("io_uring_enter", |summary| summary.enters_per_request),
        ("SQEs", |summary| summary.sqes_per_request),
        ("CQEs", |summary| summary.cqes_per_request),
    ];
    medians(record, "Operations of the server for each request, medians of the repeats", &FIGURES, 1)
}

/// Memory of a connection under load. `None` when it was not measured.
pub fn connection_memory_table(record: &Record) -> Option<Table> {
    const FIGURES: [Figure; 2] = [
        ("server's own bytes", |summary| summary.server_bytes_per_connection),
        ("kernel's bytes, both ends", |summary| summary.kernel_bytes_per_connection),
    ];
    medians(record, "Memory for each connection under load, medians of the repeats", &FIGURES, 0)
}

/// How evenly the reactors shared the connections. `None` when there was only one reactor.
pub fn spread_table(record: &Record) -> Option<Table> {
    const FIGURES: [Figure; 2] = [
        ("fullest reactor / mean", |summary| summary.accepts_max_over_mean),
        ("coefficient of variation", |summary| summary.accepts_coefficient_of_variation),
    ];
    medians(record, "Connections over the reactors, medians of the repeats", &FIGURES, 0)
}

/// A row for each cell that has one of the figures from number `first` on. Controls are left out.
fn medians(record: &Record, title_of_table: &str, figures: &[Figure], first: usize) -> Option<Table> {
    let middle = |cell: &Cell, of: fn(&Summary) -> Option<Range>| of(&cell.summary).map(|range| range.median);
    let has_any = |cell: &&Cell| figures[first..].iter().any(|(_, of)| middle(cell, *of).is_some());
    let row = |cell: &Cell| {
        let values = figures.iter().map(|(_, of)| or_absent(middle(cell, *of), measure));
        [cell.arm.clone()].into_iter().chain(values).chain([short(cell)]).collect()
    };
    let arms = record.cells.iter().filter(|cell| !cell.role.is_control());
    let rows: Vec<Vec<String>> = arms.filter(has_any).map(row).collect();
    let names = figures.iter().map(|(name, _)| *name);
    let header: Vec<&str> = ["arm"].into_iter().chain(names).chain(["load"]).collect();
    (!rows.is_empty()).then(|| Table::new(title_of_table.to_owned(), &header, rows))
}
