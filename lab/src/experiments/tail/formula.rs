//! The formula 1 - (1 - p)^n beside what was measured: how far chance alone moves one from the other, and whether it does.

use results::report::measure;

use super::arms::{LATE_PERMILLE, SIZES};
use crate::kinds::scenario::remedies::foretold::{Diagram, Foretold};
use crate::kinds::scenario::remedies::record::{ArmRecord, Record};

pub(super) const FORETOLD: &str = "foretold";
pub(super) const LATE: &str = "late pages";
pub(super) const LATE_REPLIES: &str = "late replies";
pub(super) const PAGES_ASKED: &str = "pages";

/// How many standard deviations chance may do. There are seven sizes.
const DEVIATIONS_MAX: f64 = 4.0;

/// Share of pages of `parts` replies that are late if replies are late by themselves, each with this chance.
pub(super) fn late_pages(late_replies: f64, parts: u32) -> f64 {
    1.0 - (1.0 - late_replies).powf(f64::from(parts))
}

/// Late pages of an arm as counted, as the formula has them, and what chance adds, as pages of all repeats.
struct Pages {
    late: f64,
    foretold: f64,
    variance: f64,
}

fn pages(record: &Record, arm: &ArmRecord, parts: u32) -> Option<Pages> {
    let index = |name: &str| record.figures.iter().position(|figure| figure.name == name);
    let [asked, late, foretold, replies] = [index(PAGES_ASKED)?, index(LATE)?, index(FORETOLD)?, index(LATE_REPLIES)?];
    let mut sum = Pages { late: 0.0, foretold: 0.0, variance: 0.0 };
    for run in &arm.runs {
        let of = |index: usize| run.figures.get(index).copied().flatten();
        let count = of(asked)?;
        let share = of(replies)? / 100.0;
        sum.late += count * of(late)? / 100.0;
        sum.foretold += count * of(foretold)? / 100.0;
        sum.variance += count * variance(share, parts);
    }
    Some(sum)
}

/// How much the number of late pages varies for each page when the number of late replies is known: what is left is only how they fall
/// together. From the joint variance of both numbers, that part of the pages' which the replies' explains taken off.
fn variance(late_replies: f64, parts: u32) -> f64 {
    let (late, count) = (late_pages(late_replies, parts), f64::from(parts));
    (1.0 - late) * (late - count * late_replies * (1.0 - late) / (1.0 - late_replies)).max(0.0)
}

/// Late pages must be as many as independent replies make of those that were late, for each size.
pub(super) fn holds(record: &Record) -> Option<String> {
    // Records made before pages were counted cannot be judged.
    if !record.figures.iter().any(|figure| figure.name == PAGES_ASKED) {
        return None;
    }
    let wrong = |(name, parts, _): &(&str, u32, &str)| {
        // The first arm has a twin.
        let arms = record.remedies.iter().filter(|arm| arm.name.trim_end_matches(" (twin)") == *name);
        let mut sum = Pages { late: 0.0, foretold: 0.0, variance: 0.0 };
        for arm in arms {
            let Some(pages) = pages(record, arm, *parts) else {
                return Some(format!("late pages are not known of {name}, so nothing they were foretold can hold"));
            };
            sum = Pages {
                late: sum.late + pages.late,
                foretold: sum.foretold + pages.foretold,
                variance: sum.variance + pages.variance,
            };
        }
        // One page more or less is what counting can tell.
        let chance = DEVIATIONS_MAX * sum.variance.sqrt() + 1.0;
        ((sum.late - sum.foretold).abs() > chance).then(|| {
            format!(
                "late pages are not what independent replies foretell ({name}: {:.0} instead of {:.0}, and chance does {:.0})",
                sum.late, sum.foretold, chance
            )
        })
    };
    SIZES.iter().find_map(wrong)
}

