//! Buffers for what cannot be handled at once: a request that is not complete, a reply that is not
//! sent. An idle connection owns none.

use std::num::NonZeroU32;

/// Sizes in bytes. Small replies lie close together (1,000 of them in 256 KiB, inside L2); the two
/// largest serve a slow reader and what a multishot receive delivers before it can be cancelled.
const CLASS_LEN: [usize; 5] = [256, 2 * 1024, 16 * 1024, 128 * 1024, 1024 * 1024];
/// Memory taken from the allocator at once, for the classes that fit into it more than once.
const CHUNK_LEN: usize = 64 * 1024;
/// The longest content a buffer can have.
pub(crate) const BUFFER_LEN_MAX: usize = CLASS_LEN[CLASS_LEN.len() - 1];

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

#[derive(Default)]
struct Class {
    /// Never moved or freed while the pool lives: the kernel may hold addresses inside.
    chunks: Vec<Box<[u8]>>,
    /// Last in, first out: the buffer used a moment ago is still in the cache.
    free: Vec<u32>,
}

/// All buffers of one shard.
pub(crate) struct BufferPool {
    classes: [Class; CLASS_LEN.len()],
    memory_len: usize,
    memory_len_max: usize,
    used: u32,
    used_peak: u32,
}

/// The pool's memory limit is reached.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl BufferPool {
    pub(crate) fn new(memory_len_max: usize) -> Self {
        BufferPool { classes: Default::default(), memory_len: 0, memory_len_max, used: 0, used_peak: 0 }
    }

    /// A buffer with room for `len` bytes and `content` at its front.
    #[inline]
    pub(crate) fn take(&mut self, content: &[u8], len: usize) -> Result<Buffer, Exhausted> {
        let class_index = CLASS_LEN.iter().position(|class_len| len <= *class_len).ok_or(Exhausted)?;
        if self.classes[class_index].free.is_empty() {
            self.grow(class_index)?;
        }
        let index = self.classes[class_index].free.pop().ok_or(Exhausted)?;
        self.used += 1;
        self.used_peak = self.used_peak.max(self.used);
        let place = NonZeroU32::MIN.saturating_add(index | (class_index as u32) << 29);
        let buffer = Buffer { place, start: 0, len: content.len() as u32 };
        self.space(&buffer)[..content.len()].copy_from_slice(content);
        Ok(buffer)
    }

    #[cold]
    fn grow(&mut self, class_index: usize) -> Result<(), Exhausted> {
        let chunk_len = CLASS_LEN[class_index].max(CHUNK_LEN);
        if self.memory_len + chunk_len > self.memory_len_max {
            return Err(Exhausted);
        }
        self.memory_len += chunk_len;
        let class = &mut self.classes[class_index];
        let count = (chunk_len / CLASS_LEN[class_index]) as u32;
        let first = class.chunks.len() as u32 * count;
        class.chunks.push(vec![0; chunk_len].into_boxed_slice());
        class.free.reserve((first + count) as usize);
        class.free.extend((first..first + count).rev());
        Ok(())
    }

    fn space(&mut self, buffer: &Buffer) -> &mut [u8] {
        let len = CLASS_LEN[buffer.class()];
        let per_chunk = len.max(CHUNK_LEN) / len;
        let start = buffer.index() % per_chunk * len;
        &mut self.classes[buffer.class()].chunks[buffer.index() / per_chunk][start..start + len]
    }

    /// The content. Its address stays the same until the buffer is given back.
    #[inline]
    pub(crate) fn content(&self, buffer: &Buffer) -> &[u8] {
        let len = CLASS_LEN[buffer.class()];
        let per_chunk = len.max(CHUNK_LEN) / len;
        let start = buffer.index() % per_chunk * len + buffer.start as usize;
        &self.classes[buffer.class()].chunks[buffer.index() / per_chunk][start..start + buffer.len as usize]
    }

    /// Appends to the content; moves to a larger buffer when needed.
    pub(crate) fn append(&mut self, buffer: &mut Buffer, bytes: &[u8]) -> Result<(), Exhausted> {
        let (start, len) = (buffer.start as usize, buffer.len());
        if start + len + bytes.len() > CLASS_LEN[buffer.class()] {
            let content_len = len + bytes.len();
            let larger = self.take(&[], content_len)?;
            let old = std::mem::replace(buffer, larger);
            // Both lie in the same pool, which one borrow cannot split: copy by way of the stack.
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
        self.used -= 1;
        self.classes[buffer.class()].free.push(buffer.index() as u32);
    }

    /// Buffers in use now, and the most that ever were.
    pub(crate) fn usage(&self) -> (u32, u32) {
        (self.used, self.used_peak)
    }

    /// Bytes taken from the allocator.
    pub(crate) fn memory_len(&self) -> usize {
        self.memory_len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_survives_growth_through_every_class() {
        let mut pool = BufferPool::new(8 << 20);
        let mut expected = Vec::new();
        let mut buffer = pool.take(b"", 0).unwrap();
        let mut number = 0u32;
        while expected.len() + 100 < BUFFER_LEN_MAX {
            let piece: Vec<u8> = (0..97).map(|n| (number + n) as u8).collect();
            pool.append(&mut buffer, &piece).unwrap();
            expected.extend_from_slice(&piece);
            number += 1;
        }
        assert_eq!(pool.content(&buffer), expected);
        buffer.advance(1000);
        assert_eq!(pool.content(&buffer), &expected[1000..]);
        assert_eq!(pool.append(&mut buffer, &[0; 500]).err(), None);
        pool.give_back(buffer);
        assert_eq!(pool.usage().0, 0);
    }

    #[test]
    fn buffers_do_not_overlap() {
        let mut pool = BufferPool::new(8 << 20);
        for len in CLASS_LEN {
            let buffers: Vec<Buffer> = (0..5u8).map(|n| pool.take(&vec![n; len], len).unwrap()).collect();
            for (n, buffer) in buffers.iter().enumerate() {
                assert!(pool.content(buffer).iter().all(|byte| usize::from(*byte) == n), "class of {len}");
            }
            buffers.into_iter().for_each(|buffer| pool.give_back(buffer));
        }
    }

    #[test]
    fn the_memory_limit_holds_and_what_is_given_back_is_used_again() {
        let mut pool = BufferPool::new(CHUNK_LEN);
        let buffers: Vec<Buffer> = (0..CHUNK_LEN / 256).map(|_| pool.take(b"x", 1).unwrap()).collect();
        assert_eq!(pool.take(b"x", 1).err(), Some(Exhausted));
        assert_eq!(pool.take(b"x", 1000).err(), Some(Exhausted));
        assert_eq!(pool.take(b"x", BUFFER_LEN_MAX + 1).err(), Some(Exhausted));
        buffers.into_iter().for_each(|buffer| pool.give_back(buffer));
        assert!(pool.take(b"x", 1).is_ok());
        assert_eq!(pool.memory_len(), CHUNK_LEN);
    }
}
