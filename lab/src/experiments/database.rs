//! `bench database`: more queries come than a database can answer, and the queue before it decides who is answered in time.

mod arms;
mod figures;
mod knee;

use crate::kinds::scenario::plan::{About, Length, Run};
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::Record;
use crate::kinds::scenario::remedies::scene::replies_per_s;
use crate::kinds::scenario::remedies::table::{Picture, Remedies};
use crate::kinds::scenario::timeline::{Action, Ready, Role, Until, words};
use crate::session::host::Command;
use crate::session::namespace::{Needs, SERVER};
use crate::session::request::Profile;
use crate::session::side::Side;
use arms::{ALIKE, CALM_PER_S, OVERLOAD_PER_S, STEP_MS, steps};
use figures::{FOR_NOBODY, GOOD, IN_TIME};
use knee::CAPACITY;

const ABOUT: About = About {
    name: "database",
    question: "More queries come than the database can answer: who is still answered in time, and what helps?",
    explanation: "Each request looks up a row in SQLite through a pool of four threads. A query takes 2 ms, and one in a \
                  thousand 100 ms, so the pool can do some 1,800 a second; 3,000 come. A client waits for 200 ms, then it gives up and \
                  goes; its query stays in the queue, and is done for nobody. Each arm bounds that queue, or widens the pool.",
    decision: "Share of the requests that are answered well within 200 ms, against a queue without bound, repeat by repeat, with \
               simultaneous intervals of 95 %. Less than 10 % does not count.",
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
    load: "3,000 queries a second, each given up after 200 ms, for a pool that can do 1,800",
    arms: arms::arms,
    seconds: |arm, asked| (f64::from(window_ms(arm, asked)) / 1000.0, 1.1),
    timeline,
    figures: &figures::FIGURES,
    least: |scene| scene.one_request_percent(),
    picture: Picture {
        title: "Good replies per second",
        y_name: "replies/s",
        caption: "Good replies per second, each within 200 ms. With a queue without bound they cease as soon as it takes longer than \
                  that to get to its head: from then on the pool works for clients that have gone.",
        points: |scene| scene.by_interval(replies_per_s),
    },
    counters: &[(Side::Client, "ActiveOpens"), (Side::Server, "EstabResets"), (Side::Server, "OutRsts")],
    fault_shows: few_are_answered,
    expectations: &[something_helps],
    foretell: knee::foretell,
    asides: |_| vec![],
    happened,
    advice: |_| {
        "Bound the queue to what the pool works off while its clients wait, and answer the rest 503 at once, with Retry-After; a \
         default of a thousand places may be far too many. Give queries a deadline too, so that none is begun whose client has gone."
            .to_owned()
    },
    notes: &NOTES,
};

/// Longer than the longest queue of those that wait within their patience.
const CONNECTIONS: u32 = 1500;

/// The measured part of a run.
fn window_ms(arm: &Arm, seconds: u32) -> u32 {
    match steps(arm).len() {
        0 => seconds * arm.stretch * 1000,
        steps => steps as u32 * STEP_MS,
    }
}

fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    // Its file is gone as soon as the server is ready.
    let file = std::env::temp_dir().join(format!("c10m-database-{}-{}.sqlite", std::process::id(), run.order));
    let cpu = run.places.server;
    let slow = if arm.group == Some(ALIKE) { "" } else { "--db-slow-one-in 1000 --db-slow 100ms" };
    let server = format!(
        "serve http --listen {SERVER}:7000 --reactors 1 --cpus {cpu} --pool-cpus {cpu} --db-temporary --db-keys 10000 \
         --db-time 2ms {slow} --json {} --db",
        arm.serve
    );
    let mut server = words(&server);
    // A path may contain blanks.
    server.push(file.to_string_lossy().into_owned());
    let steps: Vec<String> = steps(arm).iter().map(|per_s| format!("{per_s}@{STEP_MS}ms")).collect();
    let rate = match (run.fault, steps.is_empty()) {
        (true, true) => format!("--rate {OVERLOAD_PER_S} --duration {}ms", window_ms(arm, run.seconds)),
        (true, false) => format!("--stages {}", steps.join(",")),
        (false, _) => format!("--rate {CALM_PER_S} --duration {}ms", window_ms(arm, run.seconds)),
    };
    let load = format!(
        "load http://{SERVER}:7000/db/777 --allow-private --connections {CONNECTIONS} --threads 1 --cpus {} {rate} \
         --timeout 200ms --warmup 0s --interval 100ms --spin 0s --seed {} --json",
        run.places.client, run.seed
    );
    let start = |role, ready, words: Vec<String>| Action::Start { role, command: Command::own(&words), ready };
    vec![
        start(Role::Server, Ready::Announced, server),
        Action::Observe,
        start(Role::Load, Ready::AtOnce, words(&load)),
        Action::wait(Until::Ended(Role::Load)),
        Action::End(Role::Server),
    ]
}

/// Without a bound few are answered in time, although the pool could answer more than half of them.
fn few_are_answered(record: &Record) -> Option<String> {
    let answered = record.median_of("unbounded queue", IN_TIME).unwrap_or(100.0);
    (answered > 40.0).then(|| format!("with a queue without bound, {answered:.0} % were answered in time"))
}

fn something_helps(record: &Record) -> Option<String> {
    let answered = record.remedies().filter_map(|arm| record.median(arm, IN_TIME));
    let best = answered.fold(0.0, f64::max);
    (best < 45.0).then(|| format!("no way answered more than {best:.0} % in time"))
}

fn happened(record: &Record) -> String {
    let of = |arm, figure| record.median_of(arm, figure).unwrap_or(0.0);
    let (naive, bounded) = ("unbounded queue", "128 places");
    let (foretold, good) = (of(bounded, CAPACITY), of(bounded, GOOD));
    format!(
        "With a queue without bound {:.0} % of the requests were answered in time, and {:.0} % of the queries were done for clients that \
         had gone; with 128 places {:.0} % were. Four threads can do {foretold:.0} queries a second by Little's law, and with those \
         places gave {good:.0} good replies a second, {:.0} % of that.{}",
        of(naive, IN_TIME),
        of(naive, FOR_NOBODY),
        of(bounded, IN_TIME),
        if foretold > 0.0 { 100.0 * good / foretold } else { 0.0 },
        knee::sentence(record),
    )
}

const NOTES: [&str; 5] = [
    "A query of SQLite takes microseconds when its pages are in memory. The 2 ms and 100 ms are slept inside a function of SQL \
     (serve --db-time, --db-slow), so the thread and its transaction are occupied as by a slow disk.",
    "What is foretold is the number of threads over the mean service time that the server measured (Little's law where no thread \
     is idle); it is the knee, beyond which more load brings no more replies. The knee as measured is the level that good replies do not \
     exceed while the load rises, by the steps that were not answered as a whole; of each step its first quarter of a second does not count.",
    "Good replies are those that came within the window. Shares are of its requests, whenever these were answered.",
    "A client that gives up closes its connection. A server cannot tell that from a client that only sends no more, so its query keeps \
     its place in the queue. For nobody were the queries that a thread did and that no client took as a good reply.",
    "An answer of 503 with Retry-After is no good reply; its client knows at once, and could ask another server.",
];
