//! The calling side of very many connections to one server: opening, sending, closing, retransmission.
//!
//! A peer costs 16 bytes, 4 more while a timer runs for it, and a copy of what it has sent for as long as
//! that is not acknowledged. There are no receive buffers: bytes are handed on as they come in order.
//! Deliberately left out, as the link is a queue in memory: options but the maximum segment size,
//! reordering (what comes out of order is dropped and asked for again), and congestion control beyond a
//! window of [`SEGMENTS_AHEAD_MAX`] segments (the initial window of RFC 6928), one after a timeout.

mod addresses;
mod challenges;
mod peer;
mod receive;
mod retained;
mod time;

use crate::wire::{Checksums, Flags, Packet, Segment};
use crate::{Outbox, Sequence};
use challenges::Challenges;
use peer::{Marks, Peer, State};
use retained::Retained;
use std::hash::{DefaultHasher, Hasher};
use std::net::SocketAddrV4;
use time::{RoundTrip, TIMEOUT_FIRST, TIMEOUT_MAX, Wheel};

pub use addresses::Block;
pub use time::Tick;

/// Segments that may be in flight.
pub const SEGMENTS_AHEAD_MAX: u32 = 10;
/// Bytes of a peer, whatever it does.
pub const PEER_LEN: usize = size_of::<Peer>();

/// What is always advertised: bytes are handed on at once, and no window scale is offered.
const WINDOW: u16 = u16::MAX;
/// Assumed of a server that does not say (RFC 9293 §3.7.1).
const MSS_UNSAID: u16 = 536;
/// A server that asks for less gets this, as from Linux (tcp_min_snd_mss): or each byte is a packet.
const MSS_MIN: u16 = 48;
/// What a peer's next connection begins above the end of the last: more than a window, so that what is
/// left of the last one is old (RFC 9293 §3.4.3).
const SEQUENCE_STEP: u32 = 1 << 17;
/// What a client that is started anew begins above the end of the last: 8 ms in steps of 4 µs.
const SEQUENCES_PER_TICK: u64 = 2000;
/// Retransmissions of a SYN, as in Linux (tcp_syn_retries): 127 s in all.
const SYN_RETRIES_MAX: u8 = 6;
/// Retransmissions of data and, once the caller has let go, of a FIN: 100 s and 6 s at the shortest timeout.
const RETRIES_MAX: u8 = 8;
const ORPHAN_RETRIES_MAX: u8 = 4;
/// How long a server may take to close its side after ours was closed (ticks of 8 ms: 1 s), before it
/// is reset. The peer is opened again with the same address, and it would have to wait.
const FIN_WAIT: u32 = TIMEOUT_FIRST;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// After the caller had closed it.
    Closed,
    /// The server answered the SYN with a reset.
    Refused,
    /// The server reset it.
    Reset,
    /// The server did not acknowledge what was sent, however often.
    TimedOut,
}

/// What a packet meant for the caller, to be looked at in the order of the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// The peer it was for.
    pub peer: u32,
    /// The handshake is complete.
    pub is_established: bool,
    /// New bytes, in order.
    pub data: &'a [u8],
    /// There is room again for what [`Client::send`] did not take.
    pub has_room: bool,
    /// The server has closed its side.
    pub has_finished: bool,
    /// The connection is over and the peer may be opened again.
    pub ending: Option<Ending>,
}

/// What a client is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who is called.
    pub server: SocketAddrV4,
    /// Where the peers are.
    pub block: Block,
    /// Peers at most; beyond [`Block::PEERS_MAX`] there are none.
    pub peers_max: u32,
    /// The largest segment of either direction, in bytes of data: the link's MTU less 40.
    pub mss: u16,
    /// What the first sequence numbers are hashed with. With the same key they rise from client to client,
    /// so that a server that still remembers the last takes the next for what it is.
    pub key: u64,
    /// Who computes the checksums of what is sent.
    pub checksums: Checksums,
    /// What the device wants in front of each packet.
    pub prefix: Vec<u8>,
}

/// What happened that no peer remembers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that could not be parsed.
    pub rejected: u64,
    /// Segments that came out of order and were dropped.
    pub out_of_order: u64,
    /// Segments that were sent again.
    pub retransmitted: u64,
    /// Segments for no connection that were answered with a reset.
    pub refused: u64,
    /// Connections of a client before this one that the server still had, and that were reset to make room.
    /// Most were established: that client was killed.
    pub replaced: u64,
    /// Segments whose numbers cannot be right, answered with an acknowledgement or not at all.
    pub unacceptable: u64,
}

