//! Memory straight from the kernel: a failure is an error instead of an abort, and dropping gives it back.
//!
//! An allocator keeps memory that is freed below its highest block, so a pool that grew under an attack would
//! stay large for ever (mallopt(3), M_TRIM_THRESHOLD).

use std::ffi::c_void;
use std::io;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Whole pages of private memory, zeroed at first.
#[derive(Debug)]
pub struct Pages {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the pages belong to this value alone, like the memory of a Box.
unsafe impl Send for Pages {}

impl Pages {
    /// At least one byte, rounded up to whole pages by the kernel.
    ///
    /// # Errors
    /// ENOMEM: RLIMIT_AS, vm.overcommit_memory=2, or vm.max_map_count mappings exist (mmap(2)).
    pub fn new(len: usize) -> io::Result<Pages> {
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: no address is asked for, so nothing that exists is replaced.
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), len, protection, flags) }?;
        NonNull::new(start.cast()).map(|start| Pages { start, len }).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    /// Length in bytes, as requested; never 0.
    #[inline]
    #[allow(clippy::len_without_is_empty)] // there is always at least one byte
    pub fn len(&self) -> usize {
        self.len
    }

    /// All of it; the address never changes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes are mapped, readable and zeroed by the kernel, until the value is dropped.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// All of it; the address never changes.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, writable, and borrowed mutably by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: exactly what `new` mapped, and no reference outlives the value.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast::<c_void>(), self.len) };
        debug_assert!(unmapped.is_ok(), "munmap(2) of whole pages: {unmapped:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zeroed_writable_and_limited_by_the_kernel_only() {
        let mut pages = Pages::new(100_000).unwrap();
        assert!(pages.bytes().iter().all(|byte| *byte == 0));
        pages.bytes_mut()[99_999] = 7;
        assert_eq!((pages.len(), pages.bytes()[99_999]), (100_000, 7));
        // More than any address space has: an error, not an abort.
        assert!(Pages::new(1 << 60).is_err());
    }
}
