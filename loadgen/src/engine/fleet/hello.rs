//! Hellos: where requests have times of their own, or there are none, a client that is connected again sends one
//! request at once, to see whether it is served. It is outside of the schedule and of every window, so it is in no
//! number about requests.

use super::state::Fleet;
use crate::engine::connection::{Connection, Flags};
use crate::engine::sockets::Sockets;
use protocol::client::{Client, Progress};

/// The intended time of a hello: before every window. No other request has it.
const HELLO: u64 = 0;

/// Whether a connection waits for the answer to a hello.
#[inline]
pub(super) fn is_hello<S, K>(connection: &Connection<S, K>) -> bool {
    connection.outstanding > 0 && connection.intended == HELLO
}

impl<C: Client, K, const OPEN: bool> Fleet<'_, C, K, OPEN> {
    /// Sends a hello on a connection that has just been established.
    #[cold]
    pub(super) fn send_hello<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize, now: u64) {
        let Some(unsent) = self.write_batch(engine, index, 1, HELLO, now) else { return };
        let counted = self.counted(index);
        self.reconnects().hellos_sent += counted;
        if let Some(clients) = &mut self.clients {
            clients.hellos += 1;
        }
        self.settle_send(engine, index, unsent);
    }

    /// Hellos without an answer.
    pub(super) fn hellos(&self) -> u32 {
        self.clients.as_ref().map_or(0, |clients| clients.hellos)
    }

    /// A hello's answer; false when the peer announced that it closes.
    #[cold]
    pub(super) fn on_hello_reply(&mut self, index: usize, reply: Progress, now: u64) -> bool {
        match reply {
            Progress::Complete { keep_open } => {
                self.end_hello();
                let counted = self.counted(index);
                self.reconnects().hellos_answered += counted;
                self.on_served(index, now);
                keep_open
            }
            Progress::Refused { status, keep_open, retry_after_s } => {
                // It gives the connection up, whatever the peer does.
                self.note_hint(index, retry_after_s, false);
                self.fail_hello(index);
                self.tally.connect_causes.count_status(status);
                keep_open
            }
            Progress::Incomplete | Progress::Fault(_) => true,
        }
    }

    /// A hello was answered wrongly or lost with its connection.
    pub(super) fn fail_hello(&mut self, index: usize) {
        self.end_hello();
        let counted = self.counted(index);
        self.reconnects().hellos_failed += counted;
    }

    /// Whether a hello was refused: its client is still out. It gives the connection up, because no schedule says when it
    /// would ask again.
    #[inline]
    pub(super) fn was_hello_refused(&self, index: usize) -> bool {
        let connection = &self.connections[index];
        OPEN && connection.intended == HELLO && connection.flags.has(Flags::OUT)
    }

    fn end_hello(&mut self) {
        if let Some(clients) = &mut self.clients {
            clients.hellos -= 1;
        }
    }
}
