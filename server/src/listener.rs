//! Listening sockets: for TCP, one per reactor on the same port, and how to stop their intake without losing
//! a connection that the kernel has already completed. `unix_socket` makes unix sockets.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::SocketFlags;
use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, TcpKeepalive, Type};

use crate::options::{KeepAlive, Options, SocketOptions};
use crate::unavailable::{BIND, Failure};

/// Unsent bytes that the kernel accepts for a connection beyond what its peer's window and the network allow to send
/// now (TCP_NOTSENT_LOWAT, tcp(7), Linux 3.12). Without it megabytes wait for a slow reader, and the socket shows room
/// only when a third of them is gone. It is four times what is sent in one go, so that a fast reader never waits.
const NOTSENT_LEN_MAX: u32 = 256 * 1024;

/// Binds a socket that will listen in a reuseport group. Accepted sockets inherit what is set here,
/// which saves a system call for each of them. Without TCP_NODELAY a reply in two pieces waits for a
/// delayed ACK (40 ms).
pub(crate) fn bind(address: SocketAddr, nonblocking: bool, options: &Options) -> Result<Socket, Failure> {
    let socket = unbound(address, options)?;
    socket.set_nonblocking(nonblocking).map_err(Failure::of("fcntl(2)"))?;
    socket.bind(&address.into()).map_err(Failure::of(BIND))?;
    Ok(socket)
}

/// A socket with all that is set before it is bound.
pub(crate) fn unbound(address: SocketAddr, options: &Options) -> Result<Socket, Failure> {
    let socket = socket(address)?;
    set_options(&socket, address, options).map_err(Failure::of("setsockopt(2)"))?;
    Ok(socket)
}

fn socket(address: SocketAddr) -> Result<Socket, Failure> {
    let kind = Type::STREAM;
    Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP)).map_err(Failure::of("socket(2)"))
}

fn set_options(socket: &Socket, address: SocketAddr, options: &Options) -> io::Result<()> {
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    set_for_accepted(socket, options)
}

/// Makes a listening TCP socket that another process bound as if it had been bound here. Accepted sockets of that
/// process are alike from here on, too.
pub(crate) fn renew(listening: &impl AsFd, options: &Options) -> io::Result<()> {
    let socket = SockRef::from(listening);
    // Whoever bound it may have wanted these.
    socket.set_keepalive(false)?;
    socket.set_tcp_user_timeout(None)?;
    set_for_accepted(&socket, options)?;
    // A socket that listens takes another backlog (listen(2)).
    socket.listen(options.socket.backlog_for_listen())
}

/// Sets what accepted sockets inherit.
fn set_for_accepted(socket: &Socket, options: &Options) -> io::Result<()> {
    socket.set_tcp_nodelay(!options.socket.delays_small)?;
    if let Some(seconds) = options.socket.defer_accept_s {
        sys::socket::defer_accept(socket, seconds.get())?;
    }
    if let Some(us) = options.socket.busy_poll_us {
        sys::busy_poll::of_socket(socket, us.get())?;
    }
    // An urgent byte stays in its place in the stream (RFC 6093 §5). If it were taken out, a receive would
    // stop before the bytes after it, and the kernel would not say that there are any (tcp_inq,
    // include/net/tcp.h).
    socket.set_out_of_band_inline(true)?;
    socket.set_tcp_notsent_lowat(NOTSENT_LEN_MAX)?;
    if options.idle_timeout.is_zero() {
        // Nothing else would detect that an idle peer is gone.
        let probes = TcpKeepalive::new()
            .with_time(KeepAlive::IDLE)
            .with_interval(KeepAlive::INTERVAL)
            .with_retries(KeepAlive::PROBES);
        socket.set_tcp_keepalive(&probes)?;
        socket.set_tcp_user_timeout(Some(KeepAlive::DEAD_AFTER))?;
    }
    set_sizes(socket, &options.socket)
}

