//! What is loaded: the target's scheme, address and path, and whether it may be loaded at all.

use crate::LoadError;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::os::unix::fs::MetadataExt;

/// What is spoken on the connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Workload {
    Echo,
    Http { host: String, path: String },
}

impl Workload {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Workload::Echo => "echo",
            Workload::Http { .. } => "http",
        }
    }
}

/// A target resolved once: a name that changes its address in mid-run must not change the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) workload: Workload,
    /// The one address that is connected to.
    pub(crate) address: SocketAddr,
    /// The host as it was written.
    host: String,
    /// Everything the host resolves to.
    resolved: Vec<IpAddr>,
}

/// What may be loaded beside loopback.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Permission<'a> {
    /// Private addresses.
    pub(crate) private: bool,
    /// The one host that is the user's own wherever it is.
    pub(crate) own: Option<&'a str>,
    /// This network namespace is not the host's: what can be reached in it was put there on purpose.
    pub(crate) is_in_own_namespace: bool,
}

/// A network namespace, as seen from the calling thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// That of the first process.
    First,
    /// Another.
    Own,
    /// Whether it is another cannot be told: reading that of the first process takes privilege.
    Unknown,
}

/// Inode of the first network namespace since Linux 6.18 (linux/nsfs.h: NET_NS_INIT_INO); others have
/// numbers from 0xf0000000 on.
const FIRST_INODE: u64 = 0xefff_fff9;
/// The kernel that has it.
const FIRST_INODE_SINCE: (u32, u32) = (6, 18);

/// The network namespace of the calling thread, which may be another than that of the process.
pub(crate) fn namespace() -> Namespace {
    let inode = |whose: &str| std::fs::metadata(format!("/proc/{whose}/ns/net")).ok().map(|data| data.ino());
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    judge_namespace(inode("thread-self"), inode("1"), &release)
}

/// Judges by the namespace of the first process, or, where that is unreadable, by the inode alone.
fn judge_namespace(own: Option<u64>, first: Option<u64>, release: &str) -> Namespace {
    let mut numbers = release.split(|sign: char| !sign.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match (own, first) {
        (Some(FIRST_INODE), _) => Namespace::First,
        (Some(own), Some(first)) if own == first => Namespace::First,
        (Some(_), Some(_)) => Namespace::Own,
        (Some(_), None) if version >= FIRST_INODE_SINCE => Namespace::Own,
        _ => Namespace::Unknown,
    }
}

impl Target {
    pub(crate) fn parse(text: &str) -> Result<Target, LoadError> {
        let usage = |message: String| LoadError::Usage(message);
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(usage(format!(
                "target {text:?} has no scheme; write tcp://host:port or http://host:port/path"
            )));
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let workload = match scheme {
            "tcp" if !matches!(path, "" | "/") => {
                return Err(usage(format!("a tcp:// target has no path: write tcp://{authority}")));
            }
            "tcp" => Workload::Echo,
            "http" => Workload::Http {
                host: authority.to_owned(),
                path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            },
            other => {
                return Err(usage(format!("the scheme {other}:// is not known; known are tcp:// (echo) and http://")));
            }
        };
        let default_port = (workload != Workload::Echo).then_some(80);
        let found = resolve(authority, default_port)?;
        // Servers of this project listen on 127.0.0.1 by default, while `localhost` may give ::1 first.
        let address = found.iter().find(|address| address.is_ipv4()).or(found.first());
        let Some(&address) = address else {
            return Err(usage(format!("target {authority:?} has no usable address and port")));
        };
        let host = authority.strip_suffix(&format!(":{}", address.port())).unwrap_or(authority);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Target { address, workload, host, resolved: found.iter().map(SocketAddr::ip).collect() })
    }

    /// Load is a weapon: loopback is always fine, private ranges when asked for or in a namespace of
    /// their own, public hosts when named once more. All that a name resolves to is judged, because the
    /// next look-up may choose another.
    pub(crate) fn check_allowed(&self, permission: Permission<'_>) -> Result<(), LoadError> {
        if let Some(own) = permission.own {
            let named = own.trim_start_matches('[').trim_end_matches(']');
            return match named == self.host {
                true => Ok(()),
                false => Err(LoadError::Usage(format!(
                    "--i-own {own} is not the host of the target, which is {host}: write --i-own {host} if that is yours",
                    host = self.host
                ))),
            };
        }
        self.resolved.iter().try_for_each(|address| self.check_address(address.to_canonical(), permission))
    }

    fn check_address(&self, address: IpAddr, permission: Permission<'_>) -> Result<(), LoadError> {
        let is_free = address.is_loopback() || permission.is_in_own_namespace;
        match (is_free, is_private(address)) {
            (true, _) => Ok(()),
            (false, true) if permission.private => Ok(()),
            (false, true) => Err(LoadError::Refused(format!(
                "target {address} is not on loopback; add --allow-private if this private address is yours to load"
            ))),
            (false, false) => Err(LoadError::Refused(format!(
                "target {address} is a public address; load is an attack on whoever did not ask for it. \
                 If the host is yours, say so with --i-own {}",
                self.host
            ))),
        }
    }
}

