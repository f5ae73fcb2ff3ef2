//! epoll(7): wait for readiness, receive, reply at once.
//!
//! `level`: interest is EPOLLIN and changes to EPOLLOUT only while a reply is unsent. `edge`: EPOLLIN |
//! EPOLLOUT | EPOLLRDHUP are registered once and never changed. In both, reading stops at a short receive: on
//! a stream it means that the queue is empty (epoll(7), "Questions and answers"), which saves the receive
//! that would return EAGAIN. The exceptions are edge-triggered sockets whose FIN, or an urgent mark, was
//! reported together with the data.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use protocol::server::{Echo, Http, Protocol};
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};

use super::{Backend, EVENTS_PER_TURN_MAX, PASSES_PER_EVENT_MAX, Parts};
use crate::listener::Listener;
use crate::shard::connection::{Connection, Want};
use crate::shard::counters::CloseReason;
use crate::shard::quota::Quota;
use crate::shard::slab::{ConnectionId, Token};
use crate::shard::{ECHO_CONNECTION_LEN_MAX, HTTP_CONNECTION_LEN_MAX};
use crate::shard::{Resources, SCRATCH_LEN, Shard, Trouble, Unwatched, connection_len};
use crate::shortage::{self, Remedy};
use crate::unavailable::Unavailable;

/// Tags of tokens.
const CONNECTION: u8 = 0;
const LISTENER: u8 = 1;
const DOORBELL: u8 = 2;

/// Flag of a connection: registered for EPOLLOUT instead of EPOLLIN (level only).
const AWAITS_ROOM: u16 = 1;

/// Flag of a connection: registered for nothing, because its reply waits for a job (level only).
const MUTED: u16 = 1 << 1;

/// The events for which an edge-triggered connection is registered, once.
const EDGES: epoll::EventFlags =
    epoll::EventFlags::OUT.union(epoll::EventFlags::IN).union(NOT_DRAINED).union(epoll::EventFlags::ET);

/// With these events a short receive does not mean that the queue is empty. After the data comes a FIN, for
/// which there is no second edge, or an urgent mark, at which every receive ends (tcp(7), recv(2)).
const NOT_DRAINED: epoll::EventFlags = epoll::EventFlags::RDHUP.union(epoll::EventFlags::PRI);

// The budgets of an idle connection.
const _: () = assert!(connection_len::<Echo, OwnedFd>() <= ECHO_CONNECTION_LEN_MAX);
const _: () = assert!(connection_len::<Http, OwnedFd>() <= HTTP_CONNECTION_LEN_MAX);

pub(crate) struct Epoll<P: Protocol, const EDGE: bool> {
    epoll: OwnedFd,
    /// Empty once the listeners are closed.
    sources: Vec<Source>,
    doorbell: Arc<OwnedFd>,
    shard: Shard<P, OwnedFd>,
    events: Vec<epoll::Event>,
    input: Box<[u8]>,
    accepts_per_turn_max: u32,
    unwatched: Unwatched,
}

/// A listener and its watch.
struct Source {
    listener: Listener,
    accepts: Quota,
}

impl<P: Protocol, const EDGE: bool> Backend<P> for Epoll<P, EDGE> {
    type Socket = OwnedFd;

