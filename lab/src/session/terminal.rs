//! Prints the tables of `bench` on stdout, to fit the terminal.

use anyhow::Context;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle};
use results::report;
use results::visible::{visible, visible_line};

/// Columns that a narrow terminal leaves out. The report has all of them.
const DISPENSABLE: [&str; 3] = ["p99.9 µs", "system µs", "client µs"];
/// Width of the whole table, in columns of the terminal.
const WIDTH_OF_ALL: u16 = 112;

/// Sentences, one paragraph each, in lines that people can read.
pub(crate) fn wrapped(sentences: &[String]) -> String {
    let shown = sentences.iter().map(|sentence| visible_line(sentence).into_owned());
    shown.map(|sentence| textwrap::fill(&sentence, LINE_MAX)).collect::<Vec<_>>().join("\n")
}

/// Fits a usual terminal, and longer lines are hard to read.
const LINE_MAX: usize = 80;

/// Formats the tables of a report for a terminal of any width.
pub fn terminal(tables: impl IntoIterator<Item = report::Table>) -> String {
    let mut text = String::new();
    for data in tables {
        let mut table = Table::new();
        let line = LineStyle::none().fill('─').junction('─');
        table.load_style(TableStyle::new().top_border(line).header_separator(line).bottom_border(line));
        table.set_content_arrangement(ContentArrangement::Dynamic);
        let narrow = table.width().is_some_and(|width| width < WIDTH_OF_ALL);
        // Makes control characters visible before the width of a column is measured.
        let shown = |fields: &[String]| fields.iter().map(|field| visible_line(field).into_owned()).collect::<Vec<_>>();
        table.set_header(shown(&data.header));
        data.rows.iter().for_each(|row| {
            table.add_row(shown(row));
        });
        let last = data.header.len() - 1;
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 1));
            if index != 0 && index != last {
                column.set_cell_alignment(CellAlignment::Right);
            }
            if narrow && DISPENSABLE.contains(&data.header[index].as_str()) {
                column.set_constraint(ColumnConstraint::Hidden);
            }
        }
        text.push_str(&format!("\n{}\n{table}\n", visible_line(&data.title)));
    }
    text
}

/// Prints `text`. If the reader stops early, as in `| head`, that is not an error. Makes terminal control characters
/// visible, even in JSON.
pub fn print(text: &str) -> anyhow::Result<()> {
    match std::io::Write::write_all(&mut std::io::stdout().lock(), visible(text).as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("writing to stdout"),
        _ => Ok(()),
    }
}
