//! `bench generator`: what a request costs the load generator, and whether it reports what wrk reports,
//! on the same servers.

use results::record::Metric;
use server::{Variant, Workload};

use super::plan::{Arm, Experiment, Generator, Load};
use super::servers::Kind;

pub(super) fn experiment() -> Experiment {
    let servers = [Kind::C10m(Variant::EpollLevel), Kind::Nginx];
    let arms = servers.into_iter().flat_map(|server| {
        [Generator::C10m, Generator::C10mUring, Generator::Wrk].map(|generator| Arm {
            server,
            generator,
            compares_generators: true,
        })
    });
    Experiment {
        name: "generator",
        question: "How much CPU does the load generator need for a request, and does it report the same as wrk on the same job?",
        metric: Metric::ClientCpu,
        loads: vec![Load::closed(Workload::Http, 64), Load::closed(Workload::Http, 1000)],
        arms: arms.collect(),
        repeats: 7,
        seconds: 3.0,
        idle_connections: 0,
    }
}
