//! Why a server cannot start, in words that name the cause and what mends it.

use std::collections::TryReserveError;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

use crate::balance::Balance;

/// A wrong set-up. The program prints it and exits with 1.
#[derive(Debug, Error)]
pub enum Unavailable {
    /// The address is taken.
    #[error("cannot listen on {0}: the address is in use; find its owner with `ss -ltnp 'sport = :{port}'`, or choose another port", port = .0.port())]
    AddressInUse(SocketAddr),
    /// The port needs a capability.
    #[error(
        "cannot listen on {0}: the port is below net.ipv4.ip_unprivileged_port_start and needs CAP_NET_BIND_SERVICE; run `setcap cap_net_bind_service+ep \"$(command -v c10m)\"` or `sysctl -w net.ipv4.ip_unprivileged_port_start={port}`, or choose a port from 1024 on",
        port = .0.port()
    )]
    PrivilegedPort(SocketAddr),
    /// The path of a unix socket cannot be had.
    #[error("cannot listen on unix:{}: {cause}; {fix}", path.display())]
    UnixSocket {
        /// What was asked for.
        path: PathBuf,
        /// What stands in the way.
        cause: String,
        /// What mends it.
        fix: String,
    },
    /// The address cannot be bound.
    #[error(
        "cannot listen on {address}: {error}; choose an address of this host (`ip address`) and a port the user may bind"
    )]
    Address {
        /// What was asked for.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
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
        /// What was asked for.
        balance: Balance,
        /// What is missing.
        cause: String,
        /// What mends it.
        fix: &'static str,
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
    /// A CPU does not exist or is not allowed.
    #[error("cannot pin a reactor to CPU {cpu}: this process may use {allowed:?}; choose from these with --cpus")]
    Cpu {
        /// What was asked for.
        cpu: usize,
        /// What is allowed.
        allowed: Vec<usize>,
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
    /// For `map_err`: names what was tried.
    pub(crate) fn kernel<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Unavailable {
        move |error| Unavailable::Kernel { what, error: error.into() }
    }

    /// A reactor that ended before its time, with what it said.
    pub(crate) fn reactor(index: usize, error: Option<String>) -> Unavailable {
        Unavailable::Reactor { index, error: error.unwrap_or_else(|| "it ended without an error".into()) }
    }

    /// Names the address that could not be bound.
    pub(crate) fn address(address: SocketAddr) -> impl FnOnce(io::Error) -> Unavailable {
        move |error| match error.kind() {
            io::ErrorKind::AddrInUse => Unavailable::AddressInUse(address),
            // ip(7): of bind(2) only a port below ip_unprivileged_port_start says so.
            io::ErrorKind::PermissionDenied if address.port() != 0 => Unavailable::PrivilegedPort(address),
            _ => Unavailable::Address { address, error },
        }
    }
}
