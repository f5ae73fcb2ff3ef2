//! Cases for the HTTP client: every framing, every fault, each fed in every chunking.

use super::super::testing;
use super::*;
use crate::work;

const OPEN: Progress = Progress::Complete { keep_open: true };
const CLOSE: Progress = Progress::Complete { keep_open: false };
const MALFORMED: Progress = Progress::Fault(Fault::Malformed);
const BAD_FRAMING: Progress = Progress::Fault(Fault::BadFraming);
const TOO_LONG: Progress = Progress::Fault(Fault::BodyTooLong);
const TRUNCATED: Progress = Progress::Fault(Fault::Truncated);

fn client(method: &str, expect_body: Option<&str>) -> HttpClient {
    let request = HttpRequest {
        method: method.into(),
        path: "/".into(),
        host: "test".into(),
        expect_body: expect_body.map(|body| body.as_bytes().to_vec()),
        ..HttpRequest::default()
    };
    HttpClient::new(&request, 8).unwrap()
}

/// Without an expected body; the peer closes after `input`, which must not matter unless expected.
fn check(input: &str, expected: &[Progress]) {
    testing::check(|| client("GET", None), expected.len(), input.as_bytes(), true, expected);
}

fn check_body(body: &str, input: &str, expected: Progress) {
    testing::check(|| client("GET", Some(body)), 1, input.as_bytes(), true, &[expected]);
}

#[test]
fn framings() {
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", &[OPEN]);
    check("HTTP/1.1 200 OK\r\ncontent-LENGTH: 0\r\n\r\n", &[OPEN]);
    check("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", &[OPEN]);
    check("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", &[OPEN, OPEN]);
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", &[OPEN]);
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n1\r\nx\r\n0\r\nT: 1\r\n\r\n", &[OPEN]);
    check("HTTP/1.1 200 OK\r\n\r\nto the end", &[CLOSE]);
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nto the end", &[CLOSE]);
    check("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", &[CLOSE]);
    check("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\nx", &[OPEN]);
    check("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: upgrade, Close\r\n\r\nx", &[CLOSE]);
}

#[test]
fn interim_replies_are_skipped() {
    check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n", &[OPEN]);
    check("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", &[MALFORMED]);
    check("HTTP/1.1 100 Continue\r\n\r\n", &[TRUNCATED]);
    let interims = |count: u8| "HTTP/1.1 102 Wait\r\n\r\n".repeat(count.into());
    let reply = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    // The count begins anew with each reply.
    check(&format!("{0}{reply}{0}{reply}", interims(INTERIMS_MAX)), &[OPEN, OPEN]);
    check(&format!("{}{reply}", interims(INTERIMS_MAX + 1)), &[Progress::Fault(Fault::TooManyInterim)]);
}

