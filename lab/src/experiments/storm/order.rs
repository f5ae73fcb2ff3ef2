//! Whether the policies come in the same order in each repeat, which has a seed of its own.

use results::report::count;

use super::figures::{MOST, SYNS};
use super::scenes::Scene;
use super::taken::name_of;
use crate::kinds::scenario::remedies::record::{ArmRecord, Record};
use crate::kinds::scenario::remedies::table::Aside;

/// A figure by which policies are put in order, what it is in words, and the difference that it can tell.
struct By {
    figure: &'static str,
    words: &'static str,
    is_tie: fn(f64, f64) -> bool,
}

/// Times go by intervals of a tenth of a second. Both differ by a few percent between twins.
const BY: [By; 2] = [
    By {
        figure: MOST,
        words: "time until 99 % are served",
        is_tie: |one, other| (one - other).abs() <= f64::max(0.1, 0.05 * one.max(other)),
    },
    By { figure: SYNS, words: "peak of SYNs", is_tie: |one, other| (one - other).abs() <= 0.05 * one.max(other) },
];

/// The order of the policies in each scene that is about them.
pub(super) fn asides(record: &Record) -> Vec<Aside> {
    Scene::ordered().iter().filter_map(|scene| aside(record, scene)).collect()
}

/// Absent where the policies were not measured twice.
fn aside(record: &Record, scene: &Scene) -> Option<Aside> {
    let group = scene.title;
    let arms: Vec<&ArmRecord> = record.remedies.iter().filter(|arm| arm.group.as_deref() == group).collect();
    let repeats = arms.iter().map(|arm| arm.runs.len()).min().filter(|repeats| *repeats > 1)?;
    let (mut sentences, mut rows) = (vec![], vec![]);
    for By { figure, words, is_tie } in BY {
        let index = record.figures.iter().position(|known| known.name == figure)?;
        // Where a figure is missing it did not come to that in the time: behind all others.
        let value = |arm: &ArmRecord, repeat: usize| arm.runs[repeat].figures[index].unwrap_or(f64::INFINITY);
        let ranks: Vec<Vec<(&str, f64)>> = (0..repeats)
            .map(|repeat| {
                let mut rank: Vec<_> = arms.iter().map(|arm| (name_of(arm), value(arm, repeat))).collect();
                rank.sort_by(|one, other| one.1.total_cmp(&other.1));
                rank
            })
            .collect();
        sentences.push(match swapped(&ranks, is_tie) {
            None => format!("By {words} the order was the same in each of the {repeats} repeats."),
            Some((one, other)) => format!("By {words} it was not: {one} and {other} changed places."),
        });
        rows.extend(
            ranks
                .iter()
                .enumerate()
                .map(|(repeat, rank)| vec![words.to_owned(), (repeat + 1).to_string(), in_words(rank, is_tie)]),
        );
    }
    Some(Aside {
        title: format!("The order of the policies among {} clients", count(scene.clients.into())),
        sentence: format!(
            "{} Each repeat has a seed of its own. What differs by no more than 5 % or 0.1 s is a tie (=).",
            sentences.join(" ")
        ),
        header: ["by", "repeat", "the least first"].map(str::to_owned).to_vec(),
        rows,
    })
}

/// Infinities are ties of each other.
fn are_tied(one: f64, other: f64, is_tie: fn(f64, f64) -> bool) -> bool {
    one == other || is_tie(one, other)
}

/// Two policies of which either was clearly before the other in some repeat.
fn swapped<'a>(ranks: &[Vec<(&'a str, f64)>], is_tie: fn(f64, f64) -> bool) -> Option<(&'a str, &'a str)> {
    let is_before = |rank: &[(&str, f64)], one: &str, other: &str| {
        let value =
            |name: &str| rank.iter().find(|(known, _)| *known == name).map_or(f64::INFINITY, |(_, value)| *value);
        value(one) < value(other) && !are_tied(value(one), value(other), is_tie)
    };
    let names: Vec<&str> = ranks.first()?.iter().map(|(name, _)| *name).collect();
    let pairs = names.iter().flat_map(|one| names.iter().map(move |other| (*one, *other)));
    let mut pairs = pairs.filter(|(one, other)| {
        ranks.iter().any(|rank| is_before(rank, one, other)) && ranks.iter().any(|rank| is_before(rank, other, one))
    });
    pairs.next()
}

/// `spread 5.1 < fixed 6.0 = full jitter 6.1`.
fn in_words(rank: &[(&str, f64)], is_tie: fn(f64, f64) -> bool) -> String {
    let mut text = String::new();
    for (index, (name, value)) in rank.iter().enumerate() {
        if let Some((_, before)) = index.checked_sub(1).map(|before| rank[before]) {
            text += if are_tied(before, *value, is_tie) { " = " } else { " < " };
        }
        text += name;
        text += &match value.is_finite() {
            true if *value >= 1000.0 => format!(" {}", count(value.round())),
            true => format!(" {value:.1}"),
            false => " not in this time".to_owned(),
        };
    }
    text
}

#[cfg(test)]
mod tests;
