//! Orders of made-up records.

use super::*;
use crate::experiments::storm::SCENARIO;
use crate::kinds::scenario::remedies::made_up::{arm, of_arms};

/// Three policies with a time and a peak in each repeat.
fn of(times: [[f64; 3]; 2], peaks: [[f64; 3]; 2]) -> Aside {
    let names = ["immediate, 100k", "fixed, 100k", "spread, 100k"];
    let arms = names.iter().enumerate().map(|(index, name)| {
        let figures = [0, 1].map(|repeat| [(MOST, times[repeat][index]), (SYNS, peaks[repeat][index])]);
        arm(&SCENARIO, name, Scene::ordered()[1].title, &figures.each_ref().map(|figures| figures.as_slice()))
    });
    aside(&of_arms(&SCENARIO, arms.collect()), Scene::ordered()[1]).expect("two repeats")
}

#[test]
fn the_same_order_in_each_repeat_is_said_and_ties_are_named() {
    let found = of([[2.0, 3.0, 5.0], [2.05, 2.1, 5.2]], [[90e3, 50e3, 9e3], [80e3, 51e3, 9.5e3]]);
    let expected = "by time until 99 % are served 2 of 3 (too close to tell: 1); by peak of SYNs 3 of 3.";
    assert!(found.sentence.contains(expected) && found.sentence.contains("each of 2 repeats"), "{}", found.sentence);
    let rows: Vec<&str> = found.rows.iter().map(|row| row[2].as_str()).collect();
    assert_eq!(rows[0], "immediate 2.0 < fixed 3.0 < spread 5.0");
    assert_eq!(rows[1], "immediate 2.0 = fixed 2.1 < spread 5.2");
    assert_eq!(rows[2], "spread 9,000 < fixed 50,000 < immediate 90,000");
}

#[test]
fn policies_that_change_places_are_named() {
    let found = of([[2.0, 3.0, 5.0], [3.4, 3.0, 5.2]], [[90e3, 50e3, 9e3]; 2]);
    let expected = "served 2 of 3 (changing places: 1, immediate with fixed); by peak of SYNs 3 of 3.";
    assert!(found.sentence.contains(expected), "{}", found.sentence);
    let more = of([[2.0, 3.0, 5.0], [8.4, 3.0, 5.2]], [[90e3, 50e3, 9e3]; 2]);
    assert!(more.sentence.contains("1 of 3 (changing places: 2, such as immediate with fixed)"), "{}", more.sentence);
    // By no more than can be told is no change.
    let tied = of([[2.0, 2.08, 5.0], [2.08, 2.0, 5.2]], [[90e3, 50e3, 9e3]; 2]);
    assert!(tied.sentence.contains("served 2 of 3 (too close to tell: 1)"), "{}", tied.sentence);
}

#[test]
fn what_was_measured_once_has_no_order() {
    let once = of_arms(
        &SCENARIO,
        vec![arm(&SCENARIO, "immediate, 100k", Scene::ordered()[1].title, &[&[(MOST, 1.0), (SYNS, 1.0)]])],
    );
    assert_eq!(asides(&once), []);
    assert_eq!(asides(&of_arms(&SCENARIO, vec![])), []);
}
