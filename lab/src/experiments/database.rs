//! `bench database`: more queries come than a database can answer, and the queue before it decides who is answered in time.

use results::queueing::capacity_per_s;

use crate::kinds::scenario::plan::{About, Length, Run};
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::{Better, Record};
use crate::kinds::scenario::remedies::scene::{Scene, replies_per_s};
use crate::kinds::scenario::remedies::table::{Figure, Picture, Remedies};
use crate::kinds::scenario::timeline::{Action, Ready, Role, Until, words};
use crate::session::host::Command;
use crate::session::namespace::{Needs, SERVER};
use crate::session::request::Profile;
use crate::session::side::Side;

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
    arms,
    seconds: |arm, asked| (f64::from(asked * arm.stretch), 1.1),
    timeline,
    figures: &FIGURES,
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
    foretell: |_| None,
    asides: |_| vec![],
    happened,
    advice: |_| {
        "Bound the queue to what the pool works off while its clients wait, and answer the rest 503 at once, with Retry-After; a \
         default of a thousand places may be far too many. Give queries a deadline too, so that none is begun whose client has gone."
            .to_owned()
    },
    notes: &NOTES,
};

/// Requests per second, and as many as the pool can easily do.
const OVERLOAD_PER_S: u32 = 3000;
const CALM_PER_S: u32 = 600;
/// Longer than the longest queue of those that wait within their patience.
const CONNECTIONS: u32 = 1500;

fn arms(profile: Profile) -> Vec<Arm> {
    let arm = |name, what, serve| Arm { serve, ..Arm::named(name, what) };
    let mut arms = vec![
        arm("unbounded queue", "the queue of the pool has no bound (--pool-queue unbounded)", "--pool-queue unbounded"),
        arm("1,024 places", "one more is answered 503 (--pool-queue 1024, the default)", "--pool-queue 1024"),
        arm("128 places", "--pool-queue 128, which four threads work off in 70 ms", "--pool-queue 128"),
        arm(
            "deadline",
            "no bound, but what has waited for 100 ms is answered 503 instead of begun (--pool-deadline)",
            "--pool-queue unbounded --pool-deadline 100ms",
        ),
        arm("16 threads", "no bound, but four times as many threads", "--pool-queue unbounded --pool-threads 16"),
    ];
    if profile == Profile::Full {
        arms.extend([
            arm(
                "128 places and deadline",
                "both (--pool-queue 128 --pool-deadline 100ms)",
                "--pool-queue 128 --pool-deadline 100ms",
            ),
            arm("1 thread", "128 places for one thread", "--pool-queue 128 --pool-threads 1"),
            arm("2 threads", "128 places for two threads", "--pool-queue 128 --pool-threads 2"),
            arm("8 threads", "128 places for eight threads", "--pool-queue 128 --pool-threads 8"),
            arm("32 threads", "128 places for 32 threads", "--pool-queue 128 --pool-threads 32"),
            arm("64 threads", "128 places for 64 threads", "--pool-queue 128 --pool-threads 64"),
        ]);
    }
    arms
}

/// The threads of an arm: what it asks for, or the default.
fn threads(arm: &Arm) -> Option<u32> {
    let mut asked = arm.serve.split_whitespace().skip_while(|word| *word != "--pool-threads").skip(1);
    asked.next().map_or(Some(server::Blocking::THREADS.get().into()), |number| number.parse().ok())
}

fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    // Its file is gone as soon as the server is ready.
    let file = std::env::temp_dir().join(format!("c10m-database-{}-{}.sqlite", std::process::id(), run.order));
    let (cpu, seconds) = (run.places.server, run.seconds * arm.stretch);
    let server = format!(
        "serve http --listen {SERVER}:7000 --reactors 1 --cpus {cpu} --pool-cpus {cpu} --db-temporary --db-keys 10000 \
         --db-time 2ms --db-slow-one-in 1000 --db-slow 100ms --json {} --db",
        arm.serve
    );
    let mut server = words(&server);
    // A path may contain blanks.
    server.push(file.to_string_lossy().into_owned());
    let rate = if run.fault { OVERLOAD_PER_S } else { CALM_PER_S };
    let load = format!(
        "load http://{SERVER}:7000/db/777 --allow-private --connections {CONNECTIONS} --threads 1 --cpus {} --rate {rate} \
         --timeout 200ms --duration {seconds}s --warmup 0s --interval 100ms --spin 0s --seed {} --json {}",
        run.places.client, run.seed, arm.load
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

const FIGURES: [Figure; 8] = [
    Figure { better: Better::More, ..count("answered in time", "%", in_time) },
    Figure {
        better: Better::More,
        ..count("good replies", "per s", |scene| Some(scene.load.requests.completed as f64 / scene.window_s()))
    },
    Figure { better: Better::More, ..count(CAPACITY, "per s", capacity) },
    count("mean service", "ms", |scene| Some(mean_service_s(scene)? * 1000.0)),
    Figure {
        is_generators_time: true,
        ..count("p99 of good replies", "ms", |scene| Some(scene.load.service_us.p99? / 1000.0))
    },
    count("answered 503", "%", |scene| {
        let totals = &scene.served.as_ref()?.report.totals;
        share(totals.jobs_refused + totals.jobs_expired, totals.jobs)
    }),
    count("queries for nobody", "%", |scene| {
        let done = scene.served.as_ref()?.report.totals.jobs_done;
        share(done.saturating_sub(scene.load.requests.completed_whole_run), done)
    }),
    count("longest queue", "", |scene| Some(scene.served.as_ref()?.report.totals.jobs_queued_peak as f64)),
];

const CAPACITY: &str = "capacity foretold";

/// A figure of which less is better.
const fn count(name: &'static str, unit: &'static str, of: fn(&Scene<'_>) -> Option<f64>) -> Figure {
    Figure { name, unit, better: Better::Less, is_generators_time: false, of }
}

fn in_time(scene: &Scene<'_>) -> Option<f64> {
    share(scene.load.requests.completed, scene.load.requests.scheduled)
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| 100.0 * part as f64 / whole as f64)
}

/// What a query took on its thread, by the account of the server.
fn mean_service_s(scene: &Scene<'_>) -> Option<f64> {
    let totals = &scene.served.as_ref()?.report.totals;
    (totals.jobs_done > 0).then(|| totals.job_run_us as f64 / 1e6 / totals.jobs_done as f64)
}

/// What the threads can do together.
fn capacity(scene: &Scene<'_>) -> Option<f64> {
    capacity_per_s(threads(scene.arm)?, mean_service_s(scene)?)
}

/// Without a bound few are answered in time, although the pool could answer more than half of them.
fn few_are_answered(record: &Record) -> Option<String> {
    let answered = record.median_of("unbounded queue", "answered in time").unwrap_or(100.0);
    (answered > 40.0).then(|| format!("with a queue without bound, {answered:.0} % were answered in time"))
}

fn something_helps(record: &Record) -> Option<String> {
    let answered = record.remedies().filter_map(|arm| record.median(arm, "answered in time"));
    let best = answered.fold(0.0, f64::max);
    (best < 45.0).then(|| format!("no way answered more than {best:.0} % in time"))
}

fn happened(record: &Record) -> String {
    let of = |arm, figure| record.median_of(arm, figure).unwrap_or(0.0);
    let (naive, bounded) = ("unbounded queue", "128 places");
    let (foretold, good) = (of(bounded, CAPACITY), of(bounded, "good replies"));
    format!(
        "With a queue without bound {:.0} % of the requests were answered in time, and {:.0} % of the queries were done for clients that \
         had gone; with 128 places {:.0} % were. Four threads can do {foretold:.0} queries a second by Little's law, and with those \
         places gave {good:.0} good replies a second, {:.0} % of that.",
        of(naive, "answered in time"),
        of(naive, "queries for nobody"),
        of(bounded, "answered in time"),
        if foretold > 0.0 { 100.0 * good / foretold } else { 0.0 },
    )
}

const NOTES: [&str; 4] = [
    "A query of SQLite takes microseconds when its pages are in memory. The 2 ms and 100 ms are slept inside a function of SQL \
     (serve --db-time, --db-slow), so the thread and its transaction are occupied as by a slow disk.",
    "What is foretold is the number of threads over the mean service time that the server measured (Little's law where no thread \
     is idle); it is the knee, beyond which more load brings no more replies.",
    "A client that gives up closes its connection. A server cannot tell that from a client that only sends no more, so its query keeps \
     its place in the queue. For nobody were the queries that a thread did and that no client took as a good reply.",
    "An answer of 503 with Retry-After is no good reply; its client knows at once, and could ask another server.",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_of_an_arm_are_those_that_it_asks_for() {
        let of = |serve| threads(&Arm { serve, ..Arm::named("", "") });
        assert_eq!(
            [of(""), of("--pool-queue 128 --pool-threads 16"), of("--pool-threads x")],
            [Some(4), Some(16), None]
        );
        assert!(arms(Profile::Full).iter().all(|arm| threads(arm).is_some()));
    }
}
