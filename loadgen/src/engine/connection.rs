//! One connection as the generator sees it, and its size limit.

use super::shelf::NOTHING;
use rustix::fd::OwnedFd;

/// Memory budget of one connection in bytes, whatever the workload.
pub(crate) const CONNECTION_LEN_MAX: usize = 64;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// No socket; `since` says when to open one (`u64::MAX`: not before its turn comes).
    Closed,
    /// connect(2) was called at `since`.
    Opening,
    /// Established, nothing outstanding.
    Idle,
    /// A batch is outstanding.
    Busy,
}

/// A connection. Its address in memory never changes; its slot outlives many sockets.
#[derive(Debug)]
pub(super) struct Connection<S> {
    /// Busy: when the batch was meant to be sent.
    pub(super) intended: u64,
    /// Busy: when the batch was handed to the kernel. See [`Phase`] for the others.
    pub(super) since: u64,
    pub(super) socket: Option<OwnedFd>,
    /// Counts sockets: an event for an earlier one is told apart and ignored.
    pub(super) generation: u32,
    /// Where the shelf keeps the part of a reply that could not be consumed.
    pub(super) unread: u32,
    /// Bytes of the batch that the kernel has not taken yet.
    pub(super) unsent: u32,
    /// Requests of the batch without a reply.
    pub(super) outstanding: u16,
    pub(super) phase: Phase,
    /// Losses and failed connects since the last reply; sets the delay before the next connect.
    pub(super) failures: u8,
    /// Stands in the queue of idle connections, perhaps no longer idle.
    pub(super) is_queued: bool,
    /// Was established before, if only for a moment.
    pub(super) was_opened: bool,
    /// Was not open, or was lost, at some moment of the window so far.
    pub(super) was_lost: bool,
    pub(super) state: S,
}

impl<S: Default> Connection<S> {
    /// Checked at compile time for every workload an engine is built for.
    pub(super) const FITS: () = assert!(size_of::<Self>() <= CONNECTION_LEN_MAX, "a connection outgrew its budget");

    pub(super) fn new() -> Self {
        Connection {
            intended: 0,
            since: u64::MAX,
            socket: None,
            generation: 0,
            unread: NOTHING,
            unsent: 0,
            outstanding: 0,
            phase: Phase::Closed,
            failures: 0,
            is_queued: false,
            was_opened: false,
            was_lost: true,
            state: S::default(),
        }
    }

    /// The invariants between the fields; called where debug builds can afford it.
    pub(super) fn check(&self) {
        debug_assert_eq!(self.socket.is_some(), self.phase != Phase::Closed, "an open phase has a socket");
        debug_assert!(self.phase == Phase::Busy || (self.outstanding == 0 && self.unsent == 0), "only Busy waits");
        debug_assert!(self.phase == Phase::Busy || self.unread == NOTHING, "only a reply leaves bytes unread");
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

    #[test]
    fn every_workload_fits_the_budget() {
        const { Connection::<<EchoClient as Client>::State>::FITS };
        const { Connection::<<HttpClient as Client>::State>::FITS };
    }

    #[test]
    fn a_dead_target_is_not_hammered() {
        let delays: Vec<u64> = (0..10).map(|failures| reopen_delay_ns(failures) / 1_000_000).collect();
        assert_eq!(delays, [0, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(reopen_delay_ns(u8::MAX), 1_000_000_000);
    }
}
