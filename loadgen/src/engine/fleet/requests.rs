//! Sends batches and interprets their replies: the hot path.

use super::hello::is_hello;
use super::reconnect::Without;
use super::state::Fleet;
use crate::engine::connection::{Flags, Phase};
use crate::engine::shelf::NOTHING;
use crate::engine::sockets::Sockets;
use crate::engine::token::Token;
use crate::recording::causes::Cause;
use protocol::client::{Client, Fault, Progress};
use rustix::io::Errno;
use sys::clock;

impl<C: Client, K, const OPEN: bool> Fleet<'_, C, K, OPEN> {
    /// Sends the next batch on an idle connection.
    #[inline]
    pub(super) fn send_batch<E: Sockets<Socket = K>>(
        &mut self,
        engine: &mut E,
        index: usize,
        intended: u64,
        reached: u64,
    ) {
        // Options::check: an open loop sends one by one.
        let count = if OPEN { 1 } else { self.take_batch() };
        if count == 0 {
            return;
        }
        // In a closed loop the intended time is when the connection becomes free, which is now.
        let Some(unsent) = self.write_batch(engine, index, count, intended, intended) else { return };
        if OPEN {
            self.dispatched += 1;
        }
        if self.window.contains(intended) {
            self.slice.requests.sent += u64::from(count);
            if OPEN {
                self.slice.lateness.record(reached - intended);
                self.slice.back_pressure.record(self.connections[index].since - reached);
            } else {
                self.slice.requests.scheduled += u64::from(count);
            }
        }
        self.settle_send(engine, index, unsent);
    }

    /// Hands a batch to the engine; returns how many bytes the kernel had no room for, or `None` without a socket.
    #[inline]
    pub(super) fn write_batch<E: Sockets<Socket = K>>(
        &mut self,
        engine: &mut E,
        index: usize,
        count: u16,
        intended: u64,
        now: u64,
    ) -> Option<Result<usize, Errno>> {
        let connection = &mut self.connections[index];
        let token = Token { index: index as u32, generation: connection.generation };
        let socket = connection.socket.as_ref()?;
        connection.intended = intended;
        connection.phase = Phase::Busy;
        connection.outstanding = count;
        self.busy += 1;
        let bytes = self.client.begin(&mut connection.state, u32::from(count));
        let sent =
            engine.send(socket, token, bytes, C::IS_CONSTANT, &mut connection.under_way, &mut self.tally.traffic);
        // In a closed loop a second reading of the clock would add nothing.
        connection.since = if OPEN { clock::now_ns() } else { now };
        Some(sent.map(|len| bytes.len() - len))
    }

    /// Acts on the outcome of [`Fleet::write_batch`] once the batch is counted.
    #[inline]
    pub(super) fn settle_send<E: Sockets<Socket = K>>(
        &mut self,
        engine: &mut E,
        index: usize,
        unsent: Result<usize, Errno>,
    ) {
        match unsent {
            Ok(0) => {}
            Ok(unsent) => self.shelf.place(&mut self.connections[index].kept).unsent = unsent,
            Err(errno) => self.lose(engine, index, Cause::Error(errno)),
        }
    }

    /// Whether the kernel had no room for a part of the batch.
    #[inline]
    pub(in crate::engine) fn has_unsent(&self, index: usize) -> bool {
        self.shelf.look(self.connections[index].kept).is_some_and(|kept| kept.unsent > 0)
    }

    /// The socket has room again for what an earlier send left over.
    #[cold]
    pub(in crate::engine) fn send_rest<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize) {
        let connection = &mut self.connections[index];
        let token = Token { index: index as u32, generation: connection.generation };
        let Some(socket) = &connection.socket else { return };
        let mut unsent = self.shelf.look(connection.kept).map_or(0, |kept| kept.unsent);
        while unsent > 0 {
            let bytes = self.client.batch(&connection.state);
            let rest = &bytes[bytes.len() - unsent..];
            let traffic = &mut self.tally.traffic;
            match engine.send(socket, token, rest, C::IS_CONSTANT, &mut connection.under_way, traffic) {
                // The engine reports when the kernel has room again.
                Ok(0) => break,
                Ok(len) => unsent -= len,
                Err(errno) => return self.lose(engine, index, Cause::Error(errno)),
            }
        }
        self.shelf.place(&mut connection.kept).unsent = unsent;
        self.shelf.release_if_empty(&mut connection.kept);
        if unsent == 0 {
            // Only now is the batch written: service time and timeout count from here.
            let now = clock::now_ns();
            connection.since = now;
            if connection.outstanding == 0 {
                self.on_batch_done(engine, index, now);
            }
        }
    }

    /// Bytes have arrived on a connection that is open.
    #[inline]
    pub(in crate::engine) fn on_bytes<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize, bytes: &[u8]) {
        self.tally.traffic.bytes_in += bytes.len() as u64;
        if self.connections[index].kept == NOTHING {
            self.consume(engine, index, bytes);
        } else {
            self.consume_joined(engine, index, bytes);
        }
    }

    /// Puts the kept bytes of an incomplete reply in front of those just read.
    #[cold]
    fn consume_joined<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize, bytes: &[u8]) {
        let kept = self.shelf.place(&mut self.connections[index].kept);
        let mut joined = std::mem::take(&mut kept.unread);
        self.shelf.release_if_empty(&mut self.connections[index].kept);
        joined.extend_from_slice(bytes);
        self.consume(engine, index, &joined);
    }

    /// Matches `bytes` with the outstanding requests of a connection.
    #[inline]
    fn consume<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize, bytes: &[u8]) {
        let (mut at, mut now) = (0, 0);
        while at < bytes.len() {
            let connection = &mut self.connections[index];
            if connection.outstanding == 0 {
                self.keep_sample(&bytes[at..]);
                return self.lose(engine, index, Cause::Unsolicited);
            }
            let reply_bytes = &bytes[at..];
            let received = self.client.on_bytes(&mut connection.state, reply_bytes);
            at += received.consumed;
            match received.progress {
                Progress::Incomplete => {
                    if at < bytes.len() {
                        self.shelf.place(&mut connection.kept).unread.extend_from_slice(&bytes[at..]);
                    }
                    return self.on_part(index);
                }
                Progress::Fault(fault) => {
                    self.keep_sample(reply_bytes);
                    return self.lose(engine, index, Cause::Fault(fault));
                }
                reply @ (Progress::Complete { .. } | Progress::Refused { .. }) => {
                    if now == 0 {
                        now = clock::now_ns(); // one look at the clock serves all replies of a read
                        self.looked_at_ns = now;
                    }
                    if matches!(reply, Progress::Refused { .. }) {
                        self.keep_refusal(reply_bytes);
                    }
                    if !self.on_reply(index, reply, now) {
                        return self.on_announced_close(engine, index);
                    }
                }
            }
        }
        if self.connections[index].outstanding == 0 && !self.has_unsent(index) {
            self.on_batch_done(engine, index, now);
        }
    }

    /// A reply has begun and is not whole yet.
    fn on_part(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if !connection.flags.has(Flags::BEGUN) {
            connection.flags.set(Flags::BEGUN);
            if self.window.contains(connection.intended) {
                self.slice.first_byte.record(clock::now_ns().saturating_sub(connection.since));
            }
        }
    }

    /// Records a whole reply; false when the peer announced that it closes.
    #[inline]
    fn on_reply(&mut self, index: usize, reply: Progress, now: u64) -> bool {
        let connection = &mut self.connections[index];
        let is_hello = is_hello(connection);
        connection.outstanding -= 1;
        connection.failures = 0;
        // A peer may answer before the kernel has taken the whole request.
        let service = now.saturating_sub(connection.since);
        if connection.flags.has(Flags::FRESH) {
            connection.flags.clear(Flags::FRESH);
            self.tally.first_response.record(u64::from(connection.connect_us) * 1000 + service);
        }
        let has_begun = connection.flags.has(Flags::BEGUN);
        connection.flags.clear(Flags::BEGUN);
        if OPEN && is_hello {
            return self.on_hello_reply(index, reply, now);
        }
        let is_out = connection.flags.has(Flags::OUT);
        let is_measured = self.window.contains(connection.intended);
        match reply {
            Progress::Complete { keep_open } => {
                self.completed += 1;
                if is_measured {
                    self.slice.requests.completed += 1;
                    self.slice.response.record(now - connection.intended);
                    if !has_begun {
                        self.slice.first_byte.record(service);
                    }
                    if OPEN {
                        self.slice.service.record(service);
                    }
                }
                if is_out {
                    self.on_served(index, now);
                }
                keep_open
            }
            Progress::Refused { status, keep_open, retry_after_s } => {
                self.failed += 1;
                if is_measured {
                    // The refusal took this long, but a good reply would have taken longer: a server that refuses
                    // quickly must not look like one that answers quickly.
                    let waited_ns = now - connection.intended;
                    self.slice.requests.failed += 1;
                    self.slice.record_missing(waited_ns, 1);
                    self.tally.request_causes.count_status(status);
                }
                self.note_hint(index, retry_after_s, keep_open);
                keep_open
            }
            Progress::Incomplete | Progress::Fault(_) => true,
        }
    }

    /// Every reply of the batch has arrived and all of it was sent.
    #[inline]
    fn on_batch_done<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize, now: u64) {
        let connection = &mut self.connections[index];
        connection.phase = Phase::Idle;
        self.busy -= 1;
        if self.was_hello_refused(index) {
            return self.give_up(engine, index);
        }
        let connection = &mut self.connections[index];
        if connection.requests_left > 0 {
            connection.requests_left -= self.pipeline.min(connection.requests_left);
            if connection.requests_left == 0 {
                return self.close_as_planned(engine, index);
            }
        }
        self.on_free(engine, index, now);
    }

    /// The connection has carried all its requests, or the peer had announced its end.
    pub(super) fn close_as_planned<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize) {
        self.tally.connects.closed += 1;
        self.close(engine, index);
        // Its client has had refusals only, or was told when to come again: that is no reason to ask again at once.
        if self.connections[index].flags.has(Flags::OUT) || self.has_hint(index) {
            return self.reopen_by_policy(index, clock::now_ns(), Without::Unserved);
        }
        self.open_soon(engine, index);
    }

    /// The peer has closed its side.
    #[cold]
    pub(in crate::engine) fn on_peer_close<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize) {
        let connection = &mut self.connections[index];
        if connection.outstanding == 0 {
            return self.lose(engine, index, Cause::ClosedByPeer);
        }
        let has_unread = self.shelf.look(connection.kept).is_some_and(|kept| !kept.unread.is_empty());
        match self.client.on_close(&mut connection.state) {
            reply @ (Progress::Complete { .. } | Progress::Refused { .. }) => {
                if matches!(reply, Progress::Refused { .. }) {
                    self.keep_refusal(&[]);
                }
                let now = clock::now_ns();
                self.on_reply(index, reply, now);
                self.on_announced_close(engine, index);
            }
            Progress::Incomplete if has_unread => {
                self.keep_unread(index);
                self.lose(engine, index, Cause::Fault(Fault::Truncated));
            }
            Progress::Incomplete => self.lose(engine, index, Cause::ClosedByPeer),
            Progress::Fault(fault) => {
                self.keep_refusal(&[]);
                self.lose(engine, index, Cause::Fault(fault));
            }
        }
    }

    /// Gives up a connection: its outstanding requests have failed, and it is opened again later.
    #[cold]
    pub(in crate::engine) fn lose<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize, cause: Cause) {
        let connection = &self.connections[index];
        if connection.outstanding == 0 || is_hello(connection) {
            self.tally.connect_causes.count(cause);
        }
        self.fail_outstanding(index, cause);
        self.give_up(engine, index);
    }

    /// Closes a connection that is no good, and opens it again later.
    fn give_up<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize) {
        self.tally.connects.lost += 1;
        self.connections[index].flags.set(Flags::LOST);
        self.close(engine, index);
        self.reopen_later(index, clock::now_ns(), Without::Lost);
    }

    /// Counts the outstanding requests of a connection under `cause`.
    pub(super) fn fail_outstanding(&mut self, index: usize, cause: Cause) {
        let connection = &mut self.connections[index];
        let is_hello = is_hello(connection);
        let lost = u64::from(std::mem::take(&mut connection.outstanding));
        if is_hello {
            return self.fail_hello(index);
        }
        self.failed += lost;
        if lost == 0 || !self.window.contains(connection.intended) {
            return;
        }
        // How long a good reply would have taken is unknown, but it is longer than this.
        let waited_ns = clock::now_ns().saturating_sub(connection.intended);
        self.slice.record_missing(waited_ns, lost);
        if cause == Cause::Timeout {
            self.slice.requests.timed_out += lost;
            self.tally.request_causes.count_n(cause, lost);
        } else {
            self.slice.requests.failed += lost;
            self.tally.request_causes.count(cause);
            self.tally.request_causes.count_batch_lost(lost - 1);
        }
    }

    /// After the grace: records unanswered and unsent requests with the time they have waited so far. Leaving
    /// them out would flatter a stalled server.
    pub(in crate::engine) fn censor(&mut self, now: u64) {
        for connection in &self.connections {
            if connection.outstanding > 0 && self.window.contains(connection.intended) {
                let count = u64::from(connection.outstanding);
                self.slice.requests.censored += count;
                self.slice.record_missing(now - connection.intended, count);
            }
        }
        if OPEN {
            self.censor_unsent(now);
        }
        self.censor_outages(now);
    }
}
