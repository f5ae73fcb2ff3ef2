//! Connections by index, with generations: an event for a connection that is gone finds none.

use std::collections::TryReserveError;

use super::tick::Tick;

/// Bits of the generation inside a [`Token`]. A stale event could find the wrong connection only if its slot
/// were reused 2^24 times while the event is in flight.
const GENERATION_BITS: u32 = 24;

/// Which connection: its slot, and the slot's generation at the time it was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// The user data that comes back with an event: a connection and an operation tag. Bits 0..32 index, 32..56
/// generation, 56..64 tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) u64);

impl ConnectionId {
    /// For events that belong to no connection.
    pub(crate) const NONE: ConnectionId = ConnectionId { index: 0, generation: 0 };
}

impl Token {
    #[inline]
    pub(crate) const fn new(id: ConnectionId, tag: u8) -> Self {
        Token(id.index as u64 | (id.generation as u64) << 32 | (tag as u64) << 56)
    }

    #[inline]
    pub(crate) const fn id(self) -> ConnectionId {
        ConnectionId { index: self.0 as u32, generation: (self.0 >> 32) as u32 & ((1 << GENERATION_BITS) - 1) }
    }

    #[inline]
    pub(crate) const fn tag(self) -> u8 {
        (self.0 >> 56) as u8
    }
}

/// A connection's place in the wheel. `due == NEVER` means that it is not in the wheel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Links {
    pub(super) prev: u32,
    pub(super) next: u32,
    pub(super) due: Tick,
}

impl Default for Links {
    fn default() -> Self {
        Links { prev: NONE, next: NONE, due: Tick::NEVER }
    }
}

impl Links {
    pub(super) fn is_linked(&self) -> bool {
        self.due != Tick::NEVER
    }
}

/// One slot for a connection. Free slots are chained through `links.next`.
pub(crate) struct Slot<C> {
    pub(crate) links: Links,
    generation: u32,
    entry: Option<C>,
}

/// A fixed number of slots. Memory is reserved at start-up and touched only when first used, so an unused
/// slot costs only address space.
pub(crate) struct Slab<C> {
    slots: Vec<Slot<C>>,
    capacity: u32,
    free_first: u32,
    len: u32,
}

/// End of a chain of indices.
pub(crate) const NONE: u32 = u32::MAX;

impl<C> Slab<C> {
    /// # Errors
    /// If the address space is limited (RLIMIT_AS) or the kernel does not overcommit.
    pub(crate) fn with_capacity(capacity: u32) -> Result<Self, TryReserveError> {
        assert!(capacity < NONE);
        let mut slots = Vec::new();
        slots.try_reserve_exact(capacity as usize)?;
        Ok(Slab { slots, capacity, free_first: NONE, len: 0 })
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len == self.capacity
    }

    /// Takes a slot. `None` if all are taken.
    pub(crate) fn insert(&mut self, entry: C) -> Option<ConnectionId> {
        let index = if self.free_first != NONE {
            let index = self.free_first;
            let slot = &mut self.slots[index as usize];
            self.free_first = slot.links.next;
            slot.links = Links::default();
            slot.entry = Some(entry);
            index
        } else if self.slots.len() < self.capacity as usize {
            self.slots.push(Slot { links: Links::default(), generation: 0, entry: Some(entry) });
            self.slots.len() as u32 - 1
        } else {
            return None;
        };
        self.len += 1;
        Some(ConnectionId { index, generation: self.slots[index as usize].generation })
    }

    /// The connection, unless the id is stale.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut C> {
        match self.slots.get_mut(id.index as usize) {
            Some(slot) if slot.generation == id.generation => slot.entry.as_mut(),
            _ => None,
        }
    }

    /// Empties the slot; ids of this connection are stale from here on. It must not be in the timer wheel any
    /// more.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<C> {
        let slot = self.slots.get_mut(id.index as usize).filter(|slot| slot.generation == id.generation)?;
        let entry = slot.entry.take()?;
        debug_assert!(!slot.links.is_linked(), "a removed connection is still in the timer wheel");
        slot.generation = (slot.generation + 1) & ((1 << GENERATION_BITS) - 1);
        slot.links.next = self.free_first;
        self.free_first = id.index;
        self.len -= 1;
        Some(entry)
    }

    /// The first connection at or after `index`, in slot order: a cursor that survives changes.
    pub(crate) fn at_or_after(&self, index: u32) -> Option<ConnectionId> {
        let start = index as usize;
        let rest = self.slots.get(start..)?;
        let offset = rest.iter().position(|slot| slot.entry.is_some())?;
        let index = (start + offset) as u32;
        Some(ConnectionId { index, generation: self.slots[index as usize].generation })
    }

    #[inline]
    pub(crate) fn slot_mut(&mut self, index: u32) -> &mut Slot<C> {
        &mut self.slots[index as usize]
    }
}

impl<C> Slot<C> {
    pub(crate) fn entry_mut(&mut self) -> Option<&mut C> {
        self.entry.as_mut()
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_id_finds_nothing_even_when_the_place_is_taken_again() {
        let mut slab = Slab::with_capacity(2).unwrap();
        let first = slab.insert('a').unwrap();
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b').unwrap();
        assert_eq!((first.index, second.index), (0, 0));
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get_mut(second), Some(&mut 'b'));
    }

    #[test]
    fn it_is_full_at_its_capacity_and_usable_again_after_a_removal() {
        let mut slab = Slab::with_capacity(3).unwrap();
        let ids: Vec<_> = (0..3).map(|n| slab.insert(n).unwrap()).collect();
        assert!(slab.is_full() && slab.insert(9).is_none());
        slab.remove(ids[1]);
        assert_eq!(slab.at_or_after(1), Some(ids[2]));
        assert_eq!(slab.insert(7).map(|id| id.index), Some(1));
        assert_eq!(slab.len(), 3);
    }

    #[test]
    fn a_token_carries_all_three_parts() {
        let id = ConnectionId { index: u32::MAX - 1, generation: (1 << GENERATION_BITS) - 1 };
        let token = Token::new(id, 0xA5);
        assert_eq!((token.id(), token.tag()), (id, 0xA5));
    }

    #[test]
    fn generations_wrap_without_touching_the_tag() {
        let mut slab = Slab::with_capacity(1).unwrap();
        slab.insert(()).unwrap();
        slab.slots[0].generation = (1 << GENERATION_BITS) - 1;
        let id = ConnectionId { index: 0, generation: (1 << GENERATION_BITS) - 1 };
        slab.remove(id).unwrap();
        assert_eq!(slab.insert(()).unwrap().generation, 0);
    }
}
