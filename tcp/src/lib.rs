//! TCP in user space as pure functions: packets and the time go in, packets and what they mean come out.
//!
//! No sockets, no clock, no thread: whoever uses this crate reads and writes the packets and says what
//! time it is. [`wire`], [`checksum`], [`Sequence`] and [`Outbox`] know nothing of who talks to whom; on
//! them stands [`client`], the calling side of very many connections to one server at 16 bytes each.
//!
//! References such as "RFC 9293 §3.10.7" are to the specification of TCP of 2022, which replaces RFC 793.
#![forbid(unsafe_code)]

pub mod checksum;
pub mod client;
mod outbox;
mod sequence;
pub mod wire;

pub use outbox::Outbox;
pub use sequence::Sequence;
