//! `bench drain`: a server is replaced under load, again and again, in each of the usual ways.

use std::time::Duration;

use random::Random;

use crate::kinds::scenario::plan::{About, Length, Run};
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::{Better, Record};
use crate::kinds::scenario::remedies::scene::{Scene, replies_per_s};
use crate::kinds::scenario::remedies::table::{Figure, Picture, Remedies};
use crate::kinds::scenario::timeline::{Action, Or, Ready, Retire, Role, Until, words};
use crate::session::host::{Command, Order};
use crate::session::namespace::{Needs, SERVER};
use crate::session::request::Profile;
use crate::session::side::Side;

const ABOUT: About = About {
    name: "drain",
    question: "A server is replaced under load, for a new version or a new configuration: what does that cost its clients?",
    explanation: "Clients open a connection for each request, and others keep theirs. At random moments the server is \
                  replaced: each arm is a way to do that. A request is lost if its connect is refused or takes 0.9 s, \
                  its connection is reset or ends without a reply, or no reply comes within 2 s. One that is sent \
                  again because the server announced the end of the connection (Connection: close) is not.",
    decision: "Lost requests for each replacement, against stopping and starting, repeat by repeat, with simultaneous \
               intervals of 95 %. Less than 10 % does not count.",
    profiles: &[Profile::Quick, Profile::Full],
    length: Length::Usual { repeats: 4, seconds: 2 },
    wait_max: None,
    attempts_max: 2,
    needs: Needs::Hosts,
    has_control: true,
};

/// The experiment.
pub(super) const SCENARIO: Remedies = Remedies {
    about: ABOUT,
    load: "clients with a connection for each request, and clients that keep theirs; the server is replaced under them",
    arms,
    seconds: |arm, asked| (f64::from(asked * arm.stretch), 1.4),
    timeline,
    figures: &FIGURES,
    least: |scene| rounds(scene).map_or(0.0, |rounds| 1000.0 / rounds),
    picture: Picture {
        title: "Replies per second while the server is replaced",
        y_name: "replies/s",
        caption: "Replies per second to the clients that open a connection for each request.",
        points: |scene| scene.by_interval(replies_per_s),
    },
    counters: &[
        (Side::Client, "ActiveOpens"),
        (Side::Client, "AttemptFails"),
        (Side::Client, "EstabResets"),
        (Side::Client, "TCPSynRetrans"),
        (Side::Server, "ListenDrops"),
        (Side::Server, "ListenOverflows"),
        (Side::Server, "OutRsts"),
        (Side::Server, "TCPMigrateReqSuccess"),
        (Side::Server, "TCPMigrateReqFailure"),
    ],
    foretell: |_| None,
    asides: |_| vec![],
    fault_shows: stopping_loses,
    expectations: &[handing_over_loses_nothing],
    happened,
    advice: |_| {
        "Hand the listening sockets over to the new process (serve --handover, LISTEN_FDS of systemd, haproxy's expose-fd listeners), so \
         that no queue is ever closed, and let the old one drain. Where each process binds its own with SO_REUSEPORT, set \
         net.ipv4.tcp_migrate_req=1."
            .to_owned()
    },
    notes: &NOTES,
};

/// What is done to replace a server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It ends in order, and then the next starts.
    Stop,
    /// It is killed, and then the next starts.
    Kill,
    /// The next starts, takes over, and it ends by itself.
    HandOver,
    /// The next starts beside it, and then it ends in order.
    Beside,
    /// It is told to read its configuration again, which replaces its workers.
    Reload(Order),
}

const NGINX: &str = "nginx";
const HAPROXY: &str = "haproxy";

fn way(arm: &Arm) -> Way {
    match (arm.name, arm.program) {
        (_, Some(NGINX)) => Way::Reload(Order::HangUp),
        (_, Some(_)) => Way::Reload(Order::User2),
        ("kill and start", _) => Way::Kill,
        _ if arm.serve.contains("--handover") => Way::HandOver,
        _ if arm.serve.contains("--share-port") => Way::Beside,
        _ => Way::Stop,
    }
}

const MIGRATE: &str = "net.ipv4.tcp_migrate_req";

fn arms(profile: Profile) -> Vec<Arm> {
    let is_full = profile == Profile::Full;
    let stretch = if is_full { 17 } else { 1 };
    let arm = |name, what, serve| Arm { serve, stretch, ..Arm::named(name, what) };
    let over = "the new process takes the listening sockets over (--handover), and the old one drains";
    let foreign = |name, program, what| Arm { program: Some(program), ..arm(name, what, "") };
    let mut arms = vec![
        arm("stop and start", "SIGTERM, and when the old process has drained and ended, the new one starts", ""),
        arm("hand over, epoll", over, "--handover {directory}/door"),
        arm("hand over, io_uring", over, "--backend io_uring --handover {directory}/door"),
        Arm {
            settings: &[(Side::Server, MIGRATE, "0")],
            ..arm(
                "share the port",
                "the new process binds the same port (SO_REUSEPORT, --share-port), then the old one gets SIGTERM",
                "--share-port",
            )
        },
        Arm {
            settings: &[(Side::Server, MIGRATE, "1")],
            ..arm("share the port, migrate", "the same with net.ipv4.tcp_migrate_req=1 on the server", "--share-port")
        },
    ];
    if is_full {
        arms.extend([
            arm("hand over, mio", over, "--backend mio --handover {directory}/door"),
            arm("kill and start", "SIGKILL, and the new process starts", ""),
            foreign("nginx reload", NGINX, "SIGHUP to its master: new workers start, and old ones drain"),
            foreign(
                "haproxy reload",
                HAPROXY,
                "SIGUSR2 to its master (-W): a new worker gets the sockets, the old one drains",
            ),
        ]);
    }
    arms
}

