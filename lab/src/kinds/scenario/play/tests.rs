//! Timelines on a host that follows a script.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::kinds::scenario::timeline::{Moment, Phase, SERVER, words};
use crate::session::mock::{Mock, Play};
use crate::session::places::Places;

const READY: &str = r#"{"event":"ready","address":"127.0.0.1:4711"}"#;

/// An action that starts a role with a line of this program.
fn start(role: Role, line: &str) -> Action {
    let ready = if role == Role::Server { Ready::Announced } else { Ready::AtOnce };
    Action::Start { role, command: Command::own(&words(line)), ready }
}

/// A timeline: starts a server, starts a load and waits for it, and ends.
fn usual(between: Vec<Action>) -> Timeline {
    let mut actions = vec![start(Role::Server, "serve echo"), start(Role::Load, &format!("load tcp://{SERVER}"))];
    actions.extend(between);
    actions.extend([Action::wait(Until::Ended(Role::Load)), Action::End(Role::Server)]);
    Timeline { ground: Ground::Here, lent: vec![], actions }
}

/// Plays a timeline with these scripts for server, load and probe.
fn played(timeline: &Timeline, plays: [Play; 3], is_stopped: bool) -> anyhow::Result<Seen> {
    signalled(timeline, plays, is_stopped).0
}

/// And the signals that it sent.
fn signalled(timeline: &Timeline, plays: [Play; 3], is_stopped: bool) -> (anyhow::Result<Seen>, Vec<(u32, Order)>) {
    let host = Mock::new(|command: &Command, _| match command.arguments[0].as_str() {
        "serve" => plays[0].clone(),
        "load" => plays[1].clone(),
        _ => plays[2].clone(),
    });
    let places = Places { server: 0, client: 1, all: vec![0, 1] };
    let seen = play(timeline, &Stage { host: &host, places, stop: Arc::new(AtomicBool::new(is_stopped)) });
    (seen, host.signals())
}

fn plays(load: Play) -> [Play; 3] {
    [Play::serves(READY, "account"), load, Play::prints(&[], 0)]
}

#[test]
fn what_each_has_printed_is_kept_beside_its_command() {
    let seen = played(&usual(vec![]), plays(Play::prints(&["a line", "record"], 0)), false).expect("a run");
    let outputs: Vec<(Role, String, &str)> =
        seen.outputs.iter().map(|output| (output.role, output.command.join(" "), output.text.as_str())).collect();
    assert_eq!(
        outputs,
        [
            (Role::Server, "c10m serve echo".to_owned(), "account\n"),
            (Role::Load, "c10m load tcp://127.0.0.1:4711".to_owned(), "a line\nrecord\n"),
        ]
    );
    assert_eq!(seen.account(Role::Load).expect("it printed"), "record");
    assert!(seen.account(Role::Probe).is_err() && seen.samples.is_empty() && seen.ehash_entries.is_none());
}

