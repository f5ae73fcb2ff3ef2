//! The question of a plan: how many connections, of what kind, and how they are driven. Only names and
//! choices; computes nothing.

use protocol::Workload;
use serde::Serialize;

/// How the server waits for bytes, as far as it affects the kernel's memory and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Backend {
    /// epoll, either variant.
    #[serde(rename = "epoll")]
    Epoll,
    /// mio, which is epoll underneath.
    #[serde(rename = "mio")]
    Mio,
    /// io_uring with a multishot receive armed on every connection.
    #[serde(rename = "io_uring:multishot")]
    UringMultishot,
    /// io_uring with a multishot poll, and a receive only when there is something.
    #[serde(rename = "io_uring:poll")]
    UringPoll,
}

impl Backend {
    /// Every one, in the order of the help.
    pub const ALL: [Backend; 4] = [Backend::Epoll, Backend::Mio, Backend::UringMultishot, Backend::UringPoll];

    /// The word on the command line: a backend and, after a colon, the variant if it matters.
    pub const fn name(self) -> &'static str {
        match self {
            Backend::Epoll => "epoll",
            Backend::Mio => "mio",
            Backend::UringMultishot => "io_uring:multishot",
            Backend::UringPoll => "io_uring:poll",
        }
    }

    /// The one of this name; `io_uring` alone is the server's default variant.
    pub fn named(name: &str) -> Option<Backend> {
        if name == "io_uring" {
            return Some(Backend::UringMultishot);
        }
        Backend::ALL.into_iter().find(|backend| backend.name() == name)
    }

    /// Whether connections are direct descriptors of a ring instead of descriptors of a process.
    pub const fn is_uring(self) -> bool {
        matches!(self, Backend::UringMultishot | Backend::UringPoll)
    }

    /// Flags of `c10m serve` that choose it.
    pub(crate) const fn flags(self) -> &'static str {
        match self {
            Backend::Epoll => "",
            Backend::Mio => " --backend mio",
            Backend::UringMultishot => " --backend io_uring",
            Backend::UringPoll => " --backend io_uring --variant poll",
        }
    }
}

/// Which ends of the connections this host carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The server's; the clients are elsewhere.
    Server,
    /// Both, over loopback: two kernel sockets a connection.
    Both,
    /// The server's in the kernel, the clients' in user space behind a TUN device.
    Tun,
}

impl Side {
    /// Kernel sockets of this host for each connection.
    pub const fn kernel_ends(self) -> u64 {
        match self {
            Side::Both => 2,
            Side::Server | Side::Tun => 1,
        }
    }

    /// Whether the load generator runs here too.
    pub const fn has_generator(self) -> bool {
        !matches!(self, Side::Server)
    }
}

/// The question a plan answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Connections to be open at the same time.
    pub connections: u64,
    /// What the server speaks.
    pub workload: Workload,
    /// How the server waits.
    pub backend: Backend,
    /// Which ends are on this host.
    pub side: Side,
    /// Whether a load generator on this host with kernel sockets uses io_uring, with a receive armed on each.
    pub ring_clients: bool,
    /// Each connection sends once in this many milliseconds; `None`: all are idle.
    pub heartbeat_ms: Option<u64>,
    /// Event loops of the server, and worker threads of a generator on this host; `None`: the
    /// programs' own choice, one reactor per CPU and one worker.
    pub reactors: Option<u64>,
    /// Available client addresses; `None`: as many as loopback has, or unknown elsewhere.
    pub sources: Option<u64>,
}

/// Connections with both ends on this host, of a server that is not c10m's or need not be. Of such a server no more is
/// known than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Connections to be open at the same time.
    pub connections: u64,
    /// Memory of each: both ends in the kernel, and what server and client keep.
    pub bytes_per_connection: u64,
    /// The most that a reactor or worker of the server takes, however many descriptors it may have.
    pub connections_per_reactor_max: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for backend in Backend::ALL {
            assert_eq!(Backend::named(backend.name()), Some(backend));
            assert_eq!(serde_json::to_value(backend).unwrap(), backend.name());
        }
        assert_eq!(Backend::named("io_uring"), Some(Backend::UringMultishot));
        assert_eq!(Backend::named("kqueue"), None);
    }
}
