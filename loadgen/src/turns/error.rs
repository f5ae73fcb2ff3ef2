//! What can go wrong in a turn. Each error names the server.

use std::io;
use std::net::SocketAddr;

use protocol::client::Fault;

/// Why the turns ended early.
#[derive(Debug, thiserror::Error)]
pub enum TurnsError {
    /// Nothing to do.
    #[error("name at least one server with --target ADDRESS,PID, and at least one connection and one round")]
    Nothing,
    /// The client cannot run where it should.
    #[error("cannot run on CPU {cpu}: {error}")]
    Pin {
        /// The CPU.
        cpu: u32,
        /// Why.
        error: io::Error,
    },
    /// A client has no thread or no descriptors of its own.
    #[error("cannot give each server a client thread with descriptors of its own (Linux 5.9): {0}")]
    Client(io::Error),
    /// A call to the kernel failed.
    #[error("{address}: cannot {what}: {error}")]
    Io {
        /// The server.
        address: SocketAddr,
        /// What was tried.
        what: &'static str,
        /// Why not.
        error: io::Error,
    },
    /// The send buffer does not hold a batch of requests.
    #[error("{address}: its connections take only a part of a batch; use a smaller --pipeline")]
    ShortSend {
        /// The server.
        address: SocketAddr,
    },
    /// A reply is wrong.
    #[error("{address}: a reply is wrong: {}", fault.name())]
    Wrong {
        /// The server.
        address: SocketAddr,
        /// What is wrong.
        fault: Fault,
    },
    /// A reply is none of the expected statuses, or announces the end of the connection.
    #[error("{address}: a reply has status {status} or announces the end of the connection")]
    Refused {
        /// The server.
        address: SocketAddr,
        /// Its status; 0 where only the end was announced.
        status: u16,
    },
    /// The server closed a connection.
    #[error("{address}: it closed a connection")]
    Closed {
        /// The server.
        address: SocketAddr,
    },
    /// Requests have no reply.
    #[error("{address}: {count} requests have no reply after 5 s")]
    Silent {
        /// The server.
        address: SocketAddr,
        /// How many.
        count: u64,
    },
    /// The process has ended, or has no CPU clock.
    #[error("{address}: its process {pid} cannot be read; has it ended?")]
    Gone {
        /// The server.
        address: SocketAddr,
        /// The process.
        pid: u32,
    },
}
