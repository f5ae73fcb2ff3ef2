//! What is answered: the bytes of replies from the bytes of requests. No sockets.

use std::io;

/// The reply to every HTTP request. The headers are what clients of HTTP/1.0 need to keep a connection.
pub const HTTP_REPLY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\
Connection: keep-alive\r\n\r\nHello, World!";

/// Length of the head of a sockperf message: sequence number, flags, length.
const SOCKPERF_HEAD_LEN: u32 = 14;
/// Offset of the low byte of the flags, which are in network order; its lowest bit says "from a client".
const SOCKPERF_FLAGS_AT: u32 = 9;

/// The protocols that can be spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpeechKind {
    /// [`Speech::Echo`].
    Echo,
    /// [`Speech::Http`].
    Http,
    /// [`Speech::Sockperf`].
    Sockperf,
}

impl SpeechKind {
    /// Every one, in the order of the help.
    pub const ALL: [SpeechKind; 3] = [SpeechKind::Echo, SpeechKind::Http, SpeechKind::Sockperf];

    /// The word on the command line of `c10m null-server`.
    pub const fn name(self) -> &'static str {
        match self {
            SpeechKind::Echo => "echo",
            SpeechKind::Http => "http",
            SpeechKind::Sockperf => "sockperf",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<SpeechKind> {
        SpeechKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Speaks it, in messages of `message_len` bytes if it has messages of a fixed length.
    pub const fn speech(self, message_len: u32) -> Speech {
        match self {
            SpeechKind::Echo => Speech::Echo { message_len },
            SpeechKind::Http => Speech::Http,
            SpeechKind::Sockperf => Speech::Sockperf { message_len },
        }
    }
}

/// What is spoken on the connections: a [`SpeechKind`] with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// Every byte comes back; `message_len` of them count as one request.
    Echo {
        /// Bytes of a request.
        message_len: u32,
    },
    /// A constant reply for each request head. Bodies are taken for the beginning of the next head, so
    /// they must not contain an empty line.
    Http,
    /// What sockperf's client expects of its server: every message comes back marked as a reply.
    Sockperf {
        /// Bytes of a message, all of the same length.
        message_len: u32,
    },
}

impl Speech {
    pub(super) fn check(self) -> io::Result<()> {
        let len_min = match self {
            Speech::Http => return Ok(()),
            Speech::Echo { .. } => 1,
            Speech::Sockperf { .. } => SOCKPERF_HEAD_LEN,
        };
        match self {
            Speech::Echo { message_len } | Speech::Sockperf { message_len } if message_len < len_min => {
                let text = format!("messages of {message_len} bytes: at least {len_min} are needed");
                Err(io::Error::new(io::ErrorKind::InvalidInput, text))
            }
            _ => Ok(()),
        }
    }

    /// Appends the answer to `input` and returns how many requests were completed by it. `progress` is
    /// what the connection remembers: how far into a message, or into the end of a head, it is.
    #[inline]
    pub(super) fn answer(self, progress: &mut u32, input: &[u8], output: &mut Vec<u8>) -> u64 {
        match self {
            Speech::Http => heads(progress, input, output),
            Speech::Echo { message_len } => {
                output.extend_from_slice(input);
                advance(progress, input.len(), message_len)
            }
            Speech::Sockperf { message_len } => {
                let begin = output.len();
                output.extend_from_slice(input);
                // The first flags at or after the beginning of the input, then one in every message.
                let first = (SOCKPERF_FLAGS_AT + message_len - *progress) % message_len;
                output[begin..].iter_mut().skip(first as usize).step_by(message_len as usize).for_each(|flags| {
                    *flags &= !1;
                });
                advance(progress, input.len(), message_len)
            }
        }
    }
}

/// Advances by `len` bytes and returns how many messages ended.
fn advance(progress: &mut u32, len: usize, message_len: u32) -> u64 {
    let (total, message_len) = (u64::from(*progress) + len as u64, u64::from(message_len));
    *progress = (total % message_len) as u32;
    total / message_len
}

/// `progress` is how much of CRLF CRLF has been seen.
fn heads(progress: &mut u32, input: &[u8], output: &mut Vec<u8>) -> u64 {
    let mut count = 0;
    let mut seen = *progress;
    for &byte in input {
        seen = match (byte, seen) {
            (b'\r', 2) => 3,
            (b'\r', _) => 1,
            (b'\n', 1) => 2,
            (b'\n', 3) => {
                output.extend_from_slice(HTTP_REPLY);
                count += 1;
                0
            }
            _ => 0,
        };
    }
    *progress = seen;
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` in pieces of `len`.
    fn fed(speech: Speech, input: &[u8], len: usize) -> (u64, Vec<u8>) {
        let (mut progress, mut output) = (0, Vec::new());
        let count = input.chunks(len).map(|piece| speech.answer(&mut progress, piece, &mut output)).sum();
        (count, output)
    }

    /// However it is cut, the same input has the same answer.
    fn check(speech: Speech, input: &[u8], count: u64, output: &[u8]) {
        for len in 1..=input.len() {
            assert_eq!(fed(speech, input, len), (count, output.to_vec()), "{speech:?} in pieces of {len}");
        }
    }

    #[test]
    fn heads_are_found_wherever_they_are_cut() {
        for (input, count) in [
            (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], 1),
            (b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nA: b\r\n\r\nGET", 2),
            (b"\r\n\r\n\r\n\r\n", 2),
            (b"\r\r\n\r\n", 1),
            (b"\r\n\r\r\n\r\n", 1),
            (b"\r\n\n\r\n\r\n", 1),
            (b"\n\n\r\r\n\n", 0),
        ] {
            check(Speech::Http, input, count, &HTTP_REPLY.repeat(count as usize));
        }
    }

    #[test]
    fn the_reply_has_the_length_it_announces() {
        let text = std::str::from_utf8(HTTP_REPLY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    }

    #[test]
    fn echo_counts_whole_messages() {
        let input: Vec<u8> = (0..50).collect();
        check(Speech::Echo { message_len: 16 }, &input, 3, &input);
        check(Speech::Echo { message_len: 1 }, &input, 50, &input);
    }

    #[test]
    fn replies_to_sockperf_are_marked() {
        let message = |flags: u8| [&[0xff; 9][..], &[flags], &[0xff; 10]].concat();
        let input = [message(3), message(2), message(7), vec![0xff; 5]].concat();
        let output = [message(2), message(2), message(6), vec![0xff; 5]].concat();
        check(Speech::Sockperf { message_len: 20 }, &input, 3, &output);
    }

    #[test]
    fn names_lead_back() {
        for kind in SpeechKind::ALL {
            assert_eq!(SpeechKind::named(kind.name()), Some(kind));
        }
        assert_eq!(SpeechKind::named("gopher"), None);
        let speeches = [Speech::Echo { message_len: 20 }, Speech::Http, Speech::Sockperf { message_len: 20 }];
        assert_eq!(SpeechKind::ALL.map(|kind| kind.speech(20)), speeches);
    }

    #[test]
    fn messages_have_a_length() {
        assert!(Speech::Echo { message_len: 1 }.check().is_ok());
        assert!(Speech::Echo { message_len: 0 }.check().is_err());
        assert!(Speech::Sockperf { message_len: 14 }.check().is_ok());
        assert!(Speech::Sockperf { message_len: 13 }.check().is_err());
    }
}
