//! Peers that take memory without progress: other clients are still served.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use protocol::Workload;
use server::{BUFFER_MEMORY_LEN_MIN, CloseReason, Report, Variant};

use crate::harness::{Client, GET, Running, pattern};

/// More than the pool could serve: the least memory holds 64 KiB for each of 64.
const HOGS: usize = 150;
/// Connections that are served while the hogs come.
const PROBES: usize = 5;

/// Small replies, a head in two segments, long replies: none of them waits for the hogs.
fn probe(server: &Running) {
    let mut client = server.connect();
    client.get();
    let (first, second) = GET.as_bytes().split_at(20);
    client.write(first);
    // Long enough for the server to receive the first part alone, most of the time.
    std::thread::sleep(Duration::from_millis(20));
    client.write(second);
    assert!(client.reply().is_some());
    for len in [100_000, 5_000_000] {
        client.write(format!("GET /bytes/{len} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.reply().expect("a reply").1.len(), len);
    }
}

fn start(workload: Workload, variant: Variant) -> Running {
    Running::start(workload, variant, |options| {
        options.buffer_memory_max = BUFFER_MEMORY_LEN_MIN;
        options.stall_timeout = Duration::from_secs(3600);
        options.drain_timeout = Duration::from_millis(100);
    })
}

/// Replies that are generated hold nothing, however many readers have stopped.
pub(crate) fn hogs_of_generated_replies(variant: Variant) {
    let server = start(Workload::Http, variant);
    let mut hogs: Vec<Client> = (0..HOGS).map(|_| server.connect_with_receive_buffer(4096)).collect();
    hogs.iter_mut().for_each(|hog| hog.write("GET /bytes/1000000000 HTTP/1.1\r\nHost: a\r\n\r\n"));
    // Each has received its head: all are stuck from here on.
    hogs.iter_mut().for_each(|hog| drop(hog.read(100)));
    (0..3).for_each(|_| probe(&server));
    let report = server.drain();
    let closed = |reason| report.totals.closed_for(reason);
    assert_eq!(closed(CloseReason::BuffersExhausted) + closed(CloseReason::Shed), 0, "{:?}", report.totals);
    assert_eq!(closed(CloseReason::DrainForced), HOGS as u64);
    // A short buffer for the first part of each reply, at most.
    let memory: u64 = report.reactors.iter().map(|reactor| reactor.buffer_memory_bytes_peak).sum();
    assert!(memory < (BUFFER_MEMORY_LEN_MIN / 4) as u64, "{memory} bytes");
}

/// Ends the server and checks that every probe was served and the limit held. Also returns how many hogs were
/// shed.
fn account(server: Running) -> (Report, u64) {
    let report = server.drain();
    let closed = |reason| report.totals.closed_for(reason);
    assert_eq!(closed(CloseReason::PeerClosed), PROBES as u64, "{:?}", report.totals);
    let gave_way = closed(CloseReason::Shed) + closed(CloseReason::BuffersExhausted);
    let memory: u64 = report.reactors.iter().map(|reactor| reactor.buffer_memory_bytes_peak).sum();
    assert!(memory <= BUFFER_MEMORY_LEN_MIN as u64, "{memory} bytes");
    (report, gave_way)
}

/// Bodies come back to clients that never read. These are shed in the order in which they stopped, and other
/// clients do not notice.
pub(crate) fn hogs_of_echoed_bodies(variant: Variant) {
    let server = start(Workload::Http, variant);
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
    let body = pattern(1_000_000);
    let mut hogs = Vec::new();
    for _ in 0..HOGS {
        let hog = server.connect_with_receive_buffer(4096);
        hog.stream.set_nonblocking(true).expect("a socket");
        let mut left: &[u8] = &[head.as_bytes(), &body].concat();
        // Writes as much as is taken at once; after shedding, nothing is taken.
        while let Ok(count @ 1..) = (&mut &hog.stream).write(left) {
            left = &left[count..];
        }
        hogs.push(hog);
        if hogs.len() % (HOGS / PROBES) == 0 {
            probe(&server);
        }
    }
    let (report, gave_way) = account(server);
    if variant == Variant::UringPoll {
        // It holds at most one provided buffer at a time.
        assert_eq!(gave_way, 0, "{:?}", report.totals);
    } else {
        assert!(gave_way > 0, "nobody gave way: {:?}", report.totals);
    }
}

/// Bodies that are collected but never become complete: each hog sends all but the last byte. These are shed,
/// the oldest first, and other clients do not notice.
pub(crate) fn hogs_of_collected_bodies(variant: Variant) {
    let server = start(Workload::Http, variant);
    let body = pattern(60_000);
    let request = [b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n", &body[1..]].concat();
    let mut hogs = Vec::new();
    for _ in 0..HOGS {
        let mut hog = server.connect();
        // It fits the socket buffers, so the write fails only if the hog was shed meanwhile.
        if let Err(error) = hog.stream.write_all(&request) {
            assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
        }
        hogs.push(hog);
        if hogs.len() % (HOGS / PROBES) == 0 {
            probe(&server);
        }
    }
    let (report, gave_way) = account(server);
    assert!(gave_way > 0, "nobody gave way: {:?}", report.totals);
    let cut = report.totals.closed_for(CloseReason::DrainForced);
    assert_eq!(gave_way + cut, HOGS as u64, "{:?}", report.totals);
}

/// How much a peer that writes without end and never reads can make a server keep: for io_uring, what the
/// head of `backend/uring` says; for the others nothing, because they do not receive while a reply is unsent.
pub(crate) fn unread_input_is_bounded(variant: Variant) {
    let len_max = match variant {
        Variant::UringMultishot | Variant::UringInline | Variant::UringGather => (64 + 512) << 10,
        _ => 0,
    };
    let server = Running::start(Workload::Echo, variant, |options| {
        options.drain_timeout = Duration::from_millis(100);
        options.stall_timeout = Duration::from_secs(3600);
    });
    let bytes = pattern(1 << 20);
    // Several peers: how much comes at once depends on how the kernel and the peer take turns.
    let hogs: Vec<Client> = (0..8)
        .map(|_| {
            let mut hog = server.connect_with_receive_buffer(4096);
            hog.stream.set_write_timeout(Some(Duration::from_millis(200))).expect("a valid timeout");
            // Until the server stops reading, and both socket buffers are full.
            let error = (0..64).find_map(|_| hog.stream.write_all(&bytes).err()).expect("the server kept 64 MiB");
            assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
            hog
        })
        .collect();
    let report = server.drain();
    drop(hogs);
    let totals = &report.totals;
    assert!(totals.unread_len_peak <= len_max, "{} bytes of {len_max}", totals.unread_len_peak);
    assert!(len_max == 0 || totals.unread_len_peak > 0, "nothing was ever kept");
    assert_eq!(totals.closed_for(CloseReason::Overrun), 0);
    // Unread bytes are bytes that were received.
    assert!(totals.bytes_in >= totals.bytes_out + totals.unread_len_peak, "{totals:?}");
}
