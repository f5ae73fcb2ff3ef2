//! The server side of each workload: requests in, replies out.

mod echo;
mod http;

pub use echo::Echo;
pub use http::{Http, HttpLimits, HttpState};

use crate::Output;

/// One workload. One value per shard: it holds what that shard's connections share (configuration,
/// the cached date header), so nothing is shared between reactors.
pub trait Protocol {
    /// Per connection. The server asserts at compile time that an idle connection takes at most 64 bytes of
    /// user memory for echo and 96 for HTTP, this state included.
    type State: Default;

    /// Whether a reply can tell its peer that the connection closes after it. Where it cannot, a
    /// drain closes after the reply that is next.
    const ANNOUNCES_CLOSE: bool;

    /// Room in bytes that lets any call make progress: with at least this much, [`Protocol::on_bytes`]
    /// consumes something, writes something, or really lacks input.
    const REPLY_LEN_MAX: usize;

    /// Longest prefix in bytes that is left unconsumed for want of more input. An input longer than
    /// this always makes progress, so it bounds what a connection must buffer.
    const UNREAD_LEN_MAX: usize;

    /// Consumes as many whole requests from the front of `input` as `output` has room to answer. What is
    /// left unconsumed stands at the front of the next call's input, with more behind it: a protocol may
    /// remember how far it looked. Only [`Step::requests`] is progress of a peer, not consumed bytes: HTTP
    /// skips an empty line before a request.
    /// An empty `input` is allowed and means: go on with the reply that [`Then::More`] announced.
    fn on_bytes(&mut self, state: &mut Self::State, input: &[u8], output: &mut Output<'_>) -> Step;

    /// What the connection waits for, given whether bytes are left unread: this chooses its timeout.
    fn waiting(&self, state: &Self::State, unread: bool) -> Waiting;

    /// The timeout of [`Protocol::waiting`] ran out. May write a last reply; the connection closes.
    fn on_timeout(&mut self, state: &mut Self::State, waiting: Waiting, output: &mut Output<'_>);

    /// Time went on: `unix_seconds` for headers that carry a date. Called about ten times a second.
    fn set_time(&mut self, unix_seconds: u64);

    /// From now on every reply announces the close of its connection, if
    /// [`Protocol::ANNOUNCES_CLOSE`].
    fn drain(&mut self);

    /// Bytes of [`FILLER`] that are still to be sent; more than 0 only behind [`Then::Fill`].
    fn filler_left(&self, _state: &Self::State) -> usize {
        0
    }

    /// `count` of them were sent.
    fn filler_sent(&mut self, _state: &mut Self::State, count: usize) {
        assert!(count == 0, "a workload without filler");
    }
}

/// Length of [`FILLER`]: as much as a connection sends in one go.
pub const FILLER_LEN: usize = 64 * 1024;
/// What a generated reply consists of. It is sent from here, by any number of connections at a time, so a
/// reply of a gigabyte holds no buffer however slowly its reader is.
pub static FILLER: [u8; FILLER_LEN] = [b'x'; FILLER_LEN];

/// What one call to [`Protocol::on_bytes`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Bytes taken from the front of the input.
    pub consumed: usize,
    /// Requests whose head arrived whole and right, whether or not the answer was begun: that may wait for the
    /// body. Echo has no framing: there one call is one request.
    pub requests: u32,
    /// What follows once the output is sent.
    pub then: Then,
}

/// What follows once the output of a [`Step`] is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// More input is needed.
    KeepOpen,
    /// The output was too small: call again, with the unconsumed input, once it is sent.
    More,
    /// As [`Then::More`], but between the output and the next call [`Protocol::filler_left`] bytes of
    /// [`FILLER`] are sent.
    Fill,
    /// Close: the peer asked for it, or draining did.
    CloseAfterReply,
    /// Close: the peer broke the protocol. The output holds what there is to say about it.
    Abort(Violation),
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The first byte of a request. An empty line before it is none, nor is a part of one.
    Request,
    /// The rest of a request head; the clock runs from its first byte (slowloris).
    Head,
    /// The rest of a body; every byte restarts the clock.
    Body,
}

/// How a peer can break the protocol. Each is a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// Not HTTP, or a request line or header that RFC 9112 forbids (400).
    BadRequest,
    /// Body framing that is wrong or ambiguous (400): the way requests are smuggled.
    BadFraming,
    /// A body for a target that takes none (400).
    UnwantedBody,
    /// The body is longer than the limit (413).
    BodyTooLong,
    /// The request line is longer than the limit (414).
    TargetTooLong,
    /// The head is longer than the limit, or has too many fields (431).
    HeadTooLong,
    /// An expectation other than 100-continue (417).
    UnknownExpectation,
    /// A transfer coding other than chunked (501).
    UnknownCoding,
    /// CONNECT (501): what would follow is not HTTP.
    Tunnel,
    /// An HTTP version other than 1.x (505).
    UnknownVersion,
}

impl Violation {
    /// Every violation, in the order of the counters.
    pub const ALL: [Violation; 10] = [
        Violation::BadRequest,
        Violation::BadFraming,
        Violation::UnwantedBody,
        Violation::BodyTooLong,
        Violation::TargetTooLong,
        Violation::HeadTooLong,
        Violation::UnknownExpectation,
        Violation::UnknownCoding,
        Violation::Tunnel,
        Violation::UnknownVersion,
    ];

    /// The name in counters and records.
    pub const fn name(self) -> &'static str {
        match self {
            Violation::BadRequest => "bad_request",
            Violation::BadFraming => "bad_framing",
            Violation::UnwantedBody => "unwanted_body",
            Violation::BodyTooLong => "body_too_long",
            Violation::TargetTooLong => "target_too_long",
            Violation::HeadTooLong => "head_too_long",
            Violation::UnknownExpectation => "unknown_expectation",
            Violation::UnknownCoding => "unknown_coding",
            Violation::Tunnel => "tunnel",
            Violation::UnknownVersion => "unknown_version",
        }
    }
}
