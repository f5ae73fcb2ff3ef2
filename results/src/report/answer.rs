//! The answer in sentences, and what the run could have seen. Losing and undecided arms are named like winners.

use super::agreement;
use super::load::short;
use crate::figures::{capitalised, percent, ratio};
use crate::judged::{Controls, Judged};
use crate::record::{Cell, Record, Role};
use crate::stats::blocks::{BLOCKS_MIN, Effect, Finding, Resolution};

/// More arms with one finding than this, and only both ends of them are named.
const NAMED_MAX: usize = 4;
/// From this ratio on, "times as much" reads better than "more".
const TIMES_FROM: f64 = 1.5;
/// Arms whose effect depends on the load, of which a sentence tells.
const DIFFERING_MAX: usize = 2;
/// From this share of its system calls on, that the handicapped twin saved some says something.
const SAVED_MIN: f64 = 0.01;

/// What is to be read if nothing else is: at most three sentences, and in front of them one if the run may not be
/// believed, and one about agreement if that is the question.
pub(super) fn answer(record: &Record, judged: &Judged<'_>) -> Vec<String> {
    if let Some(reason) = nothing(judged) {
        return vec![reason];
    }
    let mut sentences = Vec::new();
    if !judged.controls.hold() {
        sentences.push(format!("This run cannot be believed: {}.", broken(&judged.controls)));
    }
    sentences.extend(agreement::sentence(record).filter(|_| record.decision.is_agreement));
    sentences.extend([differences(record, judged), rest(record, judged)].into_iter().flatten());
    sentences.extend(dependence(judged));
    sentences
}

/// The same in one line, for a list of runs.
pub(super) fn in_a_line(record: &Record, judged: &Judged<'_>) -> String {
    answer(record, judged).join(" ")
}

/// Why there is no answer.
fn nothing(judged: &Judged<'_>) -> Option<String> {
    let reason = if judged.loads.is_empty() {
        "No start was recorded, so there is no answer."
    } else if judged.arms.is_empty() {
        "There is no arm to compare another with."
    } else if judged.findings.is_none() {
        let least = BLOCKS_MIN;
        return Some(format!("{} complete blocks are too few for an answer: {least} are the least.", judged.blocks));
    } else {
        return None;
    };
    Some(reason.to_owned())
}

/// An arm with its effect.
type Found<'a> = (&'a str, Effect);

fn with<'a>(judged: &Judged<'a>, finding: Finding) -> Vec<Found<'a>> {
    let arms = judged.pooled().filter(|(arm, effect)| !arm.role.is_control() && effect.finding == finding);
    let mut found: Vec<Found<'a>> = arms.map(|(arm, effect)| (arm.name, effect)).collect();
    found.sort_by(|a, b| a.1.ratio.total_cmp(&b.1.ratio));
    found
}

/// `Against epoll level, multishot needs 5 % less server CPU per request [3, 7]; nginx needs 1.35 times as much.`
fn differences(record: &Record, judged: &Judged<'_>) -> Option<String> {
    let metric = record.metric.words();
    let (cheaper, dearer) = (with(judged, Finding::Cheaper), with(judged, Finding::Dearer));
    let (reference, over) = (judged.reference, over(judged));
    if cheaper.is_empty() && dearer.is_empty() {
        // That one differs by an unknown amount is said by the next sentence.
        if !with(judged, Finding::SignKnown).is_empty() {
            return None;
        }
        return Some(format!("No arm needs more or less {metric} than {reference}, as far as this run can see{over}."));
    }
    let mut parts = Vec::new();
    for arms in [cheaper, dearer] {
        match arms.as_slice() {
            [] => {}
            [first, .., last] if arms.len() > NAMED_MAX => parts.push(format!(
                "{} arms need {}, from {} ({}) to {} ({})",
                arms.len(),
                if first.1.ratio < 1.0 { "less" } else { "more" },
                first.0,
                together(judged, first),
                last.0,
                together(judged, last)
            )),
            few => parts.extend(few.iter().map(|found| format!("{} needs {}", found.0, together(judged, found)))),
        }
    }
    Some(format!("Against {reference}, in {metric}{over}: {}.", parts.join("; ")))
}

/// `, over 3 loads together`.
fn over(judged: &Judged<'_>) -> String {
    match judged.loads.len() {
        1 => format!(" with {}", short(judged.loads[0][0])),
        loads => format!(" over {loads} loads together"),
    }
}

