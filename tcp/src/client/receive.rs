//! Incoming segments: the checks of RFC 9293 §3.10.7 in order, hardened as in RFC 5961.

use super::time::Tick;
use super::{Client, Ending, MSS_MIN, MSS_UNSAID, Marks, RETRIES_MAX, Received, State, WINDOW, room};
use crate::Sequence;
use crate::wire::{Checksums, Flags, Packet, Segment};

/// How the acknowledgement of a segment relates to what was sent.
#[derive(PartialEq, Eq)]
enum Acknowledged {
    /// It does not contradict what was sent.
    Fine,
    /// It acknowledges bytes that were never sent; drop the segment.
    Impossible,
}

impl Client {
    /// Takes a packet from the link. `None`: it meant nothing for any peer, or was answered here.
    #[inline]
    pub fn on_packet<'a>(&mut self, bytes: &'a [u8], checksums: Checksums, now: Tick) -> Option<Received<'a>> {
        let packet = match Packet::parse(bytes, checksums) {
            Ok(packet) => packet,
            Err(_) => {
                self.counters.rejected += 1;
                return None;
            }
        };
        if !self.config.block.contains(*packet.destination.ip()) {
            self.counters.rejected += 1;
            return None;
        }
        let index = self.config.block.index_of(&packet.destination);
        let index = index.filter(|&index| packet.source == self.config.server && (index as usize) < self.peers.len());
        match index.map(|index| (index, self.peers[index as usize].state)) {
            None => {
                self.note_replaced(&packet);
                self.refuse(&packet);
            }
            Some((_, State::Closed)) => self.refuse(&packet),
            Some((index, State::SynSent)) => return self.on_handshake(index, &packet, now),
            Some((index, _)) => return self.on_segment(index, &packet, now),
        }
        None
    }

    /// A segment for a peer that was never opened belongs to a connection of an earlier client. The reset that
    /// follows ends that connection.
    #[cold]
    fn note_replaced(&mut self, packet: &Packet<'_>) {
        let is_for_peer =
            self.config.block.index_of(&packet.destination).is_some_and(|index| index < self.config.peers_max);
        let flags = packet.segment.flags;
        if is_for_peer && packet.source == self.config.server && flags.has(Flags::ACK) {
            self.counters.replaced += u64::from(!flags.has(Flags::SYN) && !flags.has(Flags::RST));
        }
    }

    /// Answers a segment that belongs to no connection (RFC 9293 §3.10.7.1).
    #[cold]
    fn refuse(&mut self, packet: &Packet<'_>) {
        let segment = &packet.segment;
        if segment.flags.has(Flags::RST) {
            return;
        }
        self.counters.refused += 1;
        let reset = match segment.flags.has(Flags::ACK) {
            true => Segment { sequence: segment.acknowledgement, flags: Flags::RST, ..Segment::default() },
            false => Segment {
                acknowledgement: segment.sequence.plus(segment.len()),
                flags: Flags::RST.with(Flags::ACK),
                ..Segment::default()
            },
        };
        self.outbox.push(&Packet { source: packet.destination, destination: packet.source, segment: reset });
    }

    /// A segment in SYN-SENT (RFC 9293 §3.10.7.3).
    fn on_handshake<'a>(&mut self, index: u32, packet: &Packet<'a>, now: Tick) -> Option<Received<'a>> {
        let segment = &packet.segment;
        let peer = &mut self.peers[index as usize];
        let acknowledges = segment.flags.has(Flags::ACK);
        if acknowledges && segment.acknowledgement != peer.next {
            self.refuse(packet);
            if !segment.flags.has(Flags::RST) {
                self.call_again(index, segment, now);
            }
            return None;
        }
        if segment.flags.has(Flags::RST) {
            // Anybody could have sent a reset that acknowledges nothing.
            return acknowledges.then(|| {
                self.end(index);
                Received { ending: Some(Ending::Refused), ..nothing(index) }
            });
        }
        if !segment.flags.has(Flags::SYN) {
            return None;
        }
        peer.expected = segment.sequence.plus(1);
        peer.window = segment.window;
        let announced = segment.mss.unwrap_or(MSS_UNSAID).max(MSS_MIN);
        self.mss = self.mss.min(announced);
        if !acknowledges {
            // Simultaneous open (RFC 9293 §3.5, figure 7).
            peer.state = State::SynReceived;
            self.emit_syn(index);
            return None;
        }
        if peer.marks.retries() == 0 {
            self.round_trip.record(now.age(peer.since));
        }
        self.establish(index);
        self.owe_ack(index);
        let mut received = Received { is_established: true, ..nothing(index) };
        self.take_text(index, &Segment { sequence: segment.sequence.plus(1), ..*segment }, now, &mut received);
        Some(received)
    }

    /// The server had a connection of an earlier client with these addresses, and its challenge (RFC 5961 §4) has
    /// just been answered with a reset (RFC 9293 §3.5.1). Now no connection is in the way of a SYN, so send it at
    /// once. Nothing was lost, so waiting for the SYN's timer, a second at first, would be wasted time.
    ///
    /// At most once per run of the timer: a server that answers every SYN like this gets two SYNs where a silent
    /// one gets one. Linux sends at most two challenges a second per connection (net.ipv4.tcp_invalid_ratelimit)
    /// and net.ipv4.tcp_challenge_ack_limit a second in total, 1000 before Linux 5.19. A SYN without an answer is
    /// retransmitted by its timer, like any other.
    #[cold]
    fn call_again(&mut self, index: u32, segment: &Segment<'_>, now: Tick) {
        let peer = &mut self.peers[index as usize];
        if peer.marks.has(Marks::CALLED_AGAIN) {
            return;
        }
        peer.marks.set(Marks::CALLED_AGAIN);
        peer.since = now.low();
        // A challenge with a SYN answers an old SYN of ours whose connection was never established. The reset may get
        // lost, and then the same connection sends another challenge: count it once.
        if !segment.flags.has(Flags::SYN) && !peer.marks.has(Marks::REPLACES) {
            peer.marks.set(Marks::REPLACES);
            self.counters.replaced += 1;
        }
        self.emit_syn(index);
    }

    fn establish(&mut self, index: u32) {
        let peer = &mut self.peers[index as usize];
        (peer.state, peer.in_flight) = (State::Established, 0);
        peer.marks.set_retries(0);
        peer.marks.clear(Marks::RECOVERING);
        peer.marks.clear(Marks::CALLED_AGAIN);
    }

    /// A segment in any state with both numbers known (RFC 9293 §3.10.7.4).
    fn on_segment<'a>(&mut self, index: u32, packet: &Packet<'a>, now: Tick) -> Option<Received<'a>> {
        let segment = &packet.segment;
        let peer = &mut self.peers[index as usize];
        let (expected, flags) = (peer.expected, segment.flags);
        let window = u32::from(WINDOW);
        let is_acceptable = match segment.len() {
            0 => segment.sequence.is_within(expected, window),
            len => {
                let last = segment.sequence.plus(len - 1);
                segment.sequence.is_within(expected, window) || last.is_within(expected, window)
            }
        };
        if !is_acceptable {
            self.on_unacceptable(index, segment, now);
            return None;
        }
        if flags.has(Flags::RST) {
            return self.on_reset(index, segment.sequence, now);
        }
        if flags.has(Flags::SYN) {
            // RFC 5961 §4.2: a server that really has restarted answers this with a reset.
            self.challenge(index, now);
            return None;
        }
        if !flags.has(Flags::ACK) {
            return None;
        }
        let mut received = nothing(index);
        if peer.state == State::SynReceived {
            if segment.acknowledgement != peer.next {
                self.refuse(packet);
                return None;
            }
            received.is_established = true;
            peer.window = segment.window;
            self.establish(index);
        }
        if self.take_acknowledgement(index, segment, now, &mut received) == Acknowledged::Impossible {
            self.challenge(index, now);
            return None;
        }
        if received.ending.is_none() {
            self.take_text(index, segment, now, &mut received);
        }
        (received != nothing(index)).then_some(received)
    }

    /// A segment from outside the window: old, or forged.
    fn on_unacceptable(&mut self, index: u32, segment: &Segment<'_>, now: Tick) {
        if segment.flags.has(Flags::RST) {
            self.counters.unacceptable += 1;
        } else if segment.data.is_empty() && !segment.flags.has(Flags::FIN) {
            self.challenge(index, now);
        } else {
            // A retransmission, because our acknowledgement was lost.
            self.owe_ack(index);
        }
    }

    /// A reset within the window. It is accepted if it has exactly the next number, which is hard to guess;
    /// otherwise the server is challenged (RFC 5961 §3.2).
    fn on_reset<'a>(&mut self, index: u32, sequence: Sequence, now: Tick) -> Option<Received<'a>> {
        let peer = &self.peers[index as usize];
        if sequence != peer.expected {
            self.challenge(index, now);
            return None;
        }
        let ending = match peer.state {
            State::TimeWait => None,
            State::SynReceived => Some(Ending::Refused),
            state if state.is_orphan() => Some(Ending::Closed),
            _ => Some(Ending::Reset),
        };
        self.end(index);
        ending.map(|ending| Received { ending: Some(ending), ..nothing(index) })
    }

    fn challenge(&mut self, index: u32, now: Tick) {
        self.counters.unacceptable += 1;
        if self.challenges.take(now) {
            let sequence = self.peers[index as usize].acceptable();
            self.emit(index, Flags::ACK, sequence, &[]);
        }
    }

    fn owe_ack(&mut self, index: u32) {
        let marks = &mut self.peers[index as usize].marks;
        if !marks.has(Marks::OWES_ACK) {
            marks.set(Marks::OWES_ACK);
            self.owing.push(index);
        }
    }

    /// Takes from a segment what the server has received and how much more it accepts.
    #[inline]
    fn take_acknowledgement(
        &mut self,
        index: u32,
        segment: &Segment<'_>,
        now: Tick,
        received: &mut Received<'_>,
    ) -> Acknowledged {
        let peer = &mut self.peers[index as usize];
        let acknowledged = segment.acknowledgement.since(peer.unacknowledged());
        if acknowledged > u32::from(peer.in_flight) {
            // Old ones are fine as far back as a window reaches (RFC 5961 §5.2).
            let behind = peer.unacknowledged().since(segment.acknowledgement);
            return if behind <= u32::from(u16::MAX) { Acknowledged::Fine } else { Acknowledged::Impossible };
        }
        let was_closed = peer.window == 0;
        if segment.sequence == peer.expected {
            peer.window = segment.window;
        }
        if acknowledged == 0 && peer.in_flight > 0 && (was_closed || peer.window == 0) {
            self.on_window(index, now);
        }
        let peer = &self.peers[index as usize];
        // An open window needs no more probes.
        if acknowledged > 0 || (peer.in_flight == 0 && peer.window > 0) {
            self.on_progress(index, acknowledged as u16, now);
        }
        let peer = &mut self.peers[index as usize];
        if peer.in_flight == 0 && peer.state.has_fin_in_flight() {
            self.on_fin_acknowledged(index, now, received);
        } else if peer.marks.has(Marks::BLOCKED) && has_useful_room(room(peer, self.mss), self.mss, peer.in_flight) {
            peer.marks.clear(Marks::BLOCKED);
            received.has_room = true;
        }
        Acknowledged::Fine
    }

    /// The server has no room for bytes in flight, or has room for them again: it shrank its window, or an
    /// older segment came late with the old window. The server is alive, so do not give up (RFC 9293
    /// §3.8.6.1).
    #[cold]
    fn on_window(&mut self, index: u32, now: Tick) {
        let peer = &mut self.peers[index as usize];
        let retries = peer.marks.retries();
        if peer.window == 0 {
            peer.marks.set_retries(retries.min(RETRIES_MAX - 1));
        } else if peer.marks.has(Marks::RECOVERING) {
            peer.since = now.low();
            peer.marks.set_retries(1);
            self.resend(index);
        }
    }

    fn on_progress(&mut self, index: u32, acknowledged: u16, now: Tick) {
        let peer = &mut self.peers[index as usize];
        let was_sent_once = peer.marks.retries() == 0 && !peer.marks.has(Marks::RECOVERING);
        peer.in_flight -= acknowledged;
        if acknowledged > 0 {
            if was_sent_once && peer.in_flight == 0 {
                self.round_trip.record(now.age(peer.since));
            }
            self.retained.release(index, usize::from(acknowledged));
        }
        // Restart the timer for what is left (RFC 6298 §5.3).
        peer.since = now.low();
        peer.marks.set_retries(0);
        if peer.in_flight == 0 {
            peer.marks.clear(Marks::RECOVERING);
        } else if peer.marks.has(Marks::RECOVERING) {
            self.resend(index);
        }
    }

    fn on_fin_acknowledged(&mut self, index: u32, now: Tick, received: &mut Received<'_>) {
        let peer = &mut self.peers[index as usize];
        match peer.state {
            State::FinWait1 => {
                peer.state = State::FinWait2;
                peer.since = now.low();
                self.arm(index, now);
            }
            State::Closing => {
                peer.state = State::TimeWait;
                received.ending = Some(Ending::Closed);
            }
            _ => {
                self.end(index);
                received.ending = Some(Ending::Closed);
            }
        }
    }

    /// The data of a segment, and its FIN.
    #[inline]
    fn take_text<'a>(&mut self, index: u32, segment: &Segment<'a>, now: Tick, received: &mut Received<'a>) {
        let has_fin = segment.flags.has(Flags::FIN);
        if segment.data.is_empty() && !has_fin {
            return;
        }
        let peer = &mut self.peers[index as usize];
        if peer.expected.is_before(segment.sequence) {
            // A gap: acknowledging what is there makes the server retransmit from the gap on.
            self.counters.out_of_order += 1;
            return self.owe_ack(index);
        }
        let known = peer.expected.since(segment.sequence) as usize;
        let data = segment.data.get(known..).unwrap_or(&[]);
        let is_fin_new = has_fin && known <= segment.data.len();
        // Ignore bytes beyond the advertised window (RFC 9293 §3.10.7.4: trimmed to the window).
        let is_whole = data.len() <= usize::from(WINDOW);
        let data = &data[..data.len().min(usize::from(WINDOW))];
        if !data.is_empty() {
            match peer.state {
                State::Established => {
                    peer.expected = peer.expected.plus(data.len() as u32);
                    received.data = data;
                }
                // Nobody is left to read it; tell the server with a reset (RFC 9293 §3.6.1).
                State::FinWait1 | State::FinWait2 => {
                    self.abort(index);
                    received.ending = Some(Ending::Closed);
                    return;
                }
                // No data can follow a FIN, so ignore it (RFC 9293 §3.10.7.4).
                _ => return,
            }
        }
        if is_fin_new && is_whole {
            return self.on_fin(index, now, received);
        }
        self.owe_ack(index);
    }

    /// The server's FIN, and everything before it, has arrived.
    fn on_fin(&mut self, index: u32, now: Tick, received: &mut Received<'_>) {
        let peer = &mut self.peers[index as usize];
        match peer.state {
            State::Established => {
                peer.expected = peer.expected.plus(1);
                peer.state = State::CloseWait;
                received.has_finished = true;
                self.owe_ack(index);
            }
            State::FinWait1 => {
                peer.expected = peer.expected.plus(1);
                peer.state = State::Closing;
                self.owe_ack(index);
            }
            State::FinWait2 => {
                peer.expected = peer.expected.plus(1);
                peer.state = State::TimeWait;
                received.ending = Some(Ending::Closed);
                // Acknowledge at once: the peer may be opened again before the end of the batch.
                let sequence = peer.next;
                self.emit(index, Flags::ACK, sequence, &[]);
            }
            // A retransmitted FIN: its acknowledgement was lost.
            _ => self.challenge(index, now),
        }
    }
}

/// Whether to wake the caller: if a whole segment fits, or if nothing else would wake it.
fn has_useful_room(room: usize, mss: u16, in_flight: u16) -> bool {
    room > 0 && (room >= usize::from(mss) || in_flight == 0)
}

fn nothing<'a>(peer: u32) -> Received<'a> {
    Received { peer, is_established: false, data: &[], has_room: false, has_finished: false, ending: None }
}
