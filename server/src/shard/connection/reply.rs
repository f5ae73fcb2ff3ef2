//! The path of a reply: sent from the shard's output at once, kept, or lent to a backend that has a place for
//! it.

use protocol::server::{FILLER, FILLER_LEN, Protocol};

use super::{Connection, Next, PEER_CLOSED, PINNED, REPLYING, Want};
use crate::shard::counters::CloseReason;
use crate::shard::resources::Resources;
use crate::shard::timeouts::Timer;

/// A kept reply takes filler along until it has this length, which fills a short buffer.
const KEPT_FILLED_LEN: usize = 2048;
impl<K, S: Default> Connection<K, S> {
    /// The bytes to send now. After [`Connection::keep`] their address is stable until `sent`.
    #[inline]
    pub(crate) fn unsent<'a, P: Protocol<State = S>>(&self, shared: &'a Resources<P>) -> &'a [u8] {
        match &self.unsent {
            Some(buffer) => shared.pool.content(buffer),
            None if shared.output_len > 0 => &shared.output[..shared.output_len],
            None => &FILLER[..self.filler_offered(shared)],
        }
    }

    /// Filler offered to the socket at once.
    #[inline]
    fn filler_offered<P: Protocol<State = S>>(&self, shared: &Resources<P>) -> usize {
        shared.protocol.filler_left(&self.state).min(FILLER_LEN)
    }

    /// Moves the reply from the shard's output into a buffer of its own, because the socket has no room now
    /// or because the kernel will read it later.
    ///
    /// # Errors
    /// The wish to close, if the pool is exhausted.
    #[inline]
    pub(crate) fn keep<P: Protocol<State = S>>(&mut self, shared: &mut Resources<P>) -> Result<(), Want> {
        debug_assert!(self.has(REPLYING));
        if self.unsent.is_none() && shared.output_len > 0 {
            // A short reply takes some filler along, so that its head is not sent alone.
            let len = shared.output_len.min(shared.literal_len.max(KEPT_FILLED_LEN));
            let filler = len - shared.literal_len;
            match shared.pool.take(&shared.output[..len], len) {
                Ok(buffer) => self.unsent = Some(buffer),
                Err(_) => return Err(self.give_up(CloseReason::BuffersExhausted, shared)),
            }
            shared.output_len = 0;
            shared.protocol.filler_sent(&mut self.state, filler);
        }
        self.start(Timer::Write, shared);
        Ok(())
    }

    /// Copies the reply from the shard's output to `place`, for a backend that keeps it there until it can
    /// tell [`Connection::lent`] how much the kernel took. Returns its length, or `None` if it does not fit,
    /// if it is in a buffer of its own, or if something must follow as soon as it is sent: such a send needs
    /// a completion.
    ///
    /// Keep this second way of sending only if measurements show a gain over the first.
    #[inline]
    pub(crate) fn lend<P: Protocol<State = S>>(
        &mut self,
        place: &mut [u8],
        shared: &mut Resources<P>,
    ) -> Option<usize> {
        debug_assert!(self.has(REPLYING));
        let len = shared.output_len;
        let is_last = self.next == Next::Read && self.unread.is_none() && !self.has(PEER_CLOSED);
        if self.unsent.is_some() || len > place.len() || !is_last {
            return None;
        }
        place[..len].copy_from_slice(&shared.output[..len]);
        shared.output_len = 0;
        // No other timer counts while a reply is pending, except that of a whole body.
        if !self.is_in_timed_body(shared) {
            self.timer = Timer::Reply;
        }
        Some(len)
    }

    /// The socket took all `len` bytes of a reply that was lent.
    #[inline]
    pub(crate) fn lent_all<P: Protocol<State = S>>(&mut self, len: usize, shared: &mut Resources<P>) -> Want {
        shared.wrote(len);
        self.sent(len, shared)
    }

    /// The socket took the first `count` bytes of a reply that was lent; see [`Connection::sent`]. The rest
    /// is kept.
    #[inline]
    pub(crate) fn lent<P: Protocol<State = S>>(
        &mut self,
        reply: &[u8],
        count: usize,
        shared: &mut Resources<P>,
    ) -> Want {
        if count < reply.len() {
            shared.output[..reply.len()].copy_from_slice(reply);
        }
        shared.wrote(reply.len());
        self.sent(count, shared)
    }

    /// The socket took `count` bytes of what `unsent` returned. [`Want::Wait`] means that bytes are left and
    /// kept; [`Want::Write`] means that a further reply is ready.
    #[inline(always)]
    pub(crate) fn sent<P: Protocol<State = S>>(&mut self, count: usize, shared: &mut Resources<P>) -> Want {
        shared.counters.bytes_out += count as u64;
        let is_whole = match &mut self.unsent {
            None if shared.output_len > 0 => {
                let (offered, literal) = (std::mem::take(&mut shared.output_len), shared.literal_len);
                if count < literal {
                    let rest = &shared.output[count..literal];
                    match shared.pool.take(rest, rest.len()) {
                        Ok(buffer) => self.unsent = Some(buffer),
                        Err(_) => return self.give_up(CloseReason::BuffersExhausted, shared),
                    }
                }
                if offered > literal {
                    shared.protocol.filler_sent(&mut self.state, count.saturating_sub(literal));
                }
                count == offered
            }
            None => {
                let offered = self.filler_offered(shared);
                shared.protocol.filler_sent(&mut self.state, count);
                count == offered
            }
            Some(buffer) => {
                buffer.advance(count);
                let is_whole = buffer.len() == 0;
                if is_whole && let Some(buffer) = self.unsent.take() {
                    shared.pool.give_back(buffer);
                }
                is_whole
            }
        };
        if !is_whole {
            shared.counters.short_sends += 1;
            if count > 0 || self.timer != Timer::Write {
                self.start(Timer::Write, shared);
            }
            return Want::Wait;
        }
        if self.next == Next::More && shared.protocol.filler_left(&self.state) > 0 {
            return Want::Write;
        }
        self.set(REPLYING, false);
        self.follow(shared)
    }

    /// The kernel was given the address of the unsent reply.
    #[inline]
    pub(crate) fn pin(&mut self) {
        self.flags |= PINNED;
    }

    /// The kernel has finished with it. A connection that gave up meanwhile gives its buffer back.
    #[inline]
    pub(crate) fn unpin<P: Protocol<State = S>>(&mut self, shared: &mut Resources<P>) {
        self.flags &= !PINNED;
        if !self.has(REPLYING)
            && let Some(buffer) = self.unsent.take()
        {
            shared.pool.give_back_left(buffer);
        }
    }
}
