//! What the targets share: how an input is divided, how an engine feeds a client, and how a backend
//! feeds a server. The checks that belong to one protocol are in its target.

use protocol::Output;
use protocol::client::{Client, Progress};
use protocol::server::{FILLER, Message, Protocol, Then};

/// An input as the targets understand it: settings, a place to cut, and the bytes from the peer.
pub struct Input {
    /// One bit per setting.
    pub settings: u8,
    /// At most the length of `bytes`.
    pub cut: usize,
    /// What the peer sends.
    pub bytes: Vec<u8>,
}

impl Input {
    /// `None` when the data is too short to be one.
    pub fn of(data: &[u8]) -> Option<Self> {
        let (&[settings, low, high], bytes) = data.split_first_chunk()?;
        let cut = usize::from(u16::from_le_bytes([low, high])) % (bytes.len() + 1);
        Some(Input { settings, cut, bytes: bytes.to_vec() })
    }

    /// Puts `start` and so many `x` in front that the bytes given end near the longest head, 16 KiB on
    /// both sides, where chance would hardly get.
    pub fn lengthen(&mut self, start: &[u8]) {
        const LEN: usize = 16 * 1024 - 30;
        self.bytes.splice(..0, [start, &vec![b'x'; LEN - start.len()]].concat());
        self.cut += LEN;
    }
}

/// What a client reports when the pieces arrive one after the other and the peer closes behind them.
/// Bytes that it leaves are kept and offered again with more behind. Each batch is `pipeline` requests.
pub fn feed<C: Client>(client: &mut C, pipeline: u32, pieces: &[&[u8]]) -> Vec<Progress> {
    let mut state = C::State::default();
    let (mut reports, mut kept, mut outstanding) = (Vec::new(), Vec::new(), 0);
    for piece in pieces {
        kept.extend_from_slice(piece);
        while !kept.is_empty() {
            if outstanding == 0 {
                client.begin(&mut state, pipeline);
                outstanding = pipeline;
            }
            let received = client.on_bytes(&mut state, &kept);
            assert!(received.consumed <= kept.len(), "consumed what was not there");
            kept.drain(..received.consumed);
            match received.progress {
                Progress::Incomplete => break,
                Progress::Fault(_) => return [reports, vec![received.progress]].concat(),
                Progress::Complete { .. } | Progress::Refused { .. } => reports.push(received.progress),
            }
            // A reply without a byte would be found again and again.
            assert!(received.consumed > 0, "a reply needs at least one byte");
            outstanding -= 1;
        }
        assert!(kept.len() < C::UNREAD_LEN_MAX, "{} bytes are left unconsumed", kept.len());
    }
    reports.push(client.on_close(&mut state));
    reports
}

/// Everything a peer could observe of one connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    replies: Vec<u8>,
    requests: u32,
    end: Then,
}

/// What a server makes of pieces that arrive one after the other, with `output_len` bytes of room for
/// its replies at a time.
pub fn serve<P: Protocol>(protocol: &mut P, pieces: &[&[u8]], output_len: usize) -> Outcome {
    let (mut state, mut space, mut unread) = (P::State::default(), vec![0; output_len], Vec::new());
    let mut outcome = Outcome { replies: Vec::new(), requests: 0, end: Then::KeepOpen };
    for piece in pieces {
        unread.extend_from_slice(piece);
        loop {
            let mut output = Output::new(&mut space);
            let step = protocol.on_bytes(&mut state, &unread, &mut output);
            outcome.replies.extend_from_slice(output.written());
            outcome.requests += step.requests;
            assert!(step.consumed <= unread.len(), "consumed what was not there");
            unread.drain(..step.consumed);
            match step.then {
                Then::KeepOpen => break,
                Then::More => assert!(step.consumed > 0 || !output.is_empty(), "asks for more without progress"),
                Then::Fill => {
                    let left = protocol.filler_left(&state);
                    outcome.replies.resize(outcome.replies.len() + left, FILLER[0]);
                    protocol.filler_sent(&mut state, left);
                }
                Then::Await => {
                    let mut output = Output::new(&mut space);
                    let step = protocol.on_message(&mut state, &Message::Done, &mut output);
                    outcome.replies.extend_from_slice(output.written());
                    if step.then == Then::CloseAfterReply {
                        return Outcome { end: step.then, ..outcome };
                    }
                }
                end => return Outcome { end, ..outcome },
            }
        }
        assert!(unread.len() <= P::UNREAD_LEN_MAX, "{} bytes are left unread", unread.len());
    }
    outcome
}
