//! What is said of made-up records.

use super::*;
use crate::experiments::storm::SCENARIO;
use crate::kinds::scenario::remedies::made_up::{arm, of_arms};

fn said(service: f64, below_s: f64, watched_s: f64) -> String {
    let figures: &[(&str, f64)] =
        &[(SERVED, 40.0), (NOBODY, 80.0), (SERVICE, service), (BELOW_HALF, below_s), (WATCHED, watched_s)];
    happened(&of_arms(&SCENARIO, vec![arm(&SCENARIO, IMMEDIATE, None, &[figures; 4])]))
}

/// Two seconds are no ten: what was seen is said, and for how long.
#[test]
fn a_storm_keeps_itself_going_only_if_it_was_watched_long_enough() {
    let (short, long) = (said(38.0, 2.0, 2.0), said(38.0, 11.9, 12.0));
    assert!(short.contains("not over in the 2.0 s that it was watched, too short"), "{short}");
    assert!(!short.contains("metastable"), "{short}");
    assert!(long.contains("metastable failure: for 12 of the 12 s"), "{long}");
    let recovers = said(38.0, 6.0, 12.0);
    assert!(!recovers.contains("metastable"), "service was back for a while: {recovers}");
    assert!(said(97.0, 1.0, 12.0).starts_with("The server worked the storm off within the 12.0 s"));
}

/// Only where nothing but the server is held up is it known that the storm needs nobody else.
#[test]
fn logins_that_take_long_decide_where_they_were_measured() {
    let figures: [&[(&str, f64)]; 2] = [
        &[(SERVED, 100.0), (NOBODY, 80.0), (SERVICE, 99.0), (BELOW_HALF, 1.0), (WATCHED, 8.0)],
        &[(SERVED, 3.0), (NOBODY, 99.0), (SERVICE, 3.0), (BELOW_HALF, 11.9), (WATCHED, 12.0)],
    ];
    let slow = arm(&SCENARIO, IMMEDIATE_SLOW, Some("2,000 clients"), &[figures[1]; 2]);
    let said = happened(&of_arms(&SCENARIO, vec![arm(&SCENARIO, IMMEDIATE, None, &[figures[0]; 4]), slow]));
    assert!(said.starts_with("The storm among 2,000 clients whose logins cost 1 ms kept itself going"), "{said}");
    assert!(said.contains("Of 10,000 clients that try again at once 100 %"), "{said}");
}

/// Records that are older than the figures do not know.
#[test]
fn what_was_not_measured_is_not_said() {
    let older = happened(&of_arms(&SCENARIO, vec![arm(&SCENARIO, IMMEDIATE, None, &[[(SERVED, 40.0)].as_slice(); 4])]));
    assert!(older.starts_with("Whether the storm kept itself going is not known"), "{older}");
}

#[test]
fn a_fault_that_nobody_felt_is_named() {
    for (name, scene) in [("reset", Scene::faults()), ("host lost, 100k", Scene::host())] {
        let of = |percent| {
            let arm = arm(&SCENARIO, name, scene.title, &[[(OUTAGES, percent)].as_slice(); 2]);
            faults_are_felt(&of_arms(&SCENARIO, vec![arm]))
        };
        assert_eq!(of(100.0), None);
        assert!(of(3.0).is_some_and(|words| words.contains(&format!("only 3 % of the clients in \"{name}\""))));
    }
}

#[test]
fn clients_without_outages_are_no_storm() {
    let of = |percent| {
        all_are_lost(&of_arms(&SCENARIO, vec![arm(&SCENARIO, IMMEDIATE, None, &[[(OUTAGES, percent)].as_slice(); 4])]))
    };
    assert_eq!(of(100.0), None);
    assert!(of(12.0).is_some_and(|words| words.contains("only 12 %")));
}
