//! A backend over real sockets whose turns the test drives one by one.

mod storm;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use protocol::Workload;
use protocol::server::Echo;

use super::*;
use crate::listener;
use crate::options::Options;
use crate::shard::{Resources, Timeouts};

/// Ends a test that hangs; measures nothing.
const TURNS_MAX: u32 = 10_000;

/// `None` if this host has no io_uring; with `CI` set, that is a failure.
fn open<S: Style>() -> Option<(Uring<Echo, S>, SocketAddr)> {
    match probe() {
        Ok(()) => {}
        Err(error) if std::env::var_os("CI").is_some() => panic!("CI must be able to test it: {error}"),
        Err(error) => {
            eprintln!("skipped: {error}");
            return None;
        }
    }
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = Options::new(Workload::Echo);
    let socket = listener::bind(any, false, &options).expect("a free port");
    let socket = listener::listen(socket, &options.socket).expect("a free port");
    let address = listener::address(&socket).expect("bound");
    Some((open_at(&socket), address))
}

/// A ring that accepts from `socket`.
fn open_at<S: Style>(socket: &OwnedFd) -> Uring<Echo, S> {
    let listener = Listener::copy_of(std::os::fd::AsFd::as_fd(socket)).expect("a descriptor");
    let timeouts = Timeouts::new(Duration::ZERO, Duration::ZERO, Duration::ZERO);
    Uring::open(Parts {
        listeners: vec![listener],
        doorbell: Arc::new(sys::doorbell::open().expect("an eventfd")),
        shard: Shard::new(Resources::new(Echo, timeouts, 1 << 28), 64).expect("memory"),
        connections_max: 64,
        accepts_per_turn_max: 64,
        epoll_busy_poll_us: None,
    })
    .expect("probed")
}

/// Runs turns, none of which sleeps for long, until `is_done`.
fn turns<S: Style>(backend: &mut Uring<Echo, S>, mut is_done: impl FnMut(&mut Uring<Echo, S>) -> bool) {
    for _ in 0..TURNS_MAX {
        if is_done(backend) {
            return;
        }
        sys::doorbell::ring(&backend.doorbell).expect("a doorbell");
        backend.turn().expect("a turn");
    }
    panic!("it never came to that");
}

fn connect<S: Style>(backend: &mut Uring<Echo, S>, address: SocketAddr) -> TcpStream {
    let before = backend.shard.len();
    let stream = TcpStream::connect(address).expect("a listener");
    stream.set_nodelay(true).expect("a TCP socket");
    turns(backend, |backend| backend.shard.len() > before);
    stream
}

/// Two rings wait at one socket, and the kernel tells the first of a connection. It stops accepting before it hears of that:
/// then nobody takes the connection, until the other one looks at the queue.
#[test]
fn what_a_ring_that_leaves_was_told_is_found_by_new_accepts() {
    let Some((mut leaving, address)) = open::<style::Multishot>() else { return };
    let listener = leaving.sources[0].listener.as_ref().expect("it accepts");
    let mut staying = open_at::<style::Multishot>(&std::os::fd::AsFd::as_fd(listener).try_clone_to_owned().unwrap());
    let turn = |backend: &mut Uring<Echo, style::Multishot>| {
        sys::doorbell::ring(&backend.doorbell).expect("a doorbell");
        backend.turn().expect("a turn");
    };
    turn(&mut leaving);
    turn(&mut staying);
    let _waiting = TcpStream::connect(address).expect("a listener");
    let is_queued = |backend: &Uring<Echo, style::Multishot>| backend.listeners().all(|it| it.has_queued() == Ok(true));
    while !is_queued(&staying) {
        std::thread::yield_now();
    }
    drop(leaving.take_listeners());
    turns(&mut leaving, |leaving| leaving.is_idle());
    (0..10).for_each(|_| turn(&mut staying));
    assert_eq!((leaving.shard.len(), staying.shard.len()), (0, 0), "nobody was told");
    staying.renew_accepts();
    turns(&mut staying, |staying| staying.shard.len() == 1);
}

