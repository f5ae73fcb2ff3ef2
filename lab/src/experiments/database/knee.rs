//! The knee: the load beyond which more brings no more good replies. As Little's law has it, and as a rising load shows it.

use loadgen::record::Interval;
use results::report::count;

use super::arms::{self, ALIKE, RISING_FOUR, STEP_MS, steps};
use crate::kinds::scenario::remedies::foretold::{Diagram, Foretold};
use crate::kinds::scenario::remedies::record::{ArmRecord, Record};
use crate::kinds::scenario::remedies::scene::{Scene, replies_per_s};
use crate::session::request::Profile;

pub(super) const CAPACITY: &str = "capacity foretold";
pub(super) const KNEE: &str = "knee measured";

/// The first part of a step, in which the queue is still that of the step before.
const SETTLING_S: f64 = 0.25;
/// A step up to which nearly everything is answered lies below the knee.
const NEARLY: f64 = 0.97;

/// Good replies per second in each step of a rising load, from those by time.
fn by_step(points: &[(f64, f64)], steps: usize) -> Option<Vec<f64>> {
    let length_s = f64::from(STEP_MS) / 1000.0;
    let of = |step: usize| {
        let (from_s, to_s) = (step as f64 * length_s, (step + 1) as f64 * length_s);
        // A point stands at the end of its interval.
        let within = |end_s: f64| end_s > from_s + SETTLING_S && end_s <= to_s + 0.01;
        let rates: Vec<f64> = points.iter().filter(|(end_s, _)| within(*end_s)).map(|(_, rate)| *rate).collect();
        (!rates.is_empty()).then(|| rates.iter().sum::<f64>() / rates.len() as f64)
    };
    (steps > 0).then(|| (0..steps).map(of).collect())?
}

/// Where the line of as many good replies as requests meets the level that they do not exceed. Absent where every step was
/// answered: then the load did not rise high enough.
fn meets(offered: &[f64], good: &[f64]) -> Option<f64> {
    let beyond = offered.iter().zip(good).filter(|(offered, good)| **good < NEARLY * **offered);
    results::stats::median(&beyond.map(|(_, good)| *good).collect::<Vec<f64>>())
}

/// The knee of a run as measured. Requests come at random: of a step count those that came.
pub(super) fn measured(scene: &Scene<'_>) -> Option<f64> {
    let count = steps(scene.arm).len();
    let offered = by_step(&scene.by_interval(requests_per_s), count)?;
    meets(&offered, &by_step(&scene.by_interval(replies_per_s), count)?)
}

fn requests_per_s(interval: &Interval) -> f64 {
    if interval.duration_us == 0 { 0.0 } else { interval.scheduled as f64 * 1e6 / interval.duration_us as f64 }
}

/// What came of each step: good replies of those offered, beside what Little's law foretells.
pub(super) fn foretell(record: &Record) -> Option<Foretold> {
    let of_plan = |arm: &ArmRecord| {
        let profiles = [Profile::Quick, Profile::Full].into_iter();
        let planned = profiles.flat_map(arms::arms).find(|plan| plan.name == arm.name && plan.what == arm.what)?;
        Some(steps(&planned)).filter(|steps| !steps.is_empty())
    };
    let row = |arm: &ArmRecord| {
        let offered = of_plan(arm)?;
        let capacity = record.median(arm, CAPACITY)?;
        let runs: Vec<Vec<f64>> = arm.runs.iter().filter_map(|run| by_step(&run.points, offered.len())).collect();
        let cell = |(step, offered): (usize, &u32)| {
            let good: Vec<f64> = runs.iter().map(|run| run[step]).collect();
            let good = results::stats::median(&good)?;
            let foretold = f64::from(*offered).min(capacity);
            let shown = [f64::from(*offered), good, foretold].map(|number| count(number.round()));
            Some(format!("{}: {} ({})", shown[0], shown[1], shown[2]))
        };
        let cells: Vec<String> = offered.iter().enumerate().map(cell).collect::<Option<_>>()?;
        Some((arm.name.clone(), cells))
    };
    let rows: Vec<(String, Vec<String>)> = record.remedies.iter().filter_map(row).collect();
    let most = rows.iter().map(|(_, cells)| cells.len()).max()?;
    Some(Foretold {
        model: "Threads that are never idle do as many queries as they are over what one takes (Little's law); up to there every \
                request is answered. So good replies rise with the load to a knee, and stay at that level."
            .to_owned(),
        figures: vec![],
        cases: vec![],
        tolerance: None,
        diagram: Some(Diagram {
            title: "Offered per second: good replies, and in parentheses those foretold".to_owned(),
            columns: (1..=most).map(|step| format!("step {step}")).collect(),
            rows,
        }),
    })
}

