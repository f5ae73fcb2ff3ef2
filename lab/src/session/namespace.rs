//! Network namespaces for one step or one run: a single one, or two hosts joined by a cable. The thread that works in them
//! makes them. They disappear, with every TIME-WAIT in them, when that thread and the processes it started have ended.
//! Nothing on the host changes.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, anyhow};
use host::sysctl;
use sys::tun::Interface;
use sys::veth;

use crate::session::side::Side;
use crate::session::wire::{self, End, Wire};

/// Size of the table of established connections in network namespaces created from now on (Linux 6.1,
/// Documentation/networking/ip-sysctl.rst). The setting belongs to the calling thread's namespace.
const CHILD_EHASH: &str = "net.ipv4.tcp_child_ehash_entries";
/// The largest number that the kernel accepts.
const EHASH_ENTRIES_MAX: u64 = 1 << 24;

/// The server host's address. The network is one that RFC 2544 reserves for measurements, as behind a TUN device.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// The client host's first address. Further ones follow it.
const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 1);
const PREFIX_LEN: u8 = 16;
/// The interface of either host.
const CABLE: &str = "cable";
/// The same for requests that want a C string.
const CABLE_END: &std::ffi::CStr = c"cable";

/// Does `work` in a new namespace whose table has a bucket for each of `sockets`. Passes `work` the number of buckets,
/// or `None` when the kernel is too old to set it.
///
/// # Errors
/// Without CAP_SYS_ADMIN, and the errors of `work`.
pub(crate) fn inside<T: Send>(
    sockets: u64,
    work: impl FnOnce(Option<u64>) -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    in_a_thread(move || {
        enter()?;
        let entries = enter_with_table(sockets)?;
        work(entries)
    })
}

/// Two hosts that are joined by a cable and by nothing else. On loopback, TIME-WAIT, the choice of ports and every counter
/// are those of both ends together; here each end has its own.
#[derive(Debug)]
pub(crate) struct Hosts {
    server: OwnedFd,
    client: OwnedFd,
}

impl Hosts {
    /// Moves the calling thread to a side. Processes that it starts begin there.
    pub(crate) fn enter(&self, side: Side) -> anyhow::Result<()> {
        let namespace = match side {
            Side::Server => &self.server,
            Side::Client => &self.client,
        };
        sys::namespace::enter(namespace).context("cannot enter a namespace of this run")
    }

    /// Takes a side's end of the cable down, or up again. The other end then has no carrier, and what is sent is lost.
    pub(crate) fn set_cable(&self, side: Side, up: bool) -> anyhow::Result<()> {
        self.enter(side)?;
        if up { set_up() } else { Ok(Interface::named(CABLE_END)?.set_down().context("cannot take the cable down")?) }
    }
}

/// Does `work` on the side of the server, beside a host for the clients that has `addresses` addresses. Both have a table
/// with a bucket for each of `sockets`; `work` gets the number of buckets as with [`inside`]. With a `wire` the cable is a long
/// or a bad one.
///
/// # Errors
/// Without CAP_SYS_ADMIN, when the kernel has no veth or no TUN devices, and the errors of `work`.
pub(crate) fn joined<T: Send>(
    sockets: u64,
    addresses: u8,
    wire: Option<Wire>,
    work: impl FnOnce(&Hosts, Option<u64>) -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    in_a_thread(move || {
        enter()?;
        let entries = enter_with_table(sockets)?;
        let server = host::open_namespace().context("cannot refer to a namespace")?;
        let near = wire.map(|_| End::make(CABLE_END)).transpose()?;
        enter_with_table(sockets)?;
        let client = host::open_namespace().context("cannot refer to a namespace")?;
        let far = wire.map(|_| End::make(CABLE_END)).transpose()?;
        if wire.is_none() {
            connect(&server)?;
        }
        clients(addresses).try_for_each(add_address)?;
        let hosts = Hosts { server, client };
        set_up()?;
        hosts.enter(Side::Server)?;
        add_address(SERVER)?;
        set_up()?;
        match (wire, near, far) {
            (Some(wire), Some(near), Some(far)) => beside(wire, [near, far], || work(&hosts, entries)),
            _ => work(&hosts, entries),
        }
    })
}

