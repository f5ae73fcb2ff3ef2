//! Comparisons on a host that follows a script: which runs fail, what is left out, what an interruption keeps.
//!
//! The processes print accounts of a run of half a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use protocol::Workload;
use results::record::{Metric, Record};
use server::Variant;

use crate::kinds::comparison::conduct::{exit_code, publish};
use crate::kinds::comparison::plan::{Arm, Comparison, Scope};
use crate::refusal::Refusal;
use crate::session::host::{Command, Host};
use crate::session::mock::{Mock, Play};
use crate::session::request::{Profile, Request};
use crate::session::trial::{Place, stage};
use crate::subjects::load::Load;
use crate::subjects::servers::kind::Kind;

const READY: &str = include_str!("ready.json");
const EXIT: &str = include_str!("exit.json");
const LOAD: &str = include_str!("load.json");
/// Two arms under one load.
fn trial(connections: u32, repeats: u32) -> Comparison {
    Comparison {
        name: "trial",
        question: "Does the runner do what it should?",
        explanation: "",
        metric: Metric::ServerRun,
        decision: results::record::Decision::default(),
        is_hidden: true,
        scopes: vec![Scope {
            profile: Profile::Full,
            arms: [Variant::EpollLevel, Variant::MioEdge].map(|variant| Arm::server(Kind::C10m(variant))).into(),
            loads: vec![Load::closed(Workload::Echo, connections)],
            repeats,
            seconds: 0.2,
            idle_connections: 0,
            notes: vec![],
        }],
    }
}

/// Carries the trial out on a host. Nothing interrupts it.
fn publish_on(host: &dyn Host, place: &Place, comparison: &Comparison) -> anyhow::Result<Record> {
    publish(comparison, &place.request(Some(Duration::ZERO)), stage(host, &Arc::default()))
}

fn is_load(command: &Command) -> bool {
    command.arguments[0] == "load"
}

fn is_mio(command: &Command) -> bool {
    command.arguments.iter().any(|argument| argument == "mio")
}

/// How the processes behave when all goes well.
fn play(command: &Command) -> Play {
    if is_load(command) { Play::prints(&[LOAD.trim_end()], 0) } else { Play::serves(READY.trim_end(), EXIT.trim_end()) }
}

/// The argument after an option.
fn option<'c>(command: &'c Command, name: &str) -> &'c str {
    let at = command.arguments.iter().position(|argument| argument == name).expect("the option");
    &command.arguments[at + 1]
}

/// For each arm, the numbers of its repeats and of its runs, in order.
fn runs(record: &Record) -> Vec<(&str, Vec<(u32, u32)>)> {
    let of = |cell: &'_ results::record::Cell| cell.runs.iter().map(|run| (run.repeat, run.order)).collect();
    record.cells.iter().map(|cell| (cell.arm.as_str(), of(cell))).collect()
}

#[test]
fn a_comparison_goes_from_its_command_to_its_report() {
    let place = Place::new("comparison-whole");
    let host = Mock::new(|command, _| play(command));
    let record = publish_on(&host, &place, &trial(4, 2)).expect("all goes well");
    assert_eq!(exit_code(&record).expect("runs"), 0);
    assert_eq!(
        record.cells.iter().map(|cell| (cell.runs.len(), cell.is_own)).collect::<Vec<_>>(),
        [(2, Some(true)); 2]
    );
    assert_eq!((record.cells[0].runs[0].completed, record.seed, record.resumed), (46, 7, 0));
    assert!(record.skipped.is_empty() && record.waits.is_empty(), "{record:?}");
    let names = place.names();
    assert!(names.len() == 1 && names[0].ends_with("-trial"), "the run is there, the journal is not: {names:?}");
    let written = std::fs::read_to_string(place.0.join(&names[0]).join("record.json")).expect("the record");
    // Parsing a number may change its last digit, so parse both sides.
    let read = |text: &str| serde_json::from_str::<Record>(text).expect("JSON");
    assert_eq!(read(&written), read(&serde_json::to_string(&record).expect("JSON")));
}

#[test]
fn every_second_repeat_is_mirrored_and_the_arms_of_a_repeat_share_a_schedule() {
    let place = Place::new("comparison-order");
    let host = Mock::new(|command, _| play(command));
    publish_on(&host, &place, &trial(4, 4)).expect("all goes well");
    let started = host.started();
    let variants: Vec<&str> =
        started.iter().filter(|command| !is_load(command)).map(|command| option(command, "--backend")).collect();
    assert_eq!(variants.len(), 8, "a server for each run");
    for pair in variants.chunks(4) {
        assert!(pair[0] != pair[1] && pair[0] == pair[3] && pair[1] == pair[2], "{variants:?}");
    }
    let seeds: Vec<&str> =
        started.iter().filter(|command| is_load(command)).map(|command| option(command, "--seed")).collect();
    assert_eq!(seeds, ["7", "7", "8", "8", "9", "9", "10", "10"]);
}

