//! The request line (RFC 9112 §3): method, target and version, and what they request together.

use super::authority;
use crate::bytes::is_token;
use crate::fields::decimal;
use crate::server::Violation;

/// The methods of a target, for its Allow field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allow {
    Read,
    Post,
    /// Of the server as a whole, `*`.
    Any,
}

impl Allow {
    /// The header line.
    pub(super) fn line(self) -> &'static str {
        match self {
            Allow::Read => "Allow: GET, HEAD, OPTIONS\r\n",
            Allow::Post => "Allow: POST, OPTIONS\r\n",
            Allow::Any => "Allow: GET, HEAD, POST, OPTIONS\r\n",
        }
    }
}

/// What the request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// `GET /` or `HEAD /`.
    Hello,
    /// `GET /bytes/N` or `HEAD /bytes/N`; N is [`Line::count`].
    Bytes,
    /// GET or HEAD of a target that takes a job, the one that [`Line::counts`] says; N is [`Line::count`].
    Job,
    /// `POST /echo`.
    Echo,
    /// `OPTIONS` of a target that exists.
    Options(Allow),
    /// The target exists, the method does not fit it.
    MethodNotAllowed(Allow),
    NotFound,
    /// Not a method of RFC 9110 or RFC 5789.
    UnknownMethod,
    /// `CONNECT`: what follows would not be HTTP.
    Tunnel,
}

/// What the number at the end of a target counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    /// `/bytes/N`, and targets without a number, where it is 0.
    Bytes,
    /// `/block/MS`: milliseconds that the reactor sleeps.
    Block,
    /// `/work/US`: microseconds of CPU time that it burns.
    Work,
    /// `/offload/MS`: milliseconds that a thread of the pool sleeps.
    Offload,
    /// `/db/KEY`: the key of a row.
    Rows,
}

/// The targets that end in a number.
const COUNTED: [(&[u8], Counts); 5] = [
    (b"/bytes/", Counts::Bytes),
    (b"/block/", Counts::Block),
    (b"/work/", Counts::Work),
    (b"/offload/", Counts::Offload),
    (b"/db/", Counts::Rows),
];

/// A request line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) action: Action,
    /// The number at the end of the target, for any known method; else 0.
    pub(super) count: u32,
    pub(super) counts: Counts,
    pub(super) head_only: bool,
    pub(super) is_http_1_0: bool,
}

/// Methods are case-sensitive (RFC 9110 §9.1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Head,
    Post,
    Options,
    Connect,
    OtherKnown,
    Unknown,
}

/// What a target leads to, whatever the method.
enum Route {
    Hello,
    Counted(Counts, u32),
    Echo,
    NotFound,
}

impl Line {
    /// `GET / HTTP/1.1`, which most requests to a server under test begin with.
    pub(super) const USUAL: Line =
        Line { action: Action::Hello, count: 0, counts: Counts::Bytes, head_only: false, is_http_1_0: false };

    /// Parses a line without its CRLF, of bytes from 0x20 to 0x7e. The version is checked before the target,
    /// because another version may have other target forms.
    pub(super) fn parse(line: &[u8]) -> Result<Line, Violation> {
        #[cfg(test)]
        crate::work::add(line.len());
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Violation::BadRequest);
        };
        if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
            return Err(Violation::BadRequest);
        }
        let is_http_1_0 = match version {
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9'] => *minor == b'0',
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => return Err(Violation::UnknownVersion),
            _ => return Err(Violation::BadRequest),
        };
        let method = match method {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"OPTIONS" => Method::Options,
            b"CONNECT" => Method::Connect,
            b"PUT" | b"DELETE" | b"TRACE" | b"PATCH" => Method::OtherKnown,
            _ => Method::Unknown,
        };
        let (action, counts, count) = action(method, target)?;
        Ok(Line { action, count, counts, head_only: method == Method::Head, is_http_1_0 })
    }
}

