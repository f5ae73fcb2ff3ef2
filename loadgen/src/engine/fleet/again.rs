//! Requests that are sent again. A server that announces the end of a connection with a reply has not processed
//! the requests after it, and a client may repeat them (RFC 9112 §9.6, RFC 9110 §9.2.2). So they are not
//! failures: they wait in their slot for its next socket and keep their intended time.
//!
//! Repeating ends: every such connection has answered at least one request, and requests without a new
//! connection within `--timeout` of their intended time have failed.

use super::state::Fleet;
use crate::engine::connection::Flags;
use crate::engine::sockets::Sockets;
use crate::recording::causes::Cause;
use protocol::client::Client;

impl<C: Client, K, const OPEN: bool> Fleet<'_, C, K, OPEN> {
    /// The peer announced the close with its last reply: neither the connection nor its outstanding requests
    /// have failed.
    #[cold]
    pub(super) fn on_announced_close<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize) {
        let connection = &mut self.connections[index];
        if connection.outstanding > 0 {
            connection.flags.set(Flags::AGAIN);
            self.to_repeat += 1;
        }
        self.close_as_planned(engine, index);
    }

    /// The connection has its next socket: writes the waiting requests again. They count as a whole batch of the
    /// requests a connection may carry (`--requests-per-connection`), so it never carries more.
    #[cold]
    pub(super) fn send_again<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize, now: u64) {
        let connection = &mut self.connections[index];
        connection.flags.clear(Flags::AGAIN);
        self.to_repeat -= 1;
        let (count, intended) = (connection.outstanding, connection.intended);
        let Some(unsent) = self.write_batch(engine, index, count, intended, now) else { return };
        if self.window.contains(intended) {
            self.slice.requests.resent += u64::from(count);
        }
        self.settle_send(engine, index, unsent);
    }

    /// Requests that wait for their connection's next socket have the same deadline as those that wait for a reply.
    /// Without it, a run that counts its requests would wait for ever for a server that no longer listens.
    #[inline]
    pub(super) fn give_up_repeat_if_late(&mut self, index: usize, now: u64) {
        let connection = &mut self.connections[index];
        // A closed loop writes at the intended time; in an open loop no request follows a reply and could
        // wait here.
        if connection.flags.has(Flags::AGAIN) && now.saturating_sub(connection.intended) > self.timeout_ns {
            connection.flags.clear(Flags::AGAIN);
            self.to_repeat -= 1;
            self.fail_outstanding(index, Cause::Timeout);
        }
    }

    /// Whether a connection may be opened: any until the window closes; after it, only those with waiting
    /// requests.
    #[inline]
    pub(super) fn may_open(&self, index: usize) -> bool {
        self.may_open || self.connections[index].flags.has(Flags::AGAIN)
    }

    /// Whether requests wait for the next socket of their connection.
    pub(in crate::engine) fn has_to_repeat(&self) -> bool {
        self.to_repeat > 0
    }
}
