//! Hot restart: successors take over the listeners, and no request is lost.

use std::fs;
use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use protocol::Workload;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use server::{Balance, Endpoint, Options, Order, Server, Variant};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use crate::harness::{Client, GET, PATIENCE, Running};

/// A directory with the path of the hand-over, removed with it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str, variant: Variant) -> Place {
        let name = format!("c10m-{name}-{}-{}-{}", variant.backend(), variant.variant(), std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a directory for temporary files");
        Place(path)
    }

    fn door(&self) -> PathBuf {
        self.0.join("door")
    }

    fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }

    /// A server that takes over from the one before, if there is one.
    fn start(&self, variant: Variant, reactors: usize, endpoints: &[Endpoint]) -> Running {
        Running::start(Workload::Http, variant, |options| self.ask(options, reactors, endpoints))
    }

    fn ask(&self, options: &mut Options, reactors: usize, endpoints: &[Endpoint]) {
        options.handover = Some(self.door());
        options.reactors = reactors;
        options.listen = endpoints.to_vec();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn any_port() -> Endpoint {
    Endpoint::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// A client that connects again and again, and counts its replies. Anything but a reply fails the test.
fn load(address: SocketAddr, until: &Arc<AtomicBool>) -> JoinHandle<u64> {
    let until = until.clone();
    std::thread::spawn(move || {
        let mut replies = 0;
        while !until.load(Ordering::Relaxed) {
            let stream = TcpStream::connect(address).expect("somebody listens at every moment");
            stream.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
            let mut client = Client { stream };
            for _ in 0..3 {
                replies += 1;
                if client.get().contains("Connection: close") {
                    break;
                }
            }
        }
        replies
    })
}

/// Five processes' worth of servers, one after the other, each with another number of reactors, so that sockets are
/// shared and doubled. All of them answered together what the clients counted.
pub(crate) fn hand_overs_under_load(variant: Variant) {
    let place = Place::new("relay", variant);
    let mut server = place.start(variant, 3, &[any_port()]);
    let until = Arc::new(AtomicBool::new(false));
    let clients: Vec<JoinHandle<u64>> = (0..8).map(|_| load(server.address, &until)).collect();
    let (mut served, mut accepts) = (0, Vec::new());
    for reactors in [2, 3, 5, 1, 2] {
        std::thread::sleep(Duration::from_millis(50));
        let successor = place.start(variant, reactors, &server.endpoints);
        assert_eq!(successor.address, server.address);
        let report = server.account();
        assert_eq!(report.exit_code(), 0);
        assert_eq!(report.totals.queue_resets, 0);
        served += report.totals.requests;
        accepts.push(report.totals.accepts);
        server = successor;
    }
    std::thread::sleep(Duration::from_millis(50));
    until.store(true, Ordering::Relaxed);
    let replies: u64 = clients.into_iter().map(|client| client.join().expect("no request was lost")).sum();
    let address = server.address;
    let report = server.drain();
    assert_eq!((served + report.totals.requests, report.exit_code()), (replies, 0));
    assert!(accepts.iter().all(|count| *count > 0) && report.totals.accepts > 0, "each served: {accepts:?}");
    assert!(!place.door().exists(), "the last one leaves nothing behind");
    assert!(TcpStream::connect(address).is_err(), "not even a listener");
}

/// The kernel tells one ring of a new connection. If that is one that has just stopped accepting, nobody takes the connection
/// before the next one comes; and here no other comes, because the only client waits for its reply.
pub(crate) fn no_connection_is_overlooked(variant: Variant) {
    const ROUNDS: u32 = 200;
    let place = Place::new("overlooked", variant);
    let mut server = place.start(variant, 1, &[any_port()]);
    let until = Arc::new(AtomicBool::new(false));
    let (address, end) = (server.address, until.clone());
    let client = std::thread::spawn(move || {
        let mut replies = 0;
        while !end.load(Ordering::Relaxed) {
            let stream = TcpStream::connect(address).expect("somebody listens at every moment");
            stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a valid timeout");
            Client { stream }.get();
            replies += 1;
        }
        replies
    });
    let mut gone = Vec::new();
    for _ in 0..ROUNDS {
        let successor = place.start(variant, 1, &server.endpoints);
        gone.push(std::mem::replace(&mut server, successor));
    }
    until.store(true, Ordering::Relaxed);
    let replies: u64 = client.join().expect("each connection was served");
    let served = |server: Running| server.account().totals.requests;
    server.order(Order::Drain);
    let all: u64 = gone.into_iter().map(served).sum::<u64>() + served(server);
    assert_eq!(all, replies);
}

/// What the predecessor has accepted it serves to the end; what comes later is its successor's. A unix socket keeps its
/// file.
pub(crate) fn each_serves_its_own(variant: Variant) {
    let place = Place::new("own", variant);
    let endpoints = [any_port(), Endpoint::Unix(place.socket())];
    let old = place.start(variant, 2, &endpoints);
    let mode = fs::metadata(place.door()).expect("the socket of the hand-over").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut early = old.connect();
    early.get();
    let new = place.start(variant, 2, &endpoints);
    // The predecessor announces its end as soon as it knows of it, a moment after its successor.
    let mut replies = 2;
    while !early.get().contains("Connection: close") {
        replies += 1;
    }
    assert_eq!(early.read_to_end(), b"", "and closes in order");
    new.connect().get();
    let mut local = UnixStream::connect(place.socket()).expect("the file is there");
    local.write_all(GET.as_bytes()).expect("it reads");
    local.read_exact(&mut [0; 12]).expect("a reply");
    drop(local);
    // Its other reactor may have heard of it later, and have taken one of the two.
    let of_old = old.account().totals.requests;
    assert!((replies..=replies + 2).contains(&of_old), "{of_old}");
    assert!(fs::metadata(place.socket()).expect("the file stays").file_type().is_socket());
    let report = new.drain();
    assert_eq!((report.totals.requests + of_old, report.exit_code()), (replies + 2, 0));
    assert!(!place.socket().exists() && !place.door().exists(), "its files are the last owner's");
}

/// A successor that cannot start, one that dies before it is ready, and one that wants something else change nothing.
pub(crate) fn who_does_not_take_over_changes_nothing(variant: Variant) {
    let place = Place::new("refused", variant);
    let old = place.start(variant, 2, &[any_port()]);
    let refusal = |change: &dyn Fn(&mut Options)| {
        let mut options = Options::new(Workload::Http);
        options.variant = variant;
        place.ask(&mut options, 2, &old.endpoints);
        change(&mut options);
        Server::start(options).err().expect("it cannot start").to_string()
    };
    for (change, words) in [
        (&(|options: &mut Options| options.cpus = vec![0, 100_000]) as &dyn Fn(&mut Options), "cannot pin a reactor"),
        (&|options: &mut Options| options.workload = Workload::Echo, "it serves http, and this one is to serve echo"),
        (&|options: &mut Options| options.listen.push(any_port()), "it listens on 127.0.0.1:"),
        (
            &|options: &mut Options| options.listen[0] = "127.0.0.1:1".parse().map(Endpoint::Tcp).unwrap(),
            "use --listen",
        ),
    ] {
        let text = refusal(change);
        assert!(text.contains(words), "{text}");
        old.connect().get();
    }
    let crossing = if variant.is_uring() { Variant::EpollLevel } else { Variant::UringMultishot };
    let text = refusal(&|options| options.variant = crossing);
    assert!(text.contains("--handover: the predecessor"), "{text}");
    // One that takes the offer, and dies.
    let dying = Socket::new(Domain::UNIX, Type::SEQPACKET, None).expect("a socket");
    dying.connect(&SockAddr::unix(place.door()).expect("short")).expect("the door is open");
    let mut offer = [0; 1000];
    let len = (&dying).read(&mut offer).expect("an offer");
    assert!(String::from_utf8_lossy(&offer[..len]).contains("offer"));
    drop(dying);
    // One that says nonsense.
    let rude = Socket::new(Domain::UNIX, Type::SEQPACKET, None).expect("a socket");
    rude.connect(&SockAddr::unix(place.door()).expect("short")).expect("the door is open");
    rude.send(b"GET / HTTP/1.1").expect("room");
    old.connect().get();
    let mut early = old.connect();
    early.get();
    // And a real one at last, before which they were.
    let new = place.start(variant, 2, &old.endpoints);
    new.connect().get();
    drop(early);
    // The last connection may still have come to the predecessor, which serves what it has accepted.
    let (before, after) = (old.account(), new.drain());
    assert_eq!((before.exit_code(), after.exit_code()), (0, 0));
    let requests = (before.totals.requests, after.totals.requests);
    assert!(requests == (6, 1) || requests == (7, 0), "{requests:?}");
}

/// What two processes share of a listening socket.
#[derive(Debug, PartialEq, Eq)]
struct Shared {
    backlog: u32,
    sizes: (usize, usize),
    keepalive: bool,
    notsent_len_max: u32,
    is_nonblocking: bool,
}

impl Shared {
    fn of(socket: &OwnedFd) -> Shared {
        let reference = SockRef::from(socket);
        let size = |size: std::io::Result<usize>| size.expect("a TCP socket");
        Shared {
            backlog: sys::socket::accept_queue(socket).expect("it listens").backlog,
            sizes: (size(reference.recv_buffer_size()), size(reference.send_buffer_size())),
            keepalive: reference.keepalive().expect("a TCP socket"),
            notsent_len_max: reference.tcp_notsent_lowat().expect("a TCP socket"),
            is_nonblocking: reference.nonblocking().expect("a descriptor"),
        }
    }
}

/// The listening sockets of whoever serves at the path, which a successor gets that then leaves.
fn offered(door: &Path) -> Vec<OwnedFd> {
    let successor = Socket::new(Domain::UNIX, Type::SEQPACKET, None).expect("a socket");
    successor.connect(&SockAddr::unix(door).expect("short")).expect("the door is open");
    let len = (&successor).read(&mut [0; 1000]).expect("an offer");
    assert!(len > 0, "it offers");
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(&successor, &mut [IoSliceMut::new(&mut [0])], &mut control, RecvFlags::empty()).expect("descriptors");
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(some) => Some(some),
        _ => None,
    });
    // The first is that of the path.
    rights.flatten().skip(1).collect()
}

