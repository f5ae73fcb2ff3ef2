//! HTTP/1.1 (RFC 9110, RFC 9112): `GET /`, `GET /bytes/N`, `POST /echo`, and clear errors.
//!
//! Bodies stream through: a request body is echoed while it arrives and `/bytes/N` is produced as
//! the peer takes it, so no connection ever holds a body in memory. A client of `POST /echo` must
//! therefore read while it writes once its body exceeds the socket buffers.

mod head;
mod reply;

use self::head::{Action, Framing, HEAD_LEN_MAX, Head};
use self::reply::{Body, HELLO, Persistence, REPLY_HEAD_LEN_MAX, Ready};
use super::{FILLER, Protocol, Step, Then, Violation, Waiting};
use crate::Output;
use crate::chunked::{ChunkedDecoder, Piece};

/// Room in bytes that a chunk of the reply needs beyond its data: 8 digits and two CRLF; the last
/// chunk needs 5.
const CHUNK_FRAME_LEN_MAX: usize = 12;

/// Longest `/bytes/N` body that is written like any reply, so that pipelined ones leave together. Longer
/// ones are filler.
const FILL_INLINE_MAX: usize = 4096;

/// Limits of the HTTP workload.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Longest request body in bytes; longer ones are answered 413.
    pub body_len_max: u32,
    /// Largest N of `/bytes/N`; larger ones are answered 404.
    pub bytes_max: u32,
}

impl Default for HttpLimits {
    /// 1 MiB stays below the default socket buffers, so that a client that writes its whole body
    /// before it reads cannot block itself; 1 GiB bounds a reply that one short request asks for.
    fn default() -> Self {
        HttpLimits { body_len_max: 1 << 20, bytes_max: 1 << 30 }
    }
}

/// The HTTP workload of one shard.
pub struct Http {
    limits: HttpLimits,
    ready: Ready,
    draining: bool,
}

/// What one connection remembers between two calls.
#[derive(Debug, Default)]
pub struct HttpState {
    phase: Phase,
    /// The connection closes once the current reply is complete.
    close: bool,
}

#[derive(Debug, Default, Clone, Copy)]
enum Phase {
    /// At the start of, or inside, a request head.
    #[default]
    Head,
    /// `remaining` bytes of a `/bytes/N` reply are still to be written.
    Fill { remaining: u32 },
    /// A body framed by Content-Length; it is echoed, or skipped when the reply is already written.
    Length { remaining: u32, echo: bool },
    /// A chunked body; `budget` is what the limit still allows.
    Chunked { decoder: ChunkedDecoder, budget: u32, echo: bool },
}

/// What a phase has to say after it ran.
enum Turn {
    /// The message is complete, go on with the next.
    Done,
    /// Input is used up.
    NeedInput,
    /// Output is used up.
    NeedRoom,
    /// Filler comes next.
    Fill,
    Violated(Violation),
}

impl Http {
    /// A workload with these limits; its clock starts at the epoch until [`Protocol::set_time`].
    pub fn new(limits: HttpLimits) -> Self {
        Http { limits, ready: Ready::new(), draining: false }
    }

    /// Writes the reply to `head`, at least its head, and chooses the phase that follows.
    #[inline]
    fn begin(&self, state: &mut HttpState, head: &Head, output: &mut Output<'_>) -> Result<(), Violation> {
        let persistence = match (head.keep_alive && !self.draining, head.minor_version) {
            (false, _) => Persistence::Close,
            (true, 0) => Persistence::KeepOpenSaidSo,
            (true, _) => Persistence::KeepOpen,
        };
        state.close = persistence == Persistence::Close;
        let plain = head.framing == Framing::Length(0) && !head.head_only;
        if head.action == Action::Hello && persistence == Persistence::KeepOpen && plain {
            self.ready.hello(output);
            return Ok(());
        }
        self.begin_other(state, head, persistence, output)
    }