/// Sets the sizes of socket buffers, if requested. The kernel must know them before the socket listens,
/// because the handshake announces the window scale (tcp(7)).
pub(crate) fn set_sizes(socket: &Socket, options: &SocketOptions) -> io::Result<()> {
    if let Some(size) = options.receive_buffer {
        socket.set_recv_buffer_size(size as usize)?;
    }
    if let Some(size) = options.send_buffer {
        socket.set_send_buffer_size(size as usize)?;
    }
    Ok(())
}

/// Joins the reuseport group: from here on connections arrive.
pub(crate) fn listen(socket: Socket, options: &SocketOptions) -> Result<OwnedFd, Failure> {
    socket.listen(options.backlog_for_listen()).map_err(Failure::of("listen(2)"))?;
    Ok(socket.into())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Tcp,
    Unix,
}

/// Sizes of a socket's buffers in bytes, as the kernel reports them: twice what was requested (socket(7)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SocketSizes {
    /// SO_RCVBUF.
    pub receive_buffer: usize,
    /// SO_SNDBUF.
    pub send_buffer: usize,
}

/// The sizes of a socket's buffers.
pub(crate) fn sizes(socket: &impl AsFd) -> io::Result<SocketSizes> {
    let socket = SockRef::from(socket);
    let (receive_buffer, send_buffer) = (socket.recv_buffer_size()?, socket.send_buffer_size()?);
    Ok(SocketSizes { receive_buffer, send_buffer })
}

/// A stream socket that listens, whatever its address family.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: OwnedFd,
    family: Family,
}

impl Listener {
    /// A descriptor of the calling thread's own for a socket that listens.
    pub(crate) fn copy_of(listening: BorrowedFd<'_>) -> io::Result<Listener> {
        let socket = listening.try_clone_to_owned()?;
        let is_unix = SockRef::from(&socket).local_addr()?.is_unix();
        Ok(Listener { socket, family: if is_unix { Family::Unix } else { Family::Tcp } })
    }

