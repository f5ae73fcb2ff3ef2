//! `c10m tune`: shows what this host means for very many connections. It reads and explains; it
//! changes no setting and runs none of the commands it prints.

use std::io::{self, Write};

use anyhow::Context;
use comfy_table::presets::UTF8_NO_BORDERS;
use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, LineStyle, Table, Width};
use tuning::{Audit, Facts, IoUring, Row, State};

/// Columns assumed when the output is not a terminal.
const WIDTH_DEFAULT: u16 = 80;

/// The longest name of a sysctl among the rules, and the padding of its column.
const NAME_WIDTH: u16 = 33;

/// Room for a long number and the padding of its column.
const VALUE_WIDTH_MIN: u16 = 15;

/// Below this the wanted values stand only in the explanations.
const WIDTH_OF_FOUR_COLUMNS: u16 = 76;

/// Arguments of `c10m tune`.
#[derive(Debug, clap::Args)]
pub(crate) struct TuneArgs {
    #[command(subcommand)]
    command: TuneCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TuneCommand {
    /// Compare this host's limits and settings with what a number of connections needs.
    Audit(AuditArgs),
}

#[derive(Debug, clap::Args)]
struct AuditArgs {
    /// Connections to judge the host for; k and M are understood.
    #[arg(long, default_value = "10k", value_name = "N", value_parser = connection_count)]
    connections: u64,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    json: bool,
}

/// Runs the sub-command; `io_uring` is whether a ring can be set up here. The exit code is 0 whatever
/// is found, because a finding is an answer and not a failure.
pub(crate) fn run(args: TuneArgs, io_uring: IoUring) -> anyhow::Result<u8> {
    let TuneCommand::Audit(args) = args.command;
    let audit = Audit::new(Facts::of_this_host(), args.connections, &io_uring);
    let text = if args.json {
        serde_json::to_string_pretty(&audit)? + "\n"
    } else {
        render(&audit, Table::new().width().unwrap_or(WIDTH_DEFAULT))
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // The reader has seen enough, as in `c10m tune audit | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        other => other.map(|()| 0).context("cannot write the audit to stdout"),
    }
}

/// `10000`, `10k` or `1M`; zero connections need no audit.
fn connection_count(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1000),
        None => text.strip_suffix('M').map_or((text, 1), |digits| (digits, 1_000_000)),
    };
    let number: Option<u64> = digits.parse().ok();
    number
        .and_then(|number| number.checked_mul(factor))
        .filter(|connections| *connections > 0)
        .ok_or_else(|| "expected a positive number such as 10000, 10k or 1M".to_owned())
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
            Cell::new(&row.id),
            Cell::new(&row.found),
            Cell::new(row.wanted.as_deref().unwrap_or("–")),
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
        text.push_str(&format!("{INDENT}→ {command}\n"));
    }
    text.push_str(&wrapped(&format!("{INDENT}({})", row.source), INDENT, width));
    text.push('\n');
    text
}

/// `text` broken at spaces into lines of at most `width` characters where words allow it; every line
/// but the first begins with `indent`.
fn wrapped(text: &str, indent: &str, width: usize) -> String {
    let mut lines = String::new();
    let leading = text.len() - text.trim_start().len();
    let mut line = text[..leading].to_owned();
    let mut empty = true;
    for word in text[leading..].split(' ') {
        if !empty && line.chars().count() + 1 + word.chars().count() > width {
            lines.push_str(line.trim_end());
            lines.push('\n');
            line = indent.to_owned();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push_str(line.trim_end());
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tuning::OpenFilesLimit;

    use super::*;

    #[test]
    fn counts_take_suffixes() {
        for (text, expected) in [
            ("1", Some(1)),
            ("10000", Some(10_000)),
            ("10k", Some(10_000)),
            ("5K", Some(5000)),
            ("1M", Some(1_000_000)),
            ("0", None),
            ("k", None),
            ("-1", None),
            ("1m", None),
            ("1kM", None),
            ("99999999999999999999", None),
            ("18446744073709551615M", None),
        ] {
            assert_eq!(connection_count(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrapped("  one two three", "  ", 9), "  one two\n  three\n");
        assert_eq!(wrapped("unbreakable word", "", 5), "unbreakable\nword\n");
        assert_eq!(wrapped("", "", 5), "\n");
    }

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
