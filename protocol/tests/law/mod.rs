//! The chunking law: however the bytes of a case are cut, and however small the output is, the
//! replies, the number of requests and the end are the same. This is what makes backends comparable.
#![allow(dead_code, reason = "each test file uses a part of it")]

use protocol::Output;
use protocol::server::{FILLER, Http, HttpLimits, Message, Protocol, Then, Violation};

/// Everything a peer could observe of one connection.
#[derive(Debug, PartialEq, Eq, Clone)]
pub(crate) struct Outcome {
    pub(crate) replies: Vec<u8>,
    pub(crate) requests: u32,
    pub(crate) end: End,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum End {
    Open,
    Closed,
    Aborted(Violation),
}

/// Plays a connection: keeps unread bytes, offers them again followed by more, and sends when the output of
/// `output_len` bytes is full.
pub(crate) fn play<P: Protocol>(mut protocol: P, pieces: &[&[u8]], output_len: usize) -> Outcome {
    protocol.set_time(784_111_777);
    let mut state = P::State::default();
    let mut outcome = Outcome { replies: Vec::new(), requests: 0, end: End::Open };
    let mut unread = Vec::new();
    let mut space = vec![0u8; output_len];
    for piece in pieces {
        unread.extend_from_slice(piece);
        loop {
            let mut output = Output::new(&mut space);
            let step = protocol.on_bytes(&mut state, &unread, &mut output);
            outcome.replies.extend_from_slice(output.written());
            outcome.requests += step.requests;
            assert!(step.consumed <= unread.len());
            unread.drain(..step.consumed);
            match step.then {
                Then::KeepOpen => break,
                Then::More => assert!(step.consumed > 0 || !output.is_empty(), "asks for more without progress"),
                Then::Fill => {
                    let left = protocol.filler_left(&state);
                    assert!(left > 0, "fills with nothing");
                    outcome.replies.resize(outcome.replies.len() + left, FILLER[0]);
                    protocol.filler_sent(&mut state, left);
                }
                Then::Await => {
                    assert!(protocol.job(&state).is_some(), "awaits nothing");
                    let mut output = Output::new(&mut space);
                    let step = protocol.on_message(&mut state, &Message::Done, &mut output);
                    outcome.replies.extend_from_slice(output.written());
                    assert_eq!((step.consumed, step.requests, protocol.job(&state)), (0, 0, None));
                    if step.then == Then::CloseAfterReply {
                        outcome.end = End::Closed;
                    }
                }
                Then::CloseAfterReply => outcome.end = End::Closed,
                Then::Abort(violation) => outcome.end = End::Aborted(violation),
            }
            if outcome.end != End::Open {
                return outcome;
            }
        }
        assert!(unread.len() <= P::UNREAD_LEN_MAX, "left {} bytes unread", unread.len());
    }
    outcome
}

/// Checks the law for one case and returns its outcome. A long input is not split at every point: only at
/// some, and at every point near its ends and near `places`.
pub(crate) fn law_near<P: Protocol>(make: fn() -> P, input: &[u8], places: &[usize]) -> Outcome {
    let name = String::from_utf8_lossy(&input[..input.len().min(200)]).into_owned();
    let whole = play(make(), &[input], 1 << 20);
    for output_len in [P::REPLY_LEN_MAX, P::REPLY_LEN_MAX + 1, 1000 + P::REPLY_LEN_MAX] {
        assert_eq!(play(make(), &[input], output_len), whole, "output of {output_len}: {name:?}");
    }
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(play(make(), &bytes, 1 << 20), whole, "byte by byte: {name:?}");
    let is_chosen = |split: usize| {
        let mut near = places.iter().copied().chain([0, input.len()]).map(|place| place.abs_diff(split));
        input.len() < 2000 || split.is_multiple_of(101) || near.any(|distance| distance < 30)
    };
    for split in (0..=input.len()).filter(|split| is_chosen(*split)) {
        let (first, second) = input.split_at(split);
        assert_eq!(play(make(), &[first, second], 1 << 17), whole, "split at {split}: {name:?}");
        if input.len() < 2000 {
            assert_eq!(play(make(), &[first, second], P::REPLY_LEN_MAX), whole, "split at {split}, small: {name:?}");
        }
    }
    whole
}

/// Checks the law for one case and returns its outcome.
pub(crate) fn law<P: Protocol>(make: fn() -> P, input: &[u8]) -> Outcome {
    law_near(make, input, &[])
}

/// The statuses of the replies in order.
pub(crate) fn statuses(replies: &str) -> Vec<u16> {
    replies.match_indices("HTTP/1.1 ").map(|(at, _)| replies[at + 9..at + 12].parse().expect("a status")).collect()
}

pub(crate) fn http() -> Http {
    Http::new(HttpLimits { body_len_max: 1000, bytes_max: 100_000, lab_routes: true, database: true })
}

/// The statuses of the replies in order, and the end.
pub(crate) fn check_http(input: impl AsRef<[u8]>, expected: &[u16], end: End) -> String {
    let input = input.as_ref();
    let outcome = law(http, input);
    let replies = String::from_utf8(outcome.replies).expect("all replies are ASCII");
    let shown = String::from_utf8_lossy(&input[..input.len().min(300)]);
    assert_eq!((statuses(&replies).as_slice(), outcome.end), (expected, end), "{shown:?}\n{replies}");
    replies
}

pub(crate) const HOST: &str = "Host: example.test\r\n";

/// A head with these fields and a Host, and what follows it.
pub(crate) fn echo(fields: &str, body: &str) -> String {
    format!("POST /echo HTTP/1.1\r\n{HOST}{fields}\r\n{body}")
}

/// The same with a chunked body.
pub(crate) fn chunked(body: &str) -> String {
    echo("Transfer-Encoding: chunked\r\n", body)
}
