//! Fits text and tables to the width of a terminal.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle};

/// Columns that a narrow terminal leaves out, in this order.
const DISPENSABLE: [&str; 2] = ["p99.99", "p90"];

/// Width of the terminal. 80 columns when there is no terminal or it does not know its size.
pub(super) fn width() -> usize {
    Table::new().width().filter(|&columns| columns > 0).map_or(80, usize::from)
}

/// Text that fits the width.
pub(super) fn paragraph(
    output: &mut impl Write,
    text: &str,
    width: usize,
    first: &str,
    others: &str,
) -> io::Result<()> {
    let options = textwrap::Options::new(width).initial_indent(first).subsequent_indent(others);
    textwrap::wrap(text, options).iter().try_for_each(|line| writeln!(output, "{line}"))
}

/// A table of numbers after a first column of names, no wider than `width`.
pub(super) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>, width: usize) -> Table {
    let mut table = Table::new();
    let line = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().top_border(line).header_separator(line).bottom_border(line));
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    table.set_header(header.iter().copied());
    rows.into_iter().for_each(|row| {
        table.add_row(row);
    });
    // Between two columns is one of the line's junctions; beside it a space, if there is room.
    let contents = table.column_max_content_widths();
    let mut needed = contents.iter().map(|&content| usize::from(content) + 1).sum::<usize>() - 1;
    let is_narrow = needed + 2 * contents.len() > width;
    for (index, column) in table.column_iter_mut().enumerate() {
        if index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if is_narrow {
            column.set_padding((0, 0));
        }
    }
    for name in DISPENSABLE {
        if let Some(index) = header.iter().position(|column| *column == name).filter(|_| needed > width) {
            needed -= usize::from(contents[index]) + 1;
            if let Some(column) = table.column_mut(index) {
                column.set_constraint(ColumnConstraint::Hidden);
            }
        }
    }
    table
}

/// Rounds to four digits: no measurement is more precise.
pub(super) fn micros(value: f64) -> String {
    if value < 1000.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}