/// `4.7 % less [3.1, 6.4]`; over how many loads, if these are not all; and where loads differ so much that nobody meets
/// their mean, both ends instead of it.
fn together(judged: &Judged<'_>, (name, effect): &Found<'_>) -> String {
    let loads = judged.loads_of(name).len();
    let over_some = if loads == judged.loads.len() { String::new() } else { format!(", over {loads} of them") };
    match ends(judged, name) {
        Some([least, most]) if judged.differs(name) && most.1.ratio / least.1.ratio >= TIMES_FROM => {
            format!("{} to {} times as much, by load{over_some}", ratio(least.1.ratio), ratio(most.1.ratio))
        }
        _ => format!("{}{over_some}", amount(effect)),
    }
}

/// Of the loads of an arm, the one with its least ratio and the one with its greatest.
fn ends(judged: &Judged<'_>, name: &str) -> Option<[(String, Effect); 2]> {
    let mut effects: Vec<(String, Effect)> = (0..judged.loads.len())
        .filter_map(|load| Some((short(judged.loads[load][0]), judged.under(load, name)?)))
        .collect();
    effects.sort_by(|a, b| a.1.ratio.total_cmp(&b.1.ratio));
    Some([effects.first()?.clone(), effects.last()?.clone()])
}

/// What is equal, of what only the sign is known, and what is undecided.
fn rest(record: &Record, judged: &Judged<'_>) -> Option<String> {
    let names = |found: &[Found<'_>]| found.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let sized = |found: &[Found<'_>]| {
        let words = |(name, effect): &Found<'_>| format!("{name} ({})", signed(effect));
        found.iter().map(words).collect::<Vec<_>>().join(", ")
    };
    let mut parts = Vec::new();
    for (finding, lead) in [
        (Finding::Equal, format!("equal within {}", percent(record.decision.effect_min))),
        (Finding::SignKnown, format!("surely different, perhaps by less than {}", percent(record.decision.effect_min))),
        (Finding::Undecided, "undecided".to_owned()),
    ] {
        let found = with(judged, finding);
        let list = if finding == Finding::Equal { names(&found) } else { sized(&found) };
        if !found.is_empty() {
            parts.push(format!("{lead}: {list}"));
        }
    }
    (!parts.is_empty()).then(|| format!("{}.", capitalised(&parts.join("; "))))
}

/// Arms whose effect depends on the load, with both ends.
fn dependence(judged: &Judged<'_>) -> Option<String> {
    let mut differing: Vec<&str> = judged
        .arms
        .iter()
        .filter(|arm| !arm.role.is_control())
        .map(|arm| arm.name)
        .filter(|arm| judged.differs(arm))
        .collect();
    let total = differing.len();
    differing.truncate(DIFFERING_MAX);
    let part = |name: &&str| {
        let [least, most] = ends(judged, name)?;
        Some(format!("{name} {} × with {}, {} × with {}", ratio(least.1.ratio), least.0, ratio(most.1.ratio), most.0))
    };
    let parts: Vec<String> = differing.iter().filter_map(part).collect();
    let more =
        if total > parts.len() { format!("; so it does for {} more", total - parts.len()) } else { String::new() };
    (!parts.is_empty()).then(|| format!("How much depends on the load: {}{more}.", parts.join("; ")))
}

/// `4.7 % less [3.1, 6.4]`, `1.35 times as much [1.31, 1.39]`.
pub(super) fn amount(effect: &Effect) -> String {
    if effect.ratio >= TIMES_FROM {
        return format!("{} times as much [{}, {}]", ratio(effect.ratio), ratio(effect.low), ratio(effect.high));
    }
    let word = if effect.ratio < 1.0 { "less" } else { "more" };
    let of = |value: f64| if effect.ratio < 1.0 { 1.0 - value } else { value - 1.0 };
    let (one, other) = (of(effect.low) * 100.0, of(effect.high) * 100.0);
    let (low, high) = (one.min(other), one.max(other));
    format!("{:.1} % {word} [{low:.1}, {high:.1}]", of(effect.ratio) * 100.0)
}

/// `-1.6 % [-5.3, +2.1]`: for an effect that may go either way.
pub(super) fn signed(effect: &Effect) -> String {
    let percent = |ratio: f64| (ratio - 1.0) * 100.0;
    format!("{:+.1} % [{:+.1}, {:+.1}]", percent(effect.ratio), percent(effect.low), percent(effect.high))
}

