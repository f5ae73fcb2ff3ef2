//! A request head, reduced to what decides the reply and the framing of the body (RFC 9112).

use std::mem::MaybeUninit;

use crate::server::Violation;

/// Longest request head in bytes; longer ones are answered 431. nginx and Apache use 8 KiB per line
/// and 32 KiB or more in total; 16 KiB in total passes every browser's head.
pub(super) const HEAD_LEN_MAX: usize = 16 * 1024;
/// Most header fields of one request; more are answered 431.
const FIELDS_MAX: usize = 100;
/// The request line of most requests that a server under test gets, and how many fields of such a request are
/// looked at before it is taken for an unusual one.
const USUAL_LINE: &[u8] = b"GET / HTTP/1.1\r\n";
const USUAL_FIELDS_MAX: usize = 8;

const ALLOW_READ: &str = "Allow: GET, HEAD\r\n";
const ALLOW_POST: &str = "Allow: POST\r\n";

/// What the request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// `GET /` or `HEAD /`.
    Hello,
    /// `GET /bytes/N` or `HEAD /bytes/N`.
    Bytes(u32),
    /// `POST /echo`.
    Echo,
    /// The target exists, the method does not fit it; the text is the Allow header line.
    MethodNotAllowed(&'static str),
    NotFound,
}

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
    pub(super) action: Action,
    pub(super) head_only: bool,
    pub(super) framing: Framing,
    pub(super) minor_version: u8,
    /// The peer wants the connection to live on.
    pub(super) keep_alive: bool,
    pub(super) expect_continue: bool,
}

/// Header fields that matter here, gathered in one pass.
#[derive(Default)]
struct Fields {
    hosts: u32,
    content_length: Option<u64>,
    transfer_encoding: bool,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expect_continue: bool,
}

/// Parses the head at the front of `input`. `None`: it is not complete yet.
///
/// A head with the usual request line has only its fields parsed, in less room. Whatever is not plain about
/// them is left to the general way, so that there is one place for each answer.
#[inline]
pub(super) fn parse(input: &[u8]) -> Result<Option<Head>, Violation> {
    // Cut first, so that what lies behind the limit cannot change the answer.
    let input = &input[..input.len().min(HEAD_LEN_MAX)];
    if let Some(rest) = input.strip_prefix(USUAL_LINE) {
        let mut space = [httparse::EMPTY_HEADER; USUAL_FIELDS_MAX];
        if let Ok(httparse::Status::Complete((len, headers))) = httparse::parse_headers(rest, &mut space) {
            return Head::new(USUAL_LINE.len() + len, "GET", "/", 1, headers).map(Some);
        }
    }
    parse_any(input)
}

fn parse_any(input: &[u8]) -> Result<Option<Head>, Violation> {
    let mut space = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let len = match request.parse_with_uninit_headers(input, &mut space) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if input.len() < HEAD_LEN_MAX => return Ok(None),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => return Err(Violation::HeadTooLong),
        Err(httparse::Error::Version) => return Err(version_violation(input)),
        Err(_) => return Err(Violation::BadRequest),
    };
    let (Some(method), Some(target), Some(minor_version)) = (request.method, request.path, request.version) else {
        return Err(Violation::BadRequest);
    };
    Head::new(len, method, target, minor_version, request.headers).map(Some)
}

