//! `bench agreement`: whether this project's load generator reports what wrk reports.
//!
//! nginx is given extra work for each request, so that the server is the limit and not the generator. If a generator
//! were the limit, the cheaper one would get more replies out of the same server, and would be right to report them
//! (`bench generator`).

use protocol::Workload;
use results::record::Metric;

use crate::experiments::decision::{agreement_with, minutes};
use crate::kinds::comparison::plan::{Arm, Comparison, Scope};
use crate::session::request::Profile;
use crate::subjects::load::{Generator, Load};
use crate::subjects::servers::kind::Kind;

pub(super) fn experiment() -> Comparison {
    let generators = [Generator::C10m, Generator::C10mUring, Generator::Wrk];
    let arms = generators.map(|generator| Arm::generator(Kind::NginxBusy, generator));
    Comparison {
        name: "agreement",
        question: "Does the load generator report the throughput and the latency that wrk reports, where the server \
                   is the limit?",
        explanation: "A check of the instrument against another one. nginx is given so much work for each request that \
                      every generator waits for it; then all of them should report the same. What the server itself \
                      counted stands beside their counts.",
        metric: Metric::ClientCpu,
        decision: agreement_with("wrk", 0.05),
        is_hidden: false,
        scopes: vec![Scope {
            profile: Profile::Full,
            arms: arms.into(),
            loads: vec![Load::closed(Workload::Http, 64)],
            length: minutes(10),
            // wrk only knows whole seconds.
            seconds: 1.0,
            notes: vec![],
        }],
    }
}
