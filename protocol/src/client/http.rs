//! Client side of HTTP/1.1: one constant request, and replies of any framing that RFC 9112 §6.3 allows.
//!
//! A head is parsed whole: the caller keeps an incomplete one, and each of its bytes is scanned once until it
//! is complete. Body bytes are verified where they arrive and never kept. Input that two parsers could read
//! differently is a fault; nothing is guessed.

use super::{Client, Fault, Progress, Received, StatusSet};
use crate::bytes::{is_token, is_value};
use crate::chunked::{ChunkedDecoder, Piece};
use crate::fields::{Coding, Framing};
use crate::lines;
use std::fmt;
use std::mem::MaybeUninit;

/// More headers than this in a reply count as a head too long; h2o and nginx servers send under 20.
const HEADERS_MAX: usize = 96;
/// Interim replies (1xx) accepted in front of one reply. RFC 9110 §15.2 sets no limit, so a server could send
/// them for ever; usual servers send one or two (100 Continue, 103 Early Hints), and Go's client takes 5.
const INTERIMS_MAX: u8 = 16;
/// Longest reply body accepted unless told otherwise, in bytes: the most that `/bytes/N` of this
/// project's server sends.
const BODY_LEN_MAX: u32 = 1 << 30;

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
    /// The statuses that are a success.
    pub expect_status: StatusSet,
    /// When given, every reply with such a status must have exactly this body, except 304, which never has
    /// one (RFC 9110 §15.4.5).
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
    request_len: usize,
    is_head: bool,
    expect_status: StatusSet,
    expect_body: Option<Vec<u8>>,
    body_len_max: u32,
    known: KnownHead,
}

/// The last head that was parsed. Most servers send the same head until the Date changes once a second, and
/// equal bytes need no second parse: a reply takes 14 ns instead of 130 ns (160 bytes, 2026-11).
#[derive(Default)]
struct KnownHead {
    bytes: Vec<u8>,
    /// The state of a connection after this head.
    state: HttpState,
}

/// Heads longer than this are not remembered.
const KNOWN_LEN_MAX: usize = 1024;

/// How far the current reply of one connection has been recognised.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpState {
    body: Body,
    /// Body bytes seen so far; at most [`HttpClient::body_len_max`].
    body_len: u32,
    status: u16,
    keep_open: bool,
    /// In front of the final head: interim replies seen, at most [`INTERIMS_MAX`]. Behind it: seconds of its Retry-After,
    /// 0 without one. A byte has room for one of them.
    interims_or_retry_after_s: u8,
}

/// Which part of the reply comes next, and how its body ends. Lengths have 32 bits, so that the whole enum,
/// with the chunk decoder's phase, takes 8 bytes.
#[derive(Debug, Clone, Copy)]
enum Body {
    /// The head has not been recognised yet.
    Head(lines::Progress),
    /// This many bytes are still to come.
    Sized(u32),
    Chunked(ChunkedDecoder),
    UntilClose,
}

impl Default for Body {
    fn default() -> Self {
        Body::Head(lines::Progress::default())
    }
}

const _: () = assert!(size_of::<HttpState>() <= 16, "HTTP state is part of the bytes of an idle connection");

impl HttpClient {
    /// A client that writes `pipeline` copies of the request per batch.
    ///
    /// # Errors
    /// When a part of the request would break its framing.
    pub fn new(request: &HttpRequest, pipeline: u32) -> Result<Self, BadRequest> {
        let bytes = request.to_bytes()?;
        Ok(HttpClient {
            requests: bytes.repeat(pipeline as usize),
            request_len: bytes.len(),
            is_head: request.method == "HEAD",
            expect_status: request.expect_status,
            expect_body: request.expect_body.clone(),
            body_len_max: BODY_LEN_MAX,
            known: KnownHead::default(),
        })
    }

    /// Accepts reply bodies of up to `body_len_max` bytes instead of 1 GiB. A longer one is
    /// [`Fault::BodyTooLong`] as soon as its length or that of a chunk is announced, or else when it exceeds
    /// the limit.
    #[must_use]
    pub fn with_body_len_max(self, body_len_max: u32) -> Self {
        HttpClient { body_len_max, ..self }
    }

    /// Takes a head from the front of `input`; the progress is `Some` when the reply needs nothing more.
    #[inline]
    fn on_head(&mut self, state: &mut HttpState, input: &[u8]) -> (usize, Option<Progress>) {
        let is_known = !self.known.bytes.is_empty() && input.starts_with(&self.known.bytes);
        if !is_known && let Err(otherwise) = self.parse_head(state, input) {
            return otherwise;
        }
        *state = self.known.state;
        let consumed = self.known.bytes.len();
        if consumed > KNOWN_LEN_MAX {
            self.known.bytes.clear();
        }
        (consumed, None)
    }

