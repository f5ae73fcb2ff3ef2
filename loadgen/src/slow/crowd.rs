//! The thread that drives slow clients: one epoll instance, one queue of bytes that are due, one of connects that may take
//! no longer. All clients have the same interval and the same patience, so that both queues are in order by themselves.

mod client;
mod tally;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{SocketAddrAny, connect, sockopt};
use sys::clock::{self, duration_ns};

use super::kind::Kind;
use super::options::Options;
use super::record::Record;
use super::script::{Next, Script};
use crate::LoadError;
use crate::engine::new_socket;
use crate::plan::{Plan, Route};
use client::{Client, Heard};
use tally::{End, Tally};

/// Events taken per turn.
const EVENTS_MAX: usize = 256;
/// Connects begun per turn, so that those who are there get their turn.
const OPENS_MAX: u64 = 64;
/// Bytes sent per turn, likewise.
const DRIPS_MAX: usize = 1024;
/// Longest sleep, after which a stop is noticed.
const SLEEP_NS: u64 = 100_000_000;
/// Receive buffer of clients that do not read: what they are sent waits at the server. The kernel takes no less than about 2 KiB.
const UNREAD_BUFFER: usize = 4096;

struct Crowd<'a> {
    options: &'a Options,
    script: Script,
    routes: &'a [Route],
    addresses: Vec<SocketAddrAny>,
    epoll: OwnedFd,
    clients: Vec<Option<Client>>,
    /// How often each place was taken: what is queued for somebody who left finds another number.
    generations: Vec<u32>,
    /// Places without a connection that are to have one.
    vacant: VecDeque<u32>,
    /// When the next byte of a client is due: time, place, generation.
    due: VecDeque<(u64, u32, u32)>,
    /// When a connect has taken too long, likewise.
    connecting: VecDeque<(u64, u32, u32)>,
    tally: Tally,
}

/// Drives the crowd to its end.
///
/// # Errors
/// When epoll fails, or not one connection could be established.
pub(super) fn drive(options: &Options, plan: &Plan, script: Script, stop: &AtomicBool) -> Result<Record, LoadError> {
    let setup = |what| move |errno: Errno| LoadError::setup(what, errno);
    let addresses = plan.routes.iter().map(|route| route.address.for_rustix()).collect::<Result<Vec<_>, _>>();
    let mut crowd = Crowd {
        options,
        script,
        routes: &plan.routes,
        addresses: addresses.map_err(setup("write the address of the target"))?,
        epoll: epoll::create(epoll::CreateFlags::CLOEXEC).map_err(setup("create an epoll instance"))?,
        clients: (0..options.connections).map(|_| None).collect(),
        generations: vec![0; options.connections as usize],
        vacant: (0..options.connections).collect(),
        due: VecDeque::new(),
        connecting: VecDeque::new(),
        tally: Tally::new(clock::now_ns()),
    };
    let interrupted = crowd.run(stop).map_err(setup("wait for events"))?;
    crowd.finish(&plan.target.shown, interrupted)
}

