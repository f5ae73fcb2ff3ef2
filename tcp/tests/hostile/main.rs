//! A server that is played by hand and does what servers should not: each case of RFC 9293 §3.10 and of
//! RFC 5961 that a client can meet, sequence numbers that wrap around included.

#[path = "../support/mod.rs"]
mod support;
mod talk;

use support::{MSS, at_ms, client, sent};
use talk::{ACK, FIN, Outcome, RST, SYN, Seen, Talk, data, ending, seen};
use tcp::client::Ending;
use tcp::wire::{Checksums, Flags, Packet, Segment};

#[test]
fn the_first_request_acknowledges_the_handshake() {
    let mut talk = Talk::opening(1, 77);
    assert!(talk.hear(SYN.with(ACK), 0, 1, b"").is_established);
    assert_eq!(talk.send(b"hello"), 5);
    assert_eq!(talk.says(), [seen(ACK, 1, 1, b"hello")], "and nothing beside it");
    assert_eq!(talk.hear(ACK, 1, 6, b"world"), data(b"world"));
    assert_eq!(talk.send(b"again"), 5);
    assert_eq!(talk.says(), [seen(ACK, 6, 6, b"again")]);
    assert_eq!(talk.hear(ACK, 6, 11, b"!"), data(b"!"));
    assert_eq!(talk.says(), [seen(ACK, 11, 7, b"")], "without a request it is acknowledged by itself");
    assert_eq!(talk.wait(100_000), (None, vec![]), "nothing is left to be done");
}

#[test]
fn a_silent_server_is_called_again_and_given_up() {
    let mut talk = Talk::opening(1, 77);
    let (ended, said) = talk.wait(200_000);
    assert_eq!(ended, Some(Ending::TimedOut));
    let times: Vec<u64> = said.iter().map(|(at_ms, _)| at_ms.div_ceil(1000)).collect();
    assert_eq!(times, [1, 3, 7, 15, 31, 63], "each wait is twice as long");
    assert!(said.iter().all(|(_, segment)| *segment == seen(SYN, 0, 0, b"")));
    assert!(talk.client.is_free(0));
}

#[test]
fn what_answers_a_syn_is_looked_at() {
    for (flags, acknowledgement, expected, answer) in [
        (RST.with(ACK), 1, ending(Ending::Refused), vec![]),
        (RST, 0, Outcome::default(), vec![]),
        (RST.with(ACK), 0, Outcome::default(), vec![seen(RST, 0, 0, b"")]),
        (RST.with(ACK), 2, Outcome::default(), vec![seen(RST, 2, 0, b"")]),
        (SYN.with(ACK), 0, Outcome::default(), vec![seen(RST, 0, 0, b""), seen(SYN, 0, 0, b"")]),
        (SYN.with(ACK), 2, Outcome::default(), vec![seen(RST, 2, 0, b""), seen(SYN, 0, 0, b"")]),
        (ACK, 1, Outcome::default(), vec![]),
        (FIN.with(ACK), 1, Outcome::default(), vec![]),
        (ACK, 5, Outcome::default(), vec![seen(RST, 5, 0, b""), seen(SYN, 0, 0, b"")]),
        (Flags::default(), 0, Outcome::default(), vec![]),
    ] {
        let mut talk = Talk::opening(1, 77);
        let is_over = expected.ending.is_some();
        let answer = if flags.has(RST) { vec![] } else { answer };
        assert_eq!(talk.hear(flags, 0, acknowledgement, b""), expected, "{flags:?} {acknowledgement}");
        assert_eq!(talk.says(), answer, "{flags:?} {acknowledgement}");
        if !is_over {
            talk.establish();
        }
    }
}

#[test]
fn ends_that_call_one_another_meet() {
    let mut talk = Talk::opening(1, 77);
    assert_eq!(talk.hear(SYN, 0, 0, b""), Outcome::default());
    assert_eq!(talk.says(), [seen(SYN.with(ACK), 0, 1, b"")]);
    let (_, said) = talk.wait(2500);
    assert_eq!(said.len(), 1, "and again: {said:?}");
    assert_eq!(talk.hear(ACK, 1, 3, b""), Outcome::default());
    assert_eq!(talk.says(), [seen(RST, 3, 0, b"")]);
    assert_eq!(talk.hear(ACK, 1, 1, b"x"), Outcome { is_established: true, ..data(b"x") });
    assert_eq!(talk.says(), [seen(ACK, 1, 2, b"")]);

    let mut talk = Talk::opening(1, 77);
    talk.hear(SYN, 0, 0, b"");
    assert_eq!(talk.hear(RST, 1, 0, b""), ending(Ending::Refused));
}

