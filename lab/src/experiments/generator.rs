//! `bench generator`: what a request costs the load generator, and whether it reports what wrk reports,
//! on the same servers.

use protocol::Workload;
use results::record::Metric;
use server::Variant;

use crate::experiments::decision::{against, minutes};
use crate::kinds::comparison::plan::{Arm, Comparison, Scope};
use crate::session::request::Profile;
use crate::subjects::load::{Generator, Load};
use crate::subjects::servers::kind::Kind;

pub(super) fn experiment() -> Comparison {
    let servers = [Kind::C10m(Variant::EpollLevel), Kind::Nginx];
    let arms = servers.into_iter().flat_map(|server| {
        [Generator::C10m, Generator::C10mUring, Generator::Wrk].map(|generator| Arm::generator(server, generator))
    });
    Comparison {
        name: "generator",
        question: "How much CPU does the load generator need for a request, and does it report the same as wrk on the same job?",
        explanation: "A load generator that needs more CPU than the server measures itself. Here the sides are \
                      exchanged: the same servers, three generators. Throughput may differ, because the cheaper \
                      generator gets more out of the same server; whether reports agree where the server is the \
                      limit is the question of `agreement`.",
        metric: Metric::ClientCpu,
        decision: against("wrk", 0.05),
        is_hidden: false,
        scopes: vec![Scope {
            profile: Profile::Full,
            arms: arms.collect(),
            loads: vec![Load::closed(Workload::Http, 64), Load::closed(Workload::Http, 1000)],
            length: minutes(15),
            // wrk only knows whole seconds.
            seconds: 1.0,
            notes: vec![],
        }],
    }
}
