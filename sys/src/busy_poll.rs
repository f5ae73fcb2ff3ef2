//! Polls a network card for packets while a thread would wait, for a socket or for all of an epoll instance. Devices without
//! NAPI, such as loopback and TUN, are not polled, and nothing says so.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Polls for up to `us` microseconds before a receive of this socket waits (SO_BUSY_POLL, socket(7), Linux 3.11). Accepted
/// sockets inherit it. epoll does not look at it.
///
/// # Errors
/// EPERM for more than net.core.busy_read without CAP_NET_ADMIN.
pub fn of_socket(socket: &impl AsFd, us: u32) -> io::Result<()> {
    let value = i32::try_from(us).unwrap_or(i32::MAX);
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    let place = (&raw const value).cast();
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: the kernel reads `size` bytes at the address, an initialised int, and writes none.
    match unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_BUSY_POLL, place, size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What EPIOCSPARAMS takes (struct epoll_params, linux/eventpoll.h).
#[repr(C)]
struct Params {
    busy_poll_usecs: u32,
    busy_poll_budget: u16,
    prefer_busy_poll: u8,
    padding: u8,
}

/// Packets that one look takes at most: BUSY_POLL_BUDGET of include/net/busy_poll.h.
const BUDGET: u16 = 8;

/// Polls for up to `us` microseconds before epoll_wait(2) waits (EPIOCSPARAMS, ioctl_eventpoll(2), Linux 6.9). All
/// connections of the instance should come in by one queue of one card.
///
/// # Errors
/// ENOTTY before Linux 6.9.
pub fn of_epoll(epoll: &impl AsFd, us: u32) -> io::Result<()> {
    // _IOW(EPOLL_IOC_TYPE, 0x01, struct epoll_params), linux/eventpoll.h; the libc crate lacks it.
    const EPIOCSPARAMS: libc::Ioctl = 0x4008_8a01;
    let params = Params { busy_poll_usecs: us, busy_poll_budget: BUDGET, prefer_busy_poll: 0, padding: 0 };
    // SAFETY: EPIOCSPARAMS reads a struct epoll_params of 8 bytes, which `params` is, and writes nothing.
    match unsafe { libc::ioctl(epoll.as_fd().as_raw_fd(), EPIOCSPARAMS, &raw const params) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const _: () = assert!(size_of::<Params>() == 8);

    #[test]
    fn a_socket_and_an_epoll_instance_take_it() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        match of_socket(&socket, 20) {
            Ok(()) => {}
            // An ordinary user's.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
        }
        let epoll = rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC).unwrap();
        match of_epoll(&epoll, 20) {
            Ok(()) => {}
            // Before Linux 6.9.
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::ENOTTY)),
        }
        assert!(of_epoll(&socket, 20).is_err(), "a socket is no epoll instance");
    }
}