/// If both CPUs were exchanged, every figure of one side would be the other's.
#[test]
fn server_and_load_generator_have_their_own_processors() {
    let place = Place::new("comparison-places");
    let host = Mock::new(|command, _| play(command));
    publish_on(&host, &place, &trial(4, 1)).expect("all goes well");
    let places = |command: &Command| match is_load(command) {
        true => (option(command, "--cpus").to_owned(), option(command, "--watch-cpus").to_owned()),
        false => (option(command, "--cpus").to_owned(), String::new()),
    };
    for command in host.started() {
        let expected = if is_load(&command) { ("1", "0") } else { ("0", "") };
        assert_eq!(places(&command), (expected.0.to_owned(), expected.1.to_owned()), "{command:?}");
    }
}

#[test]
fn a_run_that_fails_three_times_leaves_its_arm_out_and_says_why() {
    let place = Place::new("comparison-fails");
    let is_mio_up = AtomicBool::new(false);
    let host = Mock::new(|command, _| {
        if !is_load(command) {
            is_mio_up.store(is_mio(command), Ordering::Relaxed);
        } else if is_mio_up.load(Ordering::Relaxed) {
            return Play::complains("c10m: nobody answers");
        }
        play(command)
    });
    let record = publish_on(&host, &place, &trial(4, 2)).expect("the other arm goes well");
    assert_eq!(runs(&record).iter().map(|(arm, runs)| (*arm, runs.len())).collect::<Vec<_>>(), [("epoll level", 2)]);
    assert_eq!(
        host.started().iter().filter(|command| is_mio(command)).count(),
        3,
        "and not tried in the second repeat"
    );
    let [reason] = &record.skipped[..] else { panic!("{:?}", record.skipped) };
    assert!(reason.starts_with("echo × 4 closed, mio edge: failed 3 times in repeat 1: c10m load "), "{reason}");
    assert!(reason.ends_with("ended early: c10m: nobody answers"), "{reason}");
    let failures = record.notes.iter().filter(|note| note.starts_with("A run failed: run ")).count();
    assert_eq!(failures, 3, "{:?}", record.notes);
}

#[test]
fn a_run_that_fails_once_is_made_again() {
    let place = Place::new("comparison-again");
    // The second process is the first load generator.
    let host = Mock::new(|command, number| if number == 1 { Play::is_killed(9) } else { play(command) });
    let record = publish_on(&host, &place, &trial(4, 1)).expect("the second attempt goes well");
    assert_eq!((record.cells.len(), record.skipped.len()), (2, 0));
    let failure = record.notes.iter().find(|note| note.starts_with("A run failed: ")).expect("it is told");
    assert!(failure.contains("run 1 (echo × 4 closed, ") && failure.contains("ended early"), "{failure}");
    assert_eq!(host.started().len(), 2 * 3);
}

#[test]
fn where_nothing_succeeds_there_is_a_report_and_no_success() {
    let place = Place::new("comparison-nothing");
    let host =
        Mock::new(|command, _| if is_load(command) { Play::prints(&[LOAD.trim_end()], 1) } else { play(command) });
    let record = publish_on(&host, &place, &trial(4, 1)).expect("a report");
    assert!(record.cells.is_empty() && record.skipped.len() == 2);
    assert!(record.skipped[0].ends_with("the load generator ended with 1"), "{:?}", record.skipped);
    assert!(exit_code(&record).expect_err("no success").to_string().contains("no run succeeded"));
    let invalid = LOAD.replacen("\"state\": \"VALID\"", "\"state\": \"INVALID\"", 1);
    let host =
        Mock::new(|command, _| if is_load(command) { Play::prints(&[invalid.trim_end()], 4) } else { play(command) });
    let record = publish_on(&host, &place, &trial(4, 1)).expect("a report");
    assert_eq!((record.cells.len(), exit_code(&record).expect("runs")), (2, 4));
}