impl Head {
    #[inline]
    fn new(
        len: usize,
        method: &str,
        target: &str,
        minor_version: u8,
        headers: &[httparse::Header<'_>],
    ) -> Result<Head, Violation> {
        let mut fields = Fields::default();
        for header in headers {
            fields.take(header.name, header.value)?;
        }
        // RFC 9112 §3.2: a server MUST answer 400 when HTTP/1.1 comes without exactly one Host.
        if fields.hosts > 1 || (fields.hosts == 0 && minor_version == 1) {
            return Err(Violation::BadRequest);
        }
        Ok(Head {
            len,
            action: action(method, target)?,
            head_only: method == "HEAD",
            framing: fields.framing(minor_version)?,
            minor_version,
            keep_alive: !fields.close && (minor_version == 1 || fields.keep_alive),
            expect_continue: fields.expect_continue && minor_version == 1,
        })
    }
}

/// httparse reports every bad version token alike. `HTTP/2.0` is a version we do not speak (505),
/// `HTPP/1.1` is not HTTP (400). Decided by the bytes up to the first wrong one, because that is all
/// there is when the head arrives byte by byte.
fn version_violation(input: &[u8]) -> Violation {
    let token = input.splitn(3, |byte| *byte == b' ').nth(2).unwrap_or_default();
    match token.strip_prefix(b"HTTP/") {
        Some([b'1', b'.', minor, ..]) if minor.is_ascii_digit() => Violation::UnknownVersion,
        Some([major, ..]) if major.is_ascii_digit() && *major != b'1' => Violation::UnknownVersion,
        _ => Violation::BadRequest,
    }
}

fn action(method: &str, target: &str) -> Result<Action, Violation> {
    let read = matches!(method, "GET" | "HEAD");
    if target == "/" {
        return Ok(if read { Action::Hello } else { Action::MethodNotAllowed(ALLOW_READ) });
    }
    let path = path(target)?;
    Ok(match path {
        "/" if read => Action::Hello,
        "/" => Action::MethodNotAllowed(ALLOW_READ),
        "/echo" if method == "POST" => Action::Echo,
        "/echo" => Action::MethodNotAllowed(ALLOW_POST),
        _ => match path.strip_prefix("/bytes/").map(decimal) {
            Some(Some(count)) if read && count <= u64::from(u32::MAX) => Action::Bytes(count as u32),
            Some(Some(_)) if !read => Action::MethodNotAllowed(ALLOW_READ),
            _ => Action::NotFound,
        },
    })
}

/// The path of a request target: origin-form, or absolute-form, which a server MUST accept
/// (RFC 9112 §3.2.2). The query does not matter to any target here.
fn path(target: &str) -> Result<&str, Violation> {
    let path = match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None if target.starts_with('/') => target,
        None if target == "*" => return Ok("*"),
        None => return Err(Violation::BadRequest),
    };
    Ok(path.split('?').next().unwrap_or(path))
}

