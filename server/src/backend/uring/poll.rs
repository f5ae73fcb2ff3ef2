//! The variant that waits for readiness: a poll stays armed, and each report leads to one receive.

use io_uring::cqueue;
use protocol::server::Protocol;
use rustix::io::Errno;
use sys::uring::Completion;

use super::direct::Held;
use super::ring::Ring;
use super::state::{flag, tag};
use super::style::Style;
use crate::shard::Resources;
use crate::shard::connection::Want;
use crate::shard::counters::{CloseReason, Counters};
use crate::shard::slab::{ConnectionId, Token};

/// Arms the poll, and receives if it has reported. False if the receive must wait because other connections
/// wait for a buffer.
#[inline(always)]
pub(super) fn arm<P: Protocol, S: Style>(
    ring: &mut Ring,
    connection: &mut Held<P>,
    counters: &mut Counters,
    id: ConnectionId,
    is_starved: bool,
) -> bool {
    if connection.flags & flag::POLLING == 0 {
        connection.flags |= flag::POLLING;
        ring.poll_socket(connection.socket, Token::new(id, tag::POLL), counters);
    }
    if connection.flags & (flag::READABLE | flag::RECEIVING) != flag::READABLE {
        return true;
    }
    if is_starved {
        return false;
    }
    receive::<P, S>(ring, connection, counters, id);
    true
}

/// Receives what the poll has reported.
#[inline]
pub(super) fn receive<P: Protocol, S: Style>(
    ring: &mut Ring,
    connection: &mut Held<P>,
    counters: &mut Counters,
    id: ConnectionId,
) {
    connection.flags = connection.flags & !flag::READABLE | flag::RECEIVING;
    ring.receive_now(connection.socket, Token::new(id, tag::RECEIVE), counters);
}

/// What the connection wants after its poll has reported or ended; `None` if it must wait or is closing.
#[inline]
pub(super) fn reported<P: Protocol>(
    connection: &mut Held<P>,
    shared: &mut Resources<P>,
    completion: &Completion,
) -> Option<Want> {
    if !cqueue::more(completion.flags) {
        connection.flags &= !flag::POLLING;
    }
    if connection.flags & flag::CLOSING != 0 {
        return None;
    }
    let want = match u32::try_from(completion.result) {
        // A receive would return the bytes before the reset, and nothing would report the reset.
        Ok(events) if events & libc::POLLERR as u32 != 0 => connection.give_up(CloseReason::Reset, shared),
        Ok(_) => {
            connection.flags |= flag::READABLE;
            Want::Read
        }
        Err(_) => match Errno::from_raw_os_error(-completion.result) {
            Errno::CANCELED | Errno::INTR | Errno::AGAIN => Want::Read,
            error => connection.give_up(CloseReason::of(error), shared),
        },
    };
    // While a reply is unsent, nothing is received; the flag is checked once it is sent.
    (want != Want::Read || !connection.is_replying()).then_some(want)
}
