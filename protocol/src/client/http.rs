//! Client side of HTTP/1.1: one constant request, replies of any framing RFC 9112 §6.3 allows.
//!
//! A head is parsed whole, so an incomplete one is left with the caller; body bytes are verified where
//! they arrive and never kept. What two parsers could read differently is a fault, not a guess.

use super::{Client, Fault, Progress, Received};
use crate::chunked::{ChunkedDecoder, Piece};
use std::fmt;
use std::mem::MaybeUninit;

/// More headers than this in a reply are malformed; h2o and nginx servers send under 20.
const HEADERS_MAX: usize = 96;

/// What to ask for, and what must come back.
#[derive(Debug, Clone, Default)]
pub struct HttpRequest {
    /// `GET` when empty.
    pub method: String,
    /// The request target, starting with `/`.
    pub path: String,
    /// Value of the Host header; one given in `headers` replaces it.
    pub host: String,
    /// More headers, in this order.
    pub headers: Vec<(String, String)>,
    /// Sent with a Content-Length unless empty.
    pub body: Vec<u8>,
    /// When given, the body of every 2xx reply must be exactly this.
    pub expect_body: Option<Vec<u8>>,
}

/// The request cannot be written as HTTP/1.1: what part of it, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRequest(String);

impl fmt::Display for BadRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for BadRequest {}

/// Writes the same request again and again and verifies the replies.
pub struct HttpClient {
    /// The request, `pipeline` times.
    requests: Vec<u8>,
    is_head: bool,
    expect_body: Option<Vec<u8>>,
    known: KnownHead,
}

/// The last head that was parsed. Most servers repeat themselves but for the Date, once a second, and
/// equal bytes mean the same: a reply takes 14 ns instead of 130 ns (160 bytes, 2026-11).
#[derive(Default)]
struct KnownHead {
    bytes: Vec<u8>,
    status: u16,
    framing: Framing,
}

/// Heads longer than this are not remembered.
const KNOWN_LEN_MAX: usize = 1024;

/// How far the current reply of one connection has been recognised.
#[derive(Debug, Default)]
pub struct HttpState {
    body: Body,
    /// Body bytes seen so far, saturating: only compared while a body is expected.
    body_len: u32,
    status: u16,
    keep_open: bool,
}

/// Where the reply stands, and how its body ends.
#[derive(Debug, Default)]
enum Body {
    /// The head has not been recognised yet.
    #[default]
    Head,
    Sized(u64),
    Chunked(ChunkedDecoder),
    UntilClose,
}

impl HttpClient {
    /// A client that writes `pipeline` copies of the request per batch.
    ///
    /// # Errors
    /// When a part of the request would break its framing.
    pub fn new(request: &HttpRequest, pipeline: u32) -> Result<Self, BadRequest> {
        let bytes = request.to_bytes()?;
        Ok(HttpClient {
            requests: bytes.repeat(pipeline as usize),
            is_head: request.method == "HEAD",
            expect_body: request.expect_body.clone(),
            known: KnownHead::default(),
        })
    }

    /// Takes a head from the front of `input`; the progress is `Some` when it needs no further look.
    #[inline]
    fn on_head(&mut self, state: &mut HttpState, input: &[u8]) -> (usize, Option<Progress>) {
        let is_known = !self.known.bytes.is_empty() && input.starts_with(&self.known.bytes);
        if !is_known && let Err(otherwise) = self.parse_head(input) {
            return otherwise;
        }
        let KnownHead { bytes, status, framing } = &self.known;
        let (status, keep_open) = (*status, framing.keep_open);
        let without_body = self.is_head || status == 204 || status == 304;
        *state = HttpState { body: framing.body(without_body), body_len: 0, status, keep_open };
        let consumed = bytes.len();
        if consumed > KNOWN_LEN_MAX {
            self.known.bytes.clear();
        }
        (consumed, self.check_announced(state).map(Progress::Fault))
    }

