//! Bad input causes no panic on either side: random bytes, and well-formed messages with random damage, cut
//! at random. Server replies obey the chunking law for these too.

use proptest::prelude::*;
use protocol::Output;
use protocol::client::{Client, HttpClient, HttpRequest, Progress};
use protocol::server::{FILLER, Http, HttpLimits, Message, Protocol, Then};

/// Feeds `input` cut at `cuts`; returns the replies and how it ended.
fn serve(input: &[u8], cuts: &[usize]) -> (Vec<u8>, Then) {
    let mut http = Http::new(HttpLimits { body_len_max: 1000, bytes_max: 1000, lab_routes: true, database: true });
    let mut state = Default::default();
    let (mut replies, mut unread, mut from) = (Vec::new(), Vec::new(), 0);
    let mut space = vec![0; Http::REPLY_LEN_MAX];
    for to in cuts.iter().copied().chain([input.len()]) {
        unread.extend_from_slice(&input[from..to.max(from)]);
        from = to.max(from);
        loop {
            let mut output = Output::new(&mut space);
            let step = http.on_bytes(&mut state, &unread, &mut output);
            replies.extend_from_slice(output.written());
            unread.drain(..step.consumed);
            match step.then {
                Then::KeepOpen => break,
                Then::More => assert!(step.consumed > 0 || !output.is_empty()),
                Then::Fill => {
                    let left = http.filler_left(&state);
                    replies.resize(replies.len() + left, FILLER[0]);
                    http.filler_sent(&mut state, left);
                }
                Then::Await => {
                    let mut output = Output::new(&mut space);
                    let step = http.on_message(&mut state, &Message::Done, &mut output);
                    replies.extend_from_slice(output.written());
                    if step.then == Then::CloseAfterReply {
                        return (replies, step.then);
                    }
                }
                end => return (replies, end),
            }
        }
    }
    (replies, Then::KeepOpen)
}

/// Feeds `input` to a client that waits for replies; returns the state of the last one.
fn receive(input: &[u8], cuts: &[usize]) -> Progress {
    let request = HttpRequest { host: "a".into(), path: "/".into(), ..HttpRequest::default() };
    let mut client = HttpClient::new(&request, 1).expect("a valid request").with_body_len_max(50);
    let mut state = <HttpClient as Client>::State::default();
    client.begin(&mut state, 1);
    let (mut unread, mut from, mut progress) = (Vec::new(), 0, Progress::Incomplete);
    for to in cuts.iter().copied().chain([input.len()]) {
        unread.extend_from_slice(&input[from..to.max(from)]);
        from = to.max(from);
        while !unread.is_empty() {
            let received = client.on_bytes(&mut state, &unread);
            unread.drain(..received.consumed);
            progress = received.progress;
            match progress {
                Progress::Incomplete => break,
                Progress::Fault(_) => return progress,
                Progress::Complete { .. } | Progress::Refused { .. } => {
                    client.begin(&mut state, 1);
                }
            }
        }
        assert!(unread.len() <= HttpClient::UNREAD_LEN_MAX);
    }
    if progress == Progress::Incomplete { client.on_close(&mut state) } else { progress }
}

fn requests() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        Just(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".to_vec()),
        Just(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec()),
        Just(b"GET /bytes/77 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        Just(b"\r\nHEAD http://a:1/?b HTTP/1.2\r\nHost: [::1]\r\nX:\ty\r\n\r\n".to_vec()),
        Just(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx".to_vec()),
        Just(
            b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"b\"\r\nx\r\n0\r\nT: 1\r\n\r\n"
                .to_vec()
        ),
        Just(b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

fn replies() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec()),
        Just(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
        Just(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec()),
        Just(b"HTTP/1.0 404 Not Found\r\n\r\n".to_vec()),
        Just(b"HTTP/1.1 102 Wait\r\n\r\n".repeat(9)),
        Just(b"HTTP/1.1 200 OK\r\nContent-Length: 51\r\n\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

/// Where to change a byte, and to what.
fn damage() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)
}

fn damaged(mut input: Vec<u8>, damage: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    for (place, byte) in damage {
        if !input.is_empty() {
            let place = place.index(input.len());
            input[place] = *byte;
        }
    }
    input
}

fn cuts(input: &[u8], places: &[prop::sample::Index]) -> Vec<usize> {
    let mut cuts: Vec<usize> = places.iter().map(|place| place.index(input.len() + 1)).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_server_survives_and_obeys_the_chunking_law(
        input in requests(), damage in damage(),
        places in proptest::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let input = damaged(input, &damage);
        prop_assert_eq!(serve(&input, &cuts(&input, &places)), serve(&input, &[]));
    }

    #[test]
    fn a_client_survives_and_obeys_the_chunking_law(
        input in replies(), damage in damage(),
        places in proptest::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let input = damaged(input, &damage);
        prop_assert_eq!(receive(&input, &cuts(&input, &places)), receive(&input, &[]));
    }
}
