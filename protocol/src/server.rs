//! The server side of each workload: requests in, replies out.

mod echo;
mod http;
mod job;

pub use echo::Echo;
pub use http::{Http, HttpLimits, HttpState};
pub use job::{Job, Message, Place, ROW_LEN_MAX, Row, Work};

use crate::Output;

/// One workload, with one value per shard. It holds what that shard's connections share (configuration, the
/// cached date header), so reactors share nothing.
pub trait Protocol {
    /// Per connection. The server asserts at compile time that an idle connection takes at most 64 bytes of
    /// user memory for echo and 96 for HTTP, this state included.
    type State: Default;

    /// Whether a reply can tell its peer that the connection closes after it. If it cannot, a drain closes
    /// after the next reply.
    const ANNOUNCES_CLOSE: bool;

    /// Room in bytes with which any call makes progress: with at least this much, [`Protocol::on_bytes`]
    /// consumes something, writes something, or really needs more input.
    const REPLY_LEN_MAX: usize;

    /// Longest prefix in bytes that is left unconsumed because more input is needed. An input longer than
    /// this always makes progress, so it bounds what a connection must buffer.
    const UNREAD_LEN_MAX: usize;

    /// Consumes as many whole requests from the front of `input` as `output` has room to answer. The next
    /// call's input begins with the unconsumed bytes, followed by more: a protocol may remember how far it
    /// looked. Only [`Step::requests`] counts as a peer's progress. Consumed bytes do not, since HTTP skips
    /// an empty line before a request. An empty `input` is allowed and means: continue the reply that
    /// [`Then::More`] announced.
    fn on_bytes(&mut self, state: &mut Self::State, input: &[u8], output: &mut Output<'_>) -> Step;

    /// What the connection waits for, which selects its timeout; `unread` says whether unread bytes are left.
    fn waiting(&self, state: &Self::State, unread: bool) -> Waiting;

    /// The timeout of [`Protocol::waiting`] ran out. May write a last reply; the connection closes.
    fn on_timeout(&mut self, state: &mut Self::State, waiting: Waiting, output: &mut Output<'_>);

    /// Whether a reply can tell its peer to come again later. If it cannot, [`Protocol::defer`] is never called.
    const SAYS_WHEN: bool = false;

    /// Answers the first request of a connection, which has just been recognised, with "not now; come again in so many
    /// seconds" instead of what [`Protocol::on_bytes`] wrote. The connection closes after it.
    fn defer(&mut self, _state: &mut Self::State, _seconds: u16, _output: &mut Output<'_>) {
        unreachable!("a workload without words for it")
    }

    /// Updates the time: `unix_seconds` is for headers that carry a date. Called about ten times a second.
    fn set_time(&mut self, unix_seconds: u64);

    /// From now on every reply announces the close of its connection, if
    /// [`Protocol::ANNOUNCES_CLOSE`].
    fn drain(&mut self);

    /// Bytes of [`FILLER`] that are still to be sent; more than 0 only after [`Then::Fill`].
    fn filler_left(&self, _state: &Self::State) -> usize {
        0
    }

    /// `count` of them were sent.
    fn filler_sent(&mut self, _state: &mut Self::State, count: usize) {
        assert!(count == 0, "a workload without filler");
    }

    /// The job that is awaited; one only after [`Then::Await`], until [`Protocol::on_message`].
    fn job(&self, _state: &Self::State) -> Option<Job> {
        None
    }

    /// The awaited job has ended so: writes the reply. The output has room for [`Protocol::REPLY_LEN_MAX`].
    fn on_message(&mut self, _state: &mut Self::State, _message: &Message, _output: &mut Output<'_>) -> Step {
        unreachable!("a workload without jobs")
    }
}

/// Length of [`FILLER`]: as much as a connection sends in one go.
pub const FILLER_LEN: usize = 64 * 1024;
/// The content of a generated reply. Any number of connections send it from here at the same time, so a reply
/// of a gigabyte holds no buffer however slow its reader is.
pub static FILLER: [u8; FILLER_LEN] = [b'x'; FILLER_LEN];

/// What one call to [`Protocol::on_bytes`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Bytes taken from the front of the input.
    pub consumed: usize,
    /// Requests whose head arrived complete and valid, even if the reply still waits for the body. Echo has no
    /// framing: there one call is one request.
    pub requests: u32,
    /// What follows once the output is sent.
    pub then: Then,
}

/// What follows once the output of a [`Step`] is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// More input is needed.
    KeepOpen,
    /// The output was too small: call again with the unconsumed input once the output is sent.
    More,
    /// As [`Then::More`], but between the output and the next call [`Protocol::filler_left`] bytes of
    /// [`FILLER`] are sent.
    Fill,
    /// Once the output is sent, do what [`Protocol::job`] says, and then call [`Protocol::on_message`]. Until then nothing
    /// is read: whoever waits for a job cannot ask for another.
    Await,
    /// Close: the peer asked for it, or the server drains.
    CloseAfterReply,
    /// Close: the peer broke the protocol. The output holds the error reply, if any.
    Abort(Violation),
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The first byte of a request. An empty line before it, or a part of one, does not count.
    Request,
    /// The rest of a request head; the clock runs from its first byte (slowloris).
    Head,
    /// The rest of a body; every byte restarts the clock.
    Body,
    /// The end of a job.
    Job,
}

/// How a peer can break the protocol. Each is a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// Not HTTP, or a request line or header that RFC 9112 forbids (400).
    BadRequest,
    /// Body framing that is wrong or ambiguous (400): this is how requests are smuggled.
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