/// Joins the calling thread's namespace with the server's.
fn connect(server: &OwnedFd) -> anyhow::Result<()> {
    veth::connect(CABLE, CABLE, server.as_fd()).map_err(|error| {
        let mends = if error.kind() == ErrorKind::Unsupported { ": `modprobe veth` loads it" } else { "" };
        anyhow!("cannot join two network namespaces by veth ({error}){mends}")
    })
}

/// Does `work` while packets are carried.
fn beside<T>(wire: Wire, ends: [End; 2], work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let carrier = thread::Builder::new().name("wire".to_owned());
        let carrier = carrier.spawn_scoped(scope, || wire::carry(wire, &ends, &stop))?;
        let done = work();
        stop.store(true, Ordering::Relaxed);
        let carried = carrier.join().unwrap_or_else(|_| Err(anyhow!("the thread of the wire panicked")));
        // Without the wire the work can only have failed; its cause is the wire's.
        carried.and(done)
    })
}

/// So many addresses of the client's host, from its first on.
pub(crate) fn clients(count: u8) -> impl Iterator<Item = Ipv4Addr> {
    (0..u32::from(count)).map(|number| Ipv4Addr::from_bits(CLIENT.to_bits() + number))
}

fn add_address(address: Ipv4Addr) -> anyhow::Result<()> {
    veth::add_address(CABLE, address, PREFIX_LEN).with_context(|| format!("cannot add the address {address}"))
}

fn set_up() -> anyhow::Result<()> {
    Interface::named(CABLE_END)?.set_up().with_context(|| format!("cannot set up the interface {CABLE}"))
}

/// Enters a namespace whose table has a bucket for each of `sockets`. The calling thread's namespace has to be its own, so
/// that it is safe to set there how large the next one's table will be.
fn enter_with_table(sockets: u64) -> anyhow::Result<Option<u64>> {
    let entries = sockets.next_power_of_two().min(EHASH_ENTRIES_MAX);
    let is_set = sysctl::write(CHILD_EHASH, &entries.to_string()).is_ok();
    enter()?;
    Ok(is_set.then_some(entries))
}

fn in_a_thread<T: Send>(work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    thread::scope(|scope| {
        let handle = thread::Builder::new().name("namespace".to_owned()).spawn_scoped(scope, work)?;
        handle.join().unwrap_or_else(|_| Err(anyhow!("the thread of the namespace panicked")))
    })
}

/// What an experiment needs of the network before it can begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    /// What [`inside`] makes.
    Namespace,
    /// What [`joined`] makes.
    Hosts,
}

/// Tries whether what is needed can be made here. It is gone when this returns.
///
/// # Errors
/// What is missing, and the command that mends it.
pub(crate) fn check(needs: Needs) -> anyhow::Result<()> {
    match needs {
        Needs::Nothing => Ok(()),
        Needs::Namespace => inside(1, |_| Ok(())),
        Needs::Hosts => joined(1, 1, None, |_, _| Ok(())),
    }
}

