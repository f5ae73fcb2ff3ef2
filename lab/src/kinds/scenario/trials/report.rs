//! The report of trials: what helps, what hurts, what does nothing; a forest of effects; each workload with its counters.
//! Pure text: the same record always gives the same report.

use results::report::{Block, Document, Table, ratio};

use crate::kinds::scenario::frame::{figure, heading, tail};
use crate::kinds::scenario::remedies::record::{ArmRecord, CounterRecord, FigureRecord};
use crate::kinds::scenario::remedies::words::{gain, value};
use crate::kinds::scenario::trials::picture;
use crate::kinds::scenario::trials::record::{Part, Record, WorkloadRecord};
use crate::kinds::scenario::trials::verdict::{Verdict, sees_planted};

/// A trial with its verdict.
struct Judged<'a> {
    workload: &'a WorkloadRecord,
    part: &'a Part,
    arm: &'a ArmRecord,
    verdict: Verdict,
}

fn judged(record: &Record) -> Vec<Judged<'_>> {
    let mut all = Vec::new();
    for workload in &record.trials {
        let sees = sees_planted(workload);
        for (part, arm) in workload.parts.iter().zip(&workload.arms).filter(|(part, _)| part.setting().is_some()) {
            all.push(Judged { workload, part, arm, verdict: Verdict::of(arm.effect, sees) });
        }
    }
    all
}

/// What a record says of a value of a setting.
pub(crate) struct Told {
    pub(crate) setting: String,
    pub(crate) value: String,
    pub(crate) verdict: &'static str,
    pub(crate) effect: Option<String>,
    pub(crate) figure: String,
    pub(crate) workload: String,
    pub(crate) moved: Option<String>,
    pub(crate) is_left_out: bool,
}

/// What a record says of each value.
pub(crate) fn told(record: &Record) -> Vec<Told> {
    let told = |each: &Judged<'_>| {
        let (setting, value) = each.part.setting()?;
        let effect = each.arm.effect.filter(|_| each.verdict != Verdict::NotShown);
        Some(Told {
            setting: setting.to_owned(),
            value: value.to_owned(),
            verdict: each.verdict.words(),
            effect: effect.map(|effect| gain(each.arm, &effect)),
            figure: each.workload.figures.first().map_or(String::new(), |figure| figure.name.clone()),
            workload: each.workload.name.clone(),
            moved: moved(each.workload, each.arm),
            is_left_out: matches!(each.part, Part::LeftOut { .. }),
        })
    };
    judged(record).iter().filter_map(told).collect()
}

/// Workloads of which nothing may be said, each with the reason.
pub(super) fn broken(record: &Record) -> Vec<String> {
    let blind = record.trials.iter().filter(|workload| !sees_planted(workload));
    blind.map(|workload| format!("{} does not see the change that was planted in it", workload.name)).collect()
}

/// What to read if nothing else.
pub(super) fn answers(record: &Record) -> Vec<String> {
    let all = judged(record);
    let list = |verdict: Verdict, is_left_out: bool| -> Vec<String> {
        let fits =
            |each: &&Judged<'_>| each.verdict == verdict && matches!(each.part, Part::LeftOut { .. }) == is_left_out;
        all.iter().filter(fits).filter_map(named).collect()
    };
    let sentence =
        |title: &str, names: Vec<String>| (!names.is_empty()).then(|| format!("{title}: {}.", names.join("; ")));
    let sentences = [
        sentence("Helps", list(Verdict::Helps, false)),
        sentence("Hurts", list(Verdict::Hurts, false)),
        sentence("No effect of 10 % or more", list(Verdict::NoEffect, false)),
        sentence("Undecided", list(Verdict::Undecided, false)),
        sentence("Cannot be shown here", list(Verdict::NotShown, false)),
        sentence("Of a whole profile, worse without", list(Verdict::Hurts, true)),
        sentence("Of a whole profile, no worse without", list(Verdict::NoEffect, true)),
        sentence("Of a whole profile, better without", list(Verdict::Helps, true)),
    ];
    let broken = broken(record).into_iter().map(|words| format!("Nothing may be said where {words}."));
    broken.chain(sentences.into_iter().flatten()).collect()
}

