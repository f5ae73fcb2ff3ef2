//! How connections and servers end: FIN, RST, refusals, drains.

use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use protocol::Workload;
use protocol::server::Violation;
use server::{Balance, CloseReason, Order, Variant};
use socket2::SockRef;

use crate::harness::{Client, GET, PATIENCE, Running, balances, eventually, fill_to_the_limit, pattern};

/// Sends RST instead of FIN when dropped (socket(7), SO_LINGER with time zero).
fn reset_on_drop(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
}

pub(crate) fn half_close(variant: Variant) {
    let server = Running::http(variant);
    let mut client = server.connect();
    client.write(GET.repeat(3));
    client.finish_writing();
    (0..3).for_each(|_| assert!(client.reply().is_some()));
    assert_eq!(client.read_to_end(), b"");
    let mut client = server.connect();
    client.write("GET /bytes/5000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.finish_writing();
    assert_eq!(client.reply().expect("the whole reply").1.len(), 5_000_000);
    assert_eq!(client.read_to_end(), b"");
    let report = server.drain();
    assert_eq!(report.totals.closed_for(CloseReason::PeerClosed), 2);
}

pub(crate) fn half_close_in_a_request(variant: Variant) {
    let server = Running::http(variant);
    for part in ["GET / HTTP/1.1\r\nHo", "POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc"] {
        let mut client = server.connect();
        client.write(part);
        client.finish_writing();
        client.read_to_end();
    }
    let report = server.drain();
    assert_eq!(report.totals.closed_for(CloseReason::PeerClosedMidRequest), 2);
}

pub(crate) fn reset(variant: Variant) {
    let server = Running::echo(variant);
    for _ in 0..50 {
        let mut client = server.connect();
        client.echo(b"before");
        reset_on_drop(&client.stream);
    }
    server.connect().echo(b"others go on");
    let report = server.drain();
    assert_eq!(report.totals.closed_for(CloseReason::Reset), 50);
}

/// Resets while the server has megabytes unsent: its buffers must come back (checked by `account`).
pub(crate) fn reset_under_load(variant: Variant) {
    let server = Running::echo(variant);
    let bytes = pattern(8 << 20);
    for _ in 0..8 {
        let client = server.connect();
        reset_on_drop(&client.stream);
        client.stream.set_nonblocking(true).expect("a socket");
        let mut at = 0;
        // Until nothing more is taken: the server is blocked on our unread echo.
        while let Ok(count) = std::io::Write::write(&mut &client.stream, &bytes[at..]) {
            at += count;
            if at == bytes.len() {
                break;
            }
        }
    }
    server.connect().echo(b"others go on");
    let report = server.drain();
    assert_eq!(report.totals.accepts, 9);
    assert!(report.totals.closed_for(CloseReason::Reset) >= 1, "{:?}", report.totals);
}

/// The peer is still sending when it is refused: the reply must arrive, and no RST may overtake it.
pub(crate) fn refusal_reaches_the_peer(variant: Variant) {
    let server = Running::http(variant);
    for (input, status) in [
        ("nonsense\r\n\r\n", "400"),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n", "413"),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505"),
    ] {
        let mut client = server.connect();
        client.write(input);
        client.write(pattern(300_000));
        let (head, _) = client.reply().expect("the refusal");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
        assert_eq!(client.read_to_end(), b"");
    }
    let report = server.drain();
    for violation in [Violation::BadRequest, Violation::BodyTooLong, Violation::UnknownVersion] {
        assert_eq!(report.totals.closed_for(CloseReason::Violation(violation)), 1, "{violation:?}");
    }
}

pub(crate) fn close_on_request(variant: Variant) {
    let server = Running::http(variant);
    let mut client = server.connect();
    client.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(client.reply().expect("a reply").0.contains("\r\nConnection: close\r\n"));
    assert_eq!(client.read_to_end(), b"");
    let report = server.drain();
    assert_eq!(report.totals.closed_for(CloseReason::Requested), 1);
}

