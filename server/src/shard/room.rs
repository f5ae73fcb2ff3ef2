//! The waiting room: connections that were accepted and are not served yet. The rate of accepts takes them in from here,
//! the oldest or the newest first.

use std::collections::{TryReserveError, VecDeque};

use super::tick::Tick;
use crate::admission::{AcceptOrder, WaitingRoom};

/// Those who wait, the oldest first. `S` is a socket.
#[derive(Debug)]
pub(crate) struct Room<S> {
    waiting: VecDeque<S>,
    places: usize,
    order: AcceptOrder,
    /// Nobody is taken in before this tick.
    rests_until: Tick,
}

impl<S> Room<S> {
    /// # Errors
    /// If the address space is limited (RLIMIT_AS) or the kernel does not overcommit.
    pub(crate) fn new(room: WaitingRoom) -> Result<Room<S>, TryReserveError> {
        let places = room.places.get() as usize;
        let mut waiting = VecDeque::new();
        waiting.try_reserve_exact(places)?;
        Ok(Room { waiting, places, order: room.order, rests_until: Tick(0) })
    }

    /// Lets one more wait. Returns the oldest if the room was full.
    pub(crate) fn push(&mut self, socket: S) -> Option<S> {
        let oldest = if self.waiting.len() == self.places { self.waiting.pop_front() } else { None };
        self.waiting.push_back(socket);
        oldest
    }

    /// Takes out whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<S> {
        match self.order {
            AcceptOrder::Oldest => self.waiting.pop_front(),
            AcceptOrder::Newest => self.waiting.pop_back(),
        }
    }

    /// Nobody is taken in before this tick.
    pub(crate) fn rest(&mut self, until: Tick) {
        self.rests_until = until;
    }

    /// When somebody may be taken in; `None` if nobody waits.
    #[inline]
    pub(crate) fn due(&self) -> Option<Tick> {
        (!self.waiting.is_empty()).then_some(self.rests_until)
    }

    pub(crate) fn len(&self) -> u32 {
        self.waiting.len() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    fn room(order: AcceptOrder) -> Room<u32> {
        Room::new(WaitingRoom { order, places: NonZeroU32::new(3).unwrap() }).unwrap()
    }

    #[test]
    fn the_order_is_the_one_asked_for_and_the_oldest_gives_way() {
        for (order, expected) in [(AcceptOrder::Oldest, [3, 4, 5]), (AcceptOrder::Newest, [5, 4, 3])] {
            let mut room = room(order);
            let gone: Vec<u32> = (1..=5).filter_map(|socket| room.push(socket)).collect();
            assert_eq!((gone, room.len()), (vec![1, 2], 3), "{order:?}");
            let taken: Vec<u32> = std::iter::from_fn(|| room.pop()).collect();
            assert_eq!(taken, expected, "{order:?}");
        }
    }

    #[test]
    fn an_empty_room_waits_for_nothing() {
        let mut room = room(AcceptOrder::Newest);
        room.rest(Tick(5));
        assert_eq!(room.due(), None);
        room.push(1);
        assert_eq!(room.due(), Some(Tick(5)));
    }
}
