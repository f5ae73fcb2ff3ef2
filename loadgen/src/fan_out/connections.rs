//! The connections of a fan-out: which are free, what goes out on them, and what comes back. They know nothing of requests
//! and parts but the name of the copy that they carry.

use std::collections::VecDeque;

use protocol::client::{Client, HttpClient, Progress};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny, SocketFlags, connect, recv, send, sockopt};
use sys::clock;

use super::parts::Copy;
use crate::LoadError;
use crate::engine::new_socket;
use crate::plan::Plan;

/// Bytes read at once.
const READ_LEN: usize = 64 * 1024;
/// Events taken per turn.
const EVENTS_MAX: usize = 256;
/// Pause before a connect that follows a failed one.
const REST_NS: u64 = 100_000_000;

struct Target {
    addresses: Vec<SocketAddrAny>,
    client: HttpClient,
    /// Who has waited longest is next.
    free: VecDeque<u32>,
}

struct Connection {
    target: usize,
    socket: Option<OwnedFd>,
    is_connecting: bool,
    state: <HttpClient as Client>::State,
    unread: Vec<u8>,
    copy: Option<Copy>,
    /// How often it carried something: a timeout of an earlier copy finds another number.
    turn: u32,
}

/// What became of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    /// Refused, answered wrongly, or lost with its connection.
    Failed,
}

/// A copy on its way, for its timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) connection: u32,
    turn: u32,
}

pub(super) struct Connections {
    epoll: OwnedFd,
    targets: Vec<Target>,
    all: Vec<Connection>,
    /// When connections are opened again after a failure.
    closed: VecDeque<(u64, u32)>,
    events: Vec<epoll::Event>,
    scratch: Vec<u8>,
    last_error: Option<Errno>,
}

