//! What goes in comes out: cut, pipelined, slow, large, and on many connections.

use std::thread;
use std::time::Duration;

use protocol::Workload;
use server::{Endpoint, Variant};

use crate::harness::{Client, GET, Running, pattern};

pub(crate) fn partial_writes(variant: Variant) {
    let server = Running::http(variant);
    let mut client = server.connect();
    for piece in GET.as_bytes().chunks(1) {
        client.write(piece);
    }
    assert!(client.reply().expect("a reply").0.starts_with("HTTP/1.1 200"));
    // Two and a half requests, then the rest: the half must neither be lost nor answered early.
    let three = GET.repeat(3);
    let (now, later) = three.as_bytes().split_at(GET.len() * 2 + 11);
    client.write(now);
    (0..2).for_each(|_| assert!(client.reply().is_some()));
    client.write(later);
    assert!(client.reply().is_some());
    drop(client);
    let report = server.drain();
    assert_eq!((report.totals.requests, report.exit_code()), (4, 0));
}

pub(crate) fn pipelining(variant: Variant) {
    let server = Running::http(variant);
    let mut client = server.connect();
    client.write(GET.repeat(1000));
    for _ in 0..1000 {
        assert_eq!(client.reply().expect("a reply").1, b"Hello, World!");
    }
    client.write(format!("GET /bytes/70000 HTTP/1.1\r\nHost: a\r\n\r\n{GET}"));
    assert_eq!(client.reply().expect("a reply").1.len(), 70_000);
    assert_eq!(client.reply().expect("a reply").1, b"Hello, World!");
    let report = server.drain();
    assert_eq!(report.totals.requests, 1002);
}

/// A reader that takes all it can get does not keep the others from being served.
pub(crate) fn greedy_reader(variant: Variant) {
    let server = Running::http(variant);
    let mut greedy = server.connect();
    greedy.write("GET /bytes/1000000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    greedy.read(1 << 20);
    let mut other = server.connect();
    let mut reader = Client { stream: greedy.stream.try_clone().expect("a descriptor") };
    let reading = thread::spawn(move || {
        // Until the other client is done: it then shuts down this socket.
        let mut bytes = vec![0; 1 << 20];
        let mut total = 0;
        while let Ok(count @ 1..) = std::io::Read::read(&mut reader.stream, &mut bytes) {
            total += count;
        }
        total
    });
    (0..100).for_each(|_| drop(other.get()));
    greedy.stream.shutdown(std::net::Shutdown::Both).expect("an open connection");
    let read = reading.join().expect("no panic");
    assert!(read < 990_000_000, "100 requests had to wait for the whole of a long reply");
    server.drain();
}

/// Writes until both socket buffers are full and the server has to stop reading, then reads.
pub(crate) fn slow_reader_of_echo(variant: Variant) {
    let server = Running::echo(variant);
    let mut client = server.connect();
    let bytes = pattern(24 << 20);
    let mut writer = Client { stream: client.stream.try_clone().expect("a descriptor") };
    let written = bytes.clone();
    let writing = thread::spawn(move || {
        writer.write(&written);
        writer.finish_writing();
    });
    thread::sleep(Duration::from_millis(200));
    assert!(client.read_to_end() == bytes, "the echo differs");
    writing.join().expect("no panic");
    let report = server.drain();
    assert_eq!((report.totals.bytes_in, report.totals.bytes_out), (24 << 20, 24 << 20));
    // Back-pressure is free for the other variants; a multishot receive must be cancelled for it.
    if variant.backend() != "io_uring" || variant == Variant::UringPoll {
        assert_eq!(report.totals.receive_pauses, 0);
    }
    let memory: u64 = report.reactors.iter().map(|reactor| reactor.buffer_memory_bytes).sum();
    assert!(memory <= 8 << 20, "a slow reader took {memory} bytes of buffers");
}

pub(crate) fn slow_reader_of_bytes(variant: Variant) {
    let server = Running::http(variant);
    let mut client = server.connect();
    client.write("GET /bytes/30000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    thread::sleep(Duration::from_millis(100));
    let (_, body) = client.reply().expect("a reply");
    assert!(body.len() == 30_000_000 && body.iter().all(|byte| *byte == b'x'));
    client.get();
    assert_eq!(server.drain().totals.requests, 2);
}

pub(crate) fn big_body(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| options.http.body_len_max = 32 << 20);
    let mut client = server.connect();
    let body = pattern(20 << 20);
    client.write(format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()));
    let mut writer = Client { stream: client.stream.try_clone().expect("a descriptor") };
    let written = body.clone();
    let writing = thread::spawn(move || writer.write(&written));
    assert!(client.reply().expect("a reply").1 == body, "the echo differs");
    writing.join().expect("no panic");
    client.get();
    assert_eq!(server.drain().totals.requests, 2);
}

pub(crate) fn many_connections(variant: Variant) {
    let server = Running::echo(variant);
    let mut clients: Vec<Client> = (0..600).map(|_| server.connect()).collect();
    for round in 0..3u8 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.write([round, number as u8, (number >> 8) as u8].repeat(20));
        }
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.read(60), [round, number as u8, (number >> 8) as u8].repeat(20));
        }
        // Replace every other client, so that slots and descriptors are reused.
        for place in clients.iter_mut().step_by(2) {
            *place = server.connect();
        }
    }
    drop(clients);
    let report = server.drain();
    assert_eq!(report.totals.accepts, 600 + 3 * 300);
}

/// An urgent byte ends every receive before the bytes after it. It stays in its place, and no client waits
/// for the rest.
pub(crate) fn urgent_data(variant: Variant) {
    let server = Running::start(Workload::Echo, variant, |options| options.connections_max = 1);
    // While the first client holds the only slot, the second one's bytes gather in its socket.
    let first = server.connect();
    let mut second = server.connect();
    second.write("abc");
    let urgent = rustix::net::send(&second.stream, b"!", rustix::net::SendFlags::OOB);
    assert_eq!(urgent, Ok(1));
    second.write("def");
    drop(first);
    assert_eq!(second.read(7), b"abc!def");
    drop(second);
    server.drain();
}

pub(crate) fn ipv6(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| {
        options.listen = vec![Endpoint::Tcp("[::1]:0".parse().expect("valid"))];
    });
    server.connect().get();
    assert_eq!(server.drain().totals.requests, 1);
}

pub(crate) fn more_reactors_than_cores(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| options.reactors = 5);
    let mut clients: Vec<Client> = (0..200).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| drop(client.get()));
    drop(clients);
    let report = server.drain();
    assert_eq!((report.reactors.len(), report.totals.accepts, report.totals.requests), (5, 200, 200));
    // The chance that a hash leaves one of five listeners without any of 200 connections is 10^-19.
    assert!(report.reactors.iter().all(|reactor| reactor.counters.accepts > 0), "a reactor got nothing");
}