/// A failed send queues new entries, and a non-empty queue looked as if the kernel had not consumed it: no
/// reply was settled in that turn. With a reset in every turn, no other connection got a second answer before
/// the storm was over.
#[test]
fn a_failed_send_does_not_keep_others_from_being_settled() {
    let Some((mut backend, address)) = open::<style::Inline>() else { return };
    let mut victim = connect(&mut backend, address);
    let mut failures = 0;
    for round in 0..20 {
        let mut failing = connect(&mut backend, address);
        let replied = backend.shard.shared.counters.bytes_out;
        victim.write_all(b"v").expect("room");
        failing.write_all(b"f").expect("room");
        // Both replies are written, and neither is submitted. If one request comes late, try again.
        turns(&mut backend, |backend| {
            backend.sends.len() == 2 || backend.shard.shared.counters.bytes_out == replied + 2
        });
        socket2::SockRef::from(&failing).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
        drop(failing);
        backend.turn().expect("a turn");
        failures += backend.completions.iter().filter(|it| Token(it.user_data).tag() == tag::SEND_INLINE).count();
        assert!(backend.sends.is_empty(), "round {round}: a reply was sent and not settled");
        victim.read_exact(&mut [0]).expect("a reply");
        turns(&mut backend, |backend| backend.shard.len() == 1);
    }
    assert!(failures > 0, "no send ever failed");
}

/// Some peers send more than all provided buffers hold, and one sends a byte: it gets a buffer in its turn,
/// however much the others have sent before.
#[test]
fn one_byte_is_answered_among_floods() {
    let Some((mut backend, address)) = open::<style::Multishot>() else { return };
    let mut victim = connect(&mut backend, address);
    let floods: Vec<TcpStream> = (0..40).map(|_| connect(&mut backend, address)).collect();
    let flood = vec![b'f'; 1 << 20];
    for mut stream in &floods {
        stream.set_nonblocking(true).expect("a socket");
        // As much as the socket buffers take; the server receives nothing meanwhile.
        let sent = stream.write(&flood).expect("room");
        assert!(sent >= 64 * 1024, "{sent}");
    }
    victim.write_all(b"v").expect("room");
    victim.set_nonblocking(true).expect("a socket");
    let mut count = 0;
    turns(&mut backend, |_| {
        count += 1;
        victim.read(&mut [0]).is_ok()
    });
    // One turn each to receive, to find no buffer, to get one, to answer. It took 23 turns and 513 failed
    // receives when each flooding peer got a multishot receive again.
    assert!(count <= 8, "{count} turns");
    let failed = backend.shard.shared.counters.enobufs;
    assert!((1..=100).contains(&failed), "{failed} receives found no buffer");
}

/// Each turn brings one completion, that of the doorbell.
#[test]
fn waits_that_bring_one_completion_are_left_out_but_for_a_few() {
    let Some((mut backend, _)) = open::<style::Gathering>() else { return };
    let wait = Duration::from_micros(style::Gathering::GATHER.expect("it gathers").wait_us_max.into());
    let mut turn = || {
        sys::doorbell::ring(&backend.doorbell).expect("a doorbell");
        let begun = std::time::Instant::now();
        backend.turn().expect("a turn");
        (backend.gathering.has_just_gathered(), begun.elapsed())
    };
    for _ in 0..2000 {
        turn();
    }
    let (gathered, plain): (Vec<_>, Vec<_>) = (0..320).map(|_| turn()).partition(|(gathered, _)| *gathered);
    assert_eq!((gathered.len(), plain.len()), (10, 310));
    // The kernel does not return before a wait is over. Of turns that do not wait, one at least is not held up.
    let shortest = |turns: Vec<(bool, Duration)>| turns.into_iter().map(|(_, time)| time).min();
    assert!(shortest(gathered) >= Some(wait) && shortest(plain) < Some(wait));
}
