//! Reads who listens on a port, and what limits the listening sockets of this process. Addresses are only for
//! messages; no record keeps them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::source::Source;

/// Listeners come before connections in /proc/net/tcp (`net/ipv4/tcp_ipv4.c`, `tcp_seek_last_pos`). So the first lines
/// suffice even with millions of connections: this has room for more than 6,000 listeners.
const LISTENERS_LEN_MAX: u64 = 1 << 20;
/// How many descriptors to check in the first task of a process, and in each further task. A server with hundreds of
/// tables opens its listeners before its connections, so the lowest descriptors suffice.
const DESCRIPTORS_MAX: [usize; 2] = [20_000, 1000];
/// State of a listener in /proc/net/tcp (`include/net/tcp_states.h`, TCP_LISTEN).
const LISTEN: &str = "0A";

/// A TCP socket that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// Its address.
    pub address: SocketAddr,
    /// Name and id of a process that has it open, if this user may see that.
    pub owner: Option<(String, u32)>,
}

/// The TCP sockets of this network namespace that listen on `port`, without duplicate addresses.
pub fn listening(port: u16) -> Vec<Listening> {
    let source = Source::new(Path::new("/"));
    let mut found = listeners(&source);
    found.retain(|(address, _)| address.port() == port);
    found.sort_unstable();
    found.dedup_by_key(|(address, _)| *address);
    found.into_iter().map(|(address, inode)| Listening { address, owner: owner(&source, inode) }).collect()
}

/// The ports on which TCP sockets of this network namespace listen, sorted.
pub fn listening_ports() -> Vec<u16> {
    let found = listeners(&Source::new(Path::new("/")));
    found.iter().map(|(address, _)| address.port()).collect::<BTreeSet<u16>>().into_iter().collect()
}

/// Addresses and inodes of all listeners.
fn listeners(source: &Source<'_>) -> Vec<(SocketAddr, u64)> {
    let text = |file| source.first_lines(file, LISTENERS_LEN_MAX).unwrap_or_default();
    ["proc/net/tcp", "proc/net/tcp6"].map(text).iter().flat_map(|text| text.lines()).filter_map(listener).collect()
}

/// The kernel's limits on listening sockets. `None` if the kernel does not show one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketBounds {
    /// net.core.somaxconn: the longest accept queue.
    pub backlog_max: Option<u64>,
    /// net.core.rmem_max: the most that SO_RCVBUF gives.
    pub receive_buffer_max: Option<u64>,
    /// net.core.wmem_max: the most that SO_SNDBUF gives.
    pub send_buffer_max: Option<u64>,
    /// net.ipv4.ip_unprivileged_port_start: the first port that needs no capability.
    pub unprivileged_port_start: Option<u64>,
}

impl SocketBounds {
    /// The limits of this network namespace.
    pub fn of_this_process() -> SocketBounds {
        let mut source = Source::new(Path::new("/"));
        SocketBounds {
            backlog_max: source.sysctl("net.core.somaxconn"),
            receive_buffer_max: source.sysctl("net.core.rmem_max"),
            send_buffer_max: source.sysctl("net.core.wmem_max"),
            unprivileged_port_start: source.sysctl("net.ipv4.ip_unprivileged_port_start"),
        }
    }
}

/// Address and inode of `  0: 0100007F:1F90 00000000:0000 0A … inode …`, if that line is a listener.
fn listener(line: &str) -> Option<(SocketAddr, u64)> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    if *columns.get(3)? != LISTEN {
        return None;
    }
    let (address, port) = columns.get(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some((SocketAddr::new(ip(address)?, port), columns.get(9)?.parse().ok()?))
}

/// Each group of eight digits is a 32-bit word of the address in the byte order of the host.
fn ip(digits: &str) -> Option<IpAddr> {
    let mut bytes = Vec::with_capacity(16);
    for at in (0..digits.len()).step_by(8) {
        let word = u32::from_str_radix(digits.get(at..at + 8)?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    match bytes.len() {
        4 => Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?))),
        16 => Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?))),
        _ => None,
    }
}

/// The process with the lowest id that has the socket open, among those that this user may inspect. This process comes
/// last: it may have inherited the socket of another, which is the one to name.
fn owner(source: &Source<'_>, inode: u64) -> Option<(String, u32)> {
    let wanted = format!("socket:[{inode}]");
    let mut processes: Vec<u32> = source.names("proc").into_iter().filter_map(|name| name.parse().ok()).collect();
    processes.sort_unstable_by_key(|&process| (process == std::process::id(), process));
    for process in processes {
        // A reactor has its own descriptor table, so check every thread.
        for (place, task) in source.names(&format!("proc/{process}/task")).into_iter().enumerate() {
            let folder = format!("proc/{process}/task/{task}");
            let names = source.names(&format!("{folder}/fd"));
            let mut descriptors: Vec<u32> = names.into_iter().filter_map(|name| name.parse().ok()).collect();
            descriptors.sort_unstable();
            let mut first = descriptors.iter().take(DESCRIPTORS_MAX[place.min(1)]);
            if first.any(|fd| source.link_name(&format!("{folder}/fd/{fd}")).as_deref() == Some(&wanted)) {
                let name = source.first_lines(&format!("proc/{process}/comm"), 64)?;
                return Some((name.trim_end().to_owned(), process));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn lines_of_the_kernel() {
        let v4 = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 x";
        let v6 =
            "   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 12 1";
        let open = v4.replace(" 0A ", " 01 ");
        for (line, expected) in [(v4, Some(("127.0.0.1:8080", 4711))), (v6, Some(("[::1]:80", 12))), (&open, None)] {
            let expected = expected.map(|(address, inode)| (address.parse().unwrap(), inode));
            // The file has the byte order of the host; these lines come from a little-endian one.
            if cfg!(target_endian = "little") {
                assert_eq!(listener(line), expected, "{line}");
            }
        }
        assert_eq!(listener("  sl  local_address rem_address   st"), None);
    }

    #[test]
    fn a_listener_of_this_process_is_found_with_its_owner() {
        let one = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = one.local_addr().unwrap();
        let found = listening(address.port());
        assert_eq!(found.iter().map(|listening| listening.address).collect::<Vec<_>>(), [address]);
        assert!(listening_ports().contains(&address.port()));
        assert_eq!(found[0].owner.as_ref().map(|(_, process)| *process), Some(std::process::id()));
        drop(one);
        assert!(listening(address.port()).iter().all(|listening| listening.address != address));
    }

    #[test]
    fn this_host_has_bounds() {
        let bounds = SocketBounds::of_this_process();
        assert!(bounds.backlog_max.is_some_and(|backlog| backlog > 0), "{bounds:?}");
        assert!(bounds.unprivileged_port_start.is_some(), "{bounds:?}");
    }
}
