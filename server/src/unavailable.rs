//! Why a server cannot start, in words that name the cause and what mends it.

use std::collections::TryReserveError;
use std::env;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

use crate::options::Balance;

/// A wrong set-up. The program prints it and exits with 1.
#[derive(Debug, Error)]
pub enum Unavailable {
    /// The address is taken.
    #[error("cannot listen on {0}: the address is in use; find its owner with `ss -ltnp 'sport = :{port}'`, one that does not listen with `ss -tanp 'sport = :{port}'`, or choose another port", port = .0.port())]
    AddressInUse(SocketAddr),
    /// bind(2) returned EACCES: either the port is below net.ipv4.ip_unprivileged_port_start and needs a capability,
    /// or a security module forbids it.
    #[error(
        "cannot listen on {0}: bind(2) failed: permission denied; if the port is below net.ipv4.ip_unprivileged_port_start, run {setcap}, else let the security module of this host allow it",
        setcap = setcap("cap_net_bind_service")
    )]
    BindDenied(SocketAddr),
    /// The path of a unix socket cannot be used.
    #[error("cannot listen on unix:{}: {cause}; {fix}", path.display())]
    UnixSocket {
        /// What was requested.
        path: PathBuf,
        /// The obstacle.
        cause: String,
        /// What mends it.
        fix: String,
    },
    /// The path of a hand-over cannot be used, or whoever is there does not hand over.
    #[error("--handover {}: {cause}; {fix}", path.display())]
    Handover {
        /// What was requested.
        path: PathBuf,
        /// The obstacle.
        cause: String,
        /// What mends it.
        fix: String,
    },
    /// The predecessor's loop and this one's want different things of the sockets that they share.
    #[error(
        "--handover: the predecessor {theirs}, and this one is to {ours}: whether accept waits is a property of the sockets that both share; use {backend}, or end it first",
        theirs = if *is_uring { "runs a loop of readiness" } else { "runs io_uring" },
        ours = if *is_uring { "run io_uring" } else { "run a loop of readiness" },
        backend = if *is_uring { "--backend epoll or mio" } else { "--backend io_uring" }
    )]
    Loop {
        /// Whether this server is of io_uring.
        is_uring: bool,
    },
    /// What LISTEN_FDS announces is not usable.
    #[error(
        "LISTEN_FDS: {cause}; pass listening sockets of TCP or unix streams from descriptor 3 on, as sd_listen_fds(3) says, or unset it"
    )]
    Environment {
        /// What is wrong.
        cause: String,
    },
    /// Nobody can listen on the address.
    #[error("cannot listen on {address}: {call} failed: {error}; {fix}")]
    Address {
        /// What was requested.
        address: SocketAddr,
        /// What was tried.
        call: &'static str,
        /// What the kernel said.
        error: io::Error,
        /// What mends it.
        fix: &'static str,
    },
    /// io_uring is switched off or filtered.
    #[error("backend io_uring is unavailable: {cause}; {fix}, or use --backend epoll")]
    Uring {
        /// What is missing.
        cause: String,
        /// What mends it.
        fix: &'static str,
    },
    /// The kernel does not run the program that chooses a reactor.
    #[error("--balance {balance} is unavailable: {cause}; {fix}, or use --balance hash")]
    Balance {
        /// What was requested.
        balance: Balance,
        /// What is missing.
        cause: String,
        /// What mends it.
        fix: String,
    },
    /// The connection limit does not fit the fd limit.
    #[error(
        "--max-connections {wanted} needs {needed} descriptors in each reactor, but the hard fd limit is {limit}; ask for {fits} and use more --reactors, or raise the limit with `ulimit -Hn {needed}`"
    )]
    Descriptors {
        /// Connections per reactor asked for.
        wanted: u64,
        /// Descriptors that they need.
        needed: u64,
        /// RLIMIT_NOFILE.
        limit: u64,
        /// Connections per reactor that would fit.
        fits: u64,
    },
    /// The fd limit is too low for any service.
    #[error("the hard fd limit is {0}, which leaves nothing for connections; raise it with `ulimit -Hn 1024`")]
    NoDescriptors(u64),
    /// The table of connections does not fit the address space.
    #[error(
        "no memory for a table of {connections} connections in each reactor: {error}; ask for fewer with --max-connections, or raise the limit with `ulimit -v unlimited`"
    )]
    Memory {
        /// Connections per reactor.
        connections: u32,
        /// What could not be reserved.
        error: TryReserveError,
    },
    /// A CPU that does not exist or is not allowed.
    #[error("cannot pin {who} to CPU {cpu}: this process may use {allowed:?}; choose from these with {option}")]
    Cpu {
        /// What was to be pinned.
        who: &'static str,
        /// The option that names CPUs for it.
        option: &'static str,
        /// What was requested.
        cpu: usize,
        /// What is allowed.
        allowed: Vec<usize>,
    },
    /// The file of `--db` is no database that can be used.
    #[error(
        "cannot use the database --db {}: {cause}; name a database of SQLite with a table `items` of keys and values, or a file in a directory that may be written, in which one is made",
        file.display()
    )]
    Database {
        /// The file.
        file: PathBuf,
        /// What SQLite said.
        cause: String,
    },
    /// A reactor that was serving failed before all of them were.
    #[error("reactor {index} failed while others were starting: {error}")]
    Reactor {
        /// Its number.
        index: usize,
        /// What made it fail.
        error: String,
    },
    /// Something else the kernel refused at start-up.
    #[error("{what} failed: {error}")]
    Kernel {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
}

