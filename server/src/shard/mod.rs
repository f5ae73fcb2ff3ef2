//! One reactor's connections, buffers, timers and counters: the same for every backend.

pub(crate) mod connection;
pub(crate) mod counters;
mod intake;
mod pool;
pub(crate) mod slab;
mod wheel;

use std::time::Duration;

use protocol::server::{Echo, Http, Protocol};
use rustix::time::{ClockId, clock_gettime};

use connection::{Connection, Want};
use counters::{CloseReason, Counters};
pub(crate) use intake::{Intake, Trouble};
use pool::BufferPool;
use slab::{ConnectionId, Slab, Slot};
pub use wheel::Tick;
use wheel::{TICK_MS, Wheel};

/// Bytes received, and bytes replied, in one go. 64 KiB take every pipelined burst of a benchmark
/// and half of L2 at most; longer transfers take several passes.
pub(crate) const SCRATCH_LEN: usize = 64 * 1024;

/// Timeouts in ticks of 100 ms; `u32::MAX` is never.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    idle_ticks: u32,
    head_ticks: u32,
    stall_ticks: u32,
    linger_ticks: u32,
    drain_quiet_ticks: u32,
}

impl Timeouts {
    /// From durations; zero means never. Rounded up to whole ticks, and one more because a timeout
    /// starts in the middle of a tick.
    pub fn new(idle: Duration, head: Duration, stall: Duration) -> Self {
        let ticks = |timeout: Duration| match timeout.as_millis().div_ceil(u128::from(TICK_MS)) {
            0 => u32::MAX,
            ticks => u32::try_from(ticks + 1).unwrap_or(u32::MAX),
        };
        Timeouts {
            idle_ticks: ticks(idle),
            head_ticks: ticks(head),
            stall_ticks: ticks(stall),
            // Time for the peer to read the last reply and close. Apache waits 30 s, nginx 5 s; 2 s
            // are eight retransmission-free round trips to the far side of the planet.
            linger_ticks: ticks(Duration::from_secs(2)),
            // A request that was on its way when the drain began has arrived by then.
            drain_quiet_ticks: ticks(Duration::from_millis(500)),
        }
    }

    fn ticks(&self, timer: connection::Timer) -> u32 {
        match timer {
            connection::Timer::Idle => self.idle_ticks,
            connection::Timer::Head => self.head_ticks,
            connection::Timer::Body | connection::Timer::Write => self.stall_ticks,
            connection::Timer::Linger => self.linger_ticks,
        }
    }
}

/// What the connections of a shard share.
pub struct Resources<P> {
    pub(crate) protocol: P,
    pub(crate) counters: Counters,
    pub(crate) now: Tick,
    pub(crate) draining: bool,
    pool: BufferPool,
    /// The reply being made; a connection keeps it elsewhere when it cannot be sent at once.
    output: Box<[u8]>,
    output_len: usize,
    timeouts: Timeouts,
}

impl<P: Protocol> Resources<P> {
    /// Resources with a pool of at most `buffer_memory_max` bytes.
    pub fn new(protocol: P, timeouts: Timeouts, buffer_memory_max: usize) -> Self {
        assert!(P::REPLY_LEN_MAX <= SCRATCH_LEN && P::UNREAD_LEN_MAX + SCRATCH_LEN <= pool::BUFFER_LEN_MAX);
        Resources {
            protocol,
            counters: Counters::default(),
            now: Tick(0),
            draining: false,
            pool: BufferPool::new(buffer_memory_max),
            output: vec![0; SCRATCH_LEN].into_boxed_slice(),
            output_len: 0,
            timeouts,
        }
    }

    /// Buffers in use now, the most that ever were, and bytes of memory they were cut from.
    pub fn buffer_usage(&self) -> (u32, u32, usize) {
        let (used, used_peak) = self.pool.usage();
        (used, used_peak, self.pool.memory_len())
    }

    /// What is counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Starts the drain, as far as replies are concerned.
    pub fn drain(&mut self) {
        self.draining = true;
        self.timeouts.idle_ticks = self.timeouts.idle_ticks.min(self.timeouts.drain_quiet_ticks);
        self.protocol.drain();
    }
}

/// One reactor's share of the server.
pub(crate) struct Shard<P: Protocol, K> {
    pub(crate) shared: Resources<P>,
    pub(crate) intake: Intake,
    slab: Slab<Connection<K, P::State>>,
    wheel: Wheel,
    started_ms: u64,
    expired: Vec<ConnectionId>,
}

impl<P: Protocol, K> Shard<P, K> {
    pub(crate) fn new(shared: Resources<P>, connections_max: u32) -> Self {
        let mut shard = Shard {
            shared,
            intake: Intake::default(),
            slab: Slab::with_capacity(connections_max),
            wheel: Wheel::new(),
            started_ms: monotonic_ms(),
            expired: Vec::new(),
        };
        shard.shared.protocol.set_time(unix_seconds());
        shard
    }