    /// Parses a final head into `known`, or returns what the input was instead.
    #[cold]
    fn parse_head(&mut self, state: &mut HttpState, input: &[u8]) -> Result<(), (usize, Option<Progress>)> {
        let fault = |consumed, fault| (consumed, Some(Progress::Fault(fault)));
        let whole = head_len(&mut state.body, input).map_err(|wrong| fault(0, wrong))?;
        let head = &input[..whole.ok_or((0, Some(Progress::Incomplete)))?];
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut []);
        let parser = httparse::ParserConfig::default();
        #[cfg(test)]
        crate::work::add(head.len());
        let consumed = match parser.parse_response_with_uninit_headers(&mut response, head, &mut headers) {
            Ok(httparse::Status::Complete(len)) if len == head.len() => len,
            Err(httparse::Error::TooManyHeaders) => return Err(fault(0, Fault::HeadTooLong)),
            _ => return Err(fault(0, Fault::Malformed)),
        };
        let status = response.code.unwrap_or(0);
        match status {
            // Nobody asked for another protocol.
            101 => return Err(fault(consumed, Fault::Malformed)),
            100..200 if state.interims_or_retry_after_s == INTERIMS_MAX => {
                return Err(fault(consumed, Fault::TooManyInterim));
            }
            100..200 => {
                state.interims_or_retry_after_s += 1;
                state.body = Body::default();
                return Err((consumed, None)); // the next head may be the one that counts
            }
            _ => {}
        }
        let is_http_1_0 = response.version == Some(0);
        let framing = framing(&response, is_http_1_0).ok_or_else(|| fault(consumed, Fault::BadFraming))?;
        let body = self.body(status, &framing).map_err(|wrong| fault(consumed, wrong))?;
        let keep_open = !framing.close && (!is_http_1_0 || framing.keep_alive);
        self.known.bytes.clear();
        self.known.bytes.extend_from_slice(head);
        self.known.state =
            HttpState { body, body_len: 0, status, keep_open, interims_or_retry_after_s: retry_after_s(&response) };
        Ok(())
    }

    /// How the body after a head ends, or what is wrong with its announced length.
    fn body(&self, status: u16, framing: &Framing) -> Result<Body, Fault> {
        let is_empty = self.is_head || status == 204 || status == 304;
        let len = match (is_empty, framing.coding, framing.content_length) {
            (true, ..) => 0,
            (false, Coding::Chunked | Coding::OtherChunked, _) => {
                return Ok(Body::Chunked(ChunkedDecoder::default()));
            }
            (false, Coding::Absent, Some(len)) => len,
            // RFC 9112 §6.3 case 4: if chunked is not the last coding, only the close ends a reply.
            (false, Coding::Other | Coding::ChunkedNotLast, _) | (false, Coding::Absent, None) => {
                return Ok(Body::UntilClose);
            }
        };
        if self.expected(status).is_some_and(|expected| expected.len() as u64 != len) {
            return Err(Fault::WrongLength);
        }
        match u32::try_from(len) {
            Ok(len) if len <= self.body_len_max => Ok(Body::Sized(len)),
            _ => Err(Fault::BodyTooLong),
        }
    }

    /// The body this reply must have. Replies with an unexpected status may have any body.
    fn expected(&self, status: u16) -> Option<&[u8]> {
        let has_body = !self.is_head && status != 304;
        self.expect_body.as_deref().filter(|_| has_body && self.expect_status.contains(status))
    }

    /// Verifies body bytes; they continue at `state.body_len` and do not go beyond `body_len_max`.
    fn on_body(&self, state: &mut HttpState, bytes: &[u8]) -> Result<(), Fault> {
        let at = state.body_len as usize;
        state.body_len += bytes.len() as u32;
        let Some(expected) = self.expected(state.status) else { return Ok(()) };
        match expected.get(at..at + bytes.len()) {
            Some(part) if part == bytes => Ok(()),
            Some(_) => Err(Fault::WrongBody),
            // The first mismatch decides; otherwise the answer would depend on how the bytes were cut.
            None if expected.get(at..) == bytes.get(..expected.len().saturating_sub(at)) => Err(Fault::WrongLength),
            None => Err(Fault::WrongBody),
        }
    }

    /// Body bytes that may still follow.
    fn room(&self, state: &HttpState) -> u32 {
        self.body_len_max - state.body_len
    }

    /// The body is whole: the verdict on the reply, and the state ready for the next one.
    fn finish(&self, state: &mut HttpState, keep_open: bool) -> Progress {
        let HttpState { status, body_len, interims_or_retry_after_s: retry_after_s, .. } = *state;
        state.body = Body::default();
        state.interims_or_retry_after_s = 0;
        match self.expected(status) {
            Some(expected) if expected.len() != body_len as usize => Progress::Fault(Fault::WrongLength),
            _ if self.expect_status.contains(status) => Progress::Complete { keep_open },
            _ => Progress::Refused { status, keep_open, retry_after_s },
        }
    }
}

impl Client for HttpClient {
    type State = HttpState;
    const IS_CONSTANT: bool = true;
    /// nginx answers with heads under 300 bytes; 16 KiB is what common clients allow.
    const UNREAD_LEN_MAX: usize = 16 * 1024;