/// What the run could have seen: what it resolves, how much is undecided, and what it made of its controls.
pub(super) fn seen(record: &Record, judged: &Judged<'_>) -> Option<String> {
    let Resolution { pooled, single } = judged.resolution()?;
    let (undecided, arms) = judged.undecided();
    let of = if record.decision.is_agreement { format!(" of {}", record.metric.words()) } else { String::new() };
    let resolves = match judged.loads.len() {
        1 => format!("Resolves {}{of}", fine(pooled)),
        loads => format!("Resolves {}{of} over {loads} loads, {} under one", fine(pooled), fine(single)),
    };
    Some(format!(
        "{resolves} (found in 8 of 10 such runs); {undecided} of {arms} undecided. {}",
        controls(record, &judged.controls)
    ))
}

fn fine(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// `The twin: 1.002 [0.985, 1.019]; a planted 5.0 % was seen as 4.7 % [3.1, 6.4].`
fn controls(record: &Record, controls: &Controls) -> String {
    let mut parts = Vec::new();
    if let Some(twin) = controls.twin {
        parts.push(format!("the twin: {:.3} [{:.3}, {:.3}]", twin.ratio, twin.low, twin.high));
    }
    if let Some((planted, seen)) = controls.planted.zip(controls.handicapped) {
        let of = |ratio: f64| (ratio - 1.0) * 100.0;
        parts.push(format!(
            "a planted {} was seen as {:.1} % [{:.1}, {:.1}]{}",
            fine(planted),
            of(seen.ratio),
            of(seen.low),
            of(seen.high),
            saved(record).filter(|_| seen.high < 1.0 + planted).unwrap_or_default()
        ));
    }
    if parts.is_empty() { "It has no controls.".to_owned() } else { format!("{}.", capitalised(&parts.join("; "))) }
}

/// What lets less be seen than was planted: a dearer server finds more to do each time it looks, and makes fewer system
/// calls for a request. Under the load where it saved most.
fn saved(record: &Record) -> Option<String> {
    let calls = |cell: &Cell| cell.summary.syscalls_per_request.map(|range| range.median);
    let beside = |cell: &Cell| {
        let is_same = |other: &&Cell| other.role == Role::Reference && short(other) == short(cell);
        calls(record.cells.iter().find(is_same)?)
    };
    record
        .cells
        .iter()
        .filter(|cell| cell.role == Role::Handicapped)
        .filter_map(|cell| Some((calls(cell)?, beside(cell)?, short(cell))))
        .filter(|(mine, theirs, _)| mine / theirs <= 1.0 - SAVED_MIN)
        .min_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)))
        .map(|(mine, theirs, load)| {
            format!("; the dearer one made {mine:.2} system calls for a request with {load}, the other {theirs:.2}")
        })
}

/// Which control does not hold, and how.
fn broken(controls: &Controls) -> String {
    let twin = match controls.twin {
        None => Some("the reference's twin was lost".to_owned()),
        Some(twin) if twin.excludes_one() => {
            Some("it finds a difference between the reference and its twin".to_owned())
        }
        Some(_) => None,
    };
    let planted = controls.planted.unwrap_or_default();
    let handicapped = match controls.handicapped {
        _ if controls.planted_is_found() => None,
        None => Some("the handicapped twin was lost".to_owned()),
        Some(seen) if seen.high >= 1.0 + planted => {
            Some(format!("it is too coarse to tell the planted {} from nothing", fine(planted)))
        }
        Some(_) => Some(format!("it does not find the planted {}", fine(planted))),
    };
    twin.into_iter().chain(handicapped).collect::<Vec<_>>().join(", and ")
}

/// Arms whose effect rests on a few wild starts: what these do not move lies outside of the interval.
pub(super) fn wild(judged: &Judged<'_>) -> Option<String> {
    let names: Vec<&str> = judged.pooled().filter(|(_, effect)| !effect.is_robust()).map(|(arm, _)| arm.name).collect();
    (!names.is_empty()).then(|| {
        format!(
            "The effect of {} rests on a few wild starts: the median of means (Hodges and Lehmann) lies outside of its \
             interval.",
            names.join(", ")
        )
    })
}
