//! A predecessor that has said "yours": its connection stays open until none of its reactors accepts any more.

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::message;

/// Longest wait for it. Its reactors need a turn or two, unless it is stopped midway.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The predecessor's end, as its successor sees it.
#[derive(Debug)]
pub(crate) struct Leaving {
    peer: OwnedFd,
}

impl Leaving {
    pub(super) fn of(peer: OwnedFd) -> Leaving {
        Leaving { peer }
    }

    /// Waits until it has left or is gone: then its end of the connection closes.
    pub(super) fn wait(&self, doorbell: &OwnedFd) {
        // Whatever ends the wait, the same is done then.
        let _ = message::wait(&self.peer, WAIT_MAX, Some(doorbell));
    }
}
