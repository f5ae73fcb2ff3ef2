//! TCP in user space as pure functions: packets and the time go in; packets to send and events come out.
//!
//! No sockets, no clock, no thread: the caller reads and writes the packets and supplies the time. [`wire`],
//! [`checksum`], [`Sequence`] and [`Outbox`] serve either end of a connection. [`client`] builds on them: the
//! calling side of very many connections to one server, at 16 bytes each.
//!
//! RFC 9293 is the TCP specification of 2022, which replaces RFC 793.
#![forbid(unsafe_code)]

pub mod checksum;
pub mod client;
mod outbox;
mod sequence;
pub mod wire;

pub use outbox::Outbox;
pub use sequence::Sequence;
