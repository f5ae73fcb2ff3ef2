//! The tables of a report about remedies.

use std::ops::Range;

use results::report::{Table, count};

use crate::kinds::scenario::remedies::foretold::{Case, Diagram, Foretold};
use crate::kinds::scenario::remedies::record::{ArmRecord, CounterRecord, FigureRecord, Record};
use crate::kinds::scenario::remedies::table::{Aside, Remedies};
use crate::kinds::scenario::remedies::words::{finding, gain, value};

/// The remedies by what decides, the best first.
pub(super) fn remedies(scenario: &Remedies, record: &Record) -> Table {
    let decides = record.figures.first().map_or(String::new(), title);
    let row = |arm: &&ArmRecord| {
        let [gain, found] = arm
            .effect
            .map_or([String::new(), String::new()], |effect| [gain(arm, &effect), finding(&effect).to_owned()]);
        vec![arm.name.clone(), shown(scenario, record, arm, 0), gain, found]
    };
    let header = ["arm", &decides, "times as good", "finding"];
    let rows = ranked(record).iter().map(row).collect();
    Table::new("The remedies by what decides, medians of the repeats".to_owned(), &header, rows)
}

/// Some of the other figures, in the same order. Leaves out those that none of the arms has; `None` when there are no others.
pub(super) fn others(scenario: &Remedies, record: &Record, indices: Range<usize>) -> Option<Table> {
    let arms = ranked(record);
    let has = |index: &usize| arms.iter().any(|arm| arm.median(*index).is_some());
    let indices: Vec<usize> = indices.filter(has).collect();
    let names: Vec<String> = indices.iter().filter_map(|index| record.figures.get(*index)).map(title).collect();
    let header: Vec<&str> = ["arm"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let row = |arm: &&ArmRecord| {
        let figures = indices.iter().map(|index| shown(scenario, record, arm, *index));
        [arm.name.clone()].into_iter().chain(figures).collect()
    };
    let rows = arms.iter().map(row).collect();
    let title = "What else was measured, medians; in parentheses: times of runs that the load generator calls INVALID";
    (!names.is_empty()).then(|| Table { ends_in_words: false, ..Table::new(title.to_owned(), &header, rows) })
}

/// Those that do nothing have no effect and stay first, then the best.
fn ranked(record: &Record) -> Vec<&ArmRecord> {
    let mut arms: Vec<&ArmRecord> = record.remedies.iter().filter(|arm| arm.group.is_none()).collect();
    let rank = |arm: &ArmRecord| arm.effect.map_or(f64::INFINITY, |effect| effect.ratio);
    arms.sort_by(|one, other| rank(other).total_cmp(&rank(one)));
    arms
}

fn title(figure: &FigureRecord) -> String {
    match figure.unit.as_str() {
        "" => figure.name.clone(),
        unit => format!("{} ({unit})", figure.name),
    }
}

/// The median of a figure; in parentheses where it is a time of runs that the load generator calls INVALID.
fn shown(scenario: &Remedies, record: &Record, arm: &ArmRecord, index: usize) -> String {
    let median = arm.median(index);
    let name = record.figures.get(index).map(|figure| figure.name.as_str());
    let is_time = scenario.figures.iter().any(|own| own.is_generators_time && Some(own.name) == name);
    if median.is_some() && is_time && arm.is_invalid() { format!("({})", value(median)) } else { value(median) }
}

/// What the kernel counted on either host. `None` when nothing was counted.
pub(super) fn mechanism(record: &Record) -> Option<Table> {
    let shown = |arm: &&ArmRecord| !arm.runs.is_empty();
    // The twin counts the same.
    let arms: Vec<&ArmRecord> = record.remedies.first().into_iter().chain(record.remedies()).filter(shown).collect();
    counted(record, &arms, "What the kernel counted on either host, medians of the repeats")
}

/// The same of the arms of a group.
pub(super) fn mechanism_of(record: &Record, group: &str) -> Option<Table> {
    let arms: Vec<&ArmRecord> = record.remedies.iter().filter(|arm| arm.group.as_deref() == Some(group)).collect();
    counted(record, &arms, &format!("What the kernel counted, {group}"))
}

fn counted(record: &Record, arms: &[&ArmRecord], title: &str) -> Option<Table> {
    let mut header: Vec<&str> = vec!["counter"];
    header.extend(arms.iter().map(|arm| arm.name.as_str()));
    header.push("one more means");
    let row = |(index, counter): (usize, &CounterRecord)| {
        let counts = arms.iter().map(|arm| value(arm.median_count(index)));
        let meaning = host::kernel::meaning(&counter.name).unwrap_or_default().to_owned();
        [format!("{} {}", counter.side.word(), counter.name)].into_iter().chain(counts).chain([meaning]).collect()
    };
    let rows: Vec<Vec<String>> = record.counters.iter().enumerate().map(row).collect();
    (!rows.is_empty() && !arms.is_empty()).then(|| Table::new(title.to_owned(), &header, rows))
}

/// Every figure of the arms of a group, in their order. Leaves out figures that none of them has.
pub(super) fn of_group(scenario: &Remedies, record: &Record, group: &str) -> Table {
    let arms: Vec<&ArmRecord> = record.remedies.iter().filter(|arm| arm.group.as_deref() == Some(group)).collect();
    let has = |index: &usize| arms.iter().any(|arm| arm.median(*index).is_some());
    let indices: Vec<usize> = (0..record.figures.len()).filter(has).collect();
    let names: Vec<String> = indices.iter().map(|index| title(&record.figures[*index])).collect();
    let header: Vec<&str> = ["arm"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let row = |arm: &&ArmRecord| {
        let figures = indices.iter().map(|index| shown(scenario, record, arm, *index));
        [arm.name.clone()].into_iter().chain(figures).collect()
    };
    let rows = arms.iter().map(row).collect();
    let repeats = match arms.first().filter(|arm| arm.repeats_max.is_some()) {
        Some(arm) => format!("{} repeats", arm.repeats_of(record.repeats)),
        None => "the repeats".to_owned(),
    };
    Table { ends_in_words: false, ..Table::new(format!("{group}, medians of {repeats}"), &header, rows) }
}

pub(super) fn aside(aside: Aside) -> Table {
    let header: Vec<&str> = aside.header.iter().map(String::as_str).collect();
    Table::new(aside.title, &header, aside.rows)
}

/// A table of what a model foretells.
pub(super) fn diagram(diagram: &Diagram) -> Table {
    let header: Vec<&str> = [""].into_iter().chain(diagram.columns.iter().map(String::as_str)).collect();
    let row = |(name, cells): &(String, Vec<String>)| [name].into_iter().chain(cells).cloned().collect();
    let rows = diagram.rows.iter().map(row).collect();
    Table { ends_in_words: false, ..Table::new(diagram.title.clone(), &header, rows) }
}

/// What a model foretold beside what was measured, where both are known, and how far it is off.
pub(super) fn foretold(foretold: &Foretold) -> Option<Table> {
    let mut header = vec!["arm".to_owned(), "clients".to_owned()];
    for figure in &foretold.figures {
        header.extend([format!("{figure}, foretold"), "measured".to_owned(), "off".to_owned()]);
    }
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let row = |case: &Case| {
        let cells = case.foretold.iter().zip(&case.measured).zip(case.errors());
        let cells = cells.flat_map(|((foretold, measured), error)| {
            let off = error.map_or(String::new(), |error| format!("{:+.0} %", 100.0 * error));
            [value(*foretold), value(*measured), off]
        });
        [case.arm.clone(), count(case.clients as f64)].into_iter().chain(cells).collect::<Vec<String>>()
    };
    let is_measured = |case: &&Case| case.measured.iter().any(Option::is_some);
    let rows: Vec<Vec<String>> = foretold.cases.iter().filter(is_measured).map(row).collect();
    let title = "The model beside what was measured".to_owned();
    (!rows.is_empty()).then(|| Table { ends_in_words: false, ..Table::new(title, &header, rows) })
}
