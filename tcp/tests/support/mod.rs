//! Shared by the tests: a client with the tests' addresses, and a check of every packet it sends with another
//! TCP's parser.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpAddress, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr};
use tcp::client::{Block, Client, Config, Tick};
use tcp::wire::{Checksums, Flags, Packet};

/// Segment size of the tests' link.
pub(crate) const MSS: u16 = 1460;

/// A client of 198.18.0.1:7 whose initial sequence numbers come from `key`.
pub(crate) fn client(peers_max: u32, key: u64) -> Client {
    let config = Config {
        server: "198.18.0.1:7".parse().unwrap(),
        block: Block::around("198.18.1.0".parse().unwrap()),
        peers_max,
        mss: MSS,
        key,
        checksums: Checksums::Ours,
        prefix: Vec::new(),
    };
    Client::new(config, Tick::of_ns(0))
}

/// Time of the tests.
#[allow(dead_code, reason = "each test file uses some of these")]
pub(crate) fn at_ms(ms: u64) -> Tick {
    Tick::of_ns(ms * 1_000_000)
}

/// Takes the packets out of the outbox and reads each with both parsers.
pub(crate) fn sent(client: &mut Client) -> Vec<Vec<u8>> {
    let packets: Vec<Vec<u8>> = client.outbox.packets().map(<[u8]>::to_vec).collect();
    client.outbox.clear();
    packets.iter().for_each(|bytes| audit(bytes));
    packets
}

/// Compares what another implementation reads with what this one does.
fn audit(bytes: &[u8]) {
    let ours = Packet::parse(bytes, Checksums::Ours).expect("what is sent is right");
    let capabilities = ChecksumCapabilities::default();
    let ip = Ipv4Packet::new_checked(bytes).expect("an IPv4 packet");
    let repr = Ipv4Repr::parse(&ip, &capabilities).expect("a right header checksum");
    assert!(!ip.more_frags() && ip.frag_offset() == 0 && ip.dont_frag() && ip.hop_limit() > 0);
    assert_eq!((repr.src_addr, repr.dst_addr), (*ours.source.ip(), *ours.destination.ip()));
    let (source, destination) = (IpAddress::Ipv4(repr.src_addr), IpAddress::Ipv4(repr.dst_addr));
    let tcp = TcpPacket::new_checked(ip.payload()).expect("a TCP segment");
    let theirs = TcpRepr::parse(&tcp, &source, &destination, &capabilities).expect("a right checksum");
    let segment = ours.segment;
    assert_eq!((theirs.src_port, theirs.dst_port), (ours.source.port(), ours.destination.port()));
    assert_eq!(theirs.seq_number.0 as u32, segment.sequence.0);
    let acknowledgement = segment.flags.has(Flags::ACK).then_some(segment.acknowledgement.0);
    assert_eq!(theirs.ack_number.map(|number| number.0 as u32), acknowledgement);
    assert_eq!((theirs.window_len, theirs.max_seg_size), (segment.window, segment.mss));
    assert_eq!((theirs.window_scale, theirs.sack_permitted, theirs.timestamp), (None, false, None));
    assert_eq!(theirs.payload, segment.data);
    for (flag, control) in [
        (Flags::SYN, theirs.control == TcpControl::Syn),
        (Flags::FIN, theirs.control == TcpControl::Fin),
        (Flags::RST, theirs.control == TcpControl::Rst),
    ] {
        assert_eq!(segment.flags.has(flag), control, "{segment:?} {theirs:?}");
    }
}
