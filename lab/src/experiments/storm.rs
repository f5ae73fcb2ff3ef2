//! `bench storm`: clients lose their server, and all come back to it at once.

mod faults;
mod figures;
mod model;
mod scenes;

use std::time::Duration;

use crate::kinds::scenario::plan::{About, Length, Run};
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::Record;
use crate::kinds::scenario::remedies::scene::replies_per_s;
use crate::kinds::scenario::remedies::table::{Picture, Remedies};
use crate::kinds::scenario::timeline::{Action, Or, Ready, Role, Until, words};
use crate::session::host::Command;
use crate::session::namespace::{Needs, SERVER, clients};
use crate::session::request::Profile;
use crate::session::side::Side;
use figures::{LOSSES, MOST, NOBODY, SERVED, SERVICE};
use scenes::Scene;

const ABOUT: About = About {
    name: "storm",
    question: "A server dies with all its connections and starts again: how do its clients come back, and what spares it?",
    explanation: "10,000 clients hold a connection each and send once a second. The server is killed and starts \
                  again a moment later; the first request of each connection then costs it CPU time, as a login does. Each \
                  arm is a policy by which every client decides when to try again (`c10m load --reconnect`), or a setting of the \
                  server, or both. The full profile also has 100,000 clients, and other ways to lose a server.",
    decision: "Share of the clients that are connected and served when the run ends, against trying again at once, repeat by \
               repeat, with simultaneous intervals of 95 %. Less than 10 % does not count.",
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
    load: "clients with a connection each; their server is killed, and starts again",
    arms: scenes::arms,
    seconds: |arm, asked| (window(arm, asked).as_secs_f64(), if Scene::of(arm).tables() > 1 { 6.0 } else { 0.8 }),
    timeline,
    figures: &figures::FIGURES,
    least: |scene| 100.0 / scene.load.connections.target.max(1) as f64,
    picture: Picture {
        title: "Replies per second while clients come back",
        y_name: "replies/s",
        caption: "Replies per second of all clients. The server is killed after a second, and back a moment later.",
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
    foretell: model::foretell,
    happened,
    advice: |_| {
        "Keep the accept queue shorter than what the server can serve while its clients wait (listen backlog, net.core.somaxconn): a \
         long one is full of clients that have left. Let clients wait at random before their first attempt, too; jitter on \
         retries alone comes too late."
            .to_owned()
    },
    notes: &NOTES,
};

/// How long the connections are held before anything happens: each client has sent once, so every login is over.
const CALM: Duration = Duration::from_millis(1050);
/// Longer than any ramp.
const RAMP_MAX: Duration = Duration::from_secs(60);

/// The measured part of a run, of which so many seconds are after the server's return.
fn window(arm: &Arm, seconds: u32) -> Duration {
    let scene = Scene::of(arm);
    CALM + scene.killing + scene.away + Duration::from_secs(u64::from(seconds * arm.stretch))
}

fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    let scene = Scene::of(arm);
    let sources: Vec<String> = clients(arm.addresses).map(|address| address.to_string()).collect();
    let hello_cost = if scene.login.is_zero() { String::new() } else { format!("--hello-cost {:?}", scene.login) };
    let server = format!(
        "serve echo --listen {SERVER}:7000 --reactors {} --cpus {} --drain-timeout 5s {hello_cost} --json {}",
        scene.tables(),
        run.places.server,
        arm.serve
    );
    let load = format!(
        "load tcp://{SERVER}:7000 --allow-private --connections {} --threads {} --cpus {} --heartbeat {:?} --duration {}ms --warmup 0s \
         --interval 100ms --spin 0s --timeout {:?} --source {} --seed {} --reconnect {} --json",
        scene.clients,
        scene.tables(),
        run.places.client,
        scene.heartbeat,
        window(arm, run.seconds).as_millis(),
        scene.patience,
        sources.join(","),
        run.seed,
        arm.load
    );
    let start = |role, ready, line: &str| Action::Start { role, command: Command::own(&words(line)), ready };
    let ports = ("net.ipv4.ip_local_port_range", "1024 65535");
    let mut actions = vec![Action::Set { side: Side::Client, name: ports.0, value: ports.1.to_owned() }];
    let set = |(side, name, value): &(Side, &'static str, &str)| Action::Set {
        side: *side,
        name,
        value: (*value).to_owned(),
    };
    actions.extend(arm.settings.iter().map(set));
    actions.extend([
        start(Role::Server, Ready::Announced, &server),
        Action::Observe,
        start(Role::Load, Ready::AtOnce, &load),
        Action::Await {
            until: Until::Established(u64::from(scene.clients)),
            within: RAMP_MAX,
            or: Or::Fail("not all clients have connected"),
        },
        Action::rest(CALM),
    ]);
    if run.fault {
        actions.extend(faults::of(arm, scene.away, start(Role::Server, Ready::Announced, &server)));
    }
    actions.extend([Action::wait(Until::Ended(Role::Load)), Action::End(Role::Server)]);
    actions
}

/// Nearly every client has to lose its connection, or there was no storm.
fn all_are_lost(record: &Record) -> Option<String> {
    // What a fault of another group does is what that group is about.
    let judged = record.remedies.iter().filter(|arm| arm.group.is_none());
    let lost = judged.map(|arm| record.median(arm, LOSSES).unwrap_or(0.0));
    let least = lost.fold(f64::INFINITY, f64::min);
    (least < 90.0).then(|| format!("only {least:.0} % of the clients lost their connections"))
}

/// Some way has to bring the clients back, or the server is simply too slow for them.
fn some_come_back(record: &Record) -> Option<String> {
    let served = record.remedies().filter_map(|arm| record.median(arm, SERVED));
    let best = served.fold(0.0, f64::max);
    (best < 90.0).then(|| format!("no way brought more than {best:.0} % of the clients back"))
}

fn happened(record: &Record) -> String {
    let of = |arm, figure| record.median_of(arm, figure).unwrap_or(0.0);
    let (naive, best) = ("immediate", "short queue, jitter and spread");
    let stuck = if of(naive, SERVICE) < 50.0 {
        "The storm kept itself going: the server was back and busy, but with logins of clients that had given up waiting"
    } else {
        "The server worked the storm off"
    };
    let soon = record.quotable_time(best, MOST);
    let soon = soon.map_or(String::new(), |s| format!(", 99 % of them {s:.1} s after the server was back"));
    format!(
        "{stuck}. Of clients that try again at once {:.0} % had service when the run ended, and {:.0} % of the logins were for nobody; \
         with a short accept queue and attempts at random times {:.0} % had service{soon}.",
        of(naive, SERVED),
        of(naive, NOBODY),
        of(best, SERVED),
    )
}

const NOTES: [&str; 4] = [
    "The kernel of a killed server closes its connections, so clients hear of it at once. A host that loses power tells \
     nobody; then clients notice by their own timeouts.",
    "A login costs the server 50 µs of CPU time (serve --hello-cost), and a client waits 100 ms for it: the accept queue, which \
     holds 4,096 (net.core.somaxconn) unless the server asks for less, is longer than that. Real logins take a hundred times as \
     long, and real clients wait as much longer.",
    "Where a share of clients served has no time, fewer than that were served in one run at least. Times go by intervals of 100 ms.",
    "All clients are one process, and their attempts cost CPU time of one CPU: what immediate retries could do from 10,000 \
     hosts is more than what is seen here.",
];
