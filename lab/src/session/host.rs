//! The host that an experiment runs on: starts processes and says what speaks against measuring now. What is done
//! with a process is in `process`; [`Local`] is this host, and tests have one that follows a script.
//!
//! A host that is reached through a command (ssh, `ip netns exec`) can implement it, too: a process is lines, signals
//! and an exit status.
//!
//! [`Local`]: crate::session::local::Local

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::session::places::Places;

/// Where processes are started.
pub(crate) trait Host: Sync {
    /// Starts a process in the network namespace of the calling thread. The process must end when that thread ends, for
    /// whatever reason, and carry the mark of this `bench`, so that the next one finds what is left.
    fn start(&self, command: &Command) -> anyhow::Result<Box<dyn Child>>;

    /// Why no experiment may begin here, and what mends it.
    fn refusal(&self) -> Option<String>;

    /// Looks at the host for a moment. Returns what speaks against a run now, each as a thing to wait for.
    fn disturbances(&self, places: &Places) -> Vec<String>;
}

/// A process on a host. Its standard input is empty.
pub(crate) trait Child: Send {
    /// Its number on the host.
    fn pid(&self) -> u32;

    /// Whether it still runs. Does not wait.
    fn is_running(&mut self) -> bool;

    /// Waits at most `wait_max` for it to write something or close its output. Returns whether it did.
    fn wait_for_output(&mut self, wait_max: Duration) -> io::Result<bool>;

    /// The next line of its output with the line feed, if it has one; empty at the end.
    fn read_line(&mut self) -> io::Result<String>;

    /// The rest of its output, to the end.
    fn read_rest(&mut self) -> io::Result<String>;

    /// What it wrote to stderr, to the end.
    fn read_complaint(&mut self) -> io::Result<String>;

    /// Sends it a signal, unless it has ended.
    fn signal(&mut self, signal: EndSignal);

    /// Waits for its end and reads the CPU time of its whole life. To be called before `wait`, which takes that away.
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
    /// The signal it gets when the thread that started it ends.
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
