//! The handle of a connection's socket.

use std::num::NonZeroU32;

use protocol::server::Protocol;

use crate::shard::connection::Connection;

/// A direct descriptor: an index into the ring's own table, not into the process's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Direct(NonZeroU32);

impl Direct {
    /// From the result of an accept; `None` for an error.
    pub(super) fn from_result(result: i32) -> Option<Direct> {
        u32::try_from(result).ok().and_then(|index| NonZeroU32::new(index + 1)).map(Direct)
    }

    pub(super) fn index(self) -> u32 {
        self.0.get() - 1
    }
}

/// A connection of a ring.
pub(super) type Held<P> = Connection<Direct, <P as Protocol>::State>;
