//! What a server does about more connections than it can serve. Judged by what it counts, never by a clock.

use std::num::{NonZeroU16, NonZeroU32};

use protocol::Workload;
use server::{AcceptOrder, CloseReason, Counters, Endpoint, Options, Order, Report, Variant, WaitingRoom};

use crate::harness::{Client, GET, PATIENCE, Running, eventually};

const RATE: u32 = 100;
/// Most connections between two pauses: the share of two ticks, and one that fractions make.
const BURST_MAX: u64 = 2 * RATE as u64 / 10 + 1;

fn limited(options: &mut Options) {
    options.admission.accept_rate = NonZeroU32::new(RATE);
}

/// What the server counts while these many clients, all connected at once, get one reply each.
fn counted(variant: Variant, clients: usize, change: impl FnOnce(&mut Options)) -> Counters {
    let server = Running::start(Workload::Http, variant, change);
    let addresses: Vec<_> = server.endpoints.iter().filter_map(Endpoint::tcp).collect();
    let addresses = addresses.iter().cycle().take(clients);
    let mut clients: Vec<Client> = addresses.map(|address| server.connect_to(*address)).collect();
    clients.iter_mut().for_each(|client| drop(client.get()));
    drop(clients);
    server.drain().totals
}

pub(crate) fn accept_rate(variant: Variant) {
    let limited = counted(variant, 60, limited);
    assert_eq!((limited.accepts, limited.requests, limited.accepts_beyond_rate), (60, 60, 0));
    assert!(limited.accepts <= (limited.rate_pauses + 1) * BURST_MAX, "{} pauses", limited.rate_pauses);
    let unlimited = counted(variant, 60, |_| {});
    assert_eq!((unlimited.accepts, unlimited.rate_pauses), (60, 0));
}

/// An accept of a ring may be under way at each listener; what it brings too many is counted, and owed.
pub(crate) fn rate_of_several_places(variant: Variant) {
    const PLACES: u64 = 3;
    let totals = counted(variant, 60, |options| {
        limited(options);
        options.listen = vec![options.listen[0].clone(); PLACES as usize];
    });
    assert_eq!(totals.accepts, 60);
    let beyond_max = if variant.is_uring() { (PLACES - 1) * (totals.rate_pauses + 1) } else { 0 };
    assert!(totals.accepts_beyond_rate <= beyond_max, "{} beyond the rate", totals.accepts_beyond_rate);
    // What was owed is made up for: all in all the rate holds.
    assert!(totals.accepts < (totals.rate_pauses + 1) * BURST_MAX + PLACES, "{} pauses", totals.rate_pauses);
}

/// What was queued when the drain began is still taken in at the rate.
pub(crate) fn rate_in_a_drain(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| {
        limited(options);
        options.drain_timeout = PATIENCE;
    });
    let mut clients: Vec<Client> = (0..50).map(|_| server.connect()).collect();
    server.order(Order::Drain);
    clients.iter_mut().for_each(|client| client.write(GET));
    clients.iter_mut().for_each(|client| assert!(client.reply().is_some(), "a queued connection was lost"));
    drop(clients);
    let report = server.account();
    assert_eq!((report.exit_code(), report.totals.requests), (0, 50));
    assert!(report.totals.accepts <= (report.totals.rate_pauses + 1) * BURST_MAX);
}

/// Takes one connection in every 300 ms or so, and none in the first 200 ms: time for all clients to come.
const SLOW_RATE: u32 = 3;

/// A server at the slow rate, with a waiting room if there is an order.
fn slow(variant: Variant, order: Option<AcceptOrder>, places: u32) -> Running {
    Running::start(Workload::Http, variant, |options| {
        let places = NonZeroU32::new(places).expect("places");
        options.admission.accept_rate = NonZeroU32::new(SLOW_RATE);
        options.admission.waiting_room = order.map(|order| WaitingRoom { order, places });
        options.drain_timeout = PATIENCE;
    })
}

