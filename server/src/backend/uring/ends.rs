//! How a connection ends: its slot is freed at the last completion of its operations.

use protocol::server::Protocol;

use super::Uring;
use super::state::{flag, tag};
use super::style::Style;
use crate::shard::slab::{ConnectionId, Token};

impl<P: Protocol, S: Style> Uring<P, S> {
    /// The number of unacknowledged bytes is known.
    #[cold]
    pub(super) fn on_look(&mut self, id: ConnectionId, result: i32) {
        let Some((connection, shared)) = self.shard.find(id) else { return };
        connection.flags &= !flag::LOOKING;
        if connection.flags & flag::CLOSING != 0 {
            return self.free_if_done(id);
        }
        // If a socket cannot tell (EOPNOTSUPP, not TCP), only its taking more bytes shows progress.
        let want = connection.looked(u32::try_from(result).unwrap_or(0), shared);
        self.act(id, want);
    }

    /// A shutdown is done; closing the connection may have waited for it.
    pub(super) fn on_shutdown(&mut self, id: ConnectionId) {
        let Some((connection, shared)) = self.shard.find(id) else { return };
        connection.flags &= !flag::SHUTTING;
        if connection.flags & flag::CLOSING != 0 {
            self.ring.close(connection.socket, Token::new(id, tag::CLOSE), &mut shared.counters);
        }
    }

    /// The last completion of an operation whose result does not matter.
    pub(super) fn on_last(&mut self, id: ConnectionId, operation: u16) {
        if let Some((connection, _)) = self.shard.find(id) {
            connection.flags &= !operation;
            self.free_if_done(id);
        }
    }

    /// Frees the slot of a closing connection once it has no operation in the kernel.
    pub(super) fn free_if_done(&mut self, id: ConnectionId) {
        let Some((connection, _)) = self.shard.find(id) else { return };
        if connection.flags & flag::CLOSING != 0 && connection.flags & flag::UNDER_WAY == 0 {
            let reason = connection.reason();
            self.shard.remove(id, reason);
        }
    }
}