fn action(method: Method, target: &[u8]) -> Result<(Action, Counts, u32), Violation> {
    // RFC 9112 §3.2: no target form has a fragment. Other bytes that RFC 3986 wants encoded (`|`, `{`) do
    // come from browsers and do no harm.
    if target.is_empty() || target.contains(&b'#') {
        return Err(Violation::BadRequest);
    }
    if method == Method::Connect {
        return Ok((Action::Tunnel, Counts::Bytes, 0));
    }
    if target == b"*" {
        // RFC 9112 §3.2.4: only for OPTIONS.
        let is_options = method == Method::Options;
        return if is_options {
            Ok((Action::Options(Allow::Any), Counts::Bytes, 0))
        } else {
            Err(Violation::BadRequest)
        };
    }
    let route = route(path(target)?);
    let allow = if matches!(route, Route::Echo) { Allow::Post } else { Allow::Read };
    let (counts, count) = if let Route::Counted(counts, count) = route { (counts, count) } else { (Counts::Bytes, 0) };
    let action = match (route, method) {
        (_, Method::Unknown) => return Ok((Action::UnknownMethod, Counts::Bytes, 0)),
        (Route::NotFound, _) => Action::NotFound,
        (_, Method::Options) => Action::Options(allow),
        (Route::Hello, Method::Get | Method::Head) => Action::Hello,
        (Route::Counted(Counts::Bytes, _), Method::Get | Method::Head) => Action::Bytes,
        (Route::Counted(..), Method::Get | Method::Head) => Action::Job,
        (Route::Echo, Method::Post) => Action::Echo,
        _ => Action::MethodNotAllowed(allow),
    };
    Ok((action, counts, count))
}

/// The path of a target: origin-form, or absolute-form, which a server MUST accept (RFC 9112 §3.2.2). No
/// target here uses the query.
fn path(target: &[u8]) -> Result<&[u8], Violation> {
    let path = if target[0] == b'/' { target } else { absolute_path(target).ok_or(Violation::BadRequest)? };
    Ok(path.split(|byte| *byte == b'?').next().unwrap_or(path))
}

/// The path after the authority, which ends at the first `/` or `?` (RFC 3986 §3.2); an empty path is `/`
/// (RFC 9110 §4.2.3).
fn absolute_path(target: &[u8]) -> Option<&[u8]> {
    let after = |scheme: &[u8]| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let rest = after(b"http://").or_else(|| after(b"https://"))?;
    let authority_len = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_len);
    let path = if path.starts_with(b"/") { path } else { b"/" };
    authority::is_valid(authority).then_some(path)
}

fn route(path: &[u8]) -> Route {
    match path {
        b"/" => Route::Hello,
        b"/echo" => Route::Echo,
        _ => counted(path).map_or(Route::NotFound, |(counts, count)| Route::Counted(counts, count)),
    }
}

