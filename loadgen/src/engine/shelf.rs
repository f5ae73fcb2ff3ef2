//! Pooled buffers for the few connections whose reply head arrived in part. All others own none.

/// No buffer.
pub(super) const NOTHING: u32 = u32::MAX;

/// Buffers by index; an index costs a connection 4 bytes where a pointer would cost 8.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    buffers: Vec<Vec<u8>>,
    free: Vec<u32>,
}

impl Shelf {
    /// Keeps `bytes` and returns where.
    pub(super) fn put(&mut self, bytes: &[u8]) -> u32 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.buffers.push(Vec::new());
            (self.buffers.len() - 1) as u32
        });
        let buffer = &mut self.buffers[index as usize];
        buffer.clear();
        buffer.extend_from_slice(bytes);
        index
    }

    /// What is kept at `index`; empty for [`NOTHING`].
    pub(super) fn look(&self, index: u32) -> &[u8] {
        self.buffers.get(index as usize).map_or(&[], Vec::as_slice)
    }

    /// Gives the buffer back; nothing happens for [`NOTHING`].
    pub(super) fn release(&mut self, index: u32) {
        if index != NOTHING {
            self.free.push(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_used_again() {
        let mut shelf = Shelf::default();
        let (one, two) = (shelf.put(b"one"), shelf.put(b"two"));
        assert_eq!((shelf.look(one), shelf.look(two), shelf.look(NOTHING)), (&b"one"[..], &b"two"[..], &b""[..]));
        shelf.release(one);
        shelf.release(NOTHING);
        assert_eq!(shelf.put(b"three"), one);
        assert_eq!(shelf.look(one), b"three");
        assert_eq!(shelf.buffers.len(), 2);
    }
}