/// More requests follow the one that asked for the close, while its reply is still on its way to a slow
/// reader. Closed at once, the socket would answer them with RST, which overtakes the reply (RFC 9112 §9.6).
pub(crate) fn no_reset_overtakes_a_reply(variant: Variant) {
    let server = Running::http(variant);
    for request in
        ["GET /bytes/3000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET /bytes/3000000 HTTP/1.0\r\n\r\n"]
    {
        let mut client = server.connect_with_receive_buffer(16 * 1024);
        client.write(request);
        client.read(1000);
        client.write(GET.repeat(3));
        thread::sleep(Duration::from_millis(50));
        client.write(GET);
        let rest = client.read_to_end();
        assert!(rest.len() > 2_999_000, "{} bytes, then the end", rest.len());
    }
    let report = server.drain();
    assert_eq!(report.totals.closed_for(CloseReason::Requested), 2);
}

/// Requests come at about the moment of the idle timeout. Each is answered or meets a FIN, after which it may
/// be retried. An RST would leave its fate unknown.
pub(crate) fn idle_close_is_a_fin(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| options.idle_timeout = Duration::from_millis(100));
    let (mut replies, mut ends) = (0u64, 0u64);
    for round in 0..6u64 {
        let mut clients: Vec<Client> = (0..40).map(|_| server.connect()).collect();
        clients.iter_mut().for_each(|client| client.write(GET));
        clients.iter_mut().for_each(|client| assert!(client.reply().is_some(), "the first request is in time"));
        // The timeout is 100 ms plus up to two ticks.
        thread::sleep(Duration::from_millis(150 + 25 * round));
        // After a FIN only a much later reset could come back, so a failed write means a reset.
        let sent: Vec<bool> = clients
            .iter_mut()
            .map(|client| std::io::Write::write_all(&mut client.stream, GET.as_bytes()).is_ok())
            .collect();
        for (client, sent) in clients.iter_mut().zip(sent) {
            assert!(sent, "a reset came before the request");
            match client.reply() {
                Some(_) => replies += 1,
                None => ends += 1,
            }
        }
    }
    assert_eq!(replies + ends, 240);
    let report = server.drain();
    assert_eq!((report.totals.requests, report.totals.closed_for(CloseReason::Reset)), (240 + replies, 0));
}

/// A peer that keeps its end open after our FIN does not hold up a drain.
pub(crate) fn drain_with_a_peer_that_stays(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| options.drain_timeout = PATIENCE);
    let mut staying = server.connect();
    staying.get();
    let report = server.drain();
    assert_eq!((report.exit_code(), report.totals.closed_for(CloseReason::Drained)), (0, 1));
    assert_eq!(report.totals.lingers_cut, 1);
    assert_eq!(staying.read_to_end(), b"");
}

/// Clients in a closed loop while the server drains: every request that is sent is answered, and the
/// last answer announces the close.
pub(crate) fn drain_under_load(variant: Variant) {
    balances().for_each(|balance| drain_three_under_load(variant, balance));
}

fn drain_three_under_load(variant: Variant, balance: Balance) {
    let server = Running::start(Workload::Http, variant, |options| {
        options.reactors = 3;
        options.balance = balance;
    });
    let answered = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..16 {
            let mut client = server.connect();
            let answered = &answered;
            scope.spawn(move || {
                loop {
                    client.write(GET);
                    let (head, body) = client.reply().expect("a request was lost");
                    assert_eq!(body, b"Hello, World!");
                    answered.fetch_add(1, Ordering::Relaxed);
                    if head.contains("\r\nConnection: close\r\n") {
                        assert_eq!(client.read_to_end(), b"");
                        return;
                    }
                }
            });
        }
        eventually("load", || answered.load(Ordering::Relaxed) > 500);
        server.order(Order::Drain);
    });
    let report = server.account();
    assert_eq!((report.exit_code(), report.forced_closes), (0, 0));
    assert_eq!(report.totals.requests, answered.into_inner(), "server and clients count alike");
    assert_eq!(report.totals.closed_for(CloseReason::Drained), 16);
}

pub(crate) fn drain_of_idle(variant: Variant) {
    let server = Running::http(variant);
    let mut clients: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    clients.iter_mut().take(10).for_each(|client| drop(client.get()));
    let address = server.address;
    let report = thread::scope(|scope| {
        let draining = scope.spawn(|| server.drain());
        clients.iter_mut().for_each(|client| assert_eq!(client.read_to_end(), b""));
        // Linux answers segments to a closed listener with RST.
        assert!(TcpStream::connect_timeout(&address, Duration::from_secs(10)).is_err());
        drop(clients);
        draining.join().expect("no panic")
    });
    assert_eq!((report.exit_code(), report.totals.closed_for(CloseReason::Drained)), (0, 20));
}

