//! 2,000 clients at once to a server that is busy for 300 ms, 10 ms away: what the queues of its listener hold, and what
//! becomes of the rest.

use std::time::Duration;

use results::histogram::Latencies;

use super::lines::{self, trial};
use crate::kinds::scenario::plan::Run;
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::Better;
use crate::kinds::scenario::remedies::scene::Scene;
use crate::kinds::scenario::remedies::table::Figure;
use crate::kinds::scenario::timeline::{Action, Role};
use crate::kinds::scenario::trials::table::{Cable, Trial, Workload};
use crate::session::host::Order;
use crate::session::side::Side;

const SOMAXCONN: &str = "net.core.somaxconn";
const SYN_BACKLOG: &str = "net.ipv4.tcp_max_syn_backlog";
const SYNCOOKIES: &str = "net.ipv4.tcp_syncookies";
const ABORT: &str = "net.ipv4.tcp_abort_on_overflow";
const SYNACK_RETRIES: &str = "net.ipv4.tcp_synack_retries";

const CLIENTS: u32 = 2_000;
/// How long the server does nothing.
const BUSY: Duration = Duration::from_millis(300);
/// Less than the second after which a SYN is sent again.
const IN_TIME: Duration = Duration::from_millis(900);

pub(super) const LONG_QUEUE: Workload = Workload {
    name: "burst of clients",
    what: "2,000 clients connect at once, 10 ms away, while the server is stopped for 300 ms. Its queue holds 4,096. The figure is the \
           share that has its first reply within 900 ms, before a SYN is sent again.",
    cable: CABLE,
    sockets: 1 << 16,
    timeline,
    figures: &FIGURES,
    least: |_| 100.0 / f64::from(CLIENTS),
    counters: COUNTERS,
    usual: Arm::named("usual", "somaxconn and the backlog are 4,096, SYN cookies are on"),
    planted: Arm { serve: "--backlog 16", ..Arm::named("a queue of 16", "the server listens with a backlog of 16") },
    trials: |_| {
        vec![
            trial!(SOMAXCONN, "128", "on the server", &[(Side::Server, SOMAXCONN, "128")]),
            trial!(SOMAXCONN, "1024", "on the server", &[(Side::Server, SOMAXCONN, "1024")]),
            trial!(SOMAXCONN, "65535", "on the server", &[(Side::Server, SOMAXCONN, "65535")]),
            Trial::of(
                "listen() backlog",
                "128",
                Arm { serve: "--backlog 128", ..Arm::named("backlog", "the server listens with a backlog of 128") },
            ),
            trial!(SYN_BACKLOG, "16", "on the server", &[(Side::Server, SYN_BACKLOG, "16")]),
            trial!(SYN_BACKLOG, "65535", "on the server", &[(Side::Server, SYN_BACKLOG, "65535")]),
            trial!(
                SYN_BACKLOG,
                "128, cookies off",
                "on the server",
                &[(Side::Server, SYN_BACKLOG, "128"), (Side::Server, SYNCOOKIES, "0")]
            ),
            trial!(SYNCOOKIES, "0", "on the server", &[(Side::Server, SYNCOOKIES, "0")]),
            trial!(SYNCOOKIES, "2", "on the server", &[(Side::Server, SYNCOOKIES, "2")]),
        ]
    },
};

pub(super) const SHORT_QUEUE: Workload = Workload {
    name: "burst on a short queue",
    what: "The same with net.core.somaxconn=128, so that the queue overflows: what helps then, other than a longer one?",
    cable: CABLE,
    sockets: 1 << 16,
    timeline,
    figures: &FIGURES,
    least: |_| 100.0 / f64::from(CLIENTS),
    counters: COUNTERS,
    usual: Arm { settings: &[(Side::Server, SOMAXCONN, "128")], ..Arm::named("usual", "somaxconn is 128") },
    planted: Arm::named("a queue of 4,096", "somaxconn is 4,096"),
    trials: |_| {
        vec![
            trial!(
                SYN_BACKLOG,
                "65535",
                "on the server",
                &[(Side::Server, SOMAXCONN, "128"), (Side::Server, SYN_BACKLOG, "65535")]
            ),
            trial!(
                SYNCOOKIES,
                "0",
                "on the server",
                &[(Side::Server, SOMAXCONN, "128"), (Side::Server, SYNCOOKIES, "0")]
            ),
            trial!(ABORT, "1", "on the server", &[(Side::Server, SOMAXCONN, "128"), (Side::Server, ABORT, "1")]),
            trial!(
                SYNACK_RETRIES,
                "2",
                "on the server",
                &[(Side::Server, SOMAXCONN, "128"), (Side::Server, SYNACK_RETRIES, "2")]
            ),
        ]
    },
};

const CABLE: Option<Cable> = Some(Cable { delay: Duration::from_millis(10), lost_per_10000: 0 });

fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    let mut actions = lines::settings(arm);
    actions.extend(lines::server(arm, run, "--backlog 4096"));
    let load = format!("--connections {CLIENTS} --warmup 0s --duration {}s --connect-timeout 10s", run.seconds);
    actions.extend([
        Action::Tell(Role::Server, Order::Stop),
        lines::load(arm, run, "/", &load),
        Action::rest(BUSY),
        Action::Tell(Role::Server, Order::Continue),
    ]);
    actions.extend(lines::end());
    actions
}

const FIGURES: [Figure; 3] = [
    Figure {
        name: "served in time",
        unit: "%",
        better: Better::More,
        is_generators_time: false,
        of: |scene| share_within(scene, loadgen::Distribution::TimeToFirstResponse),
    },
    Figure {
        name: "connected in time",
        unit: "%",
        better: Better::More,
        is_generators_time: false,
        of: |scene| share_within(scene, loadgen::Distribution::Connect),
    },
    Figure {
        name: "failed connects",
        unit: "",
        better: Better::Less,
        is_generators_time: false,
        of: |scene| Some(scene.load.connections.errors.values().sum::<u64>() as f64),
    },
];

fn share_within(scene: &Scene<'_>, distribution: loadgen::Distribution) -> Option<f64> {
    let times = Latencies::decode(scene.load.histograms.get(&distribution)?).ok()?;
    Some(100.0 * times.count_within(IN_TIME) as f64 / f64::from(CLIENTS))
}

const COUNTERS: &[(Side, &str)] = &[
    (Side::Server, "ListenOverflows"),
    (Side::Server, "ListenDrops"),
    (Side::Server, "TCPReqQFullDoCookies"),
    (Side::Server, "SyncookiesSent"),
    (Side::Server, "TCPReqQFullDrop"),
    (Side::Server, "OutRsts"),
    (Side::Client, "TCPSynRetrans"),
];
