//! Clients 10 ms away: how much is on its way at once, and how soon after a pause.

use std::time::Duration;

use super::lines::{self, of_host, trial};
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::Better;
use crate::kinds::scenario::remedies::table::Figure;
use crate::kinds::scenario::trials::table::{Cable, Trial, Workload};
use crate::session::request::Profile;
use crate::session::side::Side;

const RMEM: &str = "net.ipv4.tcp_rmem";
const WMEM: &str = "net.ipv4.tcp_wmem";
const SCALING: &str = "net.ipv4.tcp_window_scaling";
const MODERATE: &str = "net.ipv4.tcp_moderate_rcvbuf";
const CONGESTION: &str = "net.ipv4.tcp_congestion_control";
const AFTER_PAUSE: &str = "net.ipv4.tcp_slow_start_after_idle";
const LOWAT: &str = "net.ipv4.tcp_notsent_lowat";
const MTU_PROBING: &str = "net.ipv4.tcp_mtu_probing";
const METRICS: &str = "net.ipv4.tcp_no_metrics_save";
const SACK: &str = "net.ipv4.tcp_sack";

const CABLE: Option<Cable> = Some(Cable { delay: Duration::from_millis(10), lost_per_10000: 0 });

pub(super) const BULK: Workload = Workload {
    name: "bulk from far away",
    what: "Two clients fetch 2 MB again and again, 20 ms there and back. The figure is MB a second.",
    cable: CABLE,
    sockets: 1 << 16,
    repeats: 4,
    timeline: |arm, run| {
        let load = format!("--connections 2 --warmup 300ms --duration {}s", run.seconds);
        lines::plain(arm, run, "/bytes/2000000", &load)
    },
    figures: &[Figure {
        name: "received",
        unit: "MB/s",
        better: Better::More,
        is_generators_time: false,
        of: |scene| Some(scene.load.bytes_in as f64 / 1e6 / scene.window_s()),
    }],
    least: |_| 0.01,
    counters: &[
        (Side::Server, "RetransSegs"),
        (Side::Server, "OutSegs"),
        (Side::Client, "TCPToZeroWindowAdv"),
        (Side::Client, "TCPRcvCollapsed"),
        (Side::Client, "OutSegs"),
    ],
    usual: Arm::named("usual", "the kernel's own buffers, reno"),
    planted: Arm {
        settings: &[(Side::Client, RMEM, "4096 16384 32768")],
        ..Arm::named("a window of 32 KB", "the client's receive buffers end at 32 KB")
    },
    trials: |profile| {
        let mut trials = vec![
            trial!(
                RMEM,
                "max 16384, as in old guides",
                "on both hosts",
                &[(Side::Client, RMEM, "1024 4096 16384"), (Side::Server, RMEM, "1024 4096 16384")]
            ),
            trial!(RMEM, "max 1 MiB", "on the client", &[(Side::Client, RMEM, "4096 131072 1048576")]),
            trial!(RMEM, "max 128 MiB", "on the client", &[(Side::Client, RMEM, "4096 131072 134217728")]),
            trial!(WMEM, "max 64 KiB", "on the server", &[(Side::Server, WMEM, "4096 16384 65536")]),
            trial!(WMEM, "max 64 MiB", "on the server", &[(Side::Server, WMEM, "4096 16384 67108864")]),
            trial!(SCALING, "0", "on the client", &[(Side::Client, SCALING, "0")]),
            trial!(MODERATE, "0", "on the client", &[(Side::Client, MODERATE, "0")]),
            trial!(CONGESTION, "bbr", "on the server", &[(Side::Server, CONGESTION, "bbr")]),
            Trial::of(
                "SO_SNDBUF",
                "64 KiB",
                Arm {
                    serve: "--sndbuf 64KiB",
                    ..Arm::named("sndbuf", "the server sets it, which ends the kernel's tuning")
                },
            ),
            of_host("net.core.rmem_max", "212992", "212992"),
            of_host("net.core.rmem_max", "128 MiB", "134217728"),
            of_host("net.core.wmem_max", "128 MiB", "134217728"),
        ];
        if profile == Profile::Full {
            trials.extend([
                trial!(MTU_PROBING, "1", both),
                trial!(METRICS, "1", both),
                trial!(SACK, "0", both),
                trial!(CONGESTION, "cubic", "on the server", &[(Side::Server, CONGESTION, "cubic")]),
            ]);
        }
        trials
    },
};

pub(super) const AFTER_IDLE: Workload = Workload {
    name: "a large reply after a pause",
    what: "Ten clients fetch 200 KB each second, one after another, 20 ms there and back. The figure is the median time of a reply.",
    cable: CABLE,
    sockets: 1 << 16,
    repeats: 4,
    timeline: |arm, run| {
        let load = format!("--connections 10 --rate 20 --schedule constant --warmup 1s --duration {}s", run.seconds);
        lines::plain(arm, run, "/bytes/200000", &load)
    },
    figures: &[Figure {
        name: "reply p50",
        unit: "ms",
        better: Better::Less,
        is_generators_time: true,
        of: |scene| Some(scene.load.response_us.p50? / 1000.0),
    }],
    least: |_| 0.01,
    counters: &[(Side::Server, "RetransSegs"), (Side::Server, "OutSegs"), (Side::Client, "OutSegs")],
    usual: Arm::named("usual", "slow start after a pause"),
    planted: Arm {
        settings: &[(Side::Client, RMEM, "4096 16384 32768")],
        ..Arm::named("a window of 32 KB", "the client's receive buffers end at 32 KB")
    },
    trials: |_| {
        vec![
            trial!(AFTER_PAUSE, "0", "on the server", &[(Side::Server, AFTER_PAUSE, "0")]),
            trial!(LOWAT, "16384", "on the server", &[(Side::Server, LOWAT, "16384")]),
            trial!(CONGESTION, "bbr", "on the server", &[(Side::Server, CONGESTION, "bbr")]),
        ]
    },
};