/// Digits only: `u64::from_str` would also take a sign (the CL.CL smuggling class).
fn decimal(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

impl Fields {
    /// The length of the name decides first: almost every field of a browser's head is dismissed
    /// without a comparison of bytes.
    #[inline]
    fn take(&mut self, name: &str, value: &[u8]) -> Result<(), Violation> {
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => self.hosts += 1,
            6 if name.eq_ignore_ascii_case("expect") => {
                self.expect_continue |= value.eq_ignore_ascii_case(b"100-continue");
            }
            10 if name.eq_ignore_ascii_case("connection") => self.take_connection(value),
            14 if name.eq_ignore_ascii_case("content-length") => self.take_content_length(value)?,
            17 if name.eq_ignore_ascii_case("transfer-encoding") => self.take_transfer_encoding(value)?,
            _ => {}
        }
        Ok(())
    }

    fn take_connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',') {
            let option = option.trim_ascii();
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn take_content_length(&mut self, value: &[u8]) -> Result<(), Violation> {
        let length = std::str::from_utf8(value).ok().and_then(decimal).ok_or(Violation::BadFraming)?;
        // RFC 9112 §6.3 case 5: several values, even in several fields, are only valid when equal.
        match self.content_length.replace(length) {
            Some(before) if before != length => Err(Violation::BadFraming),
            _ => Ok(()),
        }
    }

    fn take_transfer_encoding(&mut self, value: &[u8]) -> Result<(), Violation> {
        if self.transfer_encoding {
            return Err(Violation::BadFraming);
        }
        self.transfer_encoding = true;
        if !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
            return Err(Violation::UnknownCoding);
        }
        self.chunked = true;
        Ok(())
    }

    /// RFC 9112 §6.1: both framings at once, or a transfer coding in HTTP/1.0, are attacks or bugs.
    fn framing(&self, minor_version: u8) -> Result<Framing, Violation> {
        match (self.chunked, self.content_length) {
            (true, Some(_)) => Err(Violation::BadFraming),
            (true, None) if minor_version == 0 => Err(Violation::BadFraming),
            (true, None) => Ok(Framing::Chunked),
            (false, length) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: Result<Option<Action>, Violation>) {
        assert_eq!(parse(input.as_bytes()).map(|head| head.map(|head| head.action)), expected, "{input:?}");
    }

    #[test]
    fn targets_and_methods() {
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Ok(Some(Action::Hello)));
        check("GET /?a=/b HTTP/1.1\r\nhOsT: a\r\n\r\n", Ok(Some(Action::Hello)));
        check("HEAD http://a HTTP/1.1\r\nHost: a\r\n\r\n", Ok(Some(Action::Hello)));
        check("GET http://a/bytes/7?x HTTP/1.1\r\nHost: a\r\n\r\n", Ok(Some(Action::Bytes(7))));
        check("GET /bytes/+7 HTTP/1.0\r\n\r\n", Ok(Some(Action::NotFound)));
        check("GET /bytes/99999999999999999999 HTTP/1.0\r\n\r\n", Ok(Some(Action::NotFound)));
        check("DELETE /bytes/7 HTTP/1.0\r\n\r\n", Ok(Some(Action::MethodNotAllowed(ALLOW_READ))));
        check("GET /echo HTTP/1.0\r\n\r\n", Ok(Some(Action::MethodNotAllowed(ALLOW_POST))));
        check("OPTIONS * HTTP/1.0\r\n\r\n", Ok(Some(Action::NotFound)));
        check("CONNECT a:1 HTTP/1.0\r\n\r\n", Err(Violation::BadRequest));
        check("GET / HTTP/1.1\r\nHost: a\r\n", Ok(None));
    }

    #[test]
    fn the_usual_request_line_changes_no_answer() {
        let many = "a: b\r\n".repeat(USUAL_FIELDS_MAX);
        for fields in [
            "Host: a\r\n\r\n",
            "Host: a\r\nConnection: close\r\n\r\nGET ",
            "Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "Host: a\r\nHost: b\r\n\r\n",
            "Host: a\r\n",
            "Host : a\r\n\r\n",
            " Host: a\r\n\r\n",
            "\r\n",
            "",
            &format!("Host: a\r\n{many}\r\n"),
            &format!("Host: a\r\n{many}"),
            &"a: b\r\n".repeat(FIELDS_MAX + 1),
            &format!("a: {}", "b".repeat(HEAD_LEN_MAX)),
        ] {
            let head = [USUAL_LINE, fields.as_bytes()].concat();
            for len in 0..=head.len().min(400) {
                assert_eq!(parse(&head[..len]), parse_any(&head[..len]), "{:?}", String::from_utf8_lossy(&head[..len]));
            }
            let head = &head[..head.len().min(HEAD_LEN_MAX)];
            assert_eq!(parse(head), parse_any(head), "{fields:?}");
        }
    }

    #[test]
    fn violations() {
        check("GET / HTTP/1.1\r\n\r\n", Err(Violation::BadRequest));
        check("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Err(Violation::BadRequest));
        check("GET / HTTP/2.0\r\n\r\n", Err(Violation::UnknownVersion));
        check("GET / HTTP/3\r\n\r\n", Err(Violation::UnknownVersion));
        check("GET / HTPP/1.1\r\n\r\n", Err(Violation::BadRequest));
        check("\x16\x03\x01\x02", Err(Violation::BadRequest));
        check("POST /echo HTTP/1.0\r\nContent-Length: +1\r\n\r\n", Err(Violation::BadFraming));
        check("POST /echo HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", Err(Violation::BadFraming));
        check("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Err(Violation::BadFraming));
        check(
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            Err(Violation::BadFraming),
        );
        check(
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            Err(Violation::UnknownCoding),
        );
        check(&format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(FIELDS_MAX + 1)), Err(Violation::HeadTooLong));
        check(&format!("GET /{}", "a".repeat(HEAD_LEN_MAX)), Err(Violation::HeadTooLong));
    }

    #[test]
    fn persistence() {
        for (fields, minor, expected) in [
            ("", 1, true),
            ("Connection: close\r\n", 1, false),
            ("connection: foo, CLOSE\r\n", 1, false),
            ("", 0, false),
            ("Connection: Keep-Alive\r\n", 0, true),
            ("Connection: keep-alive, close\r\n", 0, false),
        ] {
            let head = parse(format!("GET / HTTP/1.{minor}\r\nHost: a\r\n{fields}\r\n").as_bytes());
            assert_eq!(head.unwrap().unwrap().keep_alive, expected, "{fields:?} {minor}");
        }
    }
}
