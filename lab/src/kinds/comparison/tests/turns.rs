//! Servers that stand side by side and are loaded in turns.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use loadgen::turns::{Record, Round, Turn, Whole};
use protocol::Workload;
use results::judged::Judged;
use results::record::Turns;
use server::Balance;

use super::{BLOCK, has, is_load, is_mio, option, play, trial};
use crate::kinds::comparison::conduct::{exit_code, publish};
use crate::kinds::comparison::plan::Arm;
use crate::session::host::Command;
use crate::session::mock::{Mock, Play};
use crate::session::trial::{Place, stage};
use crate::subjects::load::Load;
use crate::subjects::servers::kind::Kind;

/// Requests in the account that every server leaves.
const SERVED: u64 = 53;

/// What `c10m turns` would print of servers that need so much for each of 40 requests in a window, in ns.
fn turns(costs_ns: &[u64], stolen_us: u64, rounds: u32, replies: u64) -> String {
    let turn = |round: u32, target: usize| Turn {
        target,
        round,
        wall_ns: 25_000_000,
        run_ns: 40 * costs_ns[target],
        completed: 40,
        run_delay_us: Some(50),
        ..Turn::default()
    };
    let turns = (0..rounds).flat_map(|round| (0..costs_ns.len()).map(move |target| turn(round, target))).collect();
    let round = Round { wall_us: 200_000, stolen_us: Some(stolen_us), is_disturbed: stolen_us > 10_000 };
    let responses = results::histogram::Latencies::new().encode().expect("an empty histogram");
    let whole = Whole { replies, responses, process_bytes_grown: Some(200_000.0), ..Whole::default() };
    let record = Record {
        turns,
        rounds: vec![round; rounds as usize],
        targets: vec![whole; costs_ns.len()],
        started_unix_ms: 1_700_000_000_000,
    };
    serde_json::to_string(&record).expect("a record")
}

/// A host whose turns see what the commands of the servers say: mio needs a quarter more, a handicap what it is.
fn in_turns(stolen_us: impl Fn(usize) -> u64 + Sync) -> Mock<impl Fn(&Command, usize) -> Play + Sync> {
    answered(SERVED, stolen_us)
}

/// The same, with a client that counts so many replies of each server.
fn answered(replies: u64, stolen_us: impl Fn(usize) -> u64 + Sync) -> Mock<impl Fn(&Command, usize) -> Play + Sync> {
    let servers: Mutex<Vec<Command>> = Mutex::default();
    Mock::new(move |command, number| {
        let mut servers = servers.lock().expect("no panic while it is held");
        if is_load(command) {
            // It has shown what connections cost, on a server of its own.
            servers.clear();
        } else if command.arguments[0] != "turns" {
            servers.push(command.clone());
        }
        if command.arguments[0] != "turns" {
            return play(command);
        }
        let cost = |server: &Command| match (is_mio(server), has(server, "--handicap")) {
            (true, _) => 5000,
            (_, true) => 4000 + option(server, "--handicap").parse::<u64>().expect("a number"),
            _ => 4000,
        };
        let costs: Vec<u64> = servers.drain(..).map(|server| cost(&server)).collect();
        let rounds = option(command, "--rounds").parse().expect("a number");
        Play::prints(&[turns(&costs, stolen_us(number), rounds, replies).as_str()], 0)
    })
}

/// A reply that the server did not send, or one that the client lost: then nobody knows what a request cost.
#[test]
fn servers_and_clients_that_count_differently_decide_nothing() {
    let place = Place::new("comparison-turns-counts");
    let host = answered(SERVED + 1, |_| 0);
    let request = place.request(Some(Duration::ZERO));
    let record = publish(&trial(4, 4), &request, stage(&host, &Arc::default())).expect("all goes well");
    let runs: Vec<_> = record.cells.iter().flat_map(|cell| &cell.runs).collect();
    assert!(runs.iter().all(|run| !run.stands() && run.objections == "V7"), "{runs:?}");
    assert_eq!(exit_code(&record).expect("runs"), 4);
}

