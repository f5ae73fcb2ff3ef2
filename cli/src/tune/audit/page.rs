//! The page of an audit: the answer, the table of checks, explanations, limits that are being hit, mistakes in files.

use comfy_table::{Cell, Color, ColumnConstraint, Table, Width};
use tuning::hits::Hit;
use tuning::lint::{AfterReboot, Effective, Mistake};
use tuning::{Audit, State, thousands};

use super::report::Report;
use crate::tune::layout::{NAME_WIDTH, explanation, new_table, shown, wrapped};

/// The width of a long number and the padding of its column.
const VALUE_WIDTH_MIN: u16 = 15;

/// On narrower terminals, only the explanations have the wanted values.
const WIDTH_OF_FOUR_COLUMNS: u16 = 76;

/// Settings behind a counter that are named; `explain` has the others.
const SETTINGS_SHOWN: usize = 4;

pub(super) fn render(report: &Report, width: u16) -> String {
    let wide: usize = width.into();
    let mut text = wrapped(&answer(report), "", wide);
    text.push('\n');
    text.push_str(&table(&report.audit, width).trim_fmt());
    text.push_str("\n\n");
    for row in report.audit.rows.iter().filter(|row| row.state != State::Ok) {
        let words = [row.state.word(), &row.id, row.title, &row.meaning, row.source];
        let values = row.wanted.as_ref().map(|wanted| format!("Found {}; wanted {wanted}.", row.found));
        text.push_str(&explanation([6, wide], words, values, row.command.as_deref()));
    }
    if !report.hits.is_empty() {
        text.push_str("Limits that were hit\n");
        report.hits.iter().for_each(|each| text.push_str(&hit(each, wide)));
        text.push('\n');
    }
    if !report.lint.mistakes.is_empty() {
        text.push_str("Configuration files\n");
        report.lint.mistakes.iter().for_each(|each| text.push_str(&mistake(each, wide)));
        text.push('\n');
    }
    let changing: Vec<String> = report.lint.values.iter().filter_map(after_reboot).collect();
    if !changing.is_empty() {
        text.push_str("What a reboot would change\n");
        changing.iter().for_each(|line| text.push_str(&wrapped(line, "    ", wide)));
        text.push('\n');
    }
    text.push_str(&wrapped(&report.audit.tally.sentence(report.audit.connections), "", wide));
    text
}

/// What to read if nothing else.
fn answer(report: &Report) -> String {
    let connections = thousands(report.audit.connections);
    let fits = match (report.first_wall, report.fits_now) {
        (Some(wall), Some(most)) => {
            format!("{connections} connections do not fit here now: the first wall is {wall}, at {}", thousands(most))
        }
        (Some(wall), None) => format!("{connections} connections do not fit here now: the first wall is {wall}"),
        (None, _) => format!("{connections} connections fit here now"),
    };
    let now = report.hits.iter().filter(|hit| hit.grown > 0).count();
    let hits = match now {
        0 => "no limit is being hit at this moment".to_owned(),
        1 => "a limit is being hit at this moment".to_owned(),
        count => format!("{count} limits are being hit at this moment"),
    };
    let wrong = report.lint.mistakes.iter().filter(|mistake| mistake.state >= State::Warn).count();
    let files = match wrong {
        0 => "no configuration file is wrong".to_owned(),
        1 => "a line of a configuration file is wrong".to_owned(),
        count => format!("{count} lines of configuration files are wrong"),
    };
    format!("{fits}; {hits}; {files}.")
}

fn hit(hit: &Hit, width: usize) -> String {
    let grown = match hit.grown {
        0 => "earlier".to_owned(),
        grown => format!("now: {} in {} ms", thousands(grown), hit.within_ms),
    };
    let total = hit.total.map(|total| format!(", {} in all", thousands(total))).unwrap_or_default();
    let mut text = wrapped(&format!("  {} ({grown}{total}): {}", hit.counter, hit.meaning), "    ", width);
    let more = if hit.settings.len() > SETTINGS_SHOWN { ", …" } else { "" };
    let settings = hit.settings[..hit.settings.len().min(SETTINGS_SHOWN)].join(", ");
    text.push_str(&wrapped(&format!("    about: {settings}{more}"), "    ", width));
    text
}

fn mistake(mistake: &Mistake, width: usize) -> String {
    let line = mistake.line.map(|line| format!(":{line}")).unwrap_or_default();
    let mut text = wrapped(
        &format!("  {:<5} {}{line} ({})", mistake.state.word(), mistake.file, mistake.id.name()),
        "        ",
        width,
    );
    if !mistake.text.is_empty() {
        text.push_str(&format!("        | {}\n", shown(&mistake.text)));
    }
    text.push_str(&wrapped(&format!("        {}", mistake.says), "        ", width));
    if !mistake.mend.is_empty() {
        text.push_str(&format!("        → {}\n", shown(&mistake.mend)));
    }
    text + &wrapped(&format!("        ({})", mistake.source), "        ", width)
}

/// A value that a reboot would change.
fn after_reboot(value: &Effective) -> Option<String> {
    let AfterReboot::Changes { to } = &value.after_reboot else { return None };
    let from = value.wins.and_then(|wins| value.assignments.get(wins));
    let place = from.map(|from| format!(", by {}:{}", from.file, from.line)).unwrap_or_default();
    let now = value.live.as_deref().unwrap_or("absent");
    Some(format!("  {}: {} → {}{place}", value.key, shown(now), shown(to)))
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

    use host::{Facts, Namespace, OpenFilesLimit};
    use tuning::knowledge::Knowledge;
    use tuning::lint::{Lint, Place};
    use tuning::{IoUring, Row};

    use super::*;

    #[test]
    fn the_page_fits_wide_and_narrow_terminals() {
        let limit = OpenFilesLimit { soft: Some(1024), hard: Some(20_000) };
        // A root without files gives the longest report, because no check is fine.
        let facts = Facts::read(Path::new("/nonexistent"), limit);
        let place = Place::of(&facts, Namespace::First, true, true, vec![]);
        let lint = Lint::of(Path::new("/nonexistent"), Knowledge::embedded(), &place);
        let audit = Audit::new(facts, 10_000_000, &IoUring::Unavailable("ENOSYS".to_owned()));
        let hit = Hit {
            counter: "TcpExt.ListenOverflows".to_owned(),
            meaning: "an accept queue was full".to_owned(),
            grown: 3,
            total: Some(1_000_000),
            within_ms: 50,
            settings: vec!["net.core.somaxconn".to_owned(); 9],
        };
        let report = Report { audit, first_wall: Some("RLIMIT_NOFILE"), fits_now: Some(20_000), hits: vec![hit], lint };
        for width in [60, 80, 200] {
            let text = render(&report, width);
            for line in text.lines().filter(|line| !line.contains('→')) {
                assert!(line.chars().count() <= width.into(), "{width}: {line:?}");
            }
            let whole = |row: &Row| text.contains(&row.id);
            assert!(report.audit.rows.iter().all(whole), "a name was broken at {width}");
            assert!(text.starts_with("10,000,000 connections do not fit") && text.contains("a limit is being hit"));
            assert!(text.lines().last().is_some_and(|line| line.ends_with("bad.")));
        }
    }
}
