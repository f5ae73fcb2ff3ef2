//! One connection as the generator sees it, and its size limit.

use super::shelf::NOTHING;

/// Memory budget of one connection in bytes, whatever the workload and the engine. An open loop adds the
/// 4 bytes of its queue of idle connections.
pub const CONNECTION_LEN_MAX: usize = 56;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// No socket; `since` says when to open one (`u64::MAX`: only when its turn comes).
    Closed,
    /// A connect was started at `since`.
    Opening,
    /// Established, nothing outstanding.
    Idle,
    /// A batch is outstanding.
    Busy,
}

/// Facts about a connection, one bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flags(u8);

impl Flags {
    /// Is in the queue of idle connections, though perhaps no longer idle.
    pub(super) const QUEUED: Flags = Flags(1);
    /// Was established before, if only for a moment.
    pub(super) const OPENED: Flags = Flags(1 << 1);
    /// Was not open at some moment of the window so far.
    pub(super) const LOST: Flags = Flags(1 << 2);
    /// No reply has arrived on this socket yet.
    pub(super) const FRESH: Flags = Flags(1 << 3);
    /// Part of the reply to the oldest outstanding request has arrived.
    pub(super) const BEGUN: Flags = Flags(1 << 4);
    /// Is in the queue of connections to open.
    pub(super) const TO_OPEN: Flags = Flags(1 << 5);
    /// Its outstanding requests will be sent again on its next socket.
    pub(super) const AGAIN: Flags = Flags(1 << 6);
    /// Its client was cut off from the server and has had no good reply since. Only with a reconnect policy.
    pub(super) const OUT: Flags = Flags(1 << 7);

    #[inline]
    pub(super) fn has(self, flag: Flags) -> bool {
        self.0 & flag.0 != 0
    }

    #[inline]
    pub(super) fn set(&mut self, flag: Flags) {
        self.0 |= flag.0;
    }

    #[inline]
    pub(super) fn clear(&mut self, flag: Flags) {
        self.0 &= !flag.0;
    }
}

/// A connection. Its address in memory never changes; its slot outlives many sockets.
#[derive(Debug)]
pub(super) struct Connection<S, K> {
    /// Busy, or to be sent again: when the batch was meant to be sent.
    pub(super) intended: u64,
    /// Busy: when the batch was handed to the kernel. See [`Phase`] for the others.
    pub(super) since: u64,
    pub(super) socket: Option<K>,
    /// Index of what the shelf keeps for it: an incomplete reply, or the rest of a short send.
    pub(super) kept: u32,
    /// How long the connect took.
    pub(super) connect_us: u32,
    /// Counts sockets, so that an event for an earlier one is recognised and ignored. It wraps around long
    /// after the kernel has forgotten the first.
    pub(super) generation: u16,
    /// Requests of the batch without a reply. They outlive their socket only with [`Flags::AGAIN`].
    pub(super) outstanding: u16,
    /// Requests that may still be sent on this socket, if their number is limited.
    pub(super) requests_left: u16,
    /// Heartbeats that came due while the connection could not send.
    pub(super) overdue: u16,
    pub(super) phase: Phase,
    /// Losses and failed connects since the last reply; sets the delay before the next connect.
    pub(super) failures: u8,
    pub(super) flags: Flags,
    /// Used by the engine: operations in flight in the kernel.
    pub(super) under_way: u8,
    pub(super) state: S,
}

impl<S: Default, K> Connection<S, K> {
    /// Checked at compile time for every workload an engine is built for.
    pub(super) const FITS: () = assert!(size_of::<Self>() <= CONNECTION_LEN_MAX, "a connection outgrew its budget");

    pub(super) fn new() -> Self {
        let mut flags = Flags::default();
        flags.set(Flags::LOST);
        Connection {
            intended: 0,
            since: u64::MAX,
            socket: None,
            kept: NOTHING,
            connect_us: 0,
            generation: 0,
            outstanding: 0,
            requests_left: 0,
            overdue: 0,
            phase: Phase::Closed,
            failures: 0,
            flags,
            under_way: 0,
            state: S::default(),
        }
    }

    /// The invariants between the fields; called where debug builds can afford it.
    pub(super) fn check(&self) {
        debug_assert_eq!(self.socket.is_some(), self.phase != Phase::Closed, "an open phase has a socket");
        let waits = self.phase == Phase::Busy || self.flags.has(Flags::AGAIN);
        debug_assert!(waits || self.outstanding == 0, "only Busy waits");
        debug_assert!(self.phase == Phase::Busy || self.kept == NOTHING, "only a batch leaves bytes over");
    }
}

/// The delay before connecting again after `failures` in a row: 10 ms doubling up to 1 s.
pub(super) fn reopen_delay_ns(failures: u8) -> u64 {
    let doublings = failures.saturating_sub(1).min(7);
    if failures == 0 { 0 } else { (10_000_000 << doublings).min(1_000_000_000) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::client::{Client, EchoClient, HttpClient};
    use rustix::fd::OwnedFd;

    #[test]
    fn every_workload_fits_the_budget() {
        const { Connection::<<EchoClient as Client>::State, OwnedFd>::FITS };
        const { Connection::<<HttpClient as Client>::State, OwnedFd>::FITS };
    }

    #[test]
    fn a_dead_target_is_not_hammered() {
        let delays: Vec<u64> = (0..10).map(|failures| reopen_delay_ns(failures) / 1_000_000).collect();
        assert_eq!(delays, [0, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(reopen_delay_ns(u8::MAX), 1_000_000_000);
    }
}
