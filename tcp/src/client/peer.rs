//! The state of one connection: 16 bytes. Decides nothing.

use crate::Sequence;

/// Most retransmissions that a peer can count.
pub(super) const RETRIES_MAX: u8 = 15;

/// The states of RFC 9293 §3.3.2, except LISTEN. In Closed and TimeWait the peer may be opened again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    #[default]
    Closed,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    /// Lasts until the peer is opened again, since its slot stays allocated anyway.
    TimeWait,
}

impl State {
    /// Whether our FIN has been sent and not been acknowledged.
    pub(super) const fn has_fin_in_flight(self) -> bool {
        matches!(self, State::FinWait1 | State::Closing | State::LastAck)
    }

    /// Whether the caller has let go of the connection.
    pub(super) const fn is_orphan(self) -> bool {
        matches!(self, State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck)
    }

    /// Whether a connection may begin.
    pub(super) const fn is_free(self) -> bool {
        matches!(self, State::Closed | State::TimeWait)
    }
}

/// Four flags, and above them the number of retransmissions since the last progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Marks(u8);

impl Marks {
    /// Is in the timer wheel.
    pub(super) const TIMED: Marks = Marks(1);
    /// Has received something that no segment has acknowledged yet.
    pub(super) const OWES_ACK: Marks = Marks(1 << 1);
    /// The caller has more to send than fitted.
    pub(super) const BLOCKED: Marks = Marks(1 << 2);
    /// In SYN-SENT only: since the timer last ran, a connection of an earlier client was reset and the SYN
    /// sent again. The same bit as [`Marks::BLOCKED`], which SYN-SENT does not use.
    pub(super) const CALLED_AGAIN: Marks = Marks::BLOCKED;
    /// Retransmits lost bytes first; sends nothing new until then.
    pub(super) const RECOVERING: Marks = Marks(1 << 3);
    /// In SYN-SENT only: the earlier client's connection that this one replaces has been counted. The same bit as
    /// [`Marks::RECOVERING`], which SYN-SENT does not use.
    pub(super) const REPLACES: Marks = Marks::RECOVERING;

    #[inline]
    pub(super) const fn has(self, mark: Marks) -> bool {
        self.0 & mark.0 != 0
    }

    #[inline]
    pub(super) const fn set(&mut self, mark: Marks) {
        self.0 |= mark.0;
    }

    #[inline]
    pub(super) const fn clear(&mut self, mark: Marks) {
        self.0 &= !mark.0;
    }

    #[inline]
    pub(super) const fn retries(self) -> u8 {
        self.0 >> 4
    }

    pub(super) const fn set_retries(&mut self, count: u8) {
        let count = if count > RETRIES_MAX { RETRIES_MAX } else { count };
        self.0 = (self.0 & 15) | count << 4;
    }
}

/// One end of a connection. Its addresses follow from its index.
///
/// SND.WL1 and SND.WL2 are missing: a window is only taken from the next segment in order, and only if its
/// acknowledgement is not old. For such segments the comparison with them always succeeds (RFC 9293
/// §3.10.7.4).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Peer {
    /// SND.NXT. Kept after the connection ends, so that the next one begins above it.
    pub(super) next: Sequence,
    /// RCV.NXT.
    pub(super) expected: Sequence,
    /// SND.NXT - SND.UNA: unacknowledged bytes, SYN and FIN.
    pub(super) in_flight: u16,
    /// SND.WND, not scaled.
    pub(super) window: u16,
    /// Low bits of the tick in which the oldest byte in flight was sent, or progress was last made.
    pub(super) since: u16,
    pub(super) state: State,
    pub(super) marks: Marks,
}

const _: () = assert!(size_of::<Peer>() <= 16, "millions of peers are held: 16 bytes is their budget");

impl Peer {
    /// SND.UNA.
    #[inline]
    pub(super) const fn unacknowledged(&self) -> Sequence {
        self.next.minus(self.in_flight as u32)
    }

    /// The number of a segment without data. If the server no longer has room for the bytes in flight, it
    /// ignores any segment numbered after them, even its acknowledgement (RFC 9293 §3.10.7.4, and
    /// tcp_acceptable_seq in Linux).
    #[inline]
    pub(super) fn acceptable(&self) -> Sequence {
        self.unacknowledged().plus(u32::from(self.in_flight.min(self.window)))
    }

    /// The invariants between the fields; called where debug builds can afford it.
    pub(super) fn check(&self) {
        let is_opening = matches!(self.state, State::SynSent | State::SynReceived);
        debug_assert!(!is_opening || self.in_flight == 1, "a SYN and nothing else is in flight");
        debug_assert!(!self.state.has_fin_in_flight() || self.in_flight > 0, "a FIN is in flight");
        debug_assert!(!self.state.is_free() || self.in_flight == 0, "what is over sends nothing");
        debug_assert!(self.in_flight == 0 || self.marks.has(Marks::TIMED), "what is in flight has a timer");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_retries_do_not_touch() {
        let mut marks = Marks::default();
        marks.set(Marks::BLOCKED);
        for (count, expected) in [(0, 0), (7, 7), (15, 15), (16, 15), (255, 15)] {
            marks.set_retries(count);
            assert_eq!(marks.retries(), expected);
            assert!(marks.has(Marks::BLOCKED) && !marks.has(Marks::TIMED) && !marks.has(Marks::RECOVERING));
        }
        marks.clear(Marks::BLOCKED);
        assert_eq!((marks.retries(), marks.has(Marks::BLOCKED)), (15, false));
    }

    #[test]
    fn what_is_in_flight_may_wrap() {
        let peer = Peer { next: Sequence(5), in_flight: 10, ..Peer::default() };
        assert_eq!(peer.unacknowledged(), Sequence(u32::MAX - 4));
    }
}