/// Peers, and what waits to be sent for them. After every call [`Client::outbox`] is to be emptied.
#[derive(Debug)]
pub struct Client {
    config: Config,
    /// As many as were ever opened: memory follows use.
    peers: Vec<Peer>,
    retained: Retained,
    wheel: Wheel,
    round_trip: RoundTrip,
    /// The smaller of our own maximum and the smallest any server socket has announced.
    mss: u16,
    /// Peers marked [`Marks::OWES_ACK`], and some that no longer are.
    owing: Vec<u32>,
    challenges: Challenges,
    counters: Counters,
    /// Packets to send.
    pub outbox: Outbox,
}

impl Client {
    /// A client whose peers are all closed.
    pub fn new(config: Config, now: Tick) -> Client {
        let outbox = Outbox::new(&config.prefix, config.checksums);
        Client {
            mss: config.mss.max(MSS_MIN),
            peers: Vec::with_capacity(config.peers_max.min(Block::PEERS_MAX) as usize),
            config,
            retained: Retained::default(),
            wheel: Wheel::new(now),
            round_trip: RoundTrip::default(),
            owing: Vec::new(),
            challenges: Challenges::default(),
            counters: Counters::default(),
            outbox,
        }
    }

    /// What has been counted so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether a peer may be opened.
    pub fn is_free(&self, index: u32) -> bool {
        index < self.config.peers_max.min(Block::PEERS_MAX)
            && self.peers.get(index as usize).is_none_or(|peer| peer.state.is_free())
    }

    /// Sends a SYN. The outcome comes from [`Client::on_packet`] or [`Client::on_time`]. A peer that is
    /// not free stays as it is.
    pub fn open(&mut self, index: u32, now: Tick) {
        if !self.is_free(index) {
            debug_assert!(false, "peer {index} is not free");
            return;
        }
        while self.peers.len() <= index as usize {
            let first = self.first_sequence(self.peers.len() as u32, now);
            self.peers.push(Peer { next: first, ..Peer::default() });
        }
        let peer = &mut self.peers[index as usize];
        let is_timed = peer.marks.has(Marks::TIMED);
        *peer = Peer { next: peer.next.plus(SEQUENCE_STEP + 1), in_flight: 1, since: now.low(), ..Peer::default() };
        peer.state = State::SynSent;
        if is_timed {
            peer.marks.set(Marks::TIMED);
        }
        self.emit_syn(index);
        self.arm(index, now);
    }

    /// Sends as many of `bytes` as the server and the window take, and returns how many. For the rest
    /// [`Received::has_room`] tells when there is room.
    pub fn send(&mut self, index: u32, bytes: &[u8], now: Tick) -> usize {
        let Some(peer) = self.peers.get_mut(index as usize) else { return 0 };
        if bytes.is_empty() || !matches!(peer.state, State::Established | State::CloseWait) {
            return 0;
        }
        let mut take = room(peer, self.mss).min(bytes.len());
        // No small segments while larger ones may become possible (RFC 9293 §3.8.6.2.1).
        if take < bytes.len() && take < usize::from(self.mss) && peer.in_flight > 0 {
            take = 0;
        }
        if take < bytes.len() {
            peer.marks.set(Marks::BLOCKED);
        }
        if peer.in_flight == 0 {
            peer.since = now.low();
        }
        let mut sequence = peer.next;
        peer.next = peer.next.plus(take as u32);
        peer.in_flight += take as u16;
        if take > 0 {
            self.retained.append(index, &bytes[..take]);
        }
        let mut rest = &bytes[..take];
        while !rest.is_empty() {
            let (data, behind) = rest.split_at(rest.len().min(usize::from(self.mss)));
            let flags = if behind.is_empty() { Flags::ACK.with(Flags::PSH) } else { Flags::ACK };
            self.emit(index, flags, sequence, data);
            sequence = sequence.plus(data.len() as u32);
            rest = behind;
        }
        self.arm(index, now);
        take
    }

