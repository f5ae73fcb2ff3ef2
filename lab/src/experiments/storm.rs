//! `bench storm`: clients lose their server, and all come back to it at once.

use std::time::Duration;

use crate::kinds::scenario::plan::{About, Length, Run};
use crate::kinds::scenario::remedies::record::{Better, Record};
use crate::kinds::scenario::remedies::scene::{Scene, replies_per_s};
use crate::kinds::scenario::remedies::table::{Arm, Figure, Picture, Remedies};
use crate::kinds::scenario::timeline::{Action, Or, Ready, Role, Until, words};
use crate::session::host::Command;
use crate::session::namespace::{Needs, SERVER, clients};
use crate::session::request::Profile;
use crate::session::side::Side;

const ABOUT: About = About {
    name: "storm",
    question: "A server dies with all its connections and starts again: how do its clients come back, and what spares it?",
    explanation: "10,000 clients hold a connection each and send once a second. The server is killed and starts \
                  again a moment later; the first request of each connection then costs it CPU time, as a login does. Each \
                  arm is a policy by which every client decides when to try again (`c10m load --reconnect`), or a setting of the \
                  server, or both.",
    decision: "Share of the clients that are connected and served when the run ends, against trying again at once, repeat by \
               repeat, with simultaneous intervals of 95 %. Less than 10 % does not count.",
    profiles: &[Profile::Quick],
    length: Length::Usual { repeats: 4, seconds: 3 },
    wait_max: None,
    attempts_max: 2,
    needs: Needs::Hosts,
    has_control: true,
};

/// The experiment.
pub(super) const SCENARIO: Remedies = Remedies {
    about: ABOUT,
    load: "clients with a connection each; their server is killed, and starts again",
    arms,
    seconds: |_, asked| (f64::from(asked), 1.4),
    timeline,
    figures: &FIGURES,
    picture: Picture {
        title: "Replies per second while clients come back",
        y_name: "replies/s",
        caption: "Replies per second of all clients. The server is killed at 0.4 s, and back about half a second later.",
        points: |scene| scene.by_interval(replies_per_s),
    },
    counters: &[
        (Side::Client, "ActiveOpens"),
        (Side::Client, "AttemptFails"),
        (Side::Client, "TCPSynRetrans"),
        (Side::Server, "PassiveOpens"),
        (Side::Server, "ListenOverflows"),
        (Side::Server, "ListenDrops"),
        (Side::Server, "TCPReqQFullDoCookies"),
        (Side::Server, "OutRsts"),
    ],
    fault_shows: all_are_lost,
    expectations: &[some_come_back],
    happened,
    advice: |_| {
        "Keep the accept queue shorter than what the server can serve while its clients wait (listen backlog, net.core.somaxconn): a \
         long one is full of clients that have left. Let clients wait at random before their first attempt, too; jitter on \
         retries alone comes too late."
            .to_owned()
    },
    notes: &NOTES,
};

/// CPU time of a login.
const HELLO_COST: &str = "50us";
/// How long the connections are held before the server is killed, and how long it is away.
const CALM: Duration = Duration::from_millis(400);
const AWAY: Duration = Duration::from_millis(300);
/// Longer than any ramp.
const RAMP_MAX: Duration = Duration::from_secs(60);

fn arms(_: Profile) -> Vec<Arm> {
    let arm = |name, what, load, serve| Arm { load, serve, ..Arm::named(name, what) };
    vec![
        arm("immediate", "a client tries again as soon as an attempt has failed", "immediate", ""),
        arm("full jitter", "it waits at random, up to 100 ms and twice as long after each failure", JITTER, ""),
        arm(
            "short queue",
            "it tries at once, and the server's accept queue has 500 places (--backlog)",
            "immediate",
            SHORT,
        ),
        arm(
            "short queue, jitter and spread",
            "500 places, full jitter, and the first attempt waits at random up to 1.5 s",
            "full-jitter,base=100ms,cap=5s,spread=1500ms",
            SHORT,
        ),
    ]
}

const JITTER: &str = "full-jitter,base=100ms,cap=5s";
/// At 50 µs each, a quarter of what the server works off within its clients' timeout of 100 ms.
const SHORT: &str = "--backlog 500";

/// One reactor and one worker have descriptors for so many.
const CLIENTS: u32 = 10_000;

fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    let sources: Vec<String> = clients(arm.addresses).map(|address| address.to_string()).collect();
    let server = format!(
        "serve echo --listen {SERVER}:7000 --reactors 1 --cpus {} --hello-cost {HELLO_COST} --json {}",
        run.places.server, arm.serve
    );
    let load = format!(
        "load tcp://{SERVER}:7000 --allow-private --connections {CLIENTS} --threads 1 --cpus {} --heartbeat 1s \
         --duration {}s --warmup 0s --interval 100ms --spin 0s --timeout 100ms --source {} --seed {} --reconnect {} --json",
        run.places.client,
        run.seconds,
        sources.join(","),
        run.seed,
        arm.load
    );
    let start = |role, ready, line: &str| Action::Start { role, command: Command::own(&words(line)), ready };
    let ports = ("net.ipv4.ip_local_port_range", "1024 65535");
    let mut actions = vec![
        Action::Set { side: Side::Client, name: ports.0, value: ports.1.to_owned() },
        start(Role::Server, Ready::Announced, &server),
        Action::Observe,
        start(Role::Load, Ready::AtOnce, &load),
        Action::Await {
            until: Until::Established(u64::from(CLIENTS)),
            within: RAMP_MAX,
            or: Or::Fail("not all clients have connected"),
        },
        Action::rest(CALM),
    ];
    if run.fault {
        actions.extend([
            Action::Mark(LOST),
            Action::Kill(Role::Server),
            Action::rest(AWAY),
            start(Role::Server, Ready::Announced, &server),
            Action::Mark(BACK),
        ]);
    }
    actions.extend([Action::wait(Until::Ended(Role::Load)), Action::Kill(Role::Server)]);
    actions
}