    /// The connection of an event and what it shares with the others; `None` for a stale event.
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

    /// Takes in a connection. The caller made sure that there is a place.
    pub(crate) fn admit(&mut self, socket: K) -> Option<ConnectionId> {
        let connection = Connection::new(socket, self.shared.now, &self.shared.timeouts);
        let id = self.slab.insert(connection)?;
        self.shared.counters.accepts += 1;
        self.wheel.cover(&mut self.slab, id);
        Some(id)
    }

    /// After every event: makes the timer wheel follow a deadline that moved earlier. One that moved
    /// later is found when its entry comes due.
    #[inline]
    pub(crate) fn settle(&mut self, id: ConnectionId) {
        let Some(connection) = self.slab.get_mut(id) else { return };
        if cfg!(debug_assertions) {
            connection.check();
        }
        if connection.is_hurried() {
            connection.calm();
            self.wheel.cover(&mut self.slab, id);
        }
    }

    /// Stops the clock of a connection that is being closed.
    pub(crate) fn stop_timer(&mut self, id: ConnectionId) {
        self.wheel.unlink(&mut self.slab, id.index);
    }

    /// Forgets a connection and counts why it ended. Its socket is returned to be closed.
    pub(crate) fn remove(&mut self, id: ConnectionId, reason: CloseReason) -> Option<K> {
        self.wheel.unlink(&mut self.slab, id.index);
        let connection = self.slab.remove(id)?;
        self.shared.counters.closed(reason);
        Some(connection.socket)
    }

    /// Reads the clock; once per turn. True when a tick began, which is when timers may have expired.
    #[inline]
    pub(crate) fn refresh_clock(&mut self) -> bool {
        let now = Tick(((monotonic_ms() - self.started_ms) / TICK_MS) as u32);
        if now == self.shared.now {
            return false;
        }
        self.shared.now = now;
        // A tenth of a second at most behind the clock, as every cached Date header is.
        self.shared.protocol.set_time(unix_seconds());
        true
    }

    /// The next connection whose deadline has passed, and what it wants. Call until `None`.
    pub(crate) fn next_expired(&mut self) -> Option<(ConnectionId, Want)> {
        if self.expired.is_empty() {
            self.wheel.advance(&mut self.slab, self.shared.now, &mut self.expired);
        }
        while let Some(id) = self.expired.pop() {
            if let Some(connection) = self.slab.get_mut(id) {
                return Some((id, connection.timed_out(&mut self.shared)));
            }
        }
        None
    }

    /// How long a turn may wait for events; `None` is for ever.
    pub(crate) fn wait_max(&self) -> Option<Duration> {
        let due = self.wheel.next_due().into_iter().chain(self.intake.due()).min()?;
        let ticks = u64::from(due.0.saturating_sub(self.shared.now.0));
        Some(Duration::from_millis(ticks * TICK_MS))
    }

    /// Starts the drain: replies announce the close, idle connections get a last short while.
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

    /// The first connection at or behind `index`, in slot order.
    pub(crate) fn at_or_after(&self, index: u32) -> Option<ConnectionId> {
        self.slab.at_or_after(index)
    }

    pub(crate) fn len(&self) -> u32 {
        self.slab.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.slab.is_full()
    }
}

/// The coarse clock costs a memory read instead of a hardware counter, and 4 ms are precise enough.
fn monotonic_ms() -> u64 {
    let time = clock_gettime(ClockId::MonotonicCoarse);
    time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000
}

fn unix_seconds() -> u64 {
    u64::try_from(clock_gettime(ClockId::RealtimeCoarse).tv_sec).unwrap_or(0)
}

/// Bytes of user memory that one idle connection takes in a shard with socket handles `K`.
pub(crate) const fn connection_len<P: Protocol, K>() -> usize {
    size_of::<Slot<Connection<K, P::State>>>()
}

// The budgets of an idle connection. All handles in use are four bytes.
const _: () = assert!(connection_len::<Echo, std::os::fd::OwnedFd>() <= 64);
const _: () = assert!(connection_len::<Http, std::os::fd::OwnedFd>() <= 96);
const _: () = assert!(connection_len::<Echo, crate::backend::uring::Direct>() <= 64);
const _: () = assert!(connection_len::<Http, crate::backend::uring::Direct>() <= 96);
// In debug builds a mio socket also remembers its selector, to find misuse.
#[cfg(not(debug_assertions))]
const _: () = assert!(connection_len::<Echo, mio::net::TcpStream>() <= 64);
#[cfg(not(debug_assertions))]
const _: () = assert!(connection_len::<Http, mio::net::TcpStream>() <= 96);
