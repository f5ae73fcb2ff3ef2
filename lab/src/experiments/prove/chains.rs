//! Many connections in a table with few buckets: each packet walks along a chain to find its own.

use std::time::Duration;

use super::lines;
use crate::kinds::scenario::plan::Run;
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::Better;
use crate::kinds::scenario::remedies::table::Figure;
use crate::kinds::scenario::timeline::{Action, Or, Ready, Role, Until, words};
use crate::kinds::scenario::trials::table::{Trial, Workload};
use crate::session::host::Command;
use crate::session::namespace::SERVER;
use crate::session::side::Side;

const CHILD_EHASH: &str = "net.ipv4.tcp_child_ehash_entries";
/// Enough for the connections: each has a table of descriptors of its own.
const REACTORS: u32 = 2;
/// Connections that do nothing but lie in the table.
const IDLE: u64 = 24_000;
const OPEN_MAX: Duration = Duration::from_secs(20);

pub(super) const CHAINS: Workload = Workload {
    name: "requests among 24,000 idle connections",
    what: "64 clients send as fast as they are answered to a server that holds 24,000 idle connections besides. The figure is the CPU time of \
           both processes for each reply: who sends a packet does the receiver's lookup, too.",
    cable: None,
    sockets: 1 << 18,
    repeats: 6,
    timeline,
    figures: &[Figure {
        name: "CPU per reply, both ends",
        unit: "µs",
        better: Better::Less,
        is_generators_time: false,
        of: |scene| {
            let server_ns = scene.server_run_ns("end")?.checked_sub(scene.server_run_ns("begin")?)?;
            let client_us = scene.load.cpu.user_us + scene.load.cpu.system_us;
            Some((server_ns as f64 / 1e3 + client_us as f64) / lines::completed(scene)?)
        },
    }],
    least: |_| 0.01,
    counters: &[(Side::Server, "InSegs"), (Side::Server, "OutSegs")],
    usual: Arm::named("usual", "262,144 buckets"),
    planted: Arm {
        serve: "--handicap 5000", ..Arm::named("5 µs more", "the server spends 5 µs more on each request")
    },
    trials: |_| vec![buckets("64", 64), buckets("4096", 1 << 12)],
};

fn buckets(value: &'static str, sockets: u64) -> Trial {
    Trial { sockets: Some(sockets), ..Trial::of(CHILD_EHASH, value, Arm::named(value, "buckets on both hosts")) }
}

fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    let mut actions = lines::settings(arm);
    actions.extend(lines::server_of(arm, run, REACTORS, ""));
    let seconds = run.seconds;
    let idle = format!(
        "load http://{SERVER}:7000/ --allow-private --connections {IDLE} --rate 0 --warmup 0s --duration {}s --reset --threads {REACTORS} \
         --source {} --cpus {} --json",
        seconds + 2,
        lines::sources(arm),
        run.places.client
    );
    let load = format!("--connections 64 --warmup 0s --duration {seconds}s");
    actions.extend([
        Action::Start { role: Role::Probe, command: Command::own(&words(&idle)), ready: Ready::AtOnce },
        Action::Await {
            until: Until::Established(IDLE),
            within: OPEN_MAX,
            or: Or::Fail("the idle connections are not all open"),
        },
        Action::Mark("begin"),
        lines::load(arm, run, "/", &load),
        Action::wait(Until::Ended(Role::Load)),
        Action::Mark("end"),
        Action::End(Role::Probe),
        Action::End(Role::Server),
    ]);
    actions
}
