//! Wording for reports about remedies.

use results::report::{ABSENT, count, measure, ratio};
use results::stats::blocks::{Effect, Finding};

use crate::kinds::scenario::remedies::record::{ArmRecord, Record};

/// A value with as many digits as it deserves.
pub(crate) fn value(value: Option<f64>) -> String {
    value.map_or(ABSENT.to_owned(), |value| {
        if value.fract() == 0.0 || value >= 1000.0 { count(value.round()) } else { measure(value) }
    })
}

/// `2.04 [1.90, 2.20]`; `at least 1.90` where there was nothing left to compare with.
pub(crate) fn gain(arm: &ArmRecord, effect: &Effect) -> String {
    match arm.is_bound {
        true if effect.low > 1.0 => format!("at least {}", ratio(effect.low)),
        true if effect.high < 1.0 => format!("at most {}", ratio(effect.high)),
        _ => format!("{} [{}, {}]", ratio(effect.ratio), ratio(effect.low), ratio(effect.high)),
    }
}

/// What may be said of a remedy.
pub(super) fn finding(effect: &Effect) -> &'static str {
    match effect.finding {
        Finding::Cheaper => "better",
        Finding::Dearer => "worse",
        Finding::Equal => "no different",
        Finding::SignKnown if effect.ratio > 1.0 => "better, how much is open",
        Finding::SignKnown => "worse, how much is open",
        Finding::Undecided => "undecided",
    }
}

/// Whether a remedy was found to help.
pub(super) fn is_helped(record: &Record) -> bool {
    record.remedies().filter_map(|arm| arm.effect).any(|effect| effect.low > 1.0 && effect.finding != Finding::Equal)
}

/// The remedies, the best first, each with its interval; and those that do not help.
pub(super) fn ranking(record: &Record) -> String {
    let Some(decides) = record.figures.first() else { return String::new() };
    let mut judged: Vec<(&ArmRecord, Effect)> = record.remedies().filter_map(|arm| Some((arm, arm.effect?))).collect();
    if judged.is_empty() {
        return format!("Too few repeats are complete for an interval of the {}.", decides.name);
    }
    judged.sort_by(|one, other| other.1.ratio.total_cmp(&one.1.ratio));
    let of = |is_wanted: fn(&Effect) -> bool| -> Vec<String> {
        let mut alike: Vec<(String, Vec<&str>)> = vec![];
        for (arm, effect) in judged.iter().filter(|(_, effect)| is_wanted(effect)) {
            let gain = gain(arm, effect);
            match alike.last_mut().filter(|(last, _)| *last == gain) {
                Some((_, names)) => names.push(&arm.name),
                None => alike.push((gain, vec![&arm.name])),
            }
        }
        alike.into_iter().map(|(gain, names)| together(&names, &gain)).collect()
    };
    let helps = of(|effect| effect.low > 1.0 && effect.finding != Finding::Equal);
    let harms = of(|effect| effect.high < 1.0 && effect.finding != Finding::Equal);
    let rest = of(|effect| effect.finding == Finding::Equal || (effect.low <= 1.0 && effect.high >= 1.0));
    let sentence = |title: &str, arms: &[String]| (!arms.is_empty()).then(|| format!("{title}: {}.", arms.join("; ")));
    let sentences = [
        sentence(&format!("What helps, by {} against doing nothing", decides.name), &helps),
        sentence("No help, or not enough to see", &rest),
        sentence("What makes it worse", &harms),
    ];
    sentences.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// `four places 2.04 [1.90, 2.20] ×`; for several arms `each of “one”, “two” and “three” 2.04 [1.90, 2.20] ×`: names have commas.
fn together(names: &[&str], gain: &str) -> String {
    let Some((last, others)) = names.split_last() else { return String::new() };
    match others {
        [] => format!("{last} {gain} ×"),
        _ => {
            let others: Vec<String> = others.iter().map(|name| format!("“{name}”")).collect();
            format!("each of {} and “{last}” {gain} ×", others.join(", "))
        }
    }
}

/// How alike the two arms are that do nothing: what the instrument shows where there is nothing to see.
pub(super) fn twin(record: &Record) -> Option<String> {
    let [one, other, ..] = &record.remedies[..] else { return None };
    let (one, other) = (one.median(0)?, other.median(0)?);
    let decides = record.figures.first()?;
    Some(format!(
        "Doing nothing was measured twice in each repeat: {} and {} {} of {}.",
        value(Some(one)),
        value(Some(other)),
        decides.unit,
        decides.name
    ))
}
