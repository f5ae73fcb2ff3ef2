//! A timeline: what is done, to whom and when, as data. Whoever carries it out is in `play`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::session::host::Command;

/// Stands for the host and the port that the server announced, in the arguments of what is started after it.
pub(crate) const SERVER: &str = "{host}:{port}";

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Server,
    /// The load generator.
    Load,
    /// A small load beside the other, which shows how responsive the server stays.
    Probe,
}

impl Role {
    /// In messages.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Role::Server => "the server",
            Role::Load => "the load generator",
            Role::Probe => "the probe",
        }
    }
}

/// One action.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Takes a close look at memory, process by process and slab cache by slab cache.
    Look(Moment),
    /// Starts a process.
    Start { role: Role, command: Command, ready: Ready },
    /// From now on samples are taken. A connection has so many sockets of the kernel here, and so many connections are
    /// wanted; sockets that are there now belong to something else.
    Watch { ends: u64, connections: u64 },
    /// No more samples are taken.
    Unwatch,
    /// Waits for a condition.
    Await { until: Until, within: Duration, or: Or },
    /// Asks a process to end in order (SIGTERM).
    End(Role),
}

/// When a process that was started can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    AtOnce,
    /// When it has printed a line of JSON that names its address.
    Announced,
}

/// When a close look is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Nothing has been started.
    Empty,
    /// The server serves nobody yet.
    Ready,
    /// All connections are established.
    Held,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// TCP sockets of the network namespace.
    Sockets(u64),
    /// All connections of the watch are established, or never will be because the load generator has ended.
    Held,
    /// A process has ended.
    Ended(Role),
    /// The watch has seen the last connection go.
    Gone,
}

/// What follows when a condition is not met in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Or {
    /// The run has failed, for this reason.
    Fail(&'static str),
    /// The timeline goes on, and whoever evaluates it sees what is missing.
    GoOn,
}

/// What is done in one run.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    /// Sockets for which the run gets a network namespace of its own; `None` plays on the host as it is.
    pub(crate) sockets: Option<u64>,
    pub(crate) actions: Vec<Action>,
}

impl Action {
    /// Waits for a condition as long as it takes.
    pub(crate) fn wait(until: Until) -> Action {
        Action::Await { until, within: Duration::MAX, or: Or::GoOn }
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

/// The words of a command, which have no blanks in them.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