/// Successors that want everything else, and fail when their sockets are dealt out and when a reactor starts.
/// What they share stays as it was. A successor that takes over has its way.
pub(crate) fn a_refused_successor_leaves_no_mark(variant: Variant) {
    let place = Place::new("mark", variant);
    let asked = |options: &mut Options| {
        place.ask(options, 2, &[any_port()]);
        (options.socket.backlog, options.socket.receive_buffer) = (7, Some(20_000));
        options.balance = Balance::Cpu;
    };
    let old = Running::start(Workload::Http, variant, asked);
    let sockets = offered(&place.door());
    let before: Vec<Shared> = sockets.iter().map(Shared::of).collect();
    assert_eq!((before.len(), before[0].backlog, before[0].sizes.0), (2, 7, 40_000));
    let another = |options: &mut Options| {
        place.ask(options, 2, &old.endpoints);
        (options.socket.backlog, options.socket.receive_buffer) = (100, Some(50_000));
        (options.idle_timeout, options.balance) = (Duration::ZERO, Balance::Hash);
    };
    let refused = |change: &dyn Fn(&mut Options)| {
        let mut options = Options::new(Workload::Http);
        options.variant = variant;
        another(&mut options);
        change(&mut options);
        assert!(Server::start(options).is_err());
        assert_eq!(sockets.iter().map(Shared::of).collect::<Vec<_>>(), before);
        old.connect().get();
    };
    refused(&|options| options.cpus = vec![0, 100_000]);
    refused(&|options| {
        options.variant = if variant.is_uring() { Variant::EpollLevel } else { Variant::UringMultishot }
    });
    let new = Running::start(Workload::Http, variant, another);
    let after: Vec<Shared> = sockets.iter().map(Shared::of).collect();
    assert!(after.iter().all(|it| (it.backlog, it.sizes.0, it.keepalive) == (100, 100_000, true)), "{after:?}");
    assert!(!sys::bpf::detach(&sockets[0]).expect("Linux 5.3"), "the hash needs no program");
    new.connect().get();
    drop(sockets);
    assert_eq!((old.account().exit_code(), new.drain().exit_code()), (0, 0));
}

