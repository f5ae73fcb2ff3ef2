//! Limits in units, system.conf and user.conf.

use super::found::Found;
use crate::lint::subject::Subject;
use crate::lint::units::{RESOURCES, UnitLine, is_in_place, sections};
use crate::lint::value::Effective;

/// Descriptors that select(2) can name, FD_SETSIZE.
const SELECT_MAX: u64 = 1024;

pub(super) fn wrong_section(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |unit: &UnitLine| {
        let sections = sections(&unit.line.key)?;
        if is_in_place(unit) {
            return None;
        }
        let here = match unit.line.section.as_str() {
            "" => "before the first section".to_owned(),
            section => format!("in [{section}]"),
        };
        let right = sections.join("], [");
        let says = format!("systemd ignores {} {here}.", unit.line.key);
        Some(Found::bad(&unit.line.at, says).mend(format!("move the line to [{right}]")))
    };
    subject.units.lines().into_iter().filter_map(found).collect()
}

pub(super) fn misspelt(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |unit: &UnitLine| {
        let key = &unit.line.key;
        if sections(key).is_some() {
            return None;
        }
        let limits = RESOURCES.iter().flat_map(|name| [format!("Limit{name}"), format!("DefaultLimit{name}")]);
        let known = limits.chain(["TasksMax".to_owned(), "DefaultTasksMax".to_owned()]);
        let change = |name: &String| strsim::osa_distance(&key.to_lowercase(), &name.to_lowercase());
        let nearest = known.min_by_key(change).filter(|name| change(name) <= 2)?;
        let says = format!("systemd knows no setting {key} and ignores the line. Upper and lower case count.");
        Some(Found::bad(&unit.line.at, says).mend(format!("write {nearest}={}", unit.line.value)))
    };
    subject.units.lines().into_iter().filter_map(found).collect()
}

/// Lines that systemd looks at, about open files and processes, whose numbers have no unit.
fn counts<'a>(subject: &Subject<'a>) -> Vec<&'a UnitLine> {
    let is_count = |unit: &&UnitLine| {
        is_in_place(unit)
            && ["LimitNOFILE", "LimitNPROC"].iter().any(|name| unit.line.key.trim_start_matches("Default") == *name)
    };
    subject.units.lines().into_iter().filter(is_count).collect()
}

fn is_tasks_max(key: &str) -> bool {
    matches!(key, "TasksMax" | "DefaultTasksMax")
}

pub(super) fn limit_syntax(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let is_number = |text: &str| text == "infinity" || text.parse::<u64>().is_ok() || is_hexadecimal(text);
    let limits = counts(subject).into_iter().filter(|unit| {
        let value = &unit.line.value;
        // An empty value goes back to the default. A specifier is replaced before.
        !value.is_empty() && !value.contains('%') && !value.split(':').all(|part| is_number(part.trim()))
    });
    let tasks = subject.units.lines().into_iter().filter(|unit| is_tasks_max(&unit.line.key) && is_in_place(unit));
    let tasks = tasks.filter(|unit| {
        let value = unit.line.value.as_str();
        let digits = value.trim_end_matches(['%', '‰', '‱']);
        !value.is_empty() && value != "infinity" && digits.parse::<f64>().is_err() && !is_size(value)
    });
    let found = |unit: &UnitLine| {
        let says = format!("systemd does not understand {:?} and ignores the line.", unit.line.value);
        Found::bad(&unit.line.at, says)
            .mend(format!("write {}= and digits alone, soft:hard, or infinity", unit.line.key))
    };
    limits.chain(tasks).map(found).collect()
}

fn is_hexadecimal(text: &str) -> bool {
    text.strip_prefix("0x").is_some_and(|digits| u64::from_str_radix(digits, 16).is_ok())
}

/// TasksMax= takes K, M, G and T, to the base 1024.
fn is_size(text: &str) -> bool {
    text.strip_suffix(['K', 'M', 'G', 'T']).is_some_and(|digits| digits.parse::<u64>().is_ok())
}

pub(super) fn infinity(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |unit: &&UnitLine| {
        let nr_open = subject.after_boot("fs.nr_open").unwrap_or_else(|| "fs.nr_open".to_owned());
        let says = format!(
            "No limit on open files means fs.nr_open, {nr_open} here. Programs that close or look at every possible descriptor \
             take long then, and some reserve memory for each."
        );
        Found::info(&unit.line.at, says).mend(format!("{}=1048576", unit.line.key))
    };
    let is_infinite = |unit: &&UnitLine| {
        unit.line.key.ends_with("LimitNOFILE")
            && unit.line.at.is_of_admin()
            && unit.line.value.split(':').any(|part| part == "infinity")
    };
    counts(subject).iter().filter(|unit| is_infinite(unit)).map(found).collect()
}

pub(super) fn default_soft_limit_raised(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |unit: &UnitLine| {
        let soft = unit.line.value.split(':').next()?.trim();
        let is_raised = soft == "infinity" || soft.parse::<u64>().is_ok_and(|soft| soft > SELECT_MAX);
        let hard = unit.line.value.split(':').next_back()?.trim();
        let says = format!(
            "This raises the soft limit of every service. One that calls select() writes past its table at descriptor \
             {SELECT_MAX} and above; the soft limit of {SELECT_MAX} keeps it from that."
        );
        is_raised.then(|| {
            Found::warn(&unit.line.at, says)
                .mend(format!("DefaultLimitNOFILE=1024:{hard}; a program that can raises its own"))
        })
    };
    let managers = ["system.conf", "user.conf"].map(|file| subject.units.winner(file, "DefaultLimitNOFILE"));
    managers.into_iter().flatten().filter_map(found).collect()
}

pub(super) fn tasks_max_below_processes(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |unit: &String| {
        let tasks = subject.units.winner(unit, "TasksMax")?;
        let processes = subject.units.winner(unit, "LimitNPROC")?;
        let most: u64 = tasks.line.value.parse().ok()?;
        let wanted = processes.line.value.rsplit(':').next()?;
        let is_below = wanted == "infinity" || wanted.parse::<u64>().is_ok_and(|wanted| wanted > most);
        let says = format!(
            "The unit has at most {most} threads and processes together, so LimitNPROC={wanted} is never reached."
        );
        is_below.then(|| Found::info(&tasks.line.at, says).mend(format!("TasksMax={wanted}, if the unit needs them")))
    };
    subject.units.of.keys().filter_map(found).collect()
}