#[test]
fn bytes_are_handed_on_once_and_in_order() {
    let mut talk = Talk::established();
    let ack = |number| [seen(ACK, 1, number, b"")];
    for (sequence, bytes, expected, acknowledged) in [
        (4, &b"def"[..], &b""[..], 1),
        (1, b"abc", b"abc", 4),
        (1, b"abc", b"", 4),
        (2, b"bcde", b"de", 6),
        (4, b"def", b"f", 7),
        (1, b"abcdef", b"", 7),
        (50_000, b"far", b"", 7),
        (7, b"g", b"g", 8),
    ] {
        assert_eq!(talk.hear(ACK, sequence, 1, bytes), data(expected), "{bytes:?} at {sequence}");
        assert_eq!(talk.says(), ack(acknowledged), "{bytes:?} at {sequence}");
    }
    assert_eq!(talk.hear(ACK, 70_000, 1, b"outside"), data(b""));
    assert_eq!(talk.hear(ACK, 0u32.wrapping_sub(70_000), 1, b"outside"), data(b""));
    assert_eq!(talk.says(), ack(8));
    let large = vec![7; 60_000];
    assert_eq!(talk.hear(ACK, 8, 1, &large), data(&large), "segments that a device did not cut");
}

#[test]
fn sequence_numbers_wrap_around() {
    // A key for which the first peer's numbers begin between 2^32 - 2^16 and 2^32.
    let key = (0..).find(|&key| Talk::opening(key, 0).ours.0 >> 16 == 0xffff).unwrap();
    let (request, reply) = ([1; 1000], [2; 1000]);
    let mut talk = Talk::opening(key, u32::MAX - 50_000);
    talk.establish();
    for round in 0..100 {
        let at = 1 + round * 1000;
        assert_eq!(talk.send(&request), 1000);
        assert_eq!(talk.says(), [seen(ACK, at, at, &request)]);
        assert_eq!(talk.hear(ACK, at, at + 1000, &reply), data(&reply));
        if round % 10 == 0 {
            assert_eq!(talk.hear(ACK, at, at, &reply), data(b""), "once more");
        }
        talk.client.acknowledge();
        assert!(!sent(&mut talk.client).is_empty());
    }
    assert_eq!(talk.wait(10_000), (None, vec![]));
}

#[test]
fn resets_must_hit_the_next_number() {
    let challenge = || vec![seen(ACK, 1, 1, b"")];
    for (sequence, expected, answer) in [
        (1, ending(Ending::Reset), vec![]),
        (2, Outcome::default(), challenge()),
        (60_000, Outcome::default(), challenge()),
        (0, Outcome::default(), vec![]),
        (70_000, Outcome::default(), vec![]),
        (1 << 31, Outcome::default(), vec![]),
    ] {
        let mut talk = Talk::established();
        talk.send(b"in flight");
        talk.says();
        talk.hear(ACK, 1, 10, b"");
        let is_over = expected.ending.is_some();
        assert_eq!(talk.hear(RST, sequence, 0, b""), expected, "{sequence}");
        let answer: Vec<Seen> = answer.into_iter().map(|seen| Seen { sequence: 10, ..seen }).collect();
        assert_eq!(talk.says(), answer, "{sequence}");
        assert_eq!(talk.client.is_free(0), is_over);
    }
}

#[test]
fn a_syn_in_a_connection_is_challenged() {
    for (sequence, flags) in [(0, SYN.with(ACK)), (1, SYN), (500, SYN), (1 << 31, SYN), (5, SYN.with(ACK))] {
        let mut talk = Talk::established();
        assert_eq!(talk.hear(flags, sequence, 1, b""), Outcome::default());
        assert_eq!(talk.says(), [seen(ACK, 1, 1, b"")], "{sequence} {flags:?}");
        assert_eq!(talk.hear(ACK, 1, 1, b"on"), data(b"on"));
    }
}

#[test]
fn acknowledgements_of_what_was_never_sent_are_challenged() {
    let mut talk = Talk::established();
    assert_eq!(talk.send(b"abc"), 3);
    talk.says();
    for number in [5, 1000, 1 << 31, 0u32.wrapping_sub(100_000)] {
        assert_eq!(talk.hear(ACK, 1, number, b"lie"), data(b""), "{number}");
        assert_eq!(talk.says(), [seen(ACK, 4, 1, b"")], "{number}");
    }
    assert_eq!(talk.hear(ACK, 1, 0, b"old"), data(b"old"), "an old one is fine");
    assert_eq!(talk.hear(Flags::default(), 4, 4, b"none"), data(b""), "one is needed");
    talk.says();
    for _ in 0..5000 {
        talk.hear(ACK, 4, 1000, b"");
    }
    assert!(sent(&mut talk.client).len() <= 1000, "but not for ever");
    talk.now_ms += 8;
    talk.hear(ACK, 4, 1000, b"");
    assert_eq!(talk.says().len(), 1);
}

