//! Parses `--listen` and resolves it to places. Looks up names, and which of their addresses this host has. Leaves
//! nothing open.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context;
use server::{Endpoint, UNIX_PATH_LEN_MAX};

/// One value of `--listen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Listen {
    /// An address with its port.
    Address(SocketAddr),
    /// A port alone. It means loopback, because a server that anybody can reach must be asked for explicitly.
    Loopback(u16),
    /// Every address of a host name.
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
            // ::ffff:127.0.0.1 is another notation for an IPv4 address, and no IPv6 listener accepts it (ipv6(7)).
            return Ok(Listen::Address(
                SocketAddr::new(address.ip().to_canonical(), address.port()).scoped_as(address),
            ));
        }
        if !text.starts_with('[') && text.matches(':').count() > 1 {
            return Err(match text.rsplit_once(':') {
                Some((host, digits)) if host.parse::<Ipv6Addr>().is_ok() && is_number(digits) => {
                    format!("an IPv6 address needs brackets: [{host}]:{digits}")
                }
                _ => format!("an IPv6 address needs brackets and a port: [{text}]:8080"),
            });
        }
        if text.is_empty() {
            return Err("a place is missing; is there a comma too many? Write 127.0.0.1:8080, or a port alone".into());
        }
        if let Some(error) = named_scope(text) {
            return Err(error);
        }
        match text.rsplit_once(':') {
            Some((host, digits)) if is_number(digits) => name(host, port(digits)?),
            Some((host, word)) if !word.is_empty() && !word.ends_with(']') => {
                Err(format!("{word:?} is no port; a port is a number, like {host}:8080"))
            }
            _ => {
                let host = text.trim_end_matches(':');
                Err(format!("a port is missing; write it as {host}:8080, or a port alone for loopback"))
            }
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Address(address) => address.fmt(formatter),
            Listen::Loopback(port) => port.fmt(formatter),
            Listen::Name { host, port } => write!(formatter, "{host}:{port}"),
            Listen::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

/// A scope belongs to an IPv6 address, as in `[fe80::1%2]:80`. No other address has one.
trait Scoped {
    fn scoped_as(self, given: SocketAddr) -> SocketAddr;
}

impl Scoped for SocketAddr {
    fn scoped_as(self, given: SocketAddr) -> SocketAddr {
        if self.is_ipv6() { given } else { self }
    }
}

/// What to write instead of `[fe80::1%eth0]:80`, because the standard library only reads numbers.
fn named_scope(text: &str) -> Option<String> {
    let (inside, rest) = text.strip_prefix('[')?.split_once(']')?;
    let (address, scope) = inside.split_once('%')?;
    (address.parse::<Ipv6Addr>().is_ok() && !is_number(scope)).then(|| {
        format!(
            "a scope is the number of an interface: `ip -o link show dev {scope}` begins with it, like 2 in [{address}%2]{rest}"
        )
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn port(digits: &str) -> Result<u16, String> {
    digits.parse().map_err(|_| format!("{digits} is no port; ports go from 0, which takes a free one, to 65535"))
}

fn unix(path: &str) -> Result<Listen, String> {
    match path.len() {
        0 => Err("a path is missing; write it as unix:/tmp/c10m.sock".into()),
        len if len > UNIX_PATH_LEN_MAX => Err(format!(
            "the path has {len} bytes, but a unix socket address only has room for {UNIX_PATH_LEN_MAX} (unix(7)); choose a shorter one"
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

/// A place to listen at, and the values of `--listen` that asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) endpoint: Endpoint,
    /// The values as they were written, without duplicates.
    texts: Vec<String>,
    is_port_alone: bool,
}

/// All places that `--listen` stands for.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The places, without duplicates.
    pub(super) places: Vec<Place>,
    /// Notes about addresses of names that are left out.
    pub(super) notes: Vec<String>,
}

impl Places {
    /// The outer error concerns this host, the inner one the values of `--listen`.
    pub(super) fn of(listen: &[Listen]) -> anyhow::Result<Result<Places, String>> {
        let mut all = Places::default();
        for listen in listen {
            let (endpoints, notes) = listen.endpoints()?;
            endpoints.into_iter().for_each(|endpoint| all.add(endpoint, listen));
            all.notes.extend(notes);
        }
        Ok(match all.overlap() {
            Some((part, whole)) => Err(format!("--listen {part} is a part of {whole}; leave one of them out")),
            None => Ok(all),
        })
    }

    fn add(&mut self, endpoint: Endpoint, listen: &Listen) {
        let (text, is_port_alone) = (listen.to_string(), matches!(listen, Listen::Loopback(_)));
        match self.places.iter_mut().find(|place| is_same(&place.endpoint, &endpoint)) {
            Some(place) => {
                place.is_port_alone |= is_port_alone;
                if !place.texts.contains(&text) {
                    place.texts.push(text);
                }
            }
            None => self.places.push(Place { endpoint, texts: vec![text], is_port_alone }),
        }
    }

    /// An address that another one already includes. The server could listen at both, but nobody could tell through
    /// which of them a connection came.
    fn overlap(&self) -> Option<(SocketAddr, SocketAddr)> {
        let addresses: Vec<SocketAddr> = self.places.iter().filter_map(|place| place.endpoint.tcp()).collect();
        addresses.iter().copied().find_map(|whole| {
            let is_part = |part: &SocketAddr| {
                *part != whole && part.port() == whole.port() && part.port() != 0 && part.is_ipv4() == whole.is_ipv4()
            };
            let part = addresses.iter().copied().find(is_part).filter(|_| whole.ip().is_unspecified())?;
            Some((part, whole))
        })
    }

    /// The endpoints, in the order of the places.
    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        self.places.iter().map(|place| place.endpoint.clone()).collect()
    }
}

/// Whether two places are the same. With port 0 each gets its own port.
fn is_same(one: &Endpoint, other: &Endpoint) -> bool {
    match (one, other) {
        (Endpoint::Tcp(one), Endpoint::Tcp(other)) => one == other && one.port() != 0,
        (Endpoint::Unix(one), Endpoint::Unix(other)) => one == other || file(one) == file(other),
        _ => false,
    }
}

/// A path with its directory in canonical form. The file itself need not exist.
fn file(path: &Path) -> PathBuf {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (directory.canonicalize(), path.file_name()) {
        (Ok(directory), Some(name)) => directory.join(name),
        _ => path.to_owned(),
    }
}

impl Listen {
    /// The endpoints of one value, and notes about addresses that are left out.
    fn endpoints(&self) -> anyhow::Result<(Vec<Endpoint>, Vec<String>)> {
        let endpoint = match self {
            Listen::Address(address) => Endpoint::Tcp(*address),
            Listen::Loopback(port) => Endpoint::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, *port))),
            Listen::Unix(path) => Endpoint::Unix(path.clone()),
            Listen::Name { host, port } => {
                let found = (host.as_str(), *port).to_socket_addrs().with_context(|| {
                    format!("cannot find an address for {host}; look at `getent hosts {host}`, or give an address")
                })?;
                let (addresses, notes) = usable(self, found, absence);
                return Ok((addresses.into_iter().map(Endpoint::Tcp).collect(), notes));
            }
        };
        Ok((vec![endpoint], vec![]))
    }
}

/// The addresses of a name that this host has, with a note for each of the others. If the host has none, returns all
/// of them, so that the failure is reported where it occurs.
fn usable(
    name: &Listen,
    found: impl Iterator<Item = SocketAddr>,
    absence: impl Fn(SocketAddr) -> Option<io::Error>,
) -> (Vec<SocketAddr>, Vec<String>) {
    let (mut here, mut elsewhere, mut notes) = (vec![], vec![], vec![]);
    for address in found {
        match absence(address) {
            None => here.push(address),
            Some(error) => {
                notes.push(format!("{name} is {address} as well, which is left out: {error}"));
                elsewhere.push(address);
            }
        }
    }
    if here.is_empty() { (elsewhere, vec![]) } else { (here, notes) }
}

/// Why this host does not have an address. /etc/hosts often names ::1 although IPv6 is switched off. Other errors show
/// when the server starts.
fn absence(address: SocketAddr) -> Option<io::Error> {
    let mut any_port = address;
    any_port.set_port(0);
    let error = TcpListener::bind(any_port).err()?;
    // The standard library has no error kind for EAFNOSUPPORT.
    let is_absent = error.kind() == io::ErrorKind::AddrNotAvailable
        || rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::AFNOSUPPORT);
    is_absent.then_some(error)
}

/// Notes about what the places do not include, for readers of the ready line. `bound` has the same places in the same
/// order, with the ports in use.
pub(super) fn notes(places: &[Place], bound: &[Endpoint]) -> Vec<String> {
    let mut notes = Vec::new();
    let bound: Vec<(&Place, SocketAddr)> = places
        .iter()
        .zip(bound)
        .filter_map(|(place, endpoint)| endpoint.tcp().map(|address| (place, address)))
        .collect();
    let is_there = |address: SocketAddr| bound.iter().any(|(_, there)| *there == address);
    for (place, address) in &bound {
        let port = address.port();
        let (all, all_ipv6) =
            (SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
        // The advised wildcard would include any other address with this port.
        let written = |is_part: &dyn Fn(SocketAddr) -> bool| -> Vec<&str> {
            let parts = bound.iter().filter(|(_, there)| there.port() == port && is_part(*there));
            parts.flat_map(|(place, _)| place.texts.iter().map(String::as_str)).collect()
        };
        if place.is_port_alone && !is_there(all_ipv6) {
            let parts = written(&|_| true);
            notes.push(match parts.as_slice() {
                [_] => format!("a port alone is loopback only; --listen {all},{all_ipv6} listens on every interface"),
                parts => format!(
                    "a port alone is loopback only; for every interface write {all},{all_ipv6} instead of {}",
                    parts.join(",")
                ),
            });
        }
        if *address == all_ipv6 {
            let parts = written(&|there| there.is_ipv4() && there != all);
            notes.push(if is_there(all) {
                format!("IPv4 does not reach {address}; it reaches {all} beside it")
            } else if parts.is_empty() {
                format!("IPv4 does not reach {address}; add --listen {all}")
            } else {
                format!("IPv4 does not reach {address}; write {all} instead of {}", parts.join(","))
            });
        }
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
            ("nowhere:http", "\"http\" is no port; a port is a number, like nowhere:8080"),
            ("127.0.0.1:8080x", "\"8080x\" is no port; a port is a number, like 127.0.0.1:8080"),
            ("[::1]:http", "like [::1]:8080"),
            ("", "comma too many"),
            ("[fe80::1%lo]:80", "`ip -o link show dev lo` begins with it, like 2 in [fe80::1%2]:80"),
            ("65536", "65536 is no port"),
            ("localhost:99999", "99999 is no port"),
            ("256.0.0.1:80", "256.0.0.1 is no IPv4 address"),
            ("127.1:80", "no IPv4 address"),
            ("a b:80", "neither an address nor the name"),
            ("*:80", "0.0.0.0:80,[::]:80"),
            ("http://127.0.0.1:80", "no scheme"),
            ("unix:", "unix:/tmp/c10m.sock"),
            ("unix:@name", "unix:./@name"),
            (&long, "room for 107"),
        ] {
            let error = text.parse::<Listen>().unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(format!("unix:/{}", "x".repeat(106)).parse::<Listen>().is_ok());
    }

    fn of(texts: &[&str]) -> Result<Places, String> {
        let listen: Vec<Listen> = texts.iter().map(|text| text.parse().unwrap()).collect();
        Places::of(&listen).unwrap()
    }

    #[test]
    fn each_place_counts_once_and_none_is_part_of_another() {
        let ok = |texts: &[&str]| -> Vec<String> {
            of(texts).unwrap().endpoints().iter().map(ToString::to_string).collect()
        };
        assert_eq!(ok(&["80", "127.0.0.1:80", "unix:a", "unix:a"]), ["127.0.0.1:80", "unix:a"]);
        let here = std::env::current_dir().unwrap();
        let absolute = format!("unix:{}", here.join("a").display());
        assert_eq!(ok(&["unix:a", "unix:./a", &absolute, "unix:b"]), ["unix:a", "unix:b"]);
        assert_eq!(ok(&["unix:/nonexistent/a", "unix:/nonexistent/b"]).len(), 2);
        assert_eq!(ok(&["0", "0"]), ["127.0.0.1:0", "127.0.0.1:0"]);
        assert_eq!(ok(&["0.0.0.0:80", "[::]:80", "127.0.0.1:81"]).len(), 3);
        assert!(ok(&["localhost:80"]).contains(&"127.0.0.1:80".to_owned()));
        for texts in [["0.0.0.0:80", "127.0.0.1:80"], ["[::1]:80", "[::]:80"]] {
            assert!(of(&texts).unwrap_err().contains("leave one of them out"), "{texts:?}");
        }
    }

    /// A label has at most 63 bytes (RFC 1035 section 2.3.4), so the lookup fails without asking any resolver.
    #[test]
    fn a_name_without_an_address_is_this_hosts_trouble() {
        let host = "x".repeat(64);
        let error = format!("{:#}", Places::of(&[Listen::Name { host: host.clone(), port: 80 }]).unwrap_err());
        assert!(error.contains(&format!("getent hosts {host}")), "{error}");
    }

    #[test]
    fn addresses_of_a_name_that_the_host_does_not_have_are_left_out_unless_it_has_none() {
        let name = Listen::Name { host: "host".into(), port: 80 };
        let addresses = ["[::1]:80", "127.0.0.1:80"].map(|text| text.parse::<SocketAddr>().unwrap());
        let absent = |absent: fn(&SocketAddr) -> bool| {
            usable(&name, addresses.into_iter(), |address| {
                absent(&address).then(|| io::Error::from(io::ErrorKind::AddrNotAvailable))
            })
        };
        assert_eq!(absent(|_| false), (addresses.to_vec(), vec![]));
        let (left, notes) = absent(SocketAddr::is_ipv6);
        assert_eq!((left, notes.len()), (vec![addresses[1]], 1));
        assert!(notes[0].starts_with("host:80 is [::1]:80 as well, which is left out: "), "{notes:?}");
        assert_eq!(absent(|_| true), (addresses.to_vec(), vec![]));
    }

    #[test]
    fn only_an_address_that_is_not_there_is_absent() {
        assert!(absence("127.0.0.1:80".parse().unwrap()).is_none());
        // Nobody has an address of TEST-NET-1 (RFC 5737).
        assert!(absence("192.0.2.1:80".parse().unwrap()).is_some());
    }

    #[test]
    fn the_ready_line_says_who_can_come() {
        let check = |texts: &[&str], expected: &[&str]| {
            let places = of(texts).unwrap();
            assert_eq!(notes(&places.places, &places.endpoints()), expected);
        };
        let alone = "a port alone is loopback only";
        check(&["127.0.0.1:80", "[::1]:80", "0.0.0.0:81", "unix:a"], &[]);
        let open = format!("{alone}; --listen 0.0.0.0:80,[::]:80 listens on every interface");
        check(&[":80"], &[&open]);
        check(&["127.0.0.1:81", "unix:a", "80"], &[&open]);
        let instead = format!("{alone}; for every interface write 0.0.0.0:80,[::]:80 instead of 80,[::1]:80");
        check(&["80", "[::1]:80"], &[&instead]);
        check(&["[::]:80"], &["IPv4 does not reach [::]:80; add --listen 0.0.0.0:80"]);
        check(&["[::]:80", "0.0.0.0:80"], &["IPv4 does not reach [::]:80; it reaches 0.0.0.0:80 beside it"]);
        check(&["80", "[::]:80"], &["IPv4 does not reach [::]:80; write 0.0.0.0:80 instead of 80"]);
        check(
            &["[::]:80", "127.0.0.1:80", "127.0.0.2:80", "127.0.0.1:81"],
            &["IPv4 does not reach [::]:80; write 0.0.0.0:80 instead of 127.0.0.1:80,127.0.0.2:80"],
        );
    }
}
