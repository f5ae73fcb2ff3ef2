//! Renders a record for people, as markdown, as one HTML file and as charts. Pure text from the record: it measures
//! nothing, and the same record always gives the same report.

mod agreement;
mod answer;
mod champions;
mod checklist;
mod document;
mod host;
mod html;
mod load;
mod markdown;
mod pictures;
mod readme;
mod runs_list;
mod table;
mod verdicts;

use crate::record::{Cell, Point, Record};
use crate::run::Curve;
use crate::visible::visible;

pub use crate::figures::{ABSENT, count, measure, percent, ratio};
pub use agreement::agreement_table;
pub use champions::champions_table;
pub use document::{Block, Document, Figure};
pub use host::{fact, host_table};
pub use html::html;
pub(crate) use load::title as title_of_load;
pub use markdown::{markdown as markdown_of, plain};
pub use readme::{find_readme_block, overview_table, readme_block};
pub use runs_list::{FIRST_LINE as FIRST_LINE_OF_LIST, ListedRun, runs_list};
pub use table::{
    Table, connection_memory_table, latency_table, memory_table, operations_table, ratio_tables, spread_table,
    table_rows,
};
pub(crate) use verdicts::stands;
pub use verdicts::{Contest, Entry, contests};

/// These hold for every comparison that the project makes on one small machine, so every report states them.
const LIMITS: [&str; 4] = [
    "Server and load generator share one host over loopback (co-located): absolute throughput is not claimed. \
     CPU per request, system calls per request and bytes per connection are what to compare.",
    "Core CPU is the busy time of the server's processors, interrupts included; user and system are the \
     server process's own. It contains whatever else ran there.",
    "Percentiles come from the merged histograms of all repeats; one is given only when at least ten \
     values lie above it.",
    "Loopback has no network card, no interrupts of one, no loss. Nothing here says anything about those.",
];

/// A table with more rows is folded.
const ROWS_IN_SIGHT_MAX: usize = 16;
/// If there are more loads, their tables are folded.
const TABLES_IN_SIGHT_MAX: usize = 3;

/// All rendered files of a run as name and text: `report.md`, `report.html` and the charts that both show. `curves`
/// and `points` belong to cells by key. Without them there are no latency charts.
pub fn render(record: &Record, curves: &[Curve], points: &[Point]) -> Vec<(String, String)> {
    files(&document(record, curves, points))
}

/// All rendered files of any document.
pub fn files(document: &Document) -> Vec<(String, String)> {
    let mut files = vec![("report.md".to_owned(), markdown_of(document)), ("report.html".to_owned(), html(document))];
    files.extend(document.figures());
    files.into_iter().map(|(name, text)| (name, visible(&text).into_owned())).collect()
}

/// `report.md` for a directory without charts.
pub fn markdown(record: &Record) -> String {
    let mut document = document(record, &[], &[]);
    document.blocks = without_figures(document.blocks);
    visible(&markdown_of(&document)).into_owned()
}

fn without_figures(blocks: Vec<Block>) -> Vec<Block> {
    let kept = blocks.into_iter().filter(|block| !matches!(block, Block::Figure(_)));
    let inner = |block| match block {
        Block::Details { summary, blocks } => Block::Details { summary, blocks: without_figures(blocks) },
        other => other,
    };
    kept.map(inner).collect()
}

/// The answer in one line, for a list of runs.
pub fn answer_in_a_line(record: &Record) -> String {
    answer::in_a_line(record, &contests(record))
}

/// The report before it has a format.
pub fn document(record: &Record, curves: &[Curve], points: &[Point]) -> Document {
    let contests = contests(record);
    let mut blocks = vec![Block::Answer(answer::answer(record, &contests)), Block::Paragraph(measured(record))];
    verdict_blocks(record, &contests, &mut blocks);
    result_blocks(record, &mut blocks);
    latency_blocks(record, curves, points, &contests, &mut blocks);
    let costs = pictures::costs(record);
    if !costs.is_empty() {
        blocks.push(Block::Heading("Cost against connections".to_owned()));
        blocks.extend(costs.into_iter().map(Block::Figure));
    }
    if let Some(table) = agreement_table(record) {
        blocks.extend([Block::Heading("Agreement".to_owned()), Block::Table(table)]);
    }
    let memory: Vec<Table> = memory_table(record).into_iter().chain(connection_memory_table(record)).collect();
    if !memory.is_empty() {
        blocks.push(Block::Heading("Memory".to_owned()));
        blocks.extend(memory.into_iter().map(in_sight_or_folded));
    }
    blocks.push(Block::Heading("Six questions to every benchmark".to_owned()));
    blocks.push(Block::List(checklist::answers(record, &contests)));
    host_blocks(record, &mut blocks);
    repeat_blocks(record, &mut blocks);
    note_blocks(record, &mut blocks);
    Document { title: record.experiment.clone(), question: record.question.clone(), blocks }
}

