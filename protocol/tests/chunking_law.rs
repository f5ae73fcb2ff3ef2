//! The chunking law: however the bytes of a case are cut, and however small the output is, the
//! replies, the number of requests and the end are the same. This is what makes backends comparable.

use protocol::Output;
use protocol::server::{Echo, FILLER, Http, HttpLimits, Protocol, Then, Violation};

/// Everything a peer could observe of one connection.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Outcome {
    replies: Vec<u8>,
    requests: u32,
    end: End,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum End {
    Open,
    Closed,
    Aborted(Violation),
}

/// Plays a connection: keeps what is unread, offers it again with more behind it, and sends when the
/// output is full, which holds `output_len` bytes.
fn play<P: Protocol>(mut protocol: P, pieces: &[&[u8]], output_len: usize) -> Outcome {
    protocol.set_time(784_111_777);
    let mut state = P::State::default();
    let mut outcome = Outcome { replies: Vec::new(), requests: 0, end: End::Open };
    let mut unread = Vec::new();
    let mut space = vec![0u8; output_len];
    for piece in pieces {
        unread.extend_from_slice(piece);
        loop {
            let mut output = Output::new(&mut space);
            let step = protocol.on_bytes(&mut state, &unread, &mut output);
            outcome.replies.extend_from_slice(output.written());
            outcome.requests += step.requests;
            assert!(step.consumed <= unread.len());
            unread.drain(..step.consumed);
            match step.then {
                Then::KeepOpen => break,
                Then::More => assert!(step.consumed > 0 || !output.is_empty(), "asks for more without progress"),
                Then::Fill => {
                    let left = protocol.filler_left(&state);
                    assert!(left > 0, "fills with nothing");
                    outcome.replies.resize(outcome.replies.len() + left, FILLER[0]);
                    protocol.filler_sent(&mut state, left);
                }
                Then::CloseAfterReply => outcome.end = End::Closed,
                Then::Abort(violation) => outcome.end = End::Aborted(violation),
            }
            if outcome.end != End::Open {
                return outcome;
            }
        }
        assert!(unread.len() <= P::UNREAD_LEN_MAX, "left {} bytes unread", unread.len());
    }
    outcome
}

/// Checks the law for one case and returns its outcome.
fn law<P: Protocol>(make: fn() -> P, input: &[u8]) -> Outcome {
    let name = String::from_utf8_lossy(&input[..input.len().min(200)]).into_owned();
    let whole = play(make(), &[input], 1 << 20);
    for output_len in [P::REPLY_LEN_MAX, P::REPLY_LEN_MAX + 1, 1000 + P::REPLY_LEN_MAX] {
        assert_eq!(play(make(), &[input], output_len), whole, "output of {output_len}: {name:?}");
    }
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(play(make(), &bytes, 1 << 20), whole, "byte by byte: {name:?}");
    for split in 0..=input.len() {
        let (first, second) = input.split_at(split);
        assert_eq!(play(make(), &[first, second], 1 << 17), whole, "split at {split}: {name:?}");
        if input.len() < 2000 {
            assert_eq!(play(make(), &[first, second], P::REPLY_LEN_MAX), whole, "split at {split}, small: {name:?}");
        }
    }
    whole
}

fn http() -> Http {
    Http::new(HttpLimits { body_len_max: 1000, bytes_max: 100_000 })
}

/// The statuses of the replies in order, and the end.
fn check_http(input: &str, statuses: &[u16], end: End) -> String {
    let outcome = law(http, input.as_bytes());
    let replies = String::from_utf8(outcome.replies).expect("all replies are ASCII");
    let found: Vec<u16> =
        replies.match_indices("HTTP/1.1 ").map(|(at, _)| replies[at + 9..at + 12].parse().expect("a status")).collect();
    let shown = &input[..input.len().min(300)];
    assert_eq!((found.as_slice(), outcome.end), (statuses, end), "{shown:?}\n{replies}");
    replies
}

const HOST: &str = "Host: example.test\r\n";

#[test]
fn echo_returns_everything_in_order() {
    let bytes: Vec<u8> = (0..2000u32).map(|n| (n * 7) as u8).collect();
    let whole = play(Echo, &[&bytes], 1 << 20);
    assert_eq!((whole.replies.as_slice(), whole.end), (bytes.as_slice(), End::Open));
    // Echo has no framing, so the number of requests is the number of pieces: only the bytes obey.
    for split in 0..bytes.len() {
        let (first, second) = bytes.split_at(split);
        for output_len in [1, 7, 1 << 20] {
            assert_eq!(play(Echo, &[first, second], output_len).replies, bytes);
        }
    }
}

