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
        sentences.push(format!("by {words} {}", Pairs::of(&ranks, is_tie).in_words()));
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
            "Pairs of policies in the same order in each of {repeats} repeats, each with a seed of its own: {}. What differs by 5 % or \
             0.1 s at most is a tie (=).",
            sentences.join("; ")
        ),
        header: ["by", "repeat", "the least first"].map(str::to_owned).to_vec(),
        rows,
    })
}

/// Infinities are ties of each other.
fn are_tied(one: f64, other: f64, is_tie: fn(f64, f64) -> bool) -> bool {
    one == other || is_tie(one, other)
}

/// Pairs of policies, by whether one is before the other.
#[derive(Debug, Default, PartialEq)]
struct Pairs<'a> {
    /// In every repeat.
    same: usize,
    /// In some of them, and tied in the others, or tied in all.
    tied: usize,
    /// One in some, and the other in others.
    changed: Vec<(&'a str, &'a str)>,
}

impl<'a> Pairs<'a> {
    fn of(ranks: &[Vec<(&'a str, f64)>], is_tie: fn(f64, f64) -> bool) -> Pairs<'a> {
        let names: Vec<&str> = ranks.first().map_or(vec![], |rank| rank.iter().map(|(name, _)| *name).collect());
        let mut pairs = Pairs::default();
        for (index, one) in names.iter().enumerate() {
            for other in &names[index + 1..] {
                let (mut before, mut after) = (0, 0);
                for rank in ranks {
                    let value = |name: &str| {
                        rank.iter().find(|(known, _)| *known == name).map_or(f64::INFINITY, |(_, value)| *value)
                    };
                    let (one, other) = (value(one), value(other));
                    let differ = !are_tied(one, other, is_tie);
                    before += usize::from(differ && one < other);
                    after += usize::from(differ && one > other);
                }
                match (before, after) {
                    (1.., 1..) => pairs.changed.push((one, other)),
                    _ if before.max(after) == ranks.len() => pairs.same += 1,
                    _ => pairs.tied += 1,
                }
            }
        }
        pairs
    }

    /// `19 of 21 (too close to tell: 1; changing places: 1, fixed with spread)`.
    fn in_words(&self) -> String {
        let tied = (self.tied > 0).then(|| format!("too close to tell: {}", self.tied));
        let changed = self.changed.first().map(|(one, other)| {
            let such = if self.changed.len() > 1 { "such as " } else { "" };
            format!("changing places: {}, {such}{one} with {other}", self.changed.len())
        });
        let rest: Vec<String> = [tied, changed].into_iter().flatten().collect();
        let rest = if rest.is_empty() { String::new() } else { format!(" ({})", rest.join("; ")) };
        format!("{} of {}{rest}", self.same, self.same + self.tied + self.changed.len())
    }
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
