//! Outgoing packets, one after the other in one buffer. Sends nothing.

use crate::wire::{Checksums, Packet};

/// Packets that wait to be written. It is emptied after each call into the stack but keeps its memory, so a
/// steady state allocates nothing.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// Where each packet ends.
    ends: Vec<usize>,
    prefix: Vec<u8>,
    checksums: Checksums,
}

impl Outbox {
    /// An outbox that puts `prefix` in front of each packet, as some devices need, and treats checksums as
    /// `checksums` says.
    pub fn new(prefix: &[u8], checksums: Checksums) -> Outbox {
        Outbox { prefix: prefix.to_vec(), checksums, ..Outbox::default() }
    }

    /// Adds a packet.
    #[inline]
    pub fn push(&mut self, packet: &Packet<'_>) {
        self.bytes.extend_from_slice(&self.prefix);
        packet.write(self.checksums, &mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// The packets in the order they were added, each with its prefix.
    pub fn packets(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| &self.bytes[std::mem::replace(&mut start, end)..end])
    }

    /// Whether nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets the packets.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}
