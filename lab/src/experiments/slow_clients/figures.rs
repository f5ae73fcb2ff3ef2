//! What is measured: what ordinary clients get, and what slow ones hold of the server and of the kernel.

use std::time::Duration;

use crate::kinds::scenario::remedies::record::Better;
use crate::kinds::scenario::remedies::scene::Scene;
use crate::kinds::scenario::remedies::table::Figure;

/// A later reply is of no use to anybody.
const IN_TIME: Duration = Duration::from_millis(500);

/// A figure that the load generator did not take the time of.
const fn figure(name: &'static str, unit: &'static str, better: Better, of: fn(&Scene<'_>) -> Option<f64>) -> Figure {
    Figure { name, unit, better, is_generators_time: false, of }
}

pub(super) const ANSWERED: &str = "ordinary requests answered";

const MIB: f64 = (1 << 20) as f64;

pub(super) const FIGURES: [Figure; 8] = [
    figure(ANSWERED, "%", Better::More, |scene| scene.answered_within(IN_TIME)),
    Figure {
        is_generators_time: true,
        ..figure("their p99", "ms", Better::Less, |scene| Some(scene.load.response_us.p99? / 1000.0))
    },
    figure("closed by limits", "", Better::More, |scene| {
        let closes = &scene.served.as_ref()?.report.totals;
        Some(LIMITS.map(|limit| closes.closed_for(limit)).iter().sum::<u64>() as f64)
    }),
    figure("slow ones open at the end", "", Better::Less, |scene| Some(scene.slow.as_ref()?.open_at_end as f64)),
    figure("time until closed", "s", Better::Less, |scene| Some(scene.slow.as_ref()?.held_us.p50? as f64 / 1e6)),
    figure("server's buffers", "MiB", Better::Less, |scene| {
        let reactors = scene.served.as_ref()?.report.reactors.iter();
        Some(reactors.map(|reactor| reactor.buffer_memory_bytes_peak).sum::<u64>() as f64 / MIB)
    }),
    figure("kernel's TCP buffers", "MiB", Better::Less, |scene| scene.tcp_memory_growth().map(|bytes| bytes / MIB)),
    figure("server's CPU", "s", Better::Less, |scene| scene.server_cpu_s()),
];

/// Why a server closes a connection that takes too long, or too much.
const LIMITS: [server::CloseReason; 5] = [
    server::CloseReason::HeaderTimeout,
    server::CloseReason::BodyTimeout,
    server::CloseReason::StallTimeout,
    server::CloseReason::IdleTimeout,
    server::CloseReason::Shed,
];
