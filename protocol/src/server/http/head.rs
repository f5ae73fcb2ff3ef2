//! A request head, reduced to what decides the reply and the framing of the body (RFC 9112).
//!
//! A complete, valid head is parsed in one pass. Everything else, above all a partial head, takes the careful
//! path: it scans every byte once, remembers how far it came, and finds faults in byte order, so the answer
//! does not depend on how the head was cut into packets.

use super::authority;
use super::host_line::HostLine;
use super::line::{Action, Line};
use crate::bytes::{ascii_len, is_token, text_len, trim};
use crate::fields::{self, Coding};
use crate::lines;
use crate::server::Violation;

/// Longest request head in bytes. A longer one is answered 431, or 414 when the request line alone is that
/// long. nginx and Apache use 8 KiB per line and 32 KiB or more in total; 16 KiB in total is enough for every
/// browser's head and for the request line of 8,000 bytes that RFC 9112 §3 recommends.
pub(super) const HEAD_LEN_MAX: usize = 16 * 1024;
/// Most header fields of one request; more are answered 431.
const FIELDS_MAX: usize = 100;
/// The request line of most requests that a server under test gets.
const USUAL_LINE: &[u8] = b"GET / HTTP/1.1\r\n";

/// How the request's body is framed (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
}

/// A complete request head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of the head, empty line included.
    pub(super) len: usize,
    pub(super) line: Line,
    pub(super) framing: Framing,
    /// The peer wants to keep the connection open.
    pub(super) keep_alive: bool,
    pub(super) expect_continue: bool,
}

/// How far an incomplete head has been scanned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    lines: lines::Progress,
    /// The one empty line that may precede a request was taken.
    skipped: bool,
}

const _: () = assert!(HEAD_LEN_MAX <= u16::MAX as usize);

impl Progress {
    /// Whether a byte of the request line has arrived. A lone CR does not count yet: it may be the first half
    /// of the empty line that is skipped.
    pub(super) fn has_begun(&self) -> bool {
        self.lines.scanned > 0
    }
}

/// What the front of the input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parsed {
    Head(Head),
    /// An empty line (two bytes) before the request line.
    EmptyLine,
    Incomplete,
}

/// Parses the front of `input`, which continues where `progress` stopped. `known` saves work and changes no answer.
#[inline]
pub(super) fn parse(input: &[u8], progress: &mut Progress, known: &mut HostLine) -> Result<Parsed, Violation> {
    // Cut first, so that bytes past the limit cannot change the answer.
    let input = &input[..input.len().min(HEAD_LEN_MAX)];
    // Only on the first call: a head that comes byte by byte must not be parsed again and again.
    if progress.lines.scanned == 0
        && let Some(head) = parse_whole(input, known)
    {
        return Ok(Parsed::Head(head));
    }
    parse_part(input, progress, known)
}

/// The head, if it is complete and valid.
#[inline]
fn parse_whole(input: &[u8], known: &mut HostLine) -> Option<Head> {
    let (line, line_len) = if input.starts_with(USUAL_LINE) {
        (Line::USUAL, USUAL_LINE.len())
    } else {
        let len = ascii_len(input);
        if input.get(len..len + 2)? != b"\r\n" {
            return None;
        }
        (Line::parse(&input[..len]).ok()?, len + 2)
    };
    Head::new(line, line_len, &input[line_len..], known).ok()
}

#[inline(never)]
fn parse_part(input: &[u8], progress: &mut Progress, known: &mut HostLine) -> Result<Parsed, Violation> {
    // RFC 9112 §2.2: at least one empty line before a request line should be ignored. More than one would
    // only let an idle peer look busy.
    if input.starts_with(b"\r\n") && !progress.skipped {
        *progress = Progress { skipped: true, ..Progress::default() };
        return Ok(Parsed::EmptyLine);
    }
    let check = |line: &[u8]| Line::parse(line).map(|_| ());
    let head_len = lines::scan::<true, _>(input, &mut progress.lines, Violation::BadRequest, check)?;
    let line_len = usize::from(progress.lines.line_len);
    let Some(head_len) = head_len else {
        return match input.len() {
            HEAD_LEN_MAX if line_len == 0 => Err(Violation::TargetTooLong),
            HEAD_LEN_MAX => Err(Violation::HeadTooLong),
            _ => Ok(Parsed::Incomplete),
        };
    };
    let line = Line::parse(&input[..line_len - 2])?;
    Head::new(line, line_len, &input[line_len..head_len], known).map(Parsed::Head)
}

