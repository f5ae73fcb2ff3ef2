//! What a storm costs in CPU time, apart by what it was for: the model of it needs that. The server's costs are measured
//! before the fault, when nothing else was done; the clients' are those of the storm.

use loadgen::record::{Interval, IntervalReconnects};

use super::faults::{BACK, LOST};
use super::timeline::{CALM, HELD, READY};
use super::times::{at_s, between, outages};
use crate::kinds::scenario::remedies::scene::Scene;

/// After so large a share of the outages most of what clients do is not about coming back.
const MOSTLY: f64 = 0.9;

/// In less than this the server's CPU time says nothing.
const CALM_S_MIN: f64 = 0.1;

pub(super) fn clients_cpu_s(scene: &Scene<'_>) -> f64 {
    (scene.load.cpu.user_us + scene.load.cpu.system_us) as f64 / 1e6
}

/// CPU time of the server between two moments.
fn server_us(scene: &Scene<'_>, from: &str, until: &str) -> Option<f64> {
    Some(scene.server_run_ns(until)?.checked_sub(scene.server_run_ns(from)?)? as f64 / 1e3)
}

/// Share of its time that the server worked for heartbeats before the fault.
pub(super) fn load_percent(scene: &Scene<'_>) -> Option<f64> {
    let seconds = at_s(scene, LOST)? - at_s(scene, CALM)?;
    (seconds > CALM_S_MIN).then_some(server_us(scene, CALM, LOST)? / 1e4 / seconds)
}

/// CPU time of the server for a login: to take in a connection, as in the ramp, and to answer its first request, as in the
/// time after that, in which there were no others. Heartbeats are not in it.
pub(super) fn login_us(scene: &Scene<'_>) -> Option<f64> {
    let clients = scene.load.connections.target as f64;
    let first: u64 = between(scene, at_s(scene, HELD)?, at_s(scene, CALM)?).map(|interval| interval.completed).sum();
    let intervals_s: f64 =
        between(scene, at_s(scene, HELD)?, at_s(scene, CALM)?).map(|interval| interval.duration_us as f64 / 1e6).sum();
    let seconds = at_s(scene, CALM)? - at_s(scene, HELD)?;
    let answered = first as f64 * seconds / intervals_s;
    let us = server_us(scene, READY, HELD)? / clients + server_us(scene, HELD, CALM)? / answered;
    Some(us).filter(|us| us.is_finite())
}

/// CPU time of the clients' host in some intervals. All workers share a CPU, so what is known of the busiest is all there is.
fn clients_us(scene: &Scene<'_>, intervals: &[&Interval]) -> Option<f64> {
    let us = |interval: &&Interval| Some(interval.busiest_worker_share? * interval.duration_us as f64);
    intervals.iter().map(us).sum::<Option<f64>>().filter(|_| scene.load.cpu.cpus.len() == 1)
}

fn counts(interval: &Interval) -> IntervalReconnects {
    interval.reconnect.unwrap_or_default()
}

/// CPU time of an attempt while the server was away: of intervals in which nobody noticed a loss, which takes time, too.
pub(super) fn attempt_us(scene: &Scene<'_>) -> Option<f64> {
    let away = between(scene, at_s(scene, LOST)?, at_s(scene, BACK)?);
    let away: Vec<&Interval> = away.filter(|interval| counts(interval).lost == 0).collect();
    let attempts: u64 = away.iter().map(|interval| counts(interval).attempts).sum();
    (attempts > 0).then_some(clients_us(scene, &away)? / attempts as f64)
}

/// CPU time of the clients' host for one that is served again: its attempt, its login, and what it catches up with.
pub(super) fn served_us(scene: &Scene<'_>) -> Option<f64> {
    let (number, mut served) = ((MOSTLY * outages(scene)? as f64) as u64, 0);
    let mut mostly = vec![];
    for interval in between(scene, at_s(scene, BACK)?, f64::INFINITY) {
        if served >= number {
            break;
        }
        served += counts(interval).served_again;
        mostly.push(interval);
    }
    (served > 0).then_some(clients_us(scene, &mostly)? / served as f64)
}
