//! `c10m tune audit`: a table of every rule, and an explanation of those that are not fine.

use comfy_table::presets::UTF8_NO_BORDERS;
use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, LineStyle, Table, Width};
use host::Facts;
use tuning::{Audit, IoUring, Row, State};

use super::count::count;
use super::{shown, terminal_width, wrapped};

/// The longest name of a sysctl among the rules, and the padding of its column.
const NAME_WIDTH: u16 = 33;

/// Room for a long number and the padding of its column.
const VALUE_WIDTH_MIN: u16 = 15;

/// Below this the wanted values stand only in the explanations.
const WIDTH_OF_FOUR_COLUMNS: u16 = 76;

/// Arguments of `c10m tune audit`.
#[derive(Debug, clap::Args)]
pub(super) struct AuditArgs {
    /// Connections to judge the host for; k and M are understood.
    #[arg(long, default_value = "10k", value_name = "N", value_parser = count)]
    connections: u64,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    json: bool,
}

/// The text of an audit of this host; `io_uring` is whether a ring can be set up here.
pub(super) fn text(args: &AuditArgs, io_uring: &IoUring) -> anyhow::Result<String> {
    let audit = Audit::new(Facts::of_this_host(), args.connections, io_uring);
    Ok(match args.json {
        true => serde_json::to_string_pretty(&audit)? + "\n",
        false => render(&audit, terminal_width()),
    })
}

/// The whole text: a table of every rule, an explanation of those that are not ok, and the count.
fn render(audit: &Audit, width: u16) -> String {
    let mut text = table(audit, width).trim_fmt();
    text.push_str("\n\n");
    for row in audit.rows.iter().filter(|row| row.state != State::Ok) {
        text.push_str(&explanation(row, width.into()));
    }
    text.push_str(&wrapped(&audit.tally.sentence(audit.connections), "", width.into()));
    text
}

fn table(audit: &Audit, width: u16) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_NO_BORDERS.row_separator(LineStyle::none()))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .set_header(["state", "setting", "found", "wanted"]);
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
        // Names stay whole, so that they can be copied and searched for; only the path of a file that
        // was not understood is longer.
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

fn explanation(row: &Row, width: usize) -> String {
    const INDENT: &str = "      ";
    let head = format!("{:<6}{}: {}", row.state.word(), row.id, row.title);
    let mut text = wrapped(&head, INDENT, width);
    text.push_str(&wrapped(&format!("{INDENT}{}.", row.meaning), INDENT, width));
    if let Some(wanted) = &row.wanted {
        let values = format!("{INDENT}Found {}; wanted {wanted}.", row.found);
        text.push_str(&wrapped(&values, INDENT, width));
    }
    if let Some(command) = &row.command {
        // Never wrapped: it is there to be copied.
        text.push_str(&format!("{INDENT}→ {}\n", shown(command)));
    }
    text.push_str(&wrapped(&format!("{INDENT}({})", row.source), INDENT, width));
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use host::OpenFilesLimit;

    use super::*;

    #[test]
    fn the_table_fits_wide_and_narrow_terminals() {
        let limit = OpenFilesLimit { soft: Some(1024), hard: Some(20_000) };
        // A root without files is the longest report: no rule is fine.
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
