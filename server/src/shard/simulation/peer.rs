//! One peer of the simulation, and the kernel's state of its connection.

use protocol::Output;
use protocol::server::{FILLER, Message, Protocol, Then};

use crate::shard::counters::CloseReason;
use crate::shard::slab::ConnectionId;
use random::Random;

/// How the backend of this connection does I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Readiness: a send is over when it returns.
    Ready,
    /// Completion: a reply is pinned until its send completes, and nothing is received meanwhile.
    Poll,
    /// As before, but bytes may arrive while a reply is pending.
    Multishot,
    /// Replies are lent if possible.
    Inline,
}

/// A send that the kernel has not finished.
pub(super) enum Send {
    Lent(Vec<u8>),
    /// The address and what lies there.
    Pinned(usize, Vec<u8>),
}

pub(super) struct Peer {
    pub(super) id: ConnectionId,
    pub(super) way: Way,
    pub(super) received: Vec<u8>,
    pub(super) in_flight: Option<Send>,
    pub(super) awaits_room: bool,
    pub(super) fin_delivered: bool,
    pub(super) shut: bool,
    /// Something ended or hurried the conversation, so it may be incomplete.
    pub(super) is_disturbed: bool,
    /// It accepts no more bytes: its window is closed for ever.
    pub(super) is_stuck: bool,
    pub(super) end: Option<CloseReason>,
    input: Vec<u8>,
    /// Bytes of the input that have arrived; below, those that the connection was given.
    arrived: usize,
    at: usize,
    /// It closes when all its input is sent; otherwise it stays.
    closes: bool,
    queued: u32,
}

impl Peer {
    pub(super) fn new(id: ConnectionId, input: Vec<u8>, random: &mut Random) -> Peer {
        let way = [Way::Ready, Way::Poll, Way::Multishot, Way::Inline][random.up_to(3)];
        let (is_stuck, closes) = (random.one_in(12), !random.one_in(4));
        Peer {
            id,
            way,
            received: Vec::new(),
            in_flight: None,
            awaits_room: false,
            fin_delivered: false,
            shut: false,
            is_disturbed: is_stuck,
            is_stuck,
            end: None,
            input,
            arrived: 0,
            at: 0,
            closes,
            queued: 0,
        }
    }

    /// Some of its input arrives.
    pub(super) fn sends_more(&mut self, random: &mut Random) {
        let left = self.input.len() - self.arrived;
        let most = if random.one_in(4) { left } else { left.min(40) };
        self.arrived += random.up_to(most);
    }

    /// Bytes that have arrived and are not delivered yet.
    pub(super) fn in_hand(&self) -> &[u8] {
        &self.input[self.at..self.arrived]
    }

    /// The next piece of them; empty if there is none.
    pub(super) fn piece(&mut self, random: &mut Random) -> Vec<u8> {
        let most = self.in_hand().len().min(64 * 1024);
        let len = if most == 0 || random.one_in(3) { most } else { 1 + random.up_to(most - 1) };
        let piece = self.in_hand()[..len].to_vec();
        self.at += len;
        piece
    }

    /// Whether its FIN comes next.
    pub(super) fn is_finished(&self) -> bool {
        self.closes && self.at == self.input.len()
    }

    /// From now on it sends nothing, takes nothing, and does not close.
    pub(super) fn falls_silent(&mut self) {
        self.is_disturbed |= self.end.is_none();
        self.is_stuck = true;
        self.closes = false;
        self.arrived = self.at;
    }

    /// How much of `len` bytes the socket takes.
    pub(super) fn takes(&mut self, len: usize, random: &mut Random) -> usize {
        match self.is_stuck {
            true => 0,
            false if random.one_in(4) => random.up_to(len),
            false => len,
        }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        assert!(!self.shut, "a reply behind the shutdown");
        self.received.extend_from_slice(bytes);
    }

    /// Bytes it has not acknowledged; the number stays the same if it is stuck.
    pub(super) fn queued(&mut self, random: &mut Random) -> u32 {
        if !self.is_stuck {
            self.queued = random.up_to(1_000_000) as u32;
        }
        self.queued
    }

    /// Checks that what it received is what the protocol answers.
    pub(super) fn check<P: Protocol>(&self, make: &impl Fn() -> P, drained: bool) {
        let reason = self.end.expect("it ended");
        if drained {
            // Replies announce the drain from a moment that varies, so they cannot be compared.
            return;
        }
        let (expected, closes) = reference(make(), &self.input);
        if self.is_disturbed {
            // Part of the expected replies, then perhaps part of the answer to a request that came too late.
            let same = self.received.iter().zip(&expected).take_while(|(a, b)| a == b).count();
            let ends_with =
                |late: Vec<u8>| (0..=same).rev().take(late.len() + 1).any(|at| late.starts_with(&self.received[at..]));
            assert!(late_answers(make).into_iter().any(ends_with), "replies differ at {same}, {reason:?}");
            return;
        }
        assert_eq!(self.received.len(), expected.len(), "ended as {reason:?}");
        assert!(self.received == expected, "replies differ");
        let by_peer = matches!(reason, CloseReason::PeerClosed | CloseReason::PeerClosedMidRequest);
        assert_eq!(by_peer, !closes, "ended as {reason:?}");
    }
}

/// What the protocol answers to uncut input, and whether it closes.
fn reference<P: Protocol>(mut protocol: P, input: &[u8]) -> (Vec<u8>, bool) {
    let mut state = P::State::default();
    let (mut replies, mut at) = (Vec::new(), 0);
    let mut space = vec![0u8; 1 << 17];
    loop {
        let mut output = Output::new(&mut space);
        let step = protocol.on_bytes(&mut state, &input[at..], &mut output);
        at += step.consumed;
        replies.extend_from_slice(output.written());
        match step.then {
            Then::More => {}
            Then::Fill => {
                let left = protocol.filler_left(&state);
                replies.resize(replies.len() + left, FILLER[0]);
                protocol.filler_sent(&mut state, left);
            }
            Then::Await => {
                let mut output = Output::new(&mut space);
                let step = protocol.on_message(&mut state, &Message::Done, &mut output);
                replies.extend_from_slice(output.written());
                if step.then == Then::CloseAfterReply {
                    return (replies, true);
                }
            }
            Then::KeepOpen => return (replies, false),
            Then::CloseAfterReply | Then::Abort(_) => return (replies, true),
        }
    }
}

/// What the protocol answers if the rest of a request does not arrive in time: of a head, of the head of a
/// HEAD request, of a body; or if a job does not end.
fn late_answers<P: Protocol>(make: &impl Fn() -> P) -> [Vec<u8>; 4] {
    let body = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab";
    let job = "GET /offload/9 HTTP/1.1\r\nHost: a\r\n\r\n";
    ["GET /", "HEAD /", body, job].map(|begun| {
        let (mut protocol, mut state, mut space) = (make(), P::State::default(), [0u8; 1024]);
        protocol.on_bytes(&mut state, begun.as_bytes(), &mut Output::new(&mut space));
        let waiting = protocol.waiting(&state, true);
        let mut output = Output::new(&mut space);
        protocol.on_timeout(&mut state, waiting, &mut output);
        output.written().to_vec()
    })
}
