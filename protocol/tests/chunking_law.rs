//! The workloads as their users see them, in every cut: plain requests, pipelines, bodies, refusals, the
//! drain. `framing.rs` has what RFC 9110 and 9112 require against request smuggling.

mod law;

use law::{End, HOST, check_http, http, law, play};
use protocol::server::{Echo, Protocol, Violation};

#[test]
fn echo_returns_everything_in_order() {
    let bytes: Vec<u8> = (0..2000u32).map(|n| (n * 7) as u8).collect();
    let whole = play(Echo, &[&bytes], 1 << 20);
    assert_eq!((whole.replies.as_slice(), whole.end), (bytes.as_slice(), End::Open));
    // Echo has no framing, so the number of requests is the number of pieces: only the bytes obey the law.
    for split in 0..bytes.len() {
        let (first, second) = bytes.split_at(split);
        for output_len in [1, 7, 1 << 20] {
            assert_eq!(play(Echo, &[first, second], output_len).replies, bytes);
        }
    }
}

#[test]
fn plain_requests() {
    let hello = check_http(format!("GET / HTTP/1.1\r\n{HOST}\r\n"), &[200], End::Open);
    assert!(hello.ends_with("\r\n\r\nHello, World!"), "{hello}");
    assert!(hello.contains("\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n"), "{hello}");
    assert!(hello.contains("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), "{hello}");
    let head = check_http(format!("HEAD / HTTP/1.1\r\n{HOST}\r\n"), &[200], End::Open);
    assert!(head.contains("Content-Length: 13\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    check_http(format!("GET / HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n"), &[200], End::Closed);
    check_http("GET / HTTP/1.0\r\n\r\n", &[200], End::Closed);
    let kept = check_http("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &[200], End::Open);
    assert!(kept.contains("\r\nConnection: keep-alive\r\n"), "{kept}");
    check_http(format!("\r\nGET / HTTP/1.1\r\n{HOST}\r\n"), &[200], End::Open);
    check_http("", &[], End::Open);
    check_http("GET / HT", &[], End::Open);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let request = format!("GET / HTTP/1.1\r\n{HOST}\r\n");
    check_http(request.repeat(16), &[200; 16], End::Open);
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
        let replies = check_http(format!("GET /bytes/{count} HTTP/1.1\r\n{HOST}\r\n"), &[200], End::Open);
        let (head, body) = replies.split_once("\r\n\r\n").expect("a head");
        assert!(head.ends_with(&format!("Content-Length: {count}")), "{head}");
        assert_eq!(body.len(), count);
    }
    check_http(format!("HEAD /bytes/7 HTTP/1.1\r\n{HOST}\r\n"), &[200], End::Open);
    check_http(format!("GET /bytes/100001 HTTP/1.1\r\n{HOST}\r\n"), &[404], End::Open);
    check_http(format!("GET /bytes/-1 HTTP/1.1\r\n{HOST}\r\n"), &[404], End::Open);
    for (framing, body) in [("Content-Length: 1", "x"), ("Transfer-Encoding: chunked", "0\r\n\r\n")] {
        let request = format!("GET /bytes/7 HTTP/1.1\r\n{HOST}{framing}\r\n\r\n{body}");
        let reply = check_http(&request, &[400], End::Aborted(Violation::UnwantedBody));
        assert!(reply.ends_with("\r\n\r\nthis target takes no body\n"), "{reply}");
    }
}

#[test]
fn bodies_are_echoed_in_their_framing() {
    let text = "a body of some length ".repeat(20);
    let length = format!("POST /echo HTTP/1.1\r\n{HOST}Content-Length: {}\r\n\r\n{text}", text.len());
    assert!(check_http(&length, &[200], End::Open).ends_with(&text));
    let chunked = format!("POST /echo HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n");
    let body = "5;ext=1\r\nhello\r\nA\r\n, world ..\r\n0\r\nTrailer: x\r\n\r\n";
    let replies = check_http(format!("{chunked}{body}GET / HTTP/1.1\r\n{HOST}\r\n"), &[200, 200], End::Open);
    assert!(replies.contains("\r\n\r\n5\r\nhello\r\na\r\n, world ..\r\n0\r\n\r\nHTTP/1.1"), "{replies}");
    let expect = format!("POST /echo HTTP/1.1\r\n{HOST}Expect: 100-continue\r\nContent-Length: 2\r\n\r\nok");
    assert!(check_http(&expect, &[100, 200], End::Open).ends_with("ok"));
    check_http(format!("POST /echo HTTP/1.1\r\n{HOST}\r\n"), &[200], End::Open);
}

#[test]
fn a_body_that_nobody_wants_is_skipped() {
    let get = format!("GET / HTTP/1.1\r\n{HOST}\r\n");
    check_http(format!("GET / HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nhello{get}"), &[200, 200], End::Open);
    check_http(format!("PUT /x HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nhello{get}"), &[404, 200], End::Open);
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
        (format!("GET / FTP/1.1\r\n{HOST}\r\n"), 400, Violation::BadRequest),
        (format!("GET / x HTTP/2.0\r\n{HOST}\r\n"), 400, Violation::BadRequest),
        (format!("GET /{long} HTTP/1.1\r\n{HOST}\r\n"), 414, Violation::TargetTooLong),
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
    let method = check_http(format!("POST / HTTP/1.1\r\n{HOST}\r\n"), &[405], End::Open);
    assert!(method.contains("\r\nAllow: GET, HEAD, OPTIONS\r\n"), "{method}");
    let method = check_http(format!("DELETE /echo HTTP/1.1\r\n{HOST}\r\n"), &[405], End::Open);
    assert!(method.contains("\r\nAllow: POST, OPTIONS\r\n"), "{method}");
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
