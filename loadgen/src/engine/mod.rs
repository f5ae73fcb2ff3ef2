//! The engines that move the bytes, and the fleet of connections they move them for.

mod connection;
pub(crate) mod control;
mod epoll;
mod fleet;
pub(crate) mod job;
mod shelf;
mod socket;
mod sockets;
mod stages;
mod token;
mod tun;
mod turn;
#[allow(unsafe_code)]
mod uring;
mod work;

pub use connection::CONNECTION_LEN_MAX;
pub(crate) use socket::new_socket;
pub use tun::probe as probe_tun;
pub use uring::RING_BYTES;
pub(crate) use work::work;
