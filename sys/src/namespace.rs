//! Separate network namespaces for single threads.

use crate::tun::Interface;
use rustix::fd::AsFd;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Moves the calling thread, and those it starts from now on, into a new network namespace whose loopback
/// device is up. It ends with its last thread and descriptor.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN, ENOSPC beyond the limit of namespaces (unshare(2)).
pub fn enter_new() -> std::io::Result<()> {
    // SAFETY: a network namespace concerns sockets opened from now on; no memory or descriptor changes.
    let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    if result != 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(Interface::named(c"lo")?.set_up()?)
}

/// Moves the calling thread, and those it starts from now on, into the network namespace that `namespace` refers to
/// (`/proc/PID/ns/net`, opened). Sockets stay where they were made.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN (setns(2)).
pub fn enter(namespace: impl AsFd) -> std::io::Result<()> {
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}