/// A program that chooses the reactor stays the predecessor's, too.
pub(crate) fn a_refused_successor_leaves_the_program(variant: Variant) {
    let place = Place::new("program", variant);
    let with = |balance: Balance| {
        let place = &place;
        move |options: &mut Options| {
            place.ask(options, 2, &[any_port()]);
            options.balance = balance;
        }
    };
    let old = Running::start(Workload::Http, variant, with(Balance::Cpu));
    let sockets = offered(&place.door());
    let mut options = Options::new(Workload::Http);
    options.variant = variant;
    with(Balance::Hash)(&mut options);
    (options.listen, options.cpus) = (old.endpoints.clone(), vec![0, 100_000]);
    assert!(Server::start(options).is_err());
    assert!(sys::bpf::detach(&sockets[0]).expect("Linux 5.3"), "it is there");
    drop(sockets);
    assert_eq!(old.drain().exit_code(), 0);
}

/// While a predecessor drains for a successor, the first signal is no second one; the second one cuts it off, and the
/// successor's queue is untouched.
pub(crate) fn a_stop_after_a_hand_over(variant: Variant) {
    let place = Place::new("stop", variant);
    let old = place.start(variant, 1, &[any_port()]);
    // The reply is longer than what the kernel takes, and nobody reads it.
    let mut stuck = old.connect_with_receive_buffer(4096);
    stuck.write("GET /bytes/100000000 HTTP/1.1\r\nHost: test\r\n\r\n");
    stuck.read(100);
    let new = place.start(variant, 1, &old.endpoints);
    old.order(Order::Drain);
    std::thread::sleep(Duration::from_millis(300));
    let mut clients: Vec<Client> = (0..20).map(|_| new.connect()).collect();
    old.order(Order::Drain);
    let report = old.account();
    assert_eq!((report.exit_code(), report.totals.closed_for(server::CloseReason::DrainForced)), (3, 1));
    clients.iter_mut().for_each(|client| drop(client.get()));
    drop((clients, stuck));
    let report = new.drain();
    assert_eq!((report.exit_code(), report.totals.requests), (0, 20));
}
