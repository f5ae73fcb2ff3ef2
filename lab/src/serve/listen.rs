//! What `--listen` takes, and the places it stands for. Names are looked up here; nothing is opened.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;
use server::{Endpoint, UNIX_PATH_LEN_MAX};

/// One value of `--listen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Listen {
    /// An address with its port.
    Address(SocketAddr),
    /// A port alone: loopback, because a server that anybody can reach has to be asked for by name.
    Loopback(u16),
    /// Every address of a name.
    Name { host: String, port: u16 },
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Listen, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(path);
        }
        if text.contains("://") {
            return Err("an address has no scheme; write it as 127.0.0.1:8080".into());
        }
        if let Some(digits) = text.strip_prefix(':').or(Some(text)).filter(|rest| is_number(rest)) {
            return Ok(Listen::Loopback(port(digits)?));
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            // ::ffff:127.0.0.1 is a way to write an IPv4 address, and no IPv6 listener takes it (ipv6(7)).
            return Ok(Listen::Address(
                SocketAddr::new(address.ip().to_canonical(), address.port()).scoped_as(address),
            ));
        }
        if !text.starts_with('[') && text.matches(':').count() > 1 {
            return Err(match text.rsplit_once(':') {
                Some((host, digits)) if host.parse::<Ipv6Addr>().is_ok() && is_number(digits) => {
                    format!("an IPv6 address stands in brackets: [{host}]:{digits}")
                }
                _ => format!("an IPv6 address stands in brackets, and a port follows: [{text}]:8080"),
            });
        }
        let Some((host, digits)) = text.rsplit_once(':').filter(|(_, digits)| is_number(digits)) else {
            let whole = text.trim_end_matches(':');
            return Err(format!("a port is missing; write it as {whole}:8080, or a port alone for loopback"));
        };
        name(host, port(digits)?)
    }
}

/// A scope is part of an IPv6 address, `[fe80::1%2]:80`, and of no other.
trait Scoped {
    fn scoped_as(self, given: SocketAddr) -> SocketAddr;
}

impl Scoped for SocketAddr {
    fn scoped_as(self, given: SocketAddr) -> SocketAddr {
        if self.is_ipv6() { given } else { self }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn port(digits: &str) -> Result<u16, String> {
    digits.parse().map_err(|_| format!("{digits} is no port; ports go from 0, which takes a free one, to 65535"))
}

fn unix(path: &str) -> Result<Listen, String> {
    match path.len() {
        0 => Err("a path is missing; write it as unix:/run/c10m.sock".into()),
        len if len > UNIX_PATH_LEN_MAX => Err(format!(
            "the path has {len} bytes, and the address of a unix socket has room for {UNIX_PATH_LEN_MAX} (unix(7)); choose a shorter one"
        )),
        _ if path.starts_with('@') => {
            Err(format!("abstract sockets are not served; for a file of this name write unix:./{path}"))
        }
        _ => Ok(Listen::Unix(PathBuf::from(OsStr::from_bytes(path.as_bytes())))),
    }
}

fn name(host: &str, port: u16) -> Result<Listen, String> {
    if host == "*" {
        return Err(format!("for every interface write 0.0.0.0:{port},[::]:{port}"));
    }
    if host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(format!("{host} is no IPv4 address; it has four numbers up to 255"));
    }
    if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        return Err(format!("{host:?} is neither an address nor the name of a host"));
    }
    Ok(Listen::Name { host: host.to_owned(), port })
}

impl Listen {
    /// The places that this stands for.
    fn endpoints(&self) -> anyhow::Result<Vec<Endpoint>> {
        Ok(match self {
            Listen::Address(address) => vec![Endpoint::Tcp(*address)],
            Listen::Loopback(port) => vec![Endpoint::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, *port)))],
            Listen::Unix(path) => vec![Endpoint::Unix(path.clone())],
            Listen::Name { host, port } => {
                let found = (host.as_str(), *port).to_socket_addrs();
                let found = found.with_context(|| {
                    format!("cannot find an address for {host}; look at `getent hosts {host}`, or give an address")
                })?;
                found.map(Endpoint::Tcp).collect()
            }
        })
    }
}

/// All places, each once. The outer error is of this host, the inner one of what was asked for.
pub(super) fn endpoints(listen: &[Listen]) -> anyhow::Result<Result<Vec<Endpoint>, String>> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for listen in listen {
        for endpoint in listen.endpoints()? {
            // With port 0 each gets a port of its own.
            if endpoint.tcp().is_some_and(|address| address.port() == 0) || !endpoints.contains(&endpoint) {
                endpoints.push(endpoint);
            }
        }
    }
    Ok(match overlap(&endpoints) {
        Some((part, whole)) => Err(format!("--listen {part} is a part of {whole}; leave one of them out")),
        None => Ok(endpoints),
    })
}

/// An address that another one takes in already. Both could listen, and nobody would see which of them a connection
/// came by.
fn overlap(endpoints: &[Endpoint]) -> Option<(SocketAddr, SocketAddr)> {
    let addresses: Vec<SocketAddr> = endpoints.iter().filter_map(Endpoint::tcp).collect();
    addresses.iter().copied().find_map(|whole| {
        let is_part = |part: &SocketAddr| {
            *part != whole && part.port() == whole.port() && part.port() != 0 && part.is_ipv4() == whole.is_ipv4()
        };
        let part = addresses.iter().copied().find(is_part).filter(|_| whole.ip().is_unspecified())?;
        Some((part, whole))
    })
}

