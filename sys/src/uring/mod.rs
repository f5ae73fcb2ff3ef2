//! An io_uring set up the way a thread with very many connections wants it, and its provided buffers.
//!
//! What server and load generator share about rings: set-up, submission, waiting, buffers. Which
//! operations there are, and what their completions mean, is the affair of each.
//!
//! Safe code cannot read a buffer that is the kernel's, give one back twice, or free one that the kernel may
//! write to; what it takes to hand addresses to the kernel is [`Ring::push`], which is unsafe and says for how long.

mod buffers;
mod completion;
mod enter;
mod ring;
mod setup;
mod starved;
#[cfg(test)]
mod tests;

pub use buffers::{Cut, Incremental, ProvidedBuffers, SHARE_LEN, Whole};
pub use completion::{Completion, Filled};
pub use ring::{Gather, Ring, Sizes};
pub use setup::Unavailable;
pub use starved::Starved;

/// The one group of provided buffers of a ring.
pub const GROUP: u16 = 0;