/// The order in which a server answers clients that came one after the other, and those that it reset.
fn served(server: &Running, count: usize) -> (Vec<usize>, Vec<usize>) {
    let mut clients: Vec<(usize, Client)> = (0..count).map(|index| (index, server.connect())).collect();
    for (_, client) in &mut clients {
        // The server may have reset it by now.
        let _ = std::io::Write::write_all(&mut client.stream, GET.as_bytes());
        client.stream.set_nonblocking(true).expect("a socket");
    }
    let (mut answered, mut reset) = (Vec::new(), Vec::new());
    eventually("an end for every client", || {
        clients.retain_mut(|(index, client)| match client.stream.peek(&mut [0]) {
            Ok(1..) => {
                answered.push(*index);
                false
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => true,
            // The write above may have taken the error of the reset, which then looks like an end.
            Ok(0) | Err(_) => {
                reset.push(*index);
                false
            }
        });
        clients.is_empty()
    });
    (answered, reset)
}

/// Tries again where this machine was too slow for all clients to come in time.
fn is_seen<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, mut see: impl FnMut() -> T) {
    let seen: Vec<T> = (0..5)
        .map(|_| see())
        .scan(false, |is_over, seen| {
            let was_over = std::mem::replace(is_over, seen == *expected);
            (!was_over).then_some(seen)
        })
        .collect();
    assert_eq!(seen.last(), Some(expected), "{what}: {seen:?}");
}

fn crowded_out(report: &Report) -> u64 {
    report.totals.closed_for(CloseReason::CrowdedOut)
}

pub(crate) fn waiting_room_order(variant: Variant) {
    let orders =
        [(None, [0, 1, 2, 3]), (Some(AcceptOrder::Oldest), [0, 1, 2, 3]), (Some(AcceptOrder::Newest), [3, 2, 1, 0])];
    for (order, expected) in orders.into_iter().filter(|(order, _)| order.is_none() || !variant.is_uring()) {
        is_seen(&format!("{variant} {order:?}"), &expected.to_vec(), || {
            let server = slow(variant, order, 100);
            let (answered, reset) = served(&server, 4);
            let report = server.drain();
            assert_eq!((report.totals.accepts, crowded_out(&report), reset.len()), (4, 0, 0), "{variant} {order:?}");
            assert!(report.totals.rate_pauses > 0 && report.totals.waiting_peak <= if order.is_some() { 4 } else { 0 });
            answered
        });
    }
}

pub(crate) fn full_waiting_room(variant: Variant) {
    if variant.is_uring() {
        return;
    }
    for (order, expected) in [(AcceptOrder::Oldest, [5, 6, 7]), (AcceptOrder::Newest, [7, 6, 5])] {
        is_seen(&format!("{variant} {order:?}"), &(expected.to_vec(), 5), || {
            let server = slow(variant, Some(order), 3);
            let (answered, reset) = served(&server, 8);
            let report = server.drain();
            let numbers = (report.totals.accepts, report.totals.requests, crowded_out(&report));
            assert_eq!(numbers, (8, answered.len() as u64, reset.len() as u64), "{variant} {order:?}");
            assert_eq!(report.totals.waiting_peak, 3, "{variant} {order:?}");
            (answered, reset.len())
        });
    }
}

/// Those who wait when the drain begins are served.
pub(crate) fn waiting_room_in_a_drain(variant: Variant) {
    if variant.is_uring() {
        return;
    }
    let server = slow(variant, Some(AcceptOrder::Newest), 100);
    let mut clients: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| client.write(GET));
    server.order(Order::Drain);
    for client in &mut clients {
        assert!(client.reply().is_some(), "one that waited was lost");
    }
    drop(clients);
    let report = server.account();
    assert_eq!((report.exit_code(), report.totals.requests, report.totals.accepts), (0, 4, 4));
}

