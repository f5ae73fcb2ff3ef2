//! Opening and closing connections, and the sweep over everything that has a deadline.

use super::reconnect::Without;
use super::state::Fleet;
use crate::engine::connection::{Flags, Phase, reopen_delay_ns};
use crate::engine::sockets::Sockets;
use crate::engine::token::Token;
use crate::plan::grain::CHECK_NS;
use crate::recording::causes::Cause;
use protocol::client::Client;
use rustix::io::Errno;
use sys::clock;

/// Failed connects after which a worker that never had a connection gives up.
const HOPELESS_FAILURES: u64 = 16;
impl<C: Client, K, const OPEN: bool> Fleet<'_, C, K, OPEN> {
    /// The load is about to begin: from now on all workers may open connections at the same time. With a reconnect
    /// policy each connection stands for a client of its own, which knows nothing of the others' connects.
    pub(in crate::engine) fn end_turns(&mut self) {
        self.opening_max = match self.clients {
            Some(_) => u32::MAX,
            None => super::state::in_flight_max(self.job.options.threads as usize),
        };
    }

    fn has_room_to_open(&self) -> bool {
        self.opening < self.opening_max
    }

    /// Whether the target never answered, so that further attempts make no sense. A full accept queue is an
    /// answer: a unix socket returns EAGAIN (connect(2)), while TCP drops the SYN and lets the connect wait.
    pub(in crate::engine) fn is_hopeless(&self) -> bool {
        let connects = &self.tally.connects;
        let refused = connects.failed - self.tally.connect_causes.count_of(Errno::AGAIN).min(connects.failed);
        connects.opened == 0 && refused >= HOPELESS_FAILURES.min(self.connections.len() as u64)
    }

    /// Whether some connection has yet to be opened for the first time.
    pub(in crate::engine) fn has_untouched(&self) -> bool {
        self.untouched < self.connections.len()
    }

    /// Starts up to `count_max` connects whose turn it is; returns when the next may start: `u64::MAX` if
    /// nothing is left to open or there is no room.
    pub(in crate::engine) fn open_some<E: Sockets<Socket = K>>(
        &mut self,
        engine: &mut E,
        count_max: usize,
        now: u64,
    ) -> u64 {
        for _ in 0..count_max {
            if !(self.may_open || self.has_to_repeat()) || !self.has_room_to_open() {
                return u64::MAX;
            }
            if now < self.next_open_ns {
                return self.next_open_ns;
            }
            let index = self.pop_to_open(engine, now).or_else(|| self.pop_due(engine, now));
            let Some(index) = index else { return self.next_retry_ns() };
            // A ramp that fell behind does not catch up in a burst.
            self.next_open_ns = (self.next_open_ns + self.open_gap_ns).max(now.saturating_sub(CHECK_NS));
            self.open(engine, index);
        }
        let has_more = self.has_untouched() || !self.to_open.is_empty();
        if has_more { self.next_open_ns } else { self.next_retry_ns().max(self.next_open_ns) }
    }

    fn pop_to_open<E: Sockets<Socket = K>>(&mut self, engine: &mut E, now: u64) -> Option<usize> {
        while let Some(index) = self.to_open.pop_front() {
            let connection = &mut self.connections[index as usize];
            connection.flags.clear(Flags::TO_OPEN);
            if connection.phase != Phase::Closed || !(self.may_open || connection.flags.has(Flags::AGAIN)) {
                continue;
            }
            if !engine.is_free(connection.under_way) {
                // The kernel still has operations of the last socket: the sweep tries again.
                connection.since = 0;
            } else if self.may_try(index as usize, now) {
                return Some(index as usize);
            }
        }
        let index = self.untouched;
        (self.may_open && index < self.connections.len()).then(|| {
            self.untouched += 1;
            index
        })
    }

    /// The route of a connection, and its number there. Workers take turns, so that over all of them each
    /// number occurs once, and workers with few connections each do not use the same sources.
    fn route(&self, index: usize) -> (usize, usize) {
        let plan = self.job.plan;
        let number = index * plan.connections.len() + self.index;
        (number % plan.routes.len(), number / plan.routes.len())
    }

    /// Open connections of each route.
    pub(in crate::engine) fn open_by_route(&self) -> Vec<u64> {
        let mut open = vec![0; self.job.plan.routes.len()];
        if let [all] = &mut open[..] {
            *all = u64::from(self.open);
            return open;
        }
        for (index, connection) in self.connections.iter().enumerate() {
            open[self.route(index).0] += u64::from(matches!(connection.phase, Phase::Idle | Phase::Busy));
        }
        open
    }

    /// Starts a connect.
    fn open<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize) {
        // Read the clock here: the turn may have begun many connects ago.
        let now = clock::now_ns();
        self.tally.connects.attempts += 1;
        let plan = self.job.plan;
        let (route, turn) = self.route(index);
        let source = plan.routes[route].source(turn);
        let connection = &mut self.connections[index];
        let token = Token { index: index as u32, generation: connection.generation };
        let traffic = &mut self.tally.traffic;
        traffic.connect += 1;
        match engine.connect(token, route, source, &mut connection.under_way, traffic) {
            Ok(socket) => {
                connection.socket = Some(socket);
                connection.phase = Phase::Opening;
                connection.since = now;
                self.opening += 1;
            }
            Err(errno) => self.fail_to_open(engine, index, errno, now),
        }
    }

    /// The connect of a connection in phase Opening has succeeded.
    pub(in crate::engine) fn on_connected<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize) {
        let now = clock::now_ns();
        let connection = &mut self.connections[index];
        let took_ns = now - connection.since;
        self.tally.connect.record(took_ns);
        self.tally.connects.opened += 1;
        self.tally.connects.reconnects += u64::from(connection.flags.has(Flags::OPENED));
        connection.phase = Phase::Idle;
        connection.connect_us = u32::try_from(took_ns / 1000).unwrap_or(u32::MAX);
        connection.requests_left = self.job.options.requests_per_connection;
        connection.flags.set(Flags::OPENED);
        connection.flags.set(Flags::FRESH);
        connection.check();
        // Before the window a reconnect makes up for a loss; after that the loss stays on record.
        if !self.is_measuring {
            connection.flags.clear(Flags::LOST);
        }
        self.opening -= 1;
        self.open += 1;
        let is_out = self.connections[index].flags.has(Flags::OUT);
        if is_out {
            self.on_reconnected(index);
        }
        if self.connections[index].flags.has(Flags::AGAIN) {
            return self.send_again(engine, index, now);
        }
        // In a closed loop the next request shows whether the client is served.
        if OPEN && is_out && now < self.end_ns {
            return self.send_hello(engine, index, now);
        }
        self.on_free(engine, index, now);
    }

    /// A connect failed: try again later.
    pub(in crate::engine) fn fail_to_open<E: Sockets<Socket = K>>(
        &mut self,
        engine: &mut E,
        index: usize,
        errno: Errno,
        now: u64,
    ) {
        self.tally.connects.failed += 1;
        self.tally.connect_causes.count(Cause::Error(errno));
        self.close(engine, index);
        self.reopen_later(index, now, Without::Failed);
    }

    /// Frees everything a connection holds. The slot stays, for the next socket.
    pub(super) fn close<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize) {
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
        self.shelf.release(&mut connection.kept);
        if let Some(socket) = connection.socket.take() {
            let token = Token { index: index as u32, generation: connection.generation };
            engine.close(socket, token, &mut connection.under_way, &mut self.tally.traffic);
        }
        connection.generation = connection.generation.wrapping_add(1);
        if !connection.flags.has(Flags::AGAIN) {
            connection.outstanding = 0;
        }
        connection.phase = Phase::Closed;
        connection.flags.clear(Flags::BEGUN);
        connection.flags.clear(Flags::FRESH);
        connection.state = C::State::default();
        connection.check();
    }

    /// Sets the time of the next connect after a failure or a loss.
    pub(super) fn reopen_later(&mut self, index: usize, now: u64, without: Without) {
        if self.follows_policy() {
            return self.reopen_by_policy(index, now, without);
        }
        let connection = &mut self.connections[index];
        connection.failures = connection.failures.saturating_add(1);
        connection.since = now + reopen_delay_ns(connection.failures);
    }

    /// Connects again as soon as there is room: the connection did not end in a failure.
    pub(super) fn open_soon<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize) {
        let has_room = self.has_room_to_open();
        let connection = &mut self.connections[index];
        connection.since = u64::MAX;
        if !self.may_open(index) {
            return;
        }
        let connection = &mut self.connections[index];
        let is_next = self.to_open.is_empty() && self.open_gap_ns == 0 && !connection.flags.has(Flags::OUT);
        if is_next && engine.is_free(connection.under_way) && has_room {
            self.open(engine, index);
        } else if !connection.flags.has(Flags::TO_OPEN) {
            connection.flags.set(Flags::TO_OPEN);
            self.to_open.push_back(index as u32);
        }
    }

    /// The kernel has forgotten the last socket of a closed connection.
    pub(in crate::engine) fn on_forgotten<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize) {
        let connection = &self.connections[index];
        if connection.phase == Phase::Closed && connection.since == 0 {
            self.open_soon(engine, index);
        }
    }

    /// Whether connections wait for room, or for their time, to be opened.
    pub(in crate::engine) fn has_to_open(&self) -> bool {
        !self.to_open.is_empty() || self.has_untouched() || self.next_retry_ns() < u64::MAX
    }

    /// Counts the connections as the run leaves them.
    pub(in crate::engine) fn finish_connects(&mut self) {
        self.tally.connects.pending = u64::from(self.opening);
        self.tally.connects.open = u64::from(self.open);
    }

    pub(in crate::engine) fn begin_sweep(&mut self, now: u64) {
        self.swept_at_ns = now;
    }

    /// Checks the share of connections that is due since the last sweep, so that no turn ever checks all of
    /// them. A deadline is noticed at most one round late.
    pub(in crate::engine) fn sweep<E: Sockets<Socket = K>>(&mut self, engine: &mut E, now: u64) {
        let count = self.connections.len() as u64;
        let round_ns = self.sweep_round_ns;
        let elapsed_ns = (now - self.swept_at_ns).min(round_ns);
        let share = (count * elapsed_ns).div_ceil(round_ns);
        self.swept_at_ns = now;
        for _ in 0..share {
            let index = self.sweep_next;
            self.sweep_next = if index + 1 == self.connections.len() { 0 } else { index + 1 };
            self.give_up_repeat_if_late(index, now);
            let connection = &self.connections[index];
            // A stamp taken in this turn may lie after `now`.
            let age_ns = now.saturating_sub(connection.since);
            match connection.phase {
                Phase::Busy if age_ns > self.timeout_ns => self.lose(engine, index, Cause::Timeout),
                Phase::Opening if age_ns > self.connect_timeout_ns => {
                    self.fail_to_open(engine, index, Errno::TIMEDOUT, now);
                }
                Phase::Closed if now >= connection.since && self.may_open(index) => self.open_soon(engine, index),
                _ => {}
            }
        }
    }
}
