//! The ways of using a ring. Each is a type with constants, so each variant is compiled to a loop of its
//! own that tests no setting.

use sys::uring::{Cut, Gather, Incremental, Whole};

/// How bytes are received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receive {
    /// A receive that stays armed until it is cancelled.
    Multishot,
    /// One receive at a time, asked for after the reply to the one before.
    Oneshot,
    /// A poll that stays armed, and one receive each time it reports. An idle connection costs the kernel
    /// a poll (256 B) instead of a receive with its message header (864 B), a busy one two entries more.
    Poll,
}

/// How replies are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Send {
    /// Out of a buffer of its own, until a completion reports it.
    Reported,
    /// With MSG_DONTWAIT and without a completion for success: see `inline`.
    Inline,
}

/// One way.
pub(crate) trait Style {
    const RECEIVE: Receive;
    const SEND: Send = Send::Reported;
    /// Wait for several completions at once, for so long at most.
    const GATHER: Option<Gather> = None;
    /// Enters after which what has arrived is received: a poll has to report before the receive is queued.
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

/// Multishot, and sends that are done when they are submitted.
pub(crate) struct Inline;

impl Style for Inline {
    const RECEIVE: Receive = Receive::Multishot;
    const SEND: Send = Send::Inline;
    type Cut = Whole;
}

/// Multishot into buffers that are filled piece by piece.
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
