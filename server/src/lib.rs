//! Per-core TCP servers over epoll, mio and io_uring, all under the same protocol code.
//!
//! A [`Server`] runs one reactor per core: a thread with its own SO_REUSEPORT listeners, fd table,
//! connections, buffers and counters. Only the listener of a unix socket is shared. The backends differ;
//! everything above "bytes arrived, bytes may leave" is the same (`shard::connection`).
#![deny(unsafe_code)]

mod admission;
mod auto;
mod backend;
mod balance;
mod blocking;
mod drain;
mod endpoint;
mod event;
mod handicap;
mod handover;
mod inherited;
mod listener;
mod listening;
mod options;
mod reactor;
mod report;
mod shard;
mod shortage;
mod stats;
mod supervisor;
mod unavailable;
mod unix_socket;

pub use admission::{AcceptOrder, Admission, WaitingRoom, WhenShort};
pub use auto::{Choice, choose, probe_io_uring};
pub use backend::uring::RING_BYTES;
pub use blocking::{Blocking, Database, QueueLimit, SlowQueries};
pub use endpoint::Endpoint;
pub use event::{Event, Exit, HandoverLine, InheritedFrom, Ready, StatsLine};
pub use handover::HandoverNews;
pub use host::CpuTime;
pub use inherited::Inherited;
pub use listener::SocketSizes;
pub use options::{Balance, KeepAlive, Options, Scheduling, SocketOptions, Variant};
pub use report::{ReactorReport, Report, Spread};
pub use shard::counters::{CloseReason, Counters};
pub use shard::{BUFFER_MEMORY_LEN_MIN, ECHO_CONNECTION_LEN_MAX, HTTP_CONNECTION_LEN_MAX};
pub use stats::Stats;
pub use supervisor::start::{CONNECTIONS_MAX, DIRECT_DESCRIPTORS_MAX, RESERVED_DESCRIPTORS};
pub use supervisor::{Order, Server, Told};
pub use unavailable::{Unavailable, setcap};
pub use unix_socket::UNIX_PATH_LEN_MAX;