/// Those who wait when the server stops are cut off and counted.
pub(crate) fn waiting_room_at_a_stop(variant: Variant) {
    if variant.is_uring() {
        return;
    }
    let server = slow(variant, Some(AcceptOrder::Newest), 100);
    let clients: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    server.order(Order::Stop);
    let report = server.account();
    drop(clients);
    assert_eq!((report.exit_code(), report.totals.accepts, report.forced_closes), (3, 20, 20));
}

fn deferred(report: &Report) -> u64 {
    report.totals.closed_for(CloseReason::Deferred)
}

/// Who comes beyond the rate is told at once when to come again; the others are served. Nobody waits.
pub(crate) fn told_to_come_again(variant: Variant) {
    const CLIENTS: usize = 60;
    let server = Running::start(Workload::Http, variant, |options| {
        limited(options);
        options.admission.retry_after_s = NonZeroU16::new(7);
    });
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| client.write(GET));
    let mut told = 0;
    for client in &mut clients {
        let (head, _) = client.reply().expect("a reply");
        if head.starts_with("HTTP/1.1 200 OK\r\n") {
            assert!(!head.contains("Retry-After"), "{head}");
            // It stays, and is not asked again.
            client.get();
            continue;
        }
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        assert!(head.contains("\r\nRetry-After: 7\r\n") && head.contains("\r\nConnection: close\r\n"), "{head}");
        assert_eq!(client.read_to_end(), b"");
        told += 1;
    }
    drop(clients);
    let report = server.drain();
    let totals = &report.totals;
    assert!(told > 0, "60 at once are more than two ticks have room for");
    assert_eq!((deferred(&report), totals.first_requests), (told, CLIENTS as u64 - told));
    assert_eq!((totals.accepts, totals.rate_pauses, totals.accepts_beyond_rate), (CLIENTS as u64, 0, 0));
}

/// One reply, whatever is asked, and in however many pieces; nothing of what was asked is done.
pub(crate) fn told_once(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| {
        // The first connection comes in the first tick, which has room for none.
        options.admission.accept_rate = NonZeroU32::new(1);
        options.admission.retry_after_s = NonZeroU16::new(3600);
        options.drain_timeout = PATIENCE;
    });
    let is_told = |reply: &str| {
        let one = reply.matches("HTTP/1.1 ").count() == 1 && reply.starts_with("HTTP/1.1 503 ");
        one && reply.contains("\r\nRetry-After: 3600\r\n")
    };
    // The bucket fills by one in a second: of so many in a row some are told, and those are looked at.
    let mut seen = 0;
    for (request, pieces, has_body) in [
        (GET, 1, true),
        ("HEAD / HTTP/1.1\r\nHost: test\r\n\r\n", 1, false),
        ("GET / HTTP/1.1\r\nHost: test\r\n\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n", 1, true),
        ("GET /bytes/1000000 HTTP/1.1\r\nHost: test\r\n\r\n", 1, true),
        ("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", 3, true),
        ("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello", 2, true),
        ("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 70000\r\nExpect: 100-continue\r\n\r\n", 1, true),
    ] {
        // At most every second one is served.
        for _ in 0..2 {
            let mut client = server.connect();
            for piece in request.as_bytes().chunks(request.len().div_ceil(pieces)) {
                client.write(piece);
            }
            client.stream.shutdown(std::net::Shutdown::Write).expect("connected");
            let mut bytes = Vec::new();
            let read = std::io::Read::read_to_end(&mut client.stream, &mut bytes);
            let reply = String::from_utf8_lossy(&bytes).into_owned();
            if !reply.starts_with("HTTP/1.1 503 ") {
                continue;
            }
            assert!(read.is_ok() && is_told(&reply), "{request:?}: {reply:?} {read:?}");
            assert_eq!(!reply.ends_with("\r\n\r\n"), has_body, "{request:?}: {reply:?}");
            seen += 1;
        }
    }
    let report = server.drain();
    assert!(seen >= 7 && deferred(&report) == seen, "{seen} seen, {} told", deferred(&report));
}
