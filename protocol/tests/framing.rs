//! HTTP framing as strict as RFC 9110 and 9112: for each requirement what is accepted and what is not, in
//! every cut.

mod law;

use law::{End, HOST, check_http, chunked, echo, law, statuses};
use protocol::Output;
use protocol::server::{Protocol, Then, Violation, Waiting};

/// A request after each case: it is answered exactly when the case leaves the connection usable.
const NEXT: &str = "GET /bytes/1 HTTP/1.1\r\nHost: next\r\n\r\n";

/// Each request gets this one reply, and the connection stays open.
fn accepted(status: u16, requests: &[String]) {
    for request in requests {
        check_http(format!("{request}{NEXT}"), &[status, 200], End::Open);
    }
}

/// Each request gets this one reply, and the connection ends.
fn refused(status: u16, violation: Violation, requests: &[String]) {
    for request in requests {
        let replies = check_http(format!("{request}{NEXT}"), &[status], End::Aborted(violation));
        assert!(replies.contains("\r\nConnection: close\r\n"), "{replies}");
    }
}

fn each(values: &[&str], make: impl Fn(&str) -> String) -> Vec<String> {
    values.iter().map(|value| make(value)).collect()
}

/// A request line with the usual rest.
fn lines(lines: &[&str]) -> Vec<String> {
    each(lines, |line| format!("{line}\r\n{HOST}\r\n"))
}

#[test]
fn host() {
    let get = |host: &str| format!("GET / HTTP/1.1\r\n{host}\r\n");
    let with = |hosts: &[&str]| each(hosts, |host| get(&format!("Host: {host}\r\n")));
    accepted(200, &with(&["a", "a.b:80", "127.0.0.1:", "[::1]:8080", "a%20b", "  a\t", "xn--bcher-kva.example"]));
    let wrong = ["a b", "a, b", "a/b", "u@b", "u:p@b", "\u{e9}", "", " ", ":80", "a:b", "http://a", "[::1", "a#", "a?"];
    refused(400, Violation::BadRequest, &with(&wrong));
    refused(400, Violation::BadRequest, &each(&["", "Host: a\r\nHost: a\r\n", "Host: a\r\nhost: b\r\n"], get));
    check_http("GET / HTTP/1.0\r\n\r\n", &[200], End::Closed);
    check_http("GET / HTTP/1.0\r\nHost: a b\r\n\r\n", &[400], End::Aborted(Violation::BadRequest));
    check_http("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", &[400], End::Aborted(Violation::BadRequest));
}