/// Five servers and one client for each block, instead of five of each.
#[test]
fn servers_that_can_stand_side_by_side_are_loaded_in_turns() {
    let place = Place::new("comparison-turns");
    let host = in_turns(|_| 0);
    let request = place.request(Some(Duration::ZERO));
    let record = publish(&trial(4, 5), &request, stage(&host, &Arc::default())).expect("all goes well");
    assert_eq!(host.started().len(), (2 + 5) * (BLOCK + 1), "two groups of the pilot, and five blocks");
    let brisk = Turns { rounds: 8, window_s: 0.025, loads: vec!["echo × 4 closed".to_owned()] };
    assert_eq!(record.design.turns, [brisk]);
    let judged = Judged::of(&record);
    let ratios: Vec<String> =
        judged.pooled().map(|(arm, effect)| format!("{} {:.2}", arm.name, effect.ratio)).collect();
    assert_eq!(ratios, ["mio edge 1.25", "epoll level (twin) 1.00", "epoll level (handicapped) 1.05"]);
    let run = &record.cells[1].runs[0];
    assert_eq!((run.completed, run.server_run_us_per_request, run.replies_whole_run), (320, Some(5.0), Some(SERVED)));
    assert_eq!(exit_code(&record).expect("runs"), 0);
    let client = host.started().into_iter().find(|command| command.arguments[0] == "turns").expect("a client");
    assert_eq!((option(&client, "--cpu"), option(&client, "--watch-cpus")), ("1", "0,1"));
    let name = &place.names()[0];
    let read = results::run::open(&place.0.join(name)).expect("it adds up");
    assert_eq!(read.record.cells, record.cells);
}

/// Connections that come and go do so in a network namespace, under turns that are longer; the loads of a run are told
/// apart by that.
#[test]
fn connections_that_come_and_go_are_loaded_in_longer_turns() {
    let place = Place::new("comparison-turns-churn");
    let namespace = || std::fs::read_link("/proc/thread-self/ns/net").expect("a namespace");
    let namespaces = Mutex::new(Vec::new());
    let host = in_turns(|_| {
        namespaces.lock().expect("no panic while it is held").push(namespace());
        0
    });
    let mut comparison = trial(4, 4);
    comparison.scopes[0].loads.push(Load::churn(Workload::Echo, 4));
    let request = place.request(Some(Duration::ZERO));
    let record = publish(&comparison, &request, stage(&host, &Arc::default())).expect("all goes well");
    let turns = |rounds, window_s, load: &str| Turns { rounds, window_s, loads: vec![load.to_owned()] };
    let expected = [turns(8, 0.025, "echo × 4 closed"), turns(4, 0.1, "echo × 4 closed, a connection each")];
    assert_eq!(record.design.turns, expected);
    let started = host.started();
    let clients: Vec<&Command> = started.iter().filter(|command| command.arguments[0] == "turns").collect();
    let (churning, staying): (Vec<&Command>, Vec<&Command>) =
        clients.into_iter().partition(|client| has(client, "--churn"));
    assert_eq!((churning.len(), staying.len()), (2 + 4, 2 + 4));
    let pace = |client: &Command| (option(client, "--rounds").to_owned(), option(client, "--window").to_owned());
    assert_eq!(pace(churning[0]), ("4".to_owned(), "100ms".to_owned()));
    assert_eq!(pace(staying[0]), ("8".to_owned(), "25ms".to_owned()));
    assert_eq!(exit_code(&record).expect("runs"), 0);
    let namespaces = namespaces.lock().expect("no panic while it was held").clone();
    let outside = namespaces.iter().filter(|of_client| **of_client == namespace()).count();
    assert_eq!((outside, namespaces.len()), (staying.len(), staying.len() + churning.len()));
}

#[test]
fn very_many_connections_stand_together_and_their_memory_is_known() {
    let place = Place::new("comparison-turns-many");
    let host = in_turns(|_| 0);
    let request = place.request(Some(Duration::ZERO));
    let record = publish(&trial(2001, 4), &request, stage(&host, &Arc::default())).expect("all goes well");
    let calm = Turns { rounds: 4, window_s: 0.1, loads: vec!["echo × 2,001 closed".to_owned()] };
    assert_eq!(record.design.turns, [calm]);
    let run = &record.cells[0].runs[0];
    assert_eq!((run.completed, run.server_bytes_per_connection), (160, Some(200_000.0 / 2001.0)));
}

