//! What a run does: the load, and one replacement after the other at random moments.

use std::net::SocketAddr;
use std::time::Duration;

use random::Random;

use super::keeper;
use super::ways::{NGINX, STUCK, UPGRADE, Way, way};
use crate::kinds::scenario::plan::Run;
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::timeline::{Action, Or, Ready, Retire, Role, Until, words};
use crate::session::host::{Command, Order};
use crate::session::namespace::SERVER;

/// A replacement begins, and the old server is gone.
pub(super) const ROUND: &str = "round";
pub(super) const GONE: &str = "gone";

/// Requests per second with a connection each, and on kept ones.
pub(super) const RATE: u32 = 1500;
const KEPT_RATE: u32 = 500;

const PORT: u16 = 7000;
/// Longest end of a server that drains.
const END_MAX: Duration = Duration::from_secs(5);
/// How long a program that announces nothing may take to start.
const START: Duration = Duration::from_millis(500);
/// When a server that was told once is told again.
const AGAIN: Duration = Duration::from_millis(50);
/// The exit code of a drain that was cut short.
const DRAIN_FORCED: i32 = 3;

/// How often a server is replaced.
struct Pace {
    /// Planned for each replacement, with the rest before it.
    every_ms: u64,
    /// The rest: at least so long, and up to so much longer.
    rest_ms: u64,
    more_ms: u64,
}

/// After a gap, the next replacement is to meet the full load again: connects that the gap cost fail after 0.9 s, and what
/// has piled up is worked off.
fn pace(way: Way) -> Pace {
    match way {
        Way::Stop | Way::StopTwice | Way::Kill => Pace { every_ms: 2500, rest_ms: 2100, more_ms: 200 },
        Way::HandOver => Pace { every_ms: 250, rest_ms: 40, more_ms: 80 },
        Way::Pass | Way::Beside | Way::Reload(_) => Pace { every_ms: 500, rest_ms: 100, more_ms: 200 },
    }
}

/// Seconds of the window: a gap needs one more.
pub(super) fn window_s(arm: &Arm, asked: u32) -> u32 {
    asked * arm.stretch + u32::from(matches!(way(arm), Way::Stop | Way::StopTwice | Way::Kill))
}

pub(super) fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    let window_s = window_s(arm, run.seconds);
    let server = server(arm, run);
    let mut actions: Vec<Action> = arm
        .settings
        .iter()
        .map(|(side, name, value)| Action::Set { side: *side, name, value: (*value).to_owned() })
        .collect();
    if way(arm) == Way::Pass {
        actions.push(Action::Listen(SocketAddr::from((SERVER, PORT))));
    }
    actions.extend(server.clone());
    actions.push(Action::Observe);
    actions.extend(clients(arm, run, window_s));
    let mut random = Random::new(run.seed);
    let pace = pace(way(arm));
    for round in 0..(u64::from(window_s) * 1000 - 500).div_euclid(pace.every_ms).max(1) {
        // The first round has nothing to recover from, but needs to be seen in its load.
        let (rest_ms, more_ms) = if round == 0 { (400, 200) } else { (pace.rest_ms, pace.more_ms) };
        let rest = Duration::from_millis(rest_ms + random.up_to(more_ms as usize) as u64);
        actions.extend([Action::rest(rest), Action::Mark(ROUND)]);
        if run.fault {
            replace(way(arm), &server, &mut actions);
        }
    }
    actions.extend([
        Action::wait(Until::Ended(Role::Load)),
        Action::Await { until: Until::Ended(Role::Probe), within: END_MAX, or: Or::GoOn },
        Action::End(Role::Probe),
        Action::End(Role::Server),
    ]);
    actions
}

