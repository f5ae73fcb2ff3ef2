//! What most workloads do: settings, a server, a load, the end of both.

use crate::kinds::scenario::plan::Run;
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::scene::Scene;
use crate::kinds::scenario::timeline::{Action, Ready, Role, Until, words};
use crate::kinds::scenario::trials::table::Trial;
use crate::session::host::Command;
use crate::session::namespace::{SERVER, clients};
use crate::session::side::Side;

/// A value of a setting on both hosts, or on one of them.
macro_rules! trial {
    ($setting:expr, $value:expr, both) => {
        trial!($setting, $value, "on both hosts", &[(Side::Server, $setting, $value), (Side::Client, $setting, $value)])
    };
    ($setting:expr, $value:expr, $what:expr, $settings:expr) => {
        Trial::of($setting, $value, Arm { settings: $settings, ..Arm::named($value, $what) })
    };
}

/// A value of a setting of the whole host.
pub(super) fn of_host(setting: &'static str, words: &'static str, value: &'static str) -> Trial {
    Trial { host: Some((setting, value)), ..Trial::of(setting, words, Arm::named(words, "on the whole host")) }
}

pub(super) use trial;

/// Sets the settings of an arm; on its own hosts, before anything starts.
pub(super) fn settings(arm: &Arm) -> Vec<Action> {
    let set = |(side, name, value): &(Side, &'static str, &str)| Action::Set {
        side: *side,
        name,
        value: (*value).to_owned(),
    };
    arm.settings.iter().map(set).collect()
}

/// The server of an arm, with `more` arguments. What follows is observed.
pub(super) fn server(arm: &Arm, run: &Run<'_>, more: &str) -> [Action; 2] {
    server_of(arm, run, 1, more)
}

/// The same with more reactors.
pub(super) fn server_of(arm: &Arm, run: &Run<'_>, reactors: u32, more: &str) -> [Action; 2] {
    let line = format!(
        "serve http --listen {SERVER}:7000 --reactors {reactors} --cpus {} --json {more} {}",
        run.places.server, arm.serve
    );
    [
        Action::Start { role: Role::Server, command: Command::own(&words(&line)), ready: Ready::Announced },
        Action::Observe,
    ]
}

/// The addresses of the clients' host.
pub(super) fn sources(arm: &Arm) -> String {
    clients(arm.addresses).map(|address| address.to_string()).collect::<Vec<_>>().join(",")
}

/// The load of an arm, with `more` arguments.
pub(super) fn load(arm: &Arm, run: &Run<'_>, path: &str, more: &str) -> Action {
    let line = format!(
        "load http://{SERVER}:7000{path} --allow-private --threads 1 --cpus {} --source {} --seed {} --json {more} {}",
        run.places.client,
        sources(arm),
        run.seed,
        arm.load
    );
    Action::Start { role: Role::Load, command: Command::own(&words(&line)), ready: Ready::AtOnce }
}

/// The end of the load, then of the server.
pub(super) fn end() -> [Action; 2] {
    [Action::wait(Until::Ended(Role::Load)), Action::End(Role::Server)]
}

/// A server and a load, from beginning to end.
pub(super) fn plain(arm: &Arm, run: &Run<'_>, path: &str, more: &str) -> Vec<Action> {
    let mut actions = settings(arm);
    actions.extend(server(arm, run, ""));
    actions.push(load(arm, run, path, more));
    actions.extend(end());
    actions
}

/// Replies in the window.
pub(super) fn completed(scene: &Scene<'_>) -> Option<f64> {
    Some(scene.load.requests.completed as f64).filter(|count| *count > 0.0)
}
