//! A connection for each request, from a client with 500 ports, which closes first: TIME-WAIT holds each port for a minute.

use super::lines::{self, trial};
use crate::kinds::scenario::plan::Run;
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::Better;
use crate::kinds::scenario::remedies::table::Figure;
use crate::kinds::scenario::timeline::Action;
use crate::kinds::scenario::trials::table::{Trial, Workload};
use crate::session::side::Side;

const RANGE: &str = "net.ipv4.ip_local_port_range";
const REUSE: &str = "net.ipv4.tcp_tw_reuse";
const REUSE_DELAY: &str = "net.ipv4.tcp_tw_reuse_delay";
const FIN_TIMEOUT: &str = "net.ipv4.tcp_fin_timeout";
const BUCKETS: &str = "net.ipv4.tcp_max_tw_buckets";
const TIMESTAMPS: &str = "net.ipv4.tcp_timestamps";
const RESERVED: &str = "net.ipv4.ip_local_reserved_ports";

pub(super) const CHURN: Workload = Workload {
    name: "a connection for each request",
    what: "32 clients open a connection for each request and close it first, from a host with 500 ports \
           (net.ipv4.ip_local_port_range=\"20000 20499\"), so that the wall of TIME-WAIT comes within a second. The figure is replies a \
           second.",
    cable: None,
    sockets: 1 << 16,
    repeats: 4,
    timeline,
    figures: &FIGURES,
    least: |scene| 1.0 / scene.window_s(),
    counters: &[
        (Side::Client, "ActiveOpens"),
        (Side::Client, "TW"),
        (Side::Client, "TWRecycled"),
        (Side::Client, "TCPTimeWaitOverflow"),
        (Side::Server, "PassiveOpens"),
    ],
    usual: Arm::named("usual", "500 ports, TIME-WAIT is reused on loopback only (tcp_tw_reuse=2)"),
    planted: Arm {
        load: "--requests-per-connection 100",
        ..Arm::named("keep-alive", "100 requests on each connection")
    },
    trials: |_| {
        vec![
            trial!(REUSE, "1", "on the client", &[(Side::Client, REUSE, "1")]),
            trial!(REUSE, "0", "on the client", &[(Side::Client, REUSE, "0")]),
            trial!(
                REUSE_DELAY,
                "100, tw_reuse 1",
                "on the client",
                &[(Side::Client, REUSE, "1"), (Side::Client, REUSE_DELAY, "100")]
            ),
            trial!(
                TIMESTAMPS,
                "0, tw_reuse 1",
                "on the client",
                &[(Side::Client, REUSE, "1"), (Side::Client, TIMESTAMPS, "0")]
            ),
            trial!(
                FIN_TIMEOUT,
                "5",
                "on both hosts",
                &[(Side::Client, FIN_TIMEOUT, "5"), (Side::Server, FIN_TIMEOUT, "5")]
            ),
            trial!(RANGE, "1024 65535", "on the client", &[(Side::Client, RANGE, "1024 65535")]),
            trial!(BUCKETS, "100", "on the client", &[(Side::Client, BUCKETS, "100")]),
            trial!(RESERVED, "20000-20249", "on the client", &[(Side::Client, RESERVED, "20000-20249")]),
            Trial::of(
                "SO_LINGER",
                "on, 0 s",
                Arm {
                    load: "--reset",
                    ..Arm::named("reset", "the client closes by a reset, which leaves no TIME-WAIT")
                },
            ),
        ]
    },
};

const SOMAXCONN: &str = "net.core.somaxconn";

/// The settings of namespaces that the profile conn-rate has for both ends, each left out in turn.
pub(super) const PROFILE: Workload = Workload {
    name: "a whole profile, less one setting",
    what: "The same with all settings of the profile conn-rate that are a namespace's: 64,512 ports, tcp_tw_reuse=1, \
           somaxconn=65535. Each arm has all of them but one, which has the value that the workload before has.",
    usual: Arm {
        settings: &[
            (Side::Client, RANGE, "1024 65535"),
            (Side::Client, REUSE, "1"),
            (Side::Server, SOMAXCONN, "65535"),
        ],
        ..Arm::named("usual", "the whole profile")
    },
    planted: Arm::named("without any", "500 ports, and TIME-WAIT is reused on loopback only"),
    trials: |_| {
        vec![
            without(RANGE, "20000 20499", &[(Side::Client, REUSE, "1"), (Side::Server, SOMAXCONN, "65535")]),
            without(REUSE, "2", &[(Side::Client, RANGE, "1024 65535"), (Side::Server, SOMAXCONN, "65535")]),
            without(SOMAXCONN, "4096", &[(Side::Client, RANGE, "1024 65535"), (Side::Client, REUSE, "1")]),
        ]
    },
    ..CHURN
};

fn without(setting: &'static str, value: &'static str, others: &'static [(Side, &'static str, &'static str)]) -> Trial {
    let arm = Arm { settings: others, ..Arm::named(setting, "the profile without it") };
    Trial { is_left_out: true, ..Trial::of(setting, value, arm) }
}

fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    let mut actions = vec![
        Action::Set { side: Side::Client, name: RANGE, value: "20000 20499".to_owned() },
        Action::Set { side: Side::Client, name: REUSE, value: "2".to_owned() },
    ];
    let each = if arm.load.contains("--requests-per-connection") { "" } else { "--requests-per-connection 1" };
    // Longer than the second after which tcp_tw_reuse takes a port again.
    let load = format!("--connections 32 --warmup 0s --duration {}s {each}", run.seconds + 1);
    actions.extend(lines::plain(arm, run, "/", &load));
    actions
}

const FIGURES: [Figure; 2] = [
    Figure {
        name: "replies",
        unit: "per s",
        better: Better::More,
        is_generators_time: false,
        of: |scene| Some(scene.load.requests.completed as f64 / scene.window_s()),
    },
    Figure {
        name: "connects without a port",
        unit: "",
        better: Better::Less,
        is_generators_time: false,
        of: |scene| Some(scene.load.connections.errors.get("EADDRNOTAVAIL").copied().unwrap_or(0) as f64),
    },
];
