//! An io_uring set up the way a thread with very many connections wants it, and its provided buffers.
//!
//! What server and load generator share about rings: set-up, submission, waiting, buffers. Which
//! operations there are, and what their completions mean, is the affair of each.

mod buffers;
mod ring;

pub use buffers::{Cut, Incremental, ProvidedBuffers, Whole};
pub use ring::{Completion, Gather, Ring, Sizes, Unavailable};

/// The one group of provided buffers of a ring.
pub const GROUP: u16 = 0;