impl Crowd<'_> {
    /// Until the time is over, a stop, or nobody is left who could do anything. Whether it was a stop.
    fn run(&mut self, stop: &AtomicBool) -> Result<bool, Errno> {
        let no_event = epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        let mut events = vec![no_event; EVENTS_MAX];
        let end = self.tally.start_ns + duration_ns(self.options.duration);
        loop {
            let now = clock::now_ns();
            if stop.load(Ordering::Relaxed) {
                return Ok(true);
            }
            let is_over = self.tally.open == 0 && self.tally.connecting == 0 && self.vacant.is_empty();
            if now >= end || is_over {
                return Ok(false);
            }
            self.open(now);
            self.drip(now);
            self.give_up_connects(now);
            let wake = [self.next_open(), self.due.front().map(|due| due.0), self.connecting.front().map(|due| due.0)];
            let wake = wake.into_iter().flatten().fold(end.min(now + SLEEP_NS), u64::min);
            let count = match epoll::wait(&self.epoll, &mut events[..], Some(&clock::until(wake, clock::now_ns()))) {
                Ok(count) => count,
                Err(Errno::INTR) => 0,
                Err(errno) => return Err(errno),
            };
            for event in &events[..count] {
                self.on_event(event.data.u64() as u32, event.flags);
            }
        }
    }

    /// When the rate allows the next connect; `None` when there is no place for one.
    fn next_open(&self) -> Option<u64> {
        let gap_ns = 1e9 / self.options.connect_rate;
        (!self.vacant.is_empty()).then(|| self.tally.start_ns + (self.tally.attempts as f64 * gap_ns) as u64)
    }

    fn open(&mut self, now: u64) {
        for _ in 0..OPENS_MAX {
            if self.next_open().is_none_or(|at| at > now) {
                return;
            }
            let Some(place) = self.vacant.pop_front() else { return };
            self.tally.attempts += 1;
            match self.connect(place, now) {
                Ok(client) => {
                    self.clients[place as usize] = Some(client);
                    self.tally.connecting += 1;
                    let patience = duration_ns(self.options.connect_timeout);
                    self.connecting.push_back((now + patience, place, self.generations[place as usize]));
                }
                Err(errno) => {
                    self.tally.failed(errno);
                    self.vacate(place);
                }
            }
        }
    }

    fn connect(&mut self, place: u32, now: u64) -> Result<Client, Errno> {
        let turn = place as usize;
        let route = &self.routes[turn % self.routes.len()];
        let address = &self.addresses[turn % self.routes.len()];
        let source = route.source(turn / self.routes.len());
        let socket = new_socket(address.address_family(), source, rustix::net::SocketFlags::NONBLOCK, None, false)?;
        if self.options.kind == Kind::Unread {
            // Before the connect, which tells the server the window.
            sockopt::set_socket_recv_buffer_size(&socket, UNREAD_BUFFER)?;
        }
        match connect(&socket, address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno),
        }
        epoll::add(&self.epoll, &socket, EventData::new_u64(u64::from(place)), EventFlags::OUT)?;
        Ok(Client::new(socket, now))
    }

    /// Sends the bytes that are due.
    fn drip(&mut self, now: u64) {
        for _ in 0..DRIPS_MAX {
            let Some((at, place, generation)) = self.due.pop_front_if(|due| due.0 <= now) else { return };
            let index = place as usize;
            if self.generations[index] != generation {
                continue;
            }
            let Some(client) = &mut self.clients[index] else { continue };
            let Next::Drip(byte) = self.script.next(client.sent) else { continue };
            match client.send(&[byte], &mut self.tally) {
                Ok(_) => {
                    // Late bytes are not made up for: a client is slow, not punctual.
                    let next = at.max(now) + duration_ns(self.options.interval);
                    self.due.push_back((next, place, generation));
                }
                Err(errno) => self.end(place, End::of(errno)),
            }
        }
    }

    fn give_up_connects(&mut self, now: u64) {
        while let Some((_, place, generation)) = self.connecting.pop_front_if(|due| due.0 <= now) {
            let is_same = self.generations[place as usize] == generation;
            if is_same && self.clients[place as usize].as_ref().is_some_and(|client| client.is_connecting()) {
                self.fail(place, Errno::TIMEDOUT);
            }
        }
    }

    fn on_event(&mut self, place: u32, flags: EventFlags) {
        let Some(client) = &mut self.clients[place as usize] else { return };
        if client.is_connecting() {
            return match sockopt::socket_error(&client.socket) {
                Ok(Ok(())) => {
                    client.established(clock::now_ns());
                    self.tally.established();
                    self.send_at_once(place);
                }
                Ok(Err(errno)) | Err(errno) => self.fail(place, errno),
            };
        }
        if flags.contains(EventFlags::OUT) {
            return self.send_at_once(place);
        }
        let heard = if self.options.kind == Kind::Unread {
            // Nothing is read, so the end shows in the flags alone.
            Client::looked(flags)
        } else {
            client.read(&mut self.script.reader, &mut self.tally)
        };
        match heard {
            Heard::Nothing => {}
            Heard::Answered => self.again(place),
            Heard::Dismissed => self.forget_what_is_due(place),
            Heard::Ended(end) => self.end(place, end),
        }
    }

    /// Sends what need not wait, and queues what follows it.
    fn send_at_once(&mut self, place: u32) {
        let index = place as usize;
        let Some(client) = &mut self.clients[index] else { return };
        while let Next::Send(bytes) = self.script.next(client.sent) {
            match client.send(bytes, &mut self.tally) {
                // The socket is full; it is still watched for room.
                Ok(0) => return,
                Ok(_) => {}
                Err(errno) => return self.end(place, End::of(errno)),
            }
        }
        if matches!(self.script.next(client.sent), Next::Drip(_)) {
            let at = clock::now_ns() + duration_ns(self.options.interval);
            self.due.push_back((at, place, self.generations[index]));
        }
        let unread = self.options.kind == Kind::Unread;
        let flags = if unread { EventFlags::RDHUP } else { EventFlags::IN | EventFlags::RDHUP };
        if let Err(errno) = epoll::modify(&self.epoll, &client.socket, EventData::new_u64(u64::from(place)), flags) {
            self.end(place, End::of(errno));
        }
    }

    /// The request was answered whole: the client begins the next one.
    fn again(&mut self, place: u32) {
        self.forget_what_is_due(place);
        if let Some(client) = &mut self.clients[place as usize] {
            client.sent = 0;
        }
        self.send_at_once(place);
    }

    /// Bytes that are queued belong to a request, or a client, that is over.
    fn forget_what_is_due(&mut self, place: u32) {
        let generation = &mut self.generations[place as usize];
        *generation = generation.wrapping_add(1);
    }

    fn fail(&mut self, place: u32, errno: Errno) {
        self.clients[place as usize] = None;
        self.tally.connecting -= 1;
        self.tally.failed(errno);
        self.vacate(place);
    }

    fn end(&mut self, place: u32, end: End) {
        if let Some(client) = self.clients[place as usize].take() {
            self.tally.ended(end, clock::now_ns() - client.since_ns);
        }
        self.vacate(place);
    }

    /// The place is empty, and is taken again if clients come back.
    fn vacate(&mut self, place: u32) {
        self.forget_what_is_due(place);
        if self.options.reopens {
            self.vacant.push_back(place);
        }
    }

    fn finish(self, target: &str, interrupted: bool) -> Result<Record, LoadError> {
        if self.tally.opened == 0
            && !interrupted
            && let Some(errno) = self.tally.most_frequent_failure()
        {
            let address = self.routes.first().map_or(String::new(), |route| route.address.to_string());
            return Err(LoadError::Unreachable { address, error: errno });
        }
        let record = self.tally.record(self.options, target, interrupted);
        debug_assert!(record.is_balanced(), "{record:?}");
        Ok(record)
    }
}