    fn open(parts: Parts<P, OwnedFd>) -> Result<Self, Unavailable> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(Unavailable::kernel("epoll_create1(2)"))?;
        if let Some(us) = parts.epoll_busy_poll_us {
            sys::busy_poll::of_epoll(&epoll, us.get()).map_err(Unavailable::kernel("EPIOCSPARAMS, Linux 6.9"))?;
        }
        let token = epoll::EventData::new_u64(Token::new(ConnectionId::NONE, DOORBELL).0);
        epoll::add(&epoll, &parts.doorbell, token, epoll::EventFlags::IN)
            .map_err(Unavailable::kernel("epoll_ctl(2) of the doorbell"))?;
        let backend = Epoll {
            epoll,
            sources: parts.listeners.into_iter().map(|listener| Source { listener, accepts: Quota::ONE }).collect(),
            doorbell: parts.doorbell,
            shard: parts.shard,
            events: Vec::with_capacity(EVENTS_PER_TURN_MAX),
            input: vec![0; SCRATCH_LEN].into_boxed_slice(),
            accepts_per_turn_max: parts.accepts_per_turn_max,
            unwatched: Unwatched::default(),
        };
        for (index, source) in backend.sources.iter().enumerate() {
            // Level-triggered in both variants, so a turn may leave connections in the accept queue.
            let token = epoll::EventData::new_u64(listener_token(index).0);
            epoll::add(&backend.epoll, &source.listener, token, epoll::EventFlags::IN)
                .map_err(Unavailable::kernel("epoll_ctl(2) of the listener"))?;
        }
        Ok(backend)
    }

    fn turn(&mut self) -> io::Result<()> {
        self.wait()?;
        let is_tick = self.shard.begin_turn();
        let events = std::mem::take(&mut self.events);
        for event in &events {
            let token = Token(event.data.u64());
            match token.tag() {
                CONNECTION => self.on_event(token.id(), event.flags),
                LISTENER => self.accept(token.id().index as usize),
                _ => {
                    self.shard.shared.counters.syscalls += 1;
                    sys::doorbell::answer(&self.doorbell);
                    self.answer_jobs();
                }
            }
        }
        self.events = events;
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
            let _ = epoll::delete(&self.epoll, &source.listener);
        }
        self.sources.drain(..).map(|source| source.listener).collect()
    }

    fn obey(&mut self, id: ConnectionId, want: Want) {
        if self.act(id, want) && EDGE {
            // It may have waited for a job, whose edges are consumed.
            self.receive(id, true);
        }
    }

    fn receive_once_more(&mut self, id: ConnectionId) {
        self.receive(id, true);
    }

    fn is_idle(&self) -> bool {
        true
    }

    fn shard(&mut self) -> &mut Shard<P, OwnedFd> {
        &mut self.shard
    }
}

