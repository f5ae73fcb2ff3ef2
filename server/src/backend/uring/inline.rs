//! Sends that finish during submission.
//!
//! With MSG_DONTWAIT the kernel never defers a send (REQ_F_NOWAIT in io_uring/net.c since Linux 5.12): it
//! tries it while it consumes the entry, and the send succeeds or fails then. With MSG_WAITALL a partial send
//! is a failure, and IOSQE_CQE_SKIP_SUCCESS (Linux 5.17) hides only successes. So once the kernel has
//! consumed the entries, every send without a completion is done, and the kernel holds no address: replies
//! need no buffer of their own, only a place until the next submission.

use super::state::tag;
use super::style::Send;
use crate::shard::slab::{ConnectionId, Token};

/// Room for the replies of one turn. Longer ones take pooled buffers and ordinary sends.
const PLACE_LEN: usize = 128 * 1024;

/// A queued send and the position of its reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queued {
    pub(super) id: ConnectionId,
    start: u32,
    pub(super) len: u32,
    /// It failed, and the failure has been handled.
    pub(super) failed: bool,
}

/// Replies queued since the ring last consumed entries.
pub(super) struct InlineSends {
    place: Box<[u8]>,
    used: usize,
    queued: Vec<Queued>,
    /// A second vector, so that queueing new sends while old ones are settled allocates nothing.
    spare: Vec<Queued>,
}

impl InlineSends {
    /// Takes memory only if the variant uses inline sends.
    pub(super) fn new(send: Send) -> InlineSends {
        let place_len = match send {
            Send::Inline => PLACE_LEN,
            Send::Reported => 0,
        };
        InlineSends {
            place: vec![0; place_len].into_boxed_slice(),
            used: 0,
            queued: Vec::with_capacity(place_len / 128),
            spare: Vec::with_capacity(place_len / 128),
        }
    }

    /// Space for the next reply.
    #[inline]
    pub(super) fn free(&mut self) -> &mut [u8] {
        &mut self.place[self.used..]
    }

    /// A reply of `len` bytes was written into `free`. Returns it with the token of its send; its address is
    /// stable until `take`.
    #[inline]
    pub(super) fn queue(&mut self, id: ConnectionId, len: usize) -> (Token, &[u8]) {
        let (start, position) = (self.used, self.queued.len() as u32);
        self.used += len;
        self.queued.push(Queued { id, start: start as u32, len: len as u32, failed: false });
        // A failure names the send by its position. It is reported before the position is reused: see `take`.
        let position = ConnectionId { index: position, generation: 0 };
        (Token::new(position, tag::SEND_INLINE), &self.place[start..start + len])
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.queued.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.queued.len()
    }

    /// Offers no room for replies until `open` or `take`.
    pub(super) fn close(&mut self) -> usize {
        std::mem::replace(&mut self.used, self.place.len())
    }

    pub(super) fn open(&mut self, used: usize) {
        self.used = used;
    }

    /// Notes that the send at `position` failed. Returns it unless the failure was noted before.
    pub(super) fn fail(&mut self, position: u32) -> Option<Queued> {
        let queued = self.queued.get_mut(position as usize).filter(|queued| !queued.failed)?;
        queued.failed = true;
        Some(*queued)
    }

    pub(super) fn reply(&self, queued: Queued) -> &[u8] {
        &self.place[queued.start as usize..][..queued.len as usize]
    }

    /// Takes out the queued sends and frees the place. The ring has consumed all of them and reported the
    /// failures.
    #[inline]
    pub(super) fn take(&mut self) -> Vec<Queued> {
        self.used = 0;
        std::mem::replace(&mut self.queued, std::mem::take(&mut self.spare))
    }

    /// Returns the vector of `take`.
    #[inline]
    pub(super) fn put_back(&mut self, mut settled: Vec<Queued>) {
        settled.clear();
        self.spare = settled;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finding a failed send is one step, however many are queued: no list is searched.
    #[test]
    fn a_failed_send_is_found_by_its_token() {
        let mut sends = InlineSends::new(Send::Inline);
        let id = |index| ConnectionId { index, generation: 7 };
        let tokens: Vec<Token> = (0..1000).map(|index| sends.queue(id(10_000 + index), 100).0).collect();
        for (index, token) in tokens.iter().enumerate().rev() {
            let send = sends.fail(token.id().index).expect("queued");
            assert_eq!((send.id, send.start as usize), (id(10_000 + index as u32), index * 100));
            assert!(sends.fail(token.id().index).is_none(), "a failure is handled once");
        }
        assert!(sends.fail(1000).is_none());
    }

    #[test]
    fn nothing_is_laid_among_submitted_replies_while_failures_are_handled() {
        let mut sends = InlineSends::new(Send::Inline);
        sends.queue(ConnectionId { index: 1, generation: 1 }, 100);
        let used = sends.close();
        assert!(sends.free().is_empty());
        sends.open(used);
        assert_eq!(sends.free().len(), PLACE_LEN - 100);
        assert_eq!(sends.take().len(), 1);
        assert_eq!(sends.free().len(), PLACE_LEN);
    }
}
