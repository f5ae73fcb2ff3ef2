//! Targets as people write them. The `url` crate parses URLs; this file handles what is not a URL (no scheme,
//! sockets in the file system), and refuses the rest with the form to write instead.

use super::address::{Address, UNIX_PATH_LEN_MAX};
use super::credentials;
use super::requests::Requests;
use crate::LoadError;
use percent_encoding::percent_decode_str;
use std::ffi::OsStr;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use url::{Host, Url};

/// RFC 9112 §3 wants servers to read request lines of 8,000 bytes; longer ones are a typing error.
const LEN_MAX: usize = 8000;

/// What is known of a target without a look at the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) requests: Requests,
    pub(crate) place: Place,
    /// The text without credentials: what is shown and recorded.
    pub(crate) shown: String,
}

/// Where the target is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// An address that needs no look-up.
    Address(Address),
    /// A name with its port.
    Name { host: String, port: u16 },
}

/// The ways to write a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Http,
    Tcp,
    /// `unix:PATH`, HTTP over a unix socket.
    UnixHttp,
    /// `tcp+unix:PATH`, echo over a unix socket.
    UnixEcho,
    /// `http+unix://%2Fpath%2Fof.sock/path?query`.
    UnixUrl,
}

fn usage(message: impl Into<String>) -> LoadError {
    LoadError::Usage(message.into())
}

pub(crate) fn parse(text: &str) -> Result<Written, LoadError> {
    let known = "write http://HOST:PORT/PATH, tcp://HOST:PORT (echo), unix:PATH (HTTP) or tcp+unix:PATH (echo)";
    match text {
        "" => return Err(usage(format!("a target is missing; {known}"))),
        _ if text.len() > LEN_MAX => return Err(usage(format!("a target has at most {LEN_MAX} bytes"))),
        _ if text.chars().any(char::is_control) => {
            return Err(usage(format!("target {:?} has control characters", discreet(text))));
        }
        _ => {}
    }
    let (form, rest) = form(text)?;
    match form {
        Form::UnixHttp => Ok(Written {
            requests: http("localhost", "/", None),
            place: Place::Address(unix(rest.as_bytes())?),
            shown: text.to_owned(),
        }),
        Form::UnixEcho => Ok(Written {
            requests: Requests::Echo,
            place: Place::Address(unix(rest.as_bytes())?),
            shown: text.to_owned(),
        }),
        Form::UnixUrl => unix_url(rest),
        Form::Http | Form::Tcp => url(text, form, rest),
    }
}

fn http(host: &str, path: &str, authorization: Option<credentials::Secret>) -> Requests {
    Requests::Http { host: host.to_owned(), path: path.to_owned(), authorization }
}

/// The form of a target, and what follows its scheme.
fn form(text: &str) -> Result<(Form, &str), LoadError> {
    if let Some(position) = text.find("://").filter(|&position| !text[..position].contains(['/', '?', '#', '@'])) {
        let rest = &text[position + 3..];
        return match text[..position].to_ascii_lowercase().as_str() {
            "http" => Ok((Form::Http, rest)),
            "tcp" => Ok((Form::Tcp, rest)),
            "http+unix" => Ok((Form::UnixUrl, rest)),
            // The path follows the colon; to the kernel, extra slashes at its front count as one.
            "unix" => Ok((Form::UnixHttp, &text[position + 1..])),
            "tcp+unix" => Ok((Form::UnixEcho, &text[position + 1..])),
            scheme @ ("https" | "wss") => Err(usage(format!(
                "{scheme}:// needs TLS, which the load generator does not speak; load the plain port behind it as http://"
            ))),
            "ws" => Err(usage("ws:// is not spoken; known are http:// and tcp:// (echo)")),
            scheme => Err(usage(format!(
                "the scheme {scheme:?} is not known; known are http://, tcp:// (echo), unix:PATH and tcp+unix:PATH"
            ))),
        };
    }
    match text.split_once(':').map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest)) {
        Some((scheme, rest)) if scheme == "unix" => return Ok((Form::UnixHttp, rest)),
        Some((scheme, rest)) if scheme == "tcp+unix" => return Ok((Form::UnixEcho, rest)),
        Some((scheme, rest)) if ["http", "https", "tcp", "ws", "wss", "http+unix"].contains(&scheme.as_str()) => {
            return Err(usage(format!(
                "two slashes are missing; write {scheme}://{}",
                discreet(rest.trim_start_matches('/'))
            )));
        }
        _ => {}
    }
    if text.starts_with(['/', '.']) {
        return Err(usage(format!("target {text:?} has no host; a unix socket is written as unix:{text}")));
    }
    let digits = text.strip_prefix(':').unwrap_or(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(usage(format!("target {text:?} has no host; write 127.0.0.1:{digits}")));
    }
    Ok((Form::Http, text))
}

