//! Scenarios on a host that follows a script: what they publish, what fails, what they refuse.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::kinds::scenario::claims::form::Stalling;
use crate::kinds::scenario::claims::table::Claims;
use crate::kinds::scenario::conduct::{Published, publish};
use crate::kinds::scenario::plan::{About, Length, Scenario};
use crate::kinds::scenario::timeline::{Action, Ready, Role, SERVER, Until, words};
use crate::refusal::Refusal;
use crate::session::host::Command;
use crate::session::mock::{Mock, Play};
use crate::session::namespace::Needs;
use crate::session::request::{Profile, Request};
use crate::session::trial::{Place, stage};
use crate::subjects::tools::tool::Tool;

const READY: &str = r#"{"event":"ready","address":"127.0.0.1:4711"}"#;
/// Two stalls of 100 and 101 ms.
const EXIT: &str = r#"{"event":"exit","requests":50,"stalls":[[0,100000000],[900000000,1001000000]]}"#;
const LOAD: &str = include_str!("../comparison/tests/load.json");

const TRIAL: Claims = Claims {
    about: About {
        name: "trial",
        question: "Does a scenario do what it should?",
        explanation: "",
        decision: "",
        profiles: &[Profile::Full],
        length: Length::Usual { repeats: 2, seconds: 1 },
        wait_max: None,
        attempts_max: 1,
        needs: Needs::Nothing,
        has_control: false,
    },
    tools: &[Tool::C10mConstant, Tool::C10mClosed],
    reference: Tool::C10mConstant,
    connections: 50,
    rate: 2000,
    stalling: Stalling { length_ms: 100, every_ms: 900 },
    timeline: |claims, installed, run| {
        let load = Command::own(&installed.tool.arguments(SERVER, &claims.demand(run)));
        let server = Command::own(&words("null-server http"));
        vec![
            Action::Start { role: Role::Server, command: server, ready: Ready::Announced },
            Action::Start { role: Role::Load, command: load, ready: Ready::AtOnce },
            Action::wait(Until::Ended(Role::Load)),
            Action::End(Role::Server),
        ]
    },
    notes: |_, _| vec!["A note.".to_owned()],
};
fn is_server(command: &Command) -> bool {
    command.arguments[0] == "null-server"
}