/// Those that open a connection for each request, those that keep theirs, and in some arms those that do not read.
fn clients(arm: &Arm, run: &Run<'_>, window_s: u32) -> Vec<Action> {
    let start = |role, line: String| {
        let ready = Ready::AtOnce;
        Action::Start { role, command: Command::own(&words(&line)), ready }
    };
    let load = |more: String| {
        format!(
            "load http://{SERVER}:{PORT}/ --allow-private --threads 1 --cpus {} --duration {window_s}s --warmup 0s --interval 100ms \
             --spin 0s --timeout 2s --connect-timeout 900ms --seed {} --json {more}",
            run.places.client, run.seed
        )
    };
    let mut clients = vec![
        start(Role::Load, load(format!("--connections 64 --rate {RATE} --requests-per-connection 1 --reset"))),
        start(Role::Probe, load(format!("--connections 16 --rate {KEPT_RATE}"))),
    ];
    if arm.group == Some(STUCK) {
        clients.push(start(
            Role::Slow,
            format!(
                "slow unread http://{SERVER}:{PORT}/bytes/10000000 --allow-private --connections 20 --duration {window_s}s --cpu {} --json",
                run.places.client
            ),
        ));
        clients.push(Action::Allow(Role::Server, DRAIN_FORCED));
    }
    clients
}

/// One replacement.
fn replace(way: Way, start: &[Action], actions: &mut Vec<Action>) {
    let gone = |until| Action::Await { until, within: END_MAX, or: Or::Fail("the old server has not ended") };
    let retire = |how| Action::Retire { role: Role::Server, how };
    match way {
        Way::Stop | Way::Pass => actions.push(Action::End(Role::Server)),
        Way::StopTwice => actions.extend([
            Action::End(Role::Server),
            Action::rest(AGAIN),
            Action::Tell(Role::Server, Order::Terminate),
        ]),
        Way::Kill => actions.push(Action::Kill(Role::Server)),
        Way::HandOver | Way::Beside => {
            actions.extend_from_slice(start);
            actions.push(retire(if way == Way::HandOver { Retire::ByItself } else { Retire::Asked }));
            return actions.extend([gone(Until::Retired(Role::Server)), Action::Mark(GONE)]);
        }
        Way::Reload(signal) => return actions.push(Action::Tell(Role::Server, signal)),
    }
    actions.extend([gone(Until::Ended(Role::Server)), Action::Mark(GONE)]);
    actions.extend_from_slice(start);
}

/// What starts the server of an arm.
fn server(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    let start = |command, ready| Action::Start { role: Role::Server, command, ready };
    let cpu = run.places.server;
    match arm.program {
        None => {
            let listen = if way(arm) == Way::Pass { String::new() } else { format!("--listen {SERVER}:{PORT}") };
            let timeout = if arm.serve.contains("--drain-timeout") { "" } else { "--drain-timeout 3s" };
            let line = format!("serve http {listen} --reactors 2 --cpus {cpu} {timeout} --json {}", arm.serve);
            vec![start(Command::own(&words(&line)), Ready::Announced)]
        }
        Some(program) => {
            let (text, line) = foreign(program);
            let mut actions = vec![Action::Write { file: "configuration", text }];
            let (file, arguments) = match arm.name {
                UPGRADE => {
                    actions.push(Action::Write { file: "keeper", text: keeper::script(line) });
                    ("sh", vec!["{directory}/keeper".to_owned()])
                }
                _ => (program, words(line)),
            };
            let command = Command { cpus: vec![cpu], ..Command::other(file, &arguments, program) };
            actions.extend([start(command, Ready::AtOnce), Action::rest(START)]);
            actions
        }
    }
}

/// Configuration and arguments of another program.
fn foreign(program: &str) -> (String, &'static str) {
    if program == NGINX {
        let text = format!(
            "daemon off; worker_processes 2; pid nginx.pid; error_log stderr error; events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000; server {{ listen {SERVER}:{PORT}; location / {{ return 200 'Hello, World!'; }} }} }}
"
        );
        return (text, "-e stderr -p {directory} -c {directory}/configuration");
    }
    let text = format!(
        "global
    stats socket {{directory}}/stats mode 600 expose-fd listeners level admin
    nbthread 2
defaults
    mode http
    timeout client 1m
frontend peer
    bind {SERVER}:{PORT}
    http-request return status 200 content-type text/plain string \"Hello, World!\"
"
    );
    (text, "-W -q -f {directory}/configuration")
}
