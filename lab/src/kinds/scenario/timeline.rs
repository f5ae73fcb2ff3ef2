//! A timeline as data: which action is done to whom, and when. `play` carries it out.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::session::host::{Command, Order};
use crate::session::side::Side;
use crate::session::wire::Wire;

/// A placeholder in the arguments of later commands, for the host and port that the server announced.
pub(crate) const SERVER: &str = "{host}:{port}";

/// A placeholder in arguments and texts, for the directory of the run.
pub(crate) const DIRECTORY: &str = "{directory}";

/// A role in a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Server,
    /// Another server, for a part of the work.
    SecondServer,
    /// The load generator.
    Load,
    /// A small load beside the main one. It shows how responsive the server stays.
    Probe,
    /// Clients that are slow on purpose, beside the main load.
    Slow,
    /// A small load after the main one. It shows whether the server has recovered.
    Latecomer,
}

impl Role {
    /// The word for it in messages.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Role::Server => "the server",
            Role::SecondServer => "the second server",
            Role::Load => "the load generator",
            Role::Probe => "the probe",
            Role::Slow => "the crowd of slow clients",
            Role::Latecomer => "the latecomer",
        }
    }

    /// On which of two joined hosts it runs.
    pub(crate) fn side(self) -> Side {
        match self {
            Role::Server | Role::SecondServer => Side::Server,
            Role::Load | Role::Probe | Role::Slow | Role::Latecomer => Side::Client,
        }
    }
}

/// One action.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Takes a close look at memory, by process and by slab cache.
    Look(Moment),
    /// Starts a process.
    Start { role: Role, command: Command, ready: Ready },
    /// Starts to take samples. `ends` is the number of kernel sockets per connection on this host, `connections` how
    /// many are wanted. Sockets that exist already belong to something else.
    Watch { ends: u64, connections: u64 },
    /// Stops taking samples.
    Unwatch,
    /// Waits for a condition.
    Await { until: Until, within: Duration, or: Or },
    /// Asks a process to end in order (SIGTERM).
    End(Role),
    /// Ends a process at once (SIGKILL). It may be started again.
    Kill(Role),
    /// Lets a process rest (SIGSTOP) or go on (SIGCONT), or replace its workers (SIGHUP, SIGUSR2).
    Tell(Role, Order),
    /// Runs a program on one of two joined hosts to its end; it has to succeed.
    Run { side: Side, command: Command },
    /// Takes one end of the cable between two joined hosts down, or up again.
    Cable { side: Side, up: bool },
    /// Lets the process end that was started before the last one of its role: that has taken its place.
    Retire { role: Role, how: Retire },
    /// Writes a file in the directory of the run.
    Write { file: &'static str, text: String },
    /// Listens on the server's of two joined hosts, as a service manager does. Servers that start from now on get the socket,
    /// and it stays when they end.
    Listen(SocketAddr),
    /// A process of a role may end with this code, too.
    Allow(Role, i32),
    /// Changes a setting (sysctl(8)) of one of two joined hosts.
    Set { side: Side, name: &'static str, value: String },
    /// Starts to count on both of two joined hosts.
    Observe,
    /// Notes the time of what happens next, under a name, and what CPU time the server has taken.
    Mark(&'static str),
}

/// How a process ends whose place another has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retire {
    /// Nobody need ask it.
    ByItself,
    /// By SIGTERM.
    Asked,
}

/// When a started process can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    AtOnce,
    /// When it has printed a line of JSON with its address.
    Announced,
}

/// When a close look is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Nothing has started.
    Empty,
    /// The server is ready and has no connections yet.
    Ready,
    /// All connections are established.
    Held,
}

/// A condition to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// TCP sockets in use in the network namespace.
    Sockets(u64),
    /// All connections of the watch are established, or the load generator has ended and they never will be.
    Held,
    /// A process has ended.
    Ended(Role),
    /// All processes of a role have ended but the last one.
    Retired(Role),
    /// The watch has seen the last connection go.
    Gone,
    /// So many connections are established on the server's of two joined hosts, as the last observation saw it.
    Established(u64),
    /// Nothing to wait for but the time.
    Time,
}

/// What happens when a condition is not met in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Or {
    /// The run fails, for this reason.
    Fail(&'static str),
    /// The timeline continues, and the evaluation sees what is missing.
    GoOn,
}

/// Where a run takes place. `sockets` is how many the tables of connections are made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Ground {
    /// In the network namespace of this program.
    Here,
    /// In a namespace of its own.
    Namespace { sockets: u64 },
    /// On two hosts of its own, joined by a cable; the client's has so many addresses. With a wire the cable is long or bad.
    Joined { sockets: u64, addresses: u8, wire: Option<Wire> },
}

/// What one run does.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    pub(crate) ground: Ground,
    /// Settings of the whole host, which are restored at the end.
    pub(crate) lent: Vec<(&'static str, &'static str)>,
    pub(crate) actions: Vec<Action>,
}

impl Action {
    /// Waits for a condition as long as it takes.
    pub(crate) fn wait(until: Until) -> Action {
        Action::Await { until, within: Duration::MAX, or: Or::GoOn }
    }

    /// Lets time pass.
    pub(crate) fn rest(within: Duration) -> Action {
        Action::Await { until: Until::Time, within, or: Or::GoOn }
    }
}

/// What the subjects are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    Opening,
    Holding,
    Closing,
}

/// Splits a command into words; the words contain no blanks.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
