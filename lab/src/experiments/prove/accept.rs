//! 2,000 clients at once to a server that is busy for 300 ms, 10 ms away: what the queues of its listener hold, and what
//! becomes of the rest.

use std::time::Duration;

use super::lines::{self, trial};
use crate::kinds::scenario::plan::Run;
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::Better;
use crate::kinds::scenario::remedies::table::Figure;
use crate::kinds::scenario::timeline::{Action, Ready, Role, Until, words};
use crate::kinds::scenario::trials::table::{Cable, Trial, Workload};
use crate::session::host::{Command, Order};
use crate::session::namespace::SERVER;
use crate::session::side::Side;

const SOMAXCONN: &str = "net.core.somaxconn";
const SYN_BACKLOG: &str = "net.ipv4.tcp_max_syn_backlog";
const SYNCOOKIES: &str = "net.ipv4.tcp_syncookies";
const ABORT: &str = "net.ipv4.tcp_abort_on_overflow";
const SYNACK_RETRIES: &str = "net.ipv4.tcp_synack_retries";

const CLIENTS: u32 = 2_000;
/// When the server's connections are counted.
const LOOK: &str = "look";
/// After the server goes on.
const LOOK_AFTER: Duration = Duration::from_millis(400);
/// The server's sockets besides.
const LISTENERS: u64 = 1;
/// How long the server does nothing.
const BUSY: Duration = Duration::from_millis(300);
/// Less than the second after which a SYN is sent again.
const IN_TIME: Duration = Duration::from_millis(900);

pub(super) const LONG_QUEUE: Workload = Workload {
    name: "burst of clients",
    what: "2,000 clients connect at once, 10 ms away, while the server is stopped for 300 ms. Its queue holds 4,096. The figure is the \
           share that the server has after 700 ms; what it drops comes again after a second.",
    cable: CABLE,
    sockets: 1 << 16,
    repeats: 4,
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
    repeats: 4,
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
    // An option is given once.
    let backlog = if arm.serve.contains("--backlog") { "" } else { "--backlog 4096" };
    actions.extend(lines::server(arm, run, backlog));
    let burst = format!(
        "slow idle http://{SERVER}:7000/ --allow-private --connections {CLIENTS} --connect-rate 1000000 --duration {}ms --cpu {} --json",
        IN_TIME.as_millis(),
        run.places.client
    );
    actions.extend([
        Action::Tell(Role::Server, Order::Stop),
        Action::Start { role: Role::Slow, command: Command::own(&words(&burst)), ready: Ready::AtOnce },
        Action::rest(BUSY),
        Action::Tell(Role::Server, Order::Continue),
        Action::rest(LOOK_AFTER),
        Action::Mark(LOOK),
        Action::wait(Until::Ended(Role::Slow)),
        // One that comes later, and has all it needs: the account of every run has a load.
        lines::load(arm, run, "/", "--connections 1 --rate 100 --warmup 0s --duration 100ms"),
    ]);
    actions.extend(lines::end());
    actions
}

const FIGURES: [Figure; 4] = [
    // What the client calls connected need not be: the server answers with a cookie, and drops the end of the handshake. What it
    // accepts when the clients leave comes too late, as their FIN is the end of a handshake, too.
    Figure {
        name: "taken in time",
        unit: "%",
        better: Better::More,
        is_generators_time: false,
        of: |scene| {
            let left_ns = scene.mark(LOOK)?;
            let before = scene.seen.observations.iter().filter(|observation| observation.at_ns <= left_ns);
            let sockets = before.filter_map(|observation| observation.server.sockstat.tcp_inuse).max()?;
            Some(100.0 * sockets.saturating_sub(LISTENERS) as f64 / f64::from(CLIENTS))
        },
    },
    Figure {
        name: "connected by their own account",
        unit: "%",
        better: Better::More,
        is_generators_time: false,
        of: |scene| Some(100.0 * scene.slow.as_ref()?.open_at_end as f64 / f64::from(CLIENTS)),
    },
    Figure {
        name: "still connecting",
        unit: "",
        better: Better::Less,
        is_generators_time: false,
        of: |scene| Some(scene.slow.as_ref()?.connecting_at_end as f64),
    },
    Figure {
        name: "reset",
        unit: "",
        better: Better::Less,
        is_generators_time: false,
        of: |scene| Some(scene.slow.as_ref()?.reset as f64),
    },
];

const COUNTERS: &[(Side, &str)] = &[
    (Side::Server, "ListenOverflows"),
    (Side::Server, "ListenDrops"),
    (Side::Server, "TCPReqQFullDoCookies"),
    (Side::Server, "SyncookiesSent"),
    (Side::Server, "TCPReqQFullDrop"),
    (Side::Server, "OutRsts"),
    (Side::Client, "TCPSynRetrans"),
];
