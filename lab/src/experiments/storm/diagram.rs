//! Which load a server must not have before the fault if it is to recover: by policy, foretold, and measured at some points.

use loadgen::reconnect::Policy;

use super::arms::IMMEDIATE;
use super::figures::{AWAY, LOAD, LOGIN_US, MOST, SERVED, WATCHED};
use super::scenes::{PLACES, Scene, ports};
use super::taken::{Costs, SECOND_NS, policy_of};
use crate::kinds::scenario::remedies::foretold::Diagram;
use crate::kinds::scenario::remedies::record::{ArmRecord, Record};
use crate::simulation::storm::{Course, Storm, simulate};

/// A storm that lasts longer than this does not end.
const STUCK_S: f64 = 30.0;
const LOADS_PERCENT: [u32; 10] = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90];
const POLICIES: [(&str, &str); 5] = [
    (IMMEDIATE, "immediate"),
    ("fixed", "fixed,base=100ms"),
    ("exponential", "exponential,base=100ms,cap=5s"),
    ("full jitter", "full-jitter,base=100ms,cap=5s"),
    ("jitter and spread", "full-jitter,base=100ms,cap=5s,spread=1500ms"),
];

/// With the costs of the first arm.
pub(super) fn diagram(record: &Record, costs: &Costs) -> Option<Diagram> {
    let first = record.remedies.first()?;
    let row = |(name, text): &(&str, &str)| {
        let policy: Policy = text.parse().ok()?;
        let cell = |load: &u32| {
            let course = course(record, costs, first, &policy, f64::from(*load), STUCK_S)?;
            Some(in_words(course.most_served_ns.map(|at_ns| at_ns as f64 / SECOND_NS), 100.0 * course.served))
        };
        Some(((*name).to_owned(), LOADS_PERCENT.iter().map(cell).collect::<Option<Vec<String>>>()?))
    };
    let mut rows = POLICIES.iter().map(row).collect::<Option<Vec<_>>>()?;
    let title = Scene::loads().title;
    let points = record.remedies.iter().filter(|arm| arm.group.as_deref() == title);
    rows.extend(points.filter_map(|arm| point(record, costs, arm)));
    Some(Diagram {
        title: format!(
            "Does the storm of costly logins end? By policy, and by the share of the server's time that its clients took before: when \
             99 % are served, or how many are after {STUCK_S:.0} s. Rows that were measured stand under the nearest load, and say what \
             was foretold for their own"
        ),
        columns: LOADS_PERCENT.iter().map(|load| format!("{load} %")).collect(),
        rows,
    })
}

/// What was measured at some load, in the column nearest to it, and what is foretold for the same load and the same time.
fn point(record: &Record, costs: &Costs, arm: &ArmRecord) -> Option<(String, Vec<String>)> {
    let (load, watched_s) = (record.median(arm, LOAD)?, record.median(arm, WATCHED)?);
    let foretold = course(record, costs, arm, &policy_of(arm)?, load, watched_s)?;
    let foretold_s = foretold.most_served_ns.map(|at_ns| at_ns as f64 / SECOND_NS);
    let cell = format!(
        "at {load:.0} %: {}; foretold: {}",
        in_words(record.median(arm, MOST), record.median(arm, SERVED)?),
        in_words(foretold_s, 100.0 * foretold.served)
    );
    let nearest = (0..LOADS_PERCENT.len()).min_by(|one, other| {
        (f64::from(LOADS_PERCENT[*one]) - load).abs().total_cmp(&(f64::from(LOADS_PERCENT[*other]) - load).abs())
    })?;
    let cells = (0..LOADS_PERCENT.len()).map(|index| if index == nearest { cell.clone() } else { String::new() });
    Some((format!("{}, measured", arm.name), cells.collect()))
}

fn in_words(most_served_s: Option<f64>, served_percent: f64) -> String {
    match most_served_s {
        Some(s) => format!("{s:.1} s"),
        None => format!("stuck, {served_percent:.0} %"),
    }
}

/// The storm of costly logins as an arm had it, with another policy and load.
fn course(
    record: &Record,
    costs: &Costs,
    arm: &ArmRecord,
    policy: &Policy,
    load: f64,
    watched_s: f64,
) -> Option<Course> {
    let scene = Scene::costly();
    Some(simulate(&Storm {
        clients: u64::from(scene.clients),
        policy: *policy,
        seed: costs.seed,
        notice_ns: costs.notice_ns,
        attempt_ns: costs.attempt_ns,
        welcome_ns: costs.welcome_ns,
        login_ns: record.median(arm, LOGIN_US)? * 1e3,
        places: PLACES,
        ports: ports(scene.clients.into()),
        patience_ns: scene.patience.as_nanos() as u64,
        away_ns: (record.median(arm, AWAY)? * SECOND_NS) as u64,
        watched_ns: (watched_s * SECOND_NS) as u64,
        load_before: load / 100.0,
    }))
}
