//! `c10m tune audit`: a table of all checks, and explanations of those that are not fine.

use comfy_table::{Cell, Color, ColumnConstraint, Table, Width};
use host::Facts;
use tuning::{Audit, IoUring, State};

use super::count::count;
use super::layout::{NAME_WIDTH, explanation, new_table, shown, terminal_width, wrapped};

/// The width of a long number and the padding of its column.
const VALUE_WIDTH_MIN: u16 = 15;

/// On narrower terminals, only the explanations have the wanted values.
const WIDTH_OF_FOUR_COLUMNS: u16 = 76;

/// Arguments of `c10m tune audit`.
#[derive(Debug, clap::Args)]
pub(super) struct AuditArgs {
    /// Connections to judge the host for; accepts k and M.
    #[arg(long, default_value = "10k", value_name = "N", value_parser = count)]
    connections: u64,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    json: bool,
}

/// The text of an audit of this host. `io_uring` tells whether a ring can be set up here.
pub(super) fn text(args: &AuditArgs, io_uring: &IoUring) -> anyhow::Result<String> {
    let audit = Audit::new(Facts::of_this_host(), args.connections, io_uring);
    Ok(match args.json {
        true => serde_json::to_string_pretty(&audit)? + "\n",
        false => render(&audit, terminal_width()),
    })
}

/// The whole text: the table, the explanations of checks that are not ok, and the count.
fn render(audit: &Audit, width: u16) -> String {
    let mut text = table(audit, width).trim_fmt();
    text.push_str("\n\n");
    for row in audit.rows.iter().filter(|row| row.state != State::Ok) {
        let words = [row.state.word(), &row.id, row.title, &row.meaning, row.source];
        let values = row.wanted.as_ref().map(|wanted| format!("Found {}; wanted {wanted}.", row.found));
        text.push_str(&explanation([6, width.into()], words, values, row.command.as_deref()));
    }
    text.push_str(&wrapped(&audit.tally.sentence(audit.connections), "", width.into()));
    text
}

fn table(audit: &Audit, width: u16) -> Table {
    let mut table = new_table(width, ["state", "setting", "found", "wanted"]);
    for row in &audit.rows {
        table.add_row([
            Cell::new(row.state.word()).fg(color(row.state)),
            Cell::new(shown(&row.id)),
            Cell::new(shown(&row.found)),
            Cell::new(shown(row.wanted.as_deref().unwrap_or("–"))),
        ]);
    }
    let wanted = if width < WIDTH_OF_FOUR_COLUMNS {
        ColumnConstraint::Hidden
    } else {
        ColumnConstraint::LowerBoundary(Width::Fixed(VALUE_WIDTH_MIN))
    };
    table.set_constraints([
        ColumnConstraint::ContentWidth,
        // Only the path of a file that was not understood can be longer.
        ColumnConstraint::Absolute(Width::Fixed(NAME_WIDTH)),
        ColumnConstraint::LowerBoundary(Width::Fixed(VALUE_WIDTH_MIN)),
        wanted,
    ]);
    table
}

fn color(state: State) -> Color {
    match state {
        State::Ok => Color::Green,
        State::Info => Color::Cyan,
        State::Warn => Color::Yellow,
        State::Bad => Color::Red,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use host::OpenFilesLimit;
    use tuning::Row;

    use super::*;

    #[test]
    fn the_table_fits_wide_and_narrow_terminals() {
        let limit = OpenFilesLimit { soft: Some(1024), hard: Some(20_000) };
        // A root without files gives the longest report, because no check is fine.
        let facts = Facts::read(Path::new("/nonexistent"), limit);
        let audit = Audit::new(facts, 10_000_000, &IoUring::Unavailable("ENOSYS".to_owned()));
        for width in [60, 80, 200] {
            let text = render(&audit, width);
            for line in text.lines().filter(|line| !line.contains('→')) {
                assert!(line.chars().count() <= width.into(), "{width}: {line:?}");
            }
            let whole = |row: &Row| text.contains(&row.id);
            assert!(audit.rows.iter().all(whole), "a name was broken at {width}");
            assert!(text.lines().last().is_some_and(|line| line.ends_with("bad.")));
        }
    }
}
