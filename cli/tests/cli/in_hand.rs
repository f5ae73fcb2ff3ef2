//! No timer beats a request that is in hand: a server that was stopped for longer than its idle timeout finds
//! both when it goes on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use crate::program::{PATIENCE, Server};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// More than one event of epoll_wait(2) for the smallest, and more than the 20 items of deferred work that an
/// enter of a ring runs unless it is asked for more.
const CLIENTS: usize = 150;
/// Long enough for all clients to have their first reply in time, however slow the host is.
const IDLE: Duration = Duration::from_secs(4);

fn read_reply(client: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"Hello, World!") {
        let mut bytes = [0; 200];
        match client.read(&mut bytes).expect("no reset") {
            0 => return false,
            count => head.extend_from_slice(&bytes[..count]),
        }
    }
    true
}

#[test]
fn requests_that_came_while_a_server_was_stopped_are_answered() {
    let variants = server::Variant::ALL.into_iter().filter(|variant| {
        let runs = variant.backend() != "io_uring" || server::probe_io_uring().is_ok();
        assert!(runs || std::env::var_os("CI").is_none(), "CI must be able to run {variant}");
        runs
    });
    // All at the same time, because the test is one long sleep.
    let mut servers: Vec<(server::Variant, Server, Vec<TcpStream>)> = variants
        .map(|variant| {
            let (backend, name) = (variant.backend(), variant.variant());
            let arguments =
                ["http", "--backend", backend, "--variant", name, "--reactors", "1", "--idle-timeout", "4s"];
            (variant, Server::start(&arguments), Vec::new())
        })
        .collect();
    for (_, server, clients) in &mut servers {
        for _ in 0..CLIENTS {
            let mut client = TcpStream::connect(server.address).expect("it listens");
            client.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
            client.write_all(GET).expect("it reads");
            clients.push(client);
        }
        clients.iter_mut().for_each(|client| assert!(read_reply(client), "the first request is in time"));
        server.signal(Signal::STOP);
    }
    for (.., clients) in &mut servers {
        clients.iter_mut().for_each(|client| client.write_all(GET).expect("the kernel takes it"));
    }
    // Whatever the clock of a connection said, it has run out.
    sleep(IDLE + Duration::from_millis(500));
    for (variant, server, mut clients) in servers {
        server.signal(Signal::CONT);
        let answered = clients.iter_mut().filter_map(|client| read_reply(client).then_some(())).count();
        assert_eq!(answered, CLIENTS, "{variant}: the others met their idle timeout");
        drop(clients);
        let (code, exit) = server.drain();
        assert_eq!((code, exit["totals"]["requests"].as_u64()), (0, Some(2 * CLIENTS as u64)), "{variant}");
    }
}
