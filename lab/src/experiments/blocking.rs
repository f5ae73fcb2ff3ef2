//! `bench blocking`: one request in a hundred blocks the loop, and everybody else waits; beside it what theory foretells.

use results::queueing::Queue;

use crate::kinds::scenario::plan::{About, Length, Run};
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::{Better, Record};
use crate::kinds::scenario::remedies::scene::Scene;
use crate::kinds::scenario::remedies::table::{Figure, Picture, Remedies};
use crate::kinds::scenario::timeline::{Action, Ready, Role, Until, words};
use crate::session::host::Command;
use crate::session::namespace::{Needs, SERVER};
use crate::session::request::Profile;
use crate::session::side::Side;

const ABOUT: About = About {
    name: "blocking",
    question: "One request in a hundred blocks the event loop for milliseconds: what happens to all others, and what helps?",
    explanation: "4,000 short requests a second come at random, and beside them 40 that block for 3 ms each, as a call of a \
                  slow disk or of another server does. A loop that waits for such a call serves nobody meanwhile. That is a \
                  queue of one server with two kinds of customers (M/G/1), so its wait can be foretold. Each arm deals with \
                  the calls in another way.",
    decision: "99th percentile of the response time of the short requests, against a loop that blocks, repeat by repeat, with \
               simultaneous intervals of 95 %. Less than 10 % does not count.",
    profiles: &[Profile::Quick, Profile::Full],
    length: Length::Usual { repeats: 4, seconds: 3 },
    wait_max: None,
    attempts_max: 2,
    needs: Needs::Hosts,
    has_control: true,
};

/// The experiment.
pub(super) const SCENARIO: Remedies = Remedies {
    about: ABOUT,
    load: "4,000 short requests a second, and beside them some that block",
    arms,
    seconds: |arm, asked| (f64::from(asked * arm.stretch), 1.2),
    timeline,
    figures: &FIGURES,
    least: |_| 1.0,
    picture: Picture {
        title: "Longest response time of the short requests",
        y_name: "ms",
        caption: "Longest response time of the short requests in each tenth of a second. A loop that blocks makes some of them \
                  wait for several calls in a row.",
        points: |scene| scene.by_interval(|interval| interval.response_us.max.unwrap_or(0.0) / 1000.0),
    },
    counters: &[(Side::Client, "ActiveOpens"), (Side::Server, "TCPBacklogCoalesce"), (Side::Server, "TCPTimeouts")],
    fault_shows: others_wait,
    expectations: &[something_helps],
    foretell: |_| None,
    asides: |_| vec![],
    happened,
    advice: |_| {
        "Keep what blocks out of the loop: give it to a pool of threads with a bounded queue, or to a server of its own. More \
         loops alone only share the damage."
            .to_owned()
    },
    notes: &NOTES,
};

/// Short requests per second.
const SHORT_PER_S: f64 = 4000.0;

/// An arm, and the requests that block.
struct Case {
    arm: Arm,
    /// What they ask for; `MS` is how long.
    target: &'static str,
    per_s: f64,
    ms: f64,
    /// Whether one loop does everything, which is what the theory is about.
    is_one_queue: bool,
}

fn cases() -> Vec<Case> {
    let block = Case {
        arm: Arm {
            serve: "--reactors 1",
            ..Arm::named("block", "the loop sleeps for 3 ms in one request of a hundred (/block/3)")
        },
        target: "/block/3",
        per_s: SHORT_PER_S / 100.0,
        ms: 3.0,
        is_one_queue: true,
    };
    let arm = |name, what| Arm { name, what, ..block.arm.clone() };
    let case = |name, what| Case { arm: arm(name, what), ..block };
    vec![
        Case {
            target: "/offload/3",
            is_one_queue: false,
            ..case("pool", "a thread of a pool of four sleeps instead (/offload/3)")
        },
        Case {
            arm: Arm {
                serve: "--reactors 2",
                ..arm("two loops", "two event loops on the same CPU, which share the connections")
            },
            is_one_queue: false,
            ..block
        },
        Case { arm: arm(APART, "what blocks has a server of its own, on the same CPU"), is_one_queue: false, ..block },
        Case {
            // Long enough for some 40 of them.
            arm: Arm { stretch: 3, ..arm("rarer and longer", "one request in a thousand sleeps for 20 ms") },
            target: "/block/20",
            per_s: SHORT_PER_S / 1000.0,
            ms: 20.0,
            ..block
        },
        Case { arm: arm("shorter", "one request in a hundred sleeps for 1 ms"), target: "/block/1", ms: 1.0, ..block },
        block,
    ]
}

