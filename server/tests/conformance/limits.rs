//! Limits and timeouts. The tests wait for times but never measure them, but for one that takes less than pauses alone would.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::Workload;
use server::{CloseReason, Options, Server, Unavailable, Variant};

use crate::harness::{GET, Running, eventually, fill_to_the_limit};

const SHORT: Duration = Duration::from_millis(150);

pub(crate) fn idle_timeout(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| options.idle_timeout = SHORT);
    let mut silent = server.connect();
    let mut once = server.connect();
    once.get();
    assert_eq!(silent.read_to_end(), b"");
    assert_eq!(once.read_to_end(), b"");
    let report = server.drain();
    assert_eq!(report.totals.closed_for(CloseReason::IdleTimeout), 2);
}

/// A byte now and then does not prolong it.
pub(crate) fn header_timeout(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| {
        options.header_timeout = SHORT;
        options.idle_timeout = Duration::from_secs(3600);
    });
    let mut slow = server.connect();
    slow.get();
    // A head that stays valid however long it gets: a late server must not find a fault in it.
    let mut trickle = "GET /".bytes().chain(std::iter::repeat(b'x'));
    slow.stream.set_nonblocking(true).expect("a socket");
    let mut byte = [0];
    eventually("the header timeout", || {
        let next = trickle.next().unwrap_or(b'x');
        // The server may have closed by now; what it said is read below.
        let _ = std::io::Write::write(&mut slow.stream, &[next]);
        std::thread::sleep(Duration::from_millis(20));
        slow.stream.peek(&mut byte).is_ok()
    });
    slow.stream.set_nonblocking(false).expect("a socket");
    let (head, _) = slow.reply().expect("408");
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
    drop(slow);
    let report = server.drain();
    assert_eq!(report.totals.closed_for(CloseReason::HeaderTimeout), 1);
}

pub(crate) fn stalled_body(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| options.stall_timeout = SHORT);
    let mut client = server.connect();
    client.write("POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    assert!(client.reply().expect("the reply is due at once").0.starts_with("HTTP/1.1 404"));
    assert_eq!(client.read_to_end(), b"");
    drop(client);
    let report = server.drain();
    assert_eq!(report.totals.closed_for(CloseReason::StallTimeout), 1);
}

/// A byte in time is progress for the stall timeout, but a whole body has its time.
pub(crate) fn slow_body(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| {
        options.stall_timeout = SHORT;
        options.body_timeout = SHORT * 5;
    });
    let mut client = server.connect();
    client.write("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\na");
    client.stream.set_nonblocking(true).expect("a socket");
    let mut byte = [0];
    eventually("the body timeout", || {
        // The server may have closed by now; what it said is read below.
        let _ = client.stream.write(b"b");
        std::thread::sleep(Duration::from_millis(20));
        client.stream.peek(&mut byte).is_ok()
    });
    client.stream.set_nonblocking(false).expect("a socket");
    assert!(client.reply().expect("408").0.starts_with("HTTP/1.1 408 "));
    drop(client);
    let report = server.drain();
    let closed = |reason| report.totals.closed_for(reason);
    assert_eq!((closed(CloseReason::BodyTimeout), closed(CloseReason::StallTimeout)), (1, 0));
}

/// A body beyond what is collected is sent back while it arrives: the pieces do not start its time anew.
pub(crate) fn slow_long_body(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| {
        options.stall_timeout = SHORT;
        options.body_timeout = SHORT * 5;
    });
    let mut client = server.connect();
    let (begun, rest) = (100_000, 500);
    client.write(format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", begun + rest));
    client.write(vec![b'a'; begun]);
    client.head().expect("the reply begins");
    client.read(begun);
    // As a whole it would take ten seconds.
    let mut came = 0;
    while came < rest && client.stream.write_all(b"b").is_ok() {
        std::thread::sleep(Duration::from_millis(20));
        match client.stream.read(&mut [0; 100]) {
            Ok(0) | Err(_) => break,
            Ok(count) => came += count,
        }
    }
    assert!(came < rest, "the body took as long as it liked");
    drop(client);
    let report = server.drain();
    let closed = |reason| report.totals.closed_for(reason);
    assert_eq!((closed(CloseReason::BodyTimeout), closed(CloseReason::StallTimeout)), (1, 0));
}

/// One who does not read what is sent back does not stop the time of the body either.
pub(crate) fn unread_long_body(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| {
        options.stall_timeout = Duration::from_secs(3600);
        options.body_timeout = SHORT * 5;
        options.drain_timeout = Duration::from_secs(3600);
        options.http.body_len_max = 1 << 30;
    });
    let mut client = server.connect_with_receive_buffer(4096);
    client.write("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    client.stream.set_write_timeout(Some(SHORT)).expect("a valid timeout");
    while client.stream.write_all(&[b'a'; 100_000]).is_ok() {}
    let report = server.drain();
    assert_eq!((report.exit_code(), report.totals.closed_for(CloseReason::BodyTimeout)), (0, 1));
}

