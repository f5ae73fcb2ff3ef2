//! What the simulator takes from a measurement: costs, and the policies of the arms.

use loadgen::reconnect::Policy;

use super::figures::{ATTEMPT_US, LOGIN_US, NOTICED, SERVED_US};
use super::scenes::Scene;
use crate::kinds::scenario::remedies::record::{ArmRecord, Record};

pub(super) const SECOND_NS: f64 = 1e9;
/// The first attempts of this policy come late: while its clients notice their losses, nothing else is done.
const SPREAD: &str = "jitter and spread";

/// What the simulator takes from the measurement.
pub(super) struct Costs {
    pub(super) notice_ns: f64,
    pub(super) attempt_ns: f64,
    pub(super) welcome_ns: f64,
    pub(super) login_ns: f64,
    pub(super) seed: u64,
}

/// The arms of a scene.
pub(super) fn own<'a>(record: &'a Record, scene: &Scene) -> impl Iterator<Item = &'a ArmRecord> {
    let title = scene.title;
    record.remedies.iter().filter(move |arm| arm.group.as_deref() == title)
}

/// An arm's name without the number of its clients.
pub(super) fn name_of(arm: &ArmRecord) -> &str {
    arm.name.split(',').next().unwrap_or_default()
}

impl Costs {
    /// Attempts and logins cost what they cost where there was most to do, in the first arm of a scene. Absent unless all of
    /// it was measured.
    pub(super) fn of(record: &Record, scene: &Scene) -> Option<Costs> {
        let first = own(record, scene).next()?;
        let spread = own(record, scene).find(|arm| name_of(arm) == SPREAD)?;
        let [attempt_us, served_us, login_us] =
            [ATTEMPT_US, SERVED_US, LOGIN_US].map(|figure| record.median(first, figure));
        let noticed_s = record.median(spread, NOTICED)?;
        Some(Costs {
            notice_ns: noticed_s * SECOND_NS / (0.99 * f64::from(scene.clients)),
            attempt_ns: attempt_us? * 1e3,
            welcome_ns: (served_us? - attempt_us?).max(0.0) * 1e3,
            login_ns: login_us? * 1e3,
            seed: record.head.seed,
        })
    }

    /// Where it comes from, and how much it is: of those of 10,000 clients and of 100,000.
    pub(super) fn words([small, large]: &[Costs; 2]) -> String {
        let us = |of: fn(&Costs) -> f64| format!("{:.0} µs ({:.0} µs)", of(small) / 1e3, of(large) / 1e3);
        format!(
            "A simulation of the same policies without sockets (seed {}), in which clients' host and server are a queue each. Three costs \
             are those of one policy, measured among 10,000 clients (among 100,000, and more): an attempt costs the clients' \
             host {} and {} more if it is served, and a login costs the server {}; that a loss is noticed, {}, is measured where \
             nothing else is done. Of each arm it takes how long the server was away, and which share of it heartbeats take. A first SYN \
             from a port that the server's host has in TIME-WAIT is sent twice.",
            small.seed,
            us(|costs| costs.attempt_ns),
            us(|costs| costs.welcome_ns),
            us(|costs| costs.login_ns),
            us(|costs| costs.notice_ns),
        )
    }
}

/// The policy that an arm's clients followed.
pub(super) fn policy_of(arm: &ArmRecord) -> Option<Policy> {
    let words = arm.commands.iter().filter_map(|command| results::shell::words(command)).flatten();
    words.skip_while(|word| word != "--reconnect").nth(1)?.parse().ok()
}
