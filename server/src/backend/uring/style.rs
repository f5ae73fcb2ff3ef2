//! The ways of using a ring. Each is a type with constants, so each variant compiles to its own loop, which
//! tests no setting.

use sys::uring::Gather;

/// How bytes are received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receive {
    /// A receive that stays armed until it is cancelled.
    Multishot,
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
    /// Whether to wait for several completions at once, and for how long at most, where `gathering` finds that it pays.
    const GATHER: Option<Gather> = None;
    /// Enters needed to receive what has arrived: with polls, one for the report and one for the receive.
    const ENTERS_PER_RECEIVE: u32 = match Self::RECEIVE {
        Receive::Poll => 2,
        Receive::Multishot => 1,
    };
}

/// A receive that stays armed.
pub(crate) struct Multishot;

impl Style for Multishot {
    const RECEIVE: Receive = Receive::Multishot;
}

/// A poll that stays armed.
pub(crate) struct Poll;

impl Style for Poll {
    const RECEIVE: Receive = Receive::Poll;
}

/// Multishot, and sends that finish during submission.
pub(crate) struct Inline;

impl Style for Inline {
    const RECEIVE: Receive = Receive::Multishot;
    const SEND: Send = Send::Inline;
}

/// Multishot, and a short wait for more to do.
pub(crate) struct Gathering;

impl Style for Gathering {
    const RECEIVE: Receive = Receive::Multishot;
    const SEND: Send = Send::Inline;
    /// 64 completions are three passes of deferred work (20 each, IO_LOCAL_TW_DEFAULT_MAX of the kernel's
    /// io_uring.h); 50 µs is as long as the default timer slack (prctl(2)).
    const GATHER: Option<Gather> = Some(Gather { count: 64, wait_us_max: 50 });
}
