//! `bench ladder`: the same request rate over more and more connections. Shows what idle connections cost.

use protocol::Workload;
use results::record::Metric;
use server::Variant;

use crate::experiments::decision::{QUICK, against, minutes};
use crate::kinds::comparison::plan::{Arm, Comparison, Scope};
use crate::session::request::Profile;
use crate::subjects::load::Load;
use crate::subjects::servers::kind::Kind;

/// Requests per second over all connections, the same on every rung. Fewer than 100 connections do not carry it: nearly every
/// request wakes the server up, which takes some 300 µs on a virtual machine.
const RATE: f64 = 5_000.0;

const NOTE_RATE: &str = "5,000 requests a second in total on every rung: the connections take turns, so with 10,000 of \
                         them each is idle for two seconds of load between two requests.";
const NOTE_MEMORY: &str = "Bytes per connection are growth over opening them and a request on each, from 1,000 connections \
                           on; with fewer, pages and rings of buffers are all there is to see.";
const NOTE_TOP: &str = "The rung of 100,000 connections has several reactors on the server's one CPU, each with an fd \
                        table of its own, because RLIMIT_NOFILE or nginx's own limit bounds one; the rungs below have \
                        one. nginx's user and system time are absent there: it has several processes. Its servers are measured one \
                        after another, under a client that sleeps: compare its arms with each other, and not with those below.";

pub(super) fn experiment() -> Comparison {
    Comparison {
        name: "ladder",
        question: "What do idle neighbours cost: how do CPU, tail and memory grow with the connections that share one \
                   rate?",
        explanation: "C10K as a curve. The work is the same on every rung, so whatever grows is the price of holding \
                      connections: larger tables, colder caches, more memory. The arms of a rung are measured beside \
                      each other, the rungs are not: between them the host has changed, too. Real idle connections also \
                      cost timers and keep-alives, which this does not show.",
        metric: Metric::ServerRun,
        decision: against("epoll level", 0.02),
        is_hidden: false,
        scopes: vec![
            scope(Profile::Quick, &[100, 1000, 10_000], vec![NOTE_RATE, NOTE_MEMORY]),
            scope(Profile::Full, &[100, 1000, 10_000, 100_000], vec![NOTE_RATE, NOTE_MEMORY, NOTE_TOP]),
        ],
    }
}

fn scope(profile: Profile, rungs: &[u32], notes: Vec<&'static str>) -> Scope {
    let (length, seconds) = match profile {
        Profile::Quick => (QUICK, 0.5),
        _ => (minutes(60), 1.0),
    };
    let servers = [
        Kind::C10m(Variant::EpollLevel),
        Kind::C10m(Variant::UringMultishot),
        Kind::C10m(Variant::MioEdge),
        Kind::Nginx,
    ];
    Scope {
        profile,
        arms: servers.map(Arm::server).into(),
        // HTTP, because nginx serves nothing else.
        loads: rungs.iter().map(|connections| Load::open(Workload::Http, *connections, RATE)).collect(),
        length,
        seconds,
        notes,
    }
}
