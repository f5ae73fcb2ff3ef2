//! Renders the record: tables, findings in words, and the notes that a reader needs with them. Pure text: the same
//! record always gives the same report. The `results` crate owns the forms of a report.

use results::report::{Block, Document, Figure, Table, count, measure, percent};

use crate::kinds::scenario::claims::judge::{Judgement, RIGHT_WITHIN, TELLING, judge, judge_figure, quotient, ratios};
use crate::kinds::scenario::claims::record::{ArmRecord, Figures, Record};
use crate::kinds::scenario::frame::{code, heading, tail};

/// Shown where a tool prints nothing.
const NOT_REPORTED: &str = "not reported";
/// The tables of the report, for a terminal too.
pub(crate) fn tables(record: &Record) -> Vec<Table> {
    vec![reported_table(record), ratio_table(record)]
}

/// The whole report, with the drawing of [`super::picture`].
pub(crate) fn document(record: &Record, svg: String) -> Document {
    let p99 = record.truth.p99_ms.map_or(NOT_REPORTED.to_owned(), measure);
    let chart = Figure {
        name: format!("{}.svg", record.head.experiment),
        alt: format!(
            "Response time at each percentile; the truth rises to {p99} ms at p99, the tables have the figures"
        ),
        caption: "Marks where a tool prints single figures, lines where it has all of them. Drawn by `c10m report`."
            .to_owned(),
        svg,
    };
    let mut blocks = vec![
        Block::Answer(findings(record)),
        Block::Figure(chart),
        heading("How it was measured"),
        Block::Paragraph(measured(record)),
        heading("Results"),
    ];
    blocks.extend(tables(record).into_iter().map(Block::Table));
    blocks.push(Block::Paragraph(
        "Medians of the runs, in parentheses the range of the runs. Reported / true: 1 is right. The judgement is on \
         these four figures and holds for every run."
            .to_owned(),
    ));
    let claims = record.arms.iter().map(|arm| format!("{}: {}.", arm.name, arm.claim)).collect();
    blocks.extend([heading("What each of them claims to measure"), Block::List(claims)]);
    let commands = vec![Block::List(commands(record))];
    blocks.push(Block::PageOnly { summary: "The commands of each generator".to_owned(), blocks: commands });
    let lists = [("Not run", record.skipped.as_slice()), ("Runs without a result", &record.failures)];
    blocks.extend(tail(lists, &record.head, &record.notes));
    Document { title: record.head.experiment.clone(), question: record.head.question.clone(), blocks }
}

fn measured(record: &Record) -> String {
    let repeats = if record.repeats == 1 { "one repeat".to_owned() } else { format!("{} repeats", record.repeats) };
    format!(
        "{}. Each run: {} s, {} connections, {} requests/s where a rate can be held; {repeats}, arms interleaved, a new \
         server for each run; seed {}. The server does nothing for {} ms in every {} ms: {} stalls took place, {} to {} ms \
         long. Server and load generators were co-located on this host.",
        record.head.words(),
        record.seconds_per_run,
        record.connections,
        count(f64::from(record.rate)),
        record.head.seed,
        record.stalls.planned_ms,
        record.stalls.every_ms,
        record.stalls.count,
        measure(record.stalls.min_ms),
        measure(record.stalls.max_ms),
    )
}

fn commands(record: &Record) -> Vec<String> {
    let ran = record.arms.iter().filter(|arm| !arm.command.is_empty());
    ran.map(|arm| format!("{}: {}", arm.tool_version, code(&arm.command))).collect()
}

fn reported_table(record: &Record) -> Table {
    const HEADER: [&str; 10] =
        ["generator", "p50 ms", "p90 ms", "p95 ms", "p99 ms", "p99.9 ms", "max ms", "mean ms", "requests", "loop"];
    let row = |name: &str, figures: &Figures, requests: Option<f64>, load_loop: &str| {
        let Figures { p50_ms, p90_ms, p95_ms, p99_ms, p99_9_ms, max_ms, mean_ms } = *figures;
        let mut fields = vec![name.to_owned()];
        let times = [p50_ms, p90_ms, p95_ms, p99_ms, p99_9_ms, max_ms, mean_ms];
        fields.extend(times.map(|time| time.map_or(NOT_REPORTED.to_owned(), measure)));
        fields.push(requests.map_or("any".to_owned(), count));
        fields.push(load_loop.to_owned());
        fields
    };
    let mut rows = vec![row("the truth", &record.truth, None, "none")];
    rows.extend(ran(record).map(|arm| row(&arm.name, &arm.reported, arm.requests, &arm.load_loop)));
    Table::new("What they report".to_owned(), &HEADER, rows)
}

fn ratio_table(record: &Record) -> Table {
    let row = |arm: &ArmRecord| {
        let mut fields = vec![arm.name.clone()];
        for figure in &TELLING {
            let ratios = ratios(record, arm, figure);
            let (low, high) = (ratios.iter().copied().reduce(f64::min), ratios.iter().copied().reduce(f64::max));
            fields.push(match (quotient((figure.of)(&arm.reported), (figure.of)(&record.truth)), low, high) {
                (Some(ratio), Some(low), Some(high)) if ratios.len() > 1 => {
                    format!("{} ({} to {})", measure(ratio), measure(low), measure(high))
                }
                (Some(ratio), ..) => measure(ratio),
                _ => NOT_REPORTED.to_owned(),
            });
        }
        fields.push(words(judge(record, arm)).to_owned());
        fields
    };
    let figures = TELLING.map(|figure| figure.name);
    let header: Vec<&str> = ["generator"].into_iter().chain(figures).chain(["judgement"]).collect();
    Table::new("Reported / true".to_owned(), &header, ran(record).map(row).collect())
}

