//! The tables of a report about remedies.

use results::report::Table;

use crate::kinds::scenario::remedies::record::{ArmRecord, CounterRecord, FigureRecord, Record};
use crate::kinds::scenario::remedies::table::Remedies;
use crate::kinds::scenario::remedies::words::{finding, interval, value};

/// The remedies, the best first.
pub(super) fn remedies(scenario: &Remedies, record: &Record) -> Table {
    let named = |figure: &FigureRecord| match figure.unit.as_str() {
        "" => figure.name.clone(),
        unit => format!("{} ({unit})", figure.name),
    };
    let names: Vec<String> = record.figures.iter().map(named).collect();
    let mut header = vec!["arm"];
    header.extend(names.iter().map(String::as_str));
    header.extend(["times as good", "finding"]);
    let mut arms: Vec<&ArmRecord> = record.remedies.iter().collect();
    let rank = |arm: &ArmRecord| arm.effect.map_or(f64::INFINITY, |effect| effect.ratio);
    // Those that do nothing have no effect and stay first.
    arms.sort_by(|one, other| rank(other).total_cmp(&rank(one)));
    let row = |arm: &&ArmRecord| {
        let figures = record.figures.iter().enumerate().map(|(index, figure)| {
            let (median, mut owns) = (arm.median(index), scenario.figures.iter().filter(|own| own.is_generators_time));
            let is_doubtful = median.is_some() && arm.is_invalid() && owns.any(|own| own.name == figure.name);
            if is_doubtful { format!("({})", value(median)) } else { value(median) }
        });
        let [gain, found] = arm
            .effect
            .map_or([String::new(), String::new()], |effect| [interval(&effect), finding(&effect).to_owned()]);
        [arm.name.clone()].into_iter().chain(figures).chain([gain, found]).collect()
    };
    Table::new(
        "The remedies, medians of the repeats; in parentheses: times of runs that the load generator calls INVALID"
            .to_owned(),
        &header,
        arms.iter().map(row).collect(),
    )
}

/// What the kernel counted on either host. `None` when nothing was counted.
pub(super) fn mechanism(record: &Record) -> Option<Table> {
    let shown = |arm: &&ArmRecord| !arm.runs.is_empty();
    // The twin counts the same.
    let arms: Vec<&ArmRecord> =
        record.remedies.iter().enumerate().filter(|(index, _)| *index != 1).map(|(_, arm)| arm).filter(shown).collect();
    let mut header: Vec<&str> = vec!["counter"];
    header.extend(arms.iter().map(|arm| arm.name.as_str()));
    header.push("one more means");
    let row = |(index, counter): (usize, &CounterRecord)| {
        let counts = arms.iter().map(|arm| value(arm.median_count(index)));
        let meaning = host::kernel::meaning(&counter.name).unwrap_or_default().to_owned();
        [format!("{} {}", counter.side.word(), counter.name)].into_iter().chain(counts).chain([meaning]).collect()
    };
    let rows: Vec<Vec<String>> = record.counters.iter().enumerate().map(row).collect();
    (!rows.is_empty() && !arms.is_empty())
        .then(|| Table::new("What the kernel counted on either host, medians of the repeats".to_owned(), &header, rows))
}