fn enter() -> anyhow::Result<()> {
    sys::namespace::enter_new().map_err(|error| {
        let mends = match error.kind() {
            ErrorKind::PermissionDenied => {
                ", which needs CAP_SYS_ADMIN: run as root, or in namespaces of your own with `unshare --user \
                 --map-root-user --net`; in a container the runtime has to grant the capability, and its seccomp \
                 profile unshare(2)"
            }
            // ENOSPC of unshare(2).
            ErrorKind::StorageFull => {
                ": this user has as many as user.max_net_namespaces allows; raise it with `sysctl -w \
                 user.max_net_namespaces=1000`"
            }
            _ => "",
        };
        anyhow!("cannot make a network namespace ({error}){mends}")
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_step_has_sockets_and_a_table_of_its_own() {
        let outside = fs::read_link("/proc/thread-self/ns/net").unwrap();
        let seen = inside(1000, |entries| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
            let in_use = host::kernel::sockets().and_then(|sockets| sockets.tcp_inuse);
            drop(listener);
            let table = fs::read_to_string("/proc/sys/net/ipv4/tcp_ehash_entries")?;
            Ok((entries, table.trim().to_owned(), in_use, fs::read_link("/proc/thread-self/ns/net")?))
        });
        let (entries, table, in_use, namespace) = seen.expect("tests run as root");
        assert_eq!((entries, table.as_str(), in_use), (Some(1024), "1024", Some(1)));
        assert_ne!(namespace, outside);
        assert_eq!(fs::read_link("/proc/thread-self/ns/net").unwrap(), outside);
        let failed = inside(1, |_| -> anyhow::Result<()> { Err(anyhow!("no")) });
        assert_eq!(failed.unwrap_err().to_string(), "no");
    }

    /// What is sent from one side arrives on the other, and counters are apart.
    #[test]
    fn joined_hosts_have_counters_of_their_own() {
        use std::io::{Read, Write};
        use std::net::{TcpListener, TcpStream};
        let outside = fs::read_link("/proc/thread-self/ns/net").unwrap();
        let seen = joined(1000, 3, None, |hosts, entries| {
            let mut servers = host::kernel::Sampler::new(host::kernel::Config::default());
            let listener = TcpListener::bind((SERVER, 7000))?;
            let before = servers.sample();
            hosts.enter(Side::Client)?;
            let mut clients = host::kernel::Sampler::new(host::kernel::Config::default());
            let before = (before, clients.sample());
            let mut near = TcpStream::connect((SERVER, 7000))?;
            let (mut far, peer) = listener.accept()?;
            let after = (servers.sample().since(&before.0), clients.sample().since(&before.1));
            let opens =
                |delta: &host::kernel::KernelDelta| (delta.counter("ActiveOpens"), delta.counter("PassiveOpens"));
            near.write_all(b"x")?;
            far.set_read_timeout(Some(std::time::Duration::from_secs(30)))?;
            let arrived = far.read(&mut [0])?;
            Ok((entries, opens(&after.0), opens(&after.1), peer.ip(), arrived))
        });
        let (entries, server, client, peer, arrived) = seen.expect("tests run as root");
        assert_eq!((entries, server, client), (Some(1024), (Some(0), Some(1)), (Some(1), Some(0))));
        assert_eq!((peer, arrived), (CLIENT.into(), 1));
        assert_eq!(fs::read_link("/proc/thread-self/ns/net").unwrap(), outside);
    }
    /// A long cable takes its time both ways, and one that loses everything lets no connection through. Twice the delay is
    /// the least that a handshake takes; how much more it is depends on the machine.
    #[test]
    fn a_long_cable_takes_its_time_and_a_bad_one_loses() {
        use std::net::{TcpListener, TcpStream};
        use std::time::{Duration, Instant};
        let delay = Duration::from_millis(30);
        let connect = |lost_per_10000| {
            let wire = Wire { delay, lost_per_10000, seed: 1 };
            joined(64, 1, Some(wire), |hosts, _| {
                let _listener = TcpListener::bind((SERVER, 7000))?;
                hosts.enter(Side::Client)?;
                let begun = Instant::now();
                let made = TcpStream::connect_timeout(&(SERVER, 7000).into(), Duration::from_millis(500)).is_ok();
                Ok((made, begun.elapsed()))
            })
        };
        let (made, took) = connect(0).expect("tests run as root");
        assert!(made && took >= 2 * delay, "{took:?}");
        assert!(!connect(10_000).expect("tests run as root").0);
    }
}
