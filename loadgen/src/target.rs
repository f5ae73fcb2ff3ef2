//! What is loaded: the target's scheme, address and path, and whether it may be loaded at all.

use crate::LoadError;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

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
    pub(crate) address: SocketAddr,
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
        Ok(Target { address: resolve(authority, default_port)?, workload })
    }

    /// Load is a weapon: loopback is always fine, private ranges when asked for, the rest never.
    pub(crate) fn check_allowed(&self, allow_private: bool) -> Result<(), LoadError> {
        let address = self.address.ip().to_canonical();
        if address.is_loopback() {
            return Ok(());
        }
        match (is_private(address), allow_private) {
            (true, true) => Ok(()),
            (true, false) => Err(LoadError::Refused(format!(
                "target {address} is not on loopback; add --allow-private if this private address is yours to load"
            ))),
            (false, _) => Err(LoadError::Refused(format!(
                "target {address} is a public address, which is never loaded; \
                 use loopback, or a private address with --allow-private"
            ))),
        }
    }
}

fn resolve(authority: &str, default_port: Option<u16>) -> Result<SocketAddr, LoadError> {
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
    // Servers of this project listen on 127.0.0.1 by default, while `localhost` may give ::1 first.
    let address = found.iter().find(|address| address.is_ipv4()).or(found.first());
    address.copied().ok_or_else(|| LoadError::Usage(format!("target {full:?} has no usable address and port")))
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
            assert_eq!(Target::parse(text).unwrap(), Target { workload, address: address.parse().unwrap() }, "{text}");
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
            assert_eq!(target.check_allowed(false).is_ok(), always, "{text}");
            assert_eq!(target.check_allowed(true).is_ok(), when_asked, "{text}");
        }
    }
}
