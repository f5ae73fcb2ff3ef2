//! Bytes from anywhere: whatever arrives, the client does not panic and sends nothing that another TCP cannot
//! read.

mod support;

use proptest::prelude::*;
use random::Random;
use support::{at_ms, client, sent};
use tcp::Sequence;
use tcp::wire::{Checksums, Flags, Packet, Segment};

/// What a hostile server does next.
#[derive(Debug, Clone)]
enum Step {
    /// A segment with numbers near the right ones, or anywhere.
    Segment {
        flags: u8,
        sequence: i32,
        acknowledgement: i32,
        window: u16,
        data_len: usize,
        is_near: bool,
    },
    Send(usize),
    Close,
    Abort,
    Open,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let segment = (any::<u8>(), any::<i32>(), any::<i32>(), any::<u16>(), 0usize..3000, prop::bool::weighted(0.8));
    prop_oneof![
        12 => segment.prop_map(|(flags, sequence, acknowledgement, window, data_len, is_near)| Step::Segment {
            flags, sequence, acknowledgement, window, data_len, is_near
        }),
        3 => (0usize..20_000).prop_map(Step::Send),
        1 => Just(Step::Close),
        1 => Just(Step::Abort),
        3 => Just(Step::Open),
        2 => (0u64..70_000).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), offloaded: bool) {
        let mut client = client(2, 1);
        client.open(0, at_ms(0));
        let checksums = if offloaded { Checksums::Offloaded } else { Checksums::Ours };
        let received = client.on_packet(&bytes, checksums, at_ms(0));
        prop_assert!(received.is_none());
    }

    /// Packets that are valid except for some bytes, and pieces of packets.
    #[test]
    fn damaged_packets(seed: u64, flags: u8, len in 0usize..100) {
        let random = &mut Random::new(seed);
        let mut client = client(1, seed);
        client.open(0, at_ms(0));
        let syn = sent(&mut client).remove(0);
        let data = vec![3; len];
        let mut bytes = answer(&syn, Flags(flags), &data);
        bytes.truncate(random.up_to(bytes.len()));
        for _ in 0..random.up_to(4) {
            let at = random.up_to(bytes.len().saturating_sub(1));
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.next_u64() as u8;
            }
        }
        client.on_packet(&bytes, Checksums::Offloaded, at_ms(0));
        client.acknowledge();
        sent(&mut client);
    }

    /// Bytes are handed on from the next number on, and no byte in flight is acknowledged twice. Debug
    /// assertions check the rest.
    #[test]
    fn any_conversation(steps in prop::collection::vec(step(), 1..60), key: u64, theirs: u32) {
        let mut client = client(1, key);
        let mut now_ms = 0;
        // The next numbers of both sides, as far as can be seen from outside.
        let (mut ours, mut expected) = (Sequence(0), Sequence(theirs));
        for step in steps {
            match step {
                Step::Segment { flags, sequence, acknowledgement, window, data_len, is_near } => {
                    let near = |offset: i32| if is_near { (offset % 3) as u32 } else { offset as u32 };
                    let segment = Segment {
                        sequence: expected.plus(near(sequence)),
                        acknowledgement: ours.plus(near(acknowledgement)),
                        flags: Flags(flags & 31 | if is_near { Flags::ACK.0 } else { 0 }),
                        window,
                        mss: (flags & 32 != 0).then_some(window),
                        data: &vec![5; data_len],
                    };
                    let bytes = packet(segment);
                    let first = segment.sequence.plus(u32::from(segment.flags.has(Flags::SYN)));
                    if let Some(received) = client.on_packet(&bytes, Checksums::Ours, at_ms(now_ms)) {
                        if received.is_established {
                            expected = first;
                        }
                        let skipped = expected.since(first) as usize;
                        prop_assert!(received.data.is_empty() || received.data == &segment.data[skipped..]);
                        expected = expected.plus(received.data.len() as u32 + u32::from(received.has_finished));
                        prop_assert_eq!(received.ending.is_some(), client.is_free(0));
                    }
                }
                Step::Send(len) => prop_assert!(client.send(0, &vec![9; len], at_ms(now_ms)) <= len),
                Step::Close => prop_assert_eq!(client.close(0, at_ms(now_ms)), client.is_free(0)),
                Step::Abort => client.abort(0),
                Step::Open if client.is_free(0) => client.open(0, at_ms(now_ms)),
                Step::Open => {}
                Step::Wait(ms) => {
                    now_ms += ms;
                    while client.on_time(at_ms(now_ms)).is_some() {
                        prop_assert!(client.is_free(0));
                    }
                }
            }
            client.acknowledge();
            for bytes in sent(&mut client) {
                let segment = Packet::parse(&bytes, Checksums::Ours).unwrap().segment;
                if !segment.flags.has(Flags::RST) {
                    ours = segment.sequence.plus(segment.len());
                }
            }
        }
    }
}

/// The server's answer to a packet of the client.
fn answer(bytes: &[u8], flags: Flags, data: &[u8]) -> Vec<u8> {
    let asked = Packet::parse(bytes, Checksums::Ours).unwrap().segment;
    let acknowledgement = asked.sequence.plus(asked.len());
    packet(Segment { acknowledgement, flags, data, window: 1000, ..Segment::default() })
}

fn packet(segment: Segment<'_>) -> Vec<u8> {
    let (source, destination) = ("198.18.0.1:7".parse().unwrap(), "198.18.1.1:1024".parse().unwrap());
    let mut bytes = Vec::new();
    Packet { source, destination, segment }.write(Checksums::Ours, &mut bytes);
    bytes
}
