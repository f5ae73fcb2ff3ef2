//! What a ring tells: a completion, and the buffer that came with it.

use std::num::NonZeroU32;

/// A completion, copied out of the shared queue. There is one for each that the kernel made, and none else:
/// it cannot be made, copied or cloned outside.
#[derive(Debug)]
pub struct Completion {
    /// What the submission was tagged with.
    pub user_data: u64,
    /// Result, or the negated error number.
    pub result: i32,
    /// `IORING_CQE_F_*`.
    pub flags: u32,
    pub(crate) filled: Option<Filled>,
}

impl Completion {
    /// The buffer that came with it, whatever the result. It must go to
    /// [`ProvidedBuffers::release`](crate::uring::ProvidedBuffers::release), and be that of a stale completion.
    #[inline]
    #[must_use = "a buffer that is not released is lost to the ring"]
    pub fn take_buffer(&mut self) -> Option<Filled> {
        self.filled.take()
    }
}

/// Bytes in a provided buffer, lent by the kernel until they are released. Whoever has it has the only right
/// to these bytes; dropped instead of released it takes the buffer out of circulation, and nothing worse.
#[derive(Debug)]
#[must_use = "a buffer that is not released is lost to the ring"]
pub struct Filled {
    /// Which ring; a number that no other ring of the process has.
    pub(crate) ring: NonZeroU32,
    pub(crate) buffer: u16,
    /// Where in the buffer.
    pub(crate) at: u32,
    pub(crate) len: u32,
    /// How many pieces the buffer was filled with, once the kernel has finished with it; else zero.
    pub(crate) pieces: u32,
}

impl Filled {
    /// Number of bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}
