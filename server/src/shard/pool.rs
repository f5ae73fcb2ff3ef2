//! Buffers for what cannot be handled at once: an incomplete request, an unsent reply. An idle connection
//! owns none.
//!
//! Memory is cut into chunks. A chunk serves one size at a time. Once all of its buffers are back it may
//! serve any size, so memory moves from one kind of traffic to another. Chunks beyond a small reserve go back
//! to the kernel. Long buffers have memory of their own.
//!
//! Two marks are fractions of the limit. Above [`HIGH`] the shard sheds connections that hold buffers without
//! progress. Above [`RESERVE`] the pool gives only short buffers, enough for an ordinary request and its
//! reply, and no connection is accepted.

use std::num::NonZeroU32;

use sys::pages::Pages;

/// Sizes in bytes that are cut from chunks. Short replies lie close together (1,000 of them in 256 KiB,
/// inside L2); the longest size holds one connection's input or output of a whole turn.
const CLASS_LEN: [usize; 4] = [256, 2 * 1024, 16 * 1024, CHUNK_LEN];
/// Memory that is cut up at once. 64 KiB are sixteen pages, and as much as a connection handles in one go.
const CHUNK_LEN: usize = 64 * 1024;
/// The class of buffers longer than a chunk: for the bytes that a multishot receive brings while a reply is
/// unsent, and for a collected body.
const LONG: usize = CLASS_LEN.len();
/// The longest content a buffer can have.
pub(crate) const BUFFER_LEN_MAX: usize = 1024 * 1024;
/// Empty chunks to keep: 4 MiB, as much as a few hundred busy connections use and return each turn.
const EMPTY_MAX: usize = 64;
/// Buffers up to this length may use the reserve.
pub(crate) const SHORT_LEN_MAX: usize = CLASS_LEN[1];
/// The least useful limit: the reserve is 2,048 short buffers, and between the marks is room for eight long
/// ones. If a turn keeps more long ones at once, the connections that find no room are closed.
pub(crate) const MEMORY_LEN_MIN: usize = 4 << 20;
/// Above 6/8 of the limit, connections that hold buffers without progress are shed ...
const HIGH: usize = 6;
/// ... until no more than 5/8 are in use.
const CALM: usize = 5;
/// Beyond 7/8 there are only short buffers.
const RESERVE: usize = 7;

/// A buffer that belongs to a connection: `start..start + len` is its content.
///
/// Not `Copy`: it is given back exactly once.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// Class in the top three bits, index + 1 in the others; non-zero so that `Option` costs nothing.
    place: NonZeroU32,
    start: u32,
    len: u32,
}

impl Buffer {
    fn class(&self) -> usize {
        (self.place.get() >> 29) as usize
    }

    fn index(&self) -> usize {
        (self.place.get() & ((1 << 29) - 1)) as usize - 1
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Drops `count` bytes from the front of the content.
    pub(crate) fn advance(&mut self, count: usize) {
        assert!(count <= self.len());
        self.start += count as u32;
        self.len -= count as u32;
    }
}

/// Memory that serves one size class at a time.
struct Chunk {
    /// `None`: this entry of the table is free.
    pages: Option<Pages>,
    /// A bit for each buffer that is free.
    free: [u64; CHUNK_LEN / CLASS_LEN[0] / 64],
    free_count: u32,
    /// Links of the list of the class's chunks that have free buffers.
    prev: u32,
    next: u32,
}

const NONE: u32 = u32::MAX;

/// All buffers of one shard.
pub(crate) struct BufferPool {
    /// The address of a chunk's memory never changes: the kernel may know it.
    chunks: Vec<Chunk>,
    /// For each class, the first of its chunks with free buffers. The most recently used buffer is taken
    /// first: it is still in the cache.
    open: [u32; LONG],
    /// Chunks that serve no class, and table entries without memory.
    empty: Vec<u32>,
    vacant: Vec<u32>,
    long: Vec<Option<Pages>>,
    long_vacant: Vec<u32>,
    memory_len_max: usize,
    /// The configured limit; `memory_len_max` is less while the kernel has no more.
    memory_len_wanted: usize,
    usage: Usage,
    /// Bytes of buffers whose owner is gone but which the kernel may still read.
    leaving: usize,
}

/// What a pool holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Buffers that are taken.
    pub(crate) used: u32,
    /// Its peak.
    pub(crate) used_peak: u32,
    /// Bytes that are in use: whole chunks, and long buffers.
    pub(crate) memory_in_use: usize,
    /// Bytes taken from the kernel.
    pub(crate) memory_len: usize,
    /// Its peak.
    pub(crate) memory_len_peak: usize,
    /// How often the kernel had none.
    pub(crate) refusals: u64,
}

