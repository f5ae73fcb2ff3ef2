//! Requests whose replies wait for a job: which job, what the reply says, and that they keep the order.

mod law;

use law::{End, HOST, check_http, http};
use protocol::Output;
use protocol::server::{Http, HttpLimits, Job, Message, Place, Protocol, Row, Then, Violation, Waiting, Work};

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\n{HOST}\r\n")
}

/// The job that a request leads to, and the reply once that has ended.
fn answer(request: &str, message: Message) -> (Job, String, Then) {
    let (mut http, mut state, mut space) = (http(), Default::default(), [0; Http::REPLY_LEN_MAX]);
    let step = http.on_bytes(&mut state, request.as_bytes(), &mut Output::new(&mut space));
    assert_eq!((step.consumed, step.requests, step.then), (request.len(), 1, Then::Await), "{request}");
    assert_eq!(http.waiting(&state, false), Waiting::Job);
    let job = http.job(&state).expect("a job");
    let mut output = Output::new(&mut space);
    let then = http.on_message(&mut state, &message, &mut output).then;
    assert_eq!(http.job(&state), None);
    (job, String::from_utf8(output.written().to_vec()).expect("ASCII"), then)
}

#[test]
fn each_target_has_its_job() {
    for (target, place, work) in [
        ("/block/10000", Place::Reactor, Work::Sleep { ms: 10_000 }),
        ("/work/10000000", Place::Reactor, Work::Burn { us: 10_000_000 }),
        ("/offload/0", Place::Pool, Work::Sleep { ms: 0 }),
        ("/db/4294967295", Place::Pool, Work::Query { key: u32::MAX }),
    ] {
        let (job, reply, then) = answer(&get(target), Message::Done);
        assert_eq!((job, then), (Job { place, work }, Then::KeepOpen), "{target}");
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\n") && reply.ends_with("\r\n\r\ndone\n"), "{reply}");
    }
    check_http(get("/block/10001") + &get("/work/10000001") + &get("/offload/10001"), &[404; 3], End::Open);
    let body = format!("GET /block/1 HTTP/1.1\r\n{HOST}Content-Length: 1\r\n\r\nx");
    check_http(body, &[400], End::Aborted(Violation::UnwantedBody));
}

#[test]
fn the_reply_says_what_came_of_the_job() {
    let row = Row::new(b"the value").expect("short");
    for (message, status, end) in [
        (Message::Found(row), "200 OK", "\r\n\r\nthe value"),
        (Message::NotFound, "404 Not Found", "key\n"),
        (Message::Refused, "503 Service Unavailable", "full\n"),
        (Message::Expired, "503 Service Unavailable", "too long for the pool\n"),
        (Message::Failed, "500 Internal Server Error", "did not answer\n"),
    ] {
        let (_, reply, then) = answer(&get("/db/1"), message);
        assert!(reply.starts_with(&format!("HTTP/1.1 {status}\r\n")) && reply.ends_with(end), "{reply}");
        assert_eq!(reply.contains("\r\nRetry-After: 1\r\n"), status.starts_with("503"), "{reply}");
        assert_eq!(then, Then::KeepOpen);
    }
    let head = format!("HEAD /db/1 HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n");
    let (_, reply, then) = answer(&head, Message::Found(row));
    assert!(reply.contains("Content-Length: 9\r\nConnection: close\r\n") && reply.ends_with("\r\n\r\n"), "{reply}");
    assert_eq!(then, Then::CloseAfterReply);
}

#[test]
fn pipelined_requests_wait_behind_a_job() {
    let mixed = get("/") + &get("/db/1") + &get("/offload/1") + &get("/bytes/3") + &get("/nothing");
    let replies = check_http(mixed, &[200, 200, 200, 200, 404], End::Open);
    let places = ["World!", "done\n", "xxx"].map(|part| replies.find(part).expect("a reply"));
    assert!(places.is_sorted(), "{replies}");
    let last = format!("GET /block/1 HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n{}", get("/"));
    check_http(last, &[200], End::Closed);
}

#[test]
fn a_job_that_takes_too_long_ends_with_a_refusal() {
    let (mut http, mut state, mut space) = (http(), Default::default(), [0; Http::REPLY_LEN_MAX]);
    http.on_bytes(&mut state, get("/offload/9").as_bytes(), &mut Output::new(&mut space));
    let mut output = Output::new(&mut space);
    http.on_timeout(&mut state, Waiting::Job, &mut output);
    let reply = String::from_utf8_lossy(output.written()).into_owned();
    assert!(reply.starts_with("HTTP/1.1 503 ") && reply.contains("\r\nConnection: close\r\n"), "{reply}");
}

/// They cost the server time on anybody's request, so they are there only if they were asked for.
#[test]
fn without_being_asked_for_there_are_no_such_targets() {
    let (mut http, mut state, mut space) = (Http::new(HttpLimits::default()), Default::default(), [0; 8192]);
    for target in ["/block/1", "/work/1", "/offload/1", "/db/1"] {
        let mut output = Output::new(&mut space);
        let step = http.on_bytes(&mut state, get(target).as_bytes(), &mut output);
        assert_eq!(step.then, Then::KeepOpen);
        assert!(output.written().starts_with(b"HTTP/1.1 404 "), "{target}");
    }
}
