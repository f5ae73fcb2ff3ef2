//! Renders a record as markdown for people. Pure text from the record: it measures nothing, and the
//! same record always gives the same report.

mod agreement;
mod figures;
mod findings;
mod table;

use std::fmt::Write as _;

use serde_json::Value;

use crate::record::{Cell, Record};

pub use agreement::agreement_table;
pub use figures::{ABSENT, count, measure, percent};
pub use table::{Table, memory_table, table_rows};

/// True of every comparison the project makes on one small machine, so every report says it.
const LIMITS: [&str; 3] = [
    "Server and load generator share one host over loopback: absolute throughput is not claimed. \
     CPU per request, system calls per request and bytes per connection are what to compare.",
    "Core CPU is the busy time of the server's processors, interrupts included; user and system are the \
     server process's own. It contains whatever else ran there.",
    "Percentiles come from the merged histograms of all repeats; one is given only when at least ten \
     values lie above it.",
];

/// The whole report.
pub fn markdown(record: &Record) -> String {
    let mut text = format!("# {}\n\n{}\n\n", plain(&record.experiment), plain(&record.question));
    section(&mut text, "How it was measured", &measured(record));
    section(&mut text, "What the numbers say", &findings::sentences(record));

    text.push_str("## Results\n\n");
    let tables = table_rows(record);
    if tables.is_empty() {
        text.push_str("No run was recorded.\n\n");
    }
    for table in &tables {
        table.write_markdown(&mut text);
    }
    if !tables.is_empty() {
        text.push_str(&legend());
    }
    if let Some(table) = agreement_table(record) {
        text.push_str("## Agreement\n\n");
        table.write_markdown(&mut text);
    }
    if let Some(table) = memory_table(record) {
        text.push_str("## Memory\n\n");
        table.write_markdown(&mut text);
    }
    if !record.skipped.is_empty() {
        section(&mut text, "Not run", &list(record.skipped.iter().map(String::as_str)));
    }
    let notes = record.notes.iter().map(String::as_str).chain(LIMITS);
    section(&mut text, "Notes and limits", &list(notes));
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn section(text: &mut String, title: &str, body: &str) {
    writeln!(text, "## {title}\n\n{}\n", body.trim_end()).expect("writing to a String does not fail");
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    items.map(|item| format!("- {}\n", plain(item))).collect()
}

fn measured(record: &Record) -> String {
    let fact = |pointer: &str| match record.host.pointer(pointer) {
        Some(Value::String(text)) => plain(text),
        Some(Value::Number(number)) => number.to_string(),
        _ => "unknown".to_owned(),
    };
    let repeats = if record.repeats == 1 { "one repeat".to_owned() } else { format!("{} repeats", record.repeats) };
    format!(
        "`{}` (c10m {}, commit {}), started {}, {:.0} s in all. Host: Linux {}, {}, {} processors, \
         congestion control {}. Each run measured {} s; {repeats}, {}, the server restarted for each run; \
         seed {}. Server and load generator were co-located on this host.",
        record.command.join(" ").replace('`', "'"),
        plain(&record.version),
        plain(&record.commit),
        plain(&record.started_at),
        record.duration_s,
        fact("/kernel/release"),
        fact("/cpu/model"),
        fact("/cpu/online_count"),
        fact("/tcp/congestion_control"),
        record.seconds_per_run,
        order(record),
        record.seed,
    )
}

/// How the runs of different arms followed one another, read from the runs rather than promised.
fn order(record: &Record) -> &'static str {
    let span = |cell: &Cell| {
        let orders = cell.runs.iter().map(|run| run.order);
        (orders.clone().min(), orders.max())
    };
    let loads = table::loads(record);
    let one_after_another = loads.iter().any(|cells| {
        let spans: Vec<_> = cells.iter().map(|cell| span(cell)).collect();
        spans.iter().enumerate().any(|(index, a)| spans[index + 1..].iter().any(|b| a.1 < b.0 || b.1 < a.0))
    });
    if loads.iter().all(|cells| cells.len() < 2) {
        "no arms to interleave"
    } else if record.repeats > 1 && !one_after_another {
        "arms interleaved"
    } else {
        "arms one after another, so drift of the machine is part of every difference"
    }
}

fn legend() -> String {
    "Medians of the repeats. rps: completed requests a second; p50, p99, p99.9: response time from the \
     intended send time; user, system, core: server CPU per request; calls: system calls of the server per \
     request; spread: (max − min) / median of core; client: CPU of \
     the load generator per request.\n\n"
        .to_owned()
}

/// Text of one line that cannot break a table or start HTML.
pub fn plain(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line.replace('|', "\\|").replace('<', "\\<")
}
