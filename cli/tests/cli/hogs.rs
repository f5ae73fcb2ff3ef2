//! `c10m serve` where memory is short and peers are greedy.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::process::{Resource, Rlimit, prlimit};

use crate::program::{PATIENCE, Server};

/// Each makes the server keep 64 KiB, which is more in all than the address space has left.
const HOGS: usize = 400;
const MEMORY_LEFT: u64 = 16 << 20;

/// A client that sends a body to be echoed, and never reads.
fn hog(server: &Server) -> TcpStream {
    let socket = TcpStream::connect(server.address).expect("it listens");
    set_socket_recv_buffer_size(&socket, 4096).expect("a TCP socket");
    socket.set_nonblocking(true).expect("a socket");
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
    let request = [head.as_bytes(), &vec![b'b'; 1_000_000]].concat();
    let mut left = request.as_slice();
    // As much as is taken at once; one that was closed meanwhile takes nothing.
    while let Ok(count @ 1..) = (&socket).write(left) {
        left = &left[count..];
    }
    socket
}

fn probe(server: &Server) {
    let mut stream = TcpStream::connect(server.address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
    for (request, len) in [("GET / HTTP/1.1", 13), ("GET /bytes/3000000 HTTP/1.1", 3_000_000)] {
        stream.write_all(format!("{request}\r\nHost: a\r\n\r\n").as_bytes()).expect("it reads");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
        stream.read_exact(&mut vec![0; len]).expect("a body");
    }
}

/// An allocation that fails closes a greedy connection. It neither aborts the server nor hits the others.
#[test]
fn greedy_peers_meet_the_limit_of_the_address_space() {
    for backend in ["epoll", "mio", "io_uring"] {
        let server = Server::start(&[
            "http",
            "--backend",
            backend,
            "--reactors",
            "1",
            "--stall-timeout",
            "1h",
            "--drain-timeout",
            "200ms",
        ]);
        probe(&server);
        let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).expect("it runs");
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("a size");
        let size_kib: u64 = size.trim().trim_end_matches(" kB").parse().expect("a number");
        let limit = Some(size_kib * 1024 + MEMORY_LEFT);
        prlimit(Some(server.pid()), Resource::As, Rlimit { current: limit, maximum: limit }).expect("a child of ours");
        let mut hogs = Vec::new();
        for _ in 0..4 {
            hogs.extend((0..HOGS / 4).map(|_| hog(&server)));
            probe(&server);
        }
        let (code, exit) = server.drain();
        let closed = |reason: &str| exit["totals"]["closes"][reason].as_u64().unwrap_or(0);
        assert_eq!(closed("peer_closed"), 5, "{backend}: {}", exit["totals"]);
        assert!(closed("shed") + closed("buffers_exhausted") > 0, "{backend} had enough: {}", exit["totals"]);
        assert_eq!(code, 3, "{backend}: those that are left are cut off");
        let memory_max = exit["reactors"][0]["buffer_memory_bytes_max"].as_u64().expect("a number");
        assert!(memory_max <= 2 * MEMORY_LEFT, "{backend}: {memory_max}");
    }
}
