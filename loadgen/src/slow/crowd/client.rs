//! One slow client: its socket, how much it has sent, and how far its reply has been read.

use protocol::client::{Client as _, HttpClient, Progress};
use rustix::event::epoll::EventFlags;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::tally::{End, Tally};

/// Bytes read at once, and most reads in a row before the others get their turn.
const READ_LEN: usize = 16 * 1024;
const READS_MAX: u32 = 16;

/// What the server did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing that changes what the client does.
    Nothing,
    /// It answered, and keeps the connection.
    Answered,
    /// It answered, and will close.
    Dismissed,
    Ended(End),
}

pub(super) struct Client {
    pub(super) socket: OwnedFd,
    /// When the connection was established; before, when the connect began.
    pub(super) since_ns: u64,
    /// Bytes of the request that were sent.
    pub(super) sent: u64,
    is_connecting: bool,
    reply: <HttpClient as protocol::client::Client>::State,
    /// The beginning of a reply that is not whole.
    unread: Vec<u8>,
}

impl Client {
    pub(super) fn new(socket: OwnedFd, now: u64) -> Client {
        let reply = Default::default();
        Client { socket, since_ns: now, sent: 0, is_connecting: true, reply, unread: Vec::new() }
    }

    pub(super) fn is_connecting(&self) -> bool {
        self.is_connecting
    }

    pub(super) fn established(&mut self, now: u64) {
        (self.is_connecting, self.since_ns) = (false, now);
    }

    /// Sends as much as the socket takes; 0 when it is full.
    pub(super) fn send(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<usize, Errno> {
        match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
            Ok(len) => {
                self.sent += len as u64;
                tally.sent_bytes += len as u64;
                Ok(len)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(errno) => Err(errno),
        }
    }

    /// What the flags say of a connection whose bytes are not read.
    pub(super) fn looked(flags: EventFlags) -> Heard {
        match flags {
            flags if flags.intersects(EventFlags::ERR | EventFlags::HUP) => Heard::Ended(End::Reset),
            flags if flags.contains(EventFlags::RDHUP) => Heard::Ended(End::Closed),
            _ => Heard::Nothing,
        }
    }

    /// Reads what is there. The watch is level-triggered: what is left is reported again.
    pub(super) fn read(&mut self, reader: &mut Option<HttpClient>, tally: &mut Tally) -> Heard {
        let mut scratch = [0; READ_LEN];
        for _ in 0..READS_MAX {
            let len = match recv(&self.socket, &mut scratch[..], RecvFlags::empty()) {
                Ok((0, _)) => return Heard::Ended(End::Closed),
                Ok((len, _)) => len,
                Err(Errno::AGAIN | Errno::INTR) => break,
                Err(errno) => return Heard::Ended(End::of(errno)),
            };
            tally.received_bytes += len as u64;
            let Some(reader) = reader else { continue };
            match self.understand(reader, &scratch[..len], tally) {
                Heard::Nothing => {}
                heard => return heard,
            }
        }
        Heard::Nothing
    }

    /// Counts the reply in what was received; a client has one request at a time.
    fn understand(&mut self, reader: &mut HttpClient, input: &[u8], tally: &mut Tally) -> Heard {
        self.unread.extend_from_slice(input);
        let received = reader.on_bytes(&mut self.reply, &self.unread);
        self.unread.drain(..received.consumed);
        match received.progress {
            Progress::Incomplete => Heard::Nothing,
            Progress::Refused { status, keep_open, .. } => {
                tally.replied(status);
                self.reply = Default::default();
                if keep_open { Heard::Answered } else { Heard::Dismissed }
            }
            // The reader takes no status for a success, so every whole reply is one of those above.
            Progress::Complete { .. } | Progress::Fault(_) => {
                tally.faults += 1;
                Heard::Ended(End::Lost(Errno::PROTO))
            }
        }
    }
}
