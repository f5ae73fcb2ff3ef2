//! Comparisons on a host that follows a script: which starts fail, what is left out, what an interruption keeps.
//!
//! The processes print accounts of a run of half a second.

mod turns;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use protocol::Workload;
use results::judged::Judged;
use results::record::{Decision, Metric, Record, Role};
use server::Variant;

use crate::kinds::comparison::conduct::{exit_code, publish};
use crate::kinds::comparison::plan::{Arm, Comparison, Length, Scope};
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
/// Starts of the pilot: four of the reference, one of each other arm.
const PILOT: usize = 4 + 3;
/// Starts of a block: the reference twice, the arm, and both controls.
const BLOCK: usize = 5;

/// An arm and its reference under one load.
fn trial(connections: u32, blocks: u32) -> Comparison {
    Comparison {
        name: "trial",
        question: "Does the runner do what it should?",
        explanation: "",
        metric: Metric::ServerRun,
        decision: Decision { reference: "epoll level".to_owned(), effect_min: 0.02, is_agreement: false },
        is_hidden: true,
        scopes: vec![Scope {
            profile: Profile::Full,
            arms: [Variant::EpollLevel, Variant::MioEdge].map(|variant| Arm::server(Kind::C10m(variant))).into(),
            loads: vec![Load::closed(Workload::Echo, connections)],
            length: Length::Blocks(blocks),
            seconds: 0.2,
            notes: vec![],
        }],
    }
}

/// Servers one after another, without waiting for a fit machine.
fn request(place: &Place) -> Request {
    Request { apart: true, ..place.request(Some(Duration::ZERO)) }
}

/// Carries the trial out on a host. Nothing interrupts it.
fn publish_on(host: &dyn Host, place: &Place, comparison: &Comparison) -> anyhow::Result<Record> {
    publish(comparison, &request(place), stage(host, &Arc::default()))
}

fn is_load(command: &Command) -> bool {
    command.arguments[0] == "load"
}

fn is_mio(command: &Command) -> bool {
    command.arguments.iter().any(|argument| argument == "mio")
}

fn has(command: &Command, name: &str) -> bool {
    command.arguments.iter().any(|argument| argument == name)
}

/// How the processes behave when all goes well.
fn play(command: &Command) -> Play {
    if is_load(command) { Play::prints(&[LOAD.trim_end()], 0) } else { Play::serves(READY.trim_end(), EXIT.trim_end()) }
}

/// The same, with a server that needs so many ns in a run: `cost` is told its command.
fn costing(last: &Mutex<Option<Command>>, command: &Command, cost: impl Fn(&Command) -> u64) -> Play {
    let mut last = last.lock().expect("no panic while it is held");
    if !is_load(command) {
        *last = Some(command.clone());
        return play(command);
    }
    let ns = cost(last.as_ref().expect("the server comes first"));
    Play::prints(&[LOAD.trim_end().replace("\"run_ns\": 184000", &format!("\"run_ns\": {ns}")).as_str()], 0)
}

/// The argument after an option.
fn option<'c>(command: &'c Command, name: &str) -> &'c str {
    let at = command.arguments.iter().position(|argument| argument == name).expect("the option");
    &command.arguments[at + 1]
}

fn servers(started: &[Command]) -> Vec<&Command> {
    started.iter().filter(|command| !is_load(command)).collect()
}

#[test]
fn a_comparison_goes_from_its_command_to_its_report() {
    let place = Place::new("comparison-whole");
    let last = Mutex::new(None);
    let host = Mock::new(|command, _| {
        costing(&last, command, |server| match (is_mio(server), has(server, "--handicap")) {
            (true, _) => 230_000,
            (_, true) => 193_200,
            _ => 184_000,
        })
    });
    let record = publish_on(&host, &place, &trial(4, 5)).expect("all goes well");
    assert_eq!(exit_code(&record).expect("runs"), 0);
    let cells: Vec<(Role, usize)> = record.cells.iter().map(|cell| (cell.role, cell.runs.len())).collect();
    assert_eq!(cells, [(Role::Reference, 10), (Role::Arm, 5), (Role::Twin, 5), (Role::Handicapped, 5)]);
    assert_eq!((record.cells[0].runs[0].completed, record.seed, record.resumed), (46, 7, 0));
    // 4 µs for each of 46 requests, and a twentieth of that.
    assert_eq!(record.cells[3].handicap_ns, Some(200));
    assert_eq!(
        option(servers(&host.started()).iter().find(|server| has(server, "--handicap")).expect("one"), "--handicap"),
        "200"
    );
    let judged = Judged::of(&record);
    let ratios: Vec<String> =
        judged.pooled().map(|(arm, effect)| format!("{} {:.2}", arm.name, effect.ratio)).collect();
    assert_eq!(ratios, ["mio edge 1.25", "epoll level (twin) 1.00", "epoll level (handicapped) 1.05"]);
    assert!(record.skipped.is_empty() && record.waits.is_empty(), "{record:?}");
    let names = place.names();
    assert!(names.len() == 1 && names[0].ends_with("-trial"), "the run is there, the journal is not: {names:?}");
    let read = results::run::open(&place.0.join(&names[0])).expect("it adds up");
    assert_eq!((read.record.cells, read.curves.len()), (record.cells, 4));
}

