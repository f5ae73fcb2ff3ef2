//! Provided buffers (IORING_REGISTER_PBUF_RING, Linux 5.19): the kernel picks one when bytes arrive,
//! so a connection that waits owns none.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::cqueue;
use io_uring::types::BufRingEntry;

use crate::{GROUP, Ring};

/// How the memory is cut into buffers. Either way it is 512 KiB, which stays in L2.
pub trait Cut {
    /// Number of buffers, a power of two.
    const COUNT: u16;
    /// Length of a buffer in bytes; a longer message takes several.
    const LEN: usize;
    /// Whether one message after the other is laid into a buffer until it is full.
    const IS_INCREMENTAL: bool;
}

/// A buffer for each receive. The kernel takes them in turn, so under load all of them pass through
/// the cache, however short the messages are.
#[derive(Debug, Clone, Copy)]
pub struct Whole;

impl Cut for Whole {
    const COUNT: u16 = 256;
    const LEN: usize = 2 * 1024;
    const IS_INCREMENTAL: bool = false;
}

/// Few large buffers that are filled piece by piece (IOU_PBUF_RING_INC, Linux 6.12): short messages lie
/// side by side.
#[derive(Debug, Clone, Copy)]
pub struct Incremental;

impl Cut for Incremental {
    const COUNT: u16 = 16;
    const LEN: usize = 32 * 1024;
    const IS_INCREMENTAL: bool = true;
}

/// `IOU_PBUF_RING_INC` of linux/io_uring.h.
const INCREMENTAL: u16 = 2;
/// The ring's entries must start on a page (io_uring_register(2)).
const PAGE_LEN: usize = 4096;

/// The ring of entries and the memory they point to.
pub struct ProvidedBuffers<C: Cut> {
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    tail: u16,
    /// Bytes of each buffer that were released; empty unless it is filled piece by piece. The kernel does
    /// not tell where a piece begins: it begins where the one before ended, because completions come in
    /// the order in which the pieces were filled.
    released: Box<[u32]>,
    cut: PhantomData<C>,
}

impl<C: Cut> ProvidedBuffers<C> {
    /// Allocates the buffers and hands all of them to the kernel.
    ///
    /// The value must be dropped after the ring was: until then the kernel writes to its memory.
    ///
    /// # Errors
    /// What io_uring_register(2) returns: Linux before 5.19 has no such rings, and before 6.12 none that
    /// are filled piece by piece.
    pub fn register(ring: &Ring) -> io::Result<ProvidedBuffers<C>> {
        let entries = allocate(entries_layout::<C>()).cast::<BufRingEntry>();
        let memory = allocate(memory_layout::<C>());
        let (released, flags) = match C::IS_INCREMENTAL {
            true => (vec![0; usize::from(C::COUNT)].into_boxed_slice(), INCREMENTAL),
            false => (Box::default(), 0),
        };
        let mut buffers = ProvidedBuffers { entries, memory, tail: 0, released, cut: PhantomData };
        // SAFETY: the entries are COUNT large, page-aligned, zeroed, and live until the value is
        // dropped, which its owner does after the ring is gone.
        unsafe { ring.submitter().register_buf_ring_with_flags(entries.as_ptr() as u64, C::COUNT, GROUP, flags) }?;
        (0..C::COUNT).for_each(|id| buffers.give_back(id));
        Ok(buffers)
    }

    /// The `len` bytes that a completion announced in a buffer. Completions must be asked for, and
    /// released, in the order in which they came.
    ///
    /// # Panics
    /// When there are no such bytes: a bug.
    #[inline]
    pub fn content(&self, id: u16, len: usize) -> &[u8] {
        let at = if C::IS_INCREMENTAL { self.released[usize::from(id)] as usize } else { 0 };
        assert!(id < C::COUNT && at + len <= C::LEN);
        // SAFETY: the bytes lie inside the allocation.
        let start = unsafe { self.memory.as_ptr().add(usize::from(id) * C::LEN + at) };
        // SAFETY: initialised (zeroed at first), and the kernel does not write to these bytes between
        // their completion and `release`, which needs `&mut self`.
        unsafe { std::slice::from_raw_parts(start, len) }
    }

    /// The `len` bytes of a completion with these flags are not needed any more. The buffer goes back to
    /// the kernel unless the kernel is still filling it.
    ///
    /// # Panics
    /// When there is no such buffer: a bug.
    #[inline]
    pub fn release(&mut self, id: u16, len: usize, flags: u32) {
        if C::IS_INCREMENTAL {
            if cqueue::buffer_more(flags) {
                self.released[usize::from(id)] += len as u32;
                return;
            }
            self.released[usize::from(id)] = 0;
        }
        self.give_back(id);
    }

    #[inline]
    fn give_back(&mut self, id: u16) {
        assert!(id < C::COUNT);
        let index = usize::from(self.tail & (C::COUNT - 1));
        // SAFETY: the buffer lies inside the allocation.
        let start = unsafe { self.memory.as_ptr().add(usize::from(id) * C::LEN) };
        // SAFETY: index < COUNT, so the entry lies inside the allocation.
        let entry = unsafe { self.entries.as_ptr().add(index) };
        // SAFETY: the kernel does not read an entry at or behind the tail, and nobody else has a
        // reference to it.
        let entry = unsafe { &mut *entry };
        entry.set_addr(start as u64);
        entry.set_len(C::LEN as u32);
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

impl<C: Cut> Drop for ProvidedBuffers<C> {
    fn drop(&mut self) {
        // SAFETY: allocated with the same layout, and by contract the ring is gone.
        unsafe { dealloc(self.entries.as_ptr().cast(), entries_layout::<C>()) };
        // SAFETY: as above.
        unsafe { dealloc(self.memory.as_ptr(), memory_layout::<C>()) };
    }
}

fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: both layouts have a size other than zero.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

const fn entries_layout<C: Cut>() -> Layout {
    layout(C::COUNT as usize * size_of::<BufRingEntry>())
}

const fn memory_layout<C: Cut>() -> Layout {
    layout(C::COUNT as usize * C::LEN)
}

const fn layout(size: usize) -> Layout {
    match Layout::from_size_align(size, PAGE_LEN) {
        Ok(layout) => layout,
        Err(_) => panic!("a constant layout that does not fit"),
    }
}