/// The arm with a server of its own for what blocks.
const APART: &str = "a server apart";

fn arms(profile: Profile) -> Vec<Arm> {
    let names = match profile {
        Profile::Full => &["block", "pool", "two loops", APART, "shorter", "rarer and longer"][..],
        _ => &["block", "pool", "two loops", APART],
    };
    names.iter().filter_map(|name| cases().into_iter().map(|case| case.arm).find(|arm| arm.name == *name)).collect()
}

fn case_of(arm: &Arm) -> Option<Case> {
    cases().into_iter().find(|case| case.arm.name == arm.name)
}

fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    let Some(case) = case_of(arm) else { return vec![] };
    let (cpu, is_apart) = (run.places.server, arm.name == APART);
    let server = |port: u16, serve: &str| {
        format!("serve http --listen {SERVER}:{port} --cpus {cpu} --pool-cpus {cpu} --lab-routes --json {serve}")
    };
    let load = |port: u16, target: &str, per_s: f64, seed: u64| {
        format!(
            "load http://{SERVER}:{port}{target} --allow-private --connections 256 --threads 1 --cpus {} --rate {per_s} \
             --duration {}s --warmup 0s --interval 100ms --spin 0s --seed {seed} --json {}",
            run.places.client,
            run.seconds * arm.stretch,
            arm.load
        )
    };
    // The control: as many requests, and none of them blocks.
    let target = if run.fault { case.target } else { "/" };
    let start = |role, ready, line: &str| Action::Start { role, command: Command::own(&words(line)), ready };
    let mut actions = vec![start(Role::Server, Ready::Announced, &server(7000, arm.serve))];
    if is_apart {
        actions.push(start(Role::SecondServer, Ready::Announced, &server(7001, arm.serve)));
    }
    let port = if is_apart { 7001 } else { 7000 };
    actions.extend([
        Action::Observe,
        start(Role::Probe, Ready::AtOnce, &load(port, target, case.per_s, run.seed.wrapping_add(1))),
        start(Role::Load, Ready::AtOnce, &load(7000, "/", SHORT_PER_S, run.seed)),
        Action::wait(Until::Ended(Role::Load)),
        Action::wait(Until::Ended(Role::Probe)),
        Action::End(Role::Probe),
        Action::End(Role::Server),
    ]);
    if is_apart {
        actions.push(Action::End(Role::SecondServer));
    }
    actions
}

const FIGURES: [Figure; 8] = [
    time("p99", |scene| scene.load.response_us.p99),
    time("p50", |scene| scene.load.response_us.p50),
    time("p99.9", |scene| scene.load.response_us.p99_9),
    time("mean", |scene| scene.load.response_us.mean),
    Figure { unit: "%", is_generators_time: false, ..time(BLOCKED, blocked_percent) },
    Figure { is_generators_time: false, ..time(FORETOLD, |scene| Some(foretold(scene)?.p99_s * 1e6)) },
    Figure { is_generators_time: false, ..time("mean foretold", |scene| Some(foretold(scene)?.mean_s * 1e6)) },
    Figure {
        name: ERROR,
        unit: "%",
        better: Better::Less,
        is_generators_time: true,
        of: |scene| Some((100.0 * (foretold(scene)?.p99_s * 1e6 / scene.load.response_us.p99? - 1.0)).abs()),
    },
];

const BLOCKED: &str = "loop blocked";
const FORETOLD: &str = "p99 foretold";
const ERROR: &str = "error of that";

/// A figure that is a time; `of` gives it in µs.
const fn time(name: &'static str, of_us: fn(&Scene<'_>) -> Option<f64>) -> Figure {
    Figure { name, unit: "µs", better: Better::Less, is_generators_time: true, of: of_us }
}

/// What theory foretells of the short requests: the wait in a queue of one server, and what a request takes that need not
/// wait, which is the median, as long as the loop is idle for more than half of the time.
struct Foretold {
    p99_s: f64,
    mean_s: f64,
}