/// Nothing is ever read, and nothing else could end the connection before the stall timeout does.
pub(crate) fn stalled_reply(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| {
        options.stall_timeout = SHORT;
        options.drain_timeout = Duration::from_secs(3600);
    });
    let mut client = server.connect();
    client.write("GET /bytes/100000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.read(1);
    let report = server.drain();
    assert_eq!((report.exit_code(), report.totals.closed_for(CloseReason::StallTimeout)), (0, 1));
    // The end stands behind what the kernel had taken: no reset.
    assert!(client.read_to_end().len() < 100_000_000);
}

/// Peers that stay after the server gave up on them cannot hold their slots: lingering ends too.
pub(crate) fn stalled_peers_free_their_places(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| {
        options.connections_max = 2;
        options.stall_timeout = SHORT;
        options.idle_timeout = Duration::from_secs(3600);
    });
    let mut staying = [server.connect(), server.connect()];
    for client in &mut staying {
        client.write("POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
        assert!(client.reply().is_some());
    }
    let mut late = server.connect();
    late.get();
    drop(late);
    let report = server.drain();
    assert_eq!((report.exit_code(), report.totals.closed_for(CloseReason::StallTimeout)), (0, 2));
    assert_eq!(report.totals.lingers_cut, 2, "they did not close");
}

/// Empty lines do not keep a connection: one may precede a request; a second one is not HTTP.
pub(crate) fn empty_lines_are_no_progress(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| options.idle_timeout = SHORT);
    let mut one = server.connect();
    one.get();
    one.write("\r\n");
    assert_eq!(one.read_to_end(), b"", "its timeout says nothing");
    let mut more = server.connect();
    more.write("\r\n\r\n\r\n");
    assert!(more.reply().expect("a refusal").0.starts_with("HTTP/1.1 400 "));
    assert_eq!(more.read_to_end(), b"");
    drop((one, more));
    let report = server.drain();
    assert_eq!((report.totals.requests, report.totals.closed_for(CloseReason::IdleTimeout)), (1, 1));
}

/// A reader that takes a little all the time has not stalled, though the send buffer shows no room for
/// longer than the stall timeout.
pub(crate) fn slow_reader_is_not_stalled(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| options.stall_timeout = Duration::from_secs(1));
    let mut client = server.connect_with_receive_buffer(32 * 1024);
    client.write("GET /bytes/1500000 HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.head().expect("a head");
    assert!(head.contains("Content-Length: 1500000\r\n"), "{head}");
    // 200 KB/s at first, so that half of the 256 KB that wait here take longer than the stall timeout.
    let mut left = 1_500_000;
    while left > 0 {
        let len = if left > 900_000 { 10_000 } else { left };
        client.read(len);
        left -= len;
        if left > 900_000 {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    client.get();
    assert_eq!(server.drain().totals.requests, 2);
}

/// At the limit further connections wait in the accept queue, and are served when there is room.
pub(crate) fn connection_limit(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| options.connections_max = 4);
    let (inside, mut waiting) = fill_to_the_limit(&server, 4, 6);
    waiting.iter_mut().for_each(|client| client.write(GET));
    drop(inside);
    for mut client in waiting {
        assert!(client.reply().is_some());
    }
    let report = server.drain();
    assert_eq!((report.totals.accepts, report.totals.requests), (10, 8 + 6));
    assert!(report.totals.full_pauses > 0, "the limit was never met");
}

/// A crowd that came at the limit and has left again does not hold up who comes later: each end of a connection makes room
/// for the next. By pauses of 100 ms alone, one of the crowd a pause, the last would wait for 10 s.
pub(crate) fn crowd_that_left(variant: Variant) {
    const CROWD: u32 = 100;
    let server = Running::start(Workload::Http, variant, |options| options.connections_max = 1);
    let (inside, waiting) = fill_to_the_limit(&server, 1, CROWD as usize);
    drop(waiting);
    let mut late = server.connect();
    late.write(GET);
    let start = Instant::now();
    drop(inside);
    assert!(late.reply().is_some());
    assert!(start.elapsed() < CROWD * Duration::from_millis(100), "as long as the pauses alone: {:?}", start.elapsed());
    drop(late);
    assert_eq!(server.drain().totals.accepts, 2 + u64::from(CROWD));
}

pub(crate) fn port_in_use(variant: Variant) {
    let server = Running::http(variant);
    let address: SocketAddr = server.address;
    let mut options = Options::new(Workload::Http);
    options.variant = variant;
    options.listen = vec![address.into()];
    match Server::start(options) {
        Err(error @ Unavailable::AddressInUse(_)) => assert!(error.to_string().contains("ss -ltnp"), "{error}"),
        Err(error) => panic!("another refusal: {error}"),
        Ok(_) => panic!("a second server silently shares the port"),
    }
}
