//! Small requests at a fixed rate: what each costs the server. Here stand the settings that guides praise for speed.

use super::lines::{self, of_host, trial};
use crate::kinds::scenario::plan::Run;
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::Better;
use crate::kinds::scenario::remedies::table::Figure;
use crate::kinds::scenario::timeline::{Action, Role, Until};
use crate::kinds::scenario::trials::table::{Trial, Workload};
use crate::session::request::Profile;
use crate::session::side::Side;

pub(super) const REQUESTS: Workload = Workload {
    name: "small requests",
    what: "64 clients send 20,000 small requests a second. The figure is the CPU time of the server for each reply.",
    cable: None,
    sockets: 1 << 16,
    repeats: 14,
    timeline,
    figures: &[
        Figure {
            name: "server's CPU per reply",
            unit: "µs",
            better: Better::Less,
            is_generators_time: false,
            of: |scene| {
                let spent_ns = scene.server_run_ns(END)?.checked_sub(scene.server_run_ns(BEGIN)?)?;
                Some(spent_ns as f64 / 1e3 / lines::completed(scene)?)
            },
        },
        Figure {
            name: "p99",
            unit: "ms",
            better: Better::Less,
            is_generators_time: true,
            of: |scene| Some(scene.load.response_us.p99? / 1000.0),
        },
    ],
    least: |_| 0.01,
    counters: &[
        (Side::Server, "InSegs"),
        (Side::Server, "OutSegs"),
        (Side::Server, "DelayedACKs"),
        (Side::Server, "TCPAutoCorking"),
        (Side::Server, "TCPPureAcks"),
        (Side::Server, "BusyPollRxPackets"),
    ],
    usual: Arm::named("usual", "the kernel's own settings, reno"),
    planted: Arm {
        serve: "--handicap 3000", ..Arm::named("3 µs more", "the server spends 3 µs more on each request")
    },
    trials: |profile| {
        let mut trials = vec![
            trial!("net.ipv4.tcp_autocorking", "0", both),
            trial!("net.ipv4.tcp_timestamps", "0", both),
            trial!("net.ipv4.tcp_congestion_control", "bbr", both),
            flag("TCP_NODELAY", "off", "--nagle", "the server leaves TCP_NODELAY off"),
            flag(
                "TCP_DEFER_ACCEPT",
                "1 s",
                "--defer-accept 1s",
                "connections wait for their first bytes in the kernel",
            ),
            flag("SO_BUSY_POLL", "50 µs", "--busy-poll 50us", "the server's sockets poll before they wait"),
            flag("EPIOCSPARAMS", "50 µs", "--epoll-busy-poll 50us", "the server's epoll polls before it waits"),
            of_host("net.core.busy_poll", "50", "50"),
            of_host("net.core.netdev_budget", "600", "600"),
            of_host("net.core.netdev_max_backlog", "100000", "100000"),
        ];
        if profile == Profile::Full {
            trials.extend([
                trial!("net.ipv4.tcp_sack", "0", both),
                trial!("net.ipv4.tcp_congestion_control", "cubic", both),
                trial!("net.ipv4.tcp_pingpong_thresh", "3", both),
                trial!("net.ipv4.tcp_backlog_ack_defer", "0", both),
                trial!("net.ipv4.tcp_ecn", "1", both),
                of_host("net.core.busy_read", "50", "50"),
                of_host("net.core.dev_weight", "256", "256"),
                of_host("net.core.skb_defer_max", "0", "0"),
                of_host("net.core.rps_sock_flow_entries", "32768", "32768"),
            ]);
        }
        trials
    },
};

const BEGIN: &str = "begin";
const END: &str = "end";

/// The server's CPU time is taken from the load's start to its end: that of its own start would be in it otherwise.
fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    let mut actions = lines::settings(arm);
    actions.extend(lines::server(arm, run, ""));
    let load = format!("--connections 64 --rate 20000 --warmup 0s --duration {}ms", run.seconds * 600);
    actions.extend([
        Action::Mark(BEGIN),
        lines::load(arm, run, "/", &load),
        Action::wait(Until::Ended(Role::Load)),
        Action::Mark(END),
        Action::End(Role::Server),
    ]);
    actions
}

/// A flag of the server.
fn flag(setting: &'static str, value: &'static str, serve: &'static str, what: &'static str) -> Trial {
    Trial::of(setting, value, Arm { serve, ..Arm::named(value, what) })
}