/// What a reader of the ready line may not expect of the places; `bound` are those in use, with their ports.
pub(super) fn notes(listen: &[Listen], bound: &[Endpoint]) -> Vec<String> {
    let mut notes = Vec::new();
    let addresses: Vec<SocketAddr> = bound.iter().filter_map(Endpoint::tcp).collect();
    if listen.iter().any(|listen| matches!(listen, Listen::Loopback(_))) {
        let port =
            addresses.iter().find(|address| address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST)).map_or(0, |a| a.port());
        notes.push(format!(
            "a port alone is loopback only; --listen 0.0.0.0:{port},[::]:{port} listens on every interface"
        ));
    }
    for address in addresses.iter().filter(|address| address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)) {
        let port = address.port();
        let beside = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        notes.push(if addresses.contains(&beside) {
            format!("IPv4 does not reach {address}; it reaches {beside} beside it")
        } else {
            format!("IPv4 does not reach {address}; add --listen {beside}")
        });
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_as_people_write_them() {
        let address = |text: &str| Listen::Address(text.parse().unwrap());
        for (text, expected) in [
            ("8080", Listen::Loopback(8080)),
            (":8080", Listen::Loopback(8080)),
            (":0", Listen::Loopback(0)),
            ("127.0.0.1:8080", address("127.0.0.1:8080")),
            ("[::1]:8080", address("[::1]:8080")),
            ("[::]:0", address("[::]:0")),
            ("[fe80::1%2]:80", address("[fe80::1%2]:80")),
            ("[::ffff:127.0.0.1]:80", address("127.0.0.1:80")),
            ("localhost:8080", Listen::Name { host: "localhost".into(), port: 8080 }),
            ("my-host.example:1", Listen::Name { host: "my-host.example".into(), port: 1 }),
            ("unix:/run/c10m.sock", Listen::Unix("/run/c10m.sock".into())),
            ("unix:c10m:1.sock", Listen::Unix("c10m:1.sock".into())),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_is_right() {
        let long = format!("unix:/{}", "x".repeat(107));
        for (text, words) in [
            ("::1:8080", "[::1]:8080"),
            ("::1", "[::1]:8080"),
            (":::8080", "[::]:8080"),
            ("fe80::1:2:zz", "brackets"),
            ("[::1]", "[::1]:8080"),
            ("127.0.0.1", "127.0.0.1:8080"),
            ("localhost", "localhost:8080"),
            ("localhost:", "localhost:8080"),
            ("nowhere:http", "port is missing"),
            ("", "port is missing"),
            ("65536", "65536 is no port"),
            ("localhost:99999", "99999 is no port"),
            ("256.0.0.1:80", "256.0.0.1 is no IPv4 address"),
            ("127.1:80", "no IPv4 address"),
            ("a b:80", "neither an address nor the name"),
            ("*:80", "0.0.0.0:80,[::]:80"),
            ("http://127.0.0.1:80", "no scheme"),
            ("unix:", "unix:/run/c10m.sock"),
            ("unix:@name", "unix:./@name"),
            (&long, "room for 107"),
        ] {
            let error = text.parse::<Listen>().unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(format!("unix:/{}", "x".repeat(106)).parse::<Listen>().is_ok());
    }

    fn places(texts: &[&str]) -> Result<Vec<String>, String> {
        let listen: Vec<Listen> = texts.iter().map(|text| text.parse().unwrap()).collect();
        endpoints(&listen).unwrap().map(|endpoints| endpoints.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn each_place_counts_once_and_none_is_part_of_another() {
        let ok = |texts: &[&str]| places(texts).unwrap();
        assert_eq!(ok(&["80", "127.0.0.1:80", "unix:a", "unix:a"]), ["127.0.0.1:80", "unix:a"]);
        assert_eq!(ok(&["0", "0"]), ["127.0.0.1:0", "127.0.0.1:0"]);
        assert_eq!(ok(&["0.0.0.0:80", "[::]:80", "127.0.0.1:81"]).len(), 3);
        assert!(ok(&["localhost:80"]).contains(&"127.0.0.1:80".to_owned()));
        for texts in [["0.0.0.0:80", "127.0.0.1:80"], ["[::1]:80", "[::]:80"]] {
            assert!(places(&texts).unwrap_err().contains("leave one of them out"), "{texts:?}");
        }
    }

    #[test]
    fn a_name_without_an_address_is_this_hosts_trouble() {
        let listen = [Listen::Name { host: "name.invalid".into(), port: 80 }];
        assert!(format!("{:#}", endpoints(&listen).unwrap_err()).contains("getent hosts name.invalid"));
    }

    #[test]
    fn the_ready_line_says_who_can_come() {
        let check = |texts: &[&str], expected: &[&str]| {
            let listen: Vec<Listen> = texts.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(notes(&listen, &endpoints(&listen).unwrap().unwrap()), expected);
        };
        check(&["127.0.0.1:80", "[::1]:80", "0.0.0.0:81", "unix:a"], &[]);
        check(&[":80"], &["a port alone is loopback only; --listen 0.0.0.0:80,[::]:80 listens on every interface"]);
        check(&["[::]:80"], &["IPv4 does not reach [::]:80; add --listen 0.0.0.0:80"]);
        check(&["[::]:80", "0.0.0.0:80"], &["IPv4 does not reach [::]:80; it reaches 0.0.0.0:80 beside it"]);
    }
}