    /// Parses a final head into `known`, or returns what else the input was.
    #[cold]
    fn parse_head(&mut self, input: &[u8]) -> Result<(), (usize, Option<Progress>)> {
        // The limit applies to what is parsed, so that a long head is the same fault in any chunks.
        let bounded = &input[..input.len().min(HttpClient::UNREAD_LEN_MAX)];
        let malformed = Some(Progress::Fault(Fault::Malformed));
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut []);
        let parser = httparse::ParserConfig::default();
        let consumed = match parser.parse_response_with_uninit_headers(&mut response, bounded, &mut headers) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) if bounded.len() == HttpClient::UNREAD_LEN_MAX => {
                return Err((0, Some(Progress::Fault(Fault::HeadTooLong))));
            }
            Ok(httparse::Status::Partial) => return Err((0, Some(Progress::Incomplete))),
            Err(_) => return Err((0, malformed)),
        };
        let status = response.code.unwrap_or(0);
        if (100..200).contains(&status) && status != 101 {
            return Err((consumed, None)); // an interim reply: the next head is the one that counts
        }
        let framing = Framing::of(&response).ok_or((consumed, malformed))?;
        self.known.bytes.clear();
        self.known.bytes.extend_from_slice(&bounded[..consumed]);
        self.known.status = status;
        self.known.framing = framing;
        Ok(())
    }

    /// The body this reply must have: replies other than 2xx have one of their own.
    fn expected(&self, status: u16) -> Option<&[u8]> {
        self.expect_body.as_deref().filter(|_| !self.is_head && (200..300).contains(&status))
    }

    fn check_announced(&self, state: &HttpState) -> Option<Fault> {
        match (&state.body, self.expected(state.status)) {
            (Body::Sized(len), Some(expected)) if *len != expected.len() as u64 => Some(Fault::WrongLength),
            _ => None,
        }
    }

    /// Verifies body bytes; they continue at `state.body_len`.
    fn on_body(&self, state: &mut HttpState, bytes: &[u8]) -> Result<(), Fault> {
        let Some(expected) = self.expected(state.status) else { return Ok(()) };
        let at = state.body_len as usize;
        state.body_len = state.body_len.saturating_add(bytes.len() as u32);
        match expected.get(at..at + bytes.len()) {
            Some(part) if part == bytes => Ok(()),
            Some(_) => Err(Fault::WrongBody),
            // Whatever is wrong first decides, or the answer would depend on the chunks.
            None if expected.get(at..) == bytes.get(..expected.len().saturating_sub(at)) => Err(Fault::WrongLength),
            None => Err(Fault::WrongBody),
        }
    }

    /// The body is whole: the verdict on the reply, and the state ready for the next one.
    fn finish(&self, state: &mut HttpState, keep_open: bool) -> Progress {
        let HttpState { status, body_len, .. } = *state;
        state.body = Body::Head;
        match self.expected(status) {
            Some(expected) if expected.len() != body_len as usize => Progress::Fault(Fault::WrongLength),
            _ if (200..300).contains(&status) => Progress::Complete { keep_open },
            _ => Progress::Refused { status, keep_open },
        }
    }
}

impl Client for HttpClient {
    type State = HttpState;
    const IS_CONSTANT: bool = true;
    /// nginx answers with heads under 300 bytes; 16 KiB is what common clients allow.
    const UNREAD_LEN_MAX: usize = 16 * 1024;

    #[inline]
    fn begin(&mut self, _: &mut HttpState) -> &[u8] {
        &self.requests
    }

    fn batch(&mut self, _: &HttpState) -> &[u8] {
        &self.requests
    }

    #[inline]
    fn on_bytes(&mut self, state: &mut HttpState, input: &[u8]) -> Received {
        let mut at = 0;
        loop {
            let rest = &input[at..];
            let (consumed, progress) = match &mut state.body {
                Body::Head if rest.is_empty() => (0, Some(Progress::Incomplete)),
                Body::Head => self.on_head(state, rest),
                Body::Sized(0) => (0, Some(self.finish(state, state.keep_open))),
                _ if rest.is_empty() => (0, Some(Progress::Incomplete)),
                Body::Sized(remaining) => {
                    let len = usize::try_from(*remaining).map_or(rest.len(), |remaining| remaining.min(rest.len()));
                    *remaining -= len as u64;
                    (len, self.on_body(state, &rest[..len]).err().map(Progress::Fault))
                }
                Body::Chunked(decoder) => match decoder.step(rest, usize::MAX) {
                    Ok(Piece::Data { consumed, len, .. }) => {
                        let data = &rest[consumed - len..consumed];
                        (consumed, self.on_body(state, data).err().map(Progress::Fault))
                    }
                    Ok(Piece::Start { consumed, .. }) => (consumed, None),
                    Ok(Piece::NeedMore { consumed }) => (consumed, Some(Progress::Incomplete)),
                    Ok(Piece::End { consumed }) => (consumed, Some(self.finish(state, state.keep_open))),
                    Err(_) => (0, Some(Progress::Fault(Fault::Malformed))),
                },
                Body::UntilClose => (rest.len(), self.on_body(state, rest).err().map(Progress::Fault)),
            };
            at += consumed;
            if let Some(progress) = progress {
                return Received { consumed: at, progress };
            }
        }
    }

