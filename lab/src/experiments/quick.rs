//! `bench quick`: a first look in less than five minutes. Covers the main variants, echo and HTTP, few and many
//! connections, closed and open loop.

use protocol::Workload;
use results::record::Metric;

use crate::experiments::decision::decision;
use crate::kinds::comparison::plan::{Comparison, Scope, all_servers};
use crate::session::request::Profile;
use crate::subjects::load::Load;

/// Requests per second of the open loop. It is far below what any arm can do, so that all arms do the same work and
/// their CPU per request can be compared.
const RATE: f64 = 20_000.0;

pub(super) fn experiment() -> Comparison {
    let mut loads = Vec::new();
    for workload in [Workload::Echo, Workload::Http] {
        for connections in [64, 1000] {
            loads.push(Load::closed(workload, connections));
            loads.push(Load::open(workload, connections, RATE));
        }
    }
    loads.push(Load::pipelined(Workload::Http, 64, 16));
    Comparison {
        name: "quick",
        question: "What does a request cost on this host in each way of doing I/O, and how long does it take?",
        explanation: "The first thing to run on a new host: shows within minutes whether everything works, what a \
                      request costs here, and how much the figures of this host scatter. Its windows are short: \
                      differences of a few percent are for `baseline` and `backends`.",
        metric: Metric::ServerRun,
        decision: decision(
            Some("epoll level"),
            0.05,
            "An arm is cheaper or dearer than epoll level under a load when the interval of the paired ratios of core \
             CPU per request excludes 1 and the difference is at least 5 %.",
        ),
        is_hidden: false,
        scopes: vec![Scope {
            profile: Profile::Quick,
            arms: all_servers(),
            loads,
            repeats: 3,
            seconds: 0.7,
            idle_connections: 15_000,
            notes: vec![],
        }],
    }
}
