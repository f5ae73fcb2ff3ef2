//! `bench smoke`: the smallest experiment, for tests of the program. `bench list` does not show it.

use protocol::Workload;
use results::record::Metric;
use server::Variant;

use crate::experiments::decision::against;
use crate::kinds::comparison::plan::{Arm, Comparison, Length, Scope};
use crate::session::request::Profile;
use crate::subjects::load::Load;
use crate::subjects::servers::kind::Kind;

pub(super) fn experiment() -> Comparison {
    let scope = |profile, blocks| Scope {
        profile,
        arms: [Variant::EpollLevel, Variant::MioEdge].map(|variant| Arm::server(Kind::C10m(variant))).into(),
        loads: vec![Load::closed(Workload::Echo, 4), Load::open(Workload::Http, 4, 1000.0)],
        length: Length::Blocks(blocks),
        seconds: 0.2,
        notes: vec![],
    };
    Comparison {
        name: "smoke",
        question: "Does an experiment run from its beginning to its end?",
        explanation: "Only for tests: its figures mean nothing, its files must be complete. Two arms, two loads, a few \
                      connections, windows that are too short for anything.",
        metric: Metric::ServerRun,
        decision: against("epoll level", 0.05),
        is_hidden: true,
        scopes: vec![scope(Profile::Quick, 1), scope(Profile::Full, 4)],
    }
}
