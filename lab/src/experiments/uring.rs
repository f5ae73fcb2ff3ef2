//! `bench uring`: compares every way of using a ring with `io_uring multishot`, one trick at a time. A trick that brings
//! nothing over it leaves the server; `epoll level` stands beside them, since a ring must also be worth having.

use protocol::Workload;
use results::record::Metric;
use server::Variant;

use crate::experiments::decision::{QUICK, WINDOW_S, against, minutes};
use crate::kinds::comparison::plan::{Arm, Comparison, Scope};
use crate::session::request::Profile;
use crate::subjects::load::Load;
use crate::subjects::servers::kind::Kind;

/// Requests per second of the open loops.
const RATES: [f64; 2] = [20_000.0, 50_000.0];

const NOTE_TRICKS: &str = "multishot is the base. poll receives in another way; inline sends with MSG_DONTWAIT and no \
                           completion for success; gather is inline and waits up to 50 µs for 64 completions \
                           (min-wait), which its response times contain; it stops waiting where such waits bring fewer \
                           than two. Bundles (several buffers for one receive) are no arm: no request of these loads is \
                           longer than a buffer, so there is nothing to bundle.";

pub(super) fn experiment() -> Comparison {
    Comparison {
        name: "uring",
        question: "Which tricks with io_uring save CPU over the plain multishot way, and is it cheaper than epoll?",
        explanation: "One trick at a time, so that each has a row of its own: kept or not, the measured ratio says. The \
                      same protocol code, connections and buffers behind all of them. Loopback has the sender run the \
                      receiver's TCP stack, so what is left to save is the system calls, the readiness lists and the \
                      waking up.",
        metric: Metric::ServerRun,
        decision: against("io_uring multishot", 0.02),
        is_hidden: false,
        scopes: vec![quick(), full()],
    }
}

fn arms() -> Vec<Arm> {
    let is_asked = |variant: &Variant| variant.is_uring() || *variant == Variant::EpollLevel;
    Variant::ALL.into_iter().filter(is_asked).map(Kind::C10m).map(Arm::server).collect()
}

fn quick() -> Scope {
    Scope {
        profile: Profile::Quick,
        arms: arms(),
        loads: busy_and_open(Workload::Echo),
        length: QUICK,
        seconds: WINDOW_S,
        notes: vec![NOTE_TRICKS],
    }
}

/// One load that keeps the server busy, and two between whose requests it has time to sleep.
fn busy_and_open(workload: Workload) -> Vec<Load> {
    let open = RATES.map(|rate| Load::open(workload, 1000, rate));
    [Load::closed(workload, 1000)].into_iter().chain(open).collect()
}

fn full() -> Scope {
    let mut loads = Vec::new();
    for workload in [Workload::Echo, Workload::Http] {
        loads.extend([64, 10_000].map(|connections| Load::closed(workload, connections)));
        loads.extend(busy_and_open(workload));
    }
    loads.push(Load::pipelined(Workload::Http, 64, 16));
    Scope {
        profile: Profile::Full,
        arms: arms(),
        loads,
        length: minutes(45),
        seconds: WINDOW_S,
        notes: vec![NOTE_TRICKS],
    }
}
