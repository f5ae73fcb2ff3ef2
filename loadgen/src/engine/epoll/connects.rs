//! Opening and closing connections, and the sweep over everything that has a deadline.

use super::{CHECK_NS, Worker};
use crate::causes::Cause;
use crate::clock;
use crate::engine::connection::{Phase, reopen_delay_ns};
use crate::engine::shelf::NOTHING;
use crate::sys;
use protocol::client::Client;
use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};
use std::net::SocketAddr;

/// Connects in flight per worker, and over all workers. A burst above the target's backlog (often
/// 128, at most somaxconn) is answered with dropped SYNs, whose retransmission takes a second.
const OPENING_MAX: u32 = 64;
const OPENING_MAX_TOTAL: u32 = 1024;
/// Failed connects after which a worker that never had a connection gives up.
const HOPELESS_FAILURES: u64 = 16;
/// All connections are looked at once in this time, or more slowly when there are so many that
/// looking would cost over 1 million visits a second.
const SWEEP_NS: u64 = 2 * CHECK_NS;
const SWEEP_NS_PER_CONNECTION: u64 = 1000;

impl<C: Client, const OPEN: bool> Worker<'_, C, OPEN> {
    pub(super) fn has_room_to_open(&self) -> bool {
        self.opening < OPENING_MAX.min(OPENING_MAX_TOTAL.div_ceil(self.job.options.threads))
    }

    /// Whether the target never answered and it makes no sense to ask on.
    pub(super) fn is_hopeless(&self) -> bool {
        let connects = &self.tally.connects;
        connects.opened == 0 && connects.failed >= HOPELESS_FAILURES.min(self.connections.len() as u64)
    }

    /// Starts a connect.
    pub(super) fn open(&mut self, index: usize) {
        // Read here: the time at which the turn began may be many connects ago.
        let now = clock::now_ns();
        self.tally.connects.attempts += 1;
        match self.start_connect(index) {
            Ok(socket) => {
                let connection = &mut self.connections[index];
                connection.socket = Some(socket);
                connection.phase = Phase::Opening;
                connection.since = now;
                self.opening += 1;
            }
            Err(errno) => self.fail_to_open(index, errno, now),
        }
    }

    fn start_connect(&mut self, index: usize) -> Result<OwnedFd, Errno> {
        let plan = self.job.plan;
        let address = plan.target.address;
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
        // A batch is one send; holding its last segment back for an ACK would only add delay.
        sockopt::set_tcp_nodelay(&socket, true)?;
        if !plan.sources.is_empty() {
            sys::choose_port_late(&socket)?;
            // Workers take turns as well, or with few connections each all would use the same sources.
            let turn = index * plan.connections.len() + self.index;
            bind(&socket, &SocketAddr::new(plan.sources[turn % plan.sources.len()], 0))?;
        }
        self.tally.traffic.connect += 1;
        match connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno),
        }
        let token = u64::from(self.connections[index].generation) << 32 | index as u64;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        self.tally.traffic.epoll_ctl += 1;
        epoll::add(&self.epoll, &socket, epoll::EventData::new_u64(token), flags)?;
        Ok(socket)
    }

    /// The first event of a connecting socket.
    pub(super) fn on_connected(&mut self, index: usize, has_ended: bool) {
        let now = clock::now_ns();
        let connection = &mut self.connections[index];
        if has_ended && let Some(socket) = &connection.socket {
            // A peer that accepts and closes at once also gets here; that connect did succeed.
            if let Err(errno) | Ok(Err(errno)) = sockopt::socket_error(socket) {
                return self.fail_to_open(index, errno, now);
            }
        }
        self.tally.connect.record(now - connection.since);
        self.tally.connects.opened += 1;
        self.tally.connects.reconnects += u64::from(connection.was_opened);
        connection.phase = Phase::Idle;
        connection.check();
        connection.was_opened = true;
        // Until the window starts a loss can be made good; after that it stays on record.
        if self.window.len_ns == 0 || now < self.window.start_ns {
            connection.was_lost = false;
        }
        self.opening -= 1;
        self.open += 1;
        let generation = connection.generation;
        self.on_free(index, now);
        if has_ended {
            self.on_readable(index, generation, true);
        }
    }

    /// A connect failed: try again later.
    fn fail_to_open(&mut self, index: usize, errno: Errno, now: u64) {
        self.tally.connects.failed += 1;
        self.tally.connect_causes.count(Cause::Error(errno));
        self.close(index);
        self.reopen_later(index, now);
    }

    /// Frees everything a connection holds. The slot stays, for the next socket.
    pub(super) fn close(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        match connection.phase {
            Phase::Closed => {}
            Phase::Opening => self.opening -= 1,
            Phase::Idle => self.open -= 1,
            Phase::Busy => {
                self.open -= 1;
                self.busy -= 1;
            }
        }
        self.shelf.release(connection.unread);
        connection.unread = NOTHING;
        connection.socket = None;
        connection.generation = connection.generation.wrapping_add(1);
        connection.outstanding = 0;
        connection.unsent = 0;
        connection.phase = Phase::Closed;
        connection.state = C::State::default();
        connection.check();
    }

    /// Sets the time of the next connect after a failure or a loss.
    pub(super) fn reopen_later(&mut self, index: usize, now: u64) {
        let connection = &mut self.connections[index];
        connection.failures = connection.failures.saturating_add(1);
        connection.since = now + reopen_delay_ns(connection.failures);
    }

    /// Connects again at once: the peer had announced that it would close.
    pub(super) fn reopen(&mut self, index: usize, now: u64) {
        self.connections[index].since = now;
        if self.may_open && self.has_room_to_open() {
            self.open(index);
        }
    }

    /// Looks at a share of the connections that is due since the last sweep, so that no turn ever
    /// looks at all of them. A deadline is met late by one round at most.
    pub(super) fn sweep(&mut self, now: u64) {
        let count = self.connections.len() as u64;
        let round_ns = SWEEP_NS.max(count * SWEEP_NS_PER_CONNECTION);
        let elapsed_ns = (now - self.swept_at_ns).min(round_ns);
        let share = (count * elapsed_ns).div_ceil(round_ns);
        self.swept_at_ns = now;
        for _ in 0..share {
            let index = self.sweep_next;
            self.sweep_next = if index + 1 == self.connections.len() { 0 } else { index + 1 };
            let connection = &self.connections[index];
            // A stamp taken in this turn may lie after `now`.
            let age_ns = now.saturating_sub(connection.since);
            match connection.phase {
                Phase::Busy if age_ns > self.timeout_ns => self.lose(index, Cause::Timeout),
                Phase::Opening if age_ns > self.connect_timeout_ns => self.fail_to_open(index, Errno::TIMEDOUT, now),
                Phase::Closed if now >= connection.since && self.may_open && self.has_room_to_open() => {
                    self.open(index);
                }
                _ => {}
            }
        }
    }
}
