//! Sending: a reply is kept in a buffer until the kernel reports that it is sent, or laid into the place of `inline`.

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
        // SAFETY: `unsent` is the constant FILLER, or a pooled buffer (`keep`), whose memory is neither
        // moved nor freed while it is taken. It is pinned, so it is not given back before `on_send`,
        // and the pool outlives the operation: see `Drop`. The detour over a raw pointer only ends the
        // borrow of the shard, whose counters the ring wants.
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
                // MSG_WAITALL was cut short, by a signal for instance: the rest is sent at once.
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

    /// Draws the conclusions of inline sends, right after a wait.
    #[inline]
    pub(super) fn settle_sends(&mut self) {
        // Asked first: what follows from a failure puts new entries into the queue. Asked afterwards, one failure
        // in every turn, as in a storm of resets, would leave all other replies unsettled, and their
        // connections unanswered, for as long as it lasts.
        let is_consumed = self.ring.is_submitted();
        self.fail_sends();
        if !is_consumed {
            // Short of memory the kernel left entries in the queue, which it will read yet; or a failure
            // is among the completions that found no room, which the next call brings.
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
        // What is left of a reply must not be laid among those that were submitted.
        let used = self.sends.close();
        let completions = std::mem::take(&mut self.completions);
        for completion in completions.iter().filter(|completion| Token(completion.user_data).tag() == tag::SEND_INLINE)
        {
            self.on_send_failed(Token(completion.user_data).id().index, completion.result);
        }
        self.completions = completions;
        self.sends.open(used);
    }

    /// An inline send was cut short, or failed: what is left goes the ordinary way.
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