/// `net.core.somaxconn` 128, and by how much where it matters.
fn named(each: &Judged<'_>) -> Option<String> {
    let (setting, value) = each.part.setting()?;
    let effect = each.arm.effect.filter(|_| MATTERING.contains(&each.verdict));
    Some(match effect {
        Some(effect) => format!("`{setting}` {value} ({} ×)", ratio(effect.ratio)),
        None => format!("`{setting}` {value}"),
    })
}

/// The tables of the report, for a terminal too.
pub(super) fn tables(record: &Record) -> Vec<Table> {
    let mut tables = vec![verdicts(record, &ALL, "Each value against the usual one, medians of the repeats")];
    tables.extend(record.trials.iter().filter_map(mechanism));
    tables
}

pub(super) fn document(record: &Record) -> Document {
    let mut blocks = vec![Block::Answer(answers(record))];
    let caption = "Each value against the usual one, with its simultaneous interval of 95 %, under the workload in which it \
                   should matter. Right of the line is better.";
    blocks.extend(figure(picture::forest(record), "forest", caption));
    blocks.push(heading("What matters"));
    blocks.push(Block::Table(verdicts(record, MATTERING, "Values that help or hurt, medians of the repeats")));
    let rest = verdicts(record, &OTHERS, "Values without effect, undecided, and not shown; medians of the repeats");
    blocks.push(Block::PageOnly { summary: "The other values".to_owned(), blocks: vec![Block::Table(rest)] });
    blocks.push(Block::Paragraph(design(record)));
    let workloads = record.trials.iter().map(|each| format!("{}: {}", each.name, each.what)).collect();
    blocks.push(Block::PageOnly { summary: "The workloads".to_owned(), blocks: vec![Block::List(workloads)] });
    for workload in &record.trials {
        let mut inside: Vec<Block> = mechanism(workload).map(Block::Table).into_iter().collect();
        inside.extend(others(workload).map(Block::Table));
        let commands = workload.arms.iter().flat_map(|arm| arm.commands.iter().cloned()).collect();
        inside.push(Block::Commands(commands));
        blocks.push(Block::PageOnly {
            summary: format!("{}: counters, figures, commands", workload.name),
            blocks: inside,
        });
    }
    let lists = [("Not run", record.skipped.as_slice()), ("Waits and failures", &record.incidents)];
    blocks.extend(tail(lists, &record.head, &record.notes));
    let head = &record.head;
    let title =
        head.profile.as_ref().map_or(head.experiment.clone(), |profile| format!("{}, {profile}", head.experiment));
    Document { title, question: head.question.clone(), blocks }
}

const ALL: [Verdict; 5] = [Verdict::Helps, Verdict::Hurts, Verdict::NoEffect, Verdict::Undecided, Verdict::NotShown];
/// Those that a reader wants first.
const MATTERING: &[Verdict] = &[Verdict::Helps, Verdict::Hurts];
const OTHERS: [Verdict; 3] = [Verdict::NoEffect, Verdict::Undecided, Verdict::NotShown];

/// Values with what was found of them, and the counter that moved most.
fn verdicts(record: &Record, wanted: &[Verdict], title: &str) -> Table {
    let row = |each: &Judged<'_>| {
        let (setting, value_words) = each.part.setting().unwrap_or_default();
        let usual = each.workload.arms.first();
        let figure = each.workload.figures.first();
        let effect = each.arm.effect.map_or(String::new(), |effect| gain(each.arm, &effect));
        let name = match each.part {
            Part::LeftOut { .. } => format!("without {setting}"),
            _ => setting.to_owned(),
        };
        vec![
            format!("{name} {value_words}"),
            value(usual.and_then(|arm| arm.median(0))),
            value(each.arm.median(0)),
            effect,
            each.verdict.words().to_owned(),
            figure.map_or(String::new(), |figure| figure.name.clone()),
            moved(each.workload, each.arm).unwrap_or_else(|| "none".to_owned()),
        ]
    };
    let header = ["setting and value", "usual", "with it", "times as good", "verdict", "figure", "counter that moved"];
    let rows = judged(record).iter().filter(|each| wanted.contains(&each.verdict)).map(row).collect();
    Table::new(title.to_owned(), &header, rows)
}

