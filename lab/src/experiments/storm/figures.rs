//! What is measured of a storm. Times are counted from the server's return, to a tenth of a second: by the intervals of the
//! load generator, which say how many clients noticed their loss, and how many were served again.

use loadgen::record::{Interval, IntervalReconnects, Reconnects};

use super::faults::{BACK, LOST};
use crate::kinds::scenario::remedies::record::Better;
use crate::kinds::scenario::remedies::scene::{Scene, replies_per_s};
use crate::kinds::scenario::remedies::table::Figure;
use crate::session::side::Side;

pub(super) const SERVED: &str = "clients served again";
pub(super) const LOSSES: &str = "clients that lost their connection";
pub(super) const MOST: &str = "99 % served";
pub(super) const NOBODY: &str = "logins for nobody";
pub(super) const SYNS: &str = "peak SYNs";
pub(super) const ATTEMPTS: &str = "attempts";
pub(super) const SERVICE: &str = "service at the end";
pub(super) const AWAY: &str = "away";
pub(super) const ATTEMPT_US: &str = "client's CPU per attempt";
pub(super) const LOGIN_US: &str = "server's CPU per login";

const fn less(name: &'static str, unit: &'static str, of: fn(&Scene<'_>) -> Option<f64>) -> Figure {
    Figure { name, unit, better: Better::Less, is_generators_time: false, of }
}

const fn time(name: &'static str, of: fn(&Scene<'_>) -> Option<f64>) -> Figure {
    Figure { is_generators_time: true, ..less(name, "s", of) }
}

