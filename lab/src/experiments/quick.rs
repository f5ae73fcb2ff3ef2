//! `bench quick`: the first look, and the main job. The main variants and nginx under few loads and in many blocks, so
//! that five minutes decide.

use protocol::Workload;
use results::record::Metric;
use server::Variant;

use crate::experiments::decision::{QUICK, WINDOW_S, against};
use crate::kinds::comparison::plan::{Arm, Comparison, Scope};
use crate::session::request::Profile;
use crate::subjects::load::Load;
use crate::subjects::servers::kind::Kind;

/// Requests per second of the open loop: every arm does the same work, and has time left to sleep.
const RATE: f64 = 20_000.0;

pub(super) fn experiment() -> Comparison {
    let servers = [
        Kind::C10m(Variant::EpollLevel),
        Kind::C10m(Variant::MioEdge),
        Kind::C10m(Variant::UringMultishot),
        Kind::Nginx,
    ];
    Comparison {
        name: "quick",
        question: "What does a request cost on this host in each way of doing I/O?",
        explanation: "The first thing to run on a new host: five minutes that decide. Three ways of doing I/O with the same \
                      protocol code, and nginx, which everybody knows: once with 64 connections that are always busy, and \
                      once with 20,000 requests a second on 1,000 connections, the same for every arm. For more arms \
                      and more loads there are `backends`, `uring` and `peers`.",
        metric: Metric::ServerRun,
        decision: against("epoll level", 0.02),
        is_hidden: false,
        scopes: vec![Scope {
            profile: Profile::Quick,
            arms: servers.map(Arm::server).into(),
            loads: vec![Load::closed(Workload::Http, 64), Load::open(Workload::Http, 1000, RATE)],
            length: QUICK,
            seconds: WINDOW_S,
            notes: vec![],
        }],
    }
}
