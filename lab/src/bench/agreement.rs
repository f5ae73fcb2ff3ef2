//! `bench agreement`: whether this project's load generator reports what wrk reports.
//!
//! nginx is given work of its own for each request, so that the server is the limit and not the generator:
//! where a generator is, the cheaper one gets more replies out of the same server, and rightly reports so
//! (`bench generator`).

use results::record::Metric;
use server::Workload;

use super::plan::{Arm, Experiment, Generator, Load};
use super::servers::Kind;

pub(super) fn experiment() -> Experiment {
    let generators = [Generator::C10m, Generator::C10mUring, Generator::Wrk];
    let arms = generators.map(|generator| Arm { server: Kind::NginxBusy, generator, compares_generators: true });
    Experiment {
        name: "agreement",
        question: "Does the load generator report the throughput and the latency that wrk reports, where the server \
                   is the limit?",
        metric: Metric::ClientCpu,
        loads: vec![Load::closed(Workload::Http, 64)],
        arms: arms.into(),
        repeats: 9,
        seconds: 5.0,
        idle_connections: 0,
    }
}
