//! An io_uring set up for a thread with very many connections, and its provided buffers.
//!
//! Server and load generator share this part of a ring: set-up, submission, waiting, buffers. Each defines
//! its own operations and handles their completions.
//!
//! Safe code cannot read a buffer that the kernel owns, give one back twice, or free one that the kernel may write
//! to. Only [`Ring::push`] hands addresses to the kernel; it is unsafe and says how long they must stay valid.

mod buffers;
mod completion;
mod enter;
mod limits;
mod ring;
mod setup;
mod starved;
#[cfg(test)]
mod tests;

pub use buffers::{BUFFER_LEN, BUFFERS, ProvidedBuffers};
pub use completion::{Completion, Filled};
pub use limits::{overfill_slots, register_slots};
pub use ring::{Gather, Ring, Sizes};
pub use setup::Unavailable;
pub use starved::Starved;

/// The one group of provided buffers of a ring.
pub const GROUP: u16 = 0;
