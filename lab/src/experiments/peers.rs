//! `bench peers`: what a request costs other servers. Compares servers of the distribution and servers on other Rust
//! libraries, each in its documented fast configuration, with four of this project's variants.

use protocol::Workload;
use results::record::Metric;
use server::Variant;

use crate::experiments::decision::{QUICK, WINDOW_S, against, minutes};
use crate::kinds::comparison::plan::{Arm, Comparison, Scope};
use crate::session::request::Profile;
use crate::subjects::load::Load;
use crate::subjects::servers::kind::Kind;

/// Requests per second of the open loops: one at which every server sleeps between requests, and one near what the
/// slowest can do on one CPU.
const RATES: [f64; 2] = [20_000.0, 50_000.0];
/// Numbers of connections. In a closed loop every connection has a request under way all the time.
const CONNECTIONS: [u32; 3] = [64, 1000, 10_000];
/// Requests in one send of the pipelined loads.
const PIPELINE: u32 = 16;

const NOTE_LOADS: &str = "Closed loops send on a connection as soon as its reply is there; open loops give every arm the same 20,000 or \
                          50,000 requests a second, at which a server also pays for going to sleep and waking up.";
const NOTE_QUICK: &str = "The profile quick has 64 busy connections only; full has 1,000 and 10,000, pipelining and open loops, \
                          too.";

pub(super) fn experiment() -> Comparison {
    Comparison {
        name: "peers",
        question: "What does a request cost the best-known servers and libraries, doing the same work on one CPU?",
        explanation: "The same client, schedule and checks against nginx, h2o, haproxy and lighttpd of the distribution \
                      and against small servers on nine Rust libraries (scripts/peers.sh installs and builds them), \
                      each in its documented fast configuration, which the report prints. They do more than this \
                      project's server, which exists to be measured: the notes say what.",
        metric: Metric::ServerRun,
        decision: against("epoll level", 0.02),
        is_hidden: false,
        scopes: vec![quick(), full()],
    }
}

fn arms() -> Vec<Arm> {
    let own = [Variant::EpollLevel, Variant::UringMultishot, Variant::UringInline, Variant::UringGather];
    let own = own.map(Kind::C10m);
    own.into_iter().chain(Kind::peers()).map(Arm::server).collect()
}

fn quick() -> Scope {
    Scope {
        profile: Profile::Quick,
        arms: arms(),
        loads: vec![Load::closed(Workload::Http, 64), Load::closed(Workload::Echo, 64)],
        length: QUICK,
        seconds: WINDOW_S,
        notes: vec![NOTE_LOADS, NOTE_QUICK],
    }
}

fn full() -> Scope {
    let mut loads = Vec::new();
    for workload in [Workload::Http, Workload::Echo] {
        loads.extend(CONNECTIONS.map(|connections| Load::closed(workload, connections)));
        loads.extend(RATES.map(|rate| Load::open(workload, 1000, rate)));
    }
    loads.push(Load::pipelined(Workload::Http, 64, PIPELINE));
    Scope {
        profile: Profile::Full,
        arms: arms(),
        loads,
        length: minutes(60),
        seconds: WINDOW_S,
        notes: vec![NOTE_LOADS],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_comes_first_and_every_load_has_its_peers() {
        for scope in [quick(), full()] {
            for load in &scope.loads {
                let arms = scope.arms_for(load);
                assert_eq!(arms[0].server, Kind::C10m(Variant::EpollLevel));
                assert!(arms.len() >= 8, "{}: {} arms", load.slug(), arms.len());
                assert!(arms.iter().all(|arm| arm.server.serves(load.workload)));
            }
        }
    }
}