    /// Closes a connection: with a FIN when there is one, which takes until [`Received::ending`] says so.
    /// Returns whether the peer is free already.
    pub fn close(&mut self, index: u32, now: Tick) -> bool {
        let Some(peer) = self.peers.get_mut(index as usize) else { return true };
        let next = match peer.state {
            State::Established => State::FinWait1,
            State::CloseWait => State::LastAck,
            // Nothing is there to be closed in order. RFC 9293 §3.10.4 has a FIN for SYN-RECEIVED, which
            // here only two ends reach that call one another at the same moment.
            State::SynSent | State::SynReceived => {
                self.abort(index);
                return true;
            }
            state => return state.is_free(),
        };
        if peer.in_flight == 0 {
            peer.since = now.low();
            peer.marks.set_retries(0);
        }
        let sequence = peer.next;
        peer.marks.clear(Marks::BLOCKED);
        peer.state = next;
        peer.next = peer.next.plus(1);
        peer.in_flight += 1;
        self.emit(index, Flags::FIN.with(Flags::ACK), sequence, &[]);
        self.arm(index, now);
        false
    }

    /// Resets a connection, if there is one; the peer is free afterwards.
    pub fn abort(&mut self, index: u32) {
        let Some(peer) = self.peers.get(index as usize) else { return };
        let (state, sequence) = (peer.state, peer.acceptable());
        if state.is_free() {
            return;
        }
        if state != State::SynSent {
            self.emit(index, Flags::RST.with(Flags::ACK), sequence, &[]);
        }
        self.end(index);
    }

    /// Peers from the first on that were ever opened.
    pub fn peers_opened(&self) -> u32 {
        self.peers.len() as u32
    }

    /// Acknowledges what has been received since the last call and was not acknowledged by data on the
    /// way back. To be called at the end of every batch of packets.
    pub fn acknowledge(&mut self) {
        while let Some(index) = self.owing.pop() {
            let peer = &self.peers[index as usize];
            if peer.marks.has(Marks::OWES_ACK) {
                let sequence = peer.acceptable();
                self.emit(index, Flags::ACK, sequence, &[]);
            }
        }
    }

    /// Works off the timers that are due, until one of them ends a connection.
    pub fn on_time(&mut self, now: Tick) -> Option<(u32, Ending)> {
        while let Some(index) = self.wheel.pop(now) {
            let peer = &mut self.peers[index as usize];
            peer.marks.clear(Marks::TIMED);
            let Some(wait) = self.wait_of(index) else { continue };
            let peer = &mut self.peers[index as usize];
            if u32::from(now.age(peer.since)) >= wait
                && let Some(ending) = self.on_due(index, now)
            {
                return Some((index, ending));
            }
            self.arm(index, now);
        }
        None
    }

    /// How long after `since` something is to be done for a peer, in ticks.
    fn wait_of(&self, index: u32) -> Option<u32> {
        let peer = &self.peers[index as usize];
        match peer.state {
            State::SynSent | State::SynReceived => Some((TIMEOUT_FIRST << peer.marks.retries()).min(TIMEOUT_MAX)),
            State::FinWait2 => Some(FIN_WAIT),
            _ if peer.in_flight > 0 || peer.marks.has(Marks::BLOCKED) => {
                Some(self.round_trip.timeout(peer.marks.retries()))
            }
            _ => None,
        }
    }

    /// The time of a peer has come: sends again, asks for the window, or gives up.
    fn on_due(&mut self, index: u32, now: Tick) -> Option<Ending> {
        let peer = &mut self.peers[index as usize];
        let (state, retries) = (peer.state, peer.marks.retries());
        if state == State::FinWait2 {
            self.abort(index);
            return Some(Ending::Closed);
        }
        let retries_max = match state {
            State::SynSent | State::SynReceived => SYN_RETRIES_MAX,
            _ if state.is_orphan() => ORPHAN_RETRIES_MAX,
            // A closed window is asked about for as long as the caller likes (RFC 9293 §3.8.6.1).
            _ if peer.in_flight == 0 => u8::MAX,
            _ => RETRIES_MAX,
        };
        if retries >= retries_max {
            self.abort(index);
            return Some(if state.is_orphan() { Ending::Closed } else { Ending::TimedOut });
        }
        peer.since = now.low();
        peer.marks.set_retries(retries + 1);
        if peer.in_flight == 0 {
            // An old number without data: whoever gets it must answer with its window. A byte of data,
            // which RFC 9293 §3.8.6.1 suggests, is not ours to take from the caller.
            let sequence = peer.next.minus(1);
            self.emit(index, Flags::ACK, sequence, &[]);
            return None;
        }
        if matches!(state, State::SynSent | State::SynReceived) {
            peer.marks.clear(Marks::CALLED_AGAIN);
        } else {
            peer.marks.set(Marks::RECOVERING);
        }
        self.resend(index);
        None
    }

