//! Bytes that the kernel may still read: each pending send has a slot here.

use crate::engine::token::Token;

/// A pending send.
#[derive(Debug)]
struct Slot {
    token: Token,
    /// The copy, if the bytes were not lent. A free slot keeps its memory for the next send.
    own: Vec<u8>,
    start: *const u8,
    len: usize,
    done: usize,
}

/// All pending sends of one ring. A slot's bytes stay in place until it is released.
#[derive(Debug, Default)]
pub(super) struct Sends {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Sends {
    fn take(&mut self, token: Token) -> (u32, &mut Slot) {
        let slot = self.free.pop().unwrap_or_else(|| {
            let start = std::ptr::null();
            self.slots.push(Slot { token, own: Vec::new(), start, len: 0, done: 0 });
            (self.slots.len() - 1) as u32
        });
        let taken = &mut self.slots[slot as usize];
        (taken.token, taken.done) = (token, 0);
        (slot, taken)
    }

    /// A slot for bytes that neither change nor move during the lifetime of the ring.
    #[inline]
    pub(super) fn lend(&mut self, token: Token, bytes: &[u8]) -> u32 {
        let (slot, taken) = self.take(token);
        (taken.start, taken.len) = (bytes.as_ptr(), bytes.len());
        slot
    }

    /// A slot with a copy of `bytes`.
    #[inline]
    pub(super) fn copy(&mut self, token: Token, bytes: &[u8]) -> u32 {
        let (slot, taken) = self.take(token);
        taken.own.clear();
        taken.own.extend_from_slice(bytes);
        // The heap memory of a Vec does not move when the slots do.
        (taken.start, taken.len) = (taken.own.as_ptr(), bytes.len());
        slot
    }

    /// Address and number of the bytes still to be sent.
    #[inline]
    pub(super) fn rest(&self, slot: u32) -> (*const u8, u32) {
        let Slot { start, len, done, .. } = &self.slots[slot as usize];
        (start.wrapping_add(*done), u32::try_from(len - done).unwrap_or(u32::MAX))
    }

    pub(super) fn token(&self, slot: u32) -> Token {
        self.slots[slot as usize].token
    }

    /// Notes the result of a send; true when bytes are left to be sent.
    #[inline]
    pub(super) fn advance(&mut self, slot: u32, result: i32) -> bool {
        let taken = &mut self.slots[slot as usize];
        let Ok(count @ 1..) = usize::try_from(result) else { return false };
        taken.done += count;
        taken.done < taken.len
    }

    #[inline]
    pub(super) fn release(&mut self, slot: u32) {
        self.free.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_sends_go_on_where_they_stopped() {
        let (mut sends, bytes) = (Sends::default(), b"0123456789");
        let token = |index| Token { index, generation: 1 };
        let (lent, copied) = (sends.lend(token(1), bytes), sends.copy(token(2), bytes));
        assert_eq!(sends.rest(lent), (bytes.as_ptr(), 10));
        assert_ne!(sends.rest(copied).0, bytes.as_ptr());
        assert!(sends.advance(lent, 4));
        assert_eq!(sends.rest(lent), (bytes.as_ptr().wrapping_add(4), 6));
        assert!(!sends.advance(lent, 6));
        assert!(!sends.advance(copied, -32), "an error leaves nothing to send");
        assert_eq!((sends.token(lent).index, sends.token(copied).index), (1, 2));
        sends.release(copied);
        assert_eq!(sends.lend(token(3), bytes), copied, "slots are used again");
        assert_eq!(sends.token(copied).index, 3);
    }
}
