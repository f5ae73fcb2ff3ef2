//! `bench fd-limit`: more clients come than a server has descriptors for.

use std::time::Duration;

use results::report::count;

use crate::kinds::scenario::plan::{About, Length, Run};
use crate::kinds::scenario::remedies::record::{Better, Record};
use crate::kinds::scenario::remedies::scene::{Scene, replies_per_s};
use crate::kinds::scenario::remedies::table::{Arm, Figure, Picture, Remedies};
use crate::kinds::scenario::timeline::{Action, Or, Ready, Role, Until, words};
use crate::session::host::Command;
use crate::session::namespace::{Needs, SERVER};
use crate::session::request::Profile;
use crate::session::side::Side;

const ABOUT: About = About {
    name: "fd-limit",
    question: "More clients come than a server has descriptors for: what does accept do, and who pays for it?",
    explanation: "50 clients are connected and busy when 200 more come; the server may have 200 descriptors. Accept then fails with \
                  EMFILE, \"too many open files\", while the connection stays in the queue and the listener readable. Each arm is a \
                  way to deal with that (`c10m serve --when-short`); the first is the loop that just tries again. Afterwards the \
                  newcomers leave, and a few clients come later.",
    decision: "CPU time of the server, against the loop that tries again, repeat by repeat, with simultaneous intervals of 95 %. \
               Less than 10 % does not count.",
    profiles: &[Profile::Quick, Profile::Full],
    length: Length::Usual { repeats: 4, seconds: 1 },
    wait_max: None,
    attempts_max: 2,
    needs: Needs::Hosts,
    has_control: true,
};

/// The experiment.
pub(super) const SCENARIO: Remedies = Remedies {
    about: ABOUT,
    load: "50 busy clients, and 200 more",
    arms,
    seconds: |arm, asked| (f64::from(asked * arm.stretch), 1.4),
    timeline,
    figures: &FIGURES,
    picture: Picture {
        title: "Replies per second to the newcomers",
        y_name: "replies/s",
        caption: "Replies per second to the 200 clients that came when there were no descriptors left; each sends twice a second.",
        points: |scene| scene.by_interval(replies_per_s),
    },
    counters: &[
        (Side::Client, "ActiveOpens"),
        (Side::Server, "PassiveOpens"),
        (Side::Server, "ListenOverflows"),
        (Side::Server, "OutRsts"),
        (Side::Client, "EstabResets"),
    ],
    fault_shows: burns,
    expectations: &[rests],
    foretell: |_| None,
    happened,
    advice: |_| {
        "Raise the limit (RLIMIT_NOFILE) as far as the host has memory for connections, and let accept rest when it fails. Count such \
         pauses, and raise an alarm on the first."
            .to_owned()
    },
    notes: &NOTES,
};

/// Descriptors of the server, clients that are there first, and clients that come.
const DESCRIPTORS: u64 = 200;
const ENOUGH: u64 = 2000;
const HELD: u32 = 50;
const NEWCOMERS: u32 = 200;

fn arms(profile: Profile) -> Vec<Arm> {
    let arm = |name, what, serve, descriptors_max| Arm {
        serve,
        descriptors_max: Some(descriptors_max),
        stretch: if profile == Profile::Full { 5 } else { 1 },
        ..Arm::named(name, what)
    };
    vec![
        arm(
            "try again",
            "accept is tried again at once, since the listener stays readable",
            "--when-short spin",
            DESCRIPTORS,
        ),
        arm(
            "rest",
            "accept rests at the connection limit, which leaves 64 descriptors free, until a connection ends; newcomers wait in the queue",
            "--when-short pause",
            DESCRIPTORS,
        ),
        arm(
            "turn away",
            "a descriptor kept in reserve serves to accept newcomers and reset them",
            "--when-short shed",
            DESCRIPTORS,
        ),
        arm("evict", "connections that have been idle longest make room", "--when-short evict", DESCRIPTORS),
        arm("raise the limit", "the server may have 2,000 descriptors", "", ENOUGH),
        arm(
            "direct descriptors",
            "io_uring keeps connections in a table of the ring, as large as the limit",
            "--backend io_uring",
            DESCRIPTORS,
        ),
    ]
}

fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    let (seconds, seed, cpu) = (run.seconds * arm.stretch, run.seed, run.places.client);
    // Without the fault there are descriptors for all of them.
    let descriptors_max = if run.fault { arm.descriptors_max } else { Some(ENOUGH) };
    let server =
        format!("serve echo --listen {SERVER}:7000 --reactors 1 --cpus {} --json {}", run.places.server, arm.serve);
    let server = Command { descriptors_max, ..Command::own(&words(&server)) };
    let load = |connections: u32, more: &str| {
        let load = format!(
            "load tcp://{SERVER}:7000 --allow-private --connections {connections} --threads 1 --cpus {cpu} --warmup 0s --spin 0s \
             --seed {seed} --json {more}"
        );
        Command::own(&words(&load))
    };
    let start = |role, command, ready| Action::Start { role, command, ready };
    vec![
        start(Role::Server, server, Ready::Announced),
        Action::Observe,
        start(Role::Probe, load(HELD, "--rate 1000 --duration 3600s"), Ready::AtOnce),
        Action::Await {
            until: Until::Established(u64::from(HELD)),
            within: Duration::from_secs(10),
            or: Or::Fail("the first clients have not connected"),
        },
        Action::rest(Duration::from_millis(200)),
        start(
            Role::Load,
            load(NEWCOMERS, &format!("--heartbeat 500ms --timeout 500ms --interval 100ms --duration {seconds}s")),
            Ready::AtOnce,
        ),
        Action::wait(Until::Ended(Role::Load)),
        start(Role::Latecomer, load(3, "--requests 3 --timeout 10s --duration 10s"), Ready::AtOnce),
        Action::wait(Until::Ended(Role::Latecomer)),
        Action::End(Role::Probe),
        Action::wait(Until::Ended(Role::Probe)),
        Action::End(Role::Server),
    ]
}

const FIGURES: [Figure; 8] = [
    Figure {
        name: "server's CPU",
        unit: "s",
        better: Better::Less,
        least: 0.01,
        is_generators_time: false,
        of: |scene| scene.server_cpu_s(),
    },
    Figure {
        name: "failing accepts",
        unit: "",
        better: Better::Less,
        least: 1.0,
        is_generators_time: false,
        of: |scene| Some(scene.served.as_ref()?.report.totals.emfile_failures as f64),
    },
    Figure {
        name: "pauses of accept",
        unit: "",
        better: Better::Less,
        least: 1.0,
        is_generators_time: false,
        of: |scene| {
            let totals = &scene.served.as_ref()?.report.totals;
            Some((totals.full_pauses + totals.emfile_pauses) as f64)
        },
    },
    Figure {
        name: "p99 of those held",
        unit: "ms",
        better: Better::Less,
        least: 0.001,
        is_generators_time: true,
        of: |scene| Some(scene.probe.as_ref()?.response_us.p99? / 1000.0),
    },
    Figure {
        name: "newcomers' requests answered",
        unit: "%",
        better: Better::More,
        least: 0.1,
        is_generators_time: false,
        of: answered,
    },
    Figure {
        name: "newcomers' connections lost",
        unit: "",
        better: Better::Less,
        least: 1.0,
        is_generators_time: false,
        of: |scene| Some(scene.load.connections.lost as f64),
    },
    Figure {
        name: "of those held, lost",
        unit: "",
        better: Better::Less,
        least: 1.0,
        is_generators_time: false,
        of: |scene| Some(scene.probe.as_ref()?.connections.lost as f64),
    },
    Figure {
        name: "first reply to a latecomer",
        unit: "ms",
        better: Better::Less,
        least: 0.1,
        is_generators_time: true,
        of: |scene| Some(scene.latecomer.as_ref()?.time_to_first_response_us.max? / 1000.0),
    },
];

fn answered(scene: &Scene<'_>) -> Option<f64> {
    let requests = &scene.load.requests;
    (requests.scheduled > 0).then(|| 100.0 * requests.completed as f64 / requests.scheduled as f64)
}

/// The loop that tries again has to burn CPU time on it, or the limit was not met.
fn burns(record: &Record) -> Option<String> {
    let failed = record.median_of("try again", "failing accepts").unwrap_or(0.0);
    (failed < 1000.0).then(|| format!("the loop that tries again failed {failed:.0} times only"))
}

/// The loop that rests has to meet its limit too, and must not try in vain.
fn rests(record: &Record) -> Option<String> {
    let of = |figure| record.median_of("rest", figure);
    if of("pauses of accept").unwrap_or(0.0) < 1.0 {
        return Some("the loop that rests never met its limit".to_owned());
    }
    let failed = of("failing accepts").unwrap_or(f64::INFINITY);
    (failed > 200.0).then(|| format!("the loop that rests failed {failed:.0} times"))
}

fn happened(record: &Record) -> String {
    let of = |arm, figure| record.median_of(arm, figure).unwrap_or(0.0);
    let p99 = |arm| record.quotable_time(arm, "p99 of those held");
    let held = p99("try again").zip(p99("rest")).map_or(String::new(), |(again, rest)| {
        format!("; those already connected had a p99 of {again:.2} and {rest:.2} ms")
    });
    format!(
        "Out of descriptors, a loop that tries again failed {} times and took {:.1} s of CPU time, one that rests {} times and \
         {:.2} s{held}.",
        count(of("try again", "failing accepts")),
        of("try again", "server's CPU"),
        count(of("rest", "failing accepts")),
        of("rest", "server's CPU"),
    )
}

const NOTES: [&str; 3] = [
    "The kernel completes handshakes of newcomers as long as the accept queue has room, so they look connected and wait for a \
     reply: only those that are reset know.",
    "A server that rests has a connection limit below its fd limit, so no accept of it fails, and it takes in 64 clients fewer than \
     the loop that tries again: fewer newcomers are answered.",
    "CPU time is that of the server's whole life, with the requests of those held and of the newcomers: a way that serves more \
     takes more for that.",
];
