//! The host that an experiment runs on: starts processes, and says what speaks against measuring now. `process` works
//! with the processes. [`Local`] is this host; tests use one that follows a script.
//!
//! A host behind a command (ssh, `ip netns exec`) can implement it, too: a process is lines, signals and an exit
//! status.
//!
//! [`Local`]: crate::session::local::Local

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use crate::session::places::Places;

/// Where processes are started.
pub(crate) trait Host: Sync {
    /// Starts a process in the network namespace of the calling thread. The process must end when that thread ends,
    /// for whatever reason. It must carry the mark of this `bench`, so that the next `bench` finds leftovers.
    fn start(&self, command: &Command) -> anyhow::Result<Box<dyn Child>>;

    /// Why no experiment may begin here, and what mends it.
    fn refusal(&self) -> Option<String>;

    /// Observes the host for a moment. Returns the reasons against a run now, each as something to wait for.
    fn disturbances(&self, places: &Places) -> Vec<String>;
}

/// A process on a host. Its stdin is empty.
pub(crate) trait Child: Send {
    /// The process id on the host.
    fn pid(&self) -> u32;

    /// Whether it still runs. Returns at once.
    fn is_running(&mut self) -> bool;

    /// Waits at most `wait_max` until it writes something or closes its output. Returns whether it did.
    fn wait_for_output(&mut self, wait_max: Duration) -> io::Result<bool>;

    /// The next line of its output, including the line feed if there is one. Empty at the end.
    fn read_line(&mut self) -> io::Result<String>;

    /// The rest of its output, to the end.
    fn read_rest(&mut self) -> io::Result<String>;

    /// What it wrote to stderr, to the end.
    fn read_complaint(&mut self) -> io::Result<String>;

    /// Sends it a signal, unless it has ended.
    fn signal(&mut self, signal: Order);

    /// Waits for its end and reads the CPU time of its whole life. Call it before `wait`, which discards that time.
    fn cpu_us(&mut self) -> anyhow::Result<u64>;

    /// Waits for its end.
    fn wait(&mut self) -> io::Result<ExitStatus>;
}

/// What a process is told by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// SIGTERM: the process ends in order, and ends its workers.
    Terminate,
    /// SIGKILL: the process ends at once.
    Kill,
    /// SIGSTOP: the process gets no CPU, and keeps all it has.
    Stop,
    /// SIGCONT: it goes on.
    Continue,
    /// SIGHUP: nginx reads its configuration again and replaces its workers.
    HangUp,
    /// SIGUSR2: haproxy's master does.
    User2,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    /// This program.
    Own,
    /// Another program: a file, or a name to look up in PATH.
    Other(PathBuf),
}

/// A socket that this program keeps, and passes to processes. The same one is equal to itself.
#[derive(Debug, Clone)]
pub(crate) struct Passed(pub(crate) Arc<TcpListener>);

impl PartialEq for Passed {
    fn eq(&self, other: &Passed) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Passed {}

/// How to start a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) program: Program,
    pub(crate) arguments: Vec<String>,
    /// The CPUs it may use; empty means those of the calling thread.
    pub(crate) cpus: Vec<usize>,
    /// Most descriptors that each of its tables may have; absent: as many as this program's.
    pub(crate) descriptors_max: Option<u64>,
    /// How many of these it has while it does not raise its limit itself; absent: all of them.
    pub(crate) descriptors_soft: Option<u64>,
    /// A listening socket that it gets as a service manager would pass it (LISTEN_FDS).
    pub(crate) passed: Option<Passed>,
    /// Its working directory. If set, the process also leads its own process group.
    pub(crate) directory: Option<PathBuf>,
    /// The signal it gets when the thread that started it ends.
    pub(crate) end_signal: Order,
    /// Its name in error messages.
    pub(crate) what: String,
}

impl Command {
    /// This program again. It gets SIGKILL when the thread that started it ends: it has nothing to clean up, and a
    /// drain would take time.
    pub(crate) fn own(arguments: &[String]) -> Command {
        Command {
            program: Program::Own,
            arguments: arguments.into(),
            cpus: vec![],
            descriptors_max: None,
            descriptors_soft: None,
            passed: None,
            directory: None,
            end_signal: Order::Kill,
            what: format!("c10m {}", arguments.join(" ")),
        }
    }

    /// Somebody else's program. It gets SIGTERM when the thread that started it ends, because nginx and lighttpd then
    /// end their workers, too.
    pub(crate) fn other(program: impl Into<PathBuf>, arguments: &[String], what: &str) -> Command {
        Command {
            program: Program::Other(program.into()),
            arguments: arguments.into(),
            cpus: vec![],
            descriptors_max: None,
            descriptors_soft: None,
            passed: None,
            directory: None,
            end_signal: Order::Terminate,
            what: what.to_owned(),
        }
    }
}