/// A peer that never reads its reply cannot hold the server beyond the drain timeout.
pub(crate) fn drain_forced(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| options.drain_timeout = Duration::from_millis(700));
    let mut stuck = server.connect();
    stuck.write("GET /bytes/100000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    stuck.read(1000);
    let report = server.drain();
    assert_eq!((report.exit_code(), report.forced_closes), (3, 1));
}

pub(crate) fn second_order_stops(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| options.drain_timeout = Duration::from_secs(3600));
    let mut stuck = server.connect();
    stuck.write("GET /bytes/100000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    stuck.read(1000);
    server.order(Order::Drain);
    server.order(Order::Drain);
    assert_eq!(server.account().exit_code(), 3);
}

/// Connections that the kernel has completed but nobody has accepted when the drain begins.
pub(crate) fn queued_connections_are_served(variant: Variant) {
    queued_at_some_are_served(variant, 1, Balance::Hash);
    balances().for_each(|balance| queued_at_some_are_served(variant, 3, balance));
}

fn queued_at_some_are_served(variant: Variant, reactors: usize, balance: Balance) {
    let server = Running::start(Workload::Http, variant, |options| {
        options.accepts_per_turn_max = 1;
        options.reactors = reactors;
        options.balance = balance;
    });
    let mut clients: Vec<Client> = (0..200).map(|_| server.connect()).collect();
    server.order(Order::Drain);
    for client in &mut clients {
        client.write(GET);
    }
    for client in &mut clients {
        assert!(client.reply().is_some(), "a queued connection was lost");
    }
    drop(clients);
    let report = server.account();
    assert_eq!((report.exit_code(), report.totals.requests), (0, 200));
}

/// Connections beyond the limit wait in the accept queue when the drain begins. Slots become free during the
/// drain.
pub(crate) fn drain_at_the_limit(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| {
        options.connections_max = 4;
        options.drain_timeout = Duration::from_secs(3600);
    });
    let (mut inside, mut waiting) = fill_to_the_limit(&server, 4, 8);
    for client in inside.iter_mut().chain(&mut waiting) {
        client.write(GET);
    }
    server.order(Order::Drain);
    for mut client in inside.into_iter().chain(waiting) {
        let (head, _) = client.reply().expect("a queued connection was reset");
        // A reply from before the drain does not announce it.
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert_eq!(client.read_to_end(), b"");
    }
    let report = server.account();
    assert_eq!((report.exit_code(), report.forced_closes, report.totals.requests), (0, 0, 8 + 12));
    assert!(report.totals.full_pauses > 0, "the limit was never met");
}

/// No slot becomes free: at the deadline the queue is cut off like the rest, and the report counts all of it.
pub(crate) fn drain_at_the_limit_is_forced(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| {
        options.connections_max = 2;
        options.drain_timeout = Duration::from_millis(700);
    });
    let mut stuck: Vec<Client> = (0..2).map(|_| server.connect()).collect();
    for client in &mut stuck {
        client.write("GET /bytes/100000000 HTTP/1.1\r\nHost: a\r\n\r\n");
        client.read(1000);
    }
    let mut queued: Vec<Client> = (0..10).map(|_| server.connect()).collect();
    queued.iter_mut().for_each(|client| client.write(GET));
    let report = server.drain();
    assert_eq!((report.exit_code(), report.forced_closes, report.totals.accepts), (3, 12, 12));
    assert!(report.totals.syscalls < 20_000, "{} system calls: a hot loop", report.totals.syscalls);
}

/// A stop finds connections everywhere: served, accepted but not yet seen, queued. Each of them is counted.
pub(crate) fn stop_counts_every_connection(variant: Variant) {
    for reactors in [1, 3] {
        let server = Running::start(Workload::Http, variant, |options| {
            options.accepts_per_turn_max = 1;
            options.reactors = reactors;
        });
        let clients: Vec<Client> = (0..200).map(|_| server.connect()).collect();
        server.order(Order::Stop);
        let report = server.account();
        drop(clients);
        assert_eq!((report.exit_code(), report.totals.accepts, report.forced_closes), (3, 200, 200));
    }
}