impl<P: Protocol, const EDGE: bool> Epoll<P, EDGE> {
    fn wait(&mut self) -> io::Result<()> {
        let counters = &mut self.shard.shared.counters;
        counters.turns += 1;
        counters.epoll_waits += 1;
        counters.syscalls += 1;
        let timeout = self.unwatched.wait_max(self.shard.wait_max()).map(timespec);
        self.events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => self.shard.shared.rest(error),
        }
    }

    /// At most ten times a second: expires timers and ends pauses of accept.
    #[cold]
    fn on_tick(&mut self) {
        self.expire();
        for id in self.unwatched.take() {
            // Adding a watch reports what is ready already, so nothing that came meanwhile is missed. `control`
            // skips connections that have ended.
            self.watch(id);
        }
        self.end_pause();
    }

    /// Accepts again, if a pause is over.
    #[cold]
    fn end_pause(&mut self) {
        if self.shard.resume() && (!self.unwatched.is_empty() || !self.set_accept(epoll::EventFlags::IN)) {
            // A further connection would not get a watch either.
            self.rest(Trouble::Memory);
        }
    }

    /// Resumes or pauses accept. The listeners keep their watches during a pause: at the limit of watches
    /// they would not get new ones, and changing a watch needs no kernel memory.
    fn set_accept(&mut self, interest: epoll::EventFlags) -> bool {
        let mut done = true;
        for (index, source) in self.sources.iter().enumerate() {
            self.shard.shared.counters.syscalls += 1;
            self.shard.shared.counters.epoll_ctls += 1;
            let token = epoll::EventData::new_u64(listener_token(index).0);
            done &= epoll::modify(&self.epoll, &source.listener, token, interest).is_ok();
        }
        done
    }

    /// Notes why an accept failed; true if accept must pause.
    #[cold]
    fn rest(&mut self, trouble: Trouble) -> bool {
        let rests = self.shard.meet(trouble);
        if rests {
            // If this fails, the next event tries again.
            self.set_accept(epoll::EventFlags::empty());
        }
        rests
    }

    /// Accepts from the source of this index.
    fn accept(&mut self, index: usize) {
        if !self.shard.intake.is_taking() {
            // Accept pauses because of another listener in this turn, or this listener's watch could not be
            // changed.
            self.set_accept(epoll::EventFlags::empty());
            return;
        }
        let Some(source) = self.sources.get(index) else { return };
        for accepted in 0..source.accepts.of(self.accepts_per_turn_max) {
            let source = &mut self.sources[index];
            let trouble = match self.shard.accept(|| source.listener.accept()) {
                Ok(Some(socket)) => match self.shard.let_wait(socket).is_none_or(|socket| self.admit(socket)) {
                    true => continue,
                    // The kernel had no watch for it.
                    false => Trouble::Memory,
                },
                Ok(None) => return source.accepts.missed(accepted),
                Err(Trouble::Descriptors) => match shortage::remedy(self, index) {
                    Remedy::GoOn => continue,
                    Remedy::Empty => return self.sources[index].accepts.missed(accepted),
                    Remedy::NextTurn => return,
                    Remedy::Rest => Trouble::Descriptors,
                },
                Err(trouble) => trouble,
            };
            if self.rest(trouble) {
                return;
            }
        }
        self.sources[index].accepts.used_up(self.accepts_per_turn_max);
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
        let Some(id) = self.shard.admit(socket) else { return true };
        self.watch(id)
    }

    /// Watches a connection for events. False if the kernel has no watch for it now (ENOSPC:
    /// fs.epoll.max_user_watches, ENOMEM); the next tick tries again.
    fn watch(&mut self, id: ConnectionId) -> bool {
        let flags = if EDGE { EDGES } else { epoll::EventFlags::IN };
        match self.control(id, flags, true) {
            Ok(()) => true,
            Err(error) if Trouble::of(error) == Trouble::Memory => {
                self.unwatched.push(id);
                false
            }
            Err(error) => {
                self.close(id, CloseReason::of(error));
                true
            }
        }
    }

    fn control(&mut self, id: ConnectionId, flags: epoll::EventFlags, add: bool) -> Result<(), Errno> {
        let Some((connection, shared)) = self.shard.find(id) else { return Ok(()) };
        shared.counters.syscalls += 1;
        shared.counters.epoll_ctls += 1;
        let token = epoll::EventData::new_u64(Token::new(id, CONNECTION).0);
        if add {
            epoll::add(&self.epoll, &connection.socket, token, flags)
        } else {
            epoll::modify(&self.epoll, &connection.socket, token, flags)
        }
    }

    #[inline]
    fn on_event(&mut self, id: ConnectionId, flags: epoll::EventFlags) {
        if !EDGE && flags == epoll::EventFlags::IN {
            // No reply is unsent: while one is, the connection is not registered for EPOLLIN.
            return self.receive(id, false);
        }
        let Some((connection, _)) = self.shard.find(id) else { return };
        if connection.is_replying() {
            if connection.is_awaiting() {
                return self.on_event_of_awaiting(id, flags);
            }
            // The send reports an error, so EPOLLERR and EPOLLHUP need no case of their own.
            let room = epoll::EventFlags::OUT | epoll::EventFlags::ERR | epoll::EventFlags::HUP;
            if flags.intersects(room) && self.act(id, Want::Write) && EDGE {
                // The edges of what arrived meanwhile, even of a FIN, are consumed.
                self.receive(id, true);
            }
            return;
        }
        if EDGE && !flags.intersects(!epoll::EventFlags::OUT) {
            return;
        }
        self.receive(id, EDGE && flags.intersects(NOT_DRAINED));
    }

    /// Whoever waits for a job is not served before; but a dead peer, which level-triggered epoll reports whatever is
    /// asked for, waits no longer.
    #[cold]
    fn on_event_of_awaiting(&mut self, id: ConnectionId, flags: epoll::EventFlags) {
        if flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP) {
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

    /// Receives until the socket is empty (edge) or once (level), and does what the connection then wants.
    #[inline]
    fn receive(&mut self, id: ConnectionId, not_drained: bool) {
        for _ in 0..PASSES_PER_EVENT_MAX {
            let Some((connection, shared)) = self.shard.find(id) else { return };
            shared.counters.syscalls += 1;
            let mut short = false;
            let mut want = match rustix::net::recv(&connection.socket, &mut self.input[..], RecvFlags::empty()) {
                Ok((0, _)) => connection.peer_closed(shared),
                Ok((count, _)) => {
                    short = count < self.input.len() && !not_drained;
                    connection.received(&self.input[..count], shared)
                }
                // The edge that announced the bytes does not come again.
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => {
                    shared.counters.empty_receives += 1;
                    return;
                }
                Err(error) => connection.give_up(CloseReason::of(error), shared),
            };
            if want == Want::Write {
                want = send(connection, shared);
            }
            // The usual case needs nothing more; `act` handles everything else.
            let usual = want == Want::Read && connection.flags == 0 && !connection.is_uncovered();
            if !(usual || self.act(id, want)) || short || !EDGE {
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
                Want::Wait => {
                    if !EDGE {
                        self.come_back(id);
                    }
                    self.shard.settle(id);
                    return false;
                }
                Want::Await => match self.shard.start_job(id) {
                    Some(want) => want,
                    None => {
                        if !EDGE {
                            self.mute(id);
                        }
                        self.shard.settle(id);
                        return false;
                    }
                },
                Want::Shutdown => {
                    shared.counters.syscalls += 1;
                    // ENOTCONN: the peer is gone already; the next receive reports that.
                    let _ = rustix::net::shutdown(&connection.socket, Shutdown::Write);
                    Want::Read
                }
                Want::Read if connection.flags & (AWAITS_ROOM | MUTED) != 0 => {
                    connection.flags &= !(AWAITS_ROOM | MUTED);
                    if let Err(error) = self.control(id, epoll::EventFlags::IN, false) {
                        self.close(id, CloseReason::of(error));
                        return false;
                    }
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

    /// Asks for no events but those that cannot be left out (EPOLLERR, EPOLLHUP): nothing is received while a job is
    /// awaited, and a level that nobody reads would be reported without end.
    #[cold]
    fn mute(&mut self, id: ConnectionId) {
        let Some((connection, _)) = self.shard.find(id) else { return };
        if connection.flags & MUTED != 0 {
            return;
        }
        connection.flags = connection.flags & !AWAITS_ROOM | MUTED;
        if let Err(error) = self.control(id, epoll::EventFlags::empty(), false) {
            self.close(id, CloseReason::of(error));
        }
    }

    /// Asks for an event: once the socket has room (level), or at once if it is ready for anything (edge:
    /// EPOLL_CTL_MOD repeats the edge).
    #[cold]
    fn come_back(&mut self, id: ConnectionId) {
        let Some((connection, _)) = self.shard.find(id) else { return };
        if !EDGE && connection.flags & AWAITS_ROOM != 0 {
            return;
        }
        connection.flags = connection.flags & !MUTED | if EDGE { 0 } else { AWAITS_ROOM };
        let flags = if EDGE { EDGES } else { epoll::EventFlags::OUT };
        if let Err(error) = self.control(id, flags, false) {
            self.close(id, CloseReason::of(error));
        }
    }
}

/// Sends what is unsent, once.
#[inline(always)]
fn send<P: Protocol>(connection: &mut Connection<OwnedFd, P::State>, shared: &mut Resources<P>) -> Want {
    shared.counters.syscalls += 1;
    match rustix::net::send(&connection.socket, connection.unsent(shared), SendFlags::NOSIGNAL) {
        Ok(count) => connection.sent(count, shared),
        Err(Errno::AGAIN) => connection.sent(0, shared),
        Err(Errno::INTR) => Want::Write,
        Err(error) => connection.give_up(CloseReason::of(error), shared),
    }
}

fn listener_token(index: usize) -> Token {
    Token::new(ConnectionId { index: index as u32, generation: 0 }, LISTENER)
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: i64::from(duration.subsec_nanos()) }
}
