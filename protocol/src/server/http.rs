//! HTTP/1.1 (RFC 9110, RFC 9112): `GET /`, `GET /bytes/N`, `POST /echo`, targets that take a job if they are on, and
//! clear errors.
//!
//! Validate first, then answer: nothing is written until the head, and the framing of the body's first 64
//! KiB, are known to be valid. `POST /echo` waits for a body of up to that length and echoes a longer one
//! while it arrives; `/bytes/N` is produced as the peer takes it. So no connection holds more of a body in
//! memory, and a client of `POST /echo` must read while it writes once its body exceeds the socket buffers.
//! One request gets one final reply: an error after its first byte ends the connection without another.

mod authority;
mod collect;
mod head;
mod host_line;
mod jobs;
mod limits;
mod line;
mod reply;

use self::collect::{COLLECT_LEN_MAX, Collect};
use self::head::{Framing, HEAD_LEN_MAX, Head, Parsed, Progress};
use self::host_line::HostLine;
pub use self::limits::HttpLimits;
use self::line::Action;
use self::reply::{Body, HELLO, Persistence, REPLY_HEAD_LEN_MAX, Ready};
use super::{FILLER, Job, Message, Protocol, Step, Then, Violation, Waiting};
use crate::Output;
use crate::chunked::{ChunkedDecoder, Piece};

/// Room in bytes that a chunk of the reply needs beyond its data: 8 digits and two CRLF; the last
/// chunk needs 5.
const CHUNK_FRAME_LEN_MAX: usize = 12;

/// Longest `/bytes/N` body that is written like any reply, so that pipelined ones leave together. Longer ones
/// are sent as filler.
const FILL_INLINE_MAX: usize = 4096;

const LATE: &str = "408 Request Timeout";

/// CRLF.
const EMPTY_LINE_LEN: usize = 2;
/// The start of a request whose replies, errors included, have no body.
const HEAD_METHOD: &[u8] = b"HEAD ";

/// The HTTP workload of one shard.
pub struct Http {
    limits: HttpLimits,
    ready: Ready,
    host_line: HostLine,
    draining: bool,
}

/// What one connection remembers between two calls.
#[derive(Debug, Default)]
pub struct HttpState {
    phase: Phase,
    /// The connection closes once the current reply is complete.
    close: bool,
    /// The request came as HTTP/1.0.
    is_http_1_0: bool,
    /// The request is HEAD, as far as its method is known yet: no reply has a body.
    head_only: bool,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// At the start of, or inside, a request head.
    Head(Progress),
    /// The head is complete; the reply waits for the body.
    Collect { collect: Collect, action: Action },
    /// `remaining` bytes of a `/bytes/N` reply are still to be written.
    Fill { remaining: u32 },
    /// The reply waits for this job.
    Await { job: Job },
    /// A body framed by Content-Length; it is echoed, or skipped when the reply is already written.
    Length { remaining: u32, echo: bool },
    /// A chunked body; the limit still allows `budget` bytes.
    Chunked { decoder: ChunkedDecoder, budget: u32, echo: bool },
}

impl Default for Phase {
    fn default() -> Self {
        Phase::Head(Progress::default())
    }
}

impl Phase {
    /// Whether a reply written now is the first one to its request.
    fn is_unanswered(&self) -> bool {
        matches!(self, Phase::Head(_) | Phase::Collect { .. } | Phase::Await { .. })
    }
}

/// The outcome of running a phase.
enum Turn {
    /// The message is complete, go on with the next.
    Done,
    /// Input is used up.
    NeedInput,
    /// Output is used up.
    NeedRoom,
    /// Filler comes next.
    Fill,
    /// A job comes next.
    Await,
    Violated(Violation),
}

impl Http {
    /// A workload with these limits; its clock shows the epoch until [`Protocol::set_time`].
    pub fn new(limits: HttpLimits) -> Self {
        Http { limits, ready: Ready::new(), host_line: HostLine::new(), draining: false }
    }