#[test]
fn a_subject_that_fails_fails_the_run_but_a_probe() {
    let probed = usual(vec![start(Role::Probe, "probe"), Action::End(Role::Probe)]);
    let [serves, loads, probes] = plays(Play::prints(&["record"], 0));
    let with =
        |server: &Play, load: &Play, probe: &Play| played(&probed, [server, load, probe].map(Clone::clone), false);
    for (server, load, probe, expected) in [
        (&serves, &loads, &probes, None),
        // The measurement was invalid. The report says so, so the run counts.
        (&serves, &Play::prints(&["record"], 4), &probes, None),
        (&serves, &loads, &Play::complains("no"), None),
        (&serves, &loads, &Play::is_killed(9), None),
        (&serves, &Play::prints(&["record"], 2), &probes, Some("the load generator, c10m, ended with 2")),
        (&serves, &Play::is_killed(11), &probes, Some("was killed")),
        (&Play::prints(&[READY, "account"], 0), &loads, &probes, Some("the server ended first")),
        (&Play::complains("no port"), &loads, &probes, Some("no port")),
        (&Play::serves("{}", "account"), &loads, &probes, Some("printed no address")),
    ] {
        match (with(server, load, probe), expected) {
            (Ok(_), None) => {}
            (Err(error), Some(words)) => assert!(format!("{error:#}").contains(words), "{error:#}"),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn only_this_project_s_generator_may_call_itself_invalid() {
    let mut timeline = usual(vec![]);
    let Action::Start { command, .. } = &mut timeline.actions[1] else { panic!("the load") };
    *command = Command::other("wrk", &words("load"), "wrk");
    let error = played(&timeline, plays(Play::prints(&["text"], 4)), false).unwrap_err();
    assert_eq!(error.to_string(), "the load generator, wrk, ended with 4");
}

#[test]
fn a_code_that_is_allowed_is_no_failure() {
    let [serves, loads, probes] = plays(Play::prints(&["record"], 0));
    let forced = [Play { status: 3 << 8, ..serves }, loads, probes];
    let error = played(&usual(vec![]), forced.clone(), false).unwrap_err();
    assert_eq!(error.to_string(), "the server, c10m, ended with 3");
    assert!(played(&usual(vec![Action::Allow(Role::Server, 3)]), forced.clone(), false).is_ok());
    assert!(played(&usual(vec![Action::Allow(Role::Load, 3)]), forced, false).is_err());
}

#[test]
fn a_condition_that_is_not_met_in_time_ends_the_run_or_not() {
    let never = |or| Action::Await { until: Until::Sockets(u64::MAX), within: Duration::ZERO, or };
    let load = || plays(Play::prints(&["record"], 0));
    let error = played(&usual(vec![never(Or::Fail("nobody came"))]), load(), false).unwrap_err();
    assert_eq!(error.to_string(), "nobody came within 0 s");
    assert!(played(&usual(vec![never(Or::GoOn)]), load(), false).is_ok());
}

#[test]
fn a_timeline_ends_what_it_starts_and_nothing_else() {
    let load = || plays(Play::prints(&["record"], 0));
    let forgotten = Timeline { ground: Ground::Here, lent: vec![], actions: vec![start(Role::Server, "serve echo")] };
    let error = played(&forgotten, load(), false).unwrap_err();
    assert_eq!(error.to_string(), "the timeline does not end the server");
    let error = played(&usual(vec![Action::End(Role::Probe)]), load(), false).unwrap_err();
    assert_eq!(error.to_string(), "the probe was not started");
}

#[test]
fn an_interruption_ends_the_run_and_what_runs() {
    let (seen, signals) = signalled(&usual(vec![]), plays(Play::serves("{}", "record")), true);
    assert_eq!(seen.unwrap_err().to_string(), "interrupted");
    assert_eq!(signals, [(2, Order::Kill), (1, Order::Kill)], "the load first, which would count failures");
    let (seen, signals) = signalled(&usual(vec![]), plays(Play::prints(&["record"], 0)), false);
    assert!(seen.is_ok());
    assert_eq!(signals, [(1, Order::Terminate)], "a server ends in order");
}

/// What was killed may start again; its output is that of the last, and its end is no failure.
#[test]
fn what_is_killed_may_start_again() {
    let timeline = usual(vec![
        Action::Mark("killed"),
        Action::Kill(Role::Server),
        Action::rest(Duration::from_millis(1)),
        start(Role::Server, "serve echo again"),
    ]);
    let (seen, signals) = signalled(&timeline, plays(Play::prints(&["record"], 0)), false);
    let seen = seen.expect("a run");
    assert_eq!(signals, [(1, Order::Kill), (3, Order::Terminate)]);
    assert_eq!(
        seen.output(Role::Server).map(|output| output.command.join(" ")),
        Some("c10m serve echo again".to_owned())
    );
    assert_eq!((seen.outputs.len(), seen.marks.len(), seen.marks[0].0), (3, 1, "killed"));
    let error =
        played(&usual(vec![Action::Kill(Role::Probe)]), plays(Play::prints(&["record"], 0)), false).unwrap_err();
    assert_eq!(error.to_string(), "the probe was not started");
}

/// A process that is stopped goes on later, and ends in order.
#[test]
fn a_process_may_be_stopped_for_a_while() {
    let timeline = usual(vec![Action::Tell(Role::Server, Order::Stop), Action::Tell(Role::Server, Order::Continue)]);
    let (seen, signals) = signalled(&timeline, plays(Play::prints(&["record"], 0)), false);
    assert!(seen.is_ok());
    assert_eq!(signals, [(1, Order::Stop), (1, Order::Continue), (1, Order::Terminate)]);
    let nobody = usual(vec![Action::Tell(Role::Probe, Order::Stop)]);
    let error = played(&nobody, plays(Play::prints(&["record"], 0)), false).unwrap_err();
    assert_eq!(error.to_string(), "the probe does not run");
}

/// A program that fails fails the run, in its own words. Needs CAP_SYS_ADMIN, for hosts of its own.
#[test]
fn a_program_runs_on_a_host_to_its_end() {
    let run = |arguments: &str| Action::Run {
        side: Side::Server,
        command: Command::other("probe", &words(arguments), "the program"),
    };
    let joined =
        |action| Timeline { ground: Ground::Joined { sockets: 1, addresses: 1, wire: None }, ..usual(vec![action]) };
    let [serves, loads, _] = plays(Play::prints(&["record"], 0));
    let with = |program: Play| played(&joined(run("probe")), [serves.clone(), loads.clone(), program], false);
    assert!(with(Play::prints(&[], 0)).is_ok());
    let error = with(Play::complains("no such rule")).unwrap_err().to_string();
    assert!(error.contains("the program ended with 1: no such rule"), "{error}");
}

/// What is sent while the cable is down is lost, and what is sent afterwards arrives.
#[test]
fn a_cable_goes_down_and_up_again() {
    use std::net::{TcpListener, TcpStream};
    let seen = namespace::joined(64, 1, None, |hosts, _| {
        let listener = TcpListener::bind((namespace::SERVER, 7000))?;
        let address = listener.local_addr()?;
        let connects = |patience_ms| -> anyhow::Result<bool> {
            hosts.enter(Side::Client)?;
            Ok(TcpStream::connect_timeout(&address, Duration::from_millis(patience_ms)).is_ok())
        };
        let mut seen = vec![connects(30_000)?];
        hosts.set_cable(Side::Server, false)?;
        seen.push(connects(200)?);
        hosts.set_cable(Side::Server, true)?;
        // The kernel tells of the carrier a moment later; a SYN that is lost comes again after a second.
        seen.push(connects(30_000)?);
        Ok(seen)
    });
    assert_eq!(seen.expect("tests run as root"), [true, false, true]);
}

/// The old one ends, asked or not, and the new one, which took its place, goes on until the end.
#[test]
fn a_process_may_be_replaced() {
    let replaced = |how| {
        usual(vec![
            start(Role::Server, "serve echo again"),
            Action::Tell(Role::Server, Order::HangUp),
            Action::Retire { role: Role::Server, how },
            Action::Await {
                until: Until::Retired(Role::Server),
                within: Duration::from_secs(1),
                or: Or::Fail("it stays"),
            },
        ])
    };
    let (seen, signals) = signalled(&replaced(Retire::Asked), plays(Play::prints(&["record"], 0)), false);
    assert_eq!(signals, [(3, Order::HangUp), (1, Order::Terminate), (3, Order::Terminate)]);
    assert_eq!(seen.expect("a run").outputs.len(), 3);
    // It serves on, although the other one has taken its place.
    let error = played(&replaced(Retire::ByItself), plays(Play::prints(&["record"], 0)), false).unwrap_err();
    assert_eq!(error.to_string(), "it stays within 1 s");
    let alone = usual(vec![Action::Retire { role: Role::Server, how: Retire::Asked }]);
    let error = played(&alone, plays(Play::prints(&["record"], 0)), false).unwrap_err();
    assert_eq!(error.to_string(), "the server has no predecessor");
}

/// The directory is there for whoever names it, and gone at the end.
#[test]
fn a_run_has_a_directory_if_it_needs_one() {
    let line = format!("serve echo {DIRECTORY}/file");
    let timeline = usual(vec![
        Action::Write { file: "file", text: format!("at {DIRECTORY}") },
        start(Role::Server, &line),
        Action::Retire { role: Role::Server, how: Retire::Asked },
    ]);
    let seen = played(&timeline, plays(Play::prints(&["record"], 0)), false).expect("a run");
    let command = seen.output(Role::Server).expect("it was started").command.join(" ");
    let path = command.strip_prefix("c10m serve echo ").expect("a path");
    assert!(path.starts_with('/') && path.ends_with("/file") && !path.contains('{'), "{path}");
    assert!(!std::path::Path::new(path).exists(), "{path} is left behind");
}

/// Actions between two hosts make no sense without them.
#[test]
fn hosts_are_needed_to_observe_them() {
    let error = played(&usual(vec![Action::Observe]), plays(Play::prints(&["record"], 0)), false).unwrap_err();
    assert_eq!(error.to_string(), "the run has no hosts of its own");
}

#[test]
fn a_watch_sees_connections_come_and_go() {
    // With so many sockets per connection there is never a connection, and none is wanted. So sockets that other tests
    // open do not count.
    let watch = Action::Watch { ends: u64::MAX, connections: 0 };
    let timeline = usual(vec![
        watch,
        Action::wait(Until::Held),
        Action::Look(Moment::Held),
        Action::wait(Until::Ended(Role::Load)),
        Action::wait(Until::Gone),
        Action::Unwatch,
    ]);
    let seen = played(&timeline, plays(Play::prints(&["record"], 0)), false).expect("a run");
    assert!(seen.held_at_s.is_some() && seen.gone_at_s >= seen.held_at_s, "{seen:?}");
    assert!(!seen.samples.is_empty() && seen.samples.iter().all(|sample| sample.phase == Phase::Holding));
    assert!(seen.look(Moment::Held).is_some_and(|look| look.host_bytes_free > Some(0)));
    assert!(seen.look(Moment::Empty).is_none());
}
