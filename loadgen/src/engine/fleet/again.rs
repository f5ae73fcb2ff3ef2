//! Requests that are sent again: a server that announces the end of a connection with a reply has not processed
//! the requests behind that reply, and a client may repeat them (RFC 9112 §9.6, RFC 9110 §9.2.2). So they are no
//! failures: they wait in their slot for its next socket, and keep the time they were meant to be sent.
//!
//! It ends, because every one of those connections has answered one request at least, and because requests that
//! find no next connection within `--timeout` of the time they were meant to be sent have failed.

use super::state::Fleet;
use crate::engine::connection::Flags;
use crate::engine::sockets::Sockets;
use crate::recording::causes::Cause;
use protocol::client::Client;

impl<C: Client, K, const OPEN: bool> Fleet<'_, C, K, OPEN> {
    /// The peer said with its last reply that it closes: no fault of the connection, nor of what is outstanding.
    #[cold]
    pub(super) fn on_announced_close<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize) {
        let connection = &mut self.connections[index];
        if connection.outstanding > 0 {
            connection.flags.set(Flags::AGAIN);
            self.to_repeat += 1;
        }
        self.close_as_planned(engine, index);
    }

    /// The connection has its next socket: what waited for it is written again. Of the requests a connection may
    /// carry (`--requests-per-connection`) this counts as a whole batch, so it never carries more.
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

    /// Requests that wait for the next socket of their connection have the deadline of those that wait for a reply.
    /// Without one a run that counts its requests would wait for ever for a server that no longer listens.
    #[inline]
    pub(super) fn give_up_repeat_if_late(&mut self, index: usize, now: u64) {
        let connection = &mut self.connections[index];
        // A closed loop writes when it means to; an open one has nothing behind a reply that could wait here.
        if connection.flags.has(Flags::AGAIN) && now.saturating_sub(connection.intended) > self.timeout_ns {
            connection.flags.clear(Flags::AGAIN);
            self.to_repeat -= 1;
            self.fail_outstanding(index, Cause::Timeout);
        }
    }

    /// Whether a connection may be opened: all until the window closes, after it those that requests wait for.
    #[inline]
    pub(super) fn may_open(&self, index: usize) -> bool {
        self.may_open || self.connections[index].flags.has(Flags::AGAIN)
    }

    /// Whether requests wait for the next socket of their connection.
    pub(in crate::engine) fn has_to_repeat(&self) -> bool {
        self.to_repeat > 0
    }
}
