//! The host that an experiment acts on: starts processes there, and says what speaks against measuring. What is done
//! with a process is in `process`; [`Local`] is this host, and tests have one that follows a script.
//!
//! A host that is reached by a command (ssh, `ip netns exec`) fits, too: a process is lines, signals and an exit status.
//!
//! [`Local`]: crate::session::local::Local

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::session::places::Places;

/// Where processes are started.
pub(crate) trait Host: Sync {
    /// Starts a process in the network namespace of the calling thread. It must end when that thread does, however
    /// that ends, and carry the mark of this `bench`, by which the next one finds it.
    fn start(&self, command: &Command) -> anyhow::Result<Box<dyn Child>>;

    /// Why no experiment may begin here, and what mends it.
    fn refusal(&self) -> Option<String>;

    /// Looks at the host for a moment: what speaks against a run now, each as a thing to wait for.
    fn disturbances(&self, places: &Places) -> Vec<String>;
}

/// A process on a host. Its standard input is empty.
pub(crate) trait Child: Send {
    /// Its number on the host.
    fn pid(&self) -> u32;

    /// Whether it has not ended yet, without waiting.
    fn is_running(&mut self) -> bool;

    /// Waits until it has written something or closed its output; whether it has within `wait_max`.
    fn wait_for_output(&mut self, wait_max: Duration) -> io::Result<bool>;

    /// The next line of its output with the line feed, if it has one; empty at the end.
    fn read_line(&mut self) -> io::Result<String>;

    /// The rest of its output, to the end.
    fn read_rest(&mut self) -> io::Result<String>;

    /// What it wrote to stderr, to the end.
    fn read_complaint(&mut self) -> io::Result<String>;

    /// Sends it a signal. One that has ended gets none, which is no error.
    fn signal(&mut self, signal: EndSignal);

    /// Waits for its end, without taking its account away, and reads the CPU time of its whole life.
    fn cpu_us(&mut self) -> anyhow::Result<u64>;

    /// Waits for its end.
    fn wait(&mut self) -> io::Result<ExitStatus>;
}

/// A signal that ends a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndSignal {
    /// SIGTERM: it ends in order, and takes its workers with it.
    Terminate,
    /// SIGKILL: it ends at once.
    Kill,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    /// This one.
    Own,
    /// Another one: a file, or a name to be looked up in PATH.
    Other(PathBuf),
}

/// What is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) program: Program,
    pub(crate) arguments: Vec<String>,
    /// The CPUs it may use; where there are none, those of the calling thread.
    pub(crate) cpus: Vec<usize>,
    /// The directory it works in, as the leader of a process group of its own.
    pub(crate) directory: Option<PathBuf>,
    /// What it is sent when the thread that started it ends.
    pub(crate) end_signal: EndSignal,
    /// What errors call it.
    pub(crate) what: String,
}

impl Command {
    /// This program again. It is killed when the thread that started it ends: it has nothing to put in order, and a
    /// drain would take its time.
    pub(crate) fn own(arguments: &[String]) -> Command {
        Command {
            program: Program::Own,
            arguments: arguments.into(),
            cpus: vec![],
            directory: None,
            end_signal: EndSignal::Kill,
            what: format!("c10m {}", arguments.join(" ")),
        }
    }

    /// Somebody else's program. It is sent SIGTERM when the thread that started it ends: nginx and lighttpd take their
    /// workers with them on that.
    pub(crate) fn other(program: impl Into<PathBuf>, arguments: &[String], what: &str) -> Command {
        Command {
            program: Program::Other(program.into()),
            arguments: arguments.into(),
            cpus: vec![],
            directory: None,
            end_signal: EndSignal::Terminate,
            what: what.to_owned(),
        }
    }
}