#[test]
fn a_run_that_does_not_find_what_was_planted_is_not_believed() {
    let place = Place::new("comparison-blind");
    let last = Mutex::new(None);
    let host = Mock::new(|command, _| costing(&last, command, |_| 184_000));
    let record = publish_on(&host, &place, &trial(4, 4)).expect("it is published all the same");
    assert_eq!(exit_code(&record).expect("runs"), 4);
}

#[test]
fn every_second_block_is_mirrored_and_the_arms_of_a_block_share_a_schedule() {
    let place = Place::new("comparison-order");
    let host = Mock::new(|command, _| play(command));
    publish_on(&host, &place, &trial(4, 4)).expect("all goes well");
    let started = host.started();
    let arms: Vec<String> = servers(&started)[PILOT..]
        .iter()
        .map(|server| format!("{}{}", option(server, "--backend"), has(server, "--handicap")))
        .collect();
    assert_eq!(arms.len(), 4 * BLOCK, "a server for each start");
    for pair in arms.chunks(2 * BLOCK) {
        let (first, mut second) = (pair[..BLOCK].to_vec(), pair[BLOCK..].to_vec());
        second.reverse();
        assert_eq!(first, second);
    }
    let seeds: Vec<&str> =
        started.iter().filter(|command| is_load(command)).map(|load| option(load, "--seed")).collect();
    let expected: Vec<String> = (0..4).flat_map(|block| vec![(7 + block).to_string(); BLOCK]).collect();
    assert_eq!(seeds[PILOT..], expected);
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

/// By a rule that knows nothing of what was measured, and only so often.
#[test]
fn a_disturbed_start_is_repeated_and_counted() {
    let place = Place::new("comparison-disturbed");
    let stolen = LOAD.replace("\"run_delay_us\": 1980", "\"run_delay_us\": 21000");
    // The first load of the first block is disturbed once; the last process of each start is its load.
    let first = 2 * PILOT + 1;
    let host = Mock::new(|command, number| match is_load(command) && number == first {
        true => Play::prints(&[stolen.trim_end()], 0),
        false => play(command),
    });
    let record = publish_on(&host, &place, &trial(4, 2)).expect("all goes well");
    let runs: Vec<_> = record.cells.iter().flat_map(|cell| &cell.runs).collect();
    assert_eq!(runs.iter().map(|run| run.repeated).sum::<u32>(), 1);
    assert!(runs.iter().all(|run| !run.is_disturbed), "what was disturbed was thrown away");
    assert_eq!(host.started().len(), 2 * (PILOT + 2 * BLOCK + 1));
    // A burst hits neighbours, so the repeat comes after the block.
    let (started, of_pilot) = (host.started(), PILOT);
    let arms: Vec<&[String]> = servers(&started)[of_pilot..].iter().map(|server| &server.arguments[..]).collect();
    assert_eq!(arms[BLOCK], arms[0], "the first start of the first block again");

    let place = Place::new("comparison-stormy");
    let host = Mock::new(|command, _| match is_load(command) {
        true => Play::prints(&[stolen.trim_end()], 0),
        false => play(command),
    });
    let record = publish_on(&host, &place, &trial(4, 2)).expect("all goes well");
    let runs: Vec<_> = record.cells.iter().flat_map(|cell| &cell.runs).collect();
    assert!(runs.len() == 2 * BLOCK && runs.iter().all(|run| run.is_disturbed), "they are kept and marked");
    assert_eq!(runs.iter().map(|run| run.repeated).sum::<u32>(), 2, "a fifth of ten starts");
}

#[test]
fn a_start_that_fails_three_times_leaves_its_arm_out_and_says_why() {
    let place = Place::new("comparison-fails");
    let is_mio_up = AtomicBool::new(false);
    let host = Mock::new(|command, number| {
        if !is_load(command) {
            is_mio_up.store(is_mio(command) && number >= 2 * PILOT, Ordering::Relaxed);
        } else if is_mio_up.load(Ordering::Relaxed) {
            return Play::complains("c10m: nobody answers");
        }
        play(command)
    });
    let record = publish_on(&host, &place, &trial(4, 2)).expect("the other arms go well");
    assert_eq!(
        record.cells.iter().map(|cell| cell.role).collect::<Vec<_>>(),
        [Role::Reference, Role::Twin, Role::Handicapped]
    );
    assert_eq!(host.started().iter().filter(|command| is_mio(command)).count(), 1 + 3, "and not in the second block");
    let [reason] = &record.skipped[..] else { panic!("{:?}", record.skipped) };
    assert!(reason.starts_with("echo × 4 closed, mio edge: failed 3 times in block 1: c10m load "), "{reason}");
    assert!(reason.ends_with("ended early: c10m: nobody answers"), "{reason}");
    let failures = record.notes.iter().filter(|note| note.starts_with("A run failed: start ")).count();
    assert_eq!(failures, 3, "{:?}", record.notes);
}

#[test]
fn a_start_that_fails_once_is_made_again() {
    let place = Place::new("comparison-again");
    // The second process of the first block is a load generator.
    let host = Mock::new(|command, number| if number == 2 * PILOT + 1 { Play::is_killed(9) } else { play(command) });
    let record = publish_on(&host, &place, &trial(4, 1)).expect("the second attempt goes well");
    assert_eq!((record.cells.len(), record.skipped.len()), (4, 0));
    let failure = record.notes.iter().find(|note| note.starts_with("A run failed: ")).expect("it is told");
    assert!(failure.contains("start 1 (echo × 4 closed, ") && failure.contains("ended early"), "{failure}");
    assert_eq!(host.started().len(), 2 * (PILOT + BLOCK + 1));
}

#[test]
fn where_nothing_succeeds_there_is_a_report_and_no_success() {
    let place = Place::new("comparison-nothing");
    let host =
        Mock::new(|command, _| if is_load(command) { Play::prints(&[LOAD.trim_end()], 1) } else { play(command) });
    let record = publish_on(&host, &place, &trial(4, 1)).expect("a report");
    assert!(record.cells.is_empty() && record.skipped.len() == 4);
    assert!(record.skipped[0].ends_with("the load generator ended with 1"), "{:?}", record.skipped);
    assert!(exit_code(&record).expect_err("no success").to_string().contains("no start succeeded"));
    let invalid =
        LOAD.replacen("\"counts\": \"VALID\", \"cpu\": \"VALID\"", "\"counts\": \"INVALID\", \"cpu\": \"INVALID\"", 1);
    assert_ne!(invalid, LOAD);
    let host =
        Mock::new(|command, _| if is_load(command) { Play::prints(&[invalid.trim_end()], 4) } else { play(command) });
    let record = publish_on(&host, &place, &trial(4, 1)).expect("a report");
    assert_eq!((record.cells.len(), exit_code(&record).expect("runs")), (4, 4));
}

#[test]
fn an_interruption_keeps_what_is_finished_and_the_next_sitting_goes_on() {
    let place = Place::new("comparison-interrupted");
    let stop = Arc::new(AtomicBool::new(false));
    let comparison = trial(4, 2);
    // The load generator of the third start. It gets the same signal as this process.
    let host = Mock::new(|command, number| {
        if number == 2 * PILOT + 5 {
            stop.store(true, Ordering::Relaxed);
            return Play::complains("interrupted");
        }
        play(command)
    });
    let error = publish(&comparison, &request(&place), stage(&host, &stop)).expect_err("it is interrupted");
    let said = format!("{error:#}");
    assert!(said.starts_with("interrupted; 2 of 10 starts are finished and kept in "), "{said}");
    assert!(said.ends_with("` goes on with the rest"), "{said}");
    assert_eq!((host.started().len(), place.names()), (2 * PILOT + 6, vec![".trial-full.unfinished".to_owned()]));

    let host = Mock::new(|command, _| play(command));
    let record = publish_on(&host, &place, &comparison).expect("the rest goes well");
    assert_eq!(host.started().len(), 2 * (2 * BLOCK - 2), "no pilot, and the starts that are left");
    assert_eq!(record.resumed, 1);
    let mut orders: Vec<u32> = record.cells.iter().flat_map(|cell| &cell.runs).map(|run| run.order).collect();
    orders.sort_unstable();
    assert_eq!(orders, (0..10).collect::<Vec<u32>>());
    assert!(!record.notes.iter().any(|note| note.contains("failed")), "no start did: {:?}", record.notes);
}

#[test]
fn nothing_begins_on_a_machine_that_is_not_fit_unless_that_is_wanted() {
    let place = Place::new("comparison-unfit");
    let host = Mock::new(|command, _| play(command)).disturbed(&["a storm"]);
    let error = publish_on(&host, &place, &trial(4, 1)).expect_err("it is not fit").to_string();
    assert!(error.starts_with("did not begin the pilot: waited 0 s for a storm; see what is busy"), "{error}");
    assert!(error.contains("--noisy; 0 of 5 starts are finished"), "{error}");
    assert!(host.started().is_empty());

    let noisy = Request { noisy: true, ..request(&place) };
    let host = Mock::new(|command, _| play(command)).disturbed(&["a storm"]);
    let record = publish(&trial(4, 1), &noisy, stage(&host, &Arc::default())).expect("it is wanted");
    assert_eq!(record.waits, ["before the pilot: waited 0 s, then measured in spite of a storm"]);
}

/// Only the wait before a block can end the experiment.
#[test]
fn repeats_wait_for_a_fit_machine_and_go_on_without_one() {
    let place = Place::new("comparison-burst");
    let stolen = LOAD.replace("\"run_delay_us\": 1980", "\"run_delay_us\": 21000");
    let host = Mock::new(|command, number| match number == 2 * PILOT + 3 {
        true => Play::prints(&[stolen.trim_end()], 0),
        false => play(command),
    });
    let record = publish_on(&host.disturbed(&["", "", "a storm"]), &place, &trial(4, 1)).expect("it goes on");
    assert_eq!(record.waits, ["before repeats of block 1: waited 0 s, then measured in spite of a storm"]);
}

/// The pilot of this run says how many blocks there are, and a budget that has ended is no other budget.
#[test]
fn a_budget_becomes_blocks_and_belongs_to_the_run() {
    let (place, stop) = (Place::new("comparison-budget"), Arc::new(AtomicBool::new(false)));
    let given = |budget| Request { budget: Some(Duration::from_millis(budget)), ..request(&place) };
    let host = Mock::new(|command, number| {
        if number == 2 * PILOT + 7 {
            stop.store(true, Ordering::Relaxed);
            return Play::complains("interrupted");
        }
        play(command)
    });
    publish(&trial(4, 1), &given(3000), stage(&host, &stop)).expect_err("it is interrupted");
    let host = Mock::new(|command, _| play(command));
    let other = publish(&trial(4, 1), &given(4000), stage(&host, &Arc::default())).expect_err("another budget");
    assert!(other.to_string().contains("budget was 3 s and is now 4 s"), "{other}");
    let record = publish(&trial(4, 1), &given(3000), stage(&host, &Arc::default())).expect("the same");
    assert_eq!((record.design.budget_s, record.resumed), (Some(3.0), 1));
    let runs: Vec<usize> = record.cells.iter().map(|cell| cell.runs.len()).collect();
    let blocks = record.design.blocks as usize;
    assert!(blocks >= 4 && runs == [2 * blocks, blocks, blocks, blocks], "{blocks} {runs:?}");
}

/// Without a figure of the reference, 1 ns would have been planted.
#[test]
fn nothing_is_planted_where_the_reference_has_no_figure() {
    let place = Place::new("comparison-blank");
    let blank = LOAD.replace("\"run_ns\": 184000", "\"run_ns\": null");
    assert_ne!(blank, LOAD);
    let host = Mock::new(|command, _| match is_load(command) {
        true => Play::prints(&[blank.trim_end()], 0),
        false => play(command),
    });
    let record = publish_on(&host, &place, &trial(4, 4)).expect("a report");
    assert!(!host.started().iter().any(|command| has(command, "--handicap")));
    assert!(record.skipped[0].ends_with("so nothing can be planted"), "{:?}", record.skipped);
    assert_eq!(exit_code(&record).expect("runs"), 4);
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
fn a_budget_that_is_too_short_is_refused_with_one_that_is_not() {
    let place = Place::new("comparison-short");
    let host = Mock::new(|command, _| play(command));
    let short = Request { budget: Some(Duration::ZERO), ..request(&place) };
    let error = publish(&trial(4, 1), &short, stage(&host, &Arc::default())).expect_err("too short");
    assert!(error.is::<Refusal>() && error.to_string().contains("0 s are too short"), "{error}");
}

#[test]
fn the_price_of_connections_is_measured_once_for_each_server() {
    let place = Place::new("comparison-price");
    let host = Mock::new(|command, _| play(command));
    let record = publish_on(&host, &place, &trial(10, 2)).expect("all goes well");
    let started = host.started();
    let is_price = |command: &&Command| is_load(command) && has(command, "--rate");
    assert_eq!((started.len(), started.iter().filter(is_price).count()), (2 * (PILOT + 2 * BLOCK + 2), 2));
    // According to the server's account, all its system calls were for connections.
    assert_eq!(record.cells[0].runs[0].syscalls_per_request, None);
    assert!(record.notes.iter().any(|note| note.contains("without what opening and closing the connections takes")));
}
