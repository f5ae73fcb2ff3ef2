//! Sending batches and receiving their replies: the hot path.

use super::Worker;
use crate::causes::Cause;
use crate::clock;
use crate::engine::connection::Phase;
use crate::engine::shelf::NOTHING;
use crate::tally::Traffic;
use protocol::client::{Client, Fault, Progress};
use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

/// Reads of one connection in a row before the others get their turn (4 MiB).
const READS_MAX: u32 = 64;

/// One send; what the kernel has no room for counts as unsent, not as an error.
#[inline]
fn send_some(socket: &OwnedFd, bytes: &[u8], traffic: &mut Traffic) -> Result<usize, Errno> {
    traffic.send += 1;
    match send(socket, bytes, SendFlags::NOSIGNAL) {
        Ok(len) => {
            traffic.bytes_out += len as u64;
            Ok(len)
        }
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(errno) => Err(errno),
    }
}

impl<C: Client, const OPEN: bool> Worker<'_, C, OPEN> {
    /// Sends the next batch on an idle connection.
    #[inline]
    pub(super) fn send_batch(&mut self, index: usize, intended: u64, reached: u64) {
        let connection = &mut self.connections[index];
        let Some(socket) = &connection.socket else { return };
        connection.intended = intended;
        connection.phase = Phase::Busy;
        connection.outstanding = self.pipeline;
        self.busy += 1;
        let bytes = self.client.begin(&mut connection.state);
        let sent = send_some(socket, bytes, &mut self.tally.traffic);
        // In a closed loop the request is meant to be sent when the connection is free, which is now:
        // a second look at the clock would tell nothing new.
        connection.since = if OPEN { clock::now_ns() } else { intended };
        if self.window.contains(intended) {
            self.tally.requests.sent += u64::from(self.pipeline);
            if OPEN {
                self.tally.lateness.record(reached - intended);
                self.tally.back_pressure.record(connection.since - reached);
            } else {
                self.tally.requests.scheduled += u64::from(self.pipeline);
            }
        }
        match sent {
            Ok(len) => connection.unsent = (bytes.len() - len) as u32,
            Err(errno) => self.lose(index, Cause::Error(errno)),
        }
    }

    /// The socket has room again for what an earlier send left over.
    #[cold]
    pub(super) fn send_rest(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        let Some(socket) = &connection.socket else { return };
        while connection.unsent > 0 {
            let bytes = self.client.batch(&connection.state);
            let rest = &bytes[bytes.len() - connection.unsent as usize..];
            match send_some(socket, rest, &mut self.tally.traffic) {
                // Edge-triggered: the next edge comes when the kernel has room again.
                Ok(0) => return,
                Ok(len) => connection.unsent -= len as u32,
                Err(errno) => return self.lose(index, Cause::Error(errno)),
            }
        }
        // Written only now: this is what the service time and the timeout count from.
        let now = clock::now_ns();
        connection.since = now;
        if connection.outstanding == 0 {
            self.on_batch_done(index, now);
        }
    }

    /// Reads until the socket is empty. A short read says that it is: bytes that come later bring
    /// an event of their own, so the recv that would return EAGAIN is saved.
    #[inline]
    pub(super) fn on_readable(&mut self, index: usize, generation: u32, has_ended: bool) {
        for _ in 0..READS_MAX {
            let connection = &self.connections[index];
            if connection.generation != generation {
                return;
            }
            let Some(socket) = &connection.socket else { return };
            let kept = if connection.unread == NOTHING { 0 } else { self.shelf.look(connection.unread).len() };
            let room = &mut self.scratch[kept..];
            let room_len = room.len();
            self.tally.traffic.recv += 1;
            match recv(socket, room, RecvFlags::empty()) {
                Ok((0, _)) => return self.on_peer_close(index),
                Ok((len, _)) => {
                    self.tally.traffic.bytes_in += len as u64;
                    if kept > 0 {
                        self.take_from_shelf(index, kept);
                    }
                    self.on_bytes(index, kept + len);
                    if len < room_len && !has_ended {
                        return;
                    }
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                Err(errno) => return self.lose(index, Cause::Error(errno)),
            }
        }
        self.rearm(index);
    }

    /// Puts what was kept of an incomplete reply in front of what has just been read.
    #[cold]
    fn take_from_shelf(&mut self, index: usize, len: usize) {
        let connection = &mut self.connections[index];
        self.scratch[..len].copy_from_slice(self.shelf.look(connection.unread));
        self.shelf.release(connection.unread);
        connection.unread = NOTHING;
    }

    /// More is waiting than one turn should read: ask for the edge again.
    #[cold]
    fn rearm(&mut self, index: usize) {
        let connection = &self.connections[index];
        let Some(socket) = &connection.socket else { return };
        let token = u64::from(connection.generation) << 32 | index as u64;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        self.tally.traffic.epoll_ctl += 1;
        if let Err(errno) = epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(token), flags) {
            self.lose(index, Cause::Error(errno));
        }
    }

    /// Matches `scratch[..len]` with the outstanding requests of a connection.
    #[inline]
    fn on_bytes(&mut self, index: usize, len: usize) {
        let (mut at, mut now) = (0, 0);
        while at < len {
            let connection = &mut self.connections[index];
            if connection.outstanding == 0 {
                return self.lose(index, Cause::Unsolicited);
            }
            let received = self.client.on_bytes(&mut connection.state, &self.scratch[at..len]);
            at += received.consumed;
            match received.progress {
                Progress::Incomplete => {
                    if at < len {
                        connection.unread = self.shelf.put(&self.scratch[at..len]);
                    }
                    return;
                }
                Progress::Fault(fault) => return self.lose(index, Cause::Fault(fault)),
                reply @ (Progress::Complete { .. } | Progress::Refused { .. }) => {
                    if now == 0 {
                        now = clock::now_ns(); // one look at the clock serves all replies of a read
                        self.looked_at_ns = now;
                    }
                    if !self.on_reply(index, reply, now) {
                        return self.on_announced_close(index, now);
                    }
                }
            }
        }
        let connection = &self.connections[index];
        if connection.outstanding == 0 && connection.unsent == 0 {
            self.on_batch_done(index, now);
        }
    }

    /// Records a whole reply; false when the peer announced that it closes.
    #[inline]
    fn on_reply(&mut self, index: usize, reply: Progress, now: u64) -> bool {
        let connection = &mut self.connections[index];
        connection.outstanding -= 1;
        connection.failures = 0;
        let is_measured = self.window.contains(connection.intended);
        match reply {
            Progress::Complete { keep_open } => {
                self.completed += 1;
                if is_measured {
                    self.tally.requests.completed += 1;
                    self.tally.response.record(now - connection.intended);
                    if OPEN {
                        // A peer may answer before the whole request was taken by the kernel.
                        self.tally.service.record(now.saturating_sub(connection.since));
                    }
                }
                keep_open
            }
            Progress::Refused { status, keep_open } => {
                self.failed += 1;
                if is_measured {
                    self.tally.requests.failed += 1;
                    self.tally.request_causes.count_status(status);
                }
                keep_open
            }
            Progress::Incomplete | Progress::Fault(_) => true,
        }
    }

    /// Every reply of the batch has arrived and all of it was sent.
    #[inline]
    fn on_batch_done(&mut self, index: usize, now: u64) {
        self.connections[index].phase = Phase::Idle;
        self.busy -= 1;
        self.on_free(index, now);
    }

    /// The peer said with its last reply that it closes. That loses requests behind that reply, but
    /// it is not a fault of the connection.
    #[cold]
    fn on_announced_close(&mut self, index: usize, now: u64) {
        self.fail_outstanding(index, Cause::ClosedByPeer);
        self.close(index);
        self.reopen(index, now);
    }

    /// recv returned 0.
    #[cold]
    fn on_peer_close(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if connection.outstanding == 0 {
            return self.lose(index, Cause::ClosedByPeer);
        }
        match self.client.on_close(&mut connection.state) {
            reply @ (Progress::Complete { .. } | Progress::Refused { .. }) => {
                let now = clock::now_ns();
                self.on_reply(index, reply, now);
                self.on_announced_close(index, now);
            }
            Progress::Incomplete if connection.unread == NOTHING => self.lose(index, Cause::ClosedByPeer),
            Progress::Incomplete => self.lose(index, Cause::Fault(Fault::Truncated)),
            Progress::Fault(fault) => self.lose(index, Cause::Fault(fault)),
        }
    }

    /// Gives a connection up: what is outstanding on it has failed, and it is opened again later.
    #[cold]
    pub(super) fn lose(&mut self, index: usize, cause: Cause) {
        if self.connections[index].outstanding == 0 {
            self.tally.connect_causes.count(cause);
        }
        self.fail_outstanding(index, cause);
        self.tally.connects.lost += 1;
        self.connections[index].was_lost = true;
        self.close(index);
        self.reopen_later(index, clock::now_ns());
    }

    /// Counts the outstanding requests of a connection under `cause`.
    fn fail_outstanding(&mut self, index: usize, cause: Cause) {
        let connection = &mut self.connections[index];
        let lost = u64::from(std::mem::take(&mut connection.outstanding));
        self.failed += lost;
        if lost == 0 || !self.window.contains(connection.intended) {
            return;
        }
        if cause == Cause::Timeout {
            // How long the reply would have taken is unknown, but it is longer than this.
            let waited_ns = clock::now_ns() - connection.intended;
            self.tally.requests.timed_out += lost;
            self.tally.request_causes.count_n(cause, lost);
            self.tally.response.record_n(waited_ns, lost);
        } else {
            self.tally.requests.failed += lost;
            self.tally.request_causes.count(cause);
            self.tally.request_causes.count_batch_lost(lost - 1);
        }
    }
}
