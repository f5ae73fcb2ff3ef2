//! Sends that are over when they are submitted.
//!
//! With MSG_DONTWAIT the kernel never puts a send aside (REQ_F_NOWAIT in io_uring/net.c since Linux 5.12):
//! it is tried while the entry is consumed, and succeeds or fails there. With MSG_WAITALL anything less
//! than all of the bytes is a failure, and IOSQE_CQE_SKIP_SUCCESS (Linux 5.17) hides nothing but success.
//! So once the ring has consumed the entries, every send without a completion is done, and the kernel has
//! no address left: replies need no buffer of their own, only a place until the next submission.

use crate::shard::slab::ConnectionId;

/// Room for the replies of one turn. Longer ones take pooled buffers and ordinary sends.
const PLACE_LEN: usize = 128 * 1024;

/// A send that was queued, and where its reply lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queued {
    pub(super) id: ConnectionId,
    start: u32,
    len: u32,
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
    pub(super) fn new(is_used: bool) -> InlineSends {
        let place_len = if is_used { PLACE_LEN } else { 0 };
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

    /// A reply of `len` bytes was laid into `free`. Returns it; its address is stable until `take`.
    #[inline]
    pub(super) fn queue(&mut self, id: ConnectionId, len: usize) -> &[u8] {
        let start = self.used;
        self.used += len;
        self.queued.push(Queued { id, start: start as u32, len: len as u32 });
        &self.place[start..start + len]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queued.is_empty()
    }

    /// The reply of the send that is queued for `id`.
    pub(super) fn reply_of(&self, id: ConnectionId) -> Option<&[u8]> {
        let queued = self.queued.iter().find(|queued| queued.id == id)?;
        Some(&self.place[queued.start as usize..][..queued.len as usize])
    }

    /// Forgets the send that is queued for `id`.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.queued.retain(|queued| queued.id != id);
    }

    /// Takes out what is queued, and makes the place free again.
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

impl Queued {
    #[inline]
    pub(super) fn len(self) -> usize {
        self.len as usize
    }
}
