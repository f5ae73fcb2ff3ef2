//! Accepted connections for which the kernel had no watch yet (ENOSPC: fs.epoll.max_user_watches, ENOMEM). Each
//! tick tries them again, and accept pauses until they have watches, so they are few.

use std::time::Duration;

use super::slab::ConnectionId;
use super::tick::TICK;

/// Those connections.
#[derive(Debug, Default)]
pub(crate) struct Unwatched(Vec<ConnectionId>);

impl Unwatched {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn push(&mut self, id: ConnectionId) {
        self.0.push(id);
    }

    /// Takes all of them out, to try them again.
    pub(crate) fn take(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.0)
    }

    /// Limits `wait_max` to a tick while there are any.
    pub(crate) fn wait_max(&self, wait_max: Option<Duration>) -> Option<Duration> {
        match self.0.is_empty() {
            true => wait_max,
            false => Some(wait_max.map_or(TICK, |wait_max| wait_max.min(TICK))),
        }
    }
}
