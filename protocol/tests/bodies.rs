//! Bodies that the reply waits for: which are complete, or known to be wrong, before the reply begins, and what the
//! peer is told when the body does not come.

mod law;

use law::{End, HOST, Outcome, chunked, echo, law, law_near, play, statuses};
use protocol::Output;
use protocol::server::{Http, HttpLimits, Protocol, Then, Violation, Waiting};

/// Accepts bodies longer than [`COLLECT_LEN_MAX`].
fn large() -> Http {
    Http::new(HttpLimits { body_len_max: 1 << 20, bytes_max: 1000, ..HttpLimits::default() })
}

/// How much of a body the server waits for before the reply begins.
const COLLECT_LEN_MAX: usize = 64 * 1024;

fn check_large(head: &str, body: &[u8], expected: &[u16], end: End) -> Outcome {
    let input = [head.as_bytes(), body].concat();
    let outcome = law_near(large, &input, &[head.len(), head.len() + COLLECT_LEN_MAX]);
    assert_eq!((statuses(&String::from_utf8_lossy(&outcome.replies)).as_slice(), outcome.end), (expected, end));
    outcome
}

/// The replies, up to the end of `input`.
fn replies_so_far(input: &[u8]) -> usize {
    play(large(), &[input], 1 << 20).replies.len()
}

#[test]
fn short_bodies_are_whole_before_the_reply_begins() {
    let head = |len: usize| format!("POST /echo HTTP/1.1\r\n{HOST}Content-Length: {len}\r\n\r\n");
    for (len, waits) in [(COLLECT_LEN_MAX - 1, true), (COLLECT_LEN_MAX, true), (COLLECT_LEN_MAX + 1, false)] {
        let (head, body) = (head(len), vec![b'b'; len]);
        let outcome = check_large(&head, &body, &[200], End::Open);
        assert!(outcome.replies.ends_with(&body) && outcome.requests == 1);
        let input = [head.as_bytes(), &body].concat();
        assert_eq!(replies_so_far(&input[..input.len() - 1]) == 0, waits, "{len}");
    }
}

#[test]
fn what_is_wrong_in_the_first_64_kib_of_chunks_is_refused_and_the_rest_ends_the_connection() {
    let head = format!("POST /echo HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n");
    // One chunk whose data ends `end` bytes after the head, followed by `rest`.
    let body = |end: usize, rest: &str| {
        let len = end - 7;
        [format!("{len:05x}\r\n").as_bytes(), &vec![b'b'; len], rest.as_bytes()].concat()
    };
    for (end, status) in [(COLLECT_LEN_MAX - 1, 400), (COLLECT_LEN_MAX, 200)] {
        check_large(&head, &body(end, "X"), &[status], End::Aborted(Violation::BadFraming));
        let outcome = check_large(&head, &body(end, "\r\n0\r\n\r\n"), &[200], End::Open);
        assert!(outcome.replies.ends_with(b"b\r\n0\r\n\r\n") && outcome.requests == 1);
    }
    check_large(&head, &body(COLLECT_LEN_MAX, "\r\n100000\r\n"), &[200], End::Aborted(Violation::BodyTooLong));
    check_large(&head, &body(COLLECT_LEN_MAX - 10, "\r\n100000\r\n"), &[413], End::Aborted(Violation::BodyTooLong));
    // The same for a body that is skipped: one reply, whatever follows it.
    let put = format!("PUT / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n");
    check_large(&put, &body(COLLECT_LEN_MAX, "X"), &[405], End::Aborted(Violation::BadFraming));
    let expecting = format!("PUT / HTTP/1.1\r\n{HOST}Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    check_large(&expecting, b"1\r\nxy", &[405], End::Closed);
    let enough = body(COLLECT_LEN_MAX, "");
    let input = [head.as_bytes(), &enough].concat();
    assert_eq!(replies_so_far(&input[..input.len() - 1]), 0);
    assert!(replies_so_far(&input) > COLLECT_LEN_MAX, "64 KiB are enough to begin");
}

#[test]
fn a_body_that_does_not_come_is_told_so_unless_the_reply_has_begun() {
    for (input, expected) in [
        (echo("Content-Length: 5\r\n", "ab"), "HTTP/1.1 408 "),
        (chunked("5\r\nab"), "HTTP/1.1 408 "),
        (format!("PUT / HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nab"), ""),
    ] {
        let (mut http, mut state, mut space) = (law::http(), Default::default(), [0; 1000]);
        let step = http.on_bytes(&mut state, input.as_bytes(), &mut Output::new(&mut space));
        assert_eq!((http.waiting(&state, false), step.then), (Waiting::Body, Then::KeepOpen), "{input:?}");
        let mut output = Output::new(&mut space);
        http.on_timeout(&mut state, Waiting::Body, &mut output);
        let reply = String::from_utf8_lossy(output.written()).into_owned();
        assert!(reply.starts_with(expected) && reply.is_empty() == expected.is_empty(), "{input:?}: {reply}");
    }
}

/// A request is counted when its head arrives, not when it is answered.
#[test]
fn a_request_counts_once_its_head_is_right() {
    for (input, requests) in [
        (echo("Content-Length: 2\r\n", "a"), 1),
        (echo("Content-Length: 2\r\n", "ab"), 1),
        (chunked("1\r\nxy"), 1),
        (echo("Content-Length: 1001\r\n", ""), 1),
        (echo("Content-Length: x\r\n", ""), 0),
        (echo("Expect: x\r\n", ""), 0),
        (format!("GET / HTTP/1.1\r\n{HOST}"), 0),
    ] {
        assert_eq!(law(law::http, input.as_bytes()).requests, requests, "{input:?}");
    }
}

#[test]
fn a_drain_that_begins_while_a_body_is_waited_for_is_announced() {
    let (mut http, mut state, mut space) = (law::http(), Default::default(), [0; 1000]);
    let input = echo("Content-Length: 2\r\n", "ab");
    let step = http.on_bytes(&mut state, &input.as_bytes()[..input.len() - 1], &mut Output::new(&mut space));
    assert_eq!((step.consumed, step.requests), (input.len() - 2, 1));
    http.drain();
    let mut output = Output::new(&mut space);
    assert_eq!(http.on_bytes(&mut state, b"ab", &mut output).then, Then::CloseAfterReply);
    let reply = String::from_utf8_lossy(output.written()).into_owned();
    assert!(reply.contains("\r\nConnection: close\r\n") && reply.ends_with("ab"), "{reply}");
}
