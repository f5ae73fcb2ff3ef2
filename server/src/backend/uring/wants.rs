//! Turns what a connection wants into entries of the ring.

use protocol::server::Protocol;

use super::direct::Held;
use super::poll;
use super::ring::Ring;
use super::state::{IGNORED, flag, tag};
use super::style::{Receive, Style};
use crate::shard::counters::Counters;
use crate::shard::slab::{ConnectionId, Token};

/// Unprocessed bytes at which a multishot receive is cancelled.
const PAUSE_LEN: usize = 64 * 1024;

/// Arms the receive of a connection that wants to read. False if it must wait because other connections wait
/// for a buffer.
#[inline(always)]
pub(super) fn arm_receive<P: Protocol, S: Style>(
    ring: &mut Ring,
    connection: &mut Held<P>,
    counters: &mut Counters,
    id: ConnectionId,
    is_starved: bool,
) -> bool {
    if S::RECEIVE == Receive::Poll {
        return poll::arm::<P, S>(ring, connection, counters, id, is_starved);
    }
    if connection.flags & flag::RECEIVING != 0 {
        return true;
    }
    if is_starved {
        return false;
    }
    connection.flags |= flag::RECEIVING;
    ring.receive_multishot(connection.socket, Token::new(id, tag::RECEIVE), counters);
    true
}

/// Cancels the receive of a connection with too many unread bytes while its reply is unsent.
#[inline(always)]
pub(super) fn pause<P: Protocol, S: Style>(
    ring: &mut Ring,
    connection: &mut Held<P>,
    counters: &mut Counters,
    id: ConnectionId,
) {
    let is_too_much = connection.unread_len() > PAUSE_LEN;
    let is_armed = connection.flags & (flag::RECEIVING | flag::PAUSING) == flag::RECEIVING;
    if S::RECEIVE == Receive::Multishot && is_too_much && is_armed {
        connection.flags |= flag::PAUSING;
        counters.receive_pauses += 1;
        ring.cancel(Token::new(id, tag::RECEIVE), IGNORED, counters);
    }
}

/// Cancels the connection's operations and closes the descriptor.
#[inline]
pub(super) fn close<P: Protocol, S: Style>(
    ring: &mut Ring,
    connection: &mut Held<P>,
    counters: &mut Counters,
    id: ConnectionId,
) {
    let under_way = connection.flags;
    connection.flags |= flag::CLOSING | flag::CLOSING_SOCKET;
    // Cancel one by one: the kernel finds each in a hash. To cancel all operations of a descriptor it walks
    // through every armed poll of the ring (io_uring/poll.c, io_poll_file_find): with 20,000 polls, closing
    // all connections took 20 minutes.
    for (flag, tag) in [(flag::RECEIVING, tag::RECEIVE), (flag::SENDING, tag::SEND), (flag::POLLING, tag::POLL)] {
        if under_way & flag != 0 {
            ring.cancel(Token::new(id, tag), IGNORED, counters);
        }
    }
    // A shutdown runs in a kernel thread, which looks up the direct descriptor only then (io_uring/net.c,
    // REQ_F_FORCE_ASYNC). After a close it could find, and shut down, a new connection in the same place. So
    // `on_shutdown` closes instead.
    if under_way & flag::SHUTTING == 0 {
        ring.close(connection.socket, Token::new(id, tag::CLOSE), counters);
    }
}