/// The only directory of the place.
fn only(place: &Place) -> (String, Vec<String>) {
    let names = |path: &PathBuf| {
        let entries = std::fs::read_dir(path).expect("it is there").map(|entry| entry.expect("readable").file_name());
        entries.map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let [name] = &names(&place.0)[..] else { panic!("{:?}", names(&place.0)) };
    (name.clone(), names(&place.0.join(name)))
}

#[test]
fn a_scenario_is_played_repeat_by_repeat_and_published() {
    let (place, stop) = (Place::new("scenario-published"), Arc::default());
    let host = Mock::new(|command: &Command, _| match is_server(command) {
        true => Play::serves(READY, EXIT),
        false => Play::prints(&[LOAD.trim_end()], 0),
    });
    let Published { record, tables, code } =
        publish(&TRIAL, &place.request(None), stage(&host, &stop)).expect("a record");
    assert_eq!((code, tables.len(), record.head.seed, record.repeats, record.seconds_per_run), (0, 2, 7, 2, 1));
    assert_eq!((record.stalls.count, record.failures.len(), record.skipped.len()), (8, 0, 0));
    let orders: Vec<Vec<(u32, u32)>> =
        record.arms.iter().map(|arm| arm.runs.iter().map(|run| (run.repeat, run.order)).collect()).collect();
    assert_eq!(orders, [[(0, 0), (1, 3)], [(0, 1), (1, 2)]], "every second repeat is played backwards");
    let loads: Vec<String> = host
        .started()
        .iter()
        .filter(|command| !is_server(command))
        .map(|command| command.arguments.join(" "))
        .collect();
    assert!(loads.iter().all(|load| load.contains("http://127.0.0.1:4711/")), "{loads:?}");
    assert!(loads[0].contains("--seed 7") && loads[3].contains("--seed 8"), "{loads:?}");
    let (name, mut files) = only(&place);
    files.sort();
    assert!(name.ends_with("-trial"), "{name}");
    let expected =
        ["c10m-load-closed.hgrm", "c10m-load-constant.hgrm", "record.json", "report.html", "report.md", "trial.svg"];
    assert_eq!(files, expected);
    // `report` renders the record exactly as it was published.
    let read = |name: &str| std::fs::read_to_string(place.0.join(only(&place).0).join(name)).expect("a file");
    let again = serde_json::from_str(&read("record.json")).expect("a record");
    let (document, _) = TRIAL.report(&again, &|name| Ok(Some(read(name)))).expect("a report");
    assert_eq!(results::report::markdown_of(&document), read("report.md"));
}

#[test]
fn a_run_that_fails_is_told_and_costs_no_other() {
    let (place, stop) = (Place::new("scenario-failed"), Arc::default());
    let host = Mock::new(|command: &Command, count| match (is_server(command), count) {
        (true, _) => Play::serves(READY, EXIT),
        (_, 1) => Play::complains("no"),
        _ => Play::prints(&[LOAD.trim_end()], 0),
    });
    let published = publish(&TRIAL, &place.request(None), stage(&host, &stop)).expect("a record");
    assert_eq!(published.record.failures, ["c10m load, constant, repeat 1: the load generator, c10m, ended with 1"]);
    assert_eq!(published.record.arms.iter().map(|arm| arm.runs.len()).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn an_interrupted_scenario_keeps_what_is_finished_and_goes_on() {
    let (place, stop) = (Place::new("scenario-interrupted"), Arc::new(AtomicBool::new(false)));
    let host = Mock::new(|command: &Command, count| {
        // This happens during the second run.
        if count == 3 {
            stop.store(true, Ordering::Relaxed);
        }
        if is_server(command) { Play::serves(READY, EXIT) } else { Play::prints(&[LOAD.trim_end()], 0) }
    });
    let Err(error) = publish(&TRIAL, &place.request(None), stage(&host, &stop)) else { panic!("it was interrupted") };
    let said = error.to_string();
    assert!(said.starts_with("interrupted; 1 of 4 runs are finished and kept in "), "{said}");
    assert_eq!(only(&place).0, ".trial-full.unfinished");
    stop.store(false, Ordering::Relaxed);
    let host = Mock::new(|command: &Command, _| match is_server(command) {
        true => Play::serves(READY, EXIT),
        false => Play::prints(&[LOAD.trim_end()], 0),
    });
    let published = publish(&TRIAL, &place.request(None), stage(&host, &stop)).expect("a record");
    assert_eq!(host.started().len(), 6, "the first run is not played again");
    assert!(published.record.arms.iter().all(|arm| arm.runs.len() == 2));
}

/// A failed attempt leaves sockets behind, so the machine has to become fit again before the next one. The wait was
/// once before the first attempt only.
#[test]
fn each_attempt_waits_for_a_fit_machine() {
    let (place, stop) = (Place::new("scenario-fit"), Arc::default());
    let about = About { attempts_max: 2, wait_max: Some(Duration::from_secs(60)), ..TRIAL.about };
    let waits = Claims { about, ..TRIAL };
    let host = Mock::new(|command: &Command, _| match is_server(command) {
        true => Play::serves(READY, EXIT),
        false => Play::complains("no"),
    })
    .disturbed(&["", "600 orphaned sockets"]);
    let request = place.request(Some(Duration::ZERO));
    let Err(error) = publish(&waits, &request, stage(&host, &stop)) else { panic!("the machine is not fit") };
    let said = error.to_string();
    let expected = "did not begin c10m load, constant, repeat 1: waited 0 s for 600 orphaned sockets";
    assert!(said.starts_with(expected), "{said}");
    assert_eq!(host.started().len(), 2, "the first attempt alone: {:?}", host.started());
}

/// A third attempt would tell nothing new, in this sitting or in another.
#[test]
fn what_failed_twice_is_left_out_in_the_next_sitting_too() {
    let (place, stop) = (Place::new("scenario-left-out"), Arc::new(AtomicBool::new(false)));
    let patient = Claims { about: About { attempts_max: 2, ..TRIAL.about }, ..TRIAL };
    let is_constant = |command: &Command| command.arguments.iter().any(|argument| argument == "constant");
    let host = Mock::new(|command: &Command, count| {
        // While the first run of the other arm is under way.
        if count == 5 {
            stop.store(true, Ordering::Relaxed);
        }
        match is_server(command) {
            true => Play::serves(READY, EXIT),
            false if is_constant(command) => Play::complains("no"),
            false => Play::prints(&[LOAD.trim_end()], 0),
        }
    });
    let Err(error) = publish(&patient, &place.request(None), stage(&host, &stop)) else { panic!("it was interrupted") };
    assert!(error.to_string().starts_with("interrupted; "), "{error}");
    stop.store(false, Ordering::Relaxed);
    let host = Mock::new(|command: &Command, _| match is_server(command) {
        true => Play::serves(READY, EXIT),
        false => Play::prints(&[LOAD.trim_end()], 0),
    });
    // Without its reference nothing is published; what is tried is the point.
    let _ = publish(&patient, &place.request(None), stage(&host, &stop));
    assert!(!host.started().iter().any(is_constant), "{:?}", host.started());
    assert_eq!(host.started().len(), 4, "both runs of the other arm");
}

#[test]
fn what_has_no_effect_is_refused() {
    let (place, stop) = (Place::new("scenario-refused"), Arc::default());
    let host = Mock::new(|_: &Command, _| panic!("nothing is started"));
    let given = Claims { about: About { length: Length::Given("is played once"), ..TRIAL.about }, ..TRIAL };
    let several = Claims { about: About { profiles: &[Profile::Quick, Profile::C1m], ..TRIAL.about }, ..TRIAL };
    for (scenario, request, words) in [
        (
            &TRIAL,
            Request { noisy: true, ..place.request(None) },
            "does not wait for a quiet machine: leave out --noisy",
        ),
        (
            &TRIAL,
            Request { budget: Some(Duration::from_secs(60)), ..place.request(None) },
            "has no budget: leave out --budget",
        ),
        (
            &TRIAL,
            Request { loads: vec!["http-c64-closed-p1".to_owned()], ..place.request(None) },
            "is measured whole: leave out --arm, --load and --apart",
        ),
        (
            &TRIAL,
            Request { profile: Some(Profile::Quick), ..place.request(None) },
            "only the profile full: leave out --profile quick",
        ),
        (&several, Request { profile: Some(Profile::Full), ..place.request(None) }, "has the profiles quick, c1m"),
        (
            &given,
            Request { repeats: Some(2), ..place.request(None) },
            "is played once: leave out --repeats and --seconds",
        ),
    ] {
        let Err(error) = publish(scenario, &request, stage(&host, &stop)) else { panic!("not refused: {words}") };
        let refusal = error.downcast::<Refusal>().expect("a refusal");
        assert!(refusal.code == 2 && refusal.to_string().contains(words), "{refusal}");
    }
    assert!(!place.0.exists(), "nothing is made");
}
