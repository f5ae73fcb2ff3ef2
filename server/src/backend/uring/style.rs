//! The ways of using a ring. Each is a type with constants, so each variant compiles to its own loop, which
//! tests no setting.

use sys::uring::{Cut, Gather, Incremental, Whole};

/// How bytes are received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receive {
    /// A receive that stays armed until it is cancelled.
    Multishot,
    /// One receive at a time, submitted after the reply to the previous one.
    Oneshot,
    /// A poll that stays armed, and one receive each time it reports. An idle connection costs the kernel a
    /// poll (256 B) instead of a receive with its message header (864 B); a busy one costs two more entries.
    Poll,
}

/// How replies are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Send {
    /// From a buffer of its own, kept until a completion reports the send.
    Reported,
    /// With MSG_DONTWAIT, and without a completion on success: see `inline`.
    Inline,
}

/// One way of using a ring.
pub(crate) trait Style {
    const RECEIVE: Receive;
    const SEND: Send = Send::Reported;
    /// Whether to wait for several completions at once, and for how long at most.
    const GATHER: Option<Gather> = None;
    /// Enters needed to receive what has arrived: with polls, one for the report and one for the receive.
    const ENTERS_PER_RECEIVE: u32 = match Self::RECEIVE {
        Receive::Poll => 2,
        Receive::Multishot | Receive::Oneshot => 1,
    };
    /// How provided buffers are cut.
    type Cut: Cut;
}

/// A receive that stays armed.
pub(crate) struct Multishot;

impl Style for Multishot {
    const RECEIVE: Receive = Receive::Multishot;
    type Cut = Whole;
}

/// One receive at a time.
pub(crate) struct Oneshot;

impl Style for Oneshot {
    const RECEIVE: Receive = Receive::Oneshot;
    type Cut = Whole;
}

/// A poll that stays armed.
pub(crate) struct Poll;

impl Style for Poll {
    const RECEIVE: Receive = Receive::Poll;
    type Cut = Whole;
}

/// Multishot, and sends that finish during submission.
pub(crate) struct Inline;

impl Style for Inline {
    const RECEIVE: Receive = Receive::Multishot;
    const SEND: Send = Send::Inline;
    type Cut = Whole;
}

/// Multishot, into buffers that are filled piece by piece.
pub(crate) struct Pieces;

impl Style for Pieces {
    const RECEIVE: Receive = Receive::Multishot;
    type Cut = Incremental;
}

/// Multishot, and a short wait for more to do.
pub(crate) struct Gathering;

impl Style for Gathering {
    const RECEIVE: Receive = Receive::Multishot;
    const SEND: Send = Send::Inline;
    /// 64 completions are three passes of deferred work (20 each, IO_LOCAL_TW_DEFAULT_MAX of the kernel's
    /// io_uring.h); 50 µs is as long as the default timer slack (prctl(2)).
    const GATHER: Option<Gather> = Some(Gather { count: 64, wait_us_max: 50 });
    type Cut = Whole;
}

/// Inline sends and buffers that are filled piece by piece.
pub(crate) struct InlinePieces;

impl Style for InlinePieces {
    const RECEIVE: Receive = Receive::Multishot;
    const SEND: Send = Send::Inline;
    type Cut = Incremental;
}