#[test]
fn absolute_form() {
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: b\r\n\r\n");
    accepted(200, &each(&["http://a", "HTTP://a/", "hTTpS://a:1/bytes/2?x", "http://[::1]/bytes/3"], get));
    accepted(404, &each(&["http://a//", "http://a/echo/", "http://a/http://b/"], get));
    let query = check_http(get("http://a?x=/bytes/7"), &[200], End::Open);
    assert!(query.ends_with("Hello, World!"), "{query}");
    let wrong = ["http://", "http:///", "http://?x", "http://u@a/", "http://u:p@a/", "http://:80/", "http://a b/"];
    refused(400, Violation::BadRequest, &each(&wrong, get));
    refused(400, Violation::BadRequest, &each(&["http:a", "http:/a", "ftp://a/", "a", "a:80", "a/b"], get));
    // The Host field must be present and valid, even if the target names the host.
    refused(400, Violation::BadRequest, &["GET http://a/ HTTP/1.1\r\n\r\n".to_owned()]);
    refused(400, Violation::BadRequest, &["GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned()]);
}

#[test]
fn options() {
    for (target, allow) in [
        ("*", "GET, HEAD, POST, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
        ("/bytes/5", "GET, HEAD, OPTIONS"),
        ("/echo", "POST, OPTIONS"),
    ] {
        let request = format!("OPTIONS {target} HTTP/1.1\r\n{HOST}\r\n");
        let replies = check_http(format!("{request}{NEXT}"), &[204, 200], End::Open);
        let (head, _) = replies.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("\r\nAllow: {allow}")), "{head}");
        assert!(!head.contains("Content-Length") && !head.contains("Transfer-Encoding"), "RFC 9110 §8.6: {head}");
    }
    accepted(404, &lines(&["OPTIONS /nothing HTTP/1.1"]));
    accepted(204, &[format!("OPTIONS / HTTP/1.1\r\n{HOST}Content-Length: 2\r\n\r\nab")]);
    refused(400, Violation::BadRequest, &lines(&["GET * HTTP/1.1", "HEAD * HTTP/1.1", "POST * HTTP/1.1"]));
    refused(400, Violation::BadRequest, &lines(&["PUT * HTTP/1.1", "BREW * HTTP/1.1", "OPTIONS ** HTTP/1.1"]));
}

#[test]
fn methods() {
    for method in ["PUT", "DELETE", "TRACE", "PATCH"] {
        for (target, allow) in
            [("/", "GET, HEAD, OPTIONS"), ("/bytes/5", "GET, HEAD, OPTIONS"), ("/echo", "POST, OPTIONS")]
        {
            let request = format!("{method} {target} HTTP/1.1\r\n{HOST}\r\n");
            let replies = check_http(format!("{request}{NEXT}"), &[405, 200], End::Open);
            assert!(replies.contains(&format!("\r\nAllow: {allow}\r\n")), "{replies}");
        }
    }
    accepted(405, &lines(&["POST / HTTP/1.1", "GET /echo HTTP/1.1", "HEAD /echo HTTP/1.1"]));
    accepted(404, &lines(&["DELETE /nothing HTTP/1.1"]));
    accepted(501, &lines(&["get / HTTP/1.1", "BREW /pot HTTP/1.1", "GETS / HTTP/1.1", "!#$%&'*+-.^_`|~ / HTTP/1.1"]));
    accepted(501, &[format!("BREW / HTTP/1.1\r\n{HOST}Content-Length: 3\r\n\r\nabc")]);
    refused(501, Violation::Tunnel, &lines(&["CONNECT a:80 HTTP/1.1", "CONNECT / HTTP/1.1"]));
    refused(
        400,
        Violation::BadRequest,
        &lines(&["G(T / HTTP/1.1", "G\"T / HTTP/1.1", " / HTTP/1.1", " GET / HTTP/1.1"]),
    );
}

#[test]
fn targets() {
    // A number beyond the limit is not found with any known method.
    for method in ["GET", "HEAD", "POST", "PUT", "OPTIONS"] {
        for target in ["/bytes/100001", "http://a/bytes/4294967295?x", "/bytes/4294967296"] {
            accepted(404, &lines(&[&format!("{method} {target} HTTP/1.1")]));
        }
    }
    accepted(404, &[format!("GET /bytes/100001 HTTP/1.1\r\n{HOST}Content-Length: 2\r\n\r\nab")]);
    accepted(405, &lines(&["POST /bytes/100000 HTTP/1.1"]));
    accepted(204, &lines(&["OPTIONS /bytes/100000 HTTP/1.1"]));
    accepted(501, &lines(&["BREW /bytes/100001 HTTP/1.1"]));
    accepted(
        404,
        &lines(&["GET // HTTP/1.1", "GET /a|b{c}?d^e HTTP/1.1", "GET /%zz HTTP/1.1", "GET /bytes/-1 HTTP/1.1"]),
    );
    let wrong = ["/#a", "/?#", "/\t", "/\u{1}", "/\u{7f}", "/\u{e9}", "/a b", "", "/\0", "?", "\\", "bytes/1"];
    refused(400, Violation::BadRequest, &each(&wrong, |target| format!("GET {target} HTTP/1.1\r\n{HOST}\r\n")));
    // The limit is that of the head, 16 KiB: RFC 9112 §3 recommends 8,000 bytes at least.
    let long = |len: usize| format!("GET /{} HTTP/1.1\r\n{HOST}\r\n", "x".repeat(len));
    accepted(404, &[long(8000)]);
    refused(414, Violation::TargetTooLong, &[long(16_384)]);
    let line = |len: usize| format!("GET /{} HTTP/1.1\r\n", "x".repeat(len - 16));
    refused(431, Violation::HeadTooLong, &[format!("{}{HOST}\r\n", line(16_384))]);
    refused(414, Violation::TargetTooLong, &[format!("{}{HOST}\r\n", line(16_385))]);
    refused(431, Violation::HeadTooLong, &[format!("GET / HTTP/1.1\r\nX: {}\r\n{HOST}\r\n", "x".repeat(16_384))]);
}

#[test]
fn versions() {
    let get = |version: &str| format!("GET / {version}\r\n{HOST}\r\n");
    accepted(200, &each(&["HTTP/1.1", "HTTP/1.2", "HTTP/1.9"], get));
    let unknown = ["HTTP/2.0", "HTTP/3.0", "HTTP/9.1", "HTTP/0.9"];
    refused(505, Violation::UnknownVersion, &each(&unknown, get));
    refused(505, Violation::UnknownVersion, &["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()]);
    let wrong = [
        "HTTP/01.1",
        "HTTP/1.01",
        "HTTP/1",
        "HTTP/2",
        "HTTP/1.",
        "HTTP/11.1",
        "http/1.1",
        "HTTP/1.1 ",
        " HTTP/1.1",
        "HTTP/1,1",
        "HTTP/1.+1",
        "HTPP/1.1",
        "",
    ];
    refused(400, Violation::BadRequest, &each(&wrong, get));
    refused(400, Violation::BadRequest, &["GET /\r\n\r\n".to_owned(), "GET\r\n\r\n".to_owned()]);
    // 1.x is treated as 1.1: it needs a Host, and the connection stays open.
    refused(400, Violation::BadRequest, &["GET / HTTP/1.2\r\n\r\n".to_owned()]);
}

#[test]
fn line_ends() {
    let host = HOST.trim_end();
    for wrong in ["\n", "\r", "\r\r\n", "\n\r", "\n\r\n"] {
        refused(
            400,
            Violation::BadRequest,
            &[
                format!("GET / HTTP/1.1{wrong}{HOST}\r\n"),
                format!("GET / HTTP/1.1\r\n{host}{wrong}A: b\r\n\r\n"),
                format!("GET / HTTP/1.1\r\nA: b{wrong}{HOST}\r\n"),
                format!("GET / HTTP/1.1\r\nA:{wrong}{HOST}\r\n"),
                format!("GET / HTTP/1.1\r\nA{wrong}{HOST}\r\n"),
            ],
        );
        refused(
            400,
            Violation::BadFraming,
            &[
                chunked(&format!("1{wrong}a\r\n0\r\n\r\n")),
                chunked(&format!("1;a{wrong}a\r\n0\r\n\r\n")),
                chunked(&format!("1;a=\"{wrong}\"\r\na\r\n0\r\n\r\n")),
                chunked(&format!("1\r\na{wrong}0\r\n\r\n")),
                chunked(&format!("1\r\na\r\n0{wrong}\r\n")),
                chunked(&format!("0\r\nA: b{wrong}C: d\r\n\r\n")),
                chunked(&format!("0\r\nA{wrong}\r\n")),
            ],
        );
    }
    for wrong in ["\n", "\r\r\n"] {
        refused(400, Violation::BadRequest, &[format!("GET / HTTP/1.1\r\n{HOST}{wrong}")]);
        refused(
            400,
            Violation::BadFraming,
            &[chunked(&format!("0\r\n{wrong}")), chunked(&format!("0\r\nA: b\r\n{wrong}"))],
        );
    }
    // Other controls in the head, and lines that are folded.
    for wrong in ["\0", "\u{1}", "\u{b}", "\u{c}", "\u{1b}", "\u{7f}"] {
        refused(400, Violation::BadRequest, &[format!("GET / HTTP/1.1\r\n{HOST}A: b{wrong}c\r\n\r\n")]);
        refused(400, Violation::BadFraming, &[chunked(&format!("0\r\nA: b{wrong}c\r\n\r\n"))]);
    }
    refused(
        400,
        Violation::BadRequest,
        &[
            format!("GET / HTTP/1.1\r\n{HOST} folded\r\n\r\n"),
            format!("GET / HTTP/1.1\r\n {HOST}\r\n"),
            format!("GET / HTTP/1.1\r\n{HOST}A : b\r\n\r\n"),
            format!("GET / HTTP/1.1\r\n{HOST}: b\r\n\r\n"),
            format!("GET / HTTP/1.1\r\n{HOST}A\r\n\r\n"),
        ],
    );
    accepted(200, &[format!("GET / HTTP/1.1\r\n{HOST}A:\r\nB:\t\u{e9} \t c \r\n\r\n")]);
}

/// RFC 9112 §2.2: an empty line is not a request, and only one is skipped, so empty lines cannot keep a
/// connection for ever.
#[test]
fn empty_lines() {
    let get = format!("GET / HTTP/1.1\r\n{HOST}\r\n");
    accepted(200, &[get.clone(), format!("\r\n{get}")]);
    accepted(200, &[format!("{}\r\n", echo("Content-Length: 2\r\n", "ab"))]);
    refused(
        400,
        Violation::BadRequest,
        &each(&["\r\n\r\n", "\n", "\r", "\r\r\n", "\n\n", " \r\n", "\r\n "], |start| format!("{start}{get}")),
    );
    let outcome = check_http("\r\n", &[], End::Open);
    assert_eq!(outcome, "");
    check_http("\r\n\r\n", &[400], End::Aborted(Violation::BadRequest));
    // Bytes are consumed, but they are not a request: the connection still waits for its first.
    let (mut http, mut state, mut space) = (law::http(), Default::default(), [0; 1000]);
    let step = http.on_bytes(&mut state, b"\r\n", &mut Output::new(&mut space));
    assert_eq!((step.consumed, step.requests, step.then), (2, 0, Then::KeepOpen));
    assert_eq!(http.waiting(&state, false), Waiting::Request);
    let step = http.on_bytes(&mut state, b"\r\n", &mut Output::new(&mut space));
    assert_eq!((step.requests, step.then), (0, Then::Abort(Violation::BadRequest)));
    // Half of an empty line does not begin a head; the first byte of a request does.
    for (input, waiting) in [("\r", Waiting::Request), ("G", Waiting::Head), ("\r\nG", Waiting::Head)] {
        let mut state = Default::default();
        let step = http.on_bytes(&mut state, input.as_bytes(), &mut Output::new(&mut space));
        assert_eq!((step.requests, step.then), (0, Then::KeepOpen));
        assert_eq!(http.waiting(&state, step.consumed < input.len()), waiting, "{input:?}");
    }
}

#[test]
fn transfer_encoding() {
    let with = |fields: &[&str]| each(fields, |fields| echo(fields, "1\r\nx\r\n0\r\n\r\n"));
    accepted(200, &with(&["Transfer-Encoding: chunked\r\n", "transfer-encoding:\tCHUNKED \r\n"]));
    refused(
        400,
        Violation::BadFraming,
        &with(&[
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: chunked, gzip\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            "Transfer-Encoding:\r\n",
            "Transfer-Encoding: ,chunked\r\n",
            "Transfer-Encoding: chunked;q=1\r\n",
            "Transfer-Encoding: \"chunked\"\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 11\r\n",
            "Content-Length: 11\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 11\r\nTransfer-Encoding: identity\r\n",
        ]),
    );
    refused(
        501,
        Violation::UnknownCoding,
        &with(&[
            "Transfer-Encoding: gzip\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
        ]),
    );
    // RFC 9112 §6.1: a transfer coding in HTTP/1.0 is faulty framing.
    refused(
        400,
        Violation::BadFraming,
        &["POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()],
    );
}

#[test]
fn content_length() {
    let with = |fields: &[&str]| each(fields, |fields| echo(fields, "ab"));
    accepted(
        200,
        &with(&["Content-Length: 2\r\n", "Content-Length: 02\r\n", "Content-Length: 2\r\nContent-Length: 2\r\n"]),
    );
    refused(
        400,
        Violation::BadFraming,
        &each(&["+2", "-2", "2 2", "2,2", "0x2", "2_0", "", "2.", "\u{662}", "2;", "18446744073709551616"], |length| {
            echo(&format!("Content-Length: {length}\r\n"), "ab")
        }),
    );
    refused(400, Violation::BadFraming, &with(&["Content-Length: 2\r\nContent-Length: 3\r\n"]));
    refused(413, Violation::BodyTooLong, &with(&["Content-Length: 1001\r\n", "Content-Length: 4294967298\r\n"]));
}

#[test]
fn chunks() {
    for body in [
        "0\r\n\r\n",
        "2\r\nab\r\n0\r\n\r\n",
        "00A\r\n0123456789\r\n000\r\n\r\n",
        "1 ; a = b;c=\"d\\\"\" ;e\r\nx\r\n0;f\r\n\r\n",
        "1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\n",
    ] {
        accepted(200, &[chunked(body)]);
    }
    let sizes =
        ["+1", "-1", "0x1", "1_0", " 1", "1 ", "1\t", "", "g", "1;", "1 a", "1;a=", "1;=b", "1;a=\"b", "1;a=\u{0}"];
    refused(400, Violation::BadFraming, &each(&sizes, |size| chunked(&format!("{size}\r\nx\r\n0\r\n\r\n"))));
    refused(
        400,
        Violation::BadFraming,
        &[
            chunked("1\r\nxy\r\n0\r\n\r\n"),
            chunked("2\r\nx\r\n0\r\n\r\n"),
            chunked("ffffffff1\r\n"),
            chunked("0\r\nA\r\n\r\n"),
            chunked("0\r\nA : b\r\n\r\n"),
            chunked("0\r\n A: b\r\n\r\n"),
            chunked("0\r\nA: b\r\n c\r\n\r\n"),
            chunked(&format!("{}0\r\n\r\n", "1;abcdefg\r\nx\r\n".repeat(600))),
            chunked(&format!("0\r\n{}\r\n", "a: b\r\n".repeat(3000))),
        ],
    );
    refused(
        413,
        Violation::BodyTooLong,
        &[chunked("3e9\r\n"), chunked(&format!("3e8\r\n{}\r\n1\r\n", "x".repeat(1000)))],
    );
    // For any target: nothing is answered before the framing of the body is known to be valid.
    for line in ["GET / HTTP/1.1", "PUT / HTTP/1.1", "POST /nothing HTTP/1.1", "BREW / HTTP/1.1", "OPTIONS * HTTP/1.1"]
    {
        let head = format!("{line}\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n");
        refused(400, Violation::BadFraming, &[format!("{head}1\r\nxy\r\n0\r\n\r\n")]);
        refused(413, Violation::BodyTooLong, &[format!("{head}3e9\r\n")]);
    }
}

#[test]
fn expectations() {
    let body = "Content-Length: 2\r\n";
    for value in ["100-continue", "100-Continue", ",100-continue"] {
        check_http(echo(&format!("Expect: {value}\r\n{body}"), &format!("ab{NEXT}")), &[100, 200, 200], End::Open);
        check_http(echo(&format!("Expect: {value}\r\n{body}"), ""), &[100], End::Open);
    }
    let chunked = "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n";
    check_http(echo(chunked, &format!("0\r\n\r\n{NEXT}")), &[100, 200, 200], End::Open);
    check_http(echo(chunked, "x"), &[100, 400], End::Aborted(Violation::BadFraming));
    refused(
        417,
        Violation::UnknownExpectation,
        &each(&["200-ok", "100-continue, x", "100-continue=1"], |value| {
            echo(&format!("Expect: {value}\r\n{body}"), "ab")
        }),
    );
    // No 100 without a body, for HTTP/1.0, or where the body is refused or not needed.
    accepted(200, &[echo("Expect: 100-continue\r\n", ""), echo("Expect:\r\n", "")]);
    check_http(format!("POST /echo HTTP/1.0\r\nExpect: 100-continue\r\n{body}\r\nab"), &[200], End::Closed);
    refused(413, Violation::BodyTooLong, &[echo("Expect: 100-continue\r\nContent-Length: 1001\r\n", "")]);
    let unwanted = format!("GET /bytes/1 HTTP/1.1\r\n{HOST}Expect: 100-continue\r\n{body}\r\n");
    refused(400, Violation::UnwantedBody, &[unwanted]);
    for (line, status) in [
        ("GET / HTTP/1.1", 200),
        ("HEAD / HTTP/1.1", 200),
        ("OPTIONS * HTTP/1.1", 204),
        ("PUT / HTTP/1.1", 405),
        ("POST /nothing HTTP/1.1", 404),
        ("BREW / HTTP/1.1", 501),
    ] {
        // Without a body it is clear what follows.
        accepted(status, &[format!("{line}\r\n{HOST}Expect: 100-continue\r\n\r\n")]);
        for (framing, sent) in [(body, "ab"), ("Transfer-Encoding: chunked\r\n", "1\r\na\r\n0\r\n\r\n")] {
            let head = format!("{line}\r\n{HOST}Expect: 100-continue\r\n{framing}\r\n");
            // The final reply does not wait for a body that may never come. Nobody knows whether it comes, so
            // what follows is neither body nor request.
            for rest in [String::new(), NEXT.to_owned(), format!("{sent}{NEXT}")] {
                let replies = check_http(format!("{head}{rest}"), &[status], End::Closed);
                assert!(replies.contains("\r\nConnection: close\r\n"), "{replies}");
            }
        }
    }
}

#[test]
fn replies_to_head_have_no_body() {
    let long = "x".repeat(17_000);
    for (input, status) in [
        (format!("HEAD / HTTP/1.1\r\n{HOST}\r\n"), 200),
        (format!("HEAD /bytes/7 HTTP/1.1\r\n{HOST}\r\n"), 200),
        (format!("HEAD /nothing HTTP/1.1\r\n{HOST}\r\n"), 404),
        (format!("HEAD /echo HTTP/1.1\r\n{HOST}\r\n"), 405),
        ("HEAD / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("HEAD / HTTP/1.1\r\nHost: a\n".to_owned(), 400),
        ("HEAD \0".to_owned(), 400),
        (format!("HEAD /{long}"), 414),
        (format!("HEAD / HTTP/1.1\r\nA: {long}"), 431),
        (format!("HEAD / HTTP/1.1\r\n{HOST}Content-Length: x\r\n\r\n"), 400),
        (format!("HEAD / HTTP/1.1\r\n{HOST}Content-Length: 1001\r\n\r\n"), 413),
        (format!("HEAD / HTTP/1.1\r\n{HOST}Expect: x\r\n\r\n"), 417),
        (format!("HEAD / HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip\r\n\r\n"), 501),
        (format!("HEAD / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\nx"), 400),
        (format!("HEAD / HTTP/2.0\r\n{HOST}\r\n"), 505),
    ] {
        let outcome = law(law::http, input.as_bytes());
        let replies = String::from_utf8(outcome.replies).expect("all replies are ASCII");
        assert_eq!(statuses(&replies), [status], "{replies}");
        assert!(replies.ends_with("\r\n\r\n") && replies.matches("\r\n\r\n").count() == 1, "a body: {replies}");
    }
    // The method of one request says nothing about the next.
    let replies =
        check_http(format!("HEAD / HTTP/1.1\r\n{HOST}\r\nGET /\0"), &[200, 400], End::Aborted(Violation::BadRequest));
    assert!(!replies.ends_with("\r\n\r\n"), "{replies}");
    // Also no body when the rest of the request does not come in time.
    for (input, has_body) in [("HEAD / HTTP/1.1\r\nHo", false), ("HEADS / HTTP/1.1\r\nHo", true), ("HEA", true)] {
        let (mut http, mut state, mut space) = (law::http(), Default::default(), [0; 1000]);
        http.on_bytes(&mut state, input.as_bytes(), &mut Output::new(&mut space));
        let mut output = Output::new(&mut space);
        http.on_timeout(&mut state, Waiting::Head, &mut output);
        let reply = String::from_utf8_lossy(output.written()).into_owned();
        assert!(reply.starts_with("HTTP/1.1 408 "), "{reply}");
        assert_eq!(!reply.ends_with("\r\n\r\n"), has_body, "{input:?}: {reply}");
    }
}