const fn more(name: &'static str, unit: &'static str, of: fn(&Scene<'_>) -> Option<f64>) -> Figure {
    Figure { better: Better::More, ..less(name, unit, of) }
}

pub(super) const FIGURES: [Figure; 20] = [
    more(SERVED, "%", |scene| Some(100.0 - percent_of_clients(scene, reconnects(scene)?.unserved))),
    less(LOSSES, "%", |scene| Some(percent_of_clients(scene, lost(scene)?))),
    time("noticed by 99 %", noticed),
    time("half served", |scene| served_s(scene, 0.5)),
    time("90 % served", |scene| served_s(scene, 0.9)),
    time(MOST, |scene| served_s(scene, 0.99)),
    time("all served", |scene| served_s(scene, 1.0)),
    less("last against half", "times", |scene| {
        let outage = &reconnects(scene)?.outage_us;
        (reconnects(scene)?.unserved == 0).then_some(outage.max? / outage.p50.filter(|us| *us > 0.0)?)
    }),
    less(NOBODY, "%", |scene| {
        let hellos = reconnects(scene)?.hellos;
        (hellos.sent > 0).then(|| 100.0 * hellos.failed as f64 / hellos.sent as f64)
    }),
    less(SYNS, "per s", |scene| scene.peak_per_s(Side::Client, &["ActiveOpens", "TCPSynRetrans"], scene.mark(LOST)?)),
    less("longest accept queue", "", |scene| scene.accept_queue_max()),
    less(ATTEMPTS, "per client", |scene| {
        Some(reconnects(scene)?.attempts as f64 / scene.load.connections.target as f64)
    }),
    more(SERVICE, "% of before", |scene| Some(100.0 * at_the_end(scene)? / before(scene)?)),
    less("service below 90 % of before", "s", |scene| {
        let line = 0.9 * before(scene)?;
        let dip = after(scene, LOST)?.filter(|interval| replies_per_s(interval) < line);
        Some(dip.map(|interval| interval.duration_us as f64 / 1e6).sum())
    }),
    less("service lost", "s", |scene| scene.service_lost_s(scene.mark(LOST)?)),
    less("server's CPU since its return", "s", server_cpu_s),
    less("clients' CPU", "s", |scene| Some(clients_cpu_us(scene) / 1e6)),
    less(ATTEMPT_US, "µs", |scene| {
        let attempts = reconnects(scene)?.attempts;
        (attempts > 0).then(|| clients_cpu_us(scene) / attempts as f64)
    }),
    less(LOGIN_US, "µs", |scene| {
        let logins = scene.served.as_ref()?.report.totals.first_requests;
        (logins > 0).then_some(server_cpu_s(scene)? * 1e6 / logins as f64)
    }),
    less(AWAY, "s", |scene| Some(scene.mark(BACK)?.saturating_sub(scene.mark(LOST)?) as f64 / 1e9)),
];

fn reconnects<'a>(scene: &'a Scene<'_>) -> Option<&'a Reconnects> {
    scene.load.reconnect.as_ref()
}

/// Clients that lost the connection they had before.
fn lost(scene: &Scene<'_>) -> Option<u64> {
    let counted = reconnects(scene)?;
    Some(counted.losses - counted.lost_again)
}

fn percent_of_clients(scene: &Scene<'_>, count: u64) -> f64 {
    100.0 * count as f64 / scene.load.connections.target as f64
}

/// Seconds of the window at a moment.
fn at_s(scene: &Scene<'_>, mark: &str) -> Option<f64> {
    Some(scene.mark(mark)?.saturating_sub(scene.load.window_start_ns) as f64 / 1e9)
}

fn end_s(interval: &Interval) -> f64 {
    (interval.start_us as f64 + interval.duration_us as f64) / 1e6
}

/// When a count over the intervals reached a number, in seconds of the window, evenly within its interval.
fn reached_s(scene: &Scene<'_>, number: f64, of: fn(&IntervalReconnects) -> u64) -> Option<f64> {
    let mut sum = 0.0;
    for interval in &scene.load.intervals {
        let count = interval.reconnect.as_ref().map_or(0, of) as f64;
        if count > 0.0 && sum + count >= number {
            let share = (number - sum) / count;
            return Some((interval.start_us as f64 + interval.duration_us as f64 * share) / 1e6);
        }
        sum += count;
    }
    None
}

/// When so large a share of those who lost their connection was served again, from the server's return.
fn served_s(scene: &Scene<'_>, share: f64) -> Option<f64> {
    let at_s_served = reached_s(scene, share * lost(scene)? as f64, |counts| counts.served_again)?;
    Some((at_s_served - at_s(scene, BACK)?).max(0.0))
}

/// From the fault until 99 of 100 losses were noticed.
fn noticed(scene: &Scene<'_>) -> Option<f64> {
    let noticed_s = reached_s(scene, 0.99 * lost(scene)? as f64, |counts| counts.lost)?;
    Some((noticed_s - at_s(scene, LOST)?).max(0.0))
}

fn after<'a>(scene: &'a Scene<'_>, mark: &str) -> Option<impl Iterator<Item = &'a Interval>> {
    let since_s = at_s(scene, mark)?;
    Some(scene.measured().filter(move |interval| end_s(interval) > since_s))
}

/// Replies per second before the fault.
fn before(scene: &Scene<'_>) -> Option<f64> {
    let until_s = at_s(scene, LOST)?;
    let calm: Vec<f64> = scene.measured().filter(|interval| end_s(interval) <= until_s).map(replies_per_s).collect();
    results::stats::median(&calm).filter(|rate| *rate > 0.0)
}

/// Replies per second in the last second of the window.
fn at_the_end(scene: &Scene<'_>) -> Option<f64> {
    let last: Vec<&Interval> = scene.measured().filter(|interval| end_s(interval) > scene.window_s() - 1.0).collect();
    let us: u64 = last.iter().map(|interval| interval.duration_us).sum();
    let replies: u64 = last.iter().map(|interval| interval.completed).sum();
    (us > 0).then(|| replies as f64 * 1e6 / us as f64)
}

fn clients_cpu_us(scene: &Scene<'_>) -> f64 {
    (scene.load.cpu.user_us + scene.load.cpu.system_us) as f64
}

/// Absent where the server did not give an account.
fn server_cpu_s(scene: &Scene<'_>) -> Option<f64> {
    let reactors = &scene.served.as_ref()?.report.reactors;
    let us: u64 = reactors.iter().map(|reactor| reactor.cpu_time.user_us + reactor.cpu_time.system_us).sum();
    Some(us as f64 / 1e6)
}