    fn on_close(&mut self, state: &mut HttpState) -> Progress {
        match state.body {
            Body::Head => Progress::Incomplete,
            Body::UntilClose => self.finish(state, false),
            Body::Sized(_) | Body::Chunked(_) => Progress::Fault(Fault::Truncated),
        }
    }
}

/// What the head says about the end of the body and of the connection.
#[derive(Debug, Clone, Copy, Default)]
struct Framing {
    content_length: Option<u64>,
    chunked: Option<bool>,
    keep_open: bool,
}

impl Framing {
    /// `None` when the head is ambiguous (RFC 9112 §6.1 and §6.3).
    fn of(response: &httparse::Response<'_, '_>) -> Option<Framing> {
        let is_http_1_1 = response.version == Some(1);
        let mut framing = Framing { content_length: None, chunked: None, keep_open: is_http_1_1 };
        for header in response.headers.iter() {
            // Lengths first: a reply has a dozen headers of which at most three matter here.
            match header.name.len() {
                14 if header.name.eq_ignore_ascii_case("content-length") => {
                    let len = decimal(header.value)?;
                    if framing.content_length.replace(len).is_some_and(|before| before != len) {
                        return None;
                    }
                }
                17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                    let last = header.value.rsplit(|&byte| byte == b',').next().unwrap_or_default();
                    framing.chunked = Some(last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
                }
                10 if header.name.eq_ignore_ascii_case("connection") => {
                    for token in header.value.split(|&byte| byte == b',') {
                        if token.trim_ascii().eq_ignore_ascii_case(b"close") {
                            framing.keep_open = false;
                        } else if !is_http_1_1 && token.trim_ascii().eq_ignore_ascii_case(b"keep-alive") {
                            framing.keep_open = true;
                        }
                    }
                }
                _ => {}
            }
        }
        let is_faulty = framing.chunked.is_some() && (framing.content_length.is_some() || !is_http_1_1);
        (!is_faulty && response.code != Some(101)).then_some(framing)
    }

    /// How the body ends.
    fn body(&self, without_body: bool) -> Body {
        match (without_body, self.chunked, self.content_length) {
            (true, ..) => Body::Sized(0),
            (false, Some(true), _) => Body::Chunked(ChunkedDecoder::default()),
            (false, None, Some(len)) => Body::Sized(len),
            (false, Some(false), _) | (false, None, None) => Body::UntilClose,
        }
    }
}

/// Digits only: `str::parse` would take a sign.
fn decimal(digits: &[u8]) -> Option<u64> {
    let value = |number: u64, &digit: &u8| {
        let digit = char::from(digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    };
    (!digits.is_empty()).then(|| digits.iter().try_fold(0, value)).flatten()
}

impl HttpRequest {
    fn to_bytes(&self) -> Result<Vec<u8>, BadRequest> {
        let method = if self.method.is_empty() { "GET" } else { &self.method };
        if !method.bytes().all(is_token) {
            return Err(BadRequest(format!("the method {method:?} is not a token")));
        }
        if !self.path.starts_with('/') || self.path.bytes().any(|byte| byte <= b' ' || byte >= 0x7f) {
            return Err(BadRequest(format!("the path {:?} must start with / and have no spaces", self.path)));
        }
        let mut text = format!("{method} {} HTTP/1.1\r\n", self.path);
        let given = |name: &str| self.headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name));
        if !given("host") {
            text += &format!("Host: {}\r\n", self.host);
        }
        if !self.body.is_empty() {
            if given("content-length") || given("transfer-encoding") {
                return Err(BadRequest(
                    "the framing of the body is written for you: leave out Content-Length and Transfer-Encoding".into(),
                ));
            }
            text += &format!("Content-Length: {}\r\n", self.body.len());
        }
        for (name, value) in &self.headers {
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(BadRequest(format!("the header name {name:?} is not a token")));
            }
            if value.bytes().any(|byte| byte < b' ' && byte != b'\t' || byte == 0x7f) {
                return Err(BadRequest(format!("the value of header {name} has control characters")));
            }
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        Ok([text.as_bytes(), &self.body].concat())
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