/// The text for messages about an unreadable target: shows nothing before an @, whatever it is.
fn discreet(text: &str) -> String {
    let scheme = text.find("://").filter(|&position| !text[..position].contains('@'));
    let start = scheme.map_or(0, |position| position + 3);
    match text.rfind('@') {
        Some(end) if end >= start => format!("{}…{}", &text[..start], &text[end..]),
        _ => text.to_owned(),
    }
}

/// The parts of `user:password@host:port/path?query`: credentials with their @, host and port, the rest.
fn authority(rest: &str) -> (&str, &str, &str) {
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
    let (user, host) = authority.split_at(authority.rfind('@').map_or(0, |position| position + 1));
    (user, host, tail)
}

/// `http://` and `tcp://`. Both are parsed as http, whose hosts are names and addresses; the crate does not
/// parse hosts of unknown schemes like that (URL Standard, "special scheme").
fn url(text: &str, form: Form, rest: &str) -> Result<Written, LoadError> {
    let (user, host_text, tail) = authority(rest);
    let scheme = if form == Form::Tcp { "tcp" } else { "http" };
    let bad = |why: &str| usage(format!("target {:?} cannot be read: {why}", discreet(text)));
    if host_text.is_empty() {
        return Err(bad("it has no host"));
    }
    if let Some(forms) = brackets(scheme, host_text, tail) {
        return Err(usage(format!("an IPv6 address stands in brackets: write {forms}")));
    }
    let (host_text, scope) = scope(host_text, scheme, tail)?;
    let read = |scheme: &str| Url::parse(&format!("{scheme}://{user}{host_text}{tail}"));
    let url = read("http").map_err(|error| bad(&format!("{error}; write {scheme}://HOST:PORT")))?;
    // The crate leaves out a scheme's default port. No port is the default of both schemes.
    let port = url.port().or_else(|| read("https").ok()?.port());
    let port = match (port, form) {
        (Some(0), _) => return Err(bad("port 0 is none that can be connected to")),
        (Some(port), _) => port,
        (None, Form::Tcp) => return Err(bad(&format!("it has no port; write tcp://{host_text}:PORT"))),
        (None, _) => 80,
    };
    let place = match url.host() {
        Some(Host::Domain(name)) => Place::Name { host: name.to_owned(), port },
        Some(Host::Ipv4(address)) => Place::Address(Address::Tcp((address, port).into())),
        Some(Host::Ipv6(address)) => {
            Place::Address(Address::Tcp(SocketAddr::V6(SocketAddrV6::new(address, port, 0, scope))))
        }
        None => return Err(bad("it has no host")),
    };
    let shown_scheme = if text.len() == rest.len() { "" } else { &text[..text.len() - rest.len()] };
    let shown = format!("{shown_scheme}{}", &rest[user.len()..]);
    if form == Form::Tcp {
        return match () {
            () if !user.is_empty() => Err(bad("credentials go with http://; an echo server asks for none")),
            () if !matches!(tail, "" | "/") => Err(bad(&format!("echo has no path; write tcp://{host_text}"))),
            () => Ok(Written { requests: Requests::Echo, place, shown }),
        };
    }
    let authorization = credentials::basic(url.username(), url.password()).map_err(bad)?;
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    Ok(Written { requests: http(&host, &request_target(&url), authorization), place, shown })
}

