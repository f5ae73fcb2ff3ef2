//! Where a server listens: a TCP address, or the path of a unix socket. Opens nothing.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// One place to listen at. Prints as on the command line: `127.0.0.1:8080`, `unix:/tmp/c10m.sock`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Address and port; port 0 lets the kernel choose one, the same for every reactor.
    Tcp(SocketAddr),
    /// The path of a unix socket, which is created at the start and removed at the end.
    Unix(PathBuf),
}

impl Endpoint {
    /// The address, if it is a TCP address.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Endpoint::Tcp(address) => Some(*address),
            Endpoint::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Endpoint::Tcp(address)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(address) => address.fmt(formatter),
            Endpoint::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}
