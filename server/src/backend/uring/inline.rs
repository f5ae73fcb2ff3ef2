//! Sends that are over when they are submitted.
//!
//! With MSG_DONTWAIT the kernel never puts a send aside (REQ_F_NOWAIT in io_uring/net.c since Linux 5.12):
//! it is tried while the entry is consumed, and succeeds or fails there. With MSG_WAITALL anything less
//! than all of the bytes is a failure, and IOSQE_CQE_SKIP_SUCCESS (Linux 5.17) hides nothing but success.
//! So once the ring has consumed the entries, every send without a completion is done, and the kernel has
//! no address left: replies need no buffer of their own, only a place until the next submission.

use super::state::tag;
use super::style::Send;
use crate::shard::slab::{ConnectionId, Token};

/// Room for the replies of one turn. Longer ones take pooled buffers and ordinary sends.
const PLACE_LEN: usize = 128 * 1024;

/// A send that was queued, and where its reply lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queued {
    pub(super) id: ConnectionId,
    start: u32,
    pub(super) len: u32,
    /// It failed, and what follows from that was done.
    pub(super) failed: bool,
}

/// Replies that were queued since the ring consumed its last entries.
pub(super) struct InlineSends {
    place: Box<[u8]>,
    used: usize,
    queued: Vec<Queued>,
    /// The other vector, so that nothing is allocated when new sends are queued while old ones are settled.
    spare: Vec<Queued>,
}

impl InlineSends {
    /// Without memory unless the variant uses it.
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

    /// Where the next reply may be laid.
    #[inline]
    pub(super) fn free(&mut self) -> &mut [u8] {
        &mut self.place[self.used..]
    }

    /// A reply of `len` bytes was laid into `free`. Returns it, with the token of its send; its address is
    /// stable until `take`.
    #[inline]
    pub(super) fn queue(&mut self, id: ConnectionId, len: usize) -> (Token, &[u8]) {
        let (start, position) = (self.used, self.queued.len() as u32);
        self.used += len;
        self.queued.push(Queued { id, start: start as u32, len: len as u32, failed: false });
        // A failure is found by the send's position. It is told before the position is used again: see `take`.
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

    /// Leaves no room for a reply until `open` or `take`.
    pub(super) fn close(&mut self) -> usize {
        std::mem::replace(&mut self.used, self.place.len())
    }

    pub(super) fn open(&mut self, used: usize) {
        self.used = used;
    }

    /// Notes that the send at `position` failed. Returns it, unless that is known.
    pub(super) fn fail(&mut self, position: u32) -> Option<Queued> {
        let queued = self.queued.get_mut(position as usize).filter(|queued| !queued.failed)?;
        queued.failed = true;
        Some(*queued)
    }

    pub(super) fn reply(&self, queued: Queued) -> &[u8] {
        &self.place[queued.start as usize..][..queued.len as usize]
    }

    /// Takes out what is queued, and makes the place free again: the ring has consumed all of it, and told what
    /// failed.
    #[inline]
    pub(super) fn take(&mut self) -> Vec<Queued> {
        self.used = 0;
        std::mem::replace(&mut self.queued, std::mem::take(&mut self.spare))
    }

    /// Gives the vector of `take` back.
    #[inline]
    pub(super) fn put_back(&mut self, mut settled: Vec<Queued>) {
        settled.clear();
        self.spare = settled;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each failure is one step, however many are queued: a list of these is never searched.
    #[test]
    fn a_failed_send_is_found_by_its_token() {
        let mut sends = InlineSends::new(Send::Inline);
        let id = |index| ConnectionId { index, generation: 7 };
        let tokens: Vec<Token> = (0..1000).map(|index| sends.queue(id(10_000 + index), 100).0).collect();
        for (index, token) in tokens.iter().enumerate().rev() {
            let send = sends.fail(token.id().index).expect("queued");
            assert_eq!((send.id, send.start as usize), (id(10_000 + index as u32), index * 100));
            assert!(sends.fail(token.id().index).is_none(), "a failure has one conclusion");
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
