//! One reactor's connections, buffers, timers and counters: the same for every backend.

mod bucket;
pub(crate) mod connection;
pub(crate) mod counters;
mod intake;
mod jobs;
mod pool;
pub(crate) mod quota;
mod reserve;
mod resources;
mod room;
#[cfg(test)]
pub(crate) mod simulation;
pub(crate) mod slab;
mod taking;
mod tick;
mod timeouts;
mod unwatched;
mod wheel;

use std::collections::TryReserveError;
use std::os::fd::OwnedFd;
use std::time::Duration;

use protocol::server::Protocol;
use rustix::time::{ClockId, clock_gettime};

pub(crate) use bucket::Bucket;
use connection::{Connection, Want};
use counters::CloseReason;
pub(crate) use intake::{Intake, Trouble};
use reserve::Reserve;
pub(crate) use resources::{Resources, SCRATCH_LEN};
pub(crate) use room::Room;
use slab::{ConnectionId, Slab, Slot};
use tick::TICK_MS;
pub(crate) use tick::{TICK, Tick};
pub(crate) use timeouts::Timeouts;
pub(crate) use unwatched::Unwatched;
use wheel::{Deadline, Wheel};

use crate::admission::WhenShort;
use crate::blocking::Desk;
use crate::handicap::Handicap;

/// The least memory for buffers of a reactor, in bytes.
pub const BUFFER_MEMORY_LEN_MIN: usize = pool::MEMORY_LEN_MIN;

/// One reactor's share of the server.
pub(crate) struct Shard<P: Protocol, K> {
    pub(crate) shared: Resources<P>,
    pub(crate) intake: Intake,
    /// Where accepted connections wait for their turn, if they do.
    pub(crate) room: Option<Room<OwnedFd>>,
    /// What accept does when descriptors run out, and the descriptor that it may need for that.
    pub(crate) when_short: WhenShort,
    pub(crate) reserve: Reserve,
    /// What each request costs beyond its work, if anything.
    pub(crate) handicap: Option<Handicap>,
    /// Where it hands in what would block it, if there is a pool.
    pub(crate) desk: Option<Desk>,
    slab: Slab<Connection<K, P::State>>,
    wheel: Wheel,
    started_ms: u64,
    /// Debug builds: the connection that expired last. It must be settled before the next one expires.
    last_expired: Option<ConnectionId>,
    /// When to look again for connections to shed, after a look that found only short buffers.
    shed_at: Tick,
}

/// After the kernel refused memory, the pool asks again after this many ticks: 10 s.
const RECOVERY_TICKS: u32 = 100;

/// Most connections shed between two looks at the pool.
const SHED_MAX: usize = 32;

impl<P: Protocol, K> Shard<P, K> {
    pub(crate) fn new(shared: Resources<P>, connections_max: u32) -> Result<Self, TryReserveError> {
        let mut shard = Shard {
            shared,
            intake: Intake::default(),
            room: None,
            when_short: WhenShort::Pause,
            reserve: Reserve::default(),
            handicap: None,
            desk: None,
            slab: Slab::with_capacity(connections_max)?,
            wheel: Wheel::new(),
            started_ms: monotonic_ms(),
            last_expired: None,
            shed_at: Tick(0),
        };
        shard.shared.protocol.set_time(unix_seconds());
        Ok(shard)
    }

    /// The connection of an event, and the shared resources; `None` for a stale event.
    #[inline]
    #[expect(clippy::type_complexity, reason = "two borrows of different fields, taken apart at once by every caller")]
    pub(crate) fn find(&mut self, id: ConnectionId) -> Option<(&mut Connection<K, P::State>, &mut Resources<P>)> {
        match self.slab.get_mut(id) {
            Some(connection) => Some((connection, &mut self.shared)),
            None => {
                self.shared.counters.stale_events += 1;
                None
            }
        }
    }

    /// Takes in a connection. The caller has checked that there is a free slot.
    pub(crate) fn admit(&mut self, socket: K) -> Option<ConnectionId> {
        let connection = Connection::new(socket, self.shared.now, &self.shared.timeouts);
        let id = self.slab.insert(connection)?;
        self.shared.counters.accepts += 1;
        if !self.intake.spend(&mut self.shared.counters)
            && let Some(connection) = self.slab.get_mut(id)
        {
            connection.defer();
        }
        self.wheel.cover(&mut self.slab, id);
        Some(id)
    }

