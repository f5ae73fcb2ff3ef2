//! HTTP framing over real sockets: what is refused, how, and that nothing after it is taken for a request.
//! The `protocol` crate tests the rules themselves, in every cut.

use protocol::Workload;
use protocol::server::Violation;
use server::{CloseReason, Variant};

use crate::harness::{Client, GET, Running};

/// Request, its final status, and the violation that ends the connection.
type Case = (&'static str, u16, Option<Violation>);

const CASES: &[Case] = &[
    ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, None),
    ("\r\nGET / HTTP/1.7\r\nHost: a:80\r\n\r\n", 200, None),
    ("GET hTTp://a?x=/bytes/7 HTTP/1.1\r\nHost: a\r\n\r\n", 200, None),
    ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 204, None),
    ("OPTIONS /echo HTTP/1.1\r\nHost: a\r\n\r\n", 204, None),
    ("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, None),
    ("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501, None),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"b\"\r\nx\r\n0\r\nT: 1\r\n\r\n",
        200,
        None,
    ),
    ("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 405, None),
    ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, Some(Violation::BadRequest)),
    ("GET / HTTP/1.1\r\n\r\n", 400, Some(Violation::BadRequest)),
    ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, Some(Violation::BadRequest)),
    ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, Some(Violation::BadRequest)),
    ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, Some(Violation::BadRequest)),
    ("GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", 400, Some(Violation::BadRequest)),
    ("GET / HTTP/01.1\r\nHost: a\r\n\r\n", 400, Some(Violation::BadRequest)),
    ("GET / HTTP/1.1\nHost: a\n\n", 400, Some(Violation::BadRequest)),
    ("GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", 400, Some(Violation::BadRequest)),
    ("\x16\x03\x01\x02", 400, Some(Violation::BadRequest)),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, Some(Violation::UnknownVersion)),
    ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501, Some(Violation::Tunnel)),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: 1\r\n\r\n",
        417,
        Some(Violation::UnknownExpectation),
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        Some(Violation::BadFraming),
    ),
    ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400, Some(Violation::BadFraming)),
    ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, Some(Violation::UnknownCoding)),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n",
        400,
        Some(Violation::BadFraming),
    ),
    ("GET /bytes/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 400, Some(Violation::UnwantedBody)),
    ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n", 400, Some(Violation::BadFraming)),
];

/// The statuses of all replies up to the end of the connection.
fn statuses(replies: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(replies);
    text.split("HTTP/1.1 ").skip(1).filter_map(|reply| reply.get(..3)?.parse().ok()).collect()
}

pub(crate) fn strict_framing(variant: Variant) {
    let server = Running::http(variant);
    for in_pieces in [false, true] {
        for (request, status, violation) in CASES {
            let mut client = server.connect();
            if in_pieces {
                for piece in request.as_bytes().chunks(7) {
                    client.write_some(piece);
                }
                client.write_some(GET.as_bytes());
            } else {
                client.write([request, GET].concat());
            }
            // After a refusal the connection may be gone by now, and then nothing is left to shut down.
            let _ = client.stream.shutdown(std::net::Shutdown::Write);
            let found = statuses(&client.read_to_end());
            let expected = if violation.is_some() { vec![*status] } else { vec![*status, 200] };
            assert_eq!(found, expected, "in pieces: {in_pieces}, {request:?}");
        }
    }
    let report = server.drain();
    for violation in Violation::ALL {
        let count = CASES.iter().filter(|case| case.2 == Some(violation)).count() as u64;
        assert_eq!(report.totals.closed_for(CloseReason::Violation(violation)), 2 * count, "{violation:?}");
    }
}

/// A head of 16 KiB, a byte at a time: the longest that is accepted, and one byte more.
pub(crate) fn long_heads_byte_by_byte(variant: Variant) {
    let server = Running::http(variant);
    let head = |len: usize| {
        let (start, end) = ("GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n\r\n");
        format!("{start}{}{end}", "x".repeat(len - start.len() - end.len()))
    };
    for (len, status) in [(16 * 1024, 200), (16 * 1024 + 1, 431)] {
        let mut client = server.connect();
        for byte in head(len).as_bytes().chunks(1) {
            client.write_some(byte);
        }
        let (reply, _) = client.reply().expect("a reply");
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(20_000));
    let mut client = server.connect();
    client.write_some(long.as_bytes());
    assert!(client.reply().expect("a reply").0.starts_with("HTTP/1.1 414 "));
    drop(client);
    let report = server.drain();
    assert_eq!(report.totals.closed_for(CloseReason::Violation(Violation::HeadTooLong)), 1);
    assert_eq!(report.totals.closed_for(CloseReason::Violation(Violation::TargetTooLong)), 1);
}

/// 100 comes before the body, and only if the body is wanted; otherwise the connection ends with the reply.
pub(crate) fn expectations(variant: Variant) {
    let server = Running::http(variant);
    let mut client = server.connect();
    client.write("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(client.read(interim.len()), interim.as_bytes());
    client.write("hello");
    assert_eq!(client.reply().expect("a reply").1, b"hello");
    client.write("POST /none HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    let (head, _) = client.reply().expect("a reply without the body");
    assert!(head.starts_with("HTTP/1.1 404 ") && head.contains("\r\nConnection: close\r\n"), "{head}");
    // Neither the body nor a request in its place is processed.
    client.write_some(format!("0\r\n\r\n{GET}").as_bytes());
    assert_eq!(client.read_to_end(), b"");
    let mut client = server.connect();
    client.write("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9000000\r\n\r\n");
    assert!(client.reply().expect("a reply").0.starts_with("HTTP/1.1 413 "));
    assert_eq!(client.read_to_end(), b"");
    let report = server.drain();
    assert_eq!((report.totals.requests, report.totals.closed_for(CloseReason::Requested)), (3, 1));
}

/// The reply to a body of up to 64 KiB begins once the body is known to be valid. After the first byte of a
/// reply, an error ends the connection without another reply.
pub(crate) fn one_final_reply(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| options.http.body_len_max = 1 << 20);
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("4000\r\n{}\r\n", "b".repeat(0x4000));
    for (chunks, status) in [(0, 400), (3, 400), (8, 200)] {
        let mut client = server.connect();
        client.write(head);
        (0..chunks).for_each(|_| client.write_some(chunk.as_bytes()));
        // Gives a reply that begins too early time to show: another connection is served meanwhile.
        server.connect().get();
        client.write_some(b"zz\r\n");
        let replies = client.read_to_end();
        assert_eq!(statuses(&replies), [status], "behind {chunks} chunks");
    }
    let mut client = server.connect();
    client.write(format!("{head}{}0\r\n\r\n{GET}", chunk.repeat(8)));
    client.finish_writing();
    assert_eq!(statuses(&client.read_to_end()), [200, 200]);
    for len in [64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1] {
        let mut client = server.connect();
        client.write(format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n"));
        for piece in vec![b'c'; len].chunks(5000) {
            client.write(piece);
        }
        let (_, body) = client.reply().expect("a reply");
        assert!(body.len() == len && body.iter().all(|byte| *byte == b'c'), "{len}");
        client.get();
    }
    let report = server.drain();
    assert_eq!(report.totals.closed_for(CloseReason::Violation(Violation::BadFraming)), 3);
}

impl Client {
    /// Writes as much as the server takes. After a refusal it has closed, which is not tested here.
    fn write_some(&mut self, bytes: &[u8]) {
        let _ = std::io::Write::write_all(&mut self.stream, bytes);
    }
}