/// The request target: path and query, without the fragment, which the client keeps (RFC 9110 §7.1).
fn request_target(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

/// The ways to write an address that lacks its brackets; `None` when nothing is missing.
fn brackets(scheme: &str, host: &str, tail: &str) -> Option<String> {
    if host.starts_with('[') || host.matches(':').count() < 2 {
        return None;
    }
    let is_address = |text: &str| text.split('%').next().is_some_and(|text| text.parse::<Ipv6Addr>().is_ok());
    let with_port = host.rsplit_once(':').filter(|(address, port)| is_address(address) && port.parse::<u16>().is_ok());
    let whole = is_address(host).then(|| match scheme {
        "tcp" => format!("tcp://[{host}]:PORT"),
        _ => format!("{scheme}://[{host}]{tail}"),
    });
    match (with_port, whole) {
        (Some((address, port)), None) => Some(format!("{scheme}://[{address}]:{port}{tail}")),
        (Some((address, port)), Some(whole)) => {
            Some(format!("{scheme}://[{address}]:{port}{tail}, or {whole} if there is no port in it"))
        }
        (None, whole) => whole,
    }
}

/// Takes the scope out of `[fe80::1%2]:80`, because the crate does not support scopes. RFC 6874 writes the %
/// as %25.
fn scope<'a>(host: &'a str, scheme: &str, tail: &str) -> Result<(std::borrow::Cow<'a, str>, u32), LoadError> {
    let parts = host.strip_prefix('[').and_then(|inner| inner.split_once(']'));
    let Some((inside, port)) = parts.filter(|(inside, _)| inside.contains('%')) else { return Ok((host.into(), 0)) };
    let (address, scope) = inside.split_once("%25").or(inside.split_once('%')).unwrap_or((inside, "0"));
    let number = scope.parse::<u32>().map_err(|_| {
        usage(format!(
            "a scope is the number of an interface: `ip -o link show dev {scope}` begins with it, like 2 in \
             {scheme}://[{address}%2]{port}{tail}"
        ))
    })?;
    Ok((format!("[{address}]{port}").into(), number))
}

fn unix(path: &[u8]) -> Result<Address, LoadError> {
    match path {
        [] => Err(usage("a path is missing; write unix:/run/server.sock, or tcp+unix:/run/server.sock for echo")),
        [b'@', ..] => Err(usage(format!(
            "abstract sockets are not loaded; for a file of this name write unix:./{}",
            String::from_utf8_lossy(path)
        ))),
        _ if path.contains(&0) => Err(usage("the path of a unix socket has no zero byte")),
        _ if path.len() > UNIX_PATH_LEN_MAX => Err(usage(format!(
            "the path of a unix socket has at most {UNIX_PATH_LEN_MAX} bytes, and this has {}; a relative path is shorter",
            path.len()
        ))),
        _ => Ok(Address::Unix(OsStr::from_bytes(path).into())),
    }
}

/// `http+unix://%2Frun%2Fserver.sock/path?query`, the form of the libraries that speak HTTP over such sockets.
fn unix_url(rest: &str) -> Result<Written, LoadError> {
    let (user, socket, tail) = authority(rest);
    let path: Vec<u8> = percent_decode_str(socket).collect();
    if !path.contains(&b'/') {
        return Err(usage(
            "the path of the socket stands in place of the host, with %2F for each slash: http+unix://%2Frun%2Fserver.sock/path",
        ));
    }
    let url = Url::parse(&format!("http://{user}localhost{tail}"))
        .map_err(|error| usage(format!("target {:?} cannot be read: {error}", discreet(rest))))?;
    let authorization = credentials::basic(url.username(), url.password()).map_err(usage)?;
    Ok(Written {
        requests: http("localhost", &request_target(&url), authorization),
        place: Place::Address(unix(&path)?),
        shown: format!("http+unix://{}", &rest[user.len()..]),
    })
}

#[cfg(test)]
mod tests;