    /// After every event: tells the timer wheel a deadline that moved earlier or whose entry it dropped. A
    /// deadline that moved later is found when its entry comes due.
    #[inline]
    pub(crate) fn settle(&mut self, id: ConnectionId) {
        let Some(connection) = self.slab.get_mut(id) else { return };
        if connection.is_uncovered() {
            connection.set_covered(true);
            self.wheel.cover(&mut self.slab, id);
        }
        if cfg!(debug_assertions) {
            self.check(id);
        }
    }

    /// The invariants of a connection between two events: its own, and that the wheel will visit it.
    fn check(&mut self, id: ConnectionId) {
        let Some(connection) = self.slab.get_mut(id) else { return };
        connection.check();
        let (deadline, is_uncovered) = (connection.deadline(), connection.is_uncovered());
        let is_covered = is_uncovered || self.wheel.covers(&mut self.slab, id.index, deadline);
        assert!(is_covered, "a connection whose deadline {deadline:?} no timer will see");
    }

    /// Stops the clock of a connection that is being closed.
    pub(crate) fn stop_timer(&mut self, id: ConnectionId) {
        self.wheel.unlink(&mut self.slab, id.index);
    }

    /// Forgets a connection and counts why it ended. The caller closes the returned socket.
    pub(crate) fn remove(&mut self, id: ConnectionId, reason: CloseReason) -> Option<K> {
        // Its buffers must come back, whatever made the backend close it.
        self.slab.get_mut(id)?.give_up(reason, &mut self.shared);
        self.wheel.unlink(&mut self.slab, id.index);
        let connection = self.slab.remove(id)?;
        self.shared.counters.closed(reason);
        self.intake.make_room(self.shared.now);
        Some(connection.socket)
    }

    /// Begins a turn, after its wait. True when a tick began, which is when timers may have expired.
    #[inline]
    pub(crate) fn begin_turn(&mut self) -> bool {
        // Here, because by now the last turn's replies have left in every backend: epoll and mio sent them at
        // once, io_uring with the wait. So all variants are delayed alike, whoever is on the other side.
        if let Some(handicap) = &mut self.handicap {
            handicap.pay(self.shared.counters.requests);
        }
        self.refresh_clock()
    }

    /// Reads the clock. True when a tick began.
    #[inline]
    fn refresh_clock(&mut self) -> bool {
        let now = Tick(((monotonic_ms() - self.started_ms) / TICK_MS) as u32);
        if now == self.shared.now {
            return false;
        }
        if self.shared.now.0 / RECOVERY_TICKS != now.0 / RECOVERY_TICKS {
            self.shared.pool.recover();
        }
        self.shared.now = now;
        self.intake.fill(now);
        // At most a tenth of a second behind the clock; a cached Date header is always a little late.
        self.shared.protocol.set_time(unix_seconds());
        true
    }

    /// Whether [`Shard::next_expired`] has something to check.
    pub(crate) fn may_expire(&self) -> bool {
        self.wheel.next_due().is_some_and(|due| due <= self.shared.now)
    }

    /// The next connection whose deadline has passed. Call it after the turn's events, until `None`, and
    /// [`Shard::expire`] for each result. If the connection waits for input, receive once more first, so that
    /// no timer beats a request that has arrived.
    pub(crate) fn next_expired(&mut self) -> Option<ConnectionId> {
        if cfg!(debug_assertions)
            && let Some(last) = self.last_expired.take()
            && let Some(connection) = self.slab.get_mut(last)
        {
            let is_settled = !connection.is_uncovered() || connection.has_given_up();
            assert!(is_settled, "a connection that expired was left without a timer");
        }
        let id = self.wheel.next_expired(&mut self.slab, self.shared.now)?;
        self.slab.get_mut(id)?.set_covered(false);
        self.last_expired = Some(id);
        Some(id)
    }

    /// Whether input would change what an expired deadline means.
    pub(crate) fn waits_for_input(&mut self, id: ConnectionId) -> bool {
        self.slab.get_mut(id).is_some_and(|connection| connection.waits_for_input())
    }

    /// What a connection wants now that its deadline has passed; `None` if it is gone or got a later
    /// deadline.
    pub(crate) fn expire(&mut self, id: ConnectionId) -> Option<Want> {
        let connection = self.slab.get_mut(id)?;
        if connection.deadline() <= self.shared.now {
            return Some(connection.timed_out(&mut self.shared));
        }
        self.settle(id);
        None
    }

