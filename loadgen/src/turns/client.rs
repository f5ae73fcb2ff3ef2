//! The connections to one server, and the requests on them.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use protocol::client::{Client, Progress};
use rustix::event::epoll;

use super::error::TurnsError;
use super::options::Target;

/// Bytes that are read at once.
const READ_LEN: usize = 64 * 1024;

/// One connection.
pub(super) struct Connection<S> {
    socket: TcpStream,
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
    /// Those without a request, by number.
    free: Vec<usize>,
    pipeline: u32,
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
    /// Opens `count` connections.
    pub(super) fn open(target: Target, client: C, count: u32, pipeline: u32) -> Result<Connections<C>, TurnsError> {
        let io = |what| move |error: std::io::Error| TurnsError::Io { address: target.address, what, error };
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|errno| io("make an epoll")(errno.into()))?;
        let mut all = Vec::with_capacity(count as usize);
        for number in 0..count {
            let socket = TcpStream::connect(target.address).map_err(io("connect"))?;
            socket.set_nodelay(true).map_err(io("set TCP_NODELAY"))?;
            socket.set_nonblocking(true).map_err(io("set O_NONBLOCK"))?;
            // Closed with a reset, it leaves nothing in TIME-WAIT for the next block.
            rustix::net::sockopt::set_socket_linger(&socket, Some(std::time::Duration::ZERO))
                .map_err(|errno| io("set SO_LINGER")(errno.into()))?;
            let token = epoll::EventData::new_u64(u64::from(number));
            epoll::add(&epoll, &socket, token, epoll::EventFlags::IN)
                .map_err(|errno| io("watch a connection")(errno.into()))?;
            all.push(Connection { socket, state: C::State::default(), unread: vec![], awaited: 0, intended_ns: 0 });
        }
        let free = (0..all.len()).rev().collect();
        Ok(Connections { target, client, epoll, all, free, pipeline, scratch: vec![0; READ_LEN], replies: 0 })
    }

    /// Connections that wait for a reply.
    pub(super) fn busy(&self) -> usize {
        self.all.len() - self.free.len()
    }

    /// Sends a batch on a connection that has none. False when all are busy.
    pub(super) fn send(&mut self, intended_ns: u64) -> Result<bool, TurnsError> {
        let Some(number) = self.free.pop() else { return Ok(false) };
        let (address, connection) = (self.target.address, &mut self.all[number]);
        let bytes = self.client.begin(&mut connection.state, self.pipeline);
        match (&connection.socket).write(bytes) {
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
        let kept = connection.unread.len();
        self.scratch[..kept].copy_from_slice(&connection.unread);
        let len = match (&connection.socket).read(&mut self.scratch[kept..]) {
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
            self.free.push(number);
        }
        Ok(Answered { count, intended_ns: is_whole.then_some(connection.intended_ns) })
    }

    fn error(&self, what: &'static str, error: std::io::Error) -> TurnsError {
        TurnsError::Io { address: self.target.address, what, error }
    }
}
