//! Fits tables and explanations to the terminal.

use comfy_table::presets::UTF8_NO_BORDERS;
use comfy_table::{ContentArrangement, LineStyle, Table};
use results::visible::visible_line;

/// The longest name of a check, and the padding of its column. Names are never broken, so that users can copy and
/// search for them.
pub(super) const NAME_WIDTH: u16 = 33;

/// Columns assumed when the output is not a terminal.
const WIDTH_DEFAULT: u16 = 80;

pub(super) fn terminal_width() -> u16 {
    Table::new().width().unwrap_or(WIDTH_DEFAULT)
}

pub(super) fn new_table<const COLUMNS: usize>(width: u16, header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_NO_BORDERS.row_separator(LineStyle::none()))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .set_header(header);
    table
}

/// The explanation of a check below the table, with its `word` in a left margin.
pub(super) fn explanation(
    [margin, width]: [usize; 2],
    [word, id, title, meaning, source]: [&str; 5],
    values: Option<String>,
    command: Option<&str>,
) -> String {
    let indent = &" ".repeat(margin);
    let mut text = String::new();
    let mut line = |line: String| text.push_str(&wrapped(&line, indent, width));
    line(format!("{word:<margin$}{id}: {title}"));
    line(format!("{indent}{meaning}."));
    values.into_iter().for_each(|values| line(format!("{indent}{values}")));
    // Never wrapped, so that it can be copied.
    text.extend(command.map(|command| format!("{indent}→ {}\n", shown(command))));
    text + &wrapped(&format!("{indent}({source})"), indent, width) + "\n"
}

/// A text from this host, such as a listener's name or an excerpt of /proc, in the form for a command or a table cell.
pub(super) fn shown(text: &str) -> String {
    visible_line(text).into_owned()
}

/// `text` broken at spaces into lines of at most `width` characters, if no word is longer. Every line but the first
/// begins with `indent`.
pub(super) fn wrapped(text: &str, indent: &str, width: usize) -> String {
    let text: &str = &visible_line(text);
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
    use super::*;

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrapped("  one two three", "  ", 9), "  one two\n  three\n");
        assert_eq!(wrapped("unbreakable word", "", 5), "unbreakable\nword\n");
        assert_eq!(wrapped("", "", 5), "\n");
    }
}