const LOST: &str = "lost";
const BACK: &str = "back";

const FIGURES: [Figure; 8] = [
    Figure {
        name: "clients served again",
        unit: "%",
        better: Better::More,
        least: 0.1,
        is_generators_time: false,
        of: |scene| {
            Some(100.0 - 100.0 * scene.load.reconnect.as_ref()?.unserved as f64 / scene.load.connections.target as f64)
        },
    },
    Figure {
        name: "clients that lost their connection",
        unit: "%",
        better: Better::Less,
        least: 0.1,
        is_generators_time: false,
        of: |scene| {
            let reconnect = scene.load.reconnect.as_ref()?;
            Some(100.0 * (reconnect.losses - reconnect.lost_again) as f64 / scene.load.connections.target as f64)
        },
    },
    Figure {
        name: "half served",
        unit: "s",
        better: Better::Less,
        least: 0.01,
        is_generators_time: true,
        of: |scene| since_back(scene, scene.load.reconnect.as_ref()?.outage_us.p50),
    },
    Figure {
        name: "99 % served",
        unit: "s",
        better: Better::Less,
        least: 0.01,
        is_generators_time: true,
        of: |scene| since_back(scene, scene.load.reconnect.as_ref()?.outage_us.p99),
    },
    Figure {
        name: "logins for nobody",
        unit: "%",
        better: Better::Less,
        least: 0.1,
        is_generators_time: false,
        of: |scene| {
            let hellos = scene.load.reconnect.as_ref()?.hellos;
            (hellos.sent > 0).then(|| 100.0 * hellos.failed as f64 / hellos.sent as f64)
        },
    },
    Figure {
        name: "peak SYNs",
        unit: "per s",
        better: Better::Less,
        least: 1.0,
        is_generators_time: false,
        of: |scene| scene.peak_per_s(Side::Client, &["ActiveOpens", "TCPSynRetrans"], scene.mark(LOST)?),
    },
    Figure {
        name: "attempts",
        unit: "per client",
        better: Better::Less,
        least: 0.01,
        is_generators_time: false,
        of: |scene| Some(scene.load.reconnect.as_ref()?.attempts as f64 / scene.load.connections.target as f64),
    },
    Figure {
        name: "service lost",
        unit: "s",
        better: Better::Less,
        least: 0.01,
        is_generators_time: false,
        of: |scene| scene.service_lost_s(scene.mark(LOST)?),
    },
];

/// A quantile of the outages, counted from the server's return. Absent where fewer clients were served.
fn since_back(scene: &Scene<'_>, outage_us: Option<f64>) -> Option<f64> {
    let away_us = scene.mark(BACK)?.saturating_sub(scene.mark(LOST)?) as f64 / 1000.0;
    Some((outage_us? - away_us).max(0.0) / 1e6)
}

/// Nearly every client has to lose its connection, or there was no storm.
fn all_are_lost(record: &Record) -> Option<String> {
    let lost =
        record.remedies.iter().map(|arm| record.median(arm, "clients that lost their connection").unwrap_or(0.0));
    let least = lost.fold(f64::INFINITY, f64::min);
    (least < 90.0).then(|| format!("only {least:.0} % of the clients lost their connections"))
}

/// Some way has to bring the clients back, or the server is simply too slow for them.
fn some_come_back(record: &Record) -> Option<String> {
    let served = record.remedies.iter().filter_map(|arm| record.median(arm, "clients served again"));
    let best = served.fold(0.0, f64::max);
    (best < 90.0).then(|| format!("no way brought more than {best:.0} % of the clients back"))
}

fn happened(record: &Record) -> String {
    let of = |arm, figure| record.median_of(arm, figure).unwrap_or(0.0);
    let (naive, best) = ("immediate", "short queue, jitter and spread");
    let stuck = if of(naive, "clients served again") < 50.0 {
        "The storm kept itself going: the server was back and busy, but with logins of clients that had given up waiting"
    } else {
        "The server worked the storm off"
    };
    let soon = record.quotable_time(best, "99 % served");
    let soon = soon.map_or(String::new(), |s| format!(", 99 % of them {s:.1} s after the server was back"));
    format!(
        "{stuck}. Of clients that try again at once {:.0} % had service when the run ended, and {:.0} % of the logins were for nobody; \
         with a short accept queue and attempts at random times {:.0} % had service{soon}.",
        of(naive, "clients served again"),
        of(naive, "logins for nobody"),
        of(best, "clients served again"),
    )
}

const NOTES: [&str; 4] = [
    "The kernel of a killed server closes its connections, so clients hear of it at once. A host that loses power tells \
     nobody; then clients notice by their own timeouts.",
    "A login costs the server 50 µs of CPU time (serve --hello-cost), and a client waits 100 ms for it: the accept queue, which \
     holds 4,096 (net.core.somaxconn) unless the server asks for less, is longer than that. Real logins take a hundred times as \
     long, and real clients wait as much longer.",
    "Where half or 99 % served has no time, fewer clients than that were served in one run at least.",
    "All clients are one process, and their attempts cost CPU time of one CPU: what immediate retries could do from 10,000 \
     hosts is more than what is seen here.",
];
