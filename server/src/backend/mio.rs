//! The same loop on mio: what an ordinary Rust program gets from the usual portable interface.
//!
//! mio is always edge-triggered and requires users to repeat an operation until it would block (`mio::Poll`,
//! "Draining readiness"), so every request costs one receive that finds nothing. The epoll loops may stop at
//! a short receive; portable code may not.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream as StdTcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll};
use protocol::server::Protocol;
use rustix::io::Errno;

use super::{Backend, EVENTS_PER_TURN_MAX, PASSES_PER_EVENT_MAX, Parts};
use crate::listener::Listener;
use crate::shard::connection::{Connection, Want};
use crate::shard::counters::CloseReason;
use crate::shard::slab::{ConnectionId, Token};
#[cfg(not(debug_assertions))]
use crate::shard::{ECHO_CONNECTION_LEN_MAX, HTTP_CONNECTION_LEN_MAX, connection_len};
use crate::shard::{Resources, SCRATCH_LEN, Shard, Trouble, Unwatched};
use crate::shortage::{self, Remedy};
use crate::unavailable::Unavailable;

/// Tags of tokens.
const CONNECTION: u8 = 0;
const LISTENER: u8 = 1;
const DOORBELL: u8 = 2;

/// A token is a `usize` in mio; the three parts of ours need 64 bits.
const _: () = assert!(size_of::<usize>() == 8, "connection ids travel in mio tokens, which are too small here");

// The budgets of an idle connection. In debug builds a mio socket also remembers its selector, to find misuse.
#[cfg(not(debug_assertions))]
const _: () = assert!(connection_len::<protocol::server::Echo, TcpStream>() <= ECHO_CONNECTION_LEN_MAX);
#[cfg(not(debug_assertions))]
const _: () = assert!(connection_len::<protocol::server::Http, TcpStream>() <= HTTP_CONNECTION_LEN_MAX);

pub(crate) struct Mio<P: Protocol> {
    poll: Poll,
    /// Empty once the listeners are closed.
    sources: Vec<Source>,
    doorbell: Arc<OwnedFd>,
    shard: Shard<P, TcpStream>,
    events: Events,
    input: Box<[u8]>,
    accepts_per_turn_max: u32,
    unwatched: Unwatched,
}

/// A listener and the state of its accept queue.
struct Source {
    listener: Listener,
    /// Connections were left in the accept queue, and no further edge will report them.
    accepts_left: bool,
}

impl<P: Protocol> Backend<P> for Mio<P> {
    type Socket = TcpStream;

    fn open(parts: Parts<P, TcpStream>) -> Result<Self, Unavailable> {
        let poll = Poll::new().map_err(Unavailable::kernel("mio::Poll::new"))?;
        let doorbell_fd = parts.doorbell.as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&doorbell_fd), token(ConnectionId::NONE, DOORBELL), Interest::READABLE)
            .map_err(Unavailable::kernel("mio's registration of the doorbell"))?;
        for (index, listener) in parts.listeners.iter().enumerate() {
            // Registered by its file descriptor: mio's own listeners are TCP only.
            let id = ConnectionId { index: index as u32, generation: 0 };
            poll.registry()
                .register(&mut SourceFd(&listener.as_raw_fd()), token(id, LISTENER), Interest::READABLE)
                .map_err(Unavailable::kernel("mio's registration of the listener"))?;
        }
        Ok(Mio {
            poll,
            sources: parts.listeners.into_iter().map(|listener| Source { listener, accepts_left: false }).collect(),
            doorbell: parts.doorbell,
            shard: parts.shard,
            events: Events::with_capacity(EVENTS_PER_TURN_MAX),
            input: vec![0; SCRATCH_LEN].into_boxed_slice(),
            accepts_per_turn_max: parts.accepts_per_turn_max,
            unwatched: Unwatched::default(),
        })
    }

    fn turn(&mut self) -> io::Result<()> {
        self.wait()?;
        let is_tick = self.shard.begin_turn();
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let token = Token(event.token().0 as u64);
            match token.tag() {
                CONNECTION => self.on_event(token.id(), event),
                // Accepted below, so that connections left before and new ones share the turn's quota.
                LISTENER => {
                    if let Some(source) = self.sources.get_mut(token.id().index as usize) {
                        source.accepts_left = true;
                    }
                }
                _ => {
                    self.shard.shared.counters.syscalls += 1;
                    sys::doorbell::answer(&self.doorbell);
                    self.answer_jobs();
                }
            }
        }
        self.events = events;
        for index in 0..self.sources.len() {
            if std::mem::take(&mut self.sources[index].accepts_left) {
                self.accept(index);
            }
        }
        if is_tick {
            self.on_tick();
        } else if self.shard.is_pause_over() {
            self.end_pause();
        }
        if self.shard.is_room_due() {
            self.admit_waiting();
        }
        if self.shard.is_pressed() {
            self.shed();
        }
        Ok(())
    }

    fn listeners(&self) -> impl Iterator<Item = &Listener> {
        self.sources.iter().map(|source| &source.listener)
    }

    fn take_listeners(&mut self) -> Vec<Listener> {
        for source in &self.sources {
            // Other reactors have the unix socket open too, so its watch would outlive this descriptor
            // (epoll(7)). It was added, so this cannot fail.
            let _ = self.poll.registry().deregister(&mut SourceFd(&source.listener.as_raw_fd()));
        }
        self.sources.drain(..).map(|source| source.listener).collect()
    }

    fn obey(&mut self, id: ConnectionId, want: Want) {
        if self.act(id, want) {
            // It may have waited for a job, whose edges are consumed.
            self.receive(id);
        }
    }

    fn receive_once_more(&mut self, id: ConnectionId) {
        self.receive(id);
    }

    fn is_idle(&self) -> bool {
        true
    }

    fn shard(&mut self) -> &mut Shard<P, TcpStream> {
        &mut self.shard
    }
}

