//! `bench baseline`: few loads, long runs. The figures that the project holds itself to.

use results::record::Metric;
use server::Workload;

use super::plan::{Experiment, Load, all_servers};

pub(super) fn experiment() -> Experiment {
    Experiment {
        name: "baseline",
        question: "How many CPU-microseconds of the server does a request cost, against nginx, over longer runs?",
        metric: Metric::ServerCore,
        loads: vec![
            Load::closed(Workload::Echo, 64),
            Load::closed(Workload::Http, 64),
            Load { pipeline: 16, ..Load::closed(Workload::Http, 64) },
            Load::closed(Workload::Echo, 1000),
            Load::closed(Workload::Http, 1000),
        ],
        arms: all_servers(),
        repeats: 5,
        seconds: 3.0,
        idle_connections: 15_000,
    }
}
