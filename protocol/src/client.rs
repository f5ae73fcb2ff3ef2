//! The client side of each workload: write a request, recognise its reply, verify it.
//!
//! A generator that does not verify replies rewards a server for being wrong, so every fault of a
//! reply has its own name here and becomes its own counter.

mod echo;
mod http;
mod status;

pub use echo::EchoClient;
pub use http::{BadRequest, HttpClient, HttpRequest};
pub use status::StatusSet;

/// One workload seen from the client. One value per worker; `State` is per connection.
///
/// Requests are written in batches, up to the size given when the client is made (one request, or as many as
/// are pipelined). The client owns the bytes of a batch and lends them: a request costs no memory per
/// connection, and sending it costs no copy in user space.
pub trait Client {
    /// Per connection: how far the current reply has been recognised. Counted in the memory budget.
    type State: Default;

    /// An incomplete reply leaves fewer unconsumed bytes than this; the caller keeps at most one byte less.
    const UNREAD_LEN_MAX: usize;

    /// Whether the bytes of a batch never change. If so, they may be read at any time while the client lives,
    /// for example by a kernel that sends them later.
    const IS_CONSTANT: bool;

    /// Starts the next batch, of `count` requests, and lends its bytes. Replies to the batch before are no
    /// longer expected.
    fn begin(&mut self, state: &mut Self::State, count: u32) -> &[u8];

    /// Lends bytes that end with those of the batch in progress, to send what a short send left.
    fn batch(&mut self, state: &Self::State) -> &[u8];

    /// Reads bytes of the reply to the oldest unanswered request. Bytes after `consumed` belong to the next
    /// reply and must be offered again. Only [`Progress::Incomplete`] may leave bytes of this reply
    /// unconsumed (fewer than [`Client::UNREAD_LEN_MAX`]): the caller keeps them and offers them again,
    /// followed by more.
    fn on_bytes(&mut self, state: &mut Self::State, input: &[u8]) -> Received;

    /// The peer closed (read of 0) while a reply was outstanding. Some replies end with the
    /// connection (RFC 9112 §6.3 case 8); for all others this is a truncated reply, or
    /// [`Progress::Incomplete`] when no byte of the reply has been consumed.
    fn on_close(&mut self, state: &mut Self::State) -> Progress;

    /// Lends the head that was recognised last, of any connection: it shows a refusal whose bytes came in
    /// pieces. Empty if replies have no head, or if the last one was too long to keep.
    fn last_head(&self) -> &[u8] {
        &[]
    }
}

/// What one call to [`Client::on_bytes`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Bytes taken from the front of the input.
    pub consumed: usize,
    /// The state of the reply.
    pub progress: Progress,
}

/// The state of the reply to the oldest unanswered request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed.
    Incomplete,
    /// The whole reply arrived and is as expected.
    Complete {
        /// False when the server announced that it closes after this reply.
        keep_open: bool,
    },
    /// The reply is wrong; the connection cannot be used any further.
    Fault(Fault),
    /// The reply is well framed but not a success (for HTTP a status that was not expected).
    Refused {
        /// The status the server gave.
        status: u16,
        /// False when the server announced that it closes after this reply.
        keep_open: bool,
        /// After how many seconds the server asks to come again; 0 if it does not say. 255 stands for more, too.
        retry_after_s: u8,
    },
}

/// What can be wrong with a reply. Each is a counter in the run record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The bytes are not a reply of this protocol.
    Malformed,
    /// The length of the body is ambiguous, or its chunks are broken (RFC 9112 §6.3 and §7.1).
    BadFraming,
    /// The head of the reply is longer than the client keeps, or has too many fields.
    HeadTooLong,
    /// The body is longer than the client's limit.
    BodyTooLong,
    /// More interim replies (1xx) came than the client accepts.
    TooManyInterim,
    /// The body differs from the expected one.
    WrongBody,
    /// The announced length differs from the expected one.
    WrongLength,
    /// The connection closed in the middle of the reply.
    Truncated,
}

impl Fault {
    /// Every fault, in the order of the record.
    pub const ALL: [Fault; 8] = [
        Fault::Malformed,
        Fault::BadFraming,
        Fault::HeadTooLong,
        Fault::BodyTooLong,
        Fault::TooManyInterim,
        Fault::WrongBody,
        Fault::WrongLength,
        Fault::Truncated,
    ];

    /// The name in records and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::Malformed => "malformed",
            Fault::BadFraming => "bad_framing",
            Fault::HeadTooLong => "head_too_long",
            Fault::BodyTooLong => "body_too_long",
            Fault::TooManyInterim => "too_many_interim",
            Fault::WrongBody => "wrong_body",
            Fault::WrongLength => "wrong_length",
            Fault::Truncated => "truncated",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Fault;

    #[test]
    fn every_fault_has_its_place_and_its_name() {
        let mut names: Vec<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Fault::ALL.len());
        // Counters are arrays indexed by the fault.
        assert!(Fault::ALL.iter().enumerate().all(|(index, &fault)| fault as usize == index));
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! The chunking law: however the bytes of the replies are cut, a client reports the same.
    use super::{Client, Progress};

    /// Feeds `pieces` as an engine would (it keeps unconsumed bytes and offers them again) and collects the
    /// reports; with `closed`, the peer closes at the end.
    pub(crate) fn feed<C: Client>(client: &mut C, requests: usize, pieces: &[&[u8]], closed: bool) -> Vec<Progress> {
        let mut state = C::State::default();
        client.begin(&mut state, requests as u32);
        let (mut reports, mut kept) = (Vec::new(), Vec::new());
        for piece in pieces {
            kept.extend_from_slice(piece);
            while reports.len() < requests && !kept.is_empty() {
                let received = client.on_bytes(&mut state, &kept);
                kept.drain(..received.consumed);
                match received.progress {
                    Progress::Incomplete => break,
                    Progress::Fault(_) => {
                        reports.push(received.progress);
                        return reports;
                    }
                    answered => reports.push(answered),
                }
            }
            assert!(reports.len() == requests || kept.len() < C::UNREAD_LEN_MAX, "too much is left unconsumed");
        }
        if closed && reports.len() < requests {
            reports.push(client.on_close(&mut state));
        }
        reports
    }

    /// Checks the law for one input: whole, byte by byte, and split in two at every point.
    pub(crate) fn check<C: Client>(
        make: impl Fn() -> C,
        requests: usize,
        input: &[u8],
        closed: bool,
        expected: &[Progress],
    ) {
        let shown = String::from_utf8_lossy(&input[..input.len().min(300)]);
        assert_eq!(feed(&mut make(), requests, &[input], closed), expected, "whole: {shown:?}");
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(feed(&mut make(), requests, &bytes, closed), expected, "byte by byte: {shown:?}");
        for split in 0..=input.len() {
            let pieces = [&input[..split], &input[split..]];
            assert_eq!(feed(&mut make(), requests, &pieces, closed), expected, "split {split}: {shown:?}");
        }
    }
}
