//! The target of a run: its workload, its addresses, and whether it may be loaded at all.

mod address;
mod credentials;
mod requests;
mod text;

use crate::LoadError;
use protocol::Workload;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use text::Place;
use url::Host;

pub(crate) use address::Address;
pub(crate) use credentials::Secret;
pub(crate) use requests::Requests;

/// Addresses of one name at most; a look-up by UDP has room for about 30.
const ADDRESSES_MAX: usize = 64;

/// What the text of a target says, without using the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetFacts {
    /// The text without credentials.
    pub shown: String,
    /// What is spoken.
    pub workload: Workload,
    /// Whether it is a unix socket.
    pub is_unix: bool,
    /// Whether it is known to be on this host: loopback by its address or as `localhost`, or a unix socket.
    pub is_here: bool,
}

impl TargetFacts {
    /// Reads a target.
    ///
    /// # Errors
    /// [`LoadError::Usage`] with what to write instead.
    pub fn of(text: &str) -> Result<TargetFacts, LoadError> {
        let written = text::parse(text)?;
        let (is_unix, is_here) = match &written.place {
            Place::Address(address) => (address.is_unix(), address.is_here()),
            Place::Name { host, .. } => (false, host.trim_end_matches('.') == "localhost"),
        };
        Ok(TargetFacts { shown: written.shown, workload: written.requests.workload(), is_unix, is_here })
    }
}

/// Finds the addresses of a name; tests put their own in its place.
pub(crate) type Resolve = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

/// A target resolved once: a name that changes its address in mid-run must not change the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) requests: Requests,
    /// All addresses of the host, each once; never empty.
    pub(crate) addresses: Vec<Address>,
    /// The host as it was written, but without brackets; none of a unix socket.
    host: Option<String>,
    /// The target as it was written, but without credentials.
    pub(crate) shown: String,
}

/// What may be loaded beside loopback.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Permission<'a> {
    /// Private addresses.
    pub(crate) private: bool,
    /// The one host that the user owns, wherever it is.
    pub(crate) own: Option<&'a str>,
    /// This network namespace is not the host's: whatever it can reach was put there on purpose.
    pub(crate) is_in_own_namespace: bool,
}

impl Target {
    /// Reads a target and looks up its name.
    ///
    /// # Errors
    /// [`LoadError::Usage`] with what to write instead.
    pub(crate) fn parse(text: &str, resolve: Resolve) -> Result<Target, LoadError> {
        let text::Written { requests, place, shown } = text::parse(text)?;
        let (addresses, host) = match place {
            Place::Address(address) => {
                let host = address.ip().map(|address| address.to_string());
                (vec![address], host)
            }
            Place::Name { host, port } => {
                let addresses = look_up(&host, port, resolve)?;
                (addresses.into_iter().map(Address::Tcp).collect(), Some(host))
            }
        };
        Ok(Target { requests, addresses, host, shown })
    }

    /// Load can do harm: loopback is always allowed, private ranges on request or in a separate namespace,
    /// public hosts if named once more. All addresses of a name are judged, because the next look-up may
    /// choose another.
    pub(crate) fn check_allowed(&self, permission: Permission<'_>) -> Result<(), LoadError> {
        if let Some(own) = permission.own {
            let Some(host) = &self.host else {
                return Err(LoadError::Usage(format!(
                    "--i-own {own} names a host, and a unix socket has none: leave it out"
                )));
            };
            return match host_name(own) == *host {
                true => Ok(()),
                false => Err(LoadError::Usage(format!(
                    "--i-own {own} is not the host of the target, which is {host}: write --i-own {host} if that is yours",
                ))),
            };
        }
        let addresses = self.addresses.iter().filter_map(Address::ip);
        addresses.into_iter().try_for_each(|address| self.check_address(address.to_canonical(), permission))
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
                self.host.as_deref().unwrap_or_default()
            ))),
        }
    }
}

/// A host as the target has it: in lower case, a name of another script in its ASCII form, no brackets.
fn host_name(text: &str) -> String {
    match Host::parse(text).or_else(|_| Host::parse(&format!("[{text}]"))) {
        Ok(Host::Domain(name)) => name,
        Ok(Host::Ipv4(address)) => address.to_string(),
        Ok(Host::Ipv6(address)) => address.to_string(),
        Err(_) => text.to_owned(),
    }
}

