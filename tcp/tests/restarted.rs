//! A client is killed and started again while the server still has its connections. The tests play the server;
//! `interoperation` does the same with smoltcp.

mod support;

use support::{at_ms, client, sent};
use tcp::Sequence;
use tcp::client::{Client, Ending, Received};
use tcp::wire::{Checksums, Flags, Packet, Segment};

const ACK: Flags = Flags::ACK;
const RST: Flags = Flags::RST;
const SYN: Flags = Flags::SYN;

/// The number that the server expects next from the dead client, and the one it would send next.
const OLD_EXPECTED: Sequence = Sequence(3_000_000);
const OLD_NEXT: Sequence = Sequence(5000);

/// A client that has just sent a SYN, and the number of the SYN.
fn calling() -> (Client, Sequence) {
    let mut client = client(1, 1);
    client.open(0, at_ms(1000));
    let [(SYN, number)] = says(&mut client)[..] else { panic!("a SYN") };
    (client, number)
}

/// Hands a segment of the server to the client.
fn hear(client: &mut Client, now_ms: u64, segment: Segment<'_>) -> (bool, Option<Ending>) {
    let (source, destination) = ("198.18.0.1:7".parse().unwrap(), "198.18.1.1:1024".parse().unwrap());
    let mut bytes = Vec::new();
    let segment = Segment { window: 65_535, ..segment };
    Packet { source, destination, segment }.write(Checksums::Ours, &mut bytes);
    let received = client.on_packet(&bytes, Checksums::Ours, at_ms(now_ms));
    received.map_or((false, None), |Received { is_established, ending, .. }| (is_established, ending))
}

/// The old connection's answer to a SYN (RFC 5961 §4.2).
fn challenge() -> Segment<'static> {
    Segment { sequence: OLD_NEXT, acknowledgement: OLD_EXPECTED, flags: ACK, ..Segment::default() }
}

fn establish(client: &mut Client, number: Sequence) {
    let flags = SYN.with(ACK);
    let reply = Segment { sequence: Sequence(9), acknowledgement: number.plus(1), flags, ..Segment::default() };
    assert_eq!(hear(client, 2500, reply), (true, None));
}

/// Kind and number of each segment sent.
fn says(client: &mut Client) -> Vec<(Flags, Sequence)> {
    let segment = |bytes: &Vec<u8>| Packet::parse(bytes, Checksums::Ours).unwrap().segment.flags;
    let number = |bytes: &Vec<u8>| Packet::parse(bytes, Checksums::Ours).unwrap().segment.sequence;
    sent(client).iter().map(|bytes| (segment(bytes), number(bytes))).collect()
}

/// The reset ends the old connection, so it pays to repeat the SYN before its timer is due. But only once per run
/// of the timer, or two ends that disagree would keep each other busy.
#[test]
fn a_challenge_is_answered_with_a_reset_and_the_syn_again() {
    let (mut client, number) = calling();
    assert_eq!(hear(&mut client, 1000, challenge()), (false, None));
    assert_eq!(says(&mut client), [(RST, OLD_EXPECTED), (SYN, number)]);
    assert_eq!(hear(&mut client, 1008, challenge()), (false, None));
    assert_eq!(says(&mut client), [(RST, OLD_EXPECTED)], "no second SYN before the timer");
    assert_eq!(hear(&mut client, 1016, Segment { flags: RST.with(ACK), ..challenge() }), (false, None));
    assert_eq!(says(&mut client), [], "a reset is not answered");
    let syns = |client: &mut Client, from_ms: u64, to_ms: u64| {
        let times = (from_ms / 8..to_ms / 8).map(|tick| tick * 8);
        times.filter(|&ms| client.on_time(at_ms(ms)).is_none() && !says(client).is_empty()).collect::<Vec<_>>()
    };
    assert_eq!(syns(&mut client, 1016, 2400), [2000], "the timer of the SYN that was repeated");
    assert_eq!(hear(&mut client, 2400, challenge()), (false, None));
    assert_eq!(says(&mut client), [(RST, OLD_EXPECTED), (SYN, number)]);
    establish(&mut client, number);
    assert_eq!(client.send(0, b"hello", at_ms(2500)), 5, "nothing of the handshake holds up data");
    let counters = client.counters();
    assert_eq!(
        (counters.replaced, counters.refused, counters.retransmitted),
        (1, 3, 1),
        "one connection, though it was challenged again"
    );
}

/// Data that the old connection retransmits ends it, as a challenge does. An answer to an older SYN does not count
/// as a connection.
#[test]
fn whatever_acknowledges_the_dead_client_is_answered_so() {
    for (segment, replaced) in [
        (Segment { data: b"late", ..challenge() }, 1),
        (Segment { flags: Flags::FIN.with(ACK), ..challenge() }, 1),
        (Segment { flags: SYN.with(ACK), ..challenge() }, 0),
    ] {
        let (mut client, number) = calling();
        assert_eq!(hear(&mut client, 1000, segment), (false, None));
        assert_eq!(says(&mut client), [(RST, OLD_EXPECTED), (SYN, number)]);
        assert_eq!(client.counters().replaced, replaced);
        establish(&mut client, number);
    }
}

/// The old connection may send first, before its peer is opened.
#[test]
fn data_for_a_peer_that_was_never_opened_ends_the_old_connection() {
    let mut client = client(1, 1);
    assert_eq!(hear(&mut client, 1000, Segment { data: b"late", ..challenge() }), (false, None));
    assert_eq!(says(&mut client), [(RST, OLD_EXPECTED)]);
    assert_eq!(client.counters().replaced, 1);
}

/// However often it is challenged, a peer gives up in the end.
#[test]
fn a_server_that_challenges_every_syn_is_given_up() {
    let (mut client, number) = calling();
    let (mut syns, mut ended) = (1, None);
    for tick in (1000 / 8..).take(50_000) {
        let now_ms = tick * 8;
        ended = client.on_time(at_ms(now_ms));
        if ended.is_some() {
            break;
        }
        syns += says(&mut client).len();
        hear(&mut client, now_ms, challenge());
        syns += says(&mut client).iter().filter(|segment| **segment == (SYN, number)).count();
    }
    assert_eq!((ended, syns), (Some((0, Ending::TimedOut)), 14), "the first, six by the timer, one after each");
}
