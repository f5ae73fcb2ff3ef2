//! How a shard takes in connections: what keeps it from accepting, who waits, and who may have to leave for others.

use std::os::fd::OwnedFd;

use protocol::server::Protocol;
use rustix::io::Errno;

use super::Shard;
use super::counters::CloseReason;
use super::intake::Trouble;
use super::room::Room;
use super::slab::ConnectionId;
use super::tick::Tick;
use super::wheel::Deadline;
use crate::listener;

/// Most connections evicted at once, and the part of all connections that they are at most: those of nginx
/// (`ngx_drain_connections`).
const EVICTED_MAX: usize = 32;
const EVICTED_PART: u32 = 8;
/// Entries of the timer wheel that are looked at for them.
const EVICT_LOOKS_MAX: u32 = 1024;
/// A connection is idle for eviction after this many ticks, at least 100 ms: a request that follows its handshake has
/// arrived by then.
const EVICT_TICKS_MIN: u32 = 2;

impl<P: Protocol, K> Shard<P, K> {
    /// Accepts one connection by `accept`, if there is room for it, or a waiting room. `None`: the accept queue is empty.
    ///
    /// # Errors
    /// The obstacle; [`Shard::meet`] says whether accept must pause.
    #[inline]
    pub(crate) fn accept<S>(&mut self, accept: impl FnOnce() -> Result<S, Errno>) -> Result<Option<S>, Trouble> {
        if self.room.is_none()
            && let Some(trouble) = self.trouble()
        {
            return Err(trouble);
        }
        self.shared.counters.syscalls += 1;
        match accept() {
            Ok(socket) => {
                self.intake.succeed();
                Ok(Some(socket))
            }
            Err(Errno::AGAIN) => Ok(None),
            Err(error) => Err(Trouble::of(error)),
        }
    }

    /// Lets an accepted connection wait in the waiting room. Returns it if there is none.
    #[inline]
    pub(crate) fn let_wait(&mut self, socket: OwnedFd) -> Option<OwnedFd> {
        let Some(room) = &mut self.room else { return Some(socket) };
        let counters = &mut self.shared.counters;
        if let Some(oldest) = room.push(socket) {
            counters.syscalls += 2;
            counters.ended_at_once(CloseReason::CrowdedOut);
            listener::reset(oldest);
        }
        counters.waiting_peak = counters.waiting_peak.max(room.len().into());
        None
    }

    /// Connections in the waiting room.
    pub(crate) fn waiting(&self) -> u32 {
        self.room.as_ref().map_or(0, Room::len)
    }

    /// Whether somebody waits, and may perhaps be taken in.
    #[inline]
    pub(crate) fn is_room_due(&self) -> bool {
        self.room.as_ref().and_then(Room::due).is_some_and(|due| due <= self.shared.now)
    }

    /// The next one out of the waiting room. `None`: nobody waits, or nobody can be taken in now.
    pub(crate) fn next_waiting(&mut self) -> Option<OwnedFd> {
        if self.waiting() == 0 {
            return None;
        }
        match self.trouble() {
            Some(trouble) => {
                self.rest_room(trouble);
                None
            }
            None => self.room.as_mut()?.pop(),
        }
    }

    /// Nobody is taken in from the waiting room for a while, because of `trouble`.
    pub(crate) fn rest_room(&mut self, trouble: Trouble) {
        let until = self.intake.pause(trouble, self.shared.now, &mut self.shared.counters);
        if let Some(room) = &mut self.room {
            room.rest(until);
        }
    }

    /// Cuts off everybody in the waiting room.
    pub(crate) fn cut_room(&mut self) {
        while let Some(socket) = self.room.as_mut().and_then(Room::pop) {
            drop(socket);
            self.shared.counters.syscalls += 1;
            self.shared.counters.ended_at_once(CloseReason::DrainForced);
        }
    }

    /// Notes why an accept failed; true if accept must pause.
    #[cold]
    pub(crate) fn meet(&mut self, trouble: Trouble) -> bool {
        self.intake.meet(trouble, self.shared.now, &mut self.shared.counters)
    }

    /// Whether a pause of accept is over, by its time or because a connection has ended.
    #[inline]
    pub(crate) fn is_pause_over(&self) -> bool {
        self.intake.is_pause_over(self.shared.now)
    }

    /// Ends a pause of accept that is over; true if accept goes on.
    pub(crate) fn resume(&mut self) -> bool {
        self.intake.resume(self.shared.now)
    }

    /// What keeps the shard from taking in one more connection.
    #[inline]
    pub(super) fn trouble(&self) -> Option<Trouble> {
        if self.slab.is_full() {
            return Some(Trouble::Full);
        }
        if !self.intake.is_within_rate() {
            return Some(Trouble::Rate);
        }
        self.is_low().then_some(Trouble::Buffers)
    }

    /// Whether the buffer pool has only its reserve left: existing connections go first.
    #[inline]
    pub(crate) fn is_low(&self) -> bool {
        self.shared.pool.is_low()
    }

    /// Some of the connections that have been idle longest, to a tick, with the deadlines that show it. None if none is
    /// idle among the entries that come due next.
    #[cold]
    pub(crate) fn longest_idle(&mut self) -> impl Iterator<Item = (ConnectionId, Tick)> + use<P, K> {
        let count = (self.slab.len() / EVICTED_PART).clamp(1, EVICTED_MAX as u32) as usize;
        let latest = self.shared.now.after(self.shared.timeouts.idle_ticks).0.saturating_sub(EVICT_TICKS_MIN);
        let mut found = [None; EVICTED_MAX];
        let mut places = found.iter_mut().take(count);
        self.wheel.visit(&mut self.slab, EVICT_LOOKS_MAX, |id, connection| {
            if connection.deadline().0 > latest {
                return false;
            }
            if connection.is_idle() {
                match places.next() {
                    Some(place) => *place = Some((id, connection.deadline())),
                    None => return false,
                }
            }
            true
        });
        found.into_iter().flatten()
    }

    /// Whether a connection is idle, and was so already when its deadline became this one.
    pub(crate) fn is_idle_until(&mut self, id: ConnectionId, deadline: Tick) -> bool {
        self.slab.get_mut(id).is_some_and(|connection| connection.is_idle() && connection.deadline() == deadline)
    }
}