/// The header fields that matter here, gathered in one pass.
#[derive(Default)]
struct Fields {
    framing: fields::Framing,
    hosts: u32,
    expect_continue: bool,
    expect_other: bool,
}

impl Head {
    /// `section` holds the field lines and the empty line after them.
    #[inline]
    fn new(line: Line, line_len: usize, section: &[u8], known: &mut HostLine) -> Result<Head, Violation> {
        let mut fields = Fields::default();
        let section_len = fields.read(section, known)?;
        // RFC 9112 §3.2: a server MUST answer 400 when HTTP/1.1 comes without exactly one Host.
        if fields.hosts > 1 || (fields.hosts == 0 && !line.is_http_1_0) {
            return Err(Violation::BadRequest);
        }
        let framing = fields.framing(line.is_http_1_0)?;
        if line.action == Action::Tunnel {
            return Err(Violation::Tunnel);
        }
        if fields.expect_other {
            return Err(Violation::UnknownExpectation);
        }
        Ok(Head {
            len: line_len + section_len,
            line,
            framing,
            keep_alive: !fields.framing.close && (!line.is_http_1_0 || fields.framing.keep_alive),
            // RFC 9110 §10.1.1: ignore it in HTTP/1.0.
            expect_continue: fields.expect_continue && !line.is_http_1_0,
        })
    }
}

impl Fields {
    /// Takes all fields up to the empty line; returns their length, empty line included. No blank may precede
    /// the colon after a name (RFC 9112 §5.1); folded lines are refused (§5.2).
    #[inline]
    fn read(&mut self, section: &[u8], known: &mut HostLine) -> Result<usize, Violation> {
        let mut at = 0;
        for _ in 0..=FIELDS_MAX {
            let rest = &section[at..];
            if rest.starts_with(b"\r\n") {
                return Ok(at + 2);
            }
            if let Some(len) = known.len_in(rest) {
                #[cfg(test)]
                crate::work::add(len);
                self.hosts += 1;
                at += len;
                continue;
            }
            let name_len = rest.iter().take_while(|byte| is_token(**byte)).count();
            let (name, rest) = rest.split_at(name_len);
            let [b':', rest @ ..] = rest else { return Err(Violation::BadRequest) };
            let mut value_len = text_len(rest);
            while rest.get(value_len) == Some(&b'\t') {
                value_len += 1 + text_len(&rest[value_len + 1..]);
            }
            let (value, rest) = rest.split_at(value_len);
            if name.is_empty() || !rest.starts_with(b"\r\n") {
                return Err(Violation::BadRequest);
            }
            #[cfg(test)]
            crate::work::add(name_len + value_len + 3);
            let (line_len, hosts) = (name_len + value_len + 3, self.hosts);
            self.take(name, trim(value))?;
            if self.hosts > hosts {
                known.keep(&section[at..at + line_len]);
            }
            at += line_len;
        }
        Err(Violation::HeadTooLong)
    }

    #[inline]
    fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), Violation> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                self.hosts += 1;
                if !authority::is_valid(value) {
                    return Err(Violation::BadRequest);
                }
            }
            6 if name.eq_ignore_ascii_case(b"expect") => self.take_expect(value),
            _ => self.framing.take(name, value).map_err(|_| Violation::BadFraming)?,
        }
        Ok(())
    }

    fn take_expect(&mut self, value: &[u8]) {
        for expectation in value.split(|byte| *byte == b',').map(trim).filter(|text| !text.is_empty()) {
            let is_known = expectation.eq_ignore_ascii_case(b"100-continue");
            self.expect_continue |= is_known;
            self.expect_other |= !is_known;
        }
    }

    #[inline]
    fn framing(&self, is_http_1_0: bool) -> Result<Framing, Violation> {
        if self.framing.is_ambiguous(is_http_1_0) {
            return Err(Violation::BadFraming);
        }
        match self.framing.coding {
            Coding::Absent => Ok(Framing::Length(self.framing.content_length.unwrap_or(0))),
            Coding::Chunked => Ok(Framing::Chunked),
            // RFC 9112 §6.3 case 4: a body whose last coding is not chunked has no end.
            Coding::ChunkedNotLast => Err(Violation::BadFraming),
            // RFC 9112 §6.1: a coding that this server does not understand.
            Coding::Other | Coding::OtherChunked => Err(Violation::UnknownCoding),
        }
    }
}

#[cfg(test)]
mod tests;
