//! Reply heads: the one that is sent millions of times is kept ready; the others are assembled.

use std::time::{Duration, UNIX_EPOCH};

use crate::Output;
use crate::server::{Message, Violation};

/// The body of `GET /`.
pub(super) const HELLO: &str = "Hello, World!";
/// Bytes of an IMF-fixdate (RFC 9110 §5.6.7), a fixed-length format.
const DATE_LEN: usize = 29;
/// Room in bytes for any reply head together with a short body; asserted by [`Output`].
pub(super) const REPLY_HEAD_LEN_MAX: usize = 512;

/// The status of a request that the server has no time for.
pub(super) const UNAVAILABLE: &str = "503 Service Unavailable";
/// When to come again: the shortest that the field can say (RFC 9110 §10.2.3).
const RETRY_AFTER: &str = "Retry-After: 1\r\n";

/// Bytes of such a line with the longest time.
pub(super) const RETRY_AFTER_LEN_MAX: usize = "Retry-After: 65535\r\n".len();

/// The line that tells a client when to come again.
pub(super) fn retry_after(seconds: u16, space: &mut [u8; RETRY_AFTER_LEN_MAX]) -> &str {
    let mut output = Output::new(space);
    output.push(b"Retry-After: ");
    output.push_decimal(u64::from(seconds));
    output.push(b"\r\n");
    let len = output.len();
    std::str::from_utf8(&space[..len]).expect("it is ASCII")
}

/// What follows this reply, and how the peer must be told (RFC 9112 §9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Persistence {
    /// HTTP/1.1's default: nothing to say.
    KeepOpen,
    /// HTTP/1.0 with `Connection: keep-alive`: the peer expects the same field in the reply.
    KeepOpenSaidSo,
    Close,
}

/// How the reply's body is framed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Body {
    Length(u64),
    Chunked,
    /// A 204: it must not have a Content-Length (RFC 9110 §8.6), and it has no content for a Content-Type.
    None,
}

/// The date, and the whole reply to `GET /` over a persistent HTTP/1.1 connection.
pub(super) struct Ready {
    date: [u8; DATE_LEN],
    hello: Vec<u8>,
    hello_date_at: usize,
}

impl Ready {
    pub(super) fn new() -> Self {
        let mut ready = Ready { date: [b' '; DATE_LEN], hello: Vec::new(), hello_date_at: 0 };
        ready.set_time(0);
        let mut space = [0u8; REPLY_HEAD_LEN_MAX];
        let mut output = Output::new(&mut space);
        ready.head(&mut output, "200 OK", Body::Length(HELLO.len() as u64), Persistence::KeepOpen, "");
        output.push(HELLO.as_bytes());
        ready.hello = output.written().to_vec();
        let date = ready.hello.windows(DATE_LEN).position(|window| window == ready.date);
        ready.hello_date_at = date.expect("the head was written with this date");
        ready
    }

    pub(super) fn set_time(&mut self, unix_seconds: u64) {
        // RFC 9110 has no date beyond year 9999; httpdate panics there.
        let time = UNIX_EPOCH + Duration::from_secs(unix_seconds.min(253_402_300_799));
        self.date.copy_from_slice(httpdate::fmt_http_date(time).as_bytes());
        if let Some(place) = self.hello.get_mut(self.hello_date_at..self.hello_date_at + DATE_LEN) {
            place.copy_from_slice(&self.date);
        }
    }

    /// The reply to `GET /`, head and body, in one copy.
    #[inline]
    pub(super) fn hello(&self, output: &mut Output<'_>) {
        output.push(&self.hello);
    }

    /// A reply head. `extra` is one more header line with its CRLF, or empty.
    pub(super) fn head(
        &self,
        output: &mut Output<'_>,
        status: &str,
        body: Body,
        persistence: Persistence,
        extra: &str,
    ) {
        output.push(b"HTTP/1.1 ");
        output.push(status.as_bytes());
        output.push(b"\r\nServer: c10m\r\nDate: ");
        output.push(&self.date);
        output.push(b"\r\n");
        match body {
            Body::Length(length) => {
                output.push(b"Content-Type: text/plain\r\nContent-Length: ");
                output.push_decimal(length);
                output.push(b"\r\n");
            }
            Body::Chunked => output.push(b"Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n"),
            Body::None => {}
        }
        output.push(match persistence {
            Persistence::KeepOpen => b"".as_slice(),
            Persistence::KeepOpenSaidSo => b"Connection: keep-alive\r\n",
            Persistence::Close => b"Connection: close\r\n",
        });
        output.push(extra.as_bytes());
        output.push(b"\r\n");
    }

    /// A reply with a one-line text as its body; the body is left out for HEAD.
    pub(super) fn text(
        &self,
        output: &mut Output<'_>,
        status: &str,
        text: &str,
        persistence: Persistence,
        extra: &str,
        head_only: bool,
    ) {
        self.head(output, status, Body::Length(text.len() as u64), persistence, extra);
        if !head_only {
            output.push(text.as_bytes());
        }
    }
}

/// Status, body and one more header line of the reply to a request whose job has ended.
pub(super) fn of_message(message: &Message) -> (&'static str, &[u8], &'static str) {
    match message {
        Message::Done => ("200 OK", b"done\n", ""),
        Message::Found(row) => ("200 OK", row.value(), ""),
        Message::NotFound => ("404 Not Found", b"there is no row with this key\n", ""),
        Message::Refused => (UNAVAILABLE, b"the queue of the pool is full\n", RETRY_AFTER),
        Message::Expired => (UNAVAILABLE, b"the request waited too long for the pool\n", RETRY_AFTER),
        Message::Failed => ("500 Internal Server Error", b"the database did not answer\n", ""),
    }
}

/// Status line and explanation of a violation.
pub(super) fn explain(violation: Violation) -> (&'static str, &'static str) {
    match violation {
        Violation::BadRequest => ("400 Bad Request", "the request line or a header is not valid HTTP/1.1\n"),
        Violation::BadFraming => ("400 Bad Request", "the framing of the body is wrong or ambiguous\n"),
        Violation::UnwantedBody => ("400 Bad Request", "this target takes no body\n"),
        Violation::BodyTooLong => ("413 Content Too Large", "the body is longer than this server accepts\n"),
        Violation::TargetTooLong => ("414 URI Too Long", "the request line is longer than this server accepts\n"),
        Violation::HeadTooLong => {
            ("431 Request Header Fields Too Large", "the request head is longer than this server accepts\n")
        }
        Violation::UnknownExpectation => {
            ("417 Expectation Failed", "the only expectation that can be met is 100-continue\n")
        }
        Violation::Tunnel => ("501 Not Implemented", "this server is no proxy\n"),
        Violation::UnknownCoding => ("501 Not Implemented", "the only transfer coding understood is chunked\n"),
        Violation::UnknownVersion => ("505 HTTP Version Not Supported", "this server speaks HTTP/1.0 and HTTP/1.1\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_reply_follows_the_clock() {
        let mut ready = Ready::new();
        ready.set_time(784_111_777);
        let mut space = [0u8; REPLY_HEAD_LEN_MAX];
        let mut output = Output::new(&mut space);
        ready.hello(&mut output);
        let text = std::str::from_utf8(output.written()).unwrap();
        assert!(text.contains("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\nHello, World!"), "{text}");
    }

    #[test]
    fn a_clock_from_the_far_future_is_no_panic() {
        Ready::new().set_time(u64::MAX);
    }
}
