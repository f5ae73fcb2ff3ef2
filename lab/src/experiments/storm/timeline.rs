//! What happens in a run of a storm, action by action.

use std::time::Duration;

use super::faults;
use super::scenes::{PORTS, Scene};
use crate::kinds::scenario::plan::Run;
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::timeline::{Action, Or, Ready, Role, Until, words};
use crate::session::host::Command;
use crate::session::namespace::{SERVER, clients};
use crate::session::side::Side;

/// The server is ready, and then all clients are connected.
pub(super) const READY: &str = "ready";
pub(super) const HELD: &str = "held";
/// All clients have logged in, and nothing is wrong yet.
pub(super) const CALM: &str = "calm";
/// How long nothing goes wrong then: what heartbeats cost the server is measured. The quick profile has no model that asks.
const BEATS: Duration = Duration::from_millis(500);
/// Longer than any ramp.
const RAMP_MAX: Duration = Duration::from_secs(60);

/// The measured part of a run, of which so many seconds are after the server's return.
pub(super) fn window(arm: &Arm, seconds: u32) -> Duration {
    let scene = Scene::of(arm);
    scene.logins + beats(arm) + scene.killing + scene.away + Duration::from_secs(u64::from(seconds * arm.stretch))
}

fn beats(arm: &Arm) -> Duration {
    if arm.stretch > 1 { BEATS } else { Duration::ZERO }
}

pub(super) fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    let scene = Scene::of(arm);
    let (served, scheme) = scene.workload;
    let sources: Vec<String> = clients(arm.addresses).map(|address| address.to_string()).collect();
    let hello_cost = if scene.login.is_zero() { String::new() } else { format!("--hello-cost {:?}", scene.login) };
    let server = format!(
        "serve {served} --listen {SERVER}:7000 --reactors {} --cpus {} --drain-timeout 5s {hello_cost} --json {}",
        scene.tables(),
        run.places.server,
        arm.serve
    );
    let load = format!(
        "load {scheme}://{SERVER}:7000 --allow-private --connections {} --threads {} --cpus {} --heartbeat {:?} --duration {}ms --warmup 0s \
         --interval 100ms --spin 0s --timeout {:?} --source {} --seed {} --reconnect {} --json",
        scene.clients,
        scene.tables(),
        run.places.client,
        scene.heartbeat,
        window(arm, run.seconds).as_millis(),
        scene.patience,
        sources.join(","),
        run.seed,
        arm.load
    );
    let start = |role, ready, line: &str| Action::Start { role, command: Command::own(&words(line)), ready };
    let ports = format!("{} {}", PORTS.start(), PORTS.end());
    let mut actions = vec![Action::Set { side: Side::Client, name: "net.ipv4.ip_local_port_range", value: ports }];
    let set = |(side, name, value): &(Side, &'static str, &str)| Action::Set {
        side: *side,
        name,
        value: (*value).to_owned(),
    };
    actions.extend(arm.settings.iter().map(set));
    actions.extend([
        start(Role::Server, Ready::Announced, &server),
        Action::Observe,
        Action::Mark(READY),
        start(Role::Load, Ready::AtOnce, &load),
        Action::Await {
            until: Until::Established(u64::from(scene.clients)),
            within: RAMP_MAX,
            or: Or::Fail("not all clients have connected"),
        },
        Action::Mark(HELD),
        Action::rest(scene.logins),
        Action::Mark(CALM),
        Action::rest(beats(arm)),
    ]);
    if run.fault {
        actions.extend(faults::of(arm, scene.away, start(Role::Server, Ready::Announced, &server)));
    }
    actions.extend([Action::wait(Until::Ended(Role::Load)), Action::End(Role::Server)]);
    actions
}