#[test]
fn plain_requests() {
    let hello = check_http(&format!("GET / HTTP/1.1\r\n{HOST}\r\n"), &[200], End::Open);
    assert!(hello.ends_with("\r\n\r\nHello, World!"), "{hello}");
    assert!(hello.contains("\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n"), "{hello}");
    assert!(hello.contains("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), "{hello}");
    let head = check_http(&format!("HEAD / HTTP/1.1\r\n{HOST}\r\n"), &[200], End::Open);
    assert!(head.contains("Content-Length: 13\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    check_http(&format!("GET / HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n"), &[200], End::Closed);
    check_http("GET / HTTP/1.0\r\n\r\n", &[200], End::Closed);
    let kept = check_http("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &[200], End::Open);
    assert!(kept.contains("\r\nConnection: keep-alive\r\n"), "{kept}");
    check_http(&format!("\r\n\r\nGET / HTTP/1.1\r\n{HOST}\r\n"), &[200], End::Open);
    check_http("", &[], End::Open);
    check_http("GET / HT", &[], End::Open);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let request = format!("GET / HTTP/1.1\r\n{HOST}\r\n");
    check_http(&request.repeat(16), &[200; 16], End::Open);
    let mixed = format!(
        "GET /bytes/5 HTTP/1.1\r\n{HOST}\r\nPOST /echo HTTP/1.1\r\n{HOST}Content-Length: 3\r\n\r\nabc\
         GET /nothing HTTP/1.1\r\n{HOST}\r\n{request}GET / HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n{request}"
    );
    let replies = check_http(&mixed, &[200, 200, 404, 200, 200], End::Closed);
    assert!(replies.contains("\r\n\r\nxxxxxHTTP") && replies.contains("\r\n\r\nabcHTTP"), "{replies}");
}

#[test]
fn bytes_of_any_length() {
    for count in [0usize, 1, 9_999, 100_000] {
        let replies = check_http(&format!("GET /bytes/{count} HTTP/1.1\r\n{HOST}\r\n"), &[200], End::Open);
        let (head, body) = replies.split_once("\r\n\r\n").expect("a head");
        assert!(head.ends_with(&format!("Content-Length: {count}")), "{head}");
        assert_eq!(body.len(), count);
    }
    check_http(&format!("HEAD /bytes/7 HTTP/1.1\r\n{HOST}\r\n"), &[200], End::Open);
    check_http(&format!("GET /bytes/100001 HTTP/1.1\r\n{HOST}\r\n"), &[404], End::Open);
    check_http(&format!("GET /bytes/-1 HTTP/1.1\r\n{HOST}\r\n"), &[404], End::Open);
    let body = format!("GET /bytes/7 HTTP/1.1\r\n{HOST}Content-Length: 1\r\n\r\nx");
    check_http(&body, &[400], End::Aborted(Violation::BadRequest));
}

#[test]
fn bodies_are_echoed_in_their_framing() {
    let text = "a body of some length ".repeat(20);
    let length = format!("POST /echo HTTP/1.1\r\n{HOST}Content-Length: {}\r\n\r\n{text}", text.len());
    assert!(check_http(&length, &[200], End::Open).ends_with(&text));
    let chunked = format!("POST /echo HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n");
    let body = "5;ext=1\r\nhello\r\nA\r\n, world ..\r\n0\r\nTrailer: x\r\n\r\n";
    let replies = check_http(&format!("{chunked}{body}GET / HTTP/1.1\r\n{HOST}\r\n"), &[200, 200], End::Open);
    assert!(replies.contains("\r\n\r\n5\r\nhello\r\na\r\n, world ..\r\n0\r\n\r\nHTTP/1.1"), "{replies}");
    let expect = format!("POST /echo HTTP/1.1\r\n{HOST}Expect: 100-continue\r\nContent-Length: 2\r\n\r\nok");
    assert!(check_http(&expect, &[100, 200], End::Open).ends_with("ok"));
    check_http(&format!("POST /echo HTTP/1.1\r\n{HOST}\r\n"), &[200], End::Open);
}

#[test]
fn a_body_that_nobody_wants_is_skipped() {
    let get = format!("GET / HTTP/1.1\r\n{HOST}\r\n");
    check_http(&format!("GET / HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nhello{get}"), &[200, 200], End::Open);
    check_http(&format!("PUT /x HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nhello{get}"), &[404, 200], End::Open);
    let chunked = format!("PUT / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n{get}");
    check_http(&chunked, &[405, 200], End::Open);
}

#[test]
fn refusals() {
    let long = "a".repeat(20_000);
    for (input, status, violation) in [
        ("nonsense\r\n\r\n".to_owned(), 400, Violation::BadRequest),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400, Violation::BadRequest),
        (format!("GET / HTTP/1.1\r\n{HOST}{HOST}\r\n"), 400, Violation::BadRequest),
        (format!("GET / HTTP/1.1\r\n{HOST}bad name: x\r\n\r\n"), 400, Violation::BadRequest),
        (format!("GET / HTTP/2.0\r\n{HOST}\r\n"), 505, Violation::UnknownVersion),
        (format!("GET / HTTP/20\r\n{HOST}\r\n"), 505, Violation::UnknownVersion),
        (format!("GET / HTTP/1.7\r\n{HOST}\r\n"), 505, Violation::UnknownVersion),
        (format!("GET / FTP/1.1\r\n{HOST}\r\n"), 400, Violation::BadRequest),
        (format!("GET / x HTTP/2.0\r\n{HOST}\r\n"), 400, Violation::BadRequest),
        (format!("GET /{long} HTTP/1.1\r\n{HOST}\r\n"), 431, Violation::HeadTooLong),
        (format!("GET / HTTP/1.1\r\n{HOST}A: {long}\r\n\r\n"), 431, Violation::HeadTooLong),
        (format!("GET / HTTP/1.1\r\n{HOST}{}\r\n", "a: b\r\n".repeat(200)), 431, Violation::HeadTooLong),
        (format!("POST /echo HTTP/1.1\r\n{HOST}Content-Length: 1001\r\n\r\n"), 413, Violation::BodyTooLong),
        (format!("POST /echo HTTP/1.1\r\n{HOST}Content-Length: 5000000000\r\n\r\n"), 413, Violation::BodyTooLong),
        (format!("POST /echo HTTP/1.1\r\n{HOST}Content-Length: 1, 2\r\n\r\n"), 400, Violation::BadFraming),
        (format!("POST /echo HTTP/1.1\r\n{HOST}Content-Length: 0x1\r\n\r\n"), 400, Violation::BadFraming),
        (
            format!("POST /echo HTTP/1.1\r\n{HOST}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            400,
            Violation::BadFraming,
        ),
        (format!("POST /echo HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip\r\n\r\n"), 501, Violation::UnknownCoding),
    ] {
        let replies = check_http(&input, &[status], End::Aborted(violation));
        assert!(replies.contains("\r\nConnection: close\r\n"), "{replies}");
    }
    let method = check_http(&format!("POST / HTTP/1.1\r\n{HOST}\r\n"), &[405], End::Open);
    assert!(method.contains("\r\nAllow: GET, HEAD\r\n"), "{method}");
    let method = check_http(&format!("DELETE /echo HTTP/1.1\r\n{HOST}\r\n"), &[405], End::Open);
    assert!(method.contains("\r\nAllow: POST\r\n"), "{method}");
}

#[test]
fn a_body_that_breaks_its_framing_ends_the_connection_without_a_second_reply() {
    let chunked = format!("POST /echo HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n");
    check_http(&format!("{chunked}5\r\nhelloXX"), &[200], End::Aborted(Violation::BadFraming));
    check_http(&format!("{chunked}zz\r\n"), &[200], End::Aborted(Violation::BadFraming));
    check_http(&format!("{chunked}3e9\r\n"), &[200], End::Aborted(Violation::BodyTooLong));
    check_http(
        &format!("{chunked}200\r\n{}\r\n1ed\r\n", "x".repeat(512)),
        &[200],
        End::Aborted(Violation::BodyTooLong),
    );
}

#[test]
fn draining_announces_the_close() {
    let draining = || {
        let mut http = http();
        http.drain();
        http
    };
    let outcome = law(draining, format!("GET / HTTP/1.1\r\n{HOST}\r\n").as_bytes());
    assert_eq!(outcome.end, End::Closed);
    assert!(String::from_utf8_lossy(&outcome.replies).contains("\r\nConnection: close\r\n"));
}