fn verdict_blocks(record: &Record, contests: &[Contest<'_>], blocks: &mut Vec<Block>) {
    if contests.is_empty() {
        return;
    }
    blocks.push(Block::Heading("Verdicts".to_owned()));
    if let Some(table) = readme::overview(record, contests) {
        blocks.extend([Block::Table(table), Block::Paragraph(readme::LEGEND.to_owned())]);
    }
    if let Some(table) = champions_table(record) {
        blocks.extend([Block::Table(table), Block::Paragraph(champions::LEGEND.to_owned())]);
    }
    blocks.extend(pictures::forest(record, contests).map(Block::Figure));
    let sentences = Block::List(answer::sentences(record, contests));
    if contests.len() <= answer::LOADS_IN_SIGHT_MAX {
        blocks.push(sentences);
    } else {
        blocks.push(Block::Details { summary: "Every load in a sentence".to_owned(), blocks: vec![sentences] });
    }
    let ratios: Vec<Block> = ratio_tables(record).into_iter().map(Block::Table).collect();
    if !ratios.is_empty() {
        blocks.push(fold("Every ratio with its interval and its verdict", ratios));
        blocks.push(Block::List(answer::reckoning(record, contests)));
    }
}

fn fold(summary: &str, tables: Vec<Block>) -> Block {
    Block::Details { summary: summary.to_owned(), blocks: tables }
}

/// A table. If it is long, it is folded under its title.
fn in_sight_or_folded(table: Table) -> Block {
    match table.rows.len() > ROWS_IN_SIGHT_MAX {
        true => fold(&table.title.clone(), vec![Block::Table(Table { title: String::new(), ..table })]),
        false => Block::Table(table),
    }
}

fn result_blocks(record: &Record, blocks: &mut Vec<Block>) {
    blocks.push(Block::Heading("Results".to_owned()));
    let tables: Vec<Block> = table_rows(record).into_iter().map(Block::Table).collect();
    if tables.is_empty() {
        blocks.push(Block::Paragraph("No run was recorded.".to_owned()));
        return;
    }
    blocks.extend(pictures::cpu(record).map(Block::Figure));
    if tables.len() > TABLES_IN_SIGHT_MAX {
        blocks.push(fold(&format!("The figures of all {} loads", tables.len()), tables));
    } else {
        blocks.extend(tables);
    }
    blocks.push(Block::Paragraph(
        "Medians of the repeats, INVALID runs included. rps: completed requests a second, co-located and not claimed; p50, p99, \
         p99.9: response time from the intended send time; user, system, core: server CPU per request; calls: system calls of \
         the server per request; spread: (max − min) / median of core; client: CPU of the load generator per request."
            .to_owned(),
    ));
    blocks.extend(operations_table(record).map(in_sight_or_folded));
    blocks.extend(spread_table(record).map(Block::Table));
}

fn latency_blocks(
    record: &Record,
    curves: &[Curve],
    points: &[Point],
    contests: &[Contest<'_>],
    blocks: &mut Vec<Block>,
) {
    let table = latency_table(record);
    let percentiles = pictures::percentiles(record, curves, contests);
    let timelines = pictures::timelines(record, points);
    if table.is_none() && percentiles.is_empty() && timelines.is_empty() {
        return;
    }
    blocks.push(Block::Heading("Latency".to_owned()));
    blocks.extend(percentiles.into_iter().map(Block::Figure));
    blocks.extend(table.map(in_sight_or_folded));
    if !timelines.is_empty() {
        blocks.push(Block::Heading("Latency over time".to_owned()));
        blocks.extend(timelines.into_iter().map(Block::Figure));
    }
}

fn host_blocks(record: &Record, blocks: &mut Vec<Block>) {
    blocks.push(Block::Heading("Host".to_owned()));
    blocks.push(Block::Table(host_table(&record.host)));
}

fn repeat_blocks(record: &Record, blocks: &mut Vec<Block>) {
    blocks.push(Block::Heading("How to repeat it".to_owned()));
    let commit = record.commit.trim_end_matches("-dirty");
    let mut lines = Vec::new();
    if commit != "unknown" {
        lines.push(format!("git checkout {commit}"));
    }
    lines.push("cargo build --release".to_owned());
    let mut command = record.command.clone();
    if let Some(program) = command.first_mut() {
        *program = "target/release/c10m".to_owned();
    }
    if !command.iter().any(|argument| argument == "--seed" || argument.starts_with("--seed=")) {
        command.extend(["--seed".to_owned(), record.seed.to_string()]);
    }
    lines.push(command.join(" "));
    blocks.push(Block::Commands(lines));
    if record.commit.ends_with("-dirty") {
        blocks.push(Block::Paragraph("The tree had changes beside that commit, which are not recorded.".to_owned()));
    }
}

fn note_blocks(record: &Record, blocks: &mut Vec<Block>) {
    if !record.skipped.is_empty() {
        blocks.push(Block::Heading("Not run".to_owned()));
        blocks.push(Block::List(record.skipped.clone()));
    }
    if !record.waits.is_empty() || record.resumed > 0 {
        blocks.push(Block::Heading("Waits".to_owned()));
        let resumed = (record.resumed > 0)
            .then(|| format!("The experiment was interrupted and taken up again, {} times in all.", record.resumed));
        blocks.push(Block::List(record.waits.iter().cloned().chain(resumed).collect()));
    }
    blocks.push(Block::Heading("Notes and limits".to_owned()));
    blocks.push(Block::List(record.notes.iter().cloned().chain(LIMITS.map(str::to_owned)).collect()));
}

fn measured(record: &Record) -> String {
    let fact = |pointer: &str| fact(&record.host, pointer);
    let repeats = if record.repeats == 1 { "one repeat".to_owned() } else { format!("{} repeats", record.repeats) };
    format!(
        "`{}` (c10m {}, commit {}), started {}, {:.0} s in all. Host: Linux {}, {}, {} processors, \
         congestion control {}. Each run measured {} s; {repeats}, {}, the server restarted for each run; \
         seed {}. Server and load generator were co-located on this host.",
        record.command.join(" ").replace('`', "'"),
        record.version,
        record.commit,
        record.started_at,
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

/// How the runs of different arms followed one another, according to the runs themselves.
fn order(record: &Record) -> &'static str {
    let span = |cell: &Cell| {
        let orders = cell.runs.iter().map(|run| run.order);
        (orders.clone().min(), orders.max())
    };
    let loads = load::loads(record);
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
