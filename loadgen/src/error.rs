//! Why a run did not take place. A run that took place always ends in a record, however bad.

use std::io;

/// What went wrong, why, and what mends it.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The options contradict one another or cannot be parsed.
    #[error("{0}")]
    Usage(String),
    /// The plan cannot be carried out on this host, or needs an explicit permission.
    #[error("{0}")]
    Refused(String),
    /// Not one connection could be established.
    #[error("{}", unreachable(address, error))]
    Unreachable {
        /// The address of the target, or the first of several.
        address: String,
        /// Name of the error, as in errno(3).
        error: String,
    },
    /// The target has several addresses, and none answered before the run.
    #[error("no address of the target answers: {0}; is the server running, and does it listen there?")]
    NoneAnswers(String),
    /// A stop ended the run while it tried the target's addresses.
    #[error("interrupted while the addresses of the target were tried: nothing was measured")]
    Interrupted,
    /// The host's memory ran short; all connections are closed again.
    #[error(
        "stopped with {open} of {wanted} connections open: {} MiB of memory are left, less than the reserve of {} MiB; \
         open fewer (`c10m tune plan --connections {wanted}` says what fits), or set --memory-reserve", left >> 20, reserve >> 20
    )]
    OutOfMemory {
        /// Connections open then.
        open: u64,
        /// Connections asked for.
        wanted: u32,
        /// Bytes left.
        left: u64,
        /// Bytes to be kept free.
        reserve: u64,
    },
    /// The engine needs io_uring, which this host does not offer.
    #[error("engine {0}, or use --engine epoll")]
    NoRing(sys::uring::Unavailable),
    /// A system call of the set-up failed.
    #[error("cannot {what}: {source}")]
    Setup {
        /// What was being done.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A worker ended too early: a bug, whose message is on stderr.
    #[error("worker {0} of the load generator died; the message above says where")]
    WorkerDied(usize),
}

impl LoadError {
    /// A system call of the set-up that failed.
    pub(crate) fn setup(what: &'static str, source: impl Into<io::Error>) -> LoadError {
        LoadError::Setup { what, source: source.into() }
    }

    /// The exit code of a program that ends with this error (2 usage, 1 everything else).
    pub fn exit_code(&self) -> u8 {
        match self {
            LoadError::Usage(_) | LoadError::Refused(_) => 2,
            LoadError::Unreachable { .. }
            | LoadError::NoneAnswers(_)
            | LoadError::Interrupted
            | LoadError::NoRing(_)
            | LoadError::OutOfMemory { .. }
            | LoadError::Setup { .. }
            | LoadError::WorkerDied(_) => 1,
        }
    }
}

fn unreachable(address: &str, error: &str) -> String {
    match error {
        "ENOENT" => format!("there is no socket at {address} (ENOENT): is the server running, and is this its path?"),
        "EACCES" if address.starts_with("unix:") => {
            format!("{address} may not be connected to (EACCES): it takes write permission to the socket (`ls -l`)")
        }
        "EAGAIN" if address.starts_with("unix:") => format!(
            "the accept queue of {address} was full all the time (EAGAIN): does the server accept? --connect-timeout sets \
             how long to wait"
        ),
        "EPROTOTYPE" => format!("{address} is no stream socket (EPROTOTYPE), which is what servers listen on"),
        "ECONNREFUSED" => format!("target {address} refused the connection (ECONNREFUSED): is the server running?"),
        "ETIMEDOUT" => format!(
            "target {address} did not answer (ETIMEDOUT): is the address right, and does a firewall drop packets? \
             --connect-timeout sets how long to wait"
        ),
        "EMFILE" => format!("no descriptor left for a connection to {address} (EMFILE): raise `ulimit -n`"),
        "EADDRNOTAVAIL" => format!(
            "no source address or port for {address} (EADDRNOTAVAIL): does the host have the --source addresses \
             (`ip address`), and is net.ipv4.ip_local_port_range wide enough?"
        ),
        other => format!("not one connection to {address} could be established ({other})"),
    }
}
