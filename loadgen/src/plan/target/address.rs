//! One place to connect to: a TCP address, or the file of a unix socket.

use rustix::net::{SocketAddrAny, SocketAddrUnix};
use socket2::SockAddr;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Longest path of a unix socket: sockaddr_un has 108 bytes, and the kernel adds a zero (unix(7)).
pub(super) const UNIX_PATH_LEN_MAX: usize = 107;

/// Prints as a server prints the place that it listens at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// Address and port.
    Tcp(SocketAddr),
    /// A path that fits a socket address; checked when the target is read.
    Unix(PathBuf),
}

impl Address {
    /// The address, if it is one of TCP.
    pub(crate) fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Address::Tcp(address) => Some(*address),
            Address::Unix(_) => None,
        }
    }

    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.tcp().map(|address| address.ip())
    }

    pub(crate) fn is_unix(&self) -> bool {
        self.tcp().is_none()
    }

    /// Whether the other end is on this host.
    pub(crate) fn is_here(&self) -> bool {
        self.ip().is_none_or(|address| address.to_canonical().is_loopback())
    }

    /// As the calls of rustix take it.
    pub(crate) fn for_rustix(&self) -> rustix::io::Result<SocketAddrAny> {
        Ok(match self {
            Address::Tcp(address) => (*address).into(),
            Address::Unix(path) => SocketAddrUnix::new(path.as_path())?.into(),
        })
    }

    /// As a ring takes it: by its place in memory.
    pub(crate) fn for_ring(&self) -> std::io::Result<SockAddr> {
        match self {
            Address::Tcp(address) => Ok((*address).into()),
            Address::Unix(path) => SockAddr::unix(path),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(formatter),
            // A path may contain any byte, and this text is shown on terminals.
            Address::Unix(path) => write!(formatter, "unix:{}", path.display().to_string().escape_debug()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_told_apart() {
        let unix = Address::Unix("/run/x.sock".into());
        assert!(unix.is_unix() && unix.is_here());
        assert_eq!(unix.to_string(), "unix:/run/x.sock");
        assert_eq!(Address::Unix("a\u{1b}[2J".into()).to_string(), "unix:a\\u{1b}[2J");
        for (text, is_here) in
            [("127.9.9.9:1", true), ("[::1]:1", true), ("[::ffff:127.0.0.1]:1", true), ("10.0.0.1:1", false)]
        {
            let address = Address::Tcp(text.parse().unwrap());
            assert_eq!((address.to_string().as_str(), address.is_here(), address.is_unix()), (text, is_here, false));
        }
    }
}