fn resolve(authority: &str, default_port: Option<u16>) -> Result<Vec<SocketAddr>, LoadError> {
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let full = match (has_port, default_port) {
        (true, _) => authority.to_owned(),
        (false, Some(port)) => format!("{authority}:{port}"),
        (false, None) => {
            return Err(LoadError::Usage(format!("target {authority:?} has no port; write {authority}:PORT")));
        }
    };
    let found = full.to_socket_addrs().map_err(|error| {
        LoadError::Usage(format!("target {full:?} cannot be resolved ({error}); write an address and a port"))
    })?;
    let found: Vec<SocketAddr> = found.filter(|address| address.port() != 0).collect();
    Ok(found)
}

fn is_private(address: IpAddr) -> bool {
    match address {
        // 198.18/15 is set aside for benchmarks between isolated networks (RFC 2544).
        IpAddr::V4(address) => {
            address.is_private() || address & Ipv4Addr::new(255, 254, 0, 0) == Ipv4Addr::new(198, 18, 0, 0)
        }
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let http = |host: &str, path: &str| Workload::Http { host: host.into(), path: path.into() };
        for (text, workload, address) in [
            ("tcp://127.0.0.1:7", Workload::Echo, "127.0.0.1:7"),
            ("tcp://[::1]:7/", Workload::Echo, "[::1]:7"),
            ("http://127.0.0.1", http("127.0.0.1", "/"), "127.0.0.1:80"),
            ("http://[::1]/x", http("[::1]", "/x"), "[::1]:80"),
            ("http://127.0.0.1:8080/a/b?c", http("127.0.0.1:8080", "/a/b?c"), "127.0.0.1:8080"),
            ("http://localhost:81/", http("localhost:81", "/"), "127.0.0.1:81"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.workload, target.address), (workload, address.parse().unwrap()), "{text}");
            assert!(!target.host.contains([':', '[']) || text.contains('['), "{text}: {}", target.host);
        }
    }

    #[test]
    fn bad_targets_say_what_to_write() {
        for (text, part) in [
            ("127.0.0.1:7", "no scheme"),
            ("udp://127.0.0.1:7", "known are tcp://"),
            ("https://127.0.0.1/", "known are tcp://"),
            ("tcp://127.0.0.1", "no port"),
            ("tcp://127.0.0.1:7/path", "no path"),
            ("tcp://127.0.0.1:0", "no usable"),
            ("tcp://127.0.0.1:99999", "cannot be resolved"),
            ("tcp://:", "cannot be resolved"),
        ] {
            let error = Target::parse(text).unwrap_err();
            assert!(error.to_string().contains(part), "{text}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn only_loopback_without_being_asked() {
        for (text, always, when_asked) in [
            ("tcp://127.9.8.7:1", true, true),
            ("tcp://[::1]:1", true, true),
            ("tcp://[::ffff:127.0.0.1]:1", true, true),
            ("tcp://10.0.0.1:1", false, true),
            ("tcp://172.31.0.1:1", false, true),
            ("tcp://192.168.1.1:1", false, true),
            ("tcp://198.19.255.1:1", false, true),
            ("tcp://[fd00::1]:1", false, true),
            ("tcp://172.32.0.1:1", false, false),
            ("tcp://198.20.0.1:1", false, false),
            ("tcp://8.8.8.8:1", false, false),
            ("tcp://0.0.0.0:1", false, false),
            ("tcp://[2001:db8::1]:1", false, false),
        ] {
            let target = Target::parse(text).unwrap();
            let private = Permission { private: true, ..Permission::default() };
            assert_eq!(target.check_allowed(Permission::default()).is_ok(), always, "{text}");
            assert_eq!(target.check_allowed(private).is_ok(), when_asked, "{text}");
            let own_namespace = Permission { is_in_own_namespace: true, ..Permission::default() };
            assert!(target.check_allowed(own_namespace).is_ok(), "{text}");
            let own = Permission { own: Some(&target.host), ..Permission::default() };
            assert!(target.check_allowed(own).is_ok(), "{text}");
            let other = Permission { own: Some("example.org"), ..private };
            assert!(target.check_allowed(other).unwrap_err().to_string().contains(&target.host), "{text}");
        }
    }

    #[test]
    fn namespaces_are_told_apart() {
        const OTHER: Option<u64> = Some(0xf000_0100);
        for (own, first, release, expected) in [
            (OTHER, Some(0xf000_0000), "5.15.0", Namespace::Own),
            (OTHER, OTHER, "6.18.1", Namespace::First),
            (Some(FIRST_INODE), None, "6.18.1-x", Namespace::First),
            (Some(FIRST_INODE), Some(FIRST_INODE), "6.18.1", Namespace::First),
            (OTHER, None, "6.18.44-fc", Namespace::Own),
            (OTHER, None, "7.0.0", Namespace::Own),
            (OTHER, None, "6.17.9", Namespace::Unknown),
            (OTHER, None, "", Namespace::Unknown),
            (None, Some(1), "7.0.0", Namespace::Unknown),
        ] {
            assert_eq!(judge_namespace(own, first, release), expected, "{own:?} {first:?} {release}");
        }
    }

    #[test]
    fn every_address_of_a_name_is_judged() {
        let mut target = Target::parse("tcp://127.0.0.1:1").unwrap();
        target.resolved.push("203.0.113.1".parse().unwrap());
        let error = target.check_allowed(Permission { private: true, ..Permission::default() }).unwrap_err();
        assert!(error.to_string().contains("--i-own 127.0.0.1"), "{error}");
    }
}