    /// Takes a request: writes the reply, or at least its head, or decides to wait for the body. Chooses the
    /// next phase.
    #[inline]
    fn begin(&self, state: &mut HttpState, head: &Head, output: &mut Output<'_>) -> Result<(), Violation> {
        state.close = !head.keep_alive || self.draining;
        state.is_http_1_0 = head.line.is_http_1_0;
        state.head_only = head.line.head_only;
        let is_plain = head.framing == Framing::Length(0) && !state.head_only && !state.close && !state.is_http_1_0;
        if head.line.action == Action::Hello && is_plain {
            self.ready.hello(output);
            return Ok(());
        }
        self.begin_other(state, head, output)
    }

    /// Every reply except the one that is kept ready. All refusals come before anything is written.
    fn begin_other(&self, state: &mut HttpState, head: &Head, output: &mut Output<'_>) -> Result<(), Violation> {
        let length = match head.framing {
            Framing::Length(length) => u32::try_from(length).ok().filter(|length| *length <= self.limits.body_len_max),
            Framing::Chunked => Some(u32::MAX),
        };
        let length = length.ok_or(Violation::BodyTooLong)?;
        let action = match head.line.action {
            // Not a target, whatever the method.
            _ if jobs::count_max(&self.limits, head.line.counts).is_none_or(|most| head.line.count > most) => {
                Action::NotFound
            }
            // Content of a GET has no meaning (RFC 9110 §9.3.1), and a reply that streams, or that waits, cannot
            // be written while a body is skipped.
            Action::Bytes | Action::Job if length > 0 => return Err(Violation::UnwantedBody),
            Action::Job => {
                state.phase = Phase::Await { job: jobs::job(head.line.counts, head.line.count) };
                return Ok(());
            }
            Action::Bytes => {
                let count = head.line.count;
                self.reply(state, Action::Bytes, Body::Length(u64::from(count)), output);
                state.phase = Phase::Fill { remaining: if state.head_only { 0 } else { count } };
                return Ok(());
            }
            action => action,
        };
        let echo = action == Action::Echo;
        if head.expect_continue && length > 0 {
            if !echo {
                self.answer_unasked(state, action, output);
                return Ok(());
            }
            output.push(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        state.phase = match head.framing {
            Framing::Length(_) if echo && (1..=COLLECT_LEN_MAX).contains(&(length as usize)) => {
                Phase::Collect { collect: Collect::Length(length), action }
            }
            Framing::Chunked => Phase::Collect { collect: Collect::chunked(self.limits.body_len_max), action },
            Framing::Length(_) => self.answer(state, action, Body::Length(u64::from(length)), output),
        };
        Ok(())
    }

    /// Answers a request that asked whether to send its body when the body is not needed. The peer may send
    /// the body all the same and does not say so (RFC 9110 §10.1.1), so the bytes after the head cannot be
    /// trusted to be a request: the connection closes and discards what still comes.
    #[cold]
    fn answer_unasked(&self, state: &mut HttpState, action: Action, output: &mut Output<'_>) {
        state.close = true;
        state.phase = Phase::Length { remaining: 0, echo: false };
        self.reply(state, action, Body::None, output);
    }

    /// Answers a request whose reply waited for its body, if `input` holds enough of it; false if not.
    fn answer_collected(
        &self,
        state: &mut HttpState,
        input: &[u8],
        output: &mut Output<'_>,
    ) -> Result<bool, Violation> {
        let Phase::Collect { collect, action } = &mut state.phase else { return Ok(true) };
        if !collect.is_enough(input)? {
            return Ok(false);
        }
        let body = match collect {
            Collect::Length(length) => Body::Length(u64::from(*length)),
            Collect::Chunked(_) => Body::Chunked,
        };
        let action = *action;
        // The drain may have begun meanwhile.
        state.close |= self.draining;
        state.phase = self.answer(state, action, body, output);
        Ok(true)
    }

    /// Writes the reply to a request with this body, and returns the phase that echoes or skips it.
    fn answer(&self, state: &HttpState, action: Action, body: Body, output: &mut Output<'_>) -> Phase {
        self.reply(state, action, body, output);
        let echo = action == Action::Echo;
        match body {
            // The head was refused if its length did not fit.
            Body::Length(length) => Phase::Length { remaining: length as u32, echo },
            _ => Phase::Chunked { decoder: ChunkedDecoder::default(), budget: self.limits.body_len_max, echo },
        }
    }

    /// Writes the head of the reply and, if that is short, its body. `content` is the body of all other
    /// replies.
    fn reply(&self, state: &HttpState, action: Action, content: Body, output: &mut Output<'_>) {
        let persistence = persistence(state);
        let mut text = |status, text, extra| {
            self.ready.text(output, status, text, persistence, extra, state.head_only);
        };
        match action {
            Action::Hello => text("200 OK", HELLO, ""),
            Action::Bytes | Action::Echo => self.ready.head(output, "200 OK", content, persistence, ""),
            Action::Options(allow) => {
                self.ready.head(output, "204 No Content", Body::None, persistence, allow.line());
            }
            Action::MethodNotAllowed(allow) => {
                text("405 Method Not Allowed", "this target does not take that method\n", allow.line());
            }
            Action::NotFound => text("404 Not Found", "targets: GET /, GET /bytes/N, POST /echo\n", ""),
            Action::Job => unreachable!("its reply waits for the job"),
            Action::UnknownMethod | Action::Tunnel => {
                text("501 Not Implemented", "this server does not know that method\n", "");
            }
        }
    }

    /// Runs the phase after a request head over `input`, advancing `at`.
    fn go_on(phase: &mut Phase, input: &[u8], at: &mut usize, output: &mut Output<'_>) -> Turn {
        match phase {
            Phase::Head(_) => Turn::Done,
            Phase::Collect { .. } => Turn::NeedInput,
            Phase::Await { .. } => Turn::Await,
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

    /// Ends the connection for `violation`, with an error reply unless another reply has begun.
    #[cold]
    fn refuse(&self, state: &HttpState, violation: Violation, output: &mut Output<'_>) -> Then {
        if state.phase.is_unanswered() {
            let (status, text) = reply::explain(violation);
            self.ready.text(output, status, text, Persistence::Close, "", state.head_only);
        }
        Then::Abort(violation)
    }
}

/// The reply repeats the request's chunks with their sizes, so it does not depend on how the request was cut
/// into packets.
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
    const ANNOUNCES_CLOSE: bool = true;
    const SAYS_WHEN: bool = true;
    const REPLY_LEN_MAX: usize = REPLY_HEAD_LEN_MAX;
    const UNREAD_LEN_MAX: usize = if HEAD_LEN_MAX > COLLECT_LEN_MAX { HEAD_LEN_MAX } else { COLLECT_LEN_MAX };

    #[inline]
    fn on_bytes(&mut self, state: &mut HttpState, input: &[u8], output: &mut Output<'_>) -> Step {
        let (mut at, mut requests) = (0, 0);
        let then = loop {
            if let Phase::Head(progress) = &mut state.phase {
                let rest = &input[at..];
                if rest.is_empty() {
                    break Then::KeepOpen;
                }
                if output.room() < REPLY_HEAD_LEN_MAX {
                    break Then::More;
                }
                let begun = match head::parse(rest, progress, &mut self.host_line) {
                    Ok(Parsed::Head(head)) => {
                        at += head.len;
                        requests += 1;
                        self.begin(state, &head, output)
                    }
                    Ok(Parsed::EmptyLine) => {
                        at += EMPTY_LINE_LEN;
                        continue;
                    }
                    Ok(Parsed::Incomplete) => {
                        state.head_only = rest.starts_with(HEAD_METHOD);
                        break Then::KeepOpen;
                    }
                    Err(violation) => {
                        state.head_only = rest.starts_with(HEAD_METHOD);
                        Err(violation)
                    }
                };
                if let Err(violation) = begun {
                    break self.refuse(state, violation, output);
                }
            }
            if let Phase::Collect { .. } = state.phase {
                if output.room() < REPLY_HEAD_LEN_MAX {
                    break Then::More;
                }
                match self.answer_collected(state, &input[at..], output) {
                    Ok(true) => {}
                    Ok(false) => break Then::KeepOpen,
                    Err(violation) => break self.refuse(state, violation, output),
                }
            }
            match Self::go_on(&mut state.phase, input, &mut at, output) {
                Turn::Done => {
                    state.phase = Phase::default();
                    if state.close {
                        break Then::CloseAfterReply;
                    }
                }
                Turn::NeedInput => break Then::KeepOpen,
                Turn::NeedRoom => break Then::More,
                Turn::Fill => break Then::Fill,
                Turn::Await => break Then::Await,
                Turn::Violated(violation) => break self.refuse(state, violation, output),
            }
        };
        Step { consumed: at, requests, then }
    }

    fn waiting(&self, state: &HttpState, unread: bool) -> Waiting {
        match state.phase {
            Phase::Head(progress) if unread && progress.has_begun() => Waiting::Head,
            Phase::Head(_) => Waiting::Request,
            Phase::Await { .. } => Waiting::Job,
            _ => Waiting::Body,
        }
    }

    fn on_timeout(&mut self, state: &mut HttpState, waiting: Waiting, output: &mut Output<'_>) {
        // RFC 9110 §15.5.9: 408 says that the request did not arrive in time. An idle persistent connection
        // is closed without a reply: its client could take a 408 for the reply to a request it just sent.
        let (status, text) = match (waiting, state.phase) {
            (Waiting::Head, Phase::Head(_)) => (LATE, "the request head did not arrive in time\n"),
            (Waiting::Body, Phase::Collect { .. }) => (LATE, "the request body did not arrive in time\n"),
            (Waiting::Job, Phase::Await { .. }) => (reply::UNAVAILABLE, "the work was not done in time\n"),
            _ => return,
        };
        self.ready.text(output, status, text, Persistence::Close, "", state.head_only);
    }

    #[cold]
    fn defer(&mut self, state: &mut HttpState, seconds: u16, output: &mut Output<'_>) {
        let mut space = [0; reply::RETRY_AFTER_LEN_MAX];
        let line = reply::retry_after(seconds, &mut space);
        let text = "more clients come at once than this server takes in\n";
        self.ready.text(output, reply::UNAVAILABLE, text, Persistence::Close, line, state.head_only);
        // Neither a job nor the rest of a reply follows.
        state.phase = Phase::default();
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

    fn job(&self, state: &HttpState) -> Option<Job> {
        match state.phase {
            Phase::Await { job } => Some(job),
            _ => None,
        }
    }

    fn on_message(&mut self, state: &mut HttpState, message: &Message, output: &mut Output<'_>) -> Step {
        // The drain may have begun meanwhile.
        state.close |= self.draining;
        let (status, body, extra) = reply::of_message(message);
        let persistence = persistence(state);
        self.ready.head(output, status, Body::Length(body.len() as u64), persistence, extra);
        if !state.head_only {
            output.push(body);
        }
        state.phase = Phase::default();
        Step { consumed: 0, requests: 0, then: if state.close { Then::CloseAfterReply } else { Then::KeepOpen } }
    }
}

/// What follows a reply, as its peer must be told.
fn persistence(state: &HttpState) -> Persistence {
    match (state.close, state.is_http_1_0) {
        (true, _) => Persistence::Close,
        (false, true) => Persistence::KeepOpenSaidSo,
        (false, false) => Persistence::KeepOpen,
    }
}

const _: () = assert!(size_of::<HttpState>() <= 24, "HTTP state is part of the 96 bytes of an idle connection");
