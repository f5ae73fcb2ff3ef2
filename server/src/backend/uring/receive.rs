//! Receiving: what a completion brings, and what the connection wants next.

use io_uring::cqueue;
use protocol::server::Protocol;
use rustix::io::Errno;
use sys::uring::{Completion, Filled};

use super::state::{flag, tag};
use super::style::{Receive, Send, Style};
use super::{Settling, Uring, poll};
use crate::shard::connection::Want;
use crate::shard::counters::CloseReason;
use crate::shard::slab::{ConnectionId, Token};

impl<P: Protocol, S: Style> Uring<P, S> {
    /// Lets connections that found no buffer receive: one buffer each, as many as there are. Every
    /// buffer was given back during the last turn. A multishot receive could take 32 buffers before the next
    /// connection gets its turn, so it is armed only when no connection waits any more.
    #[cold]
    pub(super) fn feed_starved(&mut self) {
        for _ in 0..self.starved.retries(0) {
            let Some(id) = self.starved.pop() else { return };
            let Some((connection, shared)) = self.shard.find(id) else { continue };
            // A connection that is replying asks again when its reply is sent.
            if connection.flags & (flag::CLOSING | flag::RECEIVING) != 0 || connection.is_replying() {
                continue;
            }
            if S::RECEIVE == Receive::Poll {
                poll::receive::<P, S>(&mut self.ring, connection, &mut shared.counters, id);
            } else {
                connection.flags |= flag::RECEIVING;
                self.ring.receive_share(connection.socket, Token::new(id, tag::RECEIVE), &mut shared.counters);
            }
        }
    }

    #[inline]
    pub(super) fn on_receive(&mut self, id: ConnectionId, completion: &mut Completion) {
        let filled = completion.take_buffer();
        let want = self.received(id, completion, filled.as_ref());
        if let Some(filled) = filled {
            self.buffers.release(filled);
        }
        match want {
            Some(want) => self.act(id, want),
            None => self.free_if_done(id),
        }
    }

    /// What the connection wants after a receive; `None` if it is closing or must wait.
    #[inline]
    fn received(&mut self, id: ConnectionId, completion: &Completion, filled: Option<&Filled>) -> Option<Want> {
        let (connection, shared) = self.shard.find(id)?;
        if !cqueue::more(completion.flags) {
            connection.flags &= !flag::RECEIVING;
            if S::RECEIVE != Receive::Poll {
                connection.flags &= !flag::PAUSING;
            } else if cqueue::sock_nonempty(completion.flags) || completion.result == -libc::ENOBUFS {
                // More bytes or a FIN may be waiting, and the poll may have reported them before this
                // receive.
                connection.flags |= flag::READABLE;
            }
        }
        if connection.flags & flag::CLOSING != 0 {
            return None;
        }
        if S::SEND == Send::Inline && connection.is_replying() {
            self.settling = Settling::AtOnce;
        }
        match (completion.result, filled) {
            (1.., Some(filled)) => Some(connection.received(self.buffers.content(filled), shared)),
            (0.., _) => Some(connection.peer_closed(shared)),
            (error, _) => match Errno::from_raw_os_error(-error) {
                Errno::NOBUFS => {
                    shared.counters.enobufs += 1;
                    self.starved.push(id);
                    None
                }
                // The pause took effect. The receive is armed again when the unsent reply is sent.
                Errno::CANCELED if connection.is_replying() => None,
                Errno::CANCELED | Errno::INTR | Errno::AGAIN => Some(Want::Read),
                error => Some(connection.give_up(CloseReason::of(error), shared)),
            },
        }
    }

    /// The poll of a connection has reported or ended.
    #[inline]
    pub(super) fn on_poll(&mut self, id: ConnectionId, completion: &Completion) {
        let Some((connection, shared)) = self.shard.find(id) else { return };
        match poll::reported(connection, shared, completion) {
            Some(want) => self.act(id, want),
            None => self.free_if_done(id),
        }
    }
}