    /// Ends a connection and returns what it wants; `None` if it is gone or closing already.
    pub(crate) fn give_up(&mut self, id: ConnectionId, reason: CloseReason) -> Option<Want> {
        let connection = self.slab.get_mut(id).filter(|connection| !connection.has_given_up())?;
        Some(connection.give_up(reason, &mut self.shared))
    }

    /// Whether connections must be shed because the pool runs out.
    #[inline]
    pub(crate) fn is_pressed(&self) -> bool {
        self.shared.pool.pressure() > 0 && self.shed_at <= self.shared.now
    }

    /// The connections to shed, as many as it takes: of those that hold long buffers (or short ones, if no
    /// others do), the ones longest without progress. The caller closes them for [`CloseReason::Shed`].
    #[cold]
    pub(crate) fn victims(&mut self) -> impl Iterator<Item = ConnectionId> + use<P, K> {
        let mut pressure = self.shared.pool.pressure();
        // Longest without progress first; a few comparisons per connection of the shard.
        let mut oldest = [None::<((bool, Tick), usize, ConnectionId)>; SHED_MAX];
        let mut index = 0;
        while let Some(id) = self.slab.at_or_after(index) {
            index = id.index + 1;
            let Some(connection) = self.slab.get_mut(id) else { continue };
            let held = connection.held_len(&self.shared);
            if held == 0 {
                continue;
            }
            let rank = (held <= pool::SHORT_LEN_MAX, connection.progress_at(&self.shared));
            let mut candidate = Some((rank, held, id));
            for place in &mut oldest {
                if place.is_none_or(|(rank, ..)| candidate.is_some_and(|(mine, ..)| mine < rank)) {
                    std::mem::swap(place, &mut candidate);
                }
                if candidate.is_none() {
                    break;
                }
            }
        }
        // Short buffers free memory only when a whole chunk is empty: not worth a look in every turn.
        if oldest.iter().flatten().all(|((is_short, _), ..)| *is_short) {
            self.shed_at = self.shared.now.after(1);
        }
        oldest
            .into_iter()
            .flatten()
            .take_while(move |(_, held, _)| {
                let is_needed = pressure > 0;
                pressure = pressure.saturating_sub(*held);
                is_needed
            })
            .map(|(.., id)| id)
    }

    /// How long a turn may wait for events; `None` means for ever.
    pub(crate) fn wait_max(&self) -> Option<Duration> {
        let room_due = self.room.as_ref().and_then(Room::due);
        let due = self.wheel.next_due().into_iter().chain(self.intake.due()).chain(room_due).min()?;
        let ticks = u64::from(due.0.saturating_sub(self.shared.now.0));
        Some(Duration::from_millis(ticks * TICK_MS))
    }

    /// Starts the drain: replies announce the close, and idle connections get a last short time.
    pub(crate) fn drain(&mut self) {
        self.shared.drain();
        let mut index = 0;
        while let Some(id) = self.slab.at_or_after(index) {
            index = id.index + 1;
            if let Some(connection) = self.slab.get_mut(id) {
                connection.drain(&self.shared);
            }
            self.wheel.cover(&mut self.slab, id);
        }
    }

    /// The first connection at or after `index`, in slot order.
    pub(crate) fn at_or_after(&self, index: u32) -> Option<ConnectionId> {
        self.slab.at_or_after(index)
    }

    pub(crate) fn len(&self) -> u32 {
        self.slab.len()
    }
}

/// The coarse clock reads memory instead of a hardware counter, and 4 ms are precise enough.
fn monotonic_ms() -> u64 {
    let time = clock_gettime(ClockId::MonotonicCoarse);
    time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000
}

fn unix_seconds() -> u64 {
    u64::try_from(clock_gettime(ClockId::RealtimeCoarse).tv_sec).unwrap_or(0)
}

/// Most bytes of user memory that one idle echo connection takes; each backend asserts it for its handles.
pub const ECHO_CONNECTION_LEN_MAX: usize = 64;
/// The same for HTTP.
pub const HTTP_CONNECTION_LEN_MAX: usize = 96;

/// Bytes of user memory that one idle connection takes in a shard with socket handles `K`.
pub(crate) const fn connection_len<P: Protocol, K>() -> usize {
    size_of::<Slot<Connection<K, P::State>>>()
}

#[cfg(test)]
mod tests;
