//! How the generator does its I/O.

use serde::{Deserialize, Serialize};

/// How the generator does its I/O.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Readiness: edge-triggered epoll, registered once per connection.
    #[default]
    Epoll,
    /// Completions: multishot receives into provided buffers, direct descriptors, one enter a turn.
    IoUring,
    /// TCP in user space over a TUN device: the kernel holds the server's side only. Needs a network
    /// namespace of its own with the server in it.
    Tun,
}

impl Engine {
    /// The name in flags and records.
    pub const fn name(self) -> &'static str {
        match self {
            Engine::Epoll => "epoll",
            Engine::IoUring => "io_uring",
            Engine::Tun => "tun",
        }
    }
}
