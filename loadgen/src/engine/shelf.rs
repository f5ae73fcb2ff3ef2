//! What only a few connections must keep: the first part of a reply that cannot be consumed yet, and how much
//! of a batch the kernel had no room for. All others own only their slot.

/// Nothing is kept.
pub(super) const NOTHING: u32 = u32::MAX;

/// What is kept for one connection.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Bytes of a reply that is still incomplete.
    pub(super) unread: Vec<u8>,
    /// Bytes at the end of the batch that the kernel has not taken yet.
    pub(super) unsent: usize,
}

/// Places by index; an index costs a connection 4 bytes, a pointer would cost 8.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    places: Vec<Kept>,
    free: Vec<u32>,
}

impl Shelf {
    /// The place at `*index`, created if there is none.
    pub(super) fn place(&mut self, index: &mut u32) -> &mut Kept {
        if *index == NOTHING {
            *index = self.free.pop().unwrap_or_else(|| {
                self.places.push(Kept::default());
                (self.places.len() - 1) as u32
            });
        }
        &mut self.places[*index as usize]
    }

    /// What is kept at `index`, if anything.
    #[inline]
    pub(super) fn look(&self, index: u32) -> Option<&Kept> {
        self.places.get(index as usize)
    }

    /// Gives the place back; nothing happens for [`NOTHING`].
    #[inline]
    pub(super) fn release(&mut self, index: &mut u32) {
        if *index != NOTHING {
            let kept = &mut self.places[*index as usize];
            kept.unread.clear();
            kept.unsent = 0;
            self.free.push(*index);
            *index = NOTHING;
        }
    }

    /// Gives the place back when nothing is left in it.
    pub(super) fn release_if_empty(&mut self, index: &mut u32) {
        if self.look(*index).is_some_and(|kept| kept.unread.is_empty() && kept.unsent == 0) {
            self.release(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again() {
        let mut shelf = Shelf::default();
        let (mut one, mut two, mut none) = (NOTHING, NOTHING, NOTHING);
        shelf.place(&mut one).unread.extend(b"one");
        shelf.place(&mut two).unsent = 2;
        assert_eq!(shelf.look(one).unwrap().unread, b"one");
        assert_eq!(shelf.look(two).unwrap().unsent, 2);
        assert!(shelf.look(none).is_none());
        shelf.release_if_empty(&mut one);
        assert_ne!(one, NOTHING, "it still has bytes");
        let before = one;
        shelf.release(&mut one);
        shelf.release(&mut none);
        assert_eq!((one, none), (NOTHING, NOTHING));
        assert!(shelf.place(&mut none).unread.is_empty());
        assert_eq!((none, shelf.places.len()), (before, 2));
        shelf.release_if_empty(&mut none);
        assert_eq!(none, NOTHING);
    }
}
