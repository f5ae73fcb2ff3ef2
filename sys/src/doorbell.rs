//! A counter that wakes a reactor from another thread (eventfd(2)).

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{EventfdFlags, eventfd};

/// Makes a doorbell that has not been rung.
///
/// # Errors
/// EMFILE and friends.
pub fn open() -> io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

/// Rings a doorbell.
///
/// # Errors
/// None in practice: EAGAIN would need 2^64 - 2 unanswered rings.
pub fn ring(doorbell: &OwnedFd) -> io::Result<()> {
    rustix::io::write(doorbell, &1u64.to_ne_bytes())?;
    Ok(())
}

/// Answers a doorbell, so that it is quiet again.
pub fn answer(doorbell: &OwnedFd) {
    let mut count = [0u8; 8];
    // EAGAIN means that it was quiet already: nothing is lost, because the message itself is elsewhere.
    let _ = rustix::io::read(doorbell, &mut count);
}
