//! Timers: one coarse wheel per shard, chained by u32 indices inside the slab.
//!
//! An active connection does not touch the wheel: it only stores its new deadline. When its entry comes due,
//! the entry moves to that deadline. So the hot path pays one store, and a timeout may be late by one tick,
//! never early.
//!
//! The invariant, asserted by `Shard::check`: a connection whose deadline is not [`Tick::NEVER`] is in the
//! wheel, in a bucket that comes no later than the deadline ([`Wheel::covers`]). If an entry is taken out
//! (because it came due) or a deadline moves earlier, the connection is marked and `Shard::settle` covers it
//! again.

use super::slab::{ConnectionId, Links, NONE, Slab};
use super::tick::Tick;

/// Buckets of the wheel, a power of two. 1,024 ticks are 102 s: the default timeouts fit in one turn of the
/// wheel; longer ones are checked once per turn and put back.
const BUCKETS: u32 = 1024;

/// What the wheel must know about its entries.
pub(crate) trait Deadline {
    /// When the current timeout ends; [`Tick::NEVER`] for none.
    fn deadline(&self) -> Tick;
}

pub(crate) struct Wheel {
    heads: Box<[u32; BUCKETS as usize]>,
    /// One bit per bucket that is not empty, to find the next one without walking them.
    occupied: [u64; BUCKETS as usize / 64],
    /// Buckets up to and including this tick are done.
    done: Tick,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Wheel { heads: Box::new([NONE; BUCKETS as usize]), occupied: [0; BUCKETS as usize / 64], done: Tick(0) }
    }

    /// Ensures that the entry comes due no later than its deadline. Cheap if nothing changes.
    #[inline]
    pub(crate) fn cover<C: Deadline>(&mut self, slab: &mut Slab<C>, id: ConnectionId) {
        let slot = slab.slot_mut(id.index);
        let due = slot.links.due;
        let Some(deadline) = slot.entry_mut().map(|entry| entry.deadline()) else { return };
        if deadline < due {
            self.move_to(slab, id.index, deadline);
        }
    }

    #[cold]
    fn move_to<C>(&mut self, slab: &mut Slab<C>, index: u32, deadline: Tick) {
        self.unlink(slab, index);
        self.link(slab, index, deadline);
    }

    /// Takes the entry out, if it is in.
    pub(crate) fn unlink<C>(&mut self, slab: &mut Slab<C>, index: u32) {
        let links = slab.slot_mut(index).links;
        if !links.is_linked() {
            return;
        }
        let bucket = links.due.0 % BUCKETS;
        match links.prev {
            NONE => self.heads[bucket as usize] = links.next,
            prev => slab.slot_mut(prev).links.next = links.next,
        }
        if links.next != NONE {
            slab.slot_mut(links.next).links.prev = links.prev;
        }
        if self.heads[bucket as usize] == NONE {
            self.occupied[bucket as usize / 64] &= !(1 << (bucket % 64));
        }
        slab.slot_mut(index).links = Links::default();
    }

    /// Puts an entry that is not in the wheel at `deadline`, or at the last bucket of this turn.
    fn link<C>(&mut self, slab: &mut Slab<C>, index: u32, deadline: Tick) {
        if deadline == Tick::NEVER {
            return;
        }
        // A bucket at or before `done` would wait for a whole turn of the wheel.
        let due = Tick(deadline.0.clamp(self.done.0 + 1, self.done.0 + BUCKETS - 1));
        let bucket = due.0 % BUCKETS;
        let next = self.heads[bucket as usize];
        if next != NONE {
            slab.slot_mut(next).links.prev = index;
        }
        slab.slot_mut(index).links = Links { prev: NONE, next, due };
        self.heads[bucket as usize] = index;
        self.occupied[bucket as usize / 64] |= 1 << (bucket % 64);
    }

    /// Takes the next connection whose deadline is at or before `now` out of the wheel; entries with later
    /// deadlines are moved to their buckets. Call until `None`; between two calls, entries may be covered,
    /// moved and unlinked. It returns one at a time, so that a million that expire together need no list.
    pub(crate) fn next_expired<C: Deadline>(&mut self, slab: &mut Slab<C>, now: Tick) -> Option<ConnectionId> {
        // If the wheel is late by more than one turn, visiting every bucket once is enough.
        self.done = self.done.max(Tick(now.0.saturating_sub(BUCKETS)));
        loop {
            // The bucket of `done` may be partly handled: nothing is ever linked into it (see `link`).
            let bucket = self.done.0 % BUCKETS;
            while self.heads[bucket as usize] != NONE {
                let index = self.heads[bucket as usize];
                let slot = slab.slot_mut(index);
                let deadline = slot.entry_mut().map_or(Tick::NEVER, |entry| entry.deadline());
                let id = ConnectionId { index, generation: slot.generation() };
                self.unlink(slab, index);
                if deadline <= now {
                    return Some(id);
                }
                self.link(slab, index, deadline);
            }
            if self.done >= now {
                return None;
            }
            self.done = Tick(self.done.0 + 1);
        }
    }

    /// Whether the entry of `index` comes due no later than `deadline`, or in the next bucket to be handled.
    pub(crate) fn covers<C>(&self, slab: &mut Slab<C>, index: u32, deadline: Tick) -> bool {
        let links = slab.slot_mut(index).links;
        deadline == Tick::NEVER || links.is_linked() && links.due.0 <= deadline.0.max(self.done.0 + 1)
    }

    /// Shows entries to `visit` in the order of their deadlines, until it returns false or `looks_max` entries were
    /// looked at. An entry whose deadline has moved is put into the bucket of that one on the way, so nobody looks at it
    /// there again. Deadlines beyond one turn of the wheel come last, in no order.
    pub(crate) fn visit<C: Deadline>(
        &mut self,
        slab: &mut Slab<C>,
        looks_max: u32,
        mut visit: impl FnMut(ConnectionId, &C) -> bool,
    ) {
        let last = Tick(self.done.0 + BUCKETS - 1);
        let (mut before, mut looks) = (self.done, 0);
        while let Some(due) = self.next_after(before).filter(|due| *due <= last) {
            let mut index = self.heads[(due.0 % BUCKETS) as usize];
            while index != NONE {
                if looks == looks_max {
                    return;
                }
                looks += 1;
                let slot = slab.slot_mut(index);
                let (next, id) = (slot.links.next, ConnectionId { index, generation: slot.generation() });
                let Some(entry) = slot.entry_mut() else { return };
                let deadline = entry.deadline();
                if deadline > due && due < last {
                    self.move_to(slab, index, deadline);
                } else if !visit(id, entry) {
                    return;
                }
                index = next;
            }
            before = due;
        }
    }

    /// The next tick at which an entry may come due.
    pub(crate) fn next_due(&self) -> Option<Tick> {
        self.next_after(self.done)
    }

    /// The first tick after `tick` whose bucket has entries. The buckets are those of one turn of the wheel.
    fn next_after(&self, tick: Tick) -> Option<Tick> {
        let start = (tick.0 + 1) % BUCKETS;
        // All words, beginning with the one that holds `start`, and that one again for its lower bits.
        for step in 0..=self.occupied.len() as u32 {
            let word_index = (start / 64 + step) as usize % self.occupied.len();
            let mut word = self.occupied[word_index];
            if step == 0 {
                word &= u64::MAX << (start % 64);
            }
            if word != 0 {
                let bucket = word_index as u32 * 64 + word.trailing_zeros();
                let distance = (bucket + BUCKETS - start) % BUCKETS;
                return Some(Tick(tick.0 + 1 + distance));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Entry(Tick);
    impl Deadline for Entry {
        fn deadline(&self) -> Tick {
            self.0
        }
    }

    const NOBODY: [u32; 0] = [];

    fn expire(wheel: &mut Wheel, slab: &mut Slab<Entry>, now: u32) -> Vec<u32> {
        let mut indices: Vec<u32> =
            std::iter::from_fn(|| wheel.next_expired(slab, Tick(now))).map(|id| id.index).collect();
        indices.sort_unstable();
        indices
    }

    fn with(deadlines: &[u32]) -> (Wheel, Slab<Entry>) {
        let (mut wheel, mut slab) = (Wheel::new(), Slab::with_capacity(64).unwrap());
        for deadline in deadlines {
            let id = slab.insert(Entry(Tick(*deadline))).unwrap();
            wheel.cover(&mut slab, id);
        }
        (wheel, slab)
    }

    #[test]
    fn entries_expire_at_their_deadline_and_not_before() {
        let (mut wheel, mut slab) = with(&[5, 5, 9, u32::MAX, 4000]);
        assert_eq!(wheel.next_due(), Some(Tick(5)));
        assert_eq!(expire(&mut wheel, &mut slab, 4), NOBODY);
        assert_eq!(expire(&mut wheel, &mut slab, 5), [0, 1]);
        assert_eq!(wheel.next_due(), Some(Tick(9)));
        assert_eq!(expire(&mut wheel, &mut slab, 3999), [2]);
        assert_eq!(expire(&mut wheel, &mut slab, 4000), [4]);
        assert_eq!(wheel.next_due(), None);
    }

    #[test]
    fn a_deadline_that_moved_later_is_followed_without_touching_the_wheel() {
        let (mut wheel, mut slab) = with(&[5]);
        slab.slot_mut(0).entry_mut().unwrap().0 = Tick(50);
        assert_eq!(expire(&mut wheel, &mut slab, 49), NOBODY);
        assert_eq!(expire(&mut wheel, &mut slab, 50), [0]);
    }

    #[test]
    fn a_deadline_that_moved_earlier_is_covered() {
        let (mut wheel, mut slab) = with(&[500, 500, 500]);
        let id = slab.at_or_after(1).unwrap();
        slab.get_mut(id).unwrap().0 = Tick(3);
        wheel.cover(&mut slab, id);
        assert_eq!(expire(&mut wheel, &mut slab, 3), [1]);
        assert_eq!(expire(&mut wheel, &mut slab, 500), [0, 2]);
    }

    #[test]
    fn a_reactor_that_slept_for_hours_misses_nothing() {
        let (mut wheel, mut slab) = with(&[1, 1023, 1024, 1025, 90_000]);
        assert_eq!(expire(&mut wheel, &mut slab, 80_000), [0, 1, 2, 3]);
        assert_eq!(expire(&mut wheel, &mut slab, 90_000), [4]);
    }

    /// The entries that a visit of at most `looks_max` looks is shown.
    fn visited(wheel: &mut Wheel, slab: &mut Slab<Entry>, looks_max: u32) -> Vec<u32> {
        let mut seen = Vec::new();
        wheel.visit(slab, looks_max, |id, _| {
            seen.push(id.index);
            true
        });
        seen
    }

    #[test]
    fn a_visit_follows_the_deadlines_and_tidies_up() {
        let (mut wheel, mut slab) = with(&[700, 5, 300, 9, u32::MAX, 5]);
        expire(&mut wheel, &mut slab, 3);
        // The entries of 5 and 9 stay where they are until somebody looks.
        slab.slot_mut(1).entry_mut().unwrap().0 = Tick(500);
        slab.slot_mut(3).entry_mut().unwrap().0 = Tick(4);
        assert_eq!(visited(&mut wheel, &mut slab, 2), [5], "one look put an entry where it belongs");
        assert_eq!(wheel.next_due(), Some(Tick(5)));
        assert_eq!(visited(&mut wheel, &mut slab, 64), [5, 3, 2, 1, 0]);
        assert_eq!(visited(&mut wheel, &mut slab, 3), [5, 3, 2]);
        let mut count = 0;
        wheel.visit(&mut slab, 64, |_, _| {
            count += 1;
            count < 2
        });
        assert_eq!(count, 2, "it ends when it is told to");
        assert_eq!(expire(&mut wheel, &mut slab, 499), [2, 3, 5]);
        assert_eq!(expire(&mut wheel, &mut slab, 700), [0, 1]);
    }

    #[test]
    fn a_visit_shows_far_deadlines_last_and_once() {
        let (mut wheel, mut slab) = with(&[5000, 1023, 4000, 1022]);
        let mut seen = visited(&mut wheel, &mut slab, 64);
        assert_eq!(seen[0], 3);
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3]);
    }

    #[test]
    fn next_due_looks_around_the_whole_wheel() {
        for start in [0u32, 1, 63, 64, 1000, 1023] {
            for distance in [1u32, 2, 62, 63, 64, 65, 1000, 1022, 1023] {
                let (mut wheel, mut slab) = with(&[]);
                expire(&mut wheel, &mut slab, start);
                let id = slab.insert(Entry(Tick(start + distance))).unwrap();
                wheel.cover(&mut slab, id);
                assert_eq!(wheel.next_due(), Some(Tick(start + distance)), "{start} + {distance}");
            }
        }
    }
}