impl<P: Protocol> Mio<P> {
    fn wait(&mut self) -> io::Result<()> {
        let counters = &mut self.shard.shared.counters;
        counters.turns += 1;
        counters.epoll_waits += 1;
        counters.syscalls += 1;
        let wait_max = match self.sources.iter().any(|source| source.accepts_left) {
            true => Some(Duration::ZERO),
            false => self.unwatched.wait_max(self.shard.wait_max()),
        };
        match self.poll.poll(&mut self.events, wait_max) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.events.clear();
                match Errno::from_io_error(&error) {
                    Some(Errno::INTR) => Ok(()),
                    Some(error) => self.shard.shared.rest(error),
                    None => Err(error),
                }
            }
        }
    }

    /// At most ten times a second: expires timers and ends pauses of accept.
    #[cold]
    fn on_tick(&mut self) {
        self.expire();
        for id in self.unwatched.take() {
            // Registering reports what is ready already, so nothing that came meanwhile is missed. Connections that
            // have ended are skipped.
            self.watch(id, false);
        }
        self.end_pause();
    }

    /// Accepts again, if a pause is over.
    #[cold]
    fn end_pause(&mut self) {
        // A listener stays registered during a pause. Being edge-triggered it causes no further events, but
        // what arrived meanwhile must be polled for.
        if self.shard.resume() {
            if !self.unwatched.is_empty() {
                // A further connection would not get a watch either.
                self.shard.meet(Trouble::Memory);
            }
            self.sources.iter_mut().for_each(|source| source.accepts_left = true);
        }
    }

    /// Accepts from the source of this index.
    fn accept(&mut self, index: usize) {
        if !self.shard.intake.is_taking() {
            // The end of the pause polls for them.
            return;
        }
        for _ in 0..self.accepts_per_turn_max {
            let Some(source) = self.sources.get(index) else { return };
            let trouble = match self.shard.accept(|| source.listener.accept()) {
                Ok(Some(socket)) => match self.shard.let_wait(socket).is_none_or(|socket| self.admit(socket)) {
                    true => continue,
                    // The kernel had no watch for it.
                    false => Trouble::Memory,
                },
                Ok(None) => return,
                Err(Trouble::Descriptors) => match shortage::remedy(self, index) {
                    Remedy::GoOn => continue,
                    Remedy::Empty => return,
                    Remedy::NextTurn => break,
                    Remedy::Rest => Trouble::Descriptors,
                },
                Err(trouble) => trouble,
            };
            if self.shard.meet(trouble) {
                return;
            }
        }
        self.sources[index].accepts_left = true;
    }

    /// Takes in those in the waiting room whose turn it is.
    #[cold]
    fn admit_waiting(&mut self) {
        for _ in 0..self.accepts_per_turn_max {
            let Some(socket) = self.shard.next_waiting() else { return };
            if !self.admit(socket) {
                // The kernel had no watch for it.
                return self.shard.rest_room(Trouble::Memory);
            }
        }
    }

    /// False if accept must pause.
    fn admit(&mut self, socket: OwnedFd) -> bool {
        let socket = TcpStream::from_std(StdTcpStream::from(socket));
        let Some(id) = self.shard.admit(socket) else { return true };
        self.watch(id, true)
    }

    /// Watches a connection for events. False if the kernel has no watch for it now (ENOSPC:
    /// fs.epoll.max_user_watches, ENOMEM); the next tick tries again.
    fn watch(&mut self, id: ConnectionId, is_first: bool) -> bool {
        let Some((connection, shared)) = self.shard.find(id) else { return true };
        shared.counters.syscalls += 1;
        shared.counters.epoll_ctls += 1;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let (registry, token) = (self.poll.registry(), token(id, CONNECTION));
        let result = if is_first {
            registry.register(&mut connection.socket, token, interest)
        } else {
            // In debug builds mio notes a registration before making it, and then refuses a second attempt.
            registry.register(&mut SourceFd(&connection.socket.as_raw_fd()), token, interest)
        };
        match result {
            Ok(()) => true,
            Err(error) if Errno::from_io_error(&error).map(Trouble::of) == Some(Trouble::Memory) => {
                self.unwatched.push(id);
                false
            }
            Err(error) => {
                self.close(id, reason(&error));
                true
            }
        }
    }

    #[inline]
    fn on_event(&mut self, id: ConnectionId, event: &Event) {
        let Some((connection, _)) = self.shard.find(id) else { return };
        if connection.is_replying() {
            if connection.is_awaiting() {
                return self.on_event_of_awaiting(id, event);
            }
            let room = event.is_writable() || event.is_error() || event.is_read_closed();
            if room && self.act(id, Want::Write) {
                // The edges of what arrived meanwhile are consumed.
                self.receive(id);
            }
            return;
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.receive(id);
        }
    }

    /// Whoever waits for a job is not served before; but a dead peer waits no longer.
    #[cold]
    fn on_event_of_awaiting(&mut self, id: ConnectionId, event: &Event) {
        if event.is_error() || event.is_write_closed() {
            self.close(id, CloseReason::Reset);
        }
    }

    /// Answers the connections whose jobs have ended.
    #[cold]
    fn answer_jobs(&mut self) {
        for _ in 0..self.shard.jobs_ended() {
            if let Some((id, want)) = self.shard.next_answered() {
                // The edges of what arrived meanwhile are consumed, too.
                self.obey(id, want);
            }
        }
    }

    /// Receives until it would block, and each time does what the connection then wants.
    #[inline]
    fn receive(&mut self, id: ConnectionId) {
        for _ in 0..PASSES_PER_EVENT_MAX {
            let Some((connection, shared)) = self.shard.find(id) else { return };
            shared.counters.syscalls += 1;
            let mut want = match connection.socket.read(&mut self.input) {
                Ok(0) => connection.peer_closed(shared),
                Ok(count) => connection.received(&self.input[..count], shared),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    shared.counters.empty_receives += 1;
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => connection.give_up(reason(&error), shared),
            };
            if want == Want::Write {
                want = send(connection, shared);
            }
            // The usual case needs nothing more; `act` handles everything else.
            let usual = want == Want::Read && !connection.is_uncovered();
            if !(usual || self.act(id, want)) {
                return;
            }
        }
        self.come_back(id);
    }

    /// Does what a connection wants until it must wait for the kernel. True if it waits for more input.
    #[inline]
    fn act(&mut self, id: ConnectionId, mut want: Want) -> bool {
        let mut passes = 0;
        loop {
            let Some((connection, shared)) = self.shard.find(id) else { return false };
            want = match want {
                Want::Write if passes == PASSES_PER_EVENT_MAX => match connection.keep(shared) {
                    Ok(()) => {
                        self.come_back(id);
                        self.shard.settle(id);
                        return false;
                    }
                    Err(close) => close,
                },
                Want::Write => {
                    passes += 1;
                    send(connection, shared)
                }
                // Already registered for writability: the next edge tells.
                Want::Wait => {
                    self.shard.settle(id);
                    return false;
                }
                Want::Await => match self.shard.start_job(id) {
                    Some(want) => want,
                    None => {
                        self.shard.settle(id);
                        return false;
                    }
                },
                Want::Shutdown => {
                    shared.counters.syscalls += 1;
                    // ENOTCONN: the peer is gone already; the next receive reports that.
                    let _ = connection.socket.shutdown(Shutdown::Write);
                    Want::Read
                }
                Want::Read => {
                    self.shard.settle(id);
                    return true;
                }
                Want::Look => {
                    shared.counters.syscalls += 1;
                    // If a socket cannot tell, only its taking more bytes shows progress.
                    let queued = sys::socket::unacknowledged_len(&connection.socket).unwrap_or(0);
                    connection.looked(queued, shared)
                }
                Want::Close(reason) => {
                    shared.counters.syscalls += 1;
                    // Dropping the last descriptor also takes it out of the epoll set.
                    drop(self.shard.remove(id, reason));
                    return false;
                }
            };
        }
    }

    /// Asks for an event at once if the socket is ready for anything: registering again repeats the edge.
    #[cold]
    fn come_back(&mut self, id: ConnectionId) {
        let Some((connection, shared)) = self.shard.find(id) else { return };
        shared.counters.syscalls += 1;
        shared.counters.epoll_ctls += 1;
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().reregister(&mut connection.socket, token(id, CONNECTION), interest) {
            self.close(id, reason(&error));
        }
    }
}

/// Sends what is unsent, once.
#[inline]
fn send<P: Protocol>(connection: &mut Connection<TcpStream, P::State>, shared: &mut Resources<P>) -> Want {
    shared.counters.syscalls += 1;
    match (&connection.socket).write(connection.unsent(shared)) {
        Ok(count) => connection.sent(count, shared),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => connection.sent(0, shared),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Want::Write,
        Err(error) => connection.give_up(reason(&error), shared),
    }
}

fn token(id: ConnectionId, tag: u8) -> mio::Token {
    mio::Token(Token::new(id, tag).0 as usize)
}

fn reason(error: &io::Error) -> CloseReason {
    Errno::from_io_error(error).map_or(CloseReason::SocketError, CloseReason::of)
}
