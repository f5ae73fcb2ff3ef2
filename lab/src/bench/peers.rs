//! `bench peers`: what a request costs other servers. Those of the distribution and those on other Rust
//! libraries, each in its documented fast configuration, beside this project's two main variants.
//!
//! Decision: the reference is `epoll level`, the first arm of every load. An arm is better or worse when the
//! confidence interval of its server CPU per request, over the reference's, lies outside ±2 %
//! (`Decision::effect_min`). Loads that are open loops give every arm the same work, so that the CPU of all of
//! it can be compared; the pipelined load is closed, because an open loop has one request in flight on a
//! connection.

use results::record::Metric;
use server::{Variant, Workload};

use super::plan::{Arm, Experiment, Load};
use super::servers::Kind;

/// Requests per second: what the slowest arm can do on one CPU, with room.
const RATE: f64 = 20_000.0;
/// Connections, of which each sends at that rate: 312, 20 and 2 requests a second.
const CONNECTIONS: [u32; 3] = [64, 1000, 10_000];

pub(super) fn experiment() -> Experiment {
    let mut loads = Vec::new();
    for workload in [Workload::Http, Workload::Echo] {
        loads.extend(CONNECTIONS.map(|connections| Load::open(workload, connections, RATE)));
    }
    loads.push(Load { pipeline: 16, ..Load::closed(Workload::Http, 64) });
    let own = [Variant::EpollLevel, Variant::UringMultishot].map(Kind::C10m);
    Experiment {
        name: "peers",
        question: "What does a request cost the best-known servers and libraries, doing the same work on one CPU?",
        metric: Metric::ServerCore,
        loads,
        arms: own.into_iter().chain(Kind::peers()).map(Arm::server).collect(),
        repeats: 5,
        // With 10,000 connections a second is two requests of each, and the first of them costs the most.
        seconds: 4.0,
        idle_connections: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_comes_first_and_every_load_has_its_peers() {
        let experiment = experiment();
        for load in &experiment.loads {
            let arms = experiment.arms_for(load);
            assert_eq!(arms[0].server, Kind::C10m(Variant::EpollLevel));
            assert!(arms.len() >= 7, "{}: {} arms", load.slug(), arms.len());
            assert!(arms.iter().all(|arm| arm.server.serves(load.workload)));
        }
        let has = |workload, connections| {
            experiment.loads.iter().any(|load| (load.workload, load.connections) == (workload, connections))
        };
        assert!(CONNECTIONS.iter().all(|count| has(Workload::Http, *count) && has(Workload::Echo, *count)));
    }
}
