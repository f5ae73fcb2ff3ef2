//! What accept does when descriptors run out, for the backends that ask for each accept: it rests, or follows one of
//! the other ways of [`WhenShort`].

use protocol::server::Protocol;
use rustix::io::Errno;

use crate::admission::WhenShort;
use crate::backend::Backend;
use crate::listener::{self, Listener};
use crate::shard::Trouble;
use crate::shard::counters::CloseReason;

/// What follows an accept that found no descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The next accept; there is room, or one connection fewer in the queue.
    GoOn,
    /// Nothing: the accept queue is empty.
    Empty,
    /// The next turn, without a pause.
    NextTurn,
    /// A pause.
    Rest,
}

/// Does what the settings say. `index` is that of the listener.
#[cold]
pub(crate) fn remedy<P: Protocol, B: Backend<P>>(backend: &mut B, index: usize) -> Remedy {
    let shard = backend.shard();
    shard.shared.counters.emfile_failures += 1;
    match shard.when_short {
        WhenShort::Pause => Remedy::Rest,
        WhenShort::Spin => Remedy::NextTurn,
        WhenShort::Shed => turn_away(backend, index),
        WhenShort::Evict => evict(backend),
    }
}

/// Accepts one connection on the descriptor kept in reserve, and resets it. Its peer learns at once that there is no
/// room.
fn turn_away<P: Protocol, B: Backend<P>>(backend: &mut B, index: usize) -> Remedy {
    let reserve = &mut backend.shard().reserve;
    // It may be missing since the last time.
    if !reserve.hold() {
        return Remedy::Rest;
    }
    reserve.release();
    let accepted = backend.listeners().nth(index).map(Listener::accept);
    let shard = backend.shard();
    let counters = &mut shard.shared.counters;
    // Closing the reserve, accepting, and opening it again.
    counters.syscalls += 3;
    let remedy = match accepted {
        Some(Ok(socket)) => {
            listener::reset(socket);
            counters.syscalls += 2;
            counters.ended_at_once(CloseReason::TurnedAway);
            Remedy::GoOn
        }
        None | Some(Err(Errno::AGAIN)) => Remedy::Empty,
        Some(Err(error)) if Trouble::of(error) == Trouble::Connection => {
            counters.accept_errors += 1;
            Remedy::GoOn
        }
        // The host had no file for it, even so.
        Some(Err(_)) => Remedy::Rest,
    };
    if shard.reserve.hold() { remedy } else { Remedy::Rest }
}

/// Closes the connections that have been idle longest. They do not linger, because their descriptors are needed now: a
/// request that crosses the FIN meets a reset.
fn evict<P: Protocol, B: Backend<P>>(backend: &mut B) -> Remedy {
    let mut remedy = Remedy::Rest;
    for (id, deadline) in backend.shard().longest_idle() {
        // A request that has arrived goes first.
        backend.receive_once_more(id);
        if backend.shard().is_idle_until(id, deadline) {
            backend.close(id, CloseReason::Evicted);
            remedy = Remedy::GoOn;
        }
    }
    remedy
}