#[test]
fn bodies_have_a_limit() {
    let check = |expect_body: Option<&str>, input: &str, expected: &[Progress]| {
        let make = || client("GET", expect_body).with_body_len_max(5);
        testing::check(make, expected.len(), input.as_bytes(), true, expected);
    };
    let sized = |len: u64| format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(None, &format!("{0}hello{0}world", sized(5)), &[OPEN, OPEN]);
    check(None, &format!("{chunked}2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), &[OPEN]);
    check(None, "HTTP/1.1 200 OK\r\n\r\nhello", &[CLOSE]);
    // As soon as the length is announced, whatever follows.
    for len in [6, 1 << 32, (1 << 32) + 1, u64::MAX] {
        check(None, &sized(len), &[TOO_LONG]);
    }
    check(None, "HTTP/1.1 404 No\r\nContent-Length: 6\r\n\r\n", &[TOO_LONG]);
    check(None, &format!("{chunked}6\r\n"), &[TOO_LONG]);
    check(None, &format!("{chunked}ffffffff\r\n"), &[TOO_LONG]);
    check(None, &format!("{chunked}3\r\nhel\r\n3\r\n"), &[TOO_LONG]);
    check(None, "HTTP/1.1 200 OK\r\n\r\nhello!", &[TOO_LONG]);
    // The first mismatch decides.
    check(Some("hello"), &sized(6), &[Progress::Fault(Fault::WrongLength)]);
    check(Some("hello"), "HTTP/1.1 200 OK\r\n\r\nhelp me", &[Progress::Fault(Fault::WrongBody)]);
    check(Some("hello"), "HTTP/1.1 200 OK\r\n\r\nhello!", &[TOO_LONG]);
    check(Some("longer than allowed"), &sized(19), &[TOO_LONG]);
    // For a reply without a body, the announced length means nothing.
    check(
        None,
        "HTTP/1.1 304 Same\r\nContent-Length: 6\r\n\r\n",
        &[Progress::Refused { status: 304, keep_open: true, retry_after_s: 0 }],
    );
}

#[test]
fn a_body_of_a_gibibyte_is_the_most_by_default() {
    let head = |len: u64| format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n");
    check(&head(1 << 30), &[TRUNCATED]);
    check(&head((1 << 30) + 1), &[TOO_LONG]);
}

#[test]
fn a_repeated_head_means_the_same_again() {
    let (one, two) = ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    check(&format!("{one}a{one}b{two}cc{two}dd{one}e"), &[OPEN; 5]);
    let refused = Progress::Refused { status: 404, keep_open: true, retry_after_s: 0 };
    let missing = "HTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx";
    check(&format!("{missing}{missing}{one}a"), &[refused, refused, OPEN]);
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX: {}\r\n\r\nx", "y".repeat(KNOWN_LEN_MAX));
    check(&format!("{long}{long}{one}a"), &[OPEN; 3]);
}

#[test]
fn refusals_have_their_status() {
    let refused = |status, keep_open| Progress::Refused { status, keep_open, retry_after_s: 0 };
    check("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", &[refused(404, true)]);
    check("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", &[refused(304, true)]);
    check("HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\n", &[refused(503, false)]);
    check_body("hello", "HTTP/1.1 500 Oh\r\nContent-Length: 1\r\n\r\nx", refused(500, true));
}

/// Each reply has its own, also behind interim replies, whose count shares a byte with it.
#[test]
fn refusals_say_when_to_come_again() {
    let refused = |retry_after_s| Progress::Refused { status: 503, keep_open: true, retry_after_s };
    let reply = |field: &str| format!("HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n{field}\r\n\r\nno");
    for (field, seconds) in [
        ("Retry-After: 2", 2),
        ("retry-after:  30 ", 30),
        ("Retry-After: 255", 255),
        ("Retry-After: 3600", 255),
        ("Retry-After: 99999999999999999999999", 255),
        ("Retry-After: Fri, 31 Dec 1999 23:59:59 GMT", 0),
        ("Retry-After: -1", 0),
        ("Retry-After: +1", 0),
        ("Retry-After:", 0),
        ("X: 1", 0),
    ] {
        check(&reply(field), &[refused(seconds)]);
        check(&format!("HTTP/1.1 100 Go\r\n\r\n{}", reply(field)), &[refused(seconds)]);
    }
    let mixed = format!("{}{}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", reply("Retry-After: 9"), reply("X: 1"));
    check(&mixed, &[refused(9), refused(0), OPEN]);
}

#[test]
fn expected_statuses_are_a_success() {
    let make = |expect_status: &str, expect_body: Option<&str>| {
        let request = HttpRequest {
            path: "/".into(),
            expect_status: expect_status.parse().unwrap(),
            expect_body: expect_body.map(|body| body.as_bytes().to_vec()),
            ..HttpRequest::default()
        };
        HttpClient::new(&request, 8).unwrap()
    };
    let check = |statuses: &str, body: Option<&str>, input: &str, expected: &[Progress]| {
        testing::check(|| make(statuses, body), expected.len(), input.as_bytes(), true, expected);
    };
    let refused = |status| Progress::Refused { status, keep_open: true, retry_after_s: 0 };
    let same = "HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n";
    let missing = "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno";
    let good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let all = format!("{same}{missing}{good}");
    check("2xx,304", None, &all, &[OPEN, refused(404), OPEN]);
    check("404", None, &all, &[refused(304), OPEN, refused(200)]);
    check("200-404", None, &all, &[OPEN, OPEN, OPEN]);
    // Replies with an expected status must have the body, except 304, which has none.
    check("2xx,304", Some("ok"), &all, &[OPEN, refused(404), OPEN]);
    check("404", Some("no"), missing, &[OPEN]);
    check("404", Some("ok"), missing, &[Progress::Fault(Fault::WrongBody)]);
    check("404", Some("no"), &format!("{good}{missing}"), &[refused(200), OPEN]);
}

#[test]
fn violations() {
    for input in [
        "SSH-2.0-OpenSSH\r\n",
        "220 ready",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n",
        "HTTP/1.1 20 OK\r\n",
        "HTTP/1.1 2000\r\n",
        "HTTP/1.1  200 OK\r\n",
        "HTTP/1.1 200 OK\r\nA B: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: 1\r\n B\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: \0",
    ] {
        check(input, &[MALFORMED]);
    }
    for input in [
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n",
    ] {
        check(input, &[BAD_FRAMING]);
    }
    check("", &[Progress::Incomplete]);
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", &[TRUNCATED]);
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", &[TRUNCATED]);
}

/// RFC 9112 §2.2: one reader may see the end of a line where another sees part of a value.
#[test]
fn lines_end_with_crlf_and_nothing_comes_before_the_first() {
    let reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX:\ty\r\n\r\nok";
    check(reply, &[OPEN]);
    for start in ["\r\n", "\n", "\r", "\r\n\r\n", "\n\r\n\n", " ", "\t"] {
        check(&format!("{start}{reply}"), &[MALFORMED]);
        // Nor after a reply, whether it is the last or an interim one.
        check(&format!("{reply}{start}{reply}"), &[OPEN, MALFORMED]);
        check(&format!("HTTP/1.1 100 Continue\r\n\r\n{start}{reply}"), &[MALFORMED]);
    }
    for end in ["\n", "\r", "\r\r\n", "\n\r", "\n\r\n"] {
        for input in [
            format!("HTTP/1.1 200 OK{end}Content-Length: 2\r\n\r\nok"),
            format!("HTTP/1.1 200{end}Content-Length: 2\r\n\r\nok"),
            format!("HTTP/1.1 200 OK\r\nContent-Length: 2{end}A: b\r\n\r\nok"),
            format!("HTTP/1.1 200 OK\r\nA: b{end}Content-Length: 2\r\n\r\nok"),
            format!("HTTP/1.1 200 OK\r\nA:{end}Content-Length: 2\r\n\r\nok"),
            format!("HTTP/1.1 200 OK\r\nA{end}Content-Length: 2\r\n\r\nok"),
        ] {
            check(&input, &[MALFORMED]);
        }
    }
    for end in ["\n", "\r\r\n"] {
        check(&format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{end}ok"), &[MALFORMED]);
    }
}

/// However a head is cut, each of its bytes is scanned a few times, not once per packet.
#[test]
fn the_work_is_linear() {
    let head = |part: &str, count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", part.repeat(count));
    for input in [
        head("A: b\r\n", HEADERS_MAX - 1),
        head(&format!("A: {}\r\n", "x".repeat(16_000)), 1),
        head(&format!("A: {}\r\n", "\t".repeat(16_000)), 1),
        head(&format!("{}: b\r\n", "x".repeat(16_000)), 1),
        format!("HTTP/1.1 200 {}\r\n\r\n", "x".repeat(16_000)),
        format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(16_000)),
    ] {
        for step in [1, 2, 7, 1000] {
            let (mut client, mut state) = (client("GET", None), HttpState::default());
            work::take();
            for len in (step..input.len()).step_by(step).chain([input.len()]) {
                let received = client.on_bytes(&mut state, &input.as_bytes()[..len]);
                assert_eq!(received.progress, Progress::Incomplete);
                assert!(received.consumed == 0 || len == input.len());
            }
            let work = work::take();
            assert!(work >= input.len() as u64 / 2, "the counter counts nothing");
            let bound = 5 * input.len() as u64 + 100;
            assert!(work <= bound, "{work} bytes looked at, for {} in steps of {step}", input.len());
        }
    }
}

#[test]
fn a_head_without_end_is_given_up() {
    let too_long = Progress::Fault(Fault::HeadTooLong);
    let input = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(17_000));
    // Not every split of such a long input: that would be quadratic.
    for pieces in
        [vec![input.as_bytes()], input.as_bytes().chunks(1000).collect(), input.as_bytes().chunks(1).collect()]
    {
        assert_eq!(testing::feed(&mut client("GET", None), 1, &pieces, true), [too_long]);
    }
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: 1\r\n".repeat(HEADERS_MAX + 1));
    check(&many, &[too_long]);
    let most = format!("HTTP/1.1 204 No\r\n{}\r\n", "A: 1\r\n".repeat(HEADERS_MAX));
    check(&most, &[OPEN]);
}

#[test]
fn expected_bodies() {
    check_body("hello", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", OPEN);
    check_body("hello", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellO", Progress::Fault(Fault::WrongBody));
    check_body("hello", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhell", Progress::Fault(Fault::WrongLength));
    let chunked = |body: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}0\r\n\r\n");
    check_body("hello", &chunked("2\r\nhe\r\n3\r\nllo\r\n"), OPEN);
    check_body("hello", &chunked("2\r\nhe\r\n"), Progress::Fault(Fault::WrongLength));
    check_body("hello", &chunked("6\r\nhello!\r\n"), Progress::Fault(Fault::WrongLength));
    check_body("hello", &chunked("6\r\nhalloo\r\n"), Progress::Fault(Fault::WrongBody));
    check_body("hello", "HTTP/1.1 200 OK\r\n\r\nhello", CLOSE);
    check_body("hello", "HTTP/1.1 204 No\r\n\r\n", Progress::Fault(Fault::WrongLength));
}

#[test]
fn replies_to_head_have_no_body() {
    let input = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    testing::check(|| client("HEAD", Some("hello")), 1, input, true, &[OPEN]);
}

#[test]
fn a_batch_may_be_smaller_than_the_largest() {
    let mut client = client("GET", None);
    let (mut state, one) = (HttpState::default(), "GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    for count in [1, 3, 8] {
        assert_eq!(client.begin(&mut state, count), one.repeat(count as usize).as_bytes());
        assert!(client.batch(&state).ends_with(one.repeat(count as usize).as_bytes()));
    }
}

#[test]
fn requests() {
    let mut request = HttpRequest { path: "/a?b".into(), host: "h:1".into(), ..HttpRequest::default() };
    let text = |request: &HttpRequest| String::from_utf8(request.to_bytes().unwrap()).unwrap();
    assert_eq!(text(&request), "GET /a?b HTTP/1.1\r\nHost: h:1\r\n\r\n");
    request.method = "POST".into();
    request.body = b"data".to_vec();
    request.headers = vec![("host".into(), "other".into()), ("X".into(), "1".into())];
    assert_eq!(text(&request), "POST /a?b HTTP/1.1\r\nContent-Length: 4\r\nhost: other\r\nX: 1\r\n\r\ndata");
    for (name, value) in [("a b", "1"), ("", "1"), ("a", "1\r\nb: 2"), ("content-length", "9")] {
        request.headers = vec![(name.into(), value.into())];
        assert!(request.to_bytes().is_err(), "{name:?}: {value:?}");
    }
    request.headers.clear();
    for path in ["", "a", "/ HTTP/1.0", "/\r\n"] {
        request.path = path.into();
        assert!(request.to_bytes().is_err(), "{path:?}");
    }
}