fn foretold(scene: &Scene<'_>) -> Option<Foretold> {
    let case = case_of(scene.arm).filter(|case| case.is_one_queue)?;
    let reactor = scene.served.as_ref()?.report.reactors.first()?;
    let cpu_s = (reactor.cpu_time.user_us + reactor.cpu_time.system_us) as f64 / 1e6;
    let short_s = (cpu_s / reactor.counters.requests as f64).max(1e-6);
    // As many as came, not as many as were to come.
    let per_s = |requests: u64| requests as f64 / scene.window_s();
    let queue = Queue::of_kinds(&[
        (per_s(scene.load.requests.scheduled), short_s),
        (per_s(reactor.counters.jobs), case.ms / 1000.0 + short_s),
    ])?;
    let unhindered_s = scene.load.response_us.p50? / 1e6;
    Some(Foretold { p99_s: queue.wait_s(0.99)? + unhindered_s, mean_s: queue.mean_wait_s() + unhindered_s })
}

/// The share of the time that a loop sleeps in calls.
fn blocked_percent(scene: &Scene<'_>) -> Option<f64> {
    let (case, report) = (case_of(scene.arm)?, &scene.served.as_ref()?.report);
    let is_in_loop = case.target.starts_with("/block/");
    let asleep_s = if is_in_loop { report.totals.jobs as f64 * case.ms / 1000.0 } else { 0.0 };
    Some(100.0 * asleep_s / (scene.window_s() * report.reactors.len() as f64))
}

/// Calls have to block the loop, and the short requests to wait for most of one. How much longer than with a pool is for the
/// intervals to say: on a busy machine everybody waits.
fn others_wait(record: &Record) -> Option<String> {
    let blocked = record.median_of("block", BLOCKED).unwrap_or(0.0);
    if blocked < 5.0 {
        return Some(format!("the loop was blocked for {blocked:.1} % of the time"));
    }
    let p99 = record.median_of("block", "p99").unwrap_or(0.0);
    (p99 < 2200.0).then(|| format!("the 99th percentile was {p99:.0} µs, less than one call takes"))
}

/// Some way has to spare the short requests most of the wait.
fn something_helps(record: &Record) -> Option<String> {
    let block = record.median_of("block", "p99")?;
    let best = record.remedies().filter_map(|arm| record.median(arm, "p99")).fold(f64::INFINITY, f64::min);
    (best > block / 2.0).then(|| format!("no way brought the 99th percentile below {best:.0} µs"))
}

fn happened(record: &Record) -> String {
    let ms = |arm, figure| record.median_of(arm, figure).map_or(0.0, |us| us / 1000.0);
    // Of the two figures that stand in the sentence: the median of the errors of single runs is another one.
    let foretold = match (record.quotable_time("block", FORETOLD), record.quotable_time("block", "p99")) {
        (Some(us), Some(measured_us)) => {
            let off = us / measured_us - 1.0;
            let side = if off < 0.0 { "less" } else { "more" };
            format!("; the theory of queues foretells {:.1} ms, {:.0} % {side}", us / 1000.0, 100.0 * off.abs())
        }
        _ => String::new(),
    };
    format!(
        "While one request in a hundred blocked the loop for 3 ms, one in a hundred of all others took {:.1} ms or longer{foretold}. \
         Half of them took no more than {:.2} ms, so that no average shows it.",
        ms("block", "p99"),
        ms("block", "p50")
    )
}

const NOTES: [&str; 5] = [
    "What is foretold is the wait in a queue of one server (M/G/1) with two lengths of service: that of a short request, which is \
     the loop's CPU time per request, and that of a call. To it comes what a request takes that need not wait, the median. The \
     mean is the formula of Pollaczek and Khinchine; the quantile is computed from the series of Beneš on a lattice of a \
     two-thousandth of a call, without simulation (results/src/queueing.rs).",
    "Both kinds of requests come at random (Poisson), from two load generators on one CPU, so that the times of the short ones \
     stand alone. Together they are as one stream of which each request is of either kind by chance.",
    "The requests that block sleep; they use no CPU time. The remedies have no CPU to themselves: pool, second loop and second \
     server share the one of the server.",
    "The theory is about one loop that does everything, so only such arms have a forecast.",
    "The error is the median of the errors of the repeats, without their signs. A run of three seconds has 120 calls, which alone moves \
     its 99th percentile by some 8 % (standard deviation of the queue as played by Lindley's recursion).",
];
