//! `bench baseline`: few loads, long runs. The figures to compare changes of this project against.

use protocol::Workload;
use results::record::Metric;

use crate::experiments::decision::decision;
use crate::kinds::comparison::plan::{Comparison, Scope, all_servers};
use crate::session::request::Profile;
use crate::subjects::load::Load;

pub(super) fn experiment() -> Comparison {
    Comparison {
        name: "baseline",
        question: "How many CPU-microseconds of the server does a request cost, against nginx, over longer runs?",
        explanation: "Few loads, long windows: what changes of the code are held against, and a comparison with a \
                      server that everybody knows. All loads are closed loops that keep the server's CPU busy, so \
                      its busy time is exact; their response times are those of a saturated server.",
        metric: Metric::ServerRun,
        decision: decision(
            Some("epoll level"),
            0.02,
            "An arm is cheaper or dearer than epoll level under a load when the interval of the paired ratios of core \
             CPU per request excludes 1 and the difference is at least 2 %.",
        ),
        is_hidden: false,
        scopes: vec![Scope {
            profile: Profile::Full,
            arms: all_servers(),
            loads: vec![
                Load::closed(Workload::Echo, 64),
                Load::closed(Workload::Http, 64),
                Load::pipelined(Workload::Http, 64, 16),
                Load::closed(Workload::Echo, 1000),
                Load::closed(Workload::Http, 1000),
            ],
            repeats: 5,
            seconds: 3.0,
            idle_connections: 15_000,
            notes: vec![],
        }],
    }
}