/// Late pages of each size, beside the formula with the late replies of the same runs, and with the one in a hundred asked for.
pub(super) fn foretell(record: &Record) -> Option<Foretold> {
    let percent = |share: f64| format!("{} %", measure(share));
    let column = |(name, parts, _): &(&str, u32, &str)| {
        let arm = record.arm(name)?;
        let (late, foretold) = (record.median(arm, LATE)?, record.median(arm, FORETOLD)?);
        let asked = 100.0 * late_pages(f64::from(LATE_PERMILLE) / 1000.0, *parts);
        Some((parts.to_string(), [late, foretold, asked].map(percent)))
    };
    let columns: Vec<(String, [String; 3])> = SIZES.iter().filter_map(column).collect();
    let row = |name: &str, index: usize| {
        (name.to_owned(), columns.iter().map(|(_, cells)| cells[index].clone()).collect::<Vec<String>>())
    };
    (!columns.is_empty()).then(|| Foretold {
        model: "A page of n replies is in time with all of them: where each is late by itself with the chance p, a page is late with 1 - (1 \
                - p)^n."
            .to_owned(),
        figures: vec![],
        cases: vec![],
        tolerance: None,
        diagram: Some(Diagram {
            title: "Late pages by the number of replies that a page needs".to_owned(),
            columns: columns.iter().map(|(parts, _)| parts.clone()).collect(),
            rows: vec![
                row("measured", 0),
                row("1 - (1 - p)^n, p as measured", 1),
                row("1 - 0.99^n", 2),
            ],
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::super::SCENARIO;
    use super::super::arms::{PAGES, REPLIES_PER_S};
    use super::*;
    use crate::kinds::scenario::remedies::made_up;
    use random::Random;

    /// Runs of a second in which one reply in a hundred is late by chance; `exponent` is what the formula takes n for.
    fn record(exponent: fn(u32) -> u32, seed: u64) -> Record {
        let mut random = Random::new(seed);
        let none = SIZES.map(|(name, ..)| (name, &[][..]));
        let mut record = made_up::record(&SCENARIO, &none);
        let place = |name: &str| SCENARIO.figures.iter().position(|figure| figure.name == name).expect("a figure");
        let places = [LATE, FORETOLD, LATE_REPLIES, PAGES_ASKED].map(place);
        for (arm, (_, parts, _)) in record.remedies.iter_mut().zip(SIZES) {
            for run in &mut arm.runs {
                let figures = drawn(&mut random, parts, exponent);
                places.iter().zip(figures).for_each(|(place, value)| run.figures[*place] = Some(value));
            }
        }
        record
    }

    /// A run: late pages, what is foretold of them, late replies, and the number of pages.
    fn drawn(random: &mut Random, parts: u32, exponent: fn(u32) -> u32) -> [f64; 4] {
        let pages = REPLIES_PER_S / parts;
        let late: Vec<usize> = (0..pages).map(|_| (0..parts).filter(|_| random.permille(10)).count()).collect();
        let share = late.iter().sum::<usize>() as f64 / f64::from(pages * parts);
        let late_pages_count = late.iter().filter(|late| **late > 0).count() as f64;
        let foretold = 100.0 * late_pages(share, exponent(parts));
        [100.0 * late_pages_count / f64::from(pages), foretold, 100.0 * share, f64::from(pages)]
    }

    /// Of the right formula chance makes no liar, and of one with n - 1, n + 1 or n/2 for n no truth.
    #[test]
    fn only_the_right_formula_holds() {
        for seed in 0..50 {
            assert_eq!(holds(&record(|parts| parts, seed)), None, "seed {seed}");
        }
        let wrong: [fn(u32) -> u32; 3] = [|parts| (parts - 1).max(1), |parts| parts + 1, |parts| parts.div_ceil(2)];
        for (index, exponent) in wrong.into_iter().enumerate() {
            for seed in 0..20 {
                assert!(holds(&record(exponent, seed)).is_some(), "formula {index}, seed {seed}");
            }
        }
    }

    #[test]
    fn what_is_not_known_does_not_hold() {
        assert!(holds(&made_up::record(&SCENARIO, &[(PAGES, &[(LATE, 9.0)])])).is_some());
    }

    #[test]
    fn the_table_has_the_formula_of_each_size() {
        let foretold = foretell(&record(|parts| parts, 1)).and_then(|foretold| foretold.diagram).expect("a table");
        assert_eq!(foretold.columns, ["1", "2", "5", "10", "20", "50", "100"]);
        assert_eq!(foretold.rows[2].1[3], "9.56 %");
    }
}