/// Longest end of a server that drains.
const END_MAX: Duration = Duration::from_secs(5);
/// Planned for each replacement, most of which is the random wait before it.
const PER_ROUND: Duration = Duration::from_millis(500);
/// How long a program that announces nothing may take to start.
const START: Duration = Duration::from_millis(500);

fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    let seconds = run.seconds * arm.stretch;
    let load = |more: &str| {
        words(&format!(
            "load http://{SERVER}:7000/ --allow-private --threads 1 --cpus {} --duration {seconds}s --warmup 0s --interval 100ms \
             --spin 0s --timeout 2s --connect-timeout 900ms --seed {} --json {more}",
            run.places.client, run.seed
        ))
    };
    let start = |role, ready, words: &[String]| Action::Start { role, command: Command::own(words), ready };
    let server = server(arm, run);
    let mut actions: Vec<Action> = arm
        .settings
        .iter()
        .map(|(side, name, value)| Action::Set { side: *side, name, value: (*value).to_owned() })
        .collect();
    actions.extend(server.clone());
    actions.extend([
        Action::Observe,
        start(Role::Load, Ready::AtOnce, &load("--connections 64 --rate 1500 --requests-per-connection 1 --reset")),
        start(Role::Probe, Ready::AtOnce, &load("--connections 16 --rate 500")),
    ]);
    let mut random = Random::new(run.seed);
    let rounds = Duration::from_secs(u64::from(seconds)).as_millis() / PER_ROUND.as_millis();
    for _ in 0..rounds {
        actions.extend([Action::rest(Duration::from_millis(100 + random.up_to(300) as u64)), Action::Mark(ROUND)]);
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

/// One replacement.
fn replace(way: Way, start: &[Action], actions: &mut Vec<Action>) {
    let gone = |until| Action::Await { until, within: END_MAX, or: Or::Fail("the old server has not ended") };
    let retire = |how| Action::Retire { role: Role::Server, how };
    match way {
        Way::Stop => actions.extend([Action::End(Role::Server), gone(Until::Ended(Role::Server))]),
        Way::Kill => actions.push(Action::Kill(Role::Server)),
        Way::HandOver | Way::Beside => {}
        Way::Reload(signal) => return actions.push(Action::Tell(Role::Server, signal)),
    }
    if matches!(way, Way::Stop | Way::Kill) {
        actions.push(Action::Mark(GONE));
        return actions.extend_from_slice(start);
    }
    actions.extend_from_slice(start);
    actions.push(retire(if way == Way::HandOver { Retire::ByItself } else { Retire::Asked }));
    actions.extend([gone(Until::Retired(Role::Server)), Action::Mark(GONE)]);
}

/// What starts the server of an arm.
fn server(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    let start = |command, ready| Action::Start { role: Role::Server, command, ready };
    let cpu = run.places.server;
    match arm.program {
        None => {
            let line = format!(
                "serve http --listen {SERVER}:7000 --reactors 2 --cpus {cpu} --drain-timeout 3s --json {}",
                arm.serve
            );
            vec![start(Command::own(&words(&line)), Ready::Announced)]
        }
        Some(program) => {
            let (text, line) = foreign(program);
            let command = Command { cpus: vec![cpu], ..Command::other(program, &words(line), program) };
            vec![Action::Write { file: "configuration", text }, start(command, Ready::AtOnce), Action::rest(START)]
        }
    }
}

/// Configuration and arguments of another program.
fn foreign(program: &str) -> (String, &'static str) {
    if program == NGINX {
        let text = format!(
            "daemon off; worker_processes 2; pid nginx.pid; error_log stderr error; events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000; server {{ listen {SERVER}:7000; location / {{ return 200 'Hello, World!'; }} }} }}
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
    bind {SERVER}:7000
    http-request return status 200 content-type text/plain string \"Hello, World!\"
"
    );
    (text, "-W -q -f {directory}/configuration")
}

const ROUND: &str = "round";
const GONE: &str = "gone";

const FIGURES: [Figure; 7] = [
    Figure {
        name: "lost requests",
        unit: "per 1,000 replacements",
        better: Better::Less,
        is_generators_time: false,
        of: |scene| {
            let lost = lost(&scene.load) + lost(scene.probe.as_ref()?);
            Some(1000.0 * lost as f64 / rounds(scene)?)
        },
    },
    Figure {
        name: "failed connects",
        unit: "per replacement",
        better: Better::Less,
        is_generators_time: false,
        of: |scene| {
            let failed = scene.load.connections.failed + scene.probe.as_ref()?.connections.failed;
            Some(failed as f64 / rounds(scene)?)
        },
    },
    Figure {
        name: "never sent",
        unit: "per replacement",
        better: Better::Less,
        is_generators_time: false,
        of: |scene| Some((scene.load.requests.unsent + scene.probe.as_ref()?.requests.unsent) as f64 / rounds(scene)?),
    },
    Figure { name: "replacements", unit: "", better: Better::More, is_generators_time: false, of: rounds },
    Figure {
        name: "until the old one is gone",
        unit: "ms",
        better: Better::Less,
        is_generators_time: false,
        of: gone_ms,
    },
    Figure {
        name: "p99, new connections",
        unit: "ms",
        better: Better::Less,
        is_generators_time: true,
        of: |scene| Some(scene.load.response_us.p99? / 1000.0),
    },
    Figure {
        name: "p99, kept connections",
        unit: "ms",
        better: Better::Less,
        is_generators_time: true,
        of: |scene| Some(scene.probe.as_ref()?.response_us.p99? / 1000.0),
    },
];

/// Requests that went wrong. A connect that fails was for one. Those that are late because of it, and were not sent before
/// the window ended, are not counted again.
fn lost(load: &loadgen::Record) -> u64 {
    let requests = &load.requests;
    requests.failed + requests.timed_out + requests.censored + load.connections.failed
}

/// Replacements while there was load.
fn rounds(scene: &Scene<'_>) -> Option<f64> {
    let end_ns = scene.load.window_start_ns + scene.load.duration_us * 1000;
    let marks = scene.seen.marks.iter().filter(|(name, at_ns)| *name == ROUND && *at_ns < end_ns);
    Some(marks.count() as f64).filter(|rounds| *rounds > 0.0)
}

/// Median time from a replacement to the old server's end.
fn gone_ms(scene: &Scene<'_>) -> Option<f64> {
    let pairs = scene.seen.marks.windows(2).filter(|pair| (pair[0].0, pair[1].0) == (ROUND, GONE));
    let times: Vec<f64> = pairs.map(|pair| pair[1].1.saturating_sub(pair[0].1) as f64 / 1e6).collect();
    results::stats::median(&times)
}

/// Stopping has to lose some, or there was nothing to mend.
fn stopping_loses(record: &Record) -> Option<String> {
    let lost = record.median_of("stop and start", "lost requests").unwrap_or(0.0);
    (lost < 1000.0).then(|| format!("stopping and starting lost {lost:.0} requests per 1,000 replacements"))
}

/// Every request counts: not the median but the worst run.
fn handing_over_loses_nothing(record: &Record) -> Option<String> {
    let arms = record.remedies.iter().filter(|arm| arm.name.starts_with("hand over"));
    let worst = arms.flat_map(|arm| arm.runs.iter().map(move |run| (arm, run.figures.first().copied().flatten())));
    let lossy = worst.filter(|(_, lost)| lost.is_none_or(|lost| lost > 0.0));
    let words = |(arm, lost): (_, Option<f64>)| {
        let arm: &crate::kinds::scenario::remedies::record::ArmRecord = arm;
        let lost = lost.map_or("an unknown number of".to_owned(), |lost| format!("{lost:.0}"));
        format!("{} lost {lost} requests per 1,000 replacements in one run", arm.name)
    };
    lossy.map(words).next()
}

fn happened(record: &Record) -> String {
    let of = |arm, figure| record.median_of(arm, figure).unwrap_or(0.0);
    format!(
        "Stopping and starting cost {:.0} requests each time, most of them connects that failed; \
         handing the sockets over cost {}; sharing the port {:.2}, and with net.ipv4.tcp_migrate_req=1 {:.2}.",
        of("stop and start", "lost requests") / 1000.0,
        match handing_over_loses_nothing(record) {
            None => "none".to_owned(),
            Some(_) => format!("{:.3}", of("hand over, epoll", "lost requests") / 1000.0),
        },
        of("share the port", "lost requests") / 1000.0,
        of("share the port, migrate", "lost requests") / 1000.0,
    )
}

const NOTES: [&str; 4] = [
    "A connect that fails counts as one lost request. The load generator tries again, as a client would, so stopping and starting \
     loses more the longer the server is away. A server of this project that drains drops SYNs instead of refusing them: \
     who waits for longer than a second comes through, and only late.",
    "The rate of new connections is 1,500 a second. What is lost when a listening socket is closed grows with it.",
    "p99 is of the whole run, in which the server is replaced every half second: it says what replacing costs, and not \
     what the server can do.",
    "nginx and haproxy take part only in the full profile, and only where they are installed.",
];
