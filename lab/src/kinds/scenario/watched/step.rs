//! A step: so many connections, held by one variant. Data only.

use server::Variant;
use tuning::plan::Prediction;
use tuning::thousands;

/// Where the clients are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the other end of the kernel's loopback: two sockets a connection.
    Loopback,
    /// In user space, behind a TUN device: the server's sockets only.
    Tun,
}

impl Place {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Place::Loopback => "loopback",
            Place::Tun => "tun",
        }
    }

    /// Sockets of the kernel for each connection.
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
    /// Each connection sends once in this time; so long is the window, too.
    pub(crate) heartbeat_s: u32,
    /// Over loopback, whether the load generator uses io_uring instead of epoll.
    pub(crate) ring_clients: bool,
}

impl Step {
    /// The name in tables and journals.
    pub(crate) fn name(&self) -> String {
        let clients = if self.ring_clients { ", clients too" } else { "" };
        format!("{} {} {}{clients}", self.place.word(), thousands(u64::from(self.connections)), self.variant)
    }
}

/// A step that fits, and over what it is spread.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Planned {
    pub(crate) step: Step,
    pub(crate) reactors: u64,
    pub(crate) workers: u64,
    /// Memory of the connections while nothing is under way.
    pub(crate) prediction: Prediction,
}
