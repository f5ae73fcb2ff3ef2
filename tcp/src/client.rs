//! The calling side of very many connections to one server: opening, sending, closing, retransmission.
//!
//! A peer costs 16 bytes, 4 more while its timer runs, and a copy of its unacknowledged bytes. There are no
//! receive buffers: bytes that arrive in order are handed on at once. The link is a queue in memory, so some
//! features are left out on purpose: options other than the maximum segment size, reordering (segments out of
//! order are dropped and requested again), and congestion control beyond a window of [`SEGMENTS_AHEAD_MAX`]
//! segments (the initial window of RFC 6928), or one segment after a timeout.

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
/// Bytes of a peer, in any state.
pub const PEER_LEN: usize = size_of::<Peer>();

/// The advertised window, always the same: bytes are handed on at once, and no window scale is offered.
const WINDOW: u16 = u16::MAX;
/// Assumed if the server announces none (RFC 9293 §3.7.1).
const MSS_UNSAID: u16 = 536;
/// A server that announces less gets this, as in Linux (tcp_min_snd_mss): otherwise each byte could become a
/// packet.
const MSS_MIN: u16 = 48;
/// Distance from the end of one connection of a peer to the first number of its next: more than a window, so
/// that segments left from the last one are old (RFC 9293 §3.4.3).
const SEQUENCE_STEP: u32 = 1 << 17;
/// How far the initial numbers of a newly started client rise per tick: 8 ms in steps of 4 µs.
const SEQUENCES_PER_TICK: u64 = 2000;
/// Retransmissions of a SYN, as in Linux (tcp_syn_retries): 127 s in all.
const SYN_RETRIES_MAX: u8 = 6;
/// Retransmissions of data and, once the caller has let go, of a FIN: 100 s and 6 s at the shortest timeout.
const RETRIES_MAX: u8 = 8;
const ORPHAN_RETRIES_MAX: u8 = 4;
/// How long the server may take to close its side after we closed ours (ticks of 8 ms: 1 s). Then the
/// connection is reset: the peer's address is needed for its next connection.
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
    /// The server did not acknowledge what was sent, despite all retransmissions.
    TimedOut,
}

/// What a packet means for the caller, who handles it in the order of the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// The peer it was for.
    pub peer: u32,
    /// The handshake is complete.
    pub is_established: bool,
    /// New bytes, in order.
    pub data: &'a [u8],
    /// There is room again for the bytes that [`Client::send`] did not take.
    pub has_room: bool,
    /// The server has closed its side.
    pub has_finished: bool,
    /// The connection is over and the peer may be opened again.
    pub ending: Option<Ending>,
}

/// The settings of a client.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server to connect to.
    pub server: SocketAddrV4,
    /// The addresses of the peers.
    pub block: Block,
    /// Most peers; at most [`Block::PEERS_MAX`] are possible.
    pub peers_max: u32,
    /// The largest segment of either direction, in bytes of data: the link's MTU less 40.
    pub mss: u16,
    /// The hash key for initial sequence numbers. With the same key they rise from one client to the next, so
    /// a server that still has the old connections recognises the new ones.
    pub key: u64,
    /// Who computes the checksums of what is sent.
    pub checksums: Checksums,
    /// What the device wants in front of each packet.
    pub prefix: Vec<u8>,
}

/// Counts of events that no peer stores.
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
    /// Connections of an earlier client that the server still had and that were reset to make room. Most were
    /// established, because that client was killed.
    pub replaced: u64,
    /// Segments with impossible numbers, answered with an acknowledgement or not at all.
    pub unacceptable: u64,
}

/// Peers, and the packets waiting to be sent for them. Empty [`Client::outbox`] after every call.
#[derive(Debug)]
pub struct Client {
    config: Config,
    /// Up to the highest index ever opened, so that memory follows use.
    peers: Vec<Peer>,
    retained: Retained,
    wheel: Wheel,
    round_trip: RoundTrip,
    /// The smaller of our own maximum and the smallest that any server socket has announced.
    mss: u16,
    /// Peers marked [`Marks::OWES_ACK`], and some whose mark was cleared since.
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

    /// Sends as many of `bytes` as the server and the window take, and returns how many.
    /// [`Received::has_room`] tells when there is room for the rest.
    pub fn send(&mut self, index: u32, bytes: &[u8], now: Tick) -> usize {
        let Some(peer) = self.peers.get_mut(index as usize) else { return 0 };
        if bytes.is_empty() || !matches!(peer.state, State::Established | State::CloseWait) {
            return 0;
        }
        let mut take = room(peer, self.mss).min(bytes.len());
        // Send no small segment while a larger one may become possible (RFC 9293 §3.8.6.2.1).
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

    /// Closes a connection. An established one ends with a FIN and is over when [`Received::ending`] says so.
    /// Returns whether the peer is free already.
    pub fn close(&mut self, index: u32, now: Tick) -> bool {
        let Some(peer) = self.peers.get_mut(index as usize) else { return true };
        let next = match peer.state {
            State::Established => State::FinWait1,
            State::CloseWait => State::LastAck,
            // Nothing is established yet, so abort. RFC 9293 §3.10.4 sends a FIN in SYN-RECEIVED, but here
            // only a simultaneous open reaches that state.
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

    /// How many peers, counted from the first, were ever opened.
    pub fn peers_opened(&self) -> u32 {
        self.peers.len() as u32
    }

    /// Acknowledges what was received since the last call, unless outgoing data has acknowledged it already.
    /// Call it at the end of every batch of packets.
    pub fn acknowledge(&mut self) {
        while let Some(index) = self.owing.pop() {
            let peer = &self.peers[index as usize];
            if peer.marks.has(Marks::OWES_ACK) {
                let sequence = peer.acceptable();
                self.emit(index, Flags::ACK, sequence, &[]);
            }
        }
    }

    /// Handles the timers that are due, until one of them ends a connection.
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

    /// Ticks after `since` at which a peer's timer is due.
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

    /// A peer's timer is due: retransmits, probes the window, or gives up.
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
            // A closed window is probed for as long as the caller likes (RFC 9293 §3.8.6.1).
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
            // An old number without data: the receiver must answer with its window. RFC 9293 §3.8.6.1
            // suggests sending a byte of data, but the data is the caller's.
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
        // Taken out because `emit` borrows all of `self`.
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

    /// Sets the peer's timer, unless it is set already.
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

    /// Sends a segment. It also acknowledges everything received so far.
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

    /// The initial number of a peer's first connection, less one step: a hash plus a clock that counts steps
    /// of 4 µs (RFC 9293 §3.4.1).
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
    // Leave one number for the FIN.
    let ahead_max = (u32::from(mss) * SEGMENTS_AHEAD_MAX).min(u32::from(u16::MAX) - 1);
    ahead_max.min(u32::from(peer.window)).saturating_sub(u32::from(peer.in_flight)) as usize
}