/// The counter that differs most from the usual arm's, if one does by half or more.
fn moved(workload: &WorkloadRecord, arm: &ArmRecord) -> Option<String> {
    let usual = workload.arms.first()?;
    let change = |index: usize| {
        let (before, after) = (usual.median_count(index)?, arm.median_count(index)?);
        // One event more or less is none.
        let factor = (after + 1.0) / (before + 1.0);
        Some((factor.ln().abs(), before, after))
    };
    let changes = workload.counters.iter().enumerate().filter_map(|(index, counter)| Some((change(index)?, counter)));
    let ((size, before, after), counter) = changes.max_by(|(one, _), (other, _)| one.0.total_cmp(&other.0))?;
    let words = |count: f64| value(Some(count));
    (size > 1.5_f64.ln()).then(|| format!("{} {} → {}", label(counter), words(before), words(after)))
}

fn label(counter: &CounterRecord) -> String {
    format!("{} {}", counter.side.word(), counter.name)
}

/// What the kernel counted, by arm.
fn mechanism(workload: &WorkloadRecord) -> Option<Table> {
    let mut header = vec!["arm".to_owned()];
    header.extend(workload.counters.iter().map(label));
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let row = |arm: &ArmRecord| {
        let counts = (0..workload.counters.len()).map(|index| value(arm.median_count(index)));
        [arm.name.clone()].into_iter().chain(counts).collect()
    };
    let rows: Vec<Vec<String>> = workload.arms.iter().map(row).collect();
    let title = format!("{}: what the kernel counted, medians of the repeats", workload.name);
    (header.len() > 1 && !rows.is_empty()).then(|| Table { ends_in_words: false, ..Table::new(title, &header, rows) })
}

/// The figures, by arm.
fn others(workload: &WorkloadRecord) -> Option<Table> {
    let title_of = |figure: &FigureRecord| match figure.unit.as_str() {
        "" => figure.name.clone(),
        unit => format!("{} ({unit})", figure.name),
    };
    let mut header = vec!["arm".to_owned()];
    header.extend(workload.figures.iter().map(title_of));
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let row = |arm: &ArmRecord| {
        let figures = (0..workload.figures.len()).map(|index| value(arm.median(index)));
        [arm.name.clone()].into_iter().chain(figures).collect()
    };
    let rows: Vec<Vec<String>> = workload.arms.iter().map(row).collect();
    let title = format!("{}: what was measured, medians of the repeats", workload.name);
    (!rows.is_empty()).then(|| Table { ends_in_words: false, ..Table::new(title, &header, rows) })
}

/// How it was measured.
fn design(record: &Record) -> String {
    let runs: usize = record.trials.iter().flat_map(|workload| &workload.arms).map(|arm| arm.runs.len()).sum();
    format!(
        "{} repeats of an arm, by workload, forwards and backwards in turn; {runs} runs. The usual values were measured twice in each repeat, \
         and the intervals of a workload hold together with 95 %. {}; seed {}.",
        repeats(record),
        record.head.words(),
        record.head.seed
    )
}

/// `4 to 8`.
fn repeats(record: &Record) -> String {
    let counts = record.trials.iter().flat_map(|workload| &workload.arms).map(|arm| arm.repeats_of(record.repeats));
    match (counts.clone().min(), counts.max()) {
        (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
        (least, _) => least.unwrap_or(record.repeats).to_string(),
    }
}
