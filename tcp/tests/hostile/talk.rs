//! One peer whose server is played by the tests.

use tcp::Sequence;
use tcp::client::{Client, Ending, Tick};
use tcp::wire::{Checksums, Flags, Packet, Segment};

use crate::support::{MSS, at_ms, client, sent};

pub(crate) const SYN: Flags = Flags::SYN;
pub(crate) const FIN: Flags = Flags::FIN;
pub(crate) const RST: Flags = Flags::RST;
pub(crate) const ACK: Flags = Flags::ACK;

/// What a packet meant to the client.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) is_established: bool,
    pub(crate) data: Vec<u8>,
    pub(crate) has_room: bool,
    pub(crate) has_finished: bool,
    pub(crate) ending: Option<Ending>,
}

/// A segment as the tests see it: numbers count from the SYN of their side.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) flags: Flags,
    pub(crate) sequence: u32,
    pub(crate) acknowledgement: u32,
    pub(crate) data: Vec<u8>,
}

pub(crate) fn seen(flags: Flags, sequence: u32, acknowledgement: u32, data: &[u8]) -> Seen {
    Seen { flags, sequence, acknowledgement, data: data.to_vec() }
}

/// One peer and the server it talks to.
pub(crate) struct Talk {
    pub(crate) client: Client,
    pub(crate) now_ms: u64,
    /// First numbers of both sides.
    pub(crate) ours: Sequence,
    pub(crate) theirs: Sequence,
    pub(crate) window: u16,
    pub(crate) mss: Option<u16>,
}

impl Talk {
    /// A peer whose SYN is on its way; the server's numbers begin at `theirs`.
    pub(crate) fn opening(key: u64, theirs: u32) -> Talk {
        let mut talk = Talk {
            client: client(1, key),
            now_ms: 1000,
            ours: Sequence(0),
            theirs: Sequence(theirs),
            window: 65_535,
            mss: Some(MSS),
        };
        talk.client.open(0, talk.now());
        let packets = sent(&mut talk.client);
        let [packet] = &packets[..] else { panic!("one SYN: {packets:?}") };
        let segment = Packet::parse(packet, Checksums::Ours).unwrap().segment;
        assert_eq!((segment.flags, segment.mss, segment.window), (SYN, Some(MSS), 65_535));
        talk.ours = segment.sequence;
        talk
    }

    /// A peer that is connected, with nothing left to acknowledge.
    pub(crate) fn established() -> Talk {
        let mut talk = Talk::opening(1, 0xffff_fff0);
        talk.establish();
        talk
    }

    pub(crate) fn establish(&mut self) {
        let outcome = self.hear(SYN.with(ACK), 0, 1, b"");
        assert_eq!(outcome, Outcome { is_established: true, ..Outcome::default() });
        assert_eq!(self.says(), [seen(ACK, 1, 1, b"")]);
    }

    pub(crate) fn now(&self) -> Tick {
        at_ms(self.now_ms)
    }

    /// Hands a segment of the server to the client.
    pub(crate) fn hear(&mut self, flags: Flags, sequence: u32, acknowledgement: u32, data: &[u8]) -> Outcome {
        let packet = Packet {
            source: "198.18.0.1:7".parse().unwrap(),
            destination: "198.18.1.1:1024".parse().unwrap(),
            segment: Segment {
                sequence: self.theirs.plus(sequence),
                acknowledgement: self.ours.plus(acknowledgement),
                flags,
                window: self.window,
                mss: if flags.has(SYN) { self.mss } else { None },
                data,
            },
        };
        let mut bytes = Vec::new();
        packet.write(Checksums::Ours, &mut bytes);
        let received = self.client.on_packet(&bytes, Checksums::Ours, at_ms(self.now_ms));
        received.map_or_else(Outcome::default, |received| Outcome {
            is_established: received.is_established,
            data: received.data.to_vec(),
            has_room: received.has_room,
            has_finished: received.has_finished,
            ending: received.ending,
        })
    }

    /// What the client has sent since the last call, including pending acknowledgements.
    pub(crate) fn says(&mut self) -> Vec<Seen> {
        self.client.acknowledge();
        let packets = sent(&mut self.client);
        packets.iter().map(|bytes| self.translate(bytes)).collect()
    }

    fn translate(&self, bytes: &[u8]) -> Seen {
        let segment = Packet::parse(bytes, Checksums::Ours).unwrap().segment;
        let acknowledgement = match segment.flags.has(ACK) {
            true => segment.acknowledgement.since(self.theirs),
            false => 0,
        };
        // PSH is ignored: it only asks for quick delivery.
        let flags = Flags(segment.flags.0 & !Flags::PSH.0);
        Seen { flags, sequence: segment.sequence.since(self.ours), acknowledgement, data: segment.data.to_vec() }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> usize {
        self.client.send(0, bytes, at_ms(self.now_ms))
    }

    pub(crate) fn close(&mut self) -> bool {
        self.client.close(0, at_ms(self.now_ms))
    }

    /// Lets time pass in steps of 8 ms. Returns how the connection ended, and what was sent when, in ms from
    /// now.
    pub(crate) fn wait(&mut self, ms: u64) -> (Option<Ending>, Vec<(u64, Seen)>) {
        let (start_ms, mut said) = (self.now_ms, Vec::new());
        for _ in 0..ms / 8 {
            self.now_ms += 8;
            let ending = self.client.on_time(self.now());
            said.extend(self.says().into_iter().map(|segment| (self.now_ms - start_ms, segment)));
            if let Some((peer, ending)) = ending {
                assert_eq!(peer, 0);
                return (Some(ending), said);
            }
        }
        (None, said)
    }
}

pub(crate) fn data(bytes: &[u8]) -> Outcome {
    Outcome { data: bytes.to_vec(), ..Outcome::default() }
}

pub(crate) fn ending(ending: Ending) -> Outcome {
    Outcome { ending: Some(ending), ..Outcome::default() }
}