    /// All but the reply that is kept ready.
    fn begin_other(
        &self,
        state: &mut HttpState,
        head: &Head,
        persistence: Persistence,
        output: &mut Output<'_>,
    ) -> Result<(), Violation> {
        let length = match head.framing {
            Framing::Length(length) => u32::try_from(length).ok().filter(|length| *length <= self.limits.body_len_max),
            Framing::Chunked => Some(u32::MAX),
        };
        let length = length.ok_or(Violation::BodyTooLong)?;
        if head.expect_continue && length > 0 {
            output.push(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let echo = head.action == Action::Echo;
        state.phase = match head.framing {
            Framing::Length(_) => Phase::Length { remaining: length, echo },
            Framing::Chunked => {
                Phase::Chunked { decoder: ChunkedDecoder::default(), budget: self.limits.body_len_max, echo }
            }
        };
        match head.action {
            Action::Hello => {
                self.ready.head(output, "200 OK", Body::Length(HELLO.len() as u64), persistence, "");
                if !head.head_only {
                    output.push(HELLO);
                }
            }
            // Content of a GET has no meaning (RFC 9110 §9.3.1), and a reply that streams cannot
            // be written while a body is skipped.
            Action::Bytes(_) if length > 0 => {
                state.phase = Phase::Head;
                return Err(Violation::BadRequest);
            }
            Action::Bytes(count) if count <= self.limits.bytes_max => {
                self.ready.head(output, "200 OK", Body::Length(u64::from(count)), persistence, "");
                state.phase = Phase::Fill { remaining: if head.head_only { 0 } else { count } };
            }
            Action::Echo => {
                let body = match head.framing {
                    Framing::Length(length) => Body::Length(length),
                    Framing::Chunked => Body::Chunked,
                };
                self.ready.head(output, "200 OK", body, persistence, "");
            }
            Action::MethodNotAllowed(allow) => {
                let text = "this target does not take that method\n";
                self.ready.text(output, "405 Method Not Allowed", text, persistence, allow, head.head_only);
            }
            Action::Bytes(_) | Action::NotFound => {
                let text = "targets: GET /, GET /bytes/N, POST /echo\n";
                self.ready.text(output, "404 Not Found", text, persistence, "", head.head_only);
            }
        }
        Ok(())
    }

    /// Runs the phase behind a request head over `input`, advancing `at`.
    fn go_on(phase: &mut Phase, input: &[u8], at: &mut usize, output: &mut Output<'_>) -> Turn {
        match phase {
            Phase::Head => Turn::Done,
            Phase::Fill { remaining } => {
                let len = *remaining as usize;
                if len > output.room().min(FILL_INLINE_MAX) {
                    return Turn::Fill;
                }
                output.push(&FILLER[..len]);
                *remaining = 0;
                Turn::Done
            }
            Phase::Length { remaining, echo } => {
                let room = if *echo { output.room() } else { usize::MAX };
                let len = (*remaining as usize).min(input.len() - *at);
                let taken = len.min(room);
                if *echo {
                    output.push(&input[*at..*at + taken]);
                }
                *at += taken;
                *remaining -= taken as u32;
                match *remaining {
                    0 => Turn::Done,
                    _ if taken < len => Turn::NeedRoom,
                    _ => Turn::NeedInput,
                }
            }
            Phase::Chunked { decoder, budget, echo } => go_on_chunked(decoder, budget, *echo, input, at, output),
        }
    }

    /// Writes the error reply of `violation`, if a reply can still be told apart from a body.
    fn refuse(&self, state: &HttpState, violation: Violation, output: &mut Output<'_>) {
        if matches!(state.phase, Phase::Head | Phase::Length { echo: false, .. } | Phase::Chunked { echo: false, .. }) {
            let (status, text) = reply::explain(violation);
            self.ready.text(output, status, text, Persistence::Close, "", false);
        }
    }
}

/// The reply repeats the chunks of the request with their sizes: so the reply does not depend on how
/// the request was cut into packets.
fn go_on_chunked(
    decoder: &mut ChunkedDecoder,
    budget: &mut u32,
    echo: bool,
    input: &[u8],
    at: &mut usize,
    output: &mut Output<'_>,
) -> Turn {
    loop {
        let room = if echo { output.room().saturating_sub(CHUNK_FRAME_LEN_MAX) } else { usize::MAX };
        if room == 0 {
            return Turn::NeedRoom;
        }
        match decoder.step(&input[*at..], room) {
            Err(_) => return Turn::Violated(Violation::BadFraming),
            Ok(Piece::NeedMore { consumed }) => {
                *at += consumed;
                return Turn::NeedInput;
            }
            Ok(Piece::Start { consumed, size }) => {
                *at += consumed;
                match budget.checked_sub(size) {
                    Some(rest) => *budget = rest,
                    None => return Turn::Violated(Violation::BodyTooLong),
                }
                if echo {
                    output.push_hex(u64::from(size));
                    output.push(b"\r\n");
                }
            }
            Ok(Piece::Data { consumed, len, ends_chunk }) => {
                *at += consumed;
                if echo {
                    output.push(&input[*at - len..*at]);
                    output.push(if ends_chunk { b"\r\n" } else { b"" });
                }
            }
            Ok(Piece::End { consumed }) => {
                *at += consumed;
                if echo {
                    output.push(b"0\r\n\r\n");
                }
                return Turn::Done;
            }
        }
    }
}

impl Protocol for Http {
    type State = HttpState;
    const NAME: &'static str = "http";
    const ANNOUNCES_CLOSE: bool = true;
    const REPLY_LEN_MAX: usize = REPLY_HEAD_LEN_MAX;
    const UNREAD_LEN_MAX: usize = HEAD_LEN_MAX;

    #[inline]
    fn on_bytes(&mut self, state: &mut HttpState, input: &[u8], output: &mut Output<'_>) -> Step {
        let (mut at, mut requests) = (0, 0);
        let then = loop {
            if matches!(state.phase, Phase::Head) {
                // RFC 9112 §2.2: empty lines before a request line are to be ignored.
                while let Some(b'\r' | b'\n') = input.get(at) {
                    at += 1;
                }
                if at == input.len() {
                    break Then::KeepOpen;
                }
                if output.room() < REPLY_HEAD_LEN_MAX {
                    break Then::More;
                }
                let begun = head::parse(&input[at..]).and_then(|head| {
                    let Some(head) = head else { return Ok(false) };
                    at += head.len;
                    requests += 1;
                    self.begin(state, &head, output).map(|()| true)
                });
                match begun {
                    Ok(true) => {}
                    Ok(false) => break Then::KeepOpen,
                    Err(violation) => {
                        self.refuse(state, violation, output);
                        break Then::Abort(violation);
                    }
                }
            }
            match Self::go_on(&mut state.phase, input, &mut at, output) {
                Turn::Done => {
                    state.phase = Phase::Head;
                    if state.close {
                        break Then::CloseAfterReply;
                    }
                }
                Turn::NeedInput => break Then::KeepOpen,
                Turn::NeedRoom => break Then::More,
                Turn::Fill => break Then::Fill,
                Turn::Violated(violation) => {
                    self.refuse(state, violation, output);
                    break Then::Abort(violation);
                }
            }
        };
        Step { consumed: at, requests, then }
    }

    fn waiting(&self, state: &HttpState, unread: bool) -> Waiting {
        match state.phase {
            Phase::Head if unread => Waiting::Head,
            Phase::Head => Waiting::Request,
            _ => Waiting::Body,
        }
    }

    fn on_timeout(&mut self, state: &mut HttpState, waiting: Waiting, output: &mut Output<'_>) {
        // RFC 9110 §15.5.9: 408 says that the request did not arrive in time. An idle persistent
        // connection is closed without a word: a 408 there is taken for the reply to a request
        // that was just being sent.
        if waiting == Waiting::Head && matches!(state.phase, Phase::Head) {
            let text = "the request head did not arrive in time\n";
            self.ready.text(output, "408 Request Timeout", text, Persistence::Close, "", false);
        }
    }

    fn set_time(&mut self, unix_seconds: u64) {
        self.ready.set_time(unix_seconds);
    }

    fn drain(&mut self) {
        self.draining = true;
    }

    #[inline]
    fn filler_left(&self, state: &HttpState) -> usize {
        match state.phase {
            Phase::Fill { remaining } => remaining as usize,
            _ => 0,
        }
    }

    #[inline]
    fn filler_sent(&mut self, state: &mut HttpState, count: usize) {
        match &mut state.phase {
            Phase::Fill { remaining } if count <= *remaining as usize => *remaining -= count as u32,
            _ => assert!(count == 0, "more filler than there was"),
        }
    }
}

const _: () = assert!(size_of::<HttpState>() <= 24, "HTTP state is part of the 96 bytes of an idle connection");