    /// Sends the oldest segment in flight again.
    fn resend(&mut self, index: u32) {
        self.counters.retransmitted += 1;
        let peer = &self.peers[index as usize];
        if matches!(peer.state, State::SynSent | State::SynReceived) {
            return self.emit_syn(index);
        }
        let (sequence, has_fin) = (peer.unacknowledged(), peer.state.has_fin_in_flight());
        // Taken out, because the outbox is borrowed together with the rest.
        let retained = std::mem::take(&mut self.retained);
        let bytes = retained.look(index);
        let data = &bytes[..bytes.len().min(usize::from(self.mss))];
        let mut flags = Flags::ACK;
        if !data.is_empty() {
            flags = flags.with(Flags::PSH);
        }
        if has_fin && data.len() == bytes.len() {
            flags = flags.with(Flags::FIN);
        }
        self.emit(index, flags, sequence, data);
        self.retained = retained;
    }

    /// Sees to it that the peer is looked at when its time comes.
    #[inline]
    fn arm(&mut self, index: u32, now: Tick) {
        let Some(wait) = self.wait_of(index) else { return };
        let peer = &mut self.peers[index as usize];
        if !peer.marks.has(Marks::TIMED) {
            peer.marks.set(Marks::TIMED);
            let left = wait.saturating_sub(u32::from(now.age(peer.since)));
            self.wheel.insert(index, now.0 + u64::from(left));
        }
        peer.check();
    }

    fn emit_syn(&mut self, index: u32) {
        let peer = &self.peers[index as usize];
        let (sequence, flags) = match peer.state {
            State::SynReceived => (peer.unacknowledged(), Flags::SYN.with(Flags::ACK)),
            _ => (peer.unacknowledged(), Flags::SYN),
        };
        self.push(index, Segment { sequence, flags, mss: Some(self.config.mss), ..Segment::default() });
    }

    /// Sends a segment, which acknowledges whatever has been received.
    #[inline]
    fn emit(&mut self, index: u32, flags: Flags, sequence: Sequence, data: &[u8]) {
        self.peers[index as usize].marks.clear(Marks::OWES_ACK);
        self.push(index, Segment { sequence, flags, data, ..Segment::default() });
    }

    #[inline]
    fn push(&mut self, index: u32, segment: Segment<'_>) {
        let expected = self.peers[index as usize].expected;
        let acknowledgement = if segment.flags.has(Flags::ACK) { expected } else { Sequence(0) };
        self.outbox.push(&Packet {
            source: self.config.block.endpoint(index),
            destination: self.config.server,
            segment: Segment { acknowledgement, window: WINDOW, ..segment },
        });
    }

    /// The connection is over.
    fn end(&mut self, index: u32) {
        self.retained.forget(index);
        let peer = &mut self.peers[index as usize];
        (peer.state, peer.in_flight) = (State::Closed, 0);
        for mark in [Marks::OWES_ACK, Marks::BLOCKED, Marks::RECOVERING] {
            peer.marks.clear(mark);
        }
    }

    /// Where the numbers of a peer's first connection begin, less one step: a hash, and a clock that counts
    /// steps of 4 µs (RFC 9293 §3.4.1).
    fn first_sequence(&self, index: u32, now: Tick) -> Sequence {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.config.key);
        hasher.write_u32(index);
        Sequence(hasher.finish() as u32).plus((now.0 * SEQUENCES_PER_TICK) as u32)
    }
}

/// Bytes that may be sent now.
fn room(peer: &Peer, mss: u16) -> usize {
    if peer.marks.has(Marks::RECOVERING) {
        return 0;
    }
    // One number is left for the FIN.
    let ahead_max = (u32::from(mss) * SEGMENTS_AHEAD_MAX).min(u32::from(u16::MAX) - 1);
    ahead_max.min(u32::from(peer.window)).saturating_sub(u32::from(peer.in_flight)) as usize
}
