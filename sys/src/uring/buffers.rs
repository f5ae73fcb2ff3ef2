//! Provided buffers (IORING_REGISTER_PBUF_RING, Linux 5.19): the kernel picks one when bytes arrive, so a
//! waiting connection owns none.
//!
//! A value proves who may touch a buffer. The kernel owns all of them at first. A completion brings a
//! [`Filled`]; `content` borrows it, and `release` takes it. Ring and buffers share the memory, and the ring gives up
//! its share last.
//!
//! Buffers that are filled piece by piece (IOU_PBUF_RING_INC, Linux 6.12) were tried: 8 of 16 KiB needed 0.7 % less CPU
//! per request [-0.9, 2.3] than these, and took twice the code.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::num::NonZeroU32;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use io_uring::{IoUring, cqueue};

use crate::uring::{Filled, GROUP};

/// Number of buffers, a power of two. The kernel takes them in turn, so under load all of them pass through the cache,
/// however short the messages are: 512 KiB, which fit in L2.
pub const BUFFERS: u16 = 256;
/// Length of a buffer in bytes; a longer message takes several.
pub const BUFFER_LEN: u32 = 2048;

/// The ring's entries must start on a page (io_uring_register(2)).
const PAGE_LEN: usize = 4096;

/// The ring of entries and the memory they point to. Freed when ring and [`ProvidedBuffers`] are gone.
pub(crate) struct Memory {
    entries: NonNull<BufRingEntry>,
    content: NonNull<u8>,
}

impl Memory {
    fn new() -> Memory {
        Memory { entries: allocate(ENTRIES).cast::<BufRingEntry>(), content: allocate(CONTENT) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout. Nobody else has the address: the last owner is gone, and the ring
        // gives up its share only when the kernel has finished with it.
        unsafe { dealloc(self.entries.as_ptr().cast(), ENTRIES) };
        // SAFETY: as above.
        unsafe { dealloc(self.content.as_ptr(), CONTENT) };
    }
}

/// What a completion with this result and these flags brings.
#[inline]
pub(crate) fn filled(ring: NonZeroU32, result: i32, flags: u32) -> Option<Filled> {
    cqueue::buffer_select(flags).map(|buffer| Filled { ring, buffer, len: result.max(0) as u32 })
}

/// The buffers of one ring that the kernel does not own.
pub struct ProvidedBuffers {
    memory: Rc<Memory>,
    ring: NonZeroU32,
    tail: u16,
}

impl ProvidedBuffers {
    /// Allocates the buffers and hands all of them to the kernel. The ring must keep the returned memory
    /// until it is closed.
    ///
    /// # Errors
    /// What io_uring_register(2) returns: Linux before 5.19 has no such rings.
    pub(crate) fn register(uring: &IoUring, ring: NonZeroU32) -> io::Result<(ProvidedBuffers, Rc<Memory>)> {
        let memory = Rc::new(Memory::new());
        let start = memory.entries.as_ptr() as u64;
        // SAFETY: the entries are BUFFERS large, page-aligned and zeroed. The ring keeps them alive, see above;
        // where this fails, the kernel has not taken them.
        unsafe { uring.submitter().register_buf_ring_with_flags(start, BUFFERS, GROUP, 0) }?;
        let mut buffers = ProvidedBuffers { memory: memory.clone(), ring, tail: 0 };
        (0..BUFFERS).for_each(|buffer| buffers.give_back(buffer));
        Ok((buffers, memory))
    }

    /// The bytes that came with a completion.
    ///
    /// # Panics
    /// When they came from another ring: a bug.
    #[inline]
    pub fn content<'a>(&'a self, filled: &'a Filled) -> &'a [u8] {
        assert!(filled.ring == self.ring && filled.buffer < BUFFERS && filled.len <= BUFFER_LEN);
        // SAFETY: the bytes lie inside the allocation.
        let start = unsafe { self.memory.content.as_ptr().add(usize::from(filled.buffer) * BUFFER_LEN as usize) };
        // SAFETY: initialised (zeroed at first). The kernel wrote them before it made the completion, and writes
        // to them again only after the buffer was given back, which takes this `Filled`, borrowed for as long as the
        // bytes are.
        unsafe { std::slice::from_raw_parts(start, filled.len()) }
    }

    /// Gives up the bytes that came with a completion: the buffer goes back to the kernel.
    ///
    /// # Panics
    /// When they came from another ring: a bug.
    #[inline]
    pub fn release(&mut self, filled: Filled) {
        assert!(filled.ring == self.ring);
        self.give_back(filled.buffer);
    }

    #[inline]
    fn give_back(&mut self, buffer: u16) {
        assert!(buffer < BUFFERS);
        let index = usize::from(self.tail & (BUFFERS - 1));
        // SAFETY: the buffer lies inside the allocation.
        let start = unsafe { self.memory.content.as_ptr().add(usize::from(buffer) * BUFFER_LEN as usize) };
        // SAFETY: index < BUFFERS, so the entry lies inside the allocation.
        let entry = unsafe { self.memory.entries.as_ptr().add(index) };
        // SAFETY: the kernel reads no entry at or after the tail, and at most BUFFERS of them can be before it,
        // because each is given back once. Only this function refers to entries, and it has `&mut self`.
        let entry = unsafe { &mut *entry };
        entry.set_addr(start as u64);
        entry.set_len(BUFFER_LEN);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the entries are a valid ring of at least one entry.
        let tail = unsafe { BufRingEntry::tail(self.memory.entries.as_ptr()) };
        // SAFETY: the tail lies inside the first entry, where nothing else is written, is aligned for u16, and
        // is only ever accessed atomically: the kernel reads it with acquire.
        let tail = unsafe { &*tail.cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }
}

fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: both layouts have a size other than zero.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

const ENTRIES: Layout = layout(BUFFERS as usize * size_of::<BufRingEntry>());
const CONTENT: Layout = layout(BUFFERS as usize * BUFFER_LEN as usize);

const fn layout(size: usize) -> Layout {
    match Layout::from_size_align(size, PAGE_LEN) {
        Ok(layout) => layout,
        Err(_) => panic!("a constant layout that does not fit"),
    }
}