/// The pool's memory limit is reached, or the kernel has no more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl BufferPool {
    /// A pool that takes at most `memory_len_max` bytes from the kernel.
    pub(crate) fn new(memory_len_max: usize) -> Self {
        BufferPool {
            chunks: Vec::new(),
            open: [NONE; LONG],
            empty: Vec::new(),
            vacant: Vec::new(),
            long: Vec::new(),
            long_vacant: Vec::new(),
            memory_len_max,
            memory_len_wanted: memory_len_max,
            usage: Usage::default(),
            leaving: 0,
        }
    }

    /// A buffer with room for `len` bytes and `content` at its front.
    #[inline]
    pub(crate) fn take(&mut self, content: &[u8], len: usize) -> Result<Buffer, Exhausted> {
        let class = CLASS_LEN.iter().position(|class_len| len <= *class_len).unwrap_or(LONG);
        let index = if class == LONG {
            self.take_long(len)?
        } else {
            if self.open[class] == NONE {
                self.open_chunk(class)?;
            }
            self.take_from(class, self.open[class])
        };
        self.usage.used += 1;
        self.usage.used_peak = self.usage.used_peak.max(self.usage.used);
        let place = NonZeroU32::MIN.saturating_add(index | (class as u32) << 29);
        let buffer = Buffer { place, start: 0, len: content.len() as u32 };
        self.space(&buffer)[..content.len()].copy_from_slice(content);
        Ok(buffer)
    }

    #[inline]
    fn take_from(&mut self, class: usize, number: u32) -> u32 {
        let chunk = &mut self.chunks[number as usize];
        let mut bit = 0;
        for (word_index, word) in chunk.free.iter_mut().enumerate() {
            if *word != 0 {
                bit = word_index as u32 * 64 + word.trailing_zeros();
                *word &= *word - 1;
                break;
            }
        }
        chunk.free_count -= 1;
        if chunk.free_count == 0 {
            self.unlink(class, number);
        }
        number * per_chunk(class) + bit
    }

    /// Gives a chunk to a class that has no free buffer left.
    #[cold]
    fn open_chunk(&mut self, class: usize) -> Result<(), Exhausted> {
        let limit = self.limit(CLASS_LEN[class]);
        if self.usage.memory_in_use + CHUNK_LEN > limit {
            return Err(Exhausted);
        }
        let number = match self.empty.pop() {
            Some(number) => number,
            None => {
                self.make_room(CHUNK_LEN);
                self.add_chunk()?
            }
        };
        self.usage.memory_in_use += CHUNK_LEN;
        let count = per_chunk(class);
        let chunk = &mut self.chunks[number as usize];
        chunk.free_count = count;
        for (word_index, word) in chunk.free.iter_mut().enumerate() {
            let left = count.saturating_sub(word_index as u32 * 64);
            *word = if left >= 64 { u64::MAX } else { (1 << left) - 1 };
        }
        self.link(class, number);
        Ok(())
    }

    fn add_chunk(&mut self) -> Result<u32, Exhausted> {
        // Reserve room in every list before taking anything, so that no later push can fail.
        let count = self.chunks.len() + 1;
        for list in [&mut self.empty, &mut self.vacant] {
            let missing = count.saturating_sub(list.len());
            list.try_reserve(missing).map_err(|_| Exhausted)?;
        }
        self.chunks.try_reserve(1).map_err(|_| Exhausted)?;
        let pages = self.map(CHUNK_LEN)?;
        let number = self.vacant.pop().unwrap_or_else(|| {
            self.chunks.push(Chunk { pages: None, free: [0; 4], free_count: 0, prev: NONE, next: NONE });
            self.chunks.len() as u32 - 1
        });
        self.chunks[number as usize].pages = Some(pages);
        Ok(number)
    }

    #[cold]
    fn take_long(&mut self, len: usize) -> Result<u32, Exhausted> {
        let pages_len = len.next_power_of_two();
        if len > BUFFER_LEN_MAX || self.usage.memory_in_use + pages_len > self.limit(len) {
            return Err(Exhausted);
        }
        self.make_room(pages_len);
        self.long.try_reserve(1).map_err(|_| Exhausted)?;
        let missing = (self.long.len() + 1).saturating_sub(self.long_vacant.len());
        self.long_vacant.try_reserve(missing).map_err(|_| Exhausted)?;
        let pages = self.map(pages_len)?;
        self.usage.memory_in_use += pages_len;
        Ok(match self.long_vacant.pop() {
            Some(index) => {
                self.long[index as usize] = Some(pages);
                index
            }
            None => {
                self.long.push(Some(pages));
                self.long.len() as u32 - 1
            }
        })
    }

    /// Returns empty chunks to the kernel until `len` more bytes fit the limit.
    fn make_room(&mut self, len: usize) {
        while self.usage.memory_len + len > self.memory_len_max
            && let Some(number) = self.empty.pop()
        {
            self.free_chunk(number);
        }
    }

    fn map(&mut self, len: usize) -> Result<Pages, Exhausted> {
        match Pages::new(len) {
            Ok(pages) => {
                self.usage.memory_len += len;
                self.usage.memory_len_peak = self.usage.memory_len_peak.max(self.usage.memory_len);
                Ok(pages)
            }
            Err(_) => {
                // For now the limit is what the kernel gave, so that the marks keep their meaning.
                self.usage.refusals += 1;
                self.memory_len_max = self.memory_len_max.min(self.usage.memory_len.max(MEMORY_LEN_MIN));
                Err(Exhausted)
            }
        }
    }

    fn limit(&self, len: usize) -> usize {
        if len <= SHORT_LEN_MAX { self.memory_len_max } else { self.memory_len_max / 8 * RESERVE }
    }

    fn space(&mut self, buffer: &Buffer) -> &mut [u8] {
        let (class, index) = (buffer.class(), buffer.index());
        if class == LONG {
            return self.long[index].as_mut().expect("a buffer that is taken has memory").bytes_mut();
        }
        let (number, start) = (index as u32 / per_chunk(class), index as u32 % per_chunk(class));
        let start = start as usize * CLASS_LEN[class];
        let pages = self.chunks[number as usize].pages.as_mut().expect("a buffer that is taken has memory");
        &mut pages.bytes_mut()[start..start + CLASS_LEN[class]]
    }

    /// The content. Its address stays the same until the buffer is given back.
    #[inline]
    pub(crate) fn content(&self, buffer: &Buffer) -> &[u8] {
        let (class, index) = (buffer.class(), buffer.index());
        let (pages, start) = if class == LONG {
            (&self.long[index], 0)
        } else {
            let (number, start) = (index as u32 / per_chunk(class), index as u32 % per_chunk(class));
            (&self.chunks[number as usize].pages, start as usize * CLASS_LEN[class])
        };
        let start = start + buffer.start as usize;
        &pages.as_ref().expect("a buffer that is taken has memory").bytes()[start..start + buffer.len as usize]
    }

    /// Bytes of memory that a buffer takes.
    pub(crate) fn capacity(&self, buffer: &Buffer) -> usize {
        match buffer.class() {
            LONG => self.long[buffer.index()].as_ref().map_or(0, Pages::len),
            class => CLASS_LEN[class],
        }
    }

    /// Appends to the content; moves to a longer buffer when needed.
    pub(crate) fn append(&mut self, buffer: &mut Buffer, bytes: &[u8]) -> Result<(), Exhausted> {
        let (start, len) = (buffer.start as usize, buffer.len());
        if start + len + bytes.len() > self.capacity(buffer) {
            let content_len = len + bytes.len();
            let longer = self.take(&[], content_len)?;
            let old = std::mem::replace(buffer, longer);
            // Both lie in the same pool, which one borrow cannot split: copy through the stack.
            let mut bounce = [0u8; 4096];
            for at in (0..len).step_by(bounce.len()) {
                let piece = &mut bounce[..(len - at).min(4096)];
                piece.copy_from_slice(&self.content(&old)[at..at + piece.len()]);
                self.space(buffer)[at..at + piece.len()].copy_from_slice(piece);
            }
            buffer.len = len as u32;
            self.give_back(old);
        }
        let end = buffer.start as usize + buffer.len();
        self.space(buffer)[end..end + bytes.len()].copy_from_slice(bytes);
        buffer.len += bytes.len() as u32;
        Ok(())
    }

    #[inline]
    pub(crate) fn give_back(&mut self, buffer: Buffer) {
        self.usage.used -= 1;
        let (class, index) = (buffer.class(), buffer.index() as u32);
        if class == LONG {
            return self.give_back_long(index);
        }
        let (number, bit) = (index / per_chunk(class), index % per_chunk(class));
        let chunk = &mut self.chunks[number as usize];
        debug_assert!(chunk.free[bit as usize / 64] & 1 << (bit % 64) == 0, "a buffer was given back twice");
        chunk.free[bit as usize / 64] |= 1 << (bit % 64);
        chunk.free_count += 1;
        if chunk.free_count == 1 {
            self.link(class, number);
        }
        // The last open chunk stays with its class, because buffers come and go with every request.
        let chunk = &self.chunks[number as usize];
        if chunk.free_count == per_chunk(class) && (chunk.prev, chunk.next) != (NONE, NONE) {
            self.retire(class, number);
        }
    }

    #[cold]
    fn retire(&mut self, class: usize, number: u32) {
        self.unlink(class, number);
        self.usage.memory_in_use -= CHUNK_LEN;
        if self.empty.len() < EMPTY_MAX {
            self.empty.push(number);
        } else {
            self.free_chunk(number);
        }
    }

    fn free_chunk(&mut self, number: u32) {
        self.chunks[number as usize].pages = None;
        self.usage.memory_len -= CHUNK_LEN;
        self.vacant.push(number);
    }

    #[cold]
    fn give_back_long(&mut self, index: u32) {
        let len = self.long[index as usize].take().map_or(0, |pages| pages.len());
        self.usage.memory_len -= len;
        self.usage.memory_in_use -= len;
        self.long_vacant.push(index);
    }

    fn link(&mut self, class: usize, number: u32) {
        let next = std::mem::replace(&mut self.open[class], number);
        let chunk = &mut self.chunks[number as usize];
        (chunk.prev, chunk.next) = (NONE, next);
        if next != NONE {
            self.chunks[next as usize].prev = number;
        }
    }

    fn unlink(&mut self, class: usize, number: u32) {
        let chunk = &mut self.chunks[number as usize];
        let (prev, next) = (chunk.prev, chunk.next);
        (chunk.prev, chunk.next) = (NONE, NONE);
        match prev {
            NONE => self.open[class] = next,
            prev => self.chunks[prev as usize].next = next,
        }
        if next != NONE {
            self.chunks[next as usize].prev = prev;
        }
    }

    /// The owner of `buffer` is gone, but the kernel may still read it: for the marks it counts as free.
    pub(crate) fn leave(&mut self, buffer: &Buffer) {
        self.leaving += self.capacity(buffer);
    }

    /// The kernel has finished with a buffer passed to [`BufferPool::leave`].
    pub(crate) fn give_back_left(&mut self, buffer: Buffer) {
        self.leaving -= self.capacity(&buffer);
        self.give_back(buffer);
    }

    /// Bytes that must be freed before the pool is calm again; 0 while it is below its high mark.
    #[inline]
    pub(crate) fn pressure(&self) -> usize {
        let held = self.usage.memory_in_use - self.leaving;
        if held <= self.memory_len_max / 8 * HIGH { 0 } else { held - self.memory_len_max / 8 * CALM }
    }

    /// Whether only the reserve is left.
    #[inline]
    pub(crate) fn is_low(&self) -> bool {
        self.usage.memory_in_use > self.memory_len_max / 8 * RESERVE - CHUNK_LEN
    }

    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    /// The limit in bytes: the configured one, or what the pool had when the kernel refused more.
    pub(crate) fn memory_len_max(&self) -> usize {
        self.memory_len_max
    }

    /// Some time has passed, so the kernel may have memory again. Called every few seconds.
    pub(crate) fn recover(&mut self) {
        self.memory_len_max = self.memory_len_wanted.min(self.memory_len_max.saturating_mul(2));
    }
}

/// Buffers of a class in one chunk.
#[inline]
const fn per_chunk(class: usize) -> u32 {
    (CHUNK_LEN / CLASS_LEN[class]) as u32
}

#[cfg(test)]
mod tests;
