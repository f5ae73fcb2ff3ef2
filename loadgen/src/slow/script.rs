//! The bytes of a slow client, as a function of how many it has sent. No socket and no clock.

use protocol::client::{HttpClient, HttpRequest, StatusSet};

use super::kind::Kind;
use super::options::Options;
use crate::LoadError;
use crate::plan::target::Requests;

/// A head that never ends: what follows is the value of this field.
const ENDLESS: &[u8] = b"X-Slow: ";

/// What every client of a crowd sends.
pub(super) struct Script {
    /// Sent as fast as the socket takes it.
    at_once: Vec<u8>,
    slowly: Slowly,
    /// What reads the replies; none of an echo.
    pub(super) reader: Option<HttpClient>,
}

/// What follows, a byte each interval.
enum Slowly {
    Nothing,
    /// The same byte for ever.
    Endless(u8),
    /// The same byte so often; then the request is whole.
    Times(u8, u64),
    /// These, which are a whole request.
    Bytes(Vec<u8>),
}

/// What a client does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// Send these at once.
    Send(&'a [u8]),
    /// Send this byte when the interval is over.
    Drip(u8),
    /// Nothing more to send.
    Wait,
}

impl Script {
    /// # Errors
    /// When the request cannot be written.
    pub(super) fn of(options: &Options, requests: &Requests) -> Result<Script, LoadError> {
        let Requests::Http { host, path, authorization } = requests else {
            return Ok(Script { at_once: vec![], slowly: Slowly::Nothing, reader: None });
        };
        let is_body = options.kind == Kind::Bodies;
        let mut headers = Vec::new();
        if let Some(secret) = authorization {
            headers.push(("Authorization".to_owned(), secret.reveal().to_owned()));
        }
        if is_body {
            headers.push(("Content-Length".to_owned(), options.body_len.to_string()));
        }
        let request = HttpRequest {
            method: if is_body { "POST" } else { "GET" }.to_owned(),
            path: path.clone(),
            host: host.clone(),
            headers,
            body: Vec::new(),
            // Every reply is counted by its status; which of them are good is not decided here.
            expect_status: StatusSet::none(),
            expect_body: None,
        };
        let usage = |error: protocol::client::BadRequest| LoadError::Usage(error.to_string());
        let mut bytes = request.to_bytes().map_err(usage)?;
        let reader = Some(HttpClient::new(&request, 1).map_err(usage)?);
        let (at_once, slowly) = match options.kind {
            Kind::Idle => (vec![], Slowly::Nothing),
            Kind::Unread => (bytes, Slowly::Nothing),
            Kind::Segments => (vec![], Slowly::Bytes(bytes)),
            Kind::Heads => {
                // Without the empty line that ends the head.
                bytes.truncate(bytes.len() - 2);
                bytes.extend_from_slice(ENDLESS);
                (bytes, Slowly::Endless(b's'))
            }
            Kind::Bodies => {
                bytes.resize(bytes.len() + options.ahead_len as usize, b'b');
                (bytes, Slowly::Times(b'b', u64::from(options.body_len - options.ahead_len)))
            }
        };
        Ok(Script { at_once, slowly, reader })
    }

    /// What follows after `sent` bytes of a request.
    pub(super) fn next(&self, sent: u64) -> Next<'_> {
        let at_once = self.at_once.len() as u64;
        let Some(slow) = sent.checked_sub(at_once) else { return Next::Send(&self.at_once[sent as usize..]) };
        match &self.slowly {
            Slowly::Nothing => Next::Wait,
            Slowly::Endless(byte) => Next::Drip(*byte),
            Slowly::Times(byte, times) => {
                if slow < *times {
                    Next::Drip(*byte)
                } else {
                    Next::Wait
                }
            }
            Slowly::Bytes(bytes) => bytes.get(slow as usize).map_or(Next::Wait, |byte| Next::Drip(*byte)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Everything that is sent, at most `len` bytes of it, and how many of these at once.
    fn said(kind: Kind, len: u64) -> (String, u64) {
        let options = Options {
            kind,
            target: String::new(),
            connections: 1,
            connect_rate: 1.0,
            connect_timeout: Duration::from_secs(1),
            interval: Duration::from_secs(1),
            duration: Duration::from_secs(1),
            reopens: false,
            body_len: 5,
            ahead_len: 2,
            cpu: None,
            sources: vec![],
            allow_private: false,
            i_own: None,
        };
        let requests = Requests::Http { host: "a:1".to_owned(), path: "/x".to_owned(), authorization: None };
        let script = Script::of(&options, &requests).expect("a request");
        let (mut bytes, mut at_once) = (Vec::new(), 0);
        while (bytes.len() as u64) < len {
            match script.next(bytes.len() as u64) {
                Next::Send(more) => {
                    bytes.push(more[0]);
                    at_once += 1;
                }
                Next::Drip(byte) => bytes.push(byte),
                Next::Wait => break,
            }
        }
        (String::from_utf8(bytes).expect("text"), at_once)
    }

    #[test]
    fn each_kind_says_what_it_should() {
        const GET: &str = "GET /x HTTP/1.1\r\nHost: a:1\r\n";
        assert_eq!(said(Kind::Idle, 99), (String::new(), 0));
        assert_eq!(said(Kind::Unread, 99), (format!("{GET}\r\n"), 30));
        assert_eq!(said(Kind::Segments, 99), (format!("{GET}\r\n"), 0));
        assert_eq!(said(Kind::Heads, 39), (format!("{GET}X-Slow: sss"), 36));
        let (body, at_once) = said(Kind::Bodies, 999);
        assert_eq!(body, "POST /x HTTP/1.1\r\nHost: a:1\r\nContent-Length: 5\r\n\r\nbbbbb");
        assert_eq!(at_once as usize, body.len() - 3);
    }
}
