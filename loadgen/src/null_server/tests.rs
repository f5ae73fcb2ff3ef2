//! The null server over real sockets.

use super::*;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// Ends a test that hangs; measures nothing.
const PATIENCE: Duration = Duration::from_secs(60);

fn start(speech: Speech, stall: Option<Stall>) -> NullServer {
    let listen = "127.0.0.1:0".parse().unwrap();
    NullServer::start(Config { speech, listen, cpu: None, stall, late: None }).unwrap()
}

fn connect(server: &NullServer) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The counter is published at the end of a turn, which may be after the reply was read.
fn await_requests(server: &NullServer, count: u64) {
    let start = Instant::now();
    while server.requests() != count {
        assert!(start.elapsed() < PATIENCE, "{} requests instead of {count}", server.requests());
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn http_requests_are_answered_one_by_one_and_pipelined() {
    let mut server = start(Speech::Http, None);
    let mut streams = [connect(&server), connect(&server)];
    for pipelined in [1, 1, 16] {
        for stream in &mut streams {
            stream.write_all(&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(pipelined)).unwrap();
            let mut replies = vec![0; HTTP_REPLY.len() * pipelined];
            stream.read_exact(&mut replies).unwrap();
            assert_eq!(replies, HTTP_REPLY.repeat(pipelined));
        }
    }
    await_requests(&server, 36);
    server.stop().unwrap();
    server.stop().unwrap();
    assert_eq!((server.requests(), server.stalls().len()), (36, 0));
    assert_eq!(streams[0].read(&mut [0]).unwrap_or(0), 0, "a stopped server leaves no connection open");
}

/// The peer writes all before it reads: replies do not fit the socket, so both sides have to wait.
#[test]
fn nothing_is_lost_when_replies_must_wait() {
    const LEN: usize = 16 << 20;
    let server = start(Speech::Echo { message_len: 1 << 20 }, None);
    let mut reader = connect(&server);
    let mut writer = reader.try_clone().unwrap();
    let sent: Vec<u8> = (0..LEN).map(|index| (index % 251) as u8).collect();
    let expected = sent.clone();
    let writing = thread::spawn(move || writer.write_all(&sent));
    // Time for the buffers to fill; when it does not suffice the test only shows less.
    thread::sleep(Duration::from_millis(50));
    let mut received = vec![0; LEN];
    reader.read_exact(&mut received).unwrap();
    writing.join().unwrap().unwrap();
    assert!(received == expected, "bytes differ");
    await_requests(&server, 16);
}

#[test]
fn connections_come_and_go() {
    let server = start(Speech::Echo { message_len: 1 }, None);
    for round in 1..=50 {
        let mut stream = connect(&server);
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        await_requests(&server, round);
    }
}

/// A reply cannot arrive within a stall that is in the log, whatever the machine does meanwhile.
#[test]
fn nothing_is_answered_in_a_stall() {
    let every = Duration::from_millis(120);
    let offset = stall_offset(every, Duration::from_millis(60));
    let mut server =
        start(Speech::Echo { message_len: 1 }, Some(Stall { every, length: Duration::from_millis(60), offset }));
    let mut stream = connect(&server);
    let mut trips = Vec::new();
    let start = Instant::now();
    while server.stalls().len() < 5 {
        assert!(start.elapsed() < PATIENCE, "{} stalls", server.stalls().len());
        let sent = sys::clock::now_ns();
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        trips.push((sent, sys::clock::now_ns()));
    }
    server.stop().unwrap();
    let stalls = server.stalls();
    assert!(stalls.windows(2).all(|pair| pair[0].1 < pair[1].0), "{stalls:?}");
    assert!(stalls.iter().all(|(start, end)| start < end), "{stalls:?}");
    for (start, end) in server.backlogs() {
        assert!(start <= end && stalls.iter().any(|stall| stall.1 == start), "{start} to {end}: {stalls:?}");
        assert!(stalls.iter().all(|stall| stall.1 <= start || end <= stall.0), "{start} to {end}: {stalls:?}");
    }
    for (sent, received) in trips {
        let inside = stalls.iter().find(|(start, end)| *start < sent && received < *end);
        assert_eq!(inside, None, "sent at {sent}, received at {received}");
    }
}

/// Late replies wait beside one another, and what follows on their connections is served.
#[test]
fn late_replies_come_and_hold_up_nobody() {
    const BY: Duration = Duration::from_millis(200);
    let listen = "127.0.0.1:0".parse().unwrap();
    let late = Some(Late { permille: 1000, by: BY, seed: 1 });
    let config = Config { speech: Speech::Echo { message_len: 1 }, listen, cpu: None, stall: None, late };
    let mut server = NullServer::start(config).unwrap();
    let mut streams: Vec<TcpStream> = (0..20).map(|_| connect(&server)).collect();
    for round in 1..=2 {
        let sent = Instant::now();
        streams.iter_mut().for_each(|stream| stream.write_all(b"x").unwrap());
        streams.iter_mut().for_each(|stream| stream.read_exact(&mut [0]).unwrap());
        let took = sent.elapsed();
        assert!(took >= BY, "{took:?}");
        // One after the other they would take twenty times as long.
        assert!(took < BY * 15, "{took:?}");
        await_requests(&server, round * 20);
    }
    // Those who leave while a reply is held back are gone with it.
    streams[0].write_all(b"x").unwrap();
    await_requests(&server, 41);
    drop(streams);
    thread::sleep(BY * 2);
    let mut again = connect(&server);
    again.write_all(b"x").unwrap();
    again.read_exact(&mut [0]).unwrap();
    server.stop().unwrap();
    assert_eq!((server.requests(), server.late_replies()), (42, 42));
}

#[test]
fn a_stall_does_not_keep_it_from_ending() {
    let every = Duration::from_secs(3600);
    let stall = Stall { every, length: every - Duration::from_secs(1), offset: stall_offset(every, Duration::ZERO) };
    let mut server = start(Speech::Http, Some(stall));
    server.stop().unwrap();
    assert!(server.stalls().len() <= 1, "{:?}", server.stalls());
}

#[test]
fn contradictions_are_refused() {
    let listen = "127.0.0.1:0".parse().unwrap();
    let good = Config { speech: Speech::Http, listen, cpu: None, stall: None, late: None };
    let stall = Stall { every: Duration::from_secs(1), length: Duration::from_secs(1), offset: Duration::ZERO };
    for config in [
        Config { stall: Some(stall), ..good },
        Config { speech: Speech::Echo { message_len: 0 }, ..good },
        Config { cpu: Some(1023), ..good },
        Config { cpu: Some(u32::MAX), ..good },
    ] {
        assert_eq!(NullServer::start(config).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{config:?}");
    }
    let taken = start(Speech::Http, None);
    let error = NullServer::start(Config { listen: taken.address(), ..good }).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}