/// The arms that have a result.
fn ran(record: &Record) -> impl Iterator<Item = &ArmRecord> {
    record.arms.iter().filter(|arm| !arm.runs.is_empty())
}

fn words(judgement: Option<Judgement>) -> &'static str {
    match judgement {
        Some(Judgement::Right) => "right",
        Some(Judgement::Below) => "too low",
        Some(Judgement::Above) => "too high",
        Some(Judgement::Unsteady) => "unsteady",
        None => NOT_REPORTED,
    }
}

fn findings(record: &Record) -> Vec<String> {
    let truth = &record.truth;
    let ms = |time: Option<f64>| time.map_or(NOT_REPORTED.to_owned(), |ms| format!("{} ms", measure(ms)));
    let share = record.stalls.mean_ms / record.stalls.every_ms;
    let mut items = vec![format!(
        "{} of all requests are due while the server stalls, and each of them waits for the end: the true p95 is {}, \
         p99 {}, p99.9 {}, the mean {}; p50 is {}.",
        percent(share),
        ms(truth.p95_ms),
        ms(truth.p99_ms),
        ms(truth.p99_9_ms),
        ms(truth.mean_ms),
        ms(truth.p50_ms)
    )];
    items.extend(judged(record, |arm| format!("{}{}", arm.name, wrong_figures(record, arm))));
    items.extend(met_a_stall(record));
    items
}

/// In one line, which generators are right and which are not.
pub(super) fn answer(record: &Record) -> String {
    judged(record, |arm| arm.name.clone()).join(" ")
}

/// A sentence for each judgement, which lists its arms as `described` words them.
fn judged(record: &Record, described: impl Fn(&ArmRecord) -> String) -> Vec<String> {
    let titles = [
        (Some(Judgement::Right), format!("Every figure within {} of the truth in every run", percent(RIGHT_WITHIN))),
        (Some(Judgement::Below), "Too low".to_owned()),
        (Some(Judgement::Above), "Too high".to_owned()),
        (Some(Judgement::Unsteady), "Sometimes right and sometimes not, or too low here and too high there".to_owned()),
        (None, "No figure to judge".to_owned()),
    ];
    let sentence = |(judgement, title): (Option<Judgement>, String)| {
        let arms: Vec<String> = ran(record).filter(|arm| judge(record, arm) == judgement).map(&described).collect();
        (!arms.is_empty()).then(|| format!("{title}: {}.", arms.join("; ")))
    };
    titles.into_iter().filter_map(sentence).collect()
}

/// ` (p95 0.700 ms, 1 % of the truth; mean …)`: each figure that is not right. Empty when all are right.
fn wrong_figures(record: &Record, arm: &ArmRecord) -> String {
    let wrong = TELLING.iter().filter_map(|figure| {
        let judgement =
            judge_figure(&ratios(record, arm, figure)).filter(|judgement| *judgement != Judgement::Right)?;
        let found = (figure.of)(&arm.reported)?;
        let ratio = quotient(Some(found), (figure.of)(&record.truth))?;
        let steady = if judgement == Judgement::Unsteady { ", not in every run" } else { "" };
        Some(format!("{} {} ms, {}{steady}", figure.name, measure(found), share_or_times(ratio)))
    });
    let wrong: Vec<String> = wrong.collect();
    if wrong.is_empty() { String::new() } else { format!(" ({})", wrong.join("; ")) }
}

/// `3 % of the truth`, or `2.40 times the truth` from a factor of two on.
fn share_or_times(ratio: f64) -> String {
    if ratio < 1.995 {
        format!("{} of the truth", percent(ratio))
    } else {
        format!("{} times the truth", measure(ratio))
    }
}

/// Why a closed loop sees little: how many of its requests can have met a stall.
fn met_a_stall(record: &Record) -> Option<String> {
    let arms: Vec<String> = record
        .arms
        .iter()
        .filter(|arm| arm.is_closed)
        .filter_map(|arm| {
            let stalls: usize = arm.runs.iter().map(|run| run.stalls_ms.len()).sum();
            let requests: u64 = arm.runs.iter().map(|run| run.reported.requests).sum();
            let met = stalls as f64 * f64::from(record.connections);
            (requests > 0).then(|| format!("{} {} %", arm.name, measure((met / requests as f64).min(1.0) * 100.0)))
        })
        .collect();
    let share = record.stalls.mean_ms / record.stalls.every_ms;
    (!arms.is_empty()).then(|| {
        format!(
            "A connection that waits for a reply sends nothing, so a stall meets at most {} requests of a closed loop, \
             one of each connection, instead of {} of all. Share of the requests that can have met one: {}.",
            record.connections,
            percent(share),
            arms.join(", ")
        )
    })
}

#[cfg(test)]
mod tests;