impl Connections {
    /// Begins all connects.
    pub(super) fn open(targets: Vec<(Plan, HttpClient)>, each: u32) -> Result<Connections, LoadError> {
        let setup = |what| move |errno: Errno| LoadError::setup(what, errno);
        let of = |(plan, client): (Plan, HttpClient)| {
            let addresses = plan.routes.iter().map(|route| route.address.for_rustix()).collect::<Result<Vec<_>, _>>();
            Ok(Target {
                addresses: addresses.map_err(setup("write the address of a target"))?,
                client,
                free: VecDeque::new(),
            })
        };
        let targets = targets.into_iter().map(of).collect::<Result<Vec<_>, LoadError>>()?;
        let none = |target| Connection {
            target,
            socket: None,
            is_connecting: false,
            state: Default::default(),
            unread: Vec::new(),
            copy: None,
            turn: 0,
        };
        let all = (0..targets.len()).flat_map(|target| (0..each).map(move |_| none(target))).collect();
        let no_event = epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        let mut connections = Connections {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).map_err(setup("create an epoll instance"))?,
            targets,
            all,
            closed: VecDeque::new(),
            events: vec![no_event; EVENTS_MAX],
            scratch: vec![0; READ_LEN],
            last_error: None,
        };
        (0..connections.all.len() as u32).for_each(|number| connections.connect(number));
        Ok(connections)
    }

    /// Connections that could carry something now.
    pub(super) fn free(&self) -> usize {
        self.targets.iter().map(|target| target.free.len()).sum()
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    pub(super) fn last_error(&self) -> Option<Errno> {
        self.last_error
    }

    fn connect(&mut self, number: u32) {
        if let Err(errno) = self.try_connect(number) {
            self.fail_to_connect(number, errno);
        }
    }

    fn try_connect(&mut self, number: u32) -> Result<(), Errno> {
        let connection = &mut self.all[number as usize];
        let addresses = &self.targets[connection.target].addresses;
        let address = &addresses[number as usize % addresses.len()];
        // Closed by a reset, so that a run leaves nothing to the next.
        let socket = new_socket(address.address_family(), None, SocketFlags::NONBLOCK, None, true)?;
        match connect(&socket, address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno),
        }
        epoll::add(&self.epoll, &socket, EventData::new_u64(u64::from(number)), EventFlags::OUT)?;
        (connection.socket, connection.is_connecting) = (Some(socket), true);
        connection.state = Default::default();
        connection.unread.clear();
        Ok(())
    }

    fn fail_to_connect(&mut self, number: u32, errno: Errno) {
        self.last_error = Some(errno);
        let connection = &mut self.all[number as usize];
        (connection.socket, connection.is_connecting) = (None, false);
        self.closed.push_back((clock::now_ns() + REST_NS, number));
    }

    /// Opens again what failed a while ago.
    pub(super) fn reopen(&mut self, now: u64) {
        while let Some((_, number)) = self.closed.pop_front_if(|closed| closed.0 <= now) {
            self.connect(number);
        }
    }

    /// When the next failed connection is opened again.
    pub(super) fn reopens_at(&self) -> Option<u64> {
        self.closed.front().map(|closed| closed.0)
    }

    /// Sends a copy to the target of this turn or, when all connections to it are busy, to the next that has a free one.
    /// `None` when no target has.
    pub(super) fn send(&mut self, target: usize, copy: Copy) -> Option<Sent> {
        let count = self.targets.len();
        for offset in 0..count {
            while let Some(number) = self.targets[(target + offset) % count].free.pop_front() {
                if let Some(sent) = self.send_on(number, copy) {
                    return Some(sent);
                }
            }
        }
        None
    }

    /// `None` when the connection was of no use; it is opened again then.
    fn send_on(&mut self, number: u32, copy: Copy) -> Option<Sent> {
        let connection = &mut self.all[number as usize];
        let socket = connection.socket.as_ref()?;
        let bytes = self.targets[connection.target].client.begin(&mut connection.state, 1);
        match send(socket, bytes, SendFlags::NOSIGNAL) {
            // A request has some hundred bytes, and the socket's buffer is empty.
            Ok(len) if len == bytes.len() => {
                connection.turn = connection.turn.wrapping_add(1);
                connection.copy = Some(copy);
                Some(Sent { connection: number, turn: connection.turn })
            }
            Ok(_) | Err(_) => {
                self.close(number);
                None
            }
        }
    }

    /// Where a copy was sent to.
    pub(super) fn target(&self, sent: Sent) -> usize {
        self.all[sent.connection as usize].target
    }

    /// Gives up what is still on its way; `None` when it has come back meanwhile.
    pub(super) fn give_up(&mut self, sent: Sent) -> Option<Copy> {
        let connection = &mut self.all[sent.connection as usize];
        if connection.turn != sent.turn {
            return None;
        }
        let copy = connection.copy.take()?;
        self.close(sent.connection);
        Some(copy)
    }

    /// Closes a connection and opens it again.
    fn close(&mut self, number: u32) {
        self.all[number as usize].socket = None;
        self.connect(number);
    }

    /// Copies under way.
    pub(super) fn busy(&self) -> u64 {
        self.all.iter().filter(|connection| connection.copy.is_some()).count() as u64
    }

    /// Waits, and appends what became of copies.
    pub(super) fn wait(&mut self, until_ns: u64, fates: &mut Vec<(Copy, Fate)>) -> Result<(), Errno> {
        let timeout = clock::until(until_ns, clock::now_ns());
        let count = match epoll::wait(&self.epoll, &mut self.events[..], Some(&timeout)) {
            Ok(count) => count,
            Err(Errno::INTR) => 0,
            Err(errno) => return Err(errno),
        };
        for index in 0..count {
            self.on_event(self.events[index].data.u64() as u32, fates);
        }
        Ok(())
    }

    fn on_event(&mut self, number: u32, fates: &mut Vec<(Copy, Fate)>) {
        let connection = &mut self.all[number as usize];
        let Some(socket) = &connection.socket else { return };
        if connection.is_connecting {
            let outcome = sockopt::socket_error(socket).and_then(|outcome| outcome);
            let watched = outcome.and_then(|()| {
                epoll::modify(&self.epoll, socket, EventData::new_u64(u64::from(number)), EventFlags::IN)
            });
            return match watched {
                Ok(()) => {
                    connection.is_connecting = false;
                    self.targets[connection.target].free.push_back(number);
                }
                Err(errno) => self.fail_to_connect(number, errno),
            };
        }
        match self.read(number) {
            Read::Nothing => {}
            Read::Reply(fate, keep_open) => {
                if let Some(copy) = self.all[number as usize].copy.take() {
                    fates.push((copy, fate));
                }
                if keep_open {
                    self.targets[self.all[number as usize].target].free.push_back(number);
                } else {
                    self.close(number);
                }
            }
            Read::Gone => {
                if let Some(copy) = self.all[number as usize].copy.take() {
                    fates.push((copy, Fate::Failed));
                }
                self.targets[self.all[number as usize].target].free.retain(|free| *free != number);
                self.close(number);
            }
        }
    }

    fn read(&mut self, number: u32) -> Read {
        let connection = &mut self.all[number as usize];
        let Some(socket) = &connection.socket else { return Read::Nothing };
        let len = match recv(socket, &mut self.scratch[..], RecvFlags::empty()) {
            Ok((0, _)) => return Read::Gone,
            Ok((len, _)) => len,
            Err(Errno::AGAIN | Errno::INTR) => return Read::Nothing,
            Err(_) => return Read::Gone,
        };
        if connection.copy.is_none() {
            // Bytes that nobody asked for.
            return Read::Gone;
        }
        connection.unread.extend_from_slice(&self.scratch[..len]);
        let client = &mut self.targets[connection.target].client;
        let received = client.on_bytes(&mut connection.state, &connection.unread);
        connection.unread.drain(..received.consumed);
        match received.progress {
            Progress::Incomplete => Read::Nothing,
            Progress::Complete { keep_open } => Read::Reply(Fate::Answered, keep_open && connection.unread.is_empty()),
            Progress::Refused { keep_open, .. } => Read::Reply(Fate::Failed, keep_open && connection.unread.is_empty()),
            Progress::Fault(_) => Read::Reply(Fate::Failed, false),
        }
    }
}

enum Read {
    Nothing,
    /// A whole reply, and whether the connection can be used again.
    Reply(Fate, bool),
    /// The connection is at its end.
    Gone,
}
