//! Listening sockets: one per reactor on the same port, and how to stop their intake without losing
//! a connection that the kernel has already completed.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};

/// Longest accept queue asked for. The kernel cuts it to net.core.somaxconn (listen(2)); asking for
/// more than the default of 4,096 lets that setting be the only one to change.
const BACKLOG: i32 = 65_535;

/// Opens a listener of a reuseport group. Accepted sockets inherit TCP_NODELAY from it, which saves
/// a system call for each of them; without it a reply in two pieces waits for a delayed ACK (40 ms).
pub(crate) fn open(address: SocketAddr, nonblocking: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(nonblocking)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
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

/// Makes the kernel drop further SYNs for this listener, while handshakes under way go on and what
/// is in the accept queue stays there. Closing at once would reset both (RFC 9293 §3.10.7.2).
pub(crate) fn refuse_handshakes(listener: &impl AsFd) -> io::Result<()> {
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
    use std::net::TcpStream;
    use std::time::Duration;

    #[test]
    fn a_port_with_a_listener_is_not_free_even_under_reuseport() {
        let listener = open(SocketAddr::from(([127, 0, 0, 1], 0)), true).unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(ensure_free(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(open(address, true).is_ok(), "a second reactor joins the group");
        drop(listener);
        // The second one was dropped above, so nobody listens any more.
        ensure_free(address).unwrap();
    }

    #[test]
    fn refused_handshakes_leave_the_accept_queue_alone() {
        let listener = open(SocketAddr::from(([127, 0, 0, 1], 0)), true).unwrap();
        let address = listener.local_addr().unwrap();
        let queued = TcpStream::connect(address).unwrap();
        refuse_handshakes(&listener).unwrap();
        let late = TcpStream::connect_timeout(&address, Duration::from_millis(100));
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let (accepted, peer) = listener.accept().expect("the queued connection is still there");
        assert_eq!(peer, queued.local_addr().unwrap());
        drop(listener);
        drop(accepted);
    }
}
