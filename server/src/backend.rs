//! The contract of a backend: one native loop over one kernel interface, which imitates no other.
//!
//! The files beside this one have the same functions in the same order, so that a diff of two of them shows
//! how they differ. Rules of fairness: all use the same protocol code, `Connection`, pool and sizes; each
//! backend uses its best native idiom, and every trick is a named variant; an io_uring variant makes no
//! speculative system calls; there is no silent fallback; every system call is counted.

pub(crate) mod epoll;
pub(crate) mod mio;
#[allow(unsafe_code)]
pub(crate) mod uring;

use std::io;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use protocol::server::Protocol;

use crate::listener::Listener;
use crate::shard::Shard;
use crate::shard::connection::Want;
use crate::shard::counters::CloseReason;
use crate::shard::slab::ConnectionId;
use crate::unavailable::Unavailable;

/// Events taken from the kernel in one turn.
pub(crate) const EVENTS_PER_TURN_MAX: usize = 512;

/// Most receives, and most sends, for one event of a readiness loop before other connections get their turn:
/// a peer whose socket never runs dry must not starve the rest. Eight scratch buffers are 512 KiB.
pub(crate) const PASSES_PER_EVENT_MAX: u32 = 8;

/// What a backend is opened with.
pub(crate) struct Parts<P: Protocol, K> {
    /// At least one. A listener's token carries its index in this list.
    pub(crate) listeners: Vec<Listener>,
    /// Rung by other threads when the reactor has something to look at.
    pub(crate) doorbell: Arc<OwnedFd>,
    pub(crate) shard: Shard<P, K>,
    pub(crate) connections_max: u32,
    pub(crate) accepts_per_turn_max: u32,
    /// How long epoll polls a card before it waits.
    pub(crate) epoll_busy_poll_us: Option<NonZeroU32>,
}

/// One core's event loop.
pub(crate) trait Backend<P: Protocol>: Sized {
    /// How a connection's socket is named to the kernel.
    type Socket;

    /// Fails if this host cannot run the backend; never chooses another one.
    fn open(parts: Parts<P, Self::Socket>) -> Result<Self, Unavailable>;

    /// One turn: wait as long as the shard allows, handle everything that came back, and only then expire
    /// timers, so that no timer beats a request that has arrived.
    fn turn(&mut self) -> io::Result<()>;

    /// The listeners; none after `take_listeners`.
    fn listeners(&self) -> impl Iterator<Item = &Listener>;

    /// Ends accepting and hands over the listeners. Connections accepted already may still come.
    fn take_listeners(&mut self) -> Vec<Listener>;

    /// Looks at the accept queues once more. A loop of readiness is told of every connection in any case.
    fn renew_accepts(&mut self) {}

    /// Does what a connection wants.
    fn obey(&mut self, id: ConnectionId, want: Want);

    /// Receives what has arrived on a connection that waits for input, and handles it. A completion loop
    /// instead fetches all completions before it expires timers.
    fn receive_once_more(&mut self, id: ConnectionId);

    /// Whether no operation in the kernel can still bring another connection.
    fn is_idle(&self) -> bool;

    /// This reactor's share.
    fn shard(&mut self) -> &mut Shard<P, Self::Socket>;

    /// Expires timers after the turn's events are handled.
    #[cold]
    fn expire(&mut self) {
        while let Some(id) = self.shard().next_expired() {
            if self.shard().waits_for_input(id) {
                self.receive_once_more(id);
            }
            if let Some(want) = self.shard().expire(id) {
                self.obey(id, want);
            }
        }
    }

    /// Closes connections that hold buffers without progress if the pool runs out.
    #[cold]
    fn shed(&mut self) {
        for id in self.shard().victims() {
            self.close(id, CloseReason::Shed);
        }
    }

    /// Closes every connection now, for `reason`.
    fn close_all(&mut self, reason: CloseReason) {
        let mut index = 0;
        while let Some(id) = self.shard().at_or_after(index) {
            index = id.index + 1;
            self.close(id, reason);
        }
    }

    /// Closes a connection now, for `reason`.
    fn close(&mut self, id: ConnectionId, reason: CloseReason) {
        if let Some(want) = self.shard().give_up(id, reason) {
            self.obey(id, want);
        }
    }
}