    /// Takes a connection off the accept queue; its socket is non-blocking. On a non-blocking listener,
    /// EAGAIN says that the queue is empty.
    #[inline]
    pub(crate) fn accept(&self) -> Result<OwnedFd, Errno> {
        rustix::net::accept_with(&self.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
    }

    /// The sizes that the kernel chose for the requested ones.
    pub(crate) fn sizes(&self) -> io::Result<SocketSizes> {
        sizes(&self.socket)
    }

    /// Whether a connection waits in the accept queue. Takes none off it.
    pub(crate) fn has_queued(&self) -> Result<bool, Errno> {
        const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut entry = [PollFd::new(&self.socket, PollFlags::IN)];
        poll(&mut entry, Some(&AT_ONCE))?;
        Ok(entry[0].revents().contains(PollFlags::IN))
    }

    /// How many connections wait in the accept queue. If the kernel does not count them, 1 stands for some.
    pub(crate) fn queued(&self) -> u64 {
        match sys::socket::accept_queue(self) {
            Ok(queue) => u64::from(queue.queued),
            Err(_) => u64::from(self.has_queued().unwrap_or(true)),
        }
    }

    /// Makes accept non-blocking from here on.
    pub(crate) fn set_nonblocking(&self) -> Result<(), Errno> {
        rustix::io::ioctl_fionbio(&self.socket, true)
    }

    /// Makes the kernel ignore further SYNs. Pending handshakes continue, and the accept queue keeps its
    /// connections; closing at once would reset both (RFC 9293 §3.10.7.2).
    ///
    /// A filter drops the SYNs, so a client that retries may find a successor. Recent kernels require
    /// CAP_NET_ADMIN for a filter on a TCP socket (EPERM seen on 6.18.44). Without it the listener is taken
    /// off every interface, and a client is refused at once, as it would be a moment later.
    ///
    /// A unix socket has no handshakes. Its file is gone by now, so nobody can connect any more.
    pub(crate) fn refuse_handshakes(&self) -> io::Result<()> {
        if self.family == Family::Unix {
            return Ok(());
        }
        match drop_handshakes(self) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => sys::socket::bind_to_no_interface(self),
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

/// The address of a TCP socket.
pub(crate) fn address(socket: &impl AsFd) -> io::Result<SocketAddr> {
    let address = SockRef::from(socket).local_addr()?;
    address.as_socket().ok_or_else(|| Errno::AFNOSUPPORT.into())
}

/// Ends a connection that was accepted but not served, by RST, so that its peer need not wait for anything.
pub(crate) fn reset(socket: OwnedFd) {
    // It cannot fail for a stream socket. On a unix socket it has no effect, and the peer sees an ordinary close.
    let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
}

/// Fails with EADDRINUSE if any socket listens on `address`. With SO_REUSEPORT alone, a forgotten server of
/// the same user would silently take half of the connections.
pub(crate) fn ensure_free(address: SocketAddr) -> Result<(), Failure> {
    if address.port() == 0 {
        return Ok(());
    }
    let socket = socket(address)?;
    if address.is_ipv6() {
        // As for the real listener: it takes nothing from an IPv4 socket on the same port.
        socket.set_only_v6(true).map_err(Failure::of("setsockopt(2)"))?;
    }
    // Connections in TIME_WAIT do not matter, but a listener does (socket(7), SO_REUSEADDR). Overlapping addresses
    // count as well: 127.0.0.1 with 0.0.0.0, and the other way round.
    socket.set_reuse_address(true).map_err(Failure::of("setsockopt(2)"))?;
    socket.bind(&address.into()).map_err(Failure::of(BIND))
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

    use protocol::Workload;

    fn open(address: SocketAddr) -> Result<Listener, Failure> {
        open_with(address, |_| {})
    }

    fn open_with(address: SocketAddr, change: impl FnOnce(&mut Options)) -> Result<Listener, Failure> {
        let mut options = Options::new(Workload::Echo);
        change(&mut options);
        let socket = listen(bind(address, true, &options)?, &options.socket)?;
        Ok(Listener::copy_of(socket.as_fd()).unwrap())
    }

    /// What an accepted socket has inherited.
    fn accepted_from(listener: &Listener) -> TcpStream {
        let client = TcpStream::connect(address(&listener).unwrap()).unwrap();
        // The client's handshake ends a moment before the connection is in the queue.
        loop {
            match listener.accept() {
                Ok(accepted) => {
                    drop(client);
                    return TcpStream::from(accepted);
                }
                Err(Errno::AGAIN) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn without_an_idle_timeout_dead_peers_are_found_by_the_kernel() {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let accepted = accepted_from(&open_with(address, |options| options.idle_timeout = Duration::ZERO).unwrap());
        let socket = SockRef::from(&accepted);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KeepAlive::IDLE);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), KeepAlive::INTERVAL);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), KeepAlive::PROBES);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(KeepAlive::DEAD_AFTER));
        // With an idle timeout no probe is needed, so none is sent.
        let accepted = accepted_from(&open(address).unwrap());
        assert!(!SockRef::from(&accepted).keepalive().unwrap());
    }

    #[test]
    fn accepted_sockets_have_the_buffers_that_were_asked_for() {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = open_with(address, |options| {
            (options.socket.receive_buffer, options.socket.send_buffer) = (Some(20_000), Some(30_000));
        })
        .unwrap();
        // The kernel doubles the sizes for its own bookkeeping (socket(7)).
        assert_eq!(listener.sizes().unwrap(), SocketSizes { receive_buffer: 40_000, send_buffer: 60_000 });
        let accepted = accepted_from(&listener);
        let socket = SockRef::from(&accepted);
        assert_eq!((socket.recv_buffer_size().unwrap(), socket.send_buffer_size().unwrap()), (40_000, 60_000));
    }

