//! Names for the operations of a ring, and for those that a connection has in flight.

use crate::shard::slab::{ConnectionId, Token};

/// The kind of an operation, in the tag of its token.
pub(super) mod tag {
    pub(in super::super) const RECEIVE: u8 = 0;
    pub(in super::super) const SEND: u8 = 1;
    pub(in super::super) const SHUTDOWN: u8 = 2;
    pub(in super::super) const CLOSE: u8 = 3;
    pub(in super::super) const ACCEPT: u8 = 4;
    pub(in super::super) const DOORBELL: u8 = 5;
    /// Its completion carries no news.
    pub(in super::super) const NOTHING: u8 = 6;
    pub(in super::super) const POLL: u8 = 7;
    pub(in super::super) const SEND_INLINE: u8 = 8;
    pub(in super::super) const LOOK: u8 = 9;
    /// The cancellation of an accept whose end may have been missed.
    pub(in super::super) const NO_ACCEPT: u8 = 10;
}

/// The token of operations whose completion carries no news.
pub(super) const IGNORED: Token = Token::new(ConnectionId::NONE, tag::NOTHING);
/// The token of the doorbell's poll.
pub(super) const DOORBELL: Token = Token::new(ConnectionId::NONE, tag::DOORBELL);

/// The `flags` of a connection. Bit 7 is `PINNED`, which `shard::connection` reads.
pub(super) mod flag {
    /// A receive whose last completion has not been seen. The flags up to `LOOKING` mean the same for other
    /// operations.
    pub(in super::super) const RECEIVING: u16 = 1;
    /// A send.
    pub(in super::super) const SENDING: u16 = 1 << 1;
    /// A shutdown.
    pub(in super::super) const SHUTTING: u16 = 1 << 2;
    /// The close of its descriptor.
    pub(in super::super) const CLOSING_SOCKET: u16 = 1 << 3;
    /// A poll.
    pub(in super::super) const POLLING: u16 = 1 << 6;
    /// A query for the bytes that the peer has not acknowledged.
    pub(in super::super) const LOOKING: u16 = 1 << 8;
    /// Any operation.
    pub(in super::super) const UNDER_WAY: u16 = RECEIVING | SENDING | SHUTTING | CLOSING_SOCKET | POLLING | LOOKING;
    /// The connection has given up and only waits for completions.
    pub(in super::super) const CLOSING: u16 = 1 << 4;
    /// Multishot: the receive is being cancelled.
    pub(in super::super) const PAUSING: u16 = 1 << 5;
    /// Poll: there may be something to receive.
    pub(in super::super) const READABLE: u16 = 1 << 9;
}
