//! Small requests over a cable that loses 2 of 100 packets: how long a loss takes to be noticed.

use std::time::Duration;

use super::lines::{self, trial};
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::Better;
use crate::kinds::scenario::remedies::table::Figure;
use crate::kinds::scenario::trials::table::{Cable, Trial, Workload};
use crate::session::request::Profile;
use crate::session::side::Side;

const RTO_MIN: &str = "net.ipv4.tcp_rto_min_us";
const EARLY: &str = "net.ipv4.tcp_early_retrans";
const THIN: &str = "net.ipv4.tcp_thin_linear_timeouts";
const RECOVERY: &str = "net.ipv4.tcp_recovery";
const FRTO: &str = "net.ipv4.tcp_frto";
const TIMESTAMPS: &str = "net.ipv4.tcp_timestamps";

pub(super) const LOSSY: Workload = Workload {
    name: "small requests over a bad cable",
    what: "50 clients send 1,000 small requests a second, 2 ms there and back, and 2 of 100 packets are lost each way. The figure is the \
           mean time of a reply.",
    cable: Some(Cable { delay: Duration::from_millis(1), lost_per_10000: 200 }),
    sockets: 1 << 16,
    repeats: 5,
    timeline: |arm, run| {
        let load = format!("--connections 50 --rate 1000 --warmup 200ms --duration {}s", run.seconds + 1);
        lines::plain(arm, run, "/", &load)
    },
    figures: &[
        Figure {
            name: "mean reply",
            unit: "ms",
            better: Better::Less,
            is_generators_time: true,
            of: |scene| Some(scene.load.response_us.mean? / 1000.0),
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
        (Side::Client, "RetransSegs"),
        (Side::Client, "TCPTimeouts"),
        (Side::Client, "TCPLossProbes"),
        (Side::Client, "TCPSpuriousRTOs"),
        (Side::Server, "RetransSegs"),
        (Side::Server, "TCPTimeouts"),
        (Side::Server, "TCPLossProbes"),
    ],
    usual: Arm::named("usual", "200 ms at least until a timer says that a packet is lost"),
    planted: Arm {
        settings: &[(Side::Server, RTO_MIN, "1000000"), (Side::Client, RTO_MIN, "1000000")],
        ..Arm::named("a second", "a second at least until a timer says so")
    },
    trials: |profile| {
        let mut trials = vec![
            trial!(RTO_MIN, "20000", both),
            trial!(RTO_MIN, "5000", both),
            trial!(EARLY, "0", both),
            trial!(TIMESTAMPS, "0", both),
        ];
        if profile == Profile::Full {
            trials.extend([trial!(THIN, "1", both), trial!(RECOVERY, "0", both), trial!(FRTO, "0", both)]);
        }
        trials
    },
};