    #[inline]
    fn begin(&mut self, _: &mut HttpState, count: u32) -> &[u8] {
        &self.requests[self.requests.len() - count as usize * self.request_len..]
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
                Body::Head(_) if rest.is_empty() => (0, Some(Progress::Incomplete)),
                Body::Head(_) => self.on_head(state, rest),
                Body::Sized(0) => (0, Some(self.finish(state, state.keep_open))),
                _ if rest.is_empty() => (0, Some(Progress::Incomplete)),
                Body::Sized(remaining) => {
                    let len = rest.len().min(*remaining as usize);
                    *remaining -= len as u32;
                    (len, self.on_body(state, &rest[..len]).err().map(Progress::Fault))
                }
                Body::Chunked(decoder) => match decoder.step(rest, usize::MAX) {
                    Ok(Piece::Data { consumed, len, .. }) => {
                        let data = &rest[consumed - len..consumed];
                        (consumed, self.on_body(state, data).err().map(Progress::Fault))
                    }
                    Ok(Piece::Start { consumed, size }) if size > self.room(state) => {
                        (consumed, Some(Progress::Fault(Fault::BodyTooLong)))
                    }
                    Ok(Piece::Start { consumed, .. }) => (consumed, None),
                    Ok(Piece::NeedMore { consumed }) => (consumed, Some(Progress::Incomplete)),
                    Ok(Piece::End { consumed }) => (consumed, Some(self.finish(state, state.keep_open))),
                    Err(_) => (0, Some(Progress::Fault(Fault::BadFraming))),
                },
                Body::UntilClose => {
                    let len = rest.len().min(self.room(state) as usize);
                    let too_long = (len < rest.len()).then_some(Fault::BodyTooLong);
                    (len, self.on_body(state, &rest[..len]).err().or(too_long).map(Progress::Fault))
                }
            };
            at += consumed;
            if let Some(progress) = progress {
                return Received { consumed: at, progress };
            }
        }
    }

    fn on_close(&mut self, state: &mut HttpState) -> Progress {
        match state.body {
            Body::Head(_) if state.interims_or_retry_after_s == 0 => Progress::Incomplete,
            Body::UntilClose => self.finish(state, false),
            Body::Head(_) | Body::Sized(_) | Body::Chunked(_) => Progress::Fault(Fault::Truncated),
        }
    }

    fn last_head(&self) -> &[u8] {
        &self.known.bytes
    }
}

/// Seconds of a Retry-After (RFC 9110 §10.2.3), 255 at most; 0 without one, or where it is a date.
fn retry_after_s(response: &httparse::Response<'_, '_>) -> u8 {
    let field = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("retry-after"));
    let text = field.and_then(|header| std::str::from_utf8(header.value).ok()).unwrap_or_default().trim_ascii();
    match text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        // A number that does not fit is longer than 255 s.
        true => text.parse::<u64>().map_or(u8::MAX, |seconds| u8::try_from(seconds).unwrap_or(u8::MAX)),
        false => 0,
    }
}

/// The start of every reply that this client understands, up to the minor version.
const VERSION: &[u8] = b"HTTP/1.";

/// The length of the head at the front of `input`, once it is whole. httparse accepts a bare LF as a line end
/// and skips any number of empty lines before the status line. Another reader would see part of a value, or
/// another reply (RFC 9112 §2.2), so this function rejects both. It recognises a peer of another protocol by
/// its first bytes.
fn head_len(body: &mut Body, input: &[u8]) -> Result<Option<usize>, Fault> {
    // Cut to the limit first, so that a long head is the same fault however it was cut into pieces.
    let input = &input[..input.len().min(HttpClient::UNREAD_LEN_MAX)];
    let Body::Head(progress) = body else { return Ok(None) };
    let version_len = input.len().min(VERSION.len());
    if input[..version_len] != VERSION[..version_len] {
        return Err(Fault::Malformed);
    }
    let check = |line: &[u8]| match line.strip_prefix(VERSION) {
        Some([b'0' | b'1', b' ', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9']) => Ok(()),
        Some([b'0' | b'1', b' ', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b' ', ..]) => Ok(()),
        _ => Err(Fault::Malformed),
    };
    let whole = lines::scan::<false, _>(input, progress, Fault::Malformed, check)?;
    if whole.is_none() && input.len() == HttpClient::UNREAD_LEN_MAX {
        return Err(Fault::HeadTooLong);
    }
    Ok(whole)
}

/// What the head says about the end of the body and of the connection; `None` when it is ambiguous.
fn framing(response: &httparse::Response<'_, '_>, is_http_1_0: bool) -> Option<Framing> {
    let mut framing = Framing::default();
    for header in response.headers.iter() {
        framing.take(header.name.as_bytes(), header.value).ok()?;
    }
    (!framing.is_ambiguous(is_http_1_0)).then_some(framing)
}

impl HttpRequest {
    /// The request as it is written.
    ///
    /// # Errors
    /// When a part of it would break its framing.
    pub fn to_bytes(&self) -> Result<Vec<u8>, BadRequest> {
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
            if !value.bytes().all(is_value) {
                return Err(BadRequest(format!("the value of header {name} has control characters")));
            }
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        Ok([text.as_bytes(), &self.body].concat())
    }
}

#[cfg(test)]
mod tests;