#[test]
fn what_is_lost_is_sent_again_from_the_gap_on() {
    let mut talk = Talk::established();
    let bytes: Vec<u8> = (0..4000).map(|at| at as u8).collect();
    assert_eq!(talk.send(&bytes), 4000);
    let mss = usize::from(MSS);
    let parts = [&bytes[..mss], &bytes[mss..2 * mss], &bytes[2 * mss..]];
    let starts = [1, 1 + u32::from(MSS), 1 + 2 * u32::from(MSS)];
    assert_eq!(talk.says(), [0, 1, 2].map(|part| seen(ACK, starts[part], 1, parts[part])));
    talk.now_ms += 48;
    talk.hear(ACK, 1, starts[1], b"");
    let (_, said) = talk.wait(400);
    let [(at_ms, again)] = &said[..] else { panic!("{said:?}") };
    assert!((200..=216).contains(at_ms), "the timer began with the acknowledgement: {at_ms}");
    assert_eq!(*again, seen(ACK, starts[1], 1, parts[1]));
    assert_eq!(talk.send(b"new"), 0, "first what is missing");
    talk.hear(ACK, 1, starts[2], b"");
    assert_eq!(talk.says(), [seen(ACK, starts[2], 1, parts[2])], "the next follows at once");
    assert!(talk.hear(ACK, 1, 4001, b"").has_room);
    assert_eq!(talk.send(b"new"), 3);
    assert_eq!(talk.says(), [seen(ACK, 4001, 1, b"new")]);
}

#[test]
fn a_server_that_vanished_is_given_up() {
    let mut talk = Talk::established();
    talk.send(b"anybody?");
    talk.says();
    let (ended, mut said) = talk.wait(400_000);
    assert_eq!(ended, Some(Ending::TimedOut));
    assert_eq!(said.pop().unwrap().1, seen(RST.with(ACK), 9, 1, b""), "it may only be half gone");
    assert!(said.len() == 8 && said.iter().all(|(_, segment)| *segment == seen(ACK, 1, 1, b"anybody?")));
    let gaps: Vec<u64> = said.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps.windows(2).all(|pair| pair[1] + 50 >= pair[0] * 2 || pair[1] > 50_000), "{gaps:?}");
    // The server comes back, still has the connection, and gets a reset.
    talk.hear(ACK, 1, 9, b"late");
    assert_eq!(talk.says(), [seen(RST, 9, 0, b"")]);
}

#[test]
fn a_closed_window_is_asked_about_until_it_opens() {
    let mut talk = Talk::established();
    talk.window = 4;
    talk.hear(ACK, 1, 1, b"");
    assert_eq!(talk.send(b"abcdefgh"), 4);
    assert_eq!(talk.says(), [seen(ACK, 1, 1, b"abcd")]);
    talk.window = 0;
    assert_eq!(talk.hear(ACK, 1, 5, b""), Outcome::default(), "acknowledged, but no room");
    assert_eq!(talk.send(b"efgh"), 0);
    let mut probes = 0;
    for _ in 0..20 {
        let (ended, said) = talk.wait(61_000);
        assert_eq!(ended, None, "for as long as it answers");
        probes += said.len();
        for (_, segment) in said {
            assert_eq!(segment, seen(ACK, 4, 1, b""), "an old number, so that it must answer");
            talk.hear(ACK, 1, 5, b"");
        }
    }
    assert!((20..40).contains(&probes), "{probes}");
    talk.window = 100;
    assert_eq!(talk.hear(ACK, 1, 5, b""), Outcome { has_room: true, ..Outcome::default() });
    assert_eq!(talk.send(b"efgh"), 4);
    assert_eq!(talk.says(), [seen(ACK, 5, 1, b"efgh")]);
    talk.hear(ACK, 1, 9, b"");
    assert_eq!(talk.wait(100_000), (None, vec![]));
}

