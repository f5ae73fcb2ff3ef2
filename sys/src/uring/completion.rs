//! A completion of a ring, and the buffer that came with it.

use std::num::NonZeroU32;

/// A completion, copied out of the shared queue. There is exactly one for each that the kernel made: other
/// code cannot make, copy or clone it.
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
    /// [`ProvidedBuffers::release`](crate::uring::ProvidedBuffers::release), even if the completion is stale.
    #[inline]
    #[must_use = "a buffer that is not released is lost to the ring"]
    pub fn take_buffer(&mut self) -> Option<Filled> {
        self.filled.take()
    }
}

/// Bytes in a provided buffer, lent by the kernel until they are released. Its owner has the only right to
/// these bytes. If it is dropped instead of released, the buffer is lost to the ring, and nothing worse
/// happens.
#[derive(Debug)]
#[must_use = "a buffer that is not released is lost to the ring"]
pub struct Filled {
    /// The number of its ring, unique in the process.
    pub(crate) ring: NonZeroU32,
    pub(crate) buffer: u16,
    pub(crate) len: u32,
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
