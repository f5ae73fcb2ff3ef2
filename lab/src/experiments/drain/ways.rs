//! The ways to replace a server, and the arms that take them.

use crate::kinds::scenario::remedies::arm::Arm;
use crate::session::host::Order;
use crate::session::request::Profile;
use crate::session::side::Side;

/// What is done to replace a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It ends in order, and then the next starts.
    Stop,
    /// The same, and it is told twice.
    StopTwice,
    /// The same, while somebody keeps the sockets and passes them to each.
    Pass,
    /// It is killed, and then the next starts.
    Kill,
    /// The next starts, takes over, and it ends by itself.
    HandOver,
    /// The next starts beside it, and then it ends in order.
    Beside,
    /// It is told to replace itself: to read its configuration again, for new workers, or to start its program anew.
    Reload(Order),
}

/// The arm that does nothing about it.
pub(super) const STOP: &str = "stop and start";
/// The group of arms in which a client does not let the server end.
pub(super) const STUCK: &str = "With a client that does not read";

/// The group of those that nobody should use, for what an end in order is worth.
const CRUDE: &str = "Without an end in order";

const TWICE: &str = "second signal";
const TIMEOUT: &str = "drain timeout";
const PASSED: &str = "passed sockets";
const KILL: &str = "kill and start";
/// Whether the new process takes the sockets over.
pub(super) const HAND_OVER: &str = "hand over, ";

pub(super) const NGINX: &str = "nginx";
/// Its program is started anew, not its workers only.
pub(super) const UPGRADE: &str = "nginx upgrade";
const HAPROXY: &str = "haproxy";
const MIGRATE: &str = "net.ipv4.tcp_migrate_req";

pub(super) fn way(arm: &Arm) -> Way {
    match (arm.name, arm.program) {
        (UPGRADE, _) => Way::Reload(Order::User2),
        (_, Some(NGINX)) => Way::Reload(Order::HangUp),
        (_, Some(_)) => Way::Reload(Order::User2),
        (KILL, _) => Way::Kill,
        (TWICE, _) => Way::StopTwice,
        (PASSED, _) => Way::Pass,
        _ if arm.serve.contains("--handover") => Way::HandOver,
        _ if arm.serve.contains("--share-port") => Way::Beside,
        _ => Way::Stop,
    }
}

pub(super) fn arms(profile: Profile) -> Vec<Arm> {
    let is_full = profile == Profile::Full;
    let long = |quick, full| if is_full { full } else { quick };
    let arm = |name, what, serve| Arm { serve, stretch: long(1, 3), ..Arm::named(name, what) };
    let over = |name, serve| {
        let what = "the new process takes the listening sockets over (--handover), and the old one drains";
        Arm { stretch: long(1, 8), ..arm(name, what, serve) }
    };
    let share = |name, what, migrate| Arm { settings: migrate, ..arm(name, what, "--share-port") };
    let mut arms = vec![
        Arm {
            stretch: long(1, 5),
            ..arm(STOP, "SIGTERM, and when the old process has drained and ended, the new one starts", "")
        },
        over("hand over, epoll", "--handover {directory}/door"),
        over("hand over, io_uring", "--backend io_uring --handover {directory}/door"),
        arm(
            PASSED,
            "the same as stop and start, but a service manager has bound the socket, keeps it, and passes it to each (LISTEN_FDS)",
            "",
        ),
        share(
            "share the port",
            "the new process binds the same port (SO_REUSEPORT, --share-port), then the old one gets SIGTERM",
            &[(Side::Server, MIGRATE, "0")],
        ),
    ];
    if is_full {
        arms.extend([
            over("hand over, mio", "--backend mio --handover {directory}/door"),
            share(
                "share the port, migrate",
                "the same with net.ipv4.tcp_migrate_req=1 on the server",
                &[(Side::Server, MIGRATE, "1")],
            ),
            Arm { stretch: 5, group: Some(CRUDE), ..arm(KILL, "SIGKILL, and the new process starts", "") },
        ]);
        arms.extend(foreign());
        arms.extend(stuck());
    }
    arms
}

/// Servers of others.
fn foreign() -> [Arm; 3] {
    let arm = |name, program, what| Arm { program: Some(program), stretch: 3, ..Arm::named(name, what) };
    [
        arm("nginx reload", NGINX, "SIGHUP to its master: new workers start, and old ones drain"),
        arm(
            UPGRADE,
            NGINX,
            "SIGUSR2: its master starts the program anew, which inherits the sockets, and gets SIGQUIT when that is there",
        ),
        arm("haproxy reload", HAPROXY, "SIGUSR2 to its master (-W): a new worker gets the sockets, the old one drains"),
    ]
}

/// Stopped and started while clients do not read what they asked for.
fn stuck() -> [Arm; 2] {
    let arm = |name, what, serve| Arm { serve, group: Some(STUCK), ..Arm::named(name, what) };
    [
        arm(
            TIMEOUT,
            "stop and start, while 20 clients do not read 10 MB each: the drain ends with --drain-timeout 1s",
            "--drain-timeout 1s",
        ),
        arm(TWICE, "the same, and a second SIGTERM after 50 ms ends it", "--drain-timeout 1s"),
    ]
}
