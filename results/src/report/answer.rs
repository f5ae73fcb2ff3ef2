//! States in sentences what the verdicts say, and no more: losing and undecided arms are named like winners.

use std::collections::BTreeSet;

use super::verdicts::{Account, Contest, Entry, account};
use crate::figures::{capitalised, measure, percent, ratio};
use crate::record::Record;
use crate::stats::{Interval, Judgement, Method};

/// With more loads than this, the sentences about each load are folded.
pub(super) const LOADS_IN_SIGHT_MAX: usize = 8;

/// The sentences at the top of a report.
pub(super) fn answer(record: &Record, contests: &[Contest<'_>]) -> Vec<String> {
    let entries = match entries(record, contests) {
        Ok(entries) => entries,
        Err(reason) => return vec![reason.to_owned()],
    };
    let mut parts = vec![format!(
        "Each arm against {}, in {}, where less is better, over {}.",
        references(contests),
        record.metric.words(),
        counted(contests.len(), "load")
    )];
    for judgement in Judgement::ALL {
        let arms: Vec<String> =
            arms(&entries, judgement).into_iter().map(|Found { often, factor }| often + &factor).collect();
        parts.push(match (judgement, arms.is_empty()) {
            (Judgement::Better | Judgement::Worse, true) => format!("{} in any load: none.", capital(judgement)),
            (_, true) => continue,
            (_, false) => format!("{}: {}.", capital(judgement), arms.join(", ")),
        });
    }
    let missing: Vec<&str> =
        contests.iter().filter(|contest| contest.reference.is_none()).map(|contest| contest.title.as_str()).collect();
    if !missing.is_empty() {
        parts.push(format!("Not compared, because the reference was not run: {}.", missing.join("; ")));
    }
    let Account { comparisons, false_expected, .. } = account(contests);
    if false_expected >= 0.5 {
        parts.push(format!(
            "These are {comparisons} comparisons; were all arms alike, chance alone would show up to {} of them as different.",
            expected(false_expected)
        ));
    }
    parts
}

/// The same for a row of a table: who is better, who is worse, and how many are undecided.
pub(super) fn in_a_line(record: &Record, contests: &[Contest<'_>]) -> String {
    let entries = match entries(record, contests) {
        Ok(entries) => entries,
        // The report has what the sentence calls "below", so leave that part out.
        Err(reason) => return reason.split(['.', ';']).next().unwrap_or_default().to_owned() + ".",
    };
    let mut text = format!(
        "{} against {}, over {}.",
        capitalised(record.metric.words()),
        references(contests),
        counted(contests.len(), "load")
    );
    for judgement in Judgement::ALL {
        let count = entries.iter().filter(|entry| entry.judgement() == judgement).count();
        let what = match judgement {
            Judgement::Better | Judgement::Worse if count == 0 => "none".to_owned(),
            Judgement::Better | Judgement::Worse => {
                arms(&entries, judgement).into_iter().map(|found| found.often).collect::<Vec<_>>().join("; ")
            }
            _ if count == 0 => continue,
            _ => format!("{count} of {}", counted(entries.len(), "comparison")),
        };
        text += &format!(" {}: {what}.", capital(judgement));
    }
    text
}

/// All comparisons, or why there are none.
fn entries<'a>(record: &Record, contests: &'a [Contest<'a>]) -> Result<Vec<&'a Entry<'a>>, &'static str> {
    let entries: Vec<&Entry<'_>> = contests.iter().flat_map(|contest| &contest.entries).collect();
    match (contests.is_empty(), entries.is_empty()) {
        (true, _) if record.memory.is_empty() => Err("No run was recorded, so there is no answer."),
        (true, _) => Err("Nothing was compared under load; the memory of idle connections is below."),
        (_, true) => Err("There is no arm to compare another with, so there is no verdict; the figures are below."),
        _ => Ok(entries),
    }
}

/// A number of differences that chance would produce.
fn expected(differences: f64) -> String {
    if differences < 9.95 { format!("{differences:.1}") } else { format!("{differences:.0}") }
}

fn capital(judgement: Judgement) -> String {
    capitalised(judgement.words())
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("one {noun}") } else { format!("{count} {noun}s") }
}

fn references(contests: &[Contest<'_>]) -> String {
    let names: BTreeSet<&str> =
        contests.iter().filter_map(|contest| contest.reference).map(|cell| cell.arm.as_str()).collect();
    match names.len() {
        1 => names.into_iter().next().unwrap_or_default().to_owned(),
        _ => format!("the reference of its load ({})", names.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

/// An arm with a judgement.
struct Found {
    /// `nginx in 3 of 3`.
    often: String,
    /// ` (1.24 to 12.8 ×)`.
    factor: String,
}

/// Every arm with this judgement, and how often it has it.
fn arms(entries: &[&Entry<'_>], judgement: Judgement) -> Vec<Found> {
    let mut names: Vec<&str> = Vec::new();
    for entry in entries {
        if !names.contains(&entry.cell.arm.as_str()) {
            names.push(&entry.cell.arm);
        }
    }
    let described = |name: &str| {
        let own: Vec<&&Entry<'_>> = entries.iter().filter(|entry| entry.cell.arm == name).collect();
        let found: Vec<&&&Entry<'_>> = own.iter().filter(|entry| entry.judgement() == judgement).collect();
        let ratios: Vec<f64> = found.iter().filter_map(|entry| Some(entry.comparison?.ratio)).collect();
        let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let high = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let often = if own.len() == 1 { String::new() } else { format!(" in {} of {}", found.len(), own.len()) };
        let factor = match ratios.as_slice() {
            [] => " (no repeat of both may be used)".to_owned(),
            [only] => format!(" ({} ×)", ratio(*only)),
            _ => format!(" ({} to {} ×)", ratio(low), ratio(high)),
        };
        (!found.is_empty()).then(|| Found { often: format!("{name}{often}"), factor })
    };
    names.into_iter().filter_map(described).collect()
}

/// How many comparisons there were, what was left out, and how many differences chance would produce.
pub(super) fn reckoning(record: &Record, contests: &[Contest<'_>]) -> Vec<String> {
    let Account { comparisons, false_expected, left_out } = account(contests);
    let mut lines = Vec::new();
    if comparisons > 0 {
        lines.push(format!(
            "{} in this report, not adjusted for their number. Were all arms alike, chance alone would show up to {} \
             as different (at most {} each): one difference among many may be such a one, the same in many loads is not.",
            if comparisons == 1 { "One comparison".to_owned() } else { format!("{comparisons} comparisons") },
            expected(false_expected),
            percent(false_expected / comparisons as f64),
        ));
    }
    lines.push(format!(
        "A difference is claimed when the whole 95 % interval of the ratio lies on one side of 1 and the ratio is at least {} \
         away; no measurable difference when the whole interval is closer to 1 than that; else it is inconclusive.{}",
        percent(record.decision.effect_min),
        match record.decision.words.as_str() {
            "" => String::new(),
            words => format!(" {words}"),
        }
    ));
    lines.extend(methods(contests));
    if left_out > 0 {
        lines.push(format!(
            "{} left out of the comparisons, because one of the two is INVALID or lacks the figure.",
            if left_out == 1 { "One pair of runs was".to_owned() } else { format!("{left_out} pairs of runs were") }
        ));
    }
    lines
}

/// What kind of intervals this report has, and what they assume.
fn methods(contests: &[Contest<'_>]) -> Vec<String> {
    let comparisons = contests.iter().flat_map(|contest| &contest.entries).filter_map(|entry| entry.comparison);
    let intervals: Vec<Option<Interval>> = comparisons.map(|comparison| comparison.interval).collect();
    let has = |method| intervals.iter().flatten().any(|interval| interval.method == method);
    let mut lines = Vec::new();
    if has(Method::OrderStatistics) {
        lines.push(
            "Ratios are of the runs of one repeat, which drift together; given is their median, with the exact interval between \
             two of the ratios themselves (order statistics), whatever their distribution."
                .to_owned(),
        );
    }
    if has(Method::Student) {
        lines.push(
            "With fewer than 6 pairs no such interval reaches 95 % (from the smallest to the largest of 5 ratios it is 93.75 %, of \
             3 only 75 %). There it is Student's, of the logarithms of the ratios, which assumes that noise favours \
             neither arm, and which is wide."
                .to_owned(),
        );
    }
    if intervals.iter().any(Option::is_none) {
        lines.push("One pair alone has no interval: whatever the ratio, it is inconclusive.".to_owned());
    }
    lines
}

/// One sentence for each load.
pub(super) fn sentences(record: &Record, contests: &[Contest<'_>]) -> Vec<String> {
    contests.iter().map(|contest| sentence(record, contest)).collect()
}

fn sentence(record: &Record, contest: &Contest<'_>) -> String {
    let title = &contest.title;
    let Some(reference) = contest.reference else {
        return format!("{title}: not compared, because the reference was not run.");
    };
    let metric = record.metric;
    let median = metric.range(&reference.summary).map_or("unknown".to_owned(), |range| measure(range.median));
    let mut text = format!("{title}: {} used {median} µs of {}", reference.arm, metric.words());
    if contest.entries.is_empty() {
        text += "; there is no arm to compare it with";
    }
    let mut entries: Vec<&Entry<'_>> = contest.entries.iter().collect();
    let order = |entry: &Entry<'_>| entry.comparison.map_or(f64::INFINITY, |comparison| comparison.ratio);
    entries.sort_by(|a, b| order(a).total_cmp(&order(b)));
    for entry in entries {
        text += &format!("; {} {}", entry.cell.arm, described(entry));
    }
    text + "."
}

/// `1.27 × [1.20, 1.34], worse`.
fn described(entry: &Entry<'_>) -> String {
    let Some(comparison) = entry.comparison else {
        return "cannot be compared: no repeat of both may be used".to_owned();
    };
    let interval = match comparison.interval {
        Some(interval) => format!("[{}, {}]", ratio(interval.low), ratio(interval.high)),
        None => "without an interval".to_owned(),
    };
    format!("{} × {interval}, {}", ratio(comparison.ratio), comparison.judgement.words())
}
