//! `bench blocking`: one request in a hundred blocks the loop, and everybody else waits; beside it what theory foretells.

mod figures;
mod forecast;
mod scenes;

use crate::kinds::scenario::plan::{About, Length, Run};
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::Record;
use crate::kinds::scenario::remedies::table::{Picture, Remedies};
use crate::kinds::scenario::timeline::{Action, Ready, Role, Until, words};
use crate::session::host::Command;
use crate::session::namespace::{Needs, SERVER};
use crate::session::request::Profile;
use crate::session::side::Side;
use figures::{BLOCKED, P99};
use scenes::{APART, BLOCK, SHORT_PER_S};

const ABOUT: About = About {
    name: "blocking",
    question: "One request in a hundred blocks the event loop for milliseconds: what happens to all others, and what helps?",
    explanation: "2,000 short requests a second come at random, and beside them 20 that block for 3 ms each, as a call of a \
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
    load: "2,000 short requests a second, and beside them some that block",
    arms: scenes::arms,
    seconds: |arm, asked| (f64::from(asked * arm.stretch), 1.2),
    timeline,
    figures: &figures::FIGURES,
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
    expectations: &[something_helps, forecast::holds],
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

fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    let Some(scene) = scenes::of(arm) else { return vec![] };
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
    let target = if run.fault { scene.target } else { "/" };
    let start = |role, ready, line: &str| Action::Start { role, command: Command::own(&words(line)), ready };
    let mut actions = vec![start(Role::Server, Ready::Announced, &server(7000, arm.serve))];
    if is_apart {
        actions.push(start(Role::SecondServer, Ready::Announced, &server(7001, arm.serve)));
    }
    let port = if is_apart { 7001 } else { 7000 };
    actions.extend([
        Action::Observe,
        start(Role::Probe, Ready::AtOnce, &load(port, target, scene.per_s, run.seed.wrapping_add(1))),
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

/// Calls have to block the loop, and the short requests to wait for half of one at least. How much longer than with a pool is for the
/// intervals to say: on a busy machine everybody waits.
fn others_wait(record: &Record) -> Option<String> {
    let blocked = record.median_of(BLOCK, BLOCKED).unwrap_or(0.0);
    if blocked < 2.0 {
        return Some(format!("the loop was blocked for {blocked:.1} % of the time"));
    }
    let p99 = record.median_of(BLOCK, P99).unwrap_or(0.0);
    (p99 < 1500.0).then(|| format!("the 99th percentile was {p99:.0} µs, less than half of a call takes"))
}

/// Some way has to spare the short requests most of the wait.
fn something_helps(record: &Record) -> Option<String> {
    let block = record.median_of(BLOCK, P99)?;
    let best = record.remedies().filter_map(|arm| record.median(arm, P99)).fold(f64::INFINITY, f64::min);
    (best > block / 2.0).then(|| format!("no way brought the 99th percentile below {best:.0} µs"))
}

fn happened(record: &Record) -> String {
    let ms = |arm, figure| record.median_of(arm, figure).map_or(0.0, |us| us / 1000.0);
    format!(
        "While one request in a hundred blocked the loop for 3 ms, one in a hundred of all others took {:.1} ms or longer. \
         Half of them took no more than {:.2} ms, so that no average shows it. {}",
        ms(BLOCK, P99),
        ms(BLOCK, "p50"),
        forecast::sentence(record)
    )
}

const NOTES: [&str; 6] = [
    "What is foretold is the wait in a queue of one server (M/G/1) with short requests and calls. A short one takes the loop's CPU time per \
     request; calls take what the server measured around each (block_us, block_us_squared): two lengths with the same mean and \
     second moment stand for them. To the wait comes what a request takes that need not wait, the median. The mean is the formula of \
     Pollaczek and Khinchine; the quantile is computed from the series of Beneš on a lattice of a two-thousandth of a call, without \
     simulation (results/src/queueing.rs).",
    "Both kinds of requests come at random (Poisson), from two load generators on one CPU, so that the times of the short ones \
     stand alone. Together they are as one stream of which each request is of either kind by chance.",
    "The requests that block sleep; they use no CPU time. The remedies have no CPU to themselves: pool, second loop and second \
     server share the one of the server.",
    "The theory is about one loop that does everything, so only such arms have a forecast.",
    "Load and length of the calls are chosen so that the 99th percentile does not lie on the edge between a wait for one call and one \
     for two: there it jumps by a third with half a percent more load, and no forecast could be held to account.",
    "How far a forecast is off is the median of the repeats, with its sign. A run of three seconds has some 60 calls; their number by chance \
     moves the share of the time in which the loop is blocked, but the forecast is made from what came.",
];
