//! How clients lose their server, and get it back: each fault as actions.

use std::time::Duration;

use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::timeline::{Action, Role, Until, words};
use crate::session::host::{Command, Order};
use crate::session::side::Side;

pub(super) const LOST: &str = "lost";
pub(super) const BACK: &str = "back";

pub(super) const CLOSED: &str = "port closed";
pub(super) const FIN: &str = "ended in order";
pub(super) const RESET: &str = "reset";
pub(super) const PAUSED: &str = "stopped";
pub(super) const DOWN: &str = "cable down";
pub(super) const DROPPED: &str = "packets dropped";
pub(super) const HOST: &str = "host lost, 100k";

/// Drops every packet to the host, for nft(8).
pub(super) const DROP: &str =
    "add table ip storm; add chain ip storm everything { type filter hook input priority 0; policy drop; }";

/// The same, and every packet from it: nobody hears that its server is gone.
pub(super) fn lose() -> String {
    format!("{DROP}; add chain ip storm sent {{ type filter hook output priority 0; policy drop; }}")
}

const RESTORE: &str = "delete table ip storm";

/// How long faults last that end by themselves.
const LASTS: Duration = Duration::from_secs(2);

/// The fault of an arm. `again` starts the server that was away for `away`.
pub(super) fn of(arm: &Arm, away: Duration, again: Action) -> Vec<Action> {
    let nft = |rules: &str| run("nft", &[rules.to_owned()]);
    let mut actions = vec![Action::Mark(LOST)];
    match arm.name {
        FIN => actions.extend([Action::End(Role::Server), Action::wait(Until::Ended(Role::Server)), again]),
        RESET => actions.push(run("ss", &words("--kill --tcp --no-header state established sport = :7000"))),
        PAUSED => {
            let tell = |order| Action::Tell(Role::Server, order);
            actions.extend([tell(Order::Stop), Action::rest(LASTS), tell(Order::Continue)]);
        }
        DOWN => {
            let cable = |up| Action::Cable { side: Side::Server, up };
            actions.extend([cable(false), Action::rest(LASTS), cable(true)]);
        }
        DROPPED => actions.extend([nft(DROP), Action::rest(LASTS), nft(RESTORE)]),
        HOST => {
            actions.extend([nft(&lose()), Action::Kill(Role::Server), Action::rest(away), again, nft(RESTORE)]);
        }
        _ => actions.extend([Action::Kill(Role::Server), Action::rest(away), again]),
    }
    actions.push(Action::Mark(BACK));
    actions
}

/// On the server's host.
fn run(program: &'static str, arguments: &[String]) -> Action {
    Action::Run { side: Side::Server, command: Command::other(program, arguments, program) }
}
