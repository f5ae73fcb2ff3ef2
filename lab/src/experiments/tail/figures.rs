//! What is measured of late replies: pages, second copies, and what load generators say.

use loadgen::self_test::ClosedForm;

use super::formula::{FORETOLD, LATE, LATE_REPLIES, PAGES_ASKED, late_pages};
use crate::kinds::scenario::remedies::record::Better;
use crate::kinds::scenario::remedies::scene::Scene;
use crate::kinds::scenario::remedies::table::Figure;

/// How often the server stalls of which load generators report.
pub(super) const STALL_EVERY_MS: u64 = 1000;

pub(super) const P99: &str = "p99";
pub(super) const FROM_SEND: &str = "p99 from send times";
pub(super) const TRUTH: &str = "p99 in truth";
pub(super) const SECOND: &str = "second copies";
pub(super) const WORK: &str = "server's work";

const fn figure(name: &'static str, unit: &'static str, of: fn(&Scene<'_>) -> Option<f64>) -> Figure {
    Figure { name, unit, better: Better::Less, is_generators_time: false, of }
}

const fn time(name: &'static str, of: fn(&Scene<'_>) -> Option<f64>) -> Figure {
    Figure { is_generators_time: true, ..figure(name, "ms", of) }
}

pub(super) const FIGURES: [Figure; 12] = [
    figure(LATE, "%", |scene| Some(scene.fan_out.as_ref()?.slow_requests? * 100.0)),
    figure(FORETOLD, "%", |scene| {
        let record = scene.fan_out.as_ref()?;
        Some(100.0 * late_pages(record.slow_parts?, record.parts_per_request))
    }),
    figure(LATE_REPLIES, "%", |scene| Some(scene.fan_out.as_ref()?.slow_parts? * 100.0)),
    figure(PAGES_ASKED, "", |scene| Some(scene.fan_out.as_ref()?.requests.scheduled as f64)),
    time("median", |scene| at(scene, 0.5)),
    time("p90", |scene| at(scene, 0.9)),
    time(P99, |scene| at(scene, 0.99)),
    time(FROM_SEND, |scene| {
        scene.arm.tool.filter(|tool| tool.is_own())?;
        Some(scene.load.service_us.p99? / 1000.0)
    }),
    figure(TRUTH, "ms", truth_ms),
    figure(SECOND, "% of the replies", |scene| {
        let parts = &scene.fan_out.as_ref()?.parts;
        (parts.asked > 0).then(|| 100.0 * parts.second as f64 / parts.asked as f64)
    }),
    figure("a hedge waits", "ms", |scene| Some(scene.fan_out.as_ref()?.hedge_after_us? / 1000.0)),
    figure(WORK, "replies for each asked", |scene| {
        let asked = scene.fan_out.as_ref()?.parts.asked_whole_run;
        (asked > 0).then_some(scene.null_requests()? as f64 / asked as f64)
    }),
];

/// The time of pages at a quantile, or what a load generator says of it.
fn at(scene: &Scene<'_>, quantile: f64) -> Option<f64> {
    let Some(pages) = &scene.fan_out else { return scene.reported.as_ref()?.at(quantile) };
    let times = &pages.response_us;
    let us = times.printed().find(|(_, known, _)| (known - quantile).abs() < 1e-9).map(|(.., us)| us)?;
    Some(us / 1000.0)
}

/// The p99 of requests that come evenly and wait for nobody, over the stalls as the server logged them.
fn truth_ms(scene: &Scene<'_>) -> Option<f64> {
    let reported = scene.reported.as_ref()?;
    let stalls = scene.null_served.as_ref()?.stalls.iter();
    let lengths_ns: Vec<u64> = stalls.filter_map(|(start, end)| end.checked_sub(*start)).collect();
    let form = (!lengths_ns.is_empty()).then(|| ClosedForm::periodic(&lengths_ns, STALL_EVERY_MS * 1_000_000))?;
    // The median lies outside of the stalls: what a request takes anyway.
    Some(form.quantile_ns(0.99) / 1e6 + reported.at(0.5).unwrap_or(0.0))
}

/// Quantiles that have a value, in percent, and the response time in ms.
pub(super) fn by_quantile(scene: &Scene<'_>) -> Vec<(f64, f64)> {
    let Some(record) = &scene.fan_out else { return vec![] };
    record.response_us.printed().map(|(_, quantile, us)| (100.0 * quantile, us / 1000.0)).collect()
}
