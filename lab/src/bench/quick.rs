//! `bench quick`: the first look. Every variant, echo and HTTP, few and many connections, closed and
//! open loop, in less than four minutes.

use results::record::Metric;
use server::Workload;

use super::plan::{Experiment, Load, all_servers};

/// Requests per second of the open loop: far below what any arm can do, so that all of them do the
/// same work and CPU per request can be compared.
const RATE: f64 = 20_000.0;

pub(super) fn experiment() -> Experiment {
    let mut loads = Vec::new();
    for workload in [Workload::Echo, Workload::Http] {
        for connections in [64, 1000] {
            loads.push(Load::closed(workload, connections));
            loads.push(Load::open(workload, connections, RATE));
        }
    }
    loads.push(Load { pipeline: 16, ..Load::closed(Workload::Http, 64) });
    Experiment {
        name: "quick",
        question: "What does a request cost on this host in each way of doing I/O, and how long does it take?",
        metric: Metric::ServerCore,
        loads,
        arms: all_servers(),
        repeats: 3,
        seconds: 0.9,
        idle_connections: 15_000,
    }
}