/// Every address of a name once. IPv4 comes first: servers of this project listen on 127.0.0.1 by default,
/// while `localhost` may give ::1 first.
fn look_up(name: &str, port: u16, resolve: Resolve) -> Result<Vec<SocketAddr>, LoadError> {
    let found = resolve(name, port).map_err(|error| {
        LoadError::Usage(format!(
            "the host {name} cannot be resolved ({error}); look at `getent ahosts {name}`, or write an address"
        ))
    })?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses.sort_by_key(SocketAddr::is_ipv6);
    match addresses.len() {
        0 => Err(LoadError::Usage(format!("the host {name} has no address; look at `getent ahosts {name}`"))),
        1..=ADDRESSES_MAX => Ok(addresses),
        count => Err(LoadError::Usage(format!(
            "the host {name} has {count} addresses, and a run shares its connections among {ADDRESSES_MAX} at most: name one"
        ))),
    }
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

    fn parse(text: &str) -> Target {
        Target::parse(text, |_, _| panic!("an address needs no look-up")).unwrap()
    }

    /// Stands in for a name server.
    fn three(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match name {
            "three.test" => Ok(["::1", "127.0.0.1", "127.0.0.2", "127.0.0.1"]
                .map(|ip| (ip.parse::<IpAddr>().unwrap(), port).into())
                .into()),
            "mixed.test" => {
                Ok(["127.0.0.1", "203.0.113.1"].map(|ip| (ip.parse::<IpAddr>().unwrap(), port).into()).into())
            }
            "many.test" => Ok((0..65).map(|last| ([127, 0, 1, last], port).into()).collect()),
            "none.test" => Ok(Vec::new()),
            _ => Err(io::Error::other("no such host")),
        }
    }

    #[test]
    fn a_name_stands_for_all_its_addresses() {
        let target = Target::parse("http://three.test:81/", three).unwrap();
        let addresses: Vec<String> = target.addresses.iter().map(Address::to_string).collect();
        assert_eq!(addresses, ["127.0.0.1:81", "127.0.0.2:81", "[::1]:81"], "each once, IPv4 first");
        for (text, part) in [
            ("tcp://other.test:1", "getent ahosts other.test"),
            ("tcp://none.test:1", "has no address"),
            ("tcp://many.test:1", "65 addresses"),
        ] {
            let error = Target::parse(text, three).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn a_unix_socket_is_on_this_host() {
        let target = parse("unix:/run/x.sock");
        target.check_allowed(Permission::default()).unwrap();
        let own = Permission { own: Some("localhost"), ..Permission::default() };
        assert!(target.check_allowed(own).unwrap_err().to_string().contains("leave it out"));
        for (text, workload, is_unix, is_here) in [
            ("unix:/x", Workload::Http, true, true),
            ("tcp+unix:/x", Workload::Echo, true, true),
            ("tcp://127.1.2.3:7", Workload::Echo, false, true),
            ("http://localhost:80/path?x", Workload::Http, false, true),
            ("localhost:80", Workload::Http, false, true),
            ("http://[::1]", Workload::Http, false, true),
            ("tcp://198.18.0.1:7", Workload::Echo, false, false),
            ("http://localhost@example.org/localhost", Workload::Http, false, false),
        ] {
            let facts = TargetFacts::of(text).unwrap();
            assert_eq!((facts.workload, facts.is_unix, facts.is_here), (workload, is_unix, is_here), "{text}");
        }
    }

    #[test]
    fn a_host_is_named_again_in_any_way_it_is_written() {
        for (text, own) in [
            ("http://Three.TEST:81/", "three.test"),
            ("http://three.test:81/", "THREE.test"),
            ("http://b\u{fc}cher.three.test:81/", "B\u{fc}cher.three.test"),
            ("http://[2001:db8::1]:81/", "[2001:db8:0::1]"),
            ("http://[2001:db8::1]:81/", "2001:db8::1"),
            ("http://192.0.2.1:81/", "192.0.2.1"),
        ] {
            let resolve: Resolve = |_, port| Ok(vec![([192, 0, 2, 1], port).into()]);
            let target = Target::parse(text, resolve).unwrap();
            let permission = Permission { own: Some(own), ..Permission::default() };
            assert!(target.check_allowed(permission).is_ok(), "{text} {own}");
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
            let target = parse(text);
            let host = target.host.clone().unwrap();
            let private = Permission { private: true, ..Permission::default() };
            assert_eq!(target.check_allowed(Permission::default()).is_ok(), always, "{text}");
            assert_eq!(target.check_allowed(private).is_ok(), when_asked, "{text}");
            let own_namespace = Permission { is_in_own_namespace: true, ..Permission::default() };
            assert!(target.check_allowed(own_namespace).is_ok(), "{text}");
            let own = Permission { own: Some(&host), ..Permission::default() };
            assert!(target.check_allowed(own).is_ok(), "{text}");
            let other = Permission { own: Some("example.org"), ..private };
            assert!(target.check_allowed(other).unwrap_err().to_string().contains(&host), "{text}");
        }
    }

    #[test]
    fn every_address_of_a_name_is_judged() {
        let target = Target::parse("tcp://mixed.test:1", three).unwrap();
        let error = target.check_allowed(Permission { private: true, ..Permission::default() }).unwrap_err();
        assert!(error.to_string().contains("--i-own mixed.test"), "{error}");
    }
}
