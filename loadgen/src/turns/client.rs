//! The connections to one server, and the requests on them.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use protocol::client::{Client, Progress};
use rustix::event::epoll;

use super::error::TurnsError;
use super::options::{Life, Options, Target};

/// Bytes that are read at once.
const READ_LEN: usize = 64 * 1024;

/// One connection.
pub(super) struct Connection<S> {
    /// Absent between the connections of one that comes and goes.
    socket: Option<TcpStream>,
    state: S,
    /// Bytes of a reply that has not arrived whole.
    unread: Vec<u8>,
    /// Replies that are still to come.
    awaited: u32,
    /// When the batch should have been sent.
    intended_ns: u64,
}

/// All connections to one server.
pub(super) struct Connections<C: Client> {
    pub(super) target: Target,
    client: C,
    epoll: std::os::fd::OwnedFd,
    all: Vec<Connection<C::State>>,
    /// Those without a request, by number. Who has waited longest is next, so that a rate goes over all connections.
    free: VecDeque<usize>,
    pipeline: u32,
    life: Life,
    scratch: Vec<u8>,
    /// Replies so far.
    pub(super) replies: u64,
}

/// What came of one look at a connection.
pub(super) struct Answered {
    /// Replies.
    pub(super) count: u64,
    /// Of a batch that is whole, when it should have been sent.
    pub(super) intended_ns: Option<u64>,
}

impl<C: Client> Connections<C> {
    /// Places for `options.connections`; those that stay are opened.
    pub(super) fn open(target: Target, client: C, options: &Options) -> Result<Connections<C>, TurnsError> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|errno| TurnsError::Io {
            address: target.address,
            what: "make an epoll",
            error: errno.into(),
        })?;
        let none =
            || Connection { socket: None, state: C::State::default(), unread: vec![], awaited: 0, intended_ns: 0 };
        let mut connections = Connections {
            target,
            client,
            epoll,
            all: (0..options.connections).map(|_| none()).collect(),
            free: (0..options.connections as usize).collect(),
            pipeline: options.pipeline,
            life: options.life,
            scratch: vec![0; READ_LEN],
            replies: 0,
        };
        if options.life == Life::Stays {
            (0..connections.all.len()).try_for_each(|number| connections.connect(number))?;
        }
        Ok(connections)
    }

    /// Opens the connection with this number. On one host that does not sleep as long as the server's accept queue has
    /// room: the kernel has handled the reply to the SYN before connect(2) would wait for it.
    fn connect(&mut self, number: usize) -> Result<(), TurnsError> {
        let address = self.target.address;
        let io = |what| move |error: std::io::Error| TurnsError::Io { address, what, error };
        let socket = TcpStream::connect(address).map_err(io("connect"))?;
        socket.set_nodelay(true).map_err(io("set TCP_NODELAY"))?;
        socket.set_nonblocking(true).map_err(io("set O_NONBLOCK"))?;
        if self.life == Life::Stays {
            // Closed with a reset, it leaves nothing in TIME-WAIT for the next block.
            rustix::net::sockopt::set_socket_linger(&socket, Some(std::time::Duration::ZERO))
                .map_err(|errno| io("set SO_LINGER")(errno.into()))?;
        }
        let token = epoll::EventData::new_u64(number as u64);
        epoll::add(&self.epoll, &socket, token, epoll::EventFlags::IN)
            .map_err(|errno| io("watch a connection")(errno.into()))?;
        self.all[number].socket = Some(socket);
        Ok(())
    }

    /// Connections that wait for a reply.
    pub(super) fn busy(&self) -> usize {
        self.all.len() - self.free.len()
    }

    /// Sends a batch on a connection that has none. False when all are busy.
    pub(super) fn send(&mut self, intended_ns: u64) -> Result<bool, TurnsError> {
        let Some(number) = self.free.pop_front() else { return Ok(false) };
        if self.life == Life::Goes {
            self.connect(number)?;
        }
        let (address, connection) = (self.target.address, &mut self.all[number]);
        let Some(mut socket) = connection.socket.as_ref() else { return Err(TurnsError::Closed { address }) };
        let bytes = self.client.begin(&mut connection.state, self.pipeline);
        match socket.write(bytes) {
            Ok(len) if len == bytes.len() => {}
            Ok(_) => return Err(TurnsError::ShortSend { address }),
            Err(error) => return Err(TurnsError::Io { address, what: "send", error }),
        }
        (connection.awaited, connection.intended_ns) = (self.pipeline, intended_ns);
        Ok(true)
    }

    /// The numbers of connections that have something to read. Returns at once.
    pub(super) fn readable(&self, events: &mut Vec<epoll::Event>) -> Result<(), TurnsError> {
        events.clear();
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        let capacity = rustix::buffer::spare_capacity(events);
        match epoll::wait(&self.epoll, capacity, Some(&now)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(self.error("wait for events", errno.into())),
        }
    }

    /// Reads what a connection has.
    pub(super) fn read(&mut self, number: usize) -> Result<Answered, TurnsError> {
        let address = self.target.address;
        let connection = &mut self.all[number];
        let Some(mut socket) = connection.socket.as_ref() else { return Ok(Answered { count: 0, intended_ns: None }) };
        let kept = connection.unread.len();
        self.scratch[..kept].copy_from_slice(&connection.unread);
        let len = match socket.read(&mut self.scratch[kept..]) {
            Ok(0) => return Err(TurnsError::Closed { address }),
            Ok(len) => kept + len,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => kept,
            Err(error) => return Err(TurnsError::Io { address, what: "receive", error }),
        };
        let (mut at, mut count) = (0, 0);
        while connection.awaited > 0 && at < len {
            let received = self.client.on_bytes(&mut connection.state, &self.scratch[at..len]);
            at += received.consumed;
            match received.progress {
                Progress::Complete { keep_open: true } => {
                    (connection.awaited, count) = (connection.awaited - 1, count + 1)
                }
                Progress::Incomplete => break,
                Progress::Complete { keep_open: false } => return Err(TurnsError::Refused { address, status: 0 }),
                Progress::Refused { status, .. } => return Err(TurnsError::Refused { address, status }),
                Progress::Fault(fault) => return Err(TurnsError::Wrong { address, fault }),
            }
        }
        connection.unread.clear();
        connection.unread.extend_from_slice(&self.scratch[at..len]);
        self.replies += count;
        let is_whole = connection.awaited == 0 && count > 0;
        if is_whole {
            self.free.push_back(number);
            if self.life == Life::Goes {
                // In order and first, so that the TIME-WAIT is the client's.
                (connection.socket, connection.state) = (None, C::State::default());
            }
        }
        Ok(Answered { count, intended_ns: is_whole.then_some(connection.intended_ns) })
    }

    /// Acknowledges the last replies of connections that stay. The kernel would do so 40 ms later, on the CPU that the
    /// server runs on and in the turn of another one. First at once, then lazily again, as before (tcp(7), TCP_QUICKACK).
    pub(super) fn acknowledge(&self) -> Result<(), TurnsError> {
        let sockets = self.all.iter().filter_map(|connection| connection.socket.as_ref());
        sockets.flat_map(|socket| [(socket, true), (socket, false)]).try_for_each(|(socket, is_quick)| {
            rustix::net::sockopt::set_tcp_quickack(socket, is_quick)
                .map_err(|errno| self.error("set TCP_QUICKACK", errno.into()))
        })
    }

    fn error(&self, what: &'static str, error: std::io::Error) -> TurnsError {
        TurnsError::Io { address: self.target.address, what, error }
    }
}
