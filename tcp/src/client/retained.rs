//! Copies of unacknowledged bytes, for the few peers that have any.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Most buffers kept for reuse. More come back only if more peers than this waited for an acknowledgement at
/// once.
const SPARE_MAX: usize = 16 * 1024;

/// One multiplication: the keys are our own small numbers, so nobody can choose colliding ones.
#[derive(Debug, Default)]
struct IndexHasher(u64);

impl Hasher for IndexHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u32(u32::from(byte)));
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// The bytes of one peer.
#[derive(Debug, Default)]
struct Bytes {
    bytes: Vec<u8>,
    /// Bytes before this have been acknowledged.
    start: usize,
}

/// Bytes in flight by peer. The send window limits how many one peer can have.
#[derive(Debug, Default)]
pub(super) struct Retained {
    peers: HashMap<u32, Bytes, BuildHasherDefault<IndexHasher>>,
    spare: Vec<Vec<u8>>,
}

impl Retained {
    /// Keeps a copy of bytes that have been sent.
    #[inline]
    pub(super) fn append(&mut self, index: u32, bytes: &[u8]) {
        let spare = &mut self.spare;
        let kept =
            self.peers.entry(index).or_insert_with(|| Bytes { bytes: spare.pop().unwrap_or_default(), start: 0 });
        kept.bytes.extend_from_slice(bytes);
    }

    /// The bytes in flight.
    pub(super) fn look(&self, index: u32) -> &[u8] {
        self.peers.get(&index).map_or(&[], |kept| &kept.bytes[kept.start..])
    }

    /// Drops the first `count` bytes, or all if there are fewer: they have been acknowledged.
    #[inline]
    pub(super) fn release(&mut self, index: u32, count: usize) {
        let Some(kept) = self.peers.get_mut(&index) else { return };
        if count < kept.bytes.len() - kept.start {
            kept.start += count;
        } else {
            self.forget(index);
        }
    }

    /// Drops everything of a peer.
    #[inline]
    pub(super) fn forget(&mut self, index: u32) {
        if let Some(Bytes { mut bytes, .. }) = self.peers.remove(&index)
            && self.spare.len() < SPARE_MAX
        {
            bytes.clear();
            self.spare.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_kept_until_they_are_acknowledged() {
        let mut retained = Retained::default();
        retained.append(7, b"hello ");
        retained.append(7, b"world");
        retained.append(8, b"other");
        retained.release(7, 3);
        assert_eq!((retained.look(7), retained.look(8), retained.look(9)), (&b"lo world"[..], &b"other"[..], &b""[..]));
        retained.release(7, 8);
        retained.release(7, 1);
        retained.forget(9);
        retained.release(8, 100);
        assert!(retained.peers.is_empty() && retained.look(7).is_empty());
        retained.append(9, b"again");
        assert_eq!((retained.look(9), retained.spare.len()), (&b"again"[..], 1), "buffers are used again");
    }
}
