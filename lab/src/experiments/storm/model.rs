//! What the simulator says about the policies: at the sizes that were measured, and at others; and which loads a server must
//! not have before the fault if it is to recover.

use loadgen::reconnect::Policy;

use super::figures::{ATTEMPT_US, ATTEMPTS, AWAY, LOGIN_US, MOST, SYNS};
use super::scenes::{PLACES, Scene, foretold as scenes};
use crate::kinds::scenario::remedies::foretold::{Case, Diagram, Foretold};
use crate::kinds::scenario::remedies::record::{ArmRecord, Record};
use crate::simulation::storm::{Storm, simulate};

/// Numbers of clients beside those that were measured.
const CLIENTS: [u64; 3] = [1_000, 1_000_000, 10_000_000];
const SECOND_NS: f64 = 1e9;
/// Longest time after the server's return that is simulated.
const WATCHED_S: f64 = 1_000.0;
/// In the diagram a storm that lasts longer than this does not end.
const STUCK_S: f64 = 30.0;
const LOADS_PERCENT: [u32; 10] = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90];
const POLICIES: [(&str, &str); 5] = [
    ("immediate", "immediate"),
    ("fixed", "fixed,base=100ms"),
    ("exponential", "exponential,base=100ms,cap=5s"),
    ("full jitter", "full-jitter,base=100ms,cap=5s"),
    ("jitter and spread", "full-jitter,base=100ms,cap=5s,spread=1500ms"),
];

/// Absent unless the policies were measured at both sizes.
pub(super) fn foretell(record: &Record) -> Option<Foretold> {
    let [small, large] = scenes();
    let own = |scene: &'static Scene| record.remedies.iter().filter(move |arm| arm.group.as_deref() == scene.title);
    // An attempt and a login cost what they cost where there was most to do: in the first arm of the small scene.
    let first = own(small).next()?;
    let (attempt_us, login_us) = (record.median(first, ATTEMPT_US)?, record.median(first, LOGIN_US)?);
    let costs = Costs { attempt_ns: attempt_us * 1e3, login_ns: login_us * 1e3, seed: record.head.seed };
    let mut cases = vec![];
    for (small_arm, large_arm) in own(small).zip(own(large)) {
        let policy = policy_of(small_arm)?;
        let name = small_arm.name.split(',').next().unwrap_or_default();
        let known =
            [(small, small_arm), (large, large_arm)].map(|(scene, arm)| (u64::from(scene.clients), Some((scene, arm))));
        let mut sizes: Vec<_> = known.into_iter().chain(CLIENTS.map(|clients| (clients, None))).collect();
        sizes.sort_by_key(|(clients, _)| *clients);
        for (clients, measured) in sizes {
            cases.push(case(
                record,
                &costs,
                name,
                &policy,
                clients,
                measured.unwrap_or((large, large_arm)),
                measured.is_some(),
            ));
        }
    }
    Some(Foretold {
        model: format!(
            "A simulation of the same policies without sockets (seed {}), in which clients' host and server are a queue each. From \
             the measurement it takes that an attempt costs the one {attempt_us:.0} µs and a login the other {login_us:.0} µs, and how \
             long the server was away.",
            record.head.seed
        ),
        figures: vec![format!("{MOST} (s)"), format!("{ATTEMPTS} per client"), format!("{SYNS} per s")],
        cases,
        diagram: diagram(record),
    })
}

struct Costs {
    attempt_ns: f64,
    login_ns: f64,
    seed: u64,
}

fn policy_of(arm: &ArmRecord) -> Option<Policy> {
    let words =
        arm.commands.iter().flat_map(|command| command.split_whitespace()).skip_while(|word| *word != "--reconnect");
    words.take(2).last()?.parse().ok()
}

fn case(
    record: &Record,
    costs: &Costs,
    name: &str,
    policy: &Policy,
    clients: u64,
    (scene, arm): (&Scene, &ArmRecord),
    is_measured: bool,
) -> Case {
    let away_s = record.median(arm, AWAY).unwrap_or(0.0);
    let course = simulate(&Storm {
        clients,
        policy: *policy,
        seed: costs.seed,
        // To notice a loss is about what it is to close a connection: a third of an attempt, which opens and closes one.
        notice_ns: costs.attempt_ns / 3.0,
        attempt_ns: costs.attempt_ns,
        login_ns: costs.login_ns,
        places: PLACES * u64::from(scene.tables()),
        patience_ns: scene.patience.as_nanos() as u64,
        away_ns: (away_s * SECOND_NS) as u64,
        watched_ns: (WATCHED_S * SECOND_NS) as u64,
        load_before: 0.0,
    });
    let measured = |figure| record.median(arm, figure).filter(|_| is_measured);
    let foretold = [
        course.most_served_ns.map(|at_ns| at_ns as f64 / SECOND_NS),
        Some(course.attempts_per_client),
        Some(course.syns_per_s_max),
    ];
    Case {
        arm: name.to_owned(),
        clients,
        foretold: foretold.to_vec(),
        measured: [MOST, ATTEMPTS, SYNS].map(measured).to_vec(),
    }
}

/// Whether the storm of the costly logins ends, by load before the fault and policy, with the costs of the first arm.
fn diagram(record: &Record) -> Option<Diagram> {
    let first = record.remedies.first()?;
    let [attempt_us, login_us, away_s] = [ATTEMPT_US, LOGIN_US, AWAY].map(|figure| record.median(first, figure));
    let (attempt_us, login_us, away_s) = (attempt_us?, login_us?, away_s?);
    let scene = Scene::costly();
    let cell = |policy: &Policy, load_percent: u32| {
        let course = simulate(&Storm {
            clients: u64::from(scene.clients),
            policy: *policy,
            seed: record.head.seed,
            notice_ns: attempt_us * 1e3 / 3.0,
            attempt_ns: attempt_us * 1e3,
            login_ns: login_us * 1e3,
            places: PLACES,
            patience_ns: scene.patience.as_nanos() as u64,
            away_ns: (away_s * SECOND_NS) as u64,
            watched_ns: (STUCK_S * SECOND_NS) as u64,
            load_before: f64::from(load_percent) / 100.0,
        });
        match course.most_served_ns {
            Some(at_ns) => format!("{:.1} s", at_ns as f64 / SECOND_NS),
            None => format!("stuck, {:.0} %", 100.0 * course.served),
        }
    };
    let row = |(name, text): &(&str, &str)| {
        let policy: Policy = text.parse().ok()?;
        Some((*name).to_owned()).map(|name| (name, LOADS_PERCENT.iter().map(|load| cell(&policy, *load)).collect()))
    };
    Some(Diagram {
        title: format!(
            "Does the storm of costly logins end? By policy, and by the share of the server's time that its clients took before: when \
             99 % are served, or how many are after {STUCK_S:.0} s"
        ),
        columns: LOADS_PERCENT.iter().map(|load| format!("{load} %")).collect(),
        rows: POLICIES.iter().map(row).collect::<Option<_>>()?,
    })
}