/// Both knees in a sentence, behind another one.
pub(super) fn sentence(record: &Record) -> String {
    let knees = record.median_of(RISING_FOUR, CAPACITY).zip(record.median_of(RISING_FOUR, KNEE));
    let Some((foretold, measured)) = knees.filter(|(_, measured)| *measured > 0.0) else { return String::new() };
    let alike = record.remedies.iter().find(|arm| arm.group.as_deref() == Some(ALIKE));
    let alike = alike.and_then(|arm| record.median(arm, CAPACITY)).map_or(String::new(), |capacity| {
        format!("; without the one slow query in a thousand it would be {}", count(capacity.round()))
    });
    format!(
        " Four threads have their knee at {} queries a second by Little's law{alike}; load that rises finds it at {}, where the law \
         is {:+.0} % off.",
        count(foretold.round()),
        count(measured.round()),
        100.0 * (foretold / measured - 1.0)
    )
}

#[cfg(test)]
mod tests {
    use super::super::SCENARIO;
    use super::*;
    use crate::kinds::scenario::remedies::made_up;

    /// Tenths of a second, the first two of each step still on the way.
    fn points(levels: &[f64]) -> Vec<(f64, f64)> {
        let of = |(step, level): (usize, &f64)| {
            let (start_s, level) = (step as f64 * f64::from(STEP_MS) / 1000.0, *level);
            (1..=8).map(move |tenth| (start_s + f64::from(tenth) / 10.0, if tenth <= 2 { 0.0 } else { level }))
        };
        levels.iter().enumerate().flat_map(of).collect()
    }

    #[test]
    fn the_knee_is_the_level_that_is_not_exceeded() {
        let found =
            |levels: &[f64]| meets(&[900.0, 1530.0, 2520.0], &by_step(&points(levels), 3).expect("three steps"));
        assert_eq!(found(&[900.0, 1530.0, 1820.0]), Some(1820.0));
        assert_eq!(found(&[900.0, 1400.0, 1420.0]), Some(1410.0));
        assert_eq!(found(&[900.0, 1520.0, 2500.0]), None, "it was not reached");
        assert_eq!((by_step(&points(&[900.0]), 3), by_step(&[], 0)), (None, None), "steps are missing");
    }

    #[test]
    fn both_knees_are_said() {
        let rising = [(CAPACITY, 1840.0), (KNEE, 1600.0)];
        let mut record = made_up::record(&SCENARIO, &[(RISING_FOUR, &rising)]);
        let said = sentence(&record);
        assert!(said.contains("1,840") && said.contains("1,600") && said.contains("+15 %"), "{said}");
        let arm = &mut record.remedies[0];
        arm.what = "load rises in three steps, 128 places for four threads".to_owned();
        arm.runs.iter_mut().for_each(|run| run.points = points(&[900.0, 1530.0, 1600.0]));
        let diagram = foretell(&record).and_then(|foretold| foretold.diagram).expect("a table");
        assert_eq!(diagram.rows[0].1, ["900: 900 (900)", "1,530: 1,530 (1,530)", "2,520: 1,600 (1,840)"]);
        let none = made_up::record(&SCENARIO, &[("128 places", &[(CAPACITY, 1840.0)])]);
        assert!(sentence(&none).is_empty() && foretell(&none).is_none());
    }
}
