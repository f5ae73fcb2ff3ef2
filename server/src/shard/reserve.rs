//! A descriptor kept in reserve: whoever gives it up can accept one connection more, if only to close it.

use std::os::fd::OwnedFd;

use rustix::event::{EventfdFlags, eventfd};

/// An event counter that nobody uses. Unlike a copy of another descriptor it also takes an open file, which is what a
/// host lacks that says ENFILE.
#[derive(Debug, Default)]
pub(crate) struct Reserve(Option<OwnedFd>);

impl Reserve {
    /// Takes the descriptor unless it is held already. False if there is none to be had.
    pub(crate) fn hold(&mut self) -> bool {
        if self.0.is_none() {
            self.0 = eventfd(0, EventfdFlags::CLOEXEC).ok();
        }
        self.0.is_some()
    }

    /// Gives it up.
    pub(crate) fn release(&mut self) {
        self.0 = None;
    }
}