    /// Every kind of listener on each overlapping address is found, and no other.
    #[test]
    fn a_listener_on_a_part_of_the_address_counts_and_another_family_does_not() {
        let kinds: [fn(&Socket); 3] = [
            |_| {},
            |socket| socket.set_reuse_address(true).unwrap(),
            |socket| {
                socket.set_reuse_address(true).unwrap();
                socket.set_reuse_port(true).unwrap();
            },
        ];
        // Their address, whether it takes IPv4 as well, and which of our addresses it leaves free.
        let cases: [(&str, bool, &[&str]); 5] = [
            ("127.0.0.1:0", false, &["[::1]", "[::]"]),
            ("0.0.0.0:0", false, &["[::1]", "[::]"]),
            ("[::1]:0", false, &["127.0.0.1", "0.0.0.0"]),
            ("[::]:0", false, &["127.0.0.1", "0.0.0.0"]),
            ("[::]:0", true, &[]),
        ];
        for (theirs, takes_ipv4, free) in cases {
            for (kind, set) in kinds.iter().enumerate() {
                let theirs: SocketAddr = theirs.parse().unwrap();
                let found_free = || -> Vec<&str> {
                    let socket = Socket::new(Domain::for_address(theirs), Type::STREAM, None).unwrap();
                    if theirs.is_ipv6() {
                        socket.set_only_v6(!takes_ipv4).unwrap();
                    }
                    set(&socket);
                    socket.bind(&theirs.into()).unwrap();
                    socket.listen(1).unwrap();
                    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
                    let is_free = |ours: &&str| ensure_free(format!("{ours}:{port}").parse().unwrap()).is_ok();
                    ["127.0.0.1", "0.0.0.0", "[::1]", "[::]"].into_iter().filter(is_free).collect()
                };
                // Another process may have the same port in the other family, but not every time.
                let mut found = found_free();
                for _ in 0..20 {
                    if found == free {
                        break;
                    }
                    found = found_free();
                }
                assert_eq!(found, free, "beside {theirs} ({takes_ipv4}), kind {kind}");
            }
        }
    }

    #[test]
    fn a_port_with_a_listener_is_not_free_even_under_reuseport() {
        let listener = open(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = super::address(&listener).unwrap();
        assert_eq!(ensure_free(address).unwrap_err().error.kind(), io::ErrorKind::AddrInUse);
        assert!(open(address).is_ok(), "a second reactor joins the group");
        drop(listener);
        // The second listener was dropped above, so nobody listens any more.
        ensure_free(address).unwrap();
    }

    /// A connection that the kernel has completed survives `refuse`; a later one fails.
    fn check_that_the_queue_outlives(refuse: impl Fn(&Listener) -> io::Result<()>, late_error: io::ErrorKind) {
        let first = open(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = address(&first).unwrap();
        let group = [first, open(address).unwrap(), open(address).unwrap()];
        let queued: Vec<TcpStream> = (0..30).map(|_| TcpStream::connect(address).unwrap()).collect();
        group.iter().for_each(|listener| refuse(listener).unwrap());
        let late = TcpStream::connect_timeout(&address, Duration::from_millis(100));
        assert_eq!(late.unwrap_err().kind(), late_error);
        let mut expected: Vec<SocketAddr> = queued.iter().map(|stream| stream.local_addr().unwrap()).collect();
        let mut found: Vec<SocketAddr> = Vec::new();
        for listener in &group {
            let counted = listener.queued();
            let found_before = found.len() as u64;
            while listener.has_queued().unwrap() {
                let mut accepted = TcpStream::from(listener.accept().unwrap());
                let peer = accepted.peer_addr().unwrap();
                // It still works in both directions.
                accepted.write_all(b"a").unwrap();
                let client = queued.iter().find(|stream| stream.local_addr().unwrap() == peer).unwrap();
                client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                (&mut &*client).read_exact(&mut [0]).unwrap();
                found.push(peer);
            }
            assert_eq!(listener.accept().unwrap_err(), Errno::AGAIN, "an empty queue is seen as empty");
            assert_eq!((found.len() as u64 - found_before, listener.queued()), (counted, 0));
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
        check_that_the_queue_outlives(sys::socket::bind_to_no_interface, io::ErrorKind::ConnectionRefused);
    }
}