impl Unavailable {
    /// For `map_err`: names the attempted operation.
    pub(crate) fn kernel<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Unavailable {
        move |error| Unavailable::Kernel { what, error: error.into() }
    }

    /// For `map_err`: names whom the kernel did not pin to a CPU, and the option that chooses it.
    pub(crate) fn cpu(who: &'static str, option: &'static str, cpu: usize) -> impl FnOnce(io::Error) -> Unavailable {
        move |error| match error.kind() {
            io::ErrorKind::InvalidInput => {
                Unavailable::Cpu { who, option, cpu, allowed: sys::affinity::allowed_cpus().unwrap_or_default() }
            }
            _ => Unavailable::kernel("sched_setaffinity(2)")(error),
        }
    }

    /// A reactor that ended too early, with its error.
    pub(crate) fn reactor(index: usize, error: Option<String>) -> Unavailable {
        Unavailable::Reactor { index, error: error.unwrap_or_else(|| "it ended without an error".into()) }
    }

    /// Names the address that nobody can listen on.
    pub(crate) fn address(address: SocketAddr) -> impl FnOnce(Failure) -> Unavailable {
        move |Failure { call, error }| {
            let fix = match error.raw_os_error() {
                Some(libc::EADDRINUSE) => return Unavailable::AddressInUse(address),
                // ip(7). A call blocked by seccomp returns EPERM, or whatever error the filter sets.
                Some(libc::EACCES) if call == BIND && address.port() != 0 => return Unavailable::BindDenied(address),
                Some(libc::EPERM | libc::EACCES) => {
                    "let the seccomp profile and the security module of this host allow the call"
                }
                Some(libc::EAFNOSUPPORT) => "choose an address of the other family: this kernel has none of this one",
                Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                    "end what takes so many descriptors or so much memory, or raise the limits"
                }
                _ => "choose an address of this host (`ip address`)",
            };
            Unavailable::Address { address, call, error, fix }
        }
    }
}

/// The one call whose EACCES has a meaning of its own.
pub(crate) const BIND: &str = "bind(2)";

/// A system call that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) call: &'static str,
    pub(crate) error: io::Error,
}

impl Failure {
    /// For `map_err`.
    pub(crate) fn of(call: &'static str) -> impl FnOnce(io::Error) -> Failure {
        move |error| Failure { call, error }
    }
}

/// The command that gives this program a capability. It names the running executable, because a search in PATH may
/// find another one, or none.
pub fn setcap(capability: &str) -> String {
    let program = env::current_exe().map_or_else(|_| "PATH-OF-C10M".into(), |path| path.display().to_string());
    format!("`setcap {capability}+ep '{program}'`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bind_that_is_denied_speaks_of_the_port() {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let text = |call, error| {
            Unavailable::address(address)(Failure { call, error: io::Error::from_raw_os_error(error) }).to_string()
        };
        let denied = text(BIND, libc::EACCES);
        let us = env::current_exe().unwrap().display().to_string();
        assert!(denied.contains("ip_unprivileged_port_start") && denied.contains(&us), "{denied}");
        for (call, error, word) in [
            (BIND, libc::EPERM, "seccomp"),
            ("setsockopt(2)", libc::EACCES, "seccomp"),
            ("socket(2)", libc::EPERM, "seccomp"),
            ("socket(2)", libc::EAFNOSUPPORT, "other family"),
            ("socket(2)", libc::EMFILE, "descriptors"),
            (BIND, libc::EADDRNOTAVAIL, "address of this host"),
        ] {
            let text = text(call, error);
            assert!(text.contains(&format!("{call} failed: ")) && text.contains(word), "{text}");
            assert!(!text.contains("ip_unprivileged_port_start"), "{text}");
        }
        assert!(text("listen(2)", libc::EADDRINUSE).contains("ss -tanp 'sport = :80'"));
    }
}
