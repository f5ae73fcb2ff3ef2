//! Provided buffers (IORING_REGISTER_PBUF_RING, Linux 5.19): the kernel picks one when bytes arrive,
//! so a connection that waits owns none.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

use crate::{GROUP, Ring};

/// Number of buffers, a power of two. The kernel takes them in turn, so under load all of them pass
/// through the cache: 256 of 2 KiB are 512 KiB and stay in L2.
const COUNT: u16 = 256;
/// Length of a buffer in bytes; a longer message takes several.
pub const LEN: usize = 2 * 1024;
/// The ring's entries must start on a page (io_uring_register(2)).
const PAGE_LEN: usize = 4096;

/// The ring of entries and the memory they point to.
pub struct ProvidedBuffers {
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    tail: u16,
}

impl ProvidedBuffers {
    /// Allocates the buffers and hands all of them to the kernel.
    ///
    /// The value must be dropped after the ring was: until then the kernel writes to its memory.
    ///
    /// # Errors
    /// What io_uring_register(2) returns; Linux before 5.19 has no such rings.
    pub fn register(ring: &Ring) -> io::Result<ProvidedBuffers> {
        let entries = allocate(entries_layout()).cast::<BufRingEntry>();
        let mut buffers = ProvidedBuffers { entries, memory: allocate(memory_layout()), tail: 0 };
        // SAFETY: the entries are COUNT large, page-aligned, zeroed, and live until the value is
        // dropped, which its owner does after the ring is gone.
        unsafe { ring.submitter().register_buf_ring_with_flags(entries.as_ptr() as u64, COUNT, GROUP, 0) }?;
        (0..COUNT).for_each(|id| buffers.give_back(id));
        Ok(buffers)
    }

    /// The first `len` bytes of a buffer that a completion named.
    ///
    /// # Panics
    /// When there is no such buffer: a bug.
    #[inline]
    pub fn content(&self, id: u16, len: usize) -> &[u8] {
        assert!(id < COUNT && len <= LEN);
        // SAFETY: the buffer lies inside the allocation.
        let start = unsafe { self.memory.as_ptr().add(usize::from(id) * LEN) };
        // SAFETY: initialised (zeroed at first), and the kernel does not write to a buffer between
        // its completion and `give_back`, which needs `&mut self`.
        unsafe { std::slice::from_raw_parts(start, len) }
    }

    /// Hands a buffer back to the kernel.
    ///
    /// # Panics
    /// When there is no such buffer: a bug.
    #[inline]
    pub fn give_back(&mut self, id: u16) {
        assert!(id < COUNT);
        let index = usize::from(self.tail & (COUNT - 1));
        // SAFETY: the buffer lies inside the allocation.
        let start = unsafe { self.memory.as_ptr().add(usize::from(id) * LEN) };
        // SAFETY: index < COUNT, so the entry lies inside the allocation.
        let entry = unsafe { self.entries.as_ptr().add(index) };
        // SAFETY: the kernel does not read an entry at or behind the tail, and nobody else has a
        // reference to it.
        let entry = unsafe { &mut *entry };
        entry.set_addr(start as u64);
        entry.set_len(LEN as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the entries are a valid ring of at least one entry.
        let tail = unsafe { BufRingEntry::tail(self.entries.as_ptr()) };
        // SAFETY: the tail lies inside the first entry, is aligned for u16, and is only ever
        // accessed atomically from here on: the kernel reads it with acquire.
        let tail = unsafe { &*tail.cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }
}

impl Drop for ProvidedBuffers {
    fn drop(&mut self) {
        // SAFETY: allocated with the same layout, and by contract the ring is gone.
        unsafe { dealloc(self.entries.as_ptr().cast(), entries_layout()) };
        // SAFETY: as above.
        unsafe { dealloc(self.memory.as_ptr(), memory_layout()) };
    }
}

fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: both layouts have a size other than zero.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

const fn entries_layout() -> Layout {
    layout(COUNT as usize * size_of::<BufRingEntry>())
}

const fn memory_layout() -> Layout {
    layout(COUNT as usize * LEN)
}

const fn layout(size: usize) -> Layout {
    match Layout::from_size_align(size, PAGE_LEN) {
        Ok(layout) => layout,
        Err(_) => panic!("a constant layout that does not fit"),
    }
}
