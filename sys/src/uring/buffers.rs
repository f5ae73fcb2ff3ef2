//! Provided buffers (IORING_REGISTER_PBUF_RING, Linux 5.19): the kernel picks one when bytes arrive, so a
//! waiting connection owns none.
//!
//! A value proves who may touch a buffer. The kernel owns all of them at first. A completion brings a
//! [`Filled`], one for each piece that the kernel wrote; `content` borrows it, and `release` takes it. Ring
//! and buffers share the memory, and the ring gives up its share last.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use io_uring::{IoUring, cqueue};

use crate::uring::{Filled, GROUP};

/// What each receive gets while buffers are short.
pub const SHARE_LEN: u32 = 2048;

/// How the memory is cut into buffers.
pub trait Cut {
    /// Number of buffers, a power of two.
    const COUNT: u16;
    /// Length of a buffer in bytes; a longer message takes several.
    const LEN: usize;
    /// Whether a buffer is filled with one message after the other until it is full.
    const IS_INCREMENTAL: bool;
    /// How many receives that found no buffer are retried at a time: one per share.
    const RETRIES: usize = Self::COUNT as usize * Self::LEN / SHARE_LEN as usize;
}

/// A buffer for each receive. The kernel takes them in turn, so under load all of them pass through the
/// cache, however short the messages are: 512 KiB, which fit in L2.
#[derive(Debug, Clone, Copy)]
pub struct Whole;

impl Cut for Whole {
    const COUNT: u16 = 256;
    const LEN: usize = 2 * 1024;
    const IS_INCREMENTAL: bool = false;
}

/// Few large buffers that are filled piece by piece (IOU_PBUF_RING_INC, Linux 6.12): short messages lie
/// side by side.
///
/// A multishot receive goes on for 32 rounds before others get their turn (`MULTISHOT_MAX_RETRY` of
/// io_uring/net.c), and each round takes all that is left of a buffer. So a peer that sends without end takes
/// every buffer before it can be stopped; all of them together are twice as much as 32 rounds of [`Whole`].
#[derive(Debug, Clone, Copy)]
pub struct Incremental;

impl Cut for Incremental {
    const COUNT: u16 = 8;
    const LEN: usize = 16 * 1024;
    const IS_INCREMENTAL: bool = true;
}

/// `IOU_PBUF_RING_INC` of linux/io_uring.h.
const INCREMENTAL: u16 = 2;
/// The ring's entries must start on a page (io_uring_register(2)).
const PAGE_LEN: usize = 4096;

/// The ring of entries and the memory they point to. Freed when ring and [`ProvidedBuffers`] are gone.
pub(crate) struct Memory {
    entries: NonNull<BufRingEntry>,
    content: NonNull<u8>,
    entries_layout: Layout,
    content_layout: Layout,
}

impl Memory {
    fn new<C: Cut>() -> Memory {
        let (entries_layout, content_layout) = (entries_layout::<C>(), content_layout::<C>());
        let entries = allocate(entries_layout).cast::<BufRingEntry>();
        Memory { entries, content: allocate(content_layout), entries_layout, content_layout }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout. Nobody else has the address: the last owner is gone, and the ring
        // gives up its share only when the kernel has finished with it.
        unsafe { dealloc(self.entries.as_ptr().cast(), self.entries_layout) };
        // SAFETY: as above.
        unsafe { dealloc(self.content.as_ptr(), self.content_layout) };
    }
}

/// Where the next piece of each buffer begins. The kernel does not say, but each piece begins where the one
/// before ended, because completions come in the order in which the pieces were filled. So every completion of
/// a ring must pass through here, in order.
#[derive(Debug)]
pub(crate) struct Pieces<C: Cut> {
    /// Empty unless buffers are filled piece by piece.
    next: Box<[Piece]>,
    cut: PhantomData<C>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Piece {
    at: u32,
    number: u32,
}

impl<C: Cut> Pieces<C> {
    pub(crate) fn new() -> Pieces<C> {
        let count = if C::IS_INCREMENTAL { usize::from(C::COUNT) } else { 0 };
        Pieces { next: vec![Piece::default(); count].into_boxed_slice(), cut: PhantomData }
    }

