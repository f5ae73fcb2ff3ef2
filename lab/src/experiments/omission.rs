//! `bench omission`: what load generators report for a server that stalls. Most arms are other people's programs. Each
//! run has its own server.

use crate::kinds::scenario::claims::form::Stalling;
use crate::kinds::scenario::claims::table::{Claims, Installed};
use crate::kinds::scenario::plan::{About, Length, Run};
use crate::kinds::scenario::timeline::{Action, Ready, Role, SERVER, Until, words};
use crate::session::host::Command;
use crate::session::namespace::Needs;
use crate::session::places::Places;
use crate::session::request::Profile;
use crate::subjects::tools::tool::{TOOLS, Tool};

const ABOUT: About = About {
    name: "omission",
    question: "What does each load generator report for a server that stalls 100 ms every second?",
    explanation: "Coordinated omission, shown: a load generator that waits for each reply before it sends the next request \
                  hardly sees a stall that holds up everybody who arrives meanwhile. The server logs its stalls, so the \
                  truth is known in closed form.",
    decision: "A generator is right when its p95, p99, p99.9 and mean are within 10 % of the closed form.",
    profiles: &[Profile::Full],
    length: Length::Usual { repeats: 3, seconds: 10 },
    wait_max: None,
    // A run that fails is tried again when the experiment is continued.
    attempts_max: 1,
    needs: Needs::Nothing,
    has_control: false,
};

/// The experiment. The rate is low enough to leave the server idle for 98 % of the time, so that stalls are the only
/// cause of long response times.
pub(super) const SCENARIO: Claims = Claims {
    about: ABOUT,
    tools: &TOOLS,
    reference: Tool::C10mConstant,
    connections: 50,
    rate: 2000,
    stalling: Stalling { length_ms: 100, every_ms: 1000 },
    timeline,
    notes,
};

/// Longer than any generator overruns its time; after that the server ends by itself.
const SERVER_EXTRA_S: u32 = 60;

fn timeline(claims: &Claims, installed: &Installed, run: &Run<'_>) -> Vec<Action> {
    let (tool, Stalling { length_ms, every_ms }) = (installed.tool, claims.stalling);
    let (speech, cpu, longest_s) = (tool.speech().name(), run.places.server, run.seconds + SERVER_EXTRA_S);
    let server = format!(
        "null-server {speech} --listen 127.0.0.1:0 --cpu {cpu} --stall {length_ms}ms --every {every_ms}ms --for {longest_s}s"
    );
    let arguments = tool.arguments(SERVER, &claims.demand(run));
    let load = if tool.is_own() {
        Command::own(&arguments)
    } else {
        let other = Command::other(&installed.found.path, &arguments, tool.program());
        Command { cpus: vec![run.places.client], ..other }
    };
    vec![
        Action::Start { role: Role::Server, command: Command::own(&words(&server)), ready: Ready::Announced },
        Action::Start { role: Role::Load, command: load, ready: Ready::AtOnce },
        Action::wait(Until::Ended(Role::Load)),
        Action::End(Role::Server),
    ]
}

fn notes(claims: &Claims, places: &Places) -> Vec<String> {
    let backlog = claims.rate * claims.stalling.length_ms / 1000;
    let is_one_cpu = places.server == places.client;
    let notes = [
        format!("Server on CPU {}, each load generator on CPU {}.", places.server, places.client),
        format!(
            "The truth is a closed form over the stalls as the server logged them, for requests that arrive evenly and do \
             not wait for one another, with the median service time outside of stalls on top. It holds for Poisson \
             arrivals, too. It takes a backlog for answered at once; that {backlog} requests after a stall take their time \
             makes the real figures a little higher."
        ),
    ];
    let one_cpu = is_one_cpu.then_some("One CPU for both: times contain the other side's interference.");
    notes.into_iter().chain(NOTES.into_iter().chain(one_cpu).map(str::to_owned)).collect()
}

const NOTES: [&str; 6] = [
    "p50 lies outside of the stalls and p90 on their edge, where a little more or less than a tenth of the time decides \
     between next to nothing and several ms; a maximum is right as soon as one request met a stall. None of them tells \
     whether waits were counted, so p95, p99, p99.9 and the mean are judged. A p99 can be right by chance: at a rate this \
     low, the requests that a paced closed loop has under way in a stall are more than 1 % of all.",
    "A closed loop is no mistake: it measures another thing, the time of one request after another. The mistake would be \
     to read its percentiles as what users experience who do not wait for each other.",
    "All threads of a tool share one CPU here. One that waits actively or needs several threads to be punctual is at a \
     disadvantage.",
    "ab prints 0 for less than half a ms; the chart shows that at its bottom.",
    "Figures of the foreign tools are as they print them, in the precision they print. Percentiles of several runs are not \
     averaged: tables give medians of the runs' figures, and all runs are in record.json.",
    "The server sends one constant reply and verifies nothing; only c10m load checks what comes back.",
];
