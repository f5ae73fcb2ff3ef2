//! What is measured of a storm: the table of figures. Shares are of all clients, or of their outages; service is replies
//! that came while their clients waited.

use super::costs;
use super::faults::{BACK, LOST};
use super::times::{self, BeforeAndAfter, reconnects};
use crate::kinds::scenario::remedies::record::Better;
use crate::kinds::scenario::remedies::scene::Scene;
use crate::kinds::scenario::remedies::table::Figure;
use crate::session::side::Side;

pub(super) const SERVED: &str = "clients served again";
pub(super) const OUTAGES: &str = "outages";
pub(super) const NOTICED: &str = "noticed by 99 %";
pub(super) const MOST: &str = "99 % served";
pub(super) const NOBODY: &str = "logins for nobody";
pub(super) const SYNS: &str = "peak SYNs";
pub(super) const ATTEMPTS: &str = "attempts";
pub(super) const SERVICE: &str = "service at the end";
pub(super) const BELOW_HALF: &str = "service below half of before";
pub(super) const WATCHED: &str = "watched";
pub(super) const AWAY: &str = "away";
pub(super) const LOAD: &str = "server's load before";
pub(super) const ATTEMPT_US: &str = "client's CPU per attempt refused";
pub(super) const SERVED_US: &str = "client's CPU per client served";
pub(super) const LOGIN_US: &str = "server's CPU per login before";

const fn less(name: &'static str, unit: &'static str, of: fn(&Scene<'_>) -> Option<f64>) -> Figure {
    Figure { name, unit, better: Better::Less, is_generators_time: false, of }
}

const fn time(name: &'static str, of: fn(&Scene<'_>) -> Option<f64>) -> Figure {
    Figure { is_generators_time: true, ..less(name, "s", of) }
}

const fn more(name: &'static str, unit: &'static str, of: fn(&Scene<'_>) -> Option<f64>) -> Figure {
    Figure { better: Better::More, ..less(name, unit, of) }
}

pub(super) const FIGURES: [Figure; 24] = [
    more(SERVED, "%", |scene| Some(100.0 - percent_of_clients(scene, reconnects(scene)?.unserved))),
    less(OUTAGES, "% of clients", |scene| Some(percent_of_clients(scene, times::outages(scene)?))),
    time(NOTICED, times::noticed_s),
    time("half served", |scene| times::served_s(scene, 0.5)),
    time("90 % served", |scene| times::served_s(scene, 0.9)),
    time(MOST, |scene| times::served_s(scene, 0.99)),
    time("all served", |scene| times::served_s(scene, 1.0)),
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
    more(SERVICE, "% of before", |scene| BeforeAndAfter::of(scene)?.at_the_end_percent()),
    less(BELOW_HALF, "s at a stretch", |scene| Some(BeforeAndAfter::of(scene)?.longest_below_s(0.5))),
    less("service below 90 % of before", "s", |scene| Some(BeforeAndAfter::of(scene)?.below_s(0.9))),
    less("service lost", "s", |scene| scene.service_lost_s(scene.mark(LOST)?, times::good_per_s)),
    less("server's CPU since its return", "s", |scene| {
        Some((scene.server_cpu_s()? - scene.server_run_ns(BACK)? as f64 / 1e9).max(0.0))
    }),
    less("clients' CPU", "s", |scene| Some(costs::clients_cpu_s(scene))),
    less(ATTEMPT_US, "µs", costs::attempt_us),
    less(SERVED_US, "µs", costs::served_us),
    less(LOGIN_US, "µs", costs::login_us),
    less(LOAD, "%", costs::load_percent),
    less(AWAY, "s", |scene| Some(scene.mark(BACK)?.saturating_sub(scene.mark(LOST)?) as f64 / 1e9)),
    less(WATCHED, "s", |scene| Some(scene.window_s() - times::at_s(scene, BACK)?)),
];

fn percent_of_clients(scene: &Scene<'_>, count: u64) -> f64 {
    100.0 * count as f64 / scene.load.connections.target as f64
}