/// Four reactors share a CPU, so they wait for each other: that is no disturbance. One that waits as long is disturbed by
/// something else.
#[test]
fn reactors_that_wait_for_each_other_are_not_disturbed() {
    let place = Place::new("comparison-turns-reactors");
    let host = in_turns(|_| 0);
    let mut comparison = trial(4, 4);
    comparison.scopes[0].arms.push(Arm::server(Kind::Balanced(Balance::Hash)));
    let request = place.request(Some(Duration::ZERO));
    let record = publish(&comparison, &request, stage(&host, &Arc::default())).expect("all goes well");
    let waited = |arm: &str| {
        record
            .cells
            .iter()
            .find(|cell| cell.arm.contains(arm))
            .and_then(|cell| cell.runs[0].waited_share)
            .expect("a share")
    };
    // 50 of 25,000 µs, in which the process runs for 160.
    assert_eq!((waited("mio edge"), waited("hash")), (0.002, 0.0));
    let started = host.started();
    let serves = |reactors: &str| {
        started.iter().filter(|command| has(command, "--reactors") && option(command, "--reactors") == reactors).count()
    };
    assert_eq!((serves("4"), serves("1")), (2 + 4, (2 + 4) * BLOCK));
}

/// The hypervisor took 15 ms of each round of 200, so the whole group is made again: twice, then it is kept and marked.
#[test]
fn a_disturbed_group_is_repeated_as_one() {
    let place = Place::new("comparison-turns-stolen");
    let request = place.request(Some(Duration::ZERO));
    // The client of the first block comes after both groups of the pilot.
    let first = 2 * (BLOCK + 1) + BLOCK;
    let host = in_turns(move |number| if number == first { 15_000 } else { 0 });
    let record = publish(&trial(4, 6), &request, stage(&host, &Arc::default())).expect("all goes well");
    let runs: Vec<_> = record.cells.iter().flat_map(|cell| &cell.runs).collect();
    assert_eq!(host.started().len(), (2 + 6 + 1) * (BLOCK + 1));
    assert!(runs.iter().all(|run| !run.is_disturbed && (run.repeated == 1) == (run.block == 0)), "{:?}", runs[0]);
    let place = Place::new("comparison-turns-stormy");
    let request = place.request(Some(Duration::ZERO));
    let record = publish(&trial(4, 6), &request, stage(&in_turns(|_| 15_000), &Arc::default())).expect("it is kept");
    let disturbed = record.cells.iter().flat_map(|cell| &cell.runs).filter(|run| run.is_disturbed).count();
    assert_eq!(disturbed, 6 * BLOCK);
}

/// The others stand together again, and what the search for the culprit has measured is in no cell.
#[test]
fn one_that_makes_turns_fail_is_found_and_left_out() {
    let place = Place::new("comparison-turns-culprit");
    let well = in_turns(|_| 0);
    let standing: Mutex<Vec<Command>> = Mutex::default();
    let host = Mock::new(|command, number| {
        let mut standing = standing.lock().expect("no panic while it is held");
        let is_client = is_load(command) || command.arguments[0] == "turns";
        if !is_client {
            standing.push(command.clone());
            return well.play(command, number);
        }
        let fails = number > 2 * (BLOCK + 1) && standing.drain(..).any(|server| is_mio(&server));
        standing.clear();
        let played = well.play(command, number);
        if fails { Play::complains("c10m: 127.0.0.1:9: it closed a connection") } else { played }
    });
    let request = place.request(Some(Duration::ZERO));
    let record = publish(&trial(4, 4), &request, stage(&host, &Arc::default())).expect("all goes well");
    let cells: Vec<(&str, usize)> = record.cells.iter().map(|cell| (cell.arm.as_str(), cell.runs.len())).collect();
    assert_eq!(cells, [("epoll level", 8), ("epoll level (twin)", 4), ("epoll level (handicapped)", 4)]);
    assert!(record.cells.iter().flat_map(|cell| &cell.runs).all(|run| run.completed == 320));
    assert!(record.skipped.iter().any(|skipped| skipped.contains("mio edge: failed 3 times in block 1")), "{record:?}");
}

/// Their turns fail in the pilot, so they are measured one after another.
#[test]
fn servers_that_cannot_stand_so_are_measured_one_after_another() {
    let place = Place::new("comparison-turns-fail");
    let host = Mock::new(|command, _| match command.arguments[0].as_str() {
        "turns" => Play::complains("c10m: 127.0.0.1:9: it closed a connection"),
        _ => play(command),
    });
    let request = place.request(Some(Duration::ZERO));
    let record = publish(&trial(4, 2), &request, stage(&host, &Arc::default())).expect("all goes well");
    assert_eq!((record.design.turns, record.cells.len()), (vec![], 4));
    assert!(
        record.notes.iter().any(|note| note.contains("servers in turns: ") && note.contains("it closed a connection"))
    );
    assert_eq!(host.started().iter().filter(|command| command.arguments[0] == "turns").count(), 3);
}
