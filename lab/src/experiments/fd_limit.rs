//! `bench fd-limit`: more clients come than a server has descriptors for.
//!
//! What decides is the CPU time of the server per reply, while descriptors are short. The time of a whole life would punish
//! ways that serve more, and the time alone would praise those that serve nobody.

mod arms;
mod figures;
mod numbers;

use std::time::Duration;

use results::report::count;

use crate::kinds::scenario::plan::{About, Length, Run};
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::Record;
use crate::kinds::scenario::remedies::table::{Picture, Remedies};
use crate::kinds::scenario::timeline::{Action, Or, Ready, Role, Until, words};
use crate::session::host::Command;
use crate::session::namespace::{Needs, SERVER};
use crate::session::request::Profile;
use crate::session::side::Side;

const ABOUT: About = About {
    name: "fd-limit",
    question: "More clients come than a server has descriptors for: what does accept do, and who pays for it?",
    explanation: "50 clients are connected and busy when 200 more come; the server's soft limit is 200 descriptors. Accept then fails \
                  with EMFILE, \"too many open files\", while the connection stays in the queue and the listener readable. The \
                  first arm is the loop that just tries again, the others deal with it (`c10m serve --when-short`) or keep it from \
                  happening. Afterwards the newcomers leave, and a few clients come later. `--explain` walks along all limits.",
    decision: "CPU time of the server per reply while descriptors are short, against the loop that tries again, repeat by repeat, with \
               simultaneous intervals of 95 %. Less than 10 % does not count.",
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
    arms: arms::arms,
    seconds: |arm, asked| (f64::from(asked * arm.stretch), 2.2),
    timeline,
    figures: &figures::FIGURES,
    least: |_| 1.0,
    picture: Picture {
        title: "Replies per second to the newcomers",
        y_name: "replies/s",
        caption: "Replies per second to the 200 clients that came when descriptors ran out; each sends twice a second.",
        points: figures::newcomers_served,
    },
    counters: &[
        (Side::Client, "ActiveOpens"),
        (Side::Server, "PassiveOpens"),
        (Side::Server, "ListenOverflows"),
        (Side::Server, "OutRsts"),
        (Side::Client, "EstabResets"),
    ],
    fault_shows: burns,
    expectations: &[numbers::rests, numbers::holds, numbers::recovers],
    foretell: |_| None,
    asides: |_| vec![],
    happened,
    advice: |_| {
        "Raise the soft limit to the hard one at the start of the program, and let accept rest when it fails all the same. Count \
         such pauses, and raise an alarm on the first."
            .to_owned()
    },
    notes: &NOTES,
};

/// The soft limit, the hard one, clients that are there first, and clients that come.
const SOFT: u64 = 200;
const HARD: u64 = 2000;
const HELD: u32 = 50;
const NEWCOMERS: u32 = 200;
/// Requests per second of those held: an interval has enough for a p99.
const HELD_RATE: u32 = 12_000;
const HELD_INTERVAL: &str = "100ms";
/// For how long they are alone once all are connected: five whole intervals at least, whose median is what is normal.
const CALM_MS: u64 = 700;
/// How long a newcomer waits for a reply.
const PATIENCE_MS: u64 = 300;
/// What it takes beside that until the newcomers have gone.
const AROUND_MS: u64 = 200;

fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    let (seconds, seed, cpu) = (run.seconds * arm.stretch, run.seed, run.places.client);
    // Without the fault there are descriptors for all of them.
    let soft = if run.fault { SOFT } else { HARD };
    let reactors = if arm.serve.contains("--reactors") { "" } else { "--reactors 1" };
    let server =
        format!("serve echo --listen {SERVER}:7000 --cpus {} --json {} {reactors}", run.places.server, arm.serve);
    let limits = Command { descriptors_max: Some(HARD), descriptors_soft: Some(soft), ..Command::own(&words(&server)) };
    let load = |connections: u32, more: &str| {
        let load = format!(
            "load tcp://{SERVER}:7000 --allow-private --connections {connections} --threads 1 --cpus {cpu} --warmup 0s --spin 0s \
             --seed {seed} --json {more}"
        );
        Command::own(&words(&load))
    };
    let start = |role, command, ready| Action::Start { role, command, ready };
    let held_ms = CALM_MS + u64::from(seconds) * 1000 + PATIENCE_MS + AROUND_MS;
    // Newcomers, and those who observe, share a CPU with them, and must not hold up what their times are taken by.
    let held =
        format!("--realtime --coalesce 50us --rate {HELD_RATE} --interval {HELD_INTERVAL} --duration {held_ms}ms");
    let newcomers = format!("--heartbeat 500ms --timeout {PATIENCE_MS}ms --interval 100ms --duration {seconds}s");
    vec![
        start(Role::Server, limits, Ready::Announced),
        Action::Observe,
        start(Role::Load, load(HELD, &held), Ready::AtOnce),
        Action::Await {
            until: Until::Established(u64::from(HELD)),
            within: Duration::from_secs(10),
            or: Or::Fail("the first clients have not connected"),
        },
        Action::Mark(figures::HELD),
        Action::rest(Duration::from_millis(CALM_MS)),
        Action::Mark(figures::SHORT),
        start(Role::Probe, load(NEWCOMERS, &newcomers), Ready::AtOnce),
        Action::rest(Duration::from_secs(u64::from(seconds))),
        Action::Mark(figures::STILL),
        Action::wait(Until::Ended(Role::Probe)),
        Action::Mark(figures::FREE),
        start(Role::Latecomer, load(3, "--requests 3 --timeout 10s --duration 10s"), Ready::AtOnce),
        Action::wait(Until::Ended(Role::Latecomer)),
        Action::End(Role::Probe),
        Action::wait(Until::Ended(Role::Load)),
        Action::End(Role::Server),
    ]
}

/// The loop that tries again has to burn CPU time on it, or the limit was not met.
fn burns(record: &Record) -> Option<String> {
    let failed = record.median_of("try again", figures::FAILING).unwrap_or(0.0);
    (failed < 1000.0).then(|| format!("the loop that tries again failed {failed:.0} times a second only"))
}

fn happened(record: &Record) -> String {
    let of = |arm, figure| record.median_of(arm, figure).unwrap_or(0.0);
    let p99 = |arm| record.quotable_time(arm, figures::HELD_P99);
    let held = p99("try again").zip(p99("rest")).map_or(String::new(), |(again, rest)| {
        format!("; those already connected had a p99 of {again:.2} and {rest:.2} ms")
    });
    format!(
        "Out of descriptors, a loop that tries again failed {} times a second and took {:.0} % of a CPU, one that rests {} times and \
         {:.0} %{held}. {}",
        count(of("try again", figures::FAILING).round()),
        of("try again", figures::CPU),
        count(of("rest", figures::FAILING).round()),
        of("rest", figures::CPU),
        numbers::sentence(record),
    )
}

const NOTES: [&str; 6] = [
    "The kernel completes handshakes of newcomers as long as the accept queue has room, so they look connected and wait for a \
     reply: only those that are reset know.",
    "CPU time and replies are those of as long as the newcomers stay, from the moment at which they are started, with the replies to \
     those held: their number is the same in all arms. Failing accepts are counted until the newcomers have gone.",
    "Recovery is counted from the end of the newcomers' program, and includes the start of the latecomers'.",
    "A p99 of those held is the median of the p99s of 100 ms each, of some 1,200 requests: while descriptors were short, or before, \
     once all of them had connected. Newcomers take CPU time of the clients' CPU too, so the ratio of a server that never runs short is \
     what there is to compare with.",
    "Times are vouched for by the generator of those held. That of the newcomers cannot be: most of its requests have no reply.",
    "ENFILE is no arm: fs.file-max belongs to the host, and all its programs would be short. `--explain` shows what it would be.",
];