#[test]
fn an_interruption_keeps_what_is_finished_and_the_next_sitting_goes_on() {
    let place = Place::new("comparison-interrupted");
    let stop = Arc::new(AtomicBool::new(false));
    let comparison = trial(4, 2);
    // The sixth process is the load generator of the third run. It gets the same signal as this process.
    let host = Mock::new(|command, number| {
        if number == 5 {
            stop.store(true, Ordering::Relaxed);
            return Play::complains("interrupted");
        }
        play(command)
    });
    let error =
        publish(&comparison, &place.request(Some(Duration::ZERO)), stage(&host, &stop)).expect_err("it is interrupted");
    let said = format!("{error:#}");
    assert!(said.starts_with("interrupted; 2 of 4 runs are finished and kept in "), "{said}");
    assert!(said.ends_with("` goes on with the rest"), "{said}");
    assert_eq!((host.started().len(), place.names()), (6, vec![".trial-full.unfinished".to_owned()]));

    let host = Mock::new(|command, _| play(command));
    let record = publish_on(&host, &place, &comparison).expect("the rest goes well");
    assert_eq!(host.started().len(), 4, "two runs are left");
    assert_eq!(record.resumed, 1);
    let mut orders: Vec<u32> = record.cells.iter().flat_map(|cell| &cell.runs).map(|run| run.order).collect();
    orders.sort_unstable();
    assert_eq!(orders, [0, 1, 2, 3]);
    assert!(!record.notes.iter().any(|note| note.contains("failed")), "no run did: {:?}", record.notes);
}

#[test]
fn what_was_left_out_stays_left_out_in_the_next_sitting() {
    let place = Place::new("comparison-stays");
    let stop = Arc::new(AtomicBool::new(false));
    let comparison = trial(4, 2);
    let failing = |command: &Command, number: usize| {
        if is_mio(command) {
            return Play::complains("no room");
        }
        stop.store(number > 4, Ordering::Relaxed);
        play(command)
    };
    let host = Mock::new(failing);
    let error =
        publish(&comparison, &place.request(Some(Duration::ZERO)), stage(&host, &stop)).expect_err("it is interrupted");
    assert!(error.to_string().starts_with("interrupted; 1 of 4 runs are finished"), "{error}");
    let host = Mock::new(failing);
    let record = publish_on(&host, &place, &comparison).expect("the rest goes well");
    assert!(!host.started().iter().any(is_mio), "it is not tried again");
    assert_eq!((record.cells.len(), record.skipped.len()), (1, 1));
}

#[test]
fn nothing_begins_on_a_machine_that_is_not_fit_unless_that_is_wanted() {
    let place = Place::new("comparison-unfit");
    let host = Mock::new(|command, _| play(command)).disturbed(&["a storm"]);
    let error = publish_on(&host, &place, &trial(4, 1)).expect_err("it is not fit").to_string();
    assert!(error.starts_with("did not begin run 1: waited 0 s for a storm; see what is busy"), "{error}");
    assert!(error.contains("--noisy; 0 of 2 runs are finished"), "{error}");
    assert!(host.started().is_empty());

    let noisy = Request { noisy: true, ..place.request(Some(Duration::ZERO)) };
    let host = Mock::new(|command, _| play(command)).disturbed(&["a storm"]);
    let record = publish(&trial(4, 1), &noisy, stage(&host, &Arc::default())).expect("it is wanted");
    assert_eq!(record.waits, ["before run 1: waited 0 s, then measured in spite of a storm"]);

    let patient = Request { wait_max: Some(Duration::from_secs(600)), ..place.request(Some(Duration::ZERO)) };
    let host = Mock::new(|command, _| play(command)).disturbed(&["a storm"]);
    let record = publish(&trial(4, 1), &patient, stage(&host, &Arc::default())).expect("the storm goes");
    assert_eq!(record.waits.len(), 1);
    assert!(record.waits[0].ends_with("s for a storm"), "{:?}", record.waits);
}

#[test]
fn a_host_may_refuse_before_anything_is_made() {
    let place = Place::new("comparison-refused");
    let host = Mock::new(|command, _| play(command)).refuses("process 4 is left");
    let error = publish_on(&host, &place, &trial(4, 1)).expect_err("a refusal");
    assert_eq!(error.downcast_ref::<Refusal>(), Some(&Refusal::failed("process 4 is left".to_owned())));
    assert!(host.started().is_empty() && place.names().is_empty());
}

#[test]
fn the_price_of_connections_is_measured_once_for_each_server() {
    let place = Place::new("comparison-price");
    let host = Mock::new(|command, _| play(command));
    let record = publish_on(&host, &place, &trial(10, 2)).expect("all goes well");
    let started = host.started();
    let is_price =
        |command: &&Command| is_load(command) && command.arguments.iter().any(|argument| argument == "--rate");
    assert_eq!((started.len(), started.iter().filter(is_price).count()), (2 * (4 + 2), 2));
    // According to the server's account, all its system calls were for connections.
    assert_eq!(record.cells[0].runs[0].syscalls_per_request, None);
    assert!(record.notes.iter().any(|note| note.contains("without what opening and closing the connections takes")));
}