/// A server without room for the bytes in flight ignored our acknowledgements, because their numbers came
/// after those bytes. Both sides retransmitted until they gave up.
#[test]
fn a_window_that_was_taken_back_does_not_deafen() {
    let mut talk = Talk::established();
    assert_eq!(talk.send(b"abcd"), 4);
    talk.says();
    talk.window = 0;
    assert_eq!(talk.hear(ACK, 1, 1, b"news"), data(b"news"));
    assert_eq!(talk.says(), [seen(ACK, 1, 5, b"")], "with the number that it expects");
    for _ in 0..1000 {
        let (ended, said) = talk.wait(1000);
        assert_eq!(ended, None, "it answers, so it is not given up");
        assert!(said.iter().all(|(_, segment)| *segment == seen(ACK, 1, 5, b"abcd")), "{said:?}");
        if !said.is_empty() {
            talk.hear(ACK, 5, 1, b"");
        }
    }
    talk.window = 1000;
    talk.hear(ACK, 5, 1, b"");
    assert_eq!(talk.says(), [seen(ACK, 1, 5, b"abcd")], "at once, and not after a minute");
}

#[test]
fn no_more_is_sent_than_there_is_room_for() {
    let bytes = vec![1; 65_536];
    for (window, mss, expected) in [
        (65_535, Some(MSS), 14_600),
        (65_535, Some(9000), 14_600),
        (10_000, Some(MSS), 10_000),
        (65_535, Some(100), 1000),
        (65_535, Some(0), 480),
        (65_535, None, 5360),
        (0, Some(MSS), 0),
        (1, Some(MSS), 1),
    ] {
        let mut talk = Talk::opening(1, 1);
        (talk.window, talk.mss) = (window, mss);
        talk.establish();
        assert_eq!(talk.send(&bytes), expected, "{window} {mss:?}");
        let said = talk.says();
        assert_eq!(said.iter().map(|segment| segment.data.len()).sum::<usize>(), expected);
        let largest = mss.unwrap_or(536).clamp(48, MSS);
        assert!(said.iter().all(|segment| segment.data.len() <= usize::from(largest)));
        assert_eq!(talk.send(&bytes), 0, "no room is left");
    }
}

#[test]
fn both_sides_close_in_any_order() {
    // We close first.
    let mut talk = Talk::established();
    assert!(!talk.close() && !talk.close());
    assert_eq!(talk.says(), [seen(FIN.with(ACK), 1, 1, b"")]);
    assert_eq!(talk.hear(ACK, 1, 2, b""), Outcome::default());
    assert_eq!(talk.hear(FIN.with(ACK), 1, 2, b""), ending(Ending::Closed));
    assert_eq!(talk.says(), [seen(ACK, 2, 2, b"")]);
    assert_eq!(talk.hear(FIN.with(ACK), 1, 2, b""), Outcome::default(), "our last word was lost");
    assert_eq!(talk.says(), [seen(ACK, 2, 2, b"")]);
    assert!(talk.client.is_free(0));
    // The server closes first, with its last bytes.
    let mut talk = Talk::established();
    assert_eq!(talk.hear(FIN.with(ACK), 1, 1, b"bye"), Outcome { has_finished: true, ..data(b"bye") });
    assert_eq!(talk.says(), [seen(ACK, 1, 5, b"")]);
    assert_eq!(talk.send(b"wait"), 4, "our side is still open");
    assert_eq!(talk.hear(FIN.with(ACK), 1, 5, b"bye"), Outcome::default(), "our acknowledgement was lost");
    assert!(!talk.close());
    let said = talk.says();
    assert_eq!(said, [seen(ACK, 1, 5, b"wait"), seen(FIN.with(ACK), 5, 5, b"")]);
    assert_eq!(talk.hear(ACK, 5, 6, b""), ending(Ending::Closed));
    // Both close at once.
    let mut talk = Talk::established();
    assert!(!talk.close());
    assert_eq!(talk.hear(FIN.with(ACK), 1, 1, b""), Outcome::default());
    assert_eq!(talk.says().last(), Some(&seen(ACK, 2, 2, b"")));
    assert_eq!(talk.hear(ACK, 2, 2, b""), ending(Ending::Closed));
    // The server's answer is a single segment.
    let mut talk = Talk::established();
    assert!(!talk.close());
    talk.says();
    assert_eq!(talk.hear(FIN.with(ACK), 1, 2, b""), ending(Ending::Closed));
    assert_eq!(talk.says(), [seen(ACK, 2, 2, b"")]);
}

