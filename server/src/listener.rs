//! Listening sockets: one per reactor on the same port, and how to stop their intake without losing
//! a connection that the kernel has already completed.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::net::SocketFlags;
use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};

use crate::sys;

/// Longest accept queue asked for. The kernel cuts it to net.core.somaxconn (listen(2)); asking for
/// more than the default of 4,096 lets that setting be the only one to change.
const BACKLOG: i32 = 65_535;

/// Bytes that a connection may have in the kernel beyond what its peer's window and the network allow to
/// send now (TCP_NOTSENT_LOWAT, tcp(7), Linux 3.12). Without it a reader that takes little has megabytes waiting, and room
/// shows only when a third of them is gone. Four times what is sent in one go, so that a fast reader never waits.
const NOTSENT_LEN_MAX: u32 = 256 * 1024;

/// Binds a socket that will listen in a reuseport group. Accepted sockets inherit TCP_NODELAY from
/// it, which saves a system call for each of them; without it a reply in two pieces waits for a
/// delayed ACK (40 ms).
pub(crate) fn bind(address: SocketAddr, nonblocking: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_tcp_nodelay(true)?;
    // An urgent byte stays where it is in the stream (RFC 6093 §5). Taken out, it would end a receive short
    // of the bytes behind it, and the kernel would not say that there are any (tcp_inq, include/net/tcp.h).
    socket.set_out_of_band_inline(true)?;
    socket.set_tcp_notsent_lowat(NOTSENT_LEN_MAX)?;
    socket.set_nonblocking(nonblocking)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Joins the reuseport group: from here on connections arrive.
pub(crate) fn listen(socket: Socket) -> io::Result<Listener> {
    socket.listen(BACKLOG)?;
    Ok(Listener { socket: socket.into() })
}

/// A stream socket that listens, whatever its address family.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: OwnedFd,
}

impl Listener {
    /// Takes a connection off the accept queue; its socket does not block. EAGAIN says that nobody
    /// waits, on a listener that does not block either.
    #[inline]
    pub(crate) fn accept(&self) -> Result<OwnedFd, Errno> {
        rustix::net::accept_with(&self.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        let address = SockRef::from(&self.socket).local_addr()?;
        address.as_socket().ok_or_else(|| Errno::AFNOSUPPORT.into())
    }

    /// Makes the kernel ignore further SYNs, while handshakes under way go on and what is in the
    /// accept queue stays there. Closing at once would reset both (RFC 9293 §3.10.7.2).
    ///
    /// A filter drops them, so that a client which tries again may find a successor. Recent kernels want
    /// CAP_NET_ADMIN for a filter on a TCP socket (seen with EPERM on 6.18.44); without it the listener
    /// is taken off every interface, and a client is refused at once as it would be a moment later.
    pub(crate) fn refuse_handshakes(&self) -> io::Result<()> {
        match drop_handshakes(self) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => sys::bind_to_no_interface(self),
            result => result,
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Fails with EADDRINUSE when anybody listens on `address`. With SO_REUSEPORT alone, a forgotten
/// server of the same user would silently take half of the connections.
pub(crate) fn ensure_free(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections in TIME_WAIT do not matter, a listener does: socket(7), SO_REUSEADDR.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

fn drop_handshakes(listener: &impl AsFd) -> io::Result<()> {
    // Classic BPF over the TCP header: byte 13 holds the flags (RFC 9293 §3.1), SYN is 2, ACK 16.
    // Return 0 drops the segment, anything else keeps that many bytes of it.
    const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
    const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
    const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = SockFilter::new;
    let filter = [
        step(LOAD_BYTE, 0, 0, 13),
        step(AND, 0, 0, 2 | 16),
        step(JUMP_EQUAL, 0, 1, 2),
        step(RETURN, 0, 0, 0),
        step(RETURN, 0, 0, u32::MAX),
    ];
    SockRef::from(listener).attach_filter(&filter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    fn open(address: SocketAddr) -> io::Result<Listener> {
        bind(address, true).and_then(listen)
    }

    #[test]
    fn a_port_with_a_listener_is_not_free_even_under_reuseport() {
        let listener = open(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.address().unwrap();
        assert_eq!(ensure_free(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(open(address).is_ok(), "a second reactor joins the group");
        drop(listener);
        // The second one was dropped above, so nobody listens any more.
        ensure_free(address).unwrap();
    }

    /// A connection that the kernel has completed outlives `refuse`, and one that comes later does not come.
    fn check_that_the_queue_outlives(refuse: impl Fn(&Listener) -> io::Result<()>, late_error: io::ErrorKind) {
        let first = open(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = first.address().unwrap();
        let group = [first, open(address).unwrap(), open(address).unwrap()];
        let queued: Vec<TcpStream> = (0..30).map(|_| TcpStream::connect(address).unwrap()).collect();
        group.iter().for_each(|listener| refuse(listener).unwrap());
        let late = TcpStream::connect_timeout(&address, Duration::from_millis(100));
        assert_eq!(late.unwrap_err().kind(), late_error);
        let mut expected: Vec<SocketAddr> = queued.iter().map(|stream| stream.local_addr().unwrap()).collect();
        let mut found: Vec<SocketAddr> = Vec::new();
        for listener in &group {
            while let Ok(accepted) = listener.accept() {
                let mut accepted = TcpStream::from(accepted);
                let peer = accepted.peer_addr().unwrap();
                // It also works in both directions.
                accepted.write_all(b"a").unwrap();
                let client = queued.iter().find(|stream| stream.local_addr().unwrap() == peer).unwrap();
                client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                (&mut &*client).read_exact(&mut [0]).unwrap();
                found.push(peer);
            }
            assert_eq!(listener.accept().unwrap_err(), Errno::AGAIN, "an empty queue is seen as empty");
        }
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "every queued connection is still there");
    }

    #[test]
    fn dropped_handshakes_leave_the_accept_queue_alone() {
        if let Err(error) = drop_handshakes(&open(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()) {
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            return eprintln!("skipped, a filter needs CAP_NET_ADMIN here: {error}");
        }
        check_that_the_queue_outlives(drop_handshakes, io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_listener_without_an_interface_keeps_its_accept_queue() {
        check_that_the_queue_outlives(sys::bind_to_no_interface, io::ErrorKind::ConnectionRefused);
    }
}
