//! Sending: a reply is kept in a buffer until the kernel reports it sent, or written into the place of `inline`.

use protocol::server::Protocol;
use rustix::io::Errno;

use super::Uring;
use super::state::{flag, tag};
use super::style::Style;
use crate::shard::connection::Want;
use crate::shard::counters::CloseReason;
use crate::shard::slab::{ConnectionId, Token};

impl<P: Protocol, S: Style> Uring<P, S> {
    #[inline]
    pub(super) fn send(&mut self, id: ConnectionId) {
        let Some((connection, shared)) = self.shard.find(id) else { return };
        let (socket, unsent) = (connection.socket, connection.unsent(shared));
        let (start, len) = (unsent.as_ptr(), unsent.len());
        // SAFETY: `unsent` is the constant FILLER, or a pooled buffer (`keep`), whose memory is neither moved
        // nor freed while it is taken. It is pinned, so it is not given back before `on_send`, and the pool
        // outlives the operation: see `Drop`. The raw pointer only ends the borrow of the shard, because the
        // ring needs the shard's counters.
        let unsent = unsafe { std::slice::from_raw_parts(start, len) };
        // SAFETY: as above.
        unsafe { self.ring.send(socket, unsent, Token::new(id, tag::SEND), &mut shared.counters) };
    }

    #[inline]
    pub(super) fn on_send(&mut self, id: ConnectionId, result: i32) {
        let Some((connection, shared)) = self.shard.find(id) else { return };
        connection.flags &= !flag::SENDING;
        connection.unpin(shared);
        if connection.flags & flag::CLOSING != 0 {
            return self.free_if_done(id);
        }
        let want = match usize::try_from(result) {
            Ok(count) => match connection.sent(count, shared) {
                // MSG_WAITALL was cut short, for example by a signal: send the rest at once.
                Want::Wait => Want::Write,
                want => want,
            },
            Err(_) => match Errno::from_raw_os_error(-result) {
                Errno::INTR | Errno::AGAIN => Want::Write,
                error @ (Errno::NOBUFS | Errno::NOMEM) => {
                    shared.counters.enobufs += 1;
                    connection.give_up(CloseReason::of(error), shared)
                }
                error => connection.give_up(CloseReason::of(error), shared),
            },
        };
        self.act(id, want);
    }

    /// Settles inline sends right after a wait: the successful ones and the failed ones.
    #[inline]
    pub(super) fn settle_sends(&mut self) {
        // Ask first, because handling a failure queues new entries. If asked afterwards, one failure per turn, as
        // in a storm of resets, would leave all other replies unsettled, and their connections stuck, for as long
        // as the storm lasts.
        let is_consumed = self.ring.is_submitted();
        self.fail_sends();
        if !is_consumed {
            // The kernel ran short of memory and left entries in the queue, which it will still read. Or a
            // failure is among the completions that found no room, which the next enter fetches.
            return;
        }
        let queued = self.sends.take();
        for send in queued.iter().filter(|send| !send.failed) {
            let Some((connection, shared)) = self.shard.find(send.id) else { continue };
            connection.flags &= !flag::SENDING;
            if connection.flags & flag::CLOSING != 0 {
                self.free_if_done(send.id);
                continue;
            }
            let want = connection.lent_all(send.len as usize, shared);
            self.act(send.id, want);
        }
        self.sends.put_back(queued);
    }

    #[inline]
    fn fail_sends(&mut self) {
        // The rest of a failed reply must not be written among the submitted replies.
        let used = self.sends.close();
        let completions = std::mem::take(&mut self.completions);
        for completion in completions.iter().filter(|completion| Token(completion.user_data).tag() == tag::SEND_INLINE)
        {
            self.on_send_failed(Token(completion.user_data).id().index, completion.result);
        }
        self.completions = completions;
        self.sends.open(used);
    }

    /// An inline send was cut short or failed: an ordinary send takes the rest.
    #[cold]
    fn on_send_failed(&mut self, position: u32, result: i32) {
        let Some(send) = self.sends.fail(position) else { return };
        let Some((connection, shared)) = self.shard.find(send.id) else { return };
        connection.flags &= !flag::SENDING;
        if connection.flags & flag::CLOSING != 0 {
            return self.free_if_done(send.id);
        }
        let reply = self.sends.reply(send);
        let want = match usize::try_from(result) {
            Ok(count) => connection.lent(reply, count, shared),
            Err(_) => match Errno::from_raw_os_error(-result) {
                Errno::INTR | Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM => connection.lent(reply, 0, shared),
                error => connection.give_up(CloseReason::of(error), shared),
            },
        };
        self.act(send.id, if want == Want::Wait { Want::Write } else { want });
    }
}