#[test]
fn a_fin_waits_for_what_comes_before_it() {
    let mut talk = Talk::established();
    assert_eq!(talk.hear(FIN.with(ACK), 4, 1, b"def"), Outcome::default());
    assert_eq!(talk.hear(FIN.with(ACK), 7, 1, b""), Outcome::default());
    assert_eq!(talk.hear(ACK, 1, 1, b"abc"), data(b"abc"));
    assert_eq!(talk.hear(FIN.with(ACK), 2, 1, b"bcdef"), Outcome { has_finished: true, ..data(b"def") });
    assert_eq!(talk.hear(ACK, 8, 1, b"more"), Outcome::default(), "behind a FIN there is nothing");
    assert_eq!(talk.says(), [seen(ACK, 1, 8, b"")]);
}

#[test]
fn data_and_fin_are_sent_again_together() {
    let mut talk = Talk::established();
    talk.send(b"last words");
    assert!(!talk.close());
    talk.says();
    let (ended, said) = talk.wait(250);
    assert_eq!(ended, None);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].1, seen(FIN.with(ACK), 1, 1, b"last words"));
    talk.hear(ACK, 1, 11, b"");
    assert_eq!(talk.says(), [seen(FIN.with(ACK), 11, 1, b"")], "the FIN alone is missing");
    let (ended, said) = talk.wait(60_000);
    assert_eq!(ended, Some(Ending::Closed), "nobody waits for an orphan");
    assert_eq!(said.last().unwrap().1, seen(RST.with(ACK), 12, 1, b""));
}

#[test]
fn a_server_that_never_closes_is_reset() {
    let mut talk = Talk::established();
    talk.close();
    talk.says();
    talk.hear(ACK, 1, 2, b"");
    let (ended, said) = talk.wait(5000);
    assert_eq!(ended, Some(Ending::Closed));
    let [(at_ms, reset)] = &said[..] else { panic!("{said:?}") };
    assert!((1000..1100).contains(at_ms) && *reset == seen(RST.with(ACK), 2, 1, b""));

    let mut talk = Talk::established();
    talk.close();
    talk.says();
    assert_eq!(talk.hear(ACK, 1, 2, b"unwanted"), ending(Ending::Closed), "nobody is left to read it");
    assert_eq!(talk.says(), [seen(RST.with(ACK), 2, 1, b"")]);
}

#[test]
fn a_peer_is_opened_again_above_its_last_number() {
    let mut talk = Talk::established();
    talk.close();
    talk.says();
    assert_eq!(talk.hear(FIN.with(ACK), 1, 2, b""), ending(Ending::Closed));
    talk.says();
    for _ in 0..3 {
        talk.client.open(0, talk.now());
        let said = talk.says();
        assert_eq!(said[0].flags, SYN);
        let above = said[0].sequence;
        assert!((65_536..1 << 20).contains(&above), "{above}");
        // The server still has the old connection and says so (half-open, RFC 9293 §3.5.1).
        assert_eq!(talk.hear(ACK, 2, 2, b""), Outcome::default());
        assert_eq!(talk.says(), [seen(RST, 2, 0, b""), seen(SYN, above, 0, b"")]);
        talk.ours = talk.ours.plus(above);
        talk.establish();
        talk.client.abort(0);
        assert_eq!(talk.says(), [seen(RST.with(ACK), 1, 1, b"")]);
    }
}

#[test]
fn strangers_are_refused() {
    let mut talk = Talk::established();
    talk.client.abort(0);
    talk.says();
    for (flags, answer) in [
        (ACK, Some(seen(RST, 9, 0, b""))),
        (SYN.with(ACK), Some(seen(RST, 9, 0, b""))),
        (SYN, Some(seen(RST.with(ACK), 0u32.wrapping_sub(talk.ours.0), 6, b""))),
        (RST, None),
        (RST.with(ACK), None),
    ] {
        assert_eq!(talk.hear(flags, 5, 9, b""), Outcome::default());
        assert_eq!(talk.says(), Vec::from_iter(answer), "{flags:?}");
    }
    let mut client = client(4, 1);
    for (destination, is_answered) in
        [("198.18.1.1:1024", true), ("198.18.1.1:1000", true), ("198.18.9.1:1024", false), ("224.0.0.1:1024", false)]
    {
        let (source, destination) = ("198.18.0.1:7".parse().unwrap(), destination.parse().unwrap());
        let packet = Packet { source, destination, segment: Segment { flags: ACK, ..Segment::default() } };
        let mut bytes = Vec::new();
        packet.write(Checksums::Ours, &mut bytes);
        assert!(client.on_packet(&bytes, Checksums::Ours, at_ms(0)).is_none());
        assert_eq!(sent(&mut client).len(), usize::from(is_answered), "{destination}");
    }
}