    /// What a completion with this result and these flags brings.
    #[inline]
    pub(crate) fn of(&mut self, ring: NonZeroU32, result: i32, flags: u32) -> Option<Filled> {
        let buffer = cqueue::buffer_select(flags)?;
        let len = result.max(0) as u32;
        if !C::IS_INCREMENTAL {
            return Some(Filled { ring, buffer, at: 0, len, pieces: 1 });
        }
        let next = &mut self.next[usize::from(buffer)];
        let Piece { at, number } = *next;
        if cqueue::buffer_more(flags) {
            *next = Piece { at: at + len, number: number + 1 };
            return Some(Filled { ring, buffer, at, len, pieces: 0 });
        }
        *next = Piece::default();
        Some(Filled { ring, buffer, at, len, pieces: number + 1 })
    }
}

/// The buffers of one ring that the kernel does not own.
pub struct ProvidedBuffers<C: Cut> {
    memory: Rc<Memory>,
    ring: NonZeroU32,
    tail: u16,
    /// For each buffer that is filled piece by piece: the pieces released, minus all its pieces once the
    /// kernel has finished with it. Zero then means that nobody holds a piece.
    released: Box<[i64]>,
    cut: PhantomData<C>,
}

impl<C: Cut> ProvidedBuffers<C> {
    /// Allocates the buffers and hands all of them to the kernel. The ring must keep the returned memory
    /// until it is closed.
    ///
    /// # Errors
    /// What io_uring_register(2) returns: Linux before 5.19 has no such rings, and before 6.12 none that
    /// are filled piece by piece.
    pub(crate) fn register(uring: &IoUring, ring: NonZeroU32) -> io::Result<(ProvidedBuffers<C>, Rc<Memory>)> {
        let memory = Rc::new(Memory::new::<C>());
        let (released, flags) = match C::IS_INCREMENTAL {
            true => (vec![0; usize::from(C::COUNT)].into_boxed_slice(), INCREMENTAL),
            false => (Box::default(), 0),
        };
        let start = memory.entries.as_ptr() as u64;
        // SAFETY: the entries are COUNT large, page-aligned and zeroed. The ring keeps them alive, see above;
        // where this fails, the kernel has not taken them.
        unsafe { uring.submitter().register_buf_ring_with_flags(start, C::COUNT, GROUP, flags) }?;
        let mut buffers = ProvidedBuffers { memory: memory.clone(), ring, tail: 0, released, cut: PhantomData };
        (0..C::COUNT).for_each(|buffer| buffers.give_back(buffer));
        Ok((buffers, memory))
    }

    /// The bytes that came with a completion.
    ///
    /// # Panics
    /// When they came from another ring: a bug.
    #[inline]
    pub fn content<'a>(&'a self, filled: &'a Filled) -> &'a [u8] {
        let (at, len) = (filled.at as usize, filled.len as usize);
        assert!(filled.ring == self.ring && filled.buffer < C::COUNT && at + len <= C::LEN);
        // SAFETY: the bytes lie inside the allocation.
        let start = unsafe { self.memory.content.as_ptr().add(usize::from(filled.buffer) * C::LEN + at) };
        // SAFETY: initialised (zeroed at first). The kernel wrote them before it made the completion, and writes
        // to them again only after the whole buffer was given back, which takes every `Filled` of it: this one,
        // too, which is borrowed for as long as the bytes are.
        unsafe { std::slice::from_raw_parts(start, len) }
    }

    /// Gives up the bytes that came with a completion. The buffer goes back to the kernel when the kernel has
    /// finished with it and nobody holds another piece.
    ///
    /// # Panics
    /// When they came from another ring: a bug.
    #[inline]
    pub fn release(&mut self, filled: Filled) {
        assert!(filled.ring == self.ring);
        if C::IS_INCREMENTAL {
            let released = &mut self.released[usize::from(filled.buffer)];
            *released += 1 - i64::from(filled.pieces);
            if *released != 0 {
                return;
            }
        }
        self.give_back(filled.buffer);
    }

    #[inline]
    fn give_back(&mut self, buffer: u16) {
        assert!(buffer < C::COUNT);
        let index = usize::from(self.tail & (C::COUNT - 1));
        // SAFETY: the buffer lies inside the allocation.
        let start = unsafe { self.memory.content.as_ptr().add(usize::from(buffer) * C::LEN) };
        // SAFETY: index < COUNT, so the entry lies inside the allocation.
        let entry = unsafe { self.memory.entries.as_ptr().add(index) };
        // SAFETY: the kernel reads no entry at or after the tail, and at most COUNT buffers can be before it,
        // because each is given back once. Only this function refers to entries, and it has `&mut self`.
        let entry = unsafe { &mut *entry };
        entry.set_addr(start as u64);
        entry.set_len(C::LEN as u32);
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

const fn entries_layout<C: Cut>() -> Layout {
    layout(C::COUNT as usize * size_of::<BufRingEntry>())
}

const fn content_layout<C: Cut>() -> Layout {
    layout(C::COUNT as usize * C::LEN)
}

const fn layout(size: usize) -> Layout {
    match Layout::from_size_align(size, PAGE_LEN) {
        Ok(layout) => layout,
        Err(_) => panic!("a constant layout that does not fit"),
    }
}
