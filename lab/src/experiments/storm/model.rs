//! What the simulator says about the policies: at the sizes that were measured, and at others.

use super::diagram::diagram;
use super::figures::{ATTEMPTS, AWAY, LOAD, MOST, SYNS};
use super::scenes::{PLACES, Scene, foretold as scenes, ports};
use super::taken::{Costs, SECOND_NS, name_of, own, policy_of};
use crate::kinds::scenario::remedies::foretold::{Case, Foretold};
use crate::kinds::scenario::remedies::record::{ArmRecord, Record};
use crate::simulation::storm::{Storm, simulate};

/// Numbers of clients beside those that were measured.
const CLIENTS: [u64; 3] = [1_000, 1_000_000, 10_000_000];
/// Longest time after the server's return that is simulated.
const WATCHED_S: f64 = 1_000.0;
/// The model should be no further from what was measured than this.
const TOLERANCE: f64 = 0.20;
/// Absent unless the policies were measured at both sizes.
pub(super) fn foretell(record: &Record) -> Option<Foretold> {
    let [small, large] = scenes();
    // With more connections everything costs more: its data are in no cache.
    let costs = [Costs::of(record, small)?, Costs::of(record, large)?];
    let mut cases = vec![];
    for large_arm in own(record, large) {
        // One policy is for many clients only.
        let small_arm = own(record, small).find(|arm| name_of(arm) == name_of(large_arm));
        let known = [small_arm.map(|arm| (small, arm)), Some((large, large_arm))].into_iter().flatten();
        let known = known.map(|(scene, arm)| (u64::from(scene.clients), Some((scene, arm))));
        let mut sizes: Vec<_> = known.chain(CLIENTS.map(|clients| (clients, None))).collect();
        sizes.sort_by_key(|(clients, _)| *clients);
        for (clients, measured) in sizes {
            let like = measured.unwrap_or((large, large_arm));
            let costs = &costs[usize::from(clients > u64::from(small.clients))];
            cases.push(case(record, costs, clients, like, measured.is_some())?);
        }
    }
    (!cases.is_empty()).then(|| Foretold {
        model: Costs::words(&costs),
        figures: vec![format!("{MOST} (s)"), format!("{ATTEMPTS} per client"), format!("{SYNS} per s")],
        cases,
        tolerance: Some(TOLERANCE),
        diagram: diagram(record, &costs[0]),
    })
}

/// What is foretold of so many clients that go through the same as those of an arm, and what was measured of these.
fn case(
    record: &Record,
    costs: &Costs,
    clients: u64,
    (scene, arm): (&Scene, &ArmRecord),
    is_measured: bool,
) -> Option<Case> {
    let course = simulate(&Storm {
        clients,
        policy: policy_of(arm)?,
        seed: costs.seed,
        notice_ns: costs.notice_ns,
        attempt_ns: costs.attempt_ns,
        welcome_ns: costs.welcome_ns,
        login_ns: costs.login_ns,
        places: PLACES * u64::from(scene.tables()),
        ports: ports(clients),
        patience_ns: scene.patience.as_nanos() as u64,
        away_ns: (record.median(arm, AWAY).unwrap_or(0.0) * SECOND_NS) as u64,
        watched_ns: (WATCHED_S * SECOND_NS) as u64,
        load_before: record.median(arm, LOAD).unwrap_or(0.0) / 100.0,
    });
    let foretold = [
        course.most_served_ns.map(|at_ns| at_ns as f64 / SECOND_NS),
        Some(course.attempts_per_client),
        Some(course.syns_per_s_max),
    ];
    let measured = [MOST, ATTEMPTS, SYNS].map(|figure| record.median(arm, figure).filter(|_| is_measured));
    Some(Case { arm: name_of(arm).to_owned(), clients, foretold: foretold.to_vec(), measured: measured.to_vec() })
}