/// A target that ends in a number, and the number.
fn counted(path: &[u8]) -> Option<(Counts, u32)> {
    let (prefix, counts) = COUNTED.iter().find(|(prefix, _)| path.starts_with(prefix))?;
    let count = decimal(&path[prefix.len()..])?;
    Some((*counts, u32::try_from(count).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, target: &str, expected: Result<Action, Violation>) {
        let line = format!("{method} {target} HTTP/1.1");
        assert_eq!(Line::parse(line.as_bytes()).map(|line| line.action), expected, "{line:?}");
    }

    #[test]
    fn targets_and_methods() {
        const BAD: Result<Action, Violation> = Err(Violation::BadRequest);
        check("GET", "/", Ok(Action::Hello));
        check("HEAD", "/?a=/b", Ok(Action::Hello));
        check("GET", "/bytes/7", Ok(Action::Bytes));
        for (target, counts) in [
            ("/block/7", Counts::Block),
            ("/work/7", Counts::Work),
            ("/offload/7?x", Counts::Offload),
            ("/db/7", Counts::Rows),
        ] {
            for (method, action) in [
                ("GET", Action::Job),
                ("HEAD", Action::Job),
                ("POST", Action::MethodNotAllowed(Allow::Read)),
                ("OPTIONS", Action::Options(Allow::Read)),
            ] {
                let line = Line::parse(format!("{method} {target} HTTP/1.1").as_bytes()).unwrap();
                assert_eq!((line.action, line.counts, line.count), (action, counts, 7), "{method} {target}");
            }
        }
        for target in ["/block", "/block/", "/work/-1", "/offload/1/", "/db/4294967296"] {
            check("GET", target, Ok(Action::NotFound));
        }
        for target in ["/bytes/", "/bytes/+7", "/bytes/4294967296", "/bytes/7/", "/bytes", "//", "/ECHO", "/%65cho"] {
            check("GET", target, Ok(Action::NotFound));
            check("POST", target, Ok(Action::NotFound));
            check("OPTIONS", target, Ok(Action::NotFound));
            check("get", target, Ok(Action::UnknownMethod));
        }
        for method in ["POST", "PUT", "DELETE", "TRACE", "PATCH"] {
            check(method, "/", Ok(Action::MethodNotAllowed(Allow::Read)));
            check(method, "/bytes/7", Ok(Action::MethodNotAllowed(Allow::Read)));
        }
        check("GET", "/echo", Ok(Action::MethodNotAllowed(Allow::Post)));
        check("POST", "/echo?x", Ok(Action::Echo));
        check("OPTIONS", "/", Ok(Action::Options(Allow::Read)));
        check("OPTIONS", "http://a", Ok(Action::Options(Allow::Read)));
        check("OPTIONS", "/echo", Ok(Action::Options(Allow::Post)));
        check("OPTIONS", "*", Ok(Action::Options(Allow::Any)));
        for method in ["GET", "HEAD", "POST", "PUT", "BREW"] {
            check(method, "*", BAD);
        }
        for method in ["get", "GETS", "PRI", "X!"] {
            check(method, "/", Ok(Action::UnknownMethod));
        }
        check("CONNECT", "a:1", Ok(Action::Tunnel));
        check("GET", "a:1", BAD);
        for method in ["", "G(T", "G\"", "G:T"] {
            check(method, "/", BAD);
        }
        for target in ["", "/#", "/a#b", "a", "?", "?a", "/ /", "/ "] {
            check("GET", target, BAD);
        }
    }

    #[test]
    fn absolute_targets() {
        for (target, count) in [
            ("http://a/bytes/7?x", 7),
            ("HTTPS://a:1/bytes/8", 8),
            ("hTTp://[::1]:80/bytes/9?http://b/", 9),
            ("http://a%2f/bytes/1", 1),
        ] {
            let line = Line::parse(format!("GET {target} HTTP/1.1").as_bytes()).unwrap();
            assert_eq!((line.action, line.count), (Action::Bytes, count), "{target}");
        }
        for target in ["http://a", "http://a?x=/bytes/7", "http://a/?/echo", "https://a/"] {
            check("GET", target, Ok(Action::Hello));
        }
        for target in [
            "http://",
            "http:///",
            "http://?x",
            "http://:80/",
            "http://u@a/",
            "http://u:p@a/",
            "http://a b/",
            "http:/a",
            "http:a",
            "http",
            "ftp://a/",
            "httpx://a/",
            "http://a\\b/",
            "http://a:b/",
            "http://a/#b",
            "http://[::1/",
            "ws://a/",
            "//a/#",
        ] {
            check("GET", target, Err(Violation::BadRequest));
        }
    }

    #[test]
    fn versions() {
        let parse = |version: &str| Line::parse(format!("GET / {version}").as_bytes()).map(|line| line.is_http_1_0);
        assert_eq!(parse("HTTP/1.0"), Ok(true));
        for version in ["HTTP/1.1", "HTTP/1.2", "HTTP/1.9"] {
            assert_eq!(parse(version), Ok(false), "{version}");
        }
        for version in ["HTTP/2.0", "HTTP/9.9", "HTTP/0.9", "HTTP/2.1"] {
            assert_eq!(parse(version), Err(Violation::UnknownVersion), "{version}");
        }
        for version in [
            "",
            "HTTP/01.1",
            "HTTP/1.01",
            "HTTP/1",
            "HTTP/2",
            "HTTP/20",
            "HTTP/1.",
            "HTTP/.1",
            "HTTP/1.1 ",
            "HTTP/1.1x",
            "HTTP/10.1",
            "http/1.1",
            "Http/1.1",
            "HTPP/1.1",
            "HTTP 1.1",
            "HTTP/1,1",
            "HTTP/+1.1",
            "HTTP/1.x",
            "/HTTP/1.1",
        ] {
            assert_eq!(parse(version), Err(Violation::BadRequest), "{version}");
        }
        // A target that only HTTP/1.x forbids does not hide another version.
        assert_eq!(Line::parse(b"PRI * HTTP/2.0"), Err(Violation::UnknownVersion));
        assert_eq!(Line::parse(b"GET /"), Err(Violation::BadRequest));
        assert_eq!(Line::parse(b""), Err(Violation::BadRequest));
    }

    #[test]
    fn the_usual_line_is_the_usual_line() {
        assert_eq!(Line::parse(b"GET / HTTP/1.1"), Ok(Line::USUAL));
    }
}
