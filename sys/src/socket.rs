//! Socket options and queries that the safe libraries lack.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;

/// Stops a listener from matching new SYNs and stray segments by binding it to an interface that does not
/// exist. Pending handshakes keep their own interface and go on.
///
/// # Errors
/// EPERM if it is bound to an interface already; no privilege is needed since Linux 5.7.
pub fn bind_to_no_interface(listener: &impl AsFd) -> io::Result<()> {
    // Interfaces are numbered upwards from 1, and the kernel does not check whether this one exists
    // (`net/core/sock.c`, `sock_bindtoindex_locked`).
    let no_interface = libc::c_int::MAX;
    // asm-generic/socket.h; the libc crate lacks it.
    const SO_BINDTOIFINDEX: libc::c_int = 62;
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    let interface = (&raw const no_interface).cast();
    let listener = listener.as_fd().as_raw_fd();
    // SAFETY: the kernel reads `size` bytes at the address, an initialised int, and writes none.
    match unsafe { libc::setsockopt(listener, libc::SOL_SOCKET, SO_BINDTOIFINDEX, interface, size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets a listener's connections wait for their first bytes in the kernel, for up to about `seconds` (TCP_DEFER_ACCEPT,
/// tcp(7)). The kernel counts in retransmissions of its SYN-ACK, so the time is a rough one; a connection that says nothing is
/// accepted all the same in the end.
///
/// # Errors
/// Those of setsockopt(2).
pub fn defer_accept(listener: &impl AsFd, seconds: u32) -> io::Result<()> {
    let value = i32::try_from(seconds).unwrap_or(i32::MAX);
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    let place = (&raw const value).cast();
    let listener = listener.as_fd().as_raw_fd();
    // SAFETY: the kernel reads `size` bytes at the address, an initialised int, and writes none.
    match unsafe { libc::setsockopt(listener, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, place, size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Bytes that the peer of a stream socket has not acknowledged, sent or not (SIOCOUTQ, tcp(7)). For a unix
/// socket it is the memory of messages that were not received completely, so it changes in large steps.
///
/// # Errors
/// ENOTTY and EINVAL for anything but a connected stream socket.
pub fn unacknowledged_len(socket: &impl AsFd) -> io::Result<u32> {
    let mut len: libc::c_int = 0;
    // SAFETY: TIOCOUTQ, which is SIOCOUTQ (linux/sockios.h), writes one int to the address.
    match unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut len) } {
        0 => Ok(u32::try_from(len).unwrap_or(0)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The accept queue of a TCP listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptQueue {
    /// Connections in it.
    pub queued: u32,
    /// The backlog: how many fit, but one.
    pub backlog: u32,
}

/// The accept queue of a TCP listener: the kernel reports what is in it as unacknowledged segments, and the backlog as
/// selectively acknowledged ones (`tcp_get_info` in net/ipv4/tcp.c, since Linux 2.6.23).
///
/// # Errors
/// ENOTSUP for other sockets.
pub fn accept_queue(listener: &impl AsFd) -> io::Result<AcceptQueue> {
    let mut info = std::mem::MaybeUninit::<libc::tcp_info>::zeroed();
    let mut size = size_of::<libc::tcp_info>() as libc::socklen_t;
    let listener = listener.as_fd().as_raw_fd();
    let place = info.as_mut_ptr().cast();
    // SAFETY: the kernel writes at most `size` bytes, the length of `info`, and the length to `size`.
    if unsafe { libc::getsockopt(listener, libc::IPPROTO_TCP, libc::TCP_INFO, place, &raw mut size) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: every field is a number, for which all bytes that were zeroed or written stand.
    let info = unsafe { info.assume_init() };
    Ok(AcceptQueue { queued: info.tcpi_unacked, backlog: info.tcpi_sacked })
}

/// Bounds the ports from which connect(2) chooses for a socket, both ends included. The kernel takes bounds into account that lie
/// within net.ipv4.ip_local_port_range, and ignores others without a word (`inet_sk_get_local_port_range` in
/// net/ipv4/inet_connection_sock.c).
///
/// # Errors
/// ENOPROTOOPT before Linux 6.3.
pub fn bound_ports(socket: impl AsFd, first: u16, last: u16) -> Result<(), Errno> {
    // linux/in.h; the libc crate lacks it. The lower half is the first port, the upper one the last.
    const IP_LOCAL_PORT_RANGE: libc::c_int = 51;
    let range = u32::from(first) | u32::from(last) << 16;
    let size = size_of::<u32>() as libc::socklen_t;
    let place = (&raw const range).cast();
    // SAFETY: the kernel reads `size` bytes at the address, an initialised number, and writes none.
    match unsafe { libc::setsockopt(socket.as_fd().as_raw_fd(), libc::IPPROTO_IP, IP_LOCAL_PORT_RANGE, place, size) } {
        0 => Ok(()),
        _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
    }
}

/// Lets bind(2) take an address but no port, so that connect(2) can choose a port that is free for this
/// target only. Without it, a bound port is in use for every target (ip(7), since Linux 4.2).
///
/// # Errors
/// None for a stream socket of IPv4 or IPv6.
pub fn choose_port_late(socket: impl AsFd) -> Result<(), Errno> {
    let on: libc::c_int = 1;
    // SAFETY: `on` is a valid int for the length given, and setsockopt(2) only reads it.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
    }
}
