//! A step: a number of connections, held by one variant. Data only.

use server::Variant;
use tuning::plan::Prediction;
use tuning::thousands;

/// Where the clients are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the other end of the kernel's loopback: two sockets per connection.
    Loopback,
    /// In user space, behind a TUN device: only the server's sockets.
    Tun,
}

impl Place {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Place::Loopback => "loopback",
            Place::Tun => "tun",
        }
    }

    /// Kernel sockets per connection.
    pub(crate) fn ends(self) -> u64 {
        match self {
            Place::Loopback => 2,
            Place::Tun => 1,
        }
    }
}

/// One number of connections held by one variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) variant: Variant,
    pub(crate) place: Place,
    pub(crate) connections: u32,
    /// Period in which each connection sends once. The window is as long.
    pub(crate) heartbeat_s: u32,
    /// Whether the load generator uses io_uring instead of epoll. Applies over loopback only.
    pub(crate) ring_clients: bool,
}

impl Step {
    /// The name in tables and journals.
    pub(crate) fn name(&self) -> String {
        let clients = if self.ring_clients { ", clients too" } else { "" };
        format!("{} {} {}{clients}", self.place.word(), thousands(u64::from(self.connections)), self.variant)
    }
}

/// A step that fits this host, and how it is spread.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Planned {
    pub(crate) step: Step,
    pub(crate) reactors: u64,
    pub(crate) workers: u64,
    /// Predicted memory of the idle connections.
    pub(crate) prediction: Prediction,
}
