//! IPv4 packets with TCP segments: parsing, checking and writing. Keeps no state.

use crate::Sequence;
use crate::checksum::Sum;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Length of an IPv4 header without options; headers are written without.
pub const IP_HEADER_LEN: usize = 20;
/// Length of a TCP header without options.
pub const TCP_HEADER_LEN: usize = 20;
/// Offset of the checksum in the TCP header.
pub const CHECKSUM_OFFSET: usize = 16;
/// Protocol number of TCP.
const TCP: u8 = 6;
/// Initial time to live (RFC 1700: 64).
const TIME_TO_LIVE: u8 = 64;
/// Length of the maximum segment size option (RFC 9293 §3.2).
const MSS_OPTION_LEN: usize = 4;

/// Flags of a segment (RFC 9293 §3.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Flags = Flags(1);
    /// Begins a connection.
    pub const SYN: Flags = Flags(1 << 1);
    /// Ends a connection at once.
    pub const RST: Flags = Flags(1 << 2);
    /// Hand the data on at once.
    pub const PSH: Flags = Flags(1 << 3);
    /// The acknowledgement number counts.
    pub const ACK: Flags = Flags(1 << 4);

    /// Whether all of `flags` are set.
    #[inline]
    pub const fn has(self, flags: Flags) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// These and `flags`.
    #[inline]
    pub const fn with(self, flags: Flags) -> Flags {
        Flags(self.0 | flags.0)
    }
}

/// Who computes TCP checksums. The checksum of the IPv4 header, 20 bytes long, is always computed here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Checksums {
    /// This crate: written in full, verified when parsed.
    #[default]
    Ours,
    /// The device, or the kernel behind it. Outgoing packets carry the sum of the pseudo-header only;
    /// incoming ones have been verified or have never been on a wire.
    Offloaded,
}

/// Why a packet was thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// Shorter than it says, or shorter than its headers.
    Truncated,
    /// Another version of IP, or a protocol other than TCP.
    Foreign,
    /// A fragment of a packet; nobody here sends any.
    Fragment,
    /// A header that contradicts itself.
    Malformed,
    /// A checksum is wrong.
    Corrupt,
}

/// A segment of TCP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Number of the first byte, or of the SYN.
    pub sequence: Sequence,
    /// The next number the sender expects; valid if [`Flags::ACK`] is set.
    pub acknowledgement: Sequence,
    /// What the segment is for.
    pub flags: Flags,
    /// Bytes that the sender accepts, counted from the acknowledgement; not scaled.
    pub window: u16,
    /// The maximum segment size option, in bytes.
    pub mss: Option<u16>,
    /// The bytes of the stream.
    pub data: &'a [u8],
}

impl Segment<'_> {
    /// Sequence numbers the segment occupies: its data, its SYN and its FIN.
    #[inline]
    pub fn len(&self) -> u32 {
        self.data.len() as u32 + u32::from(self.flags.has(Flags::SYN)) + u32::from(self.flags.has(Flags::FIN))
    }

    /// Whether the segment occupies no sequence number.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An IPv4 packet with a segment in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Where it comes from.
    pub source: SocketAddrV4,
    /// Where it goes.
    pub destination: SocketAddrV4,
    /// What is in it.
    pub segment: Segment<'a>,
}

impl<'a> Packet<'a> {
    /// Reads a packet. Bytes after its end, the padding of short frames on some links, are ignored.
    ///
    /// # Errors
    /// The [`Rejection`]: drop the packet without an answer.
    #[inline]
    pub fn parse(bytes: &'a [u8], checksums: Checksums) -> Result<Packet<'a>, Rejection> {
        let (source, destination, rest) = parse_ip(bytes)?;
        if rest.len() < TCP_HEADER_LEN {
            return Err(Rejection::Truncated);
        }
        let header_len = usize::from(rest[12] >> 4) * 4;
        if header_len < TCP_HEADER_LEN || header_len > rest.len() {
            return Err(Rejection::Malformed);
        }
        if checksums == Checksums::Ours && pseudo_header(source, destination, rest.len()).add_bytes(rest).finish() != 0
        {
            return Err(Rejection::Corrupt);
        }
        let flags = Flags(rest[13]);
        let (header, data) = rest.split_at(header_len);
        let segment = Segment {
            sequence: Sequence(read_u32(header, 4)),
            acknowledgement: Sequence(read_u32(header, 8)),
            flags,
            window: read_u16(header, 14),
            // Only a SYN may carry the option (RFC 9293 §3.7.1), so search no other segment.
            mss: if flags.has(Flags::SYN) { find_mss(&header[TCP_HEADER_LEN..]) } else { None },
            data,
        };
        Ok(Packet {
            source: SocketAddrV4::new(source, read_u16(header, 0)),
            destination: SocketAddrV4::new(destination, read_u16(header, 2)),
            segment,
        })
    }

    /// Appends the packet to `output`. Its data and both headers must fit in 65,535 bytes.
    #[inline]
    pub fn write(&self, checksums: Checksums, output: &mut Vec<u8>) {
        let segment = &self.segment;
        let option_len = if segment.mss.is_some() { MSS_OPTION_LEN } else { 0 };
        let tcp_len = TCP_HEADER_LEN + option_len + segment.data.len();
        let mut headers = [0; IP_HEADER_LEN + TCP_HEADER_LEN + MSS_OPTION_LEN];
        let headers = &mut headers[..IP_HEADER_LEN + TCP_HEADER_LEN + option_len];
        let (ip, tcp) = headers.split_at_mut(IP_HEADER_LEN);
        write_ip(ip, *self.source.ip(), *self.destination.ip(), tcp_len);
        tcp[0..2].copy_from_slice(&self.source.port().to_be_bytes());
        tcp[2..4].copy_from_slice(&self.destination.port().to_be_bytes());
        tcp[4..8].copy_from_slice(&segment.sequence.0.to_be_bytes());
        tcp[8..12].copy_from_slice(&segment.acknowledgement.0.to_be_bytes());
        tcp[12] = ((TCP_HEADER_LEN + option_len) as u8 / 4) << 4;
        tcp[13] = segment.flags.0;
        tcp[14..16].copy_from_slice(&segment.window.to_be_bytes());
        if let Some(mss) = segment.mss {
            tcp[20..22].copy_from_slice(&[2, MSS_OPTION_LEN as u8]);
            tcp[22..24].copy_from_slice(&mss.to_be_bytes());
        }
        let sum = pseudo_header(*self.source.ip(), *self.destination.ip(), tcp_len);
        let checksum = match checksums {
            Checksums::Ours => sum.add_bytes(tcp).add_bytes(segment.data).finish(),
            Checksums::Offloaded => sum.folded(),
        };
        tcp[CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2].copy_from_slice(&checksum.to_be_bytes());
        output.extend_from_slice(headers);
        output.extend_from_slice(segment.data);
    }
}

/// Checks the IPv4 header; returns the addresses and the bytes after it.
#[inline]
fn parse_ip(bytes: &[u8]) -> Result<(Ipv4Addr, Ipv4Addr, &[u8]), Rejection> {
    if bytes.is_empty() || bytes[0] >> 4 != 4 {
        return Err(if bytes.is_empty() { Rejection::Truncated } else { Rejection::Foreign });
    }
    if bytes.len() < IP_HEADER_LEN {
        return Err(Rejection::Truncated);
    }
    let (header_len, total_len) = (usize::from(bytes[0] & 15) * 4, usize::from(read_u16(bytes, 2)));
    if header_len < IP_HEADER_LEN || total_len < header_len {
        return Err(Rejection::Malformed);
    }
    if bytes.len() < total_len {
        return Err(Rejection::Truncated);
    }
    if Sum::default().add_bytes(&bytes[..header_len]).finish() != 0 {
        return Err(Rejection::Corrupt);
    }
    if bytes[9] != TCP {
        return Err(Rejection::Foreign);
    }
    // An offset, or the flag that says that more follows (RFC 791 §3.1).
    if read_u16(bytes, 6) & 0x3fff != 0 {
        return Err(Rejection::Fragment);
    }
    Ok((read_u32(bytes, 12).into(), read_u32(bytes, 16).into(), &bytes[header_len..total_len]))
}

fn write_ip(header: &mut [u8], source: Ipv4Addr, destination: Ipv4Addr, content_len: usize) {
    header[0] = 0x45;
    header[2..4].copy_from_slice(&((IP_HEADER_LEN + content_len) as u16).to_be_bytes());
    // "Don't fragment": such packets need no identification (RFC 6864 §4.1).
    header[6] = 0x40;
    header[8] = TIME_TO_LIVE;
    header[9] = TCP;
    header[12..16].copy_from_slice(&source.octets());
    header[16..20].copy_from_slice(&destination.octets());
    let checksum = Sum::default().add_bytes(header).finish();
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
}

/// What the TCP checksum covers in addition to the segment (RFC 9293 §3.1).
#[inline]
fn pseudo_header(source: Ipv4Addr, destination: Ipv4Addr, tcp_len: usize) -> Sum {
    Sum::default()
        .add_number(source.to_bits())
        .add_number(destination.to_bits())
        .add_number(u32::from(TCP))
        .add_number(tcp_len as u32)
}

/// Looks for the maximum segment size. Options that make no sense end the search, as in Linux.
fn find_mss(mut options: &[u8]) -> Option<u16> {
    const END: u8 = 0;
    const PADDING: u8 = 1;
    const MSS: u8 = 2;
    loop {
        match *options {
            [END, ..] | [] => return None,
            [PADDING, ref rest @ ..] => options = rest,
            [MSS, 4, high, low, ..] => return Some(u16::from_be_bytes([high, low])),
            [_, len, ..] if len >= 2 => options = options.get(usize::from(len)..)?,
            _ => return None,
        }
    }
}

#[inline]
fn read_u16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[inline]
fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(data: &[u8], mss: Option<u16>) -> Packet<'_> {
        let flags = if mss.is_some() { Flags::SYN } else { Flags::ACK.with(Flags::PSH) };
        let (sequence, acknowledgement) = (Sequence(0xfedc_ba98), Sequence(0x0123_4567));
        Packet {
            source: "198.18.1.2:1024".parse().unwrap(),
            destination: "198.18.0.1:7".parse().unwrap(),
            segment: Segment { sequence, acknowledgement, flags, window: 65_535, mss, data },
        }
    }

    fn written(packet: &Packet<'_>, checksums: Checksums) -> Vec<u8> {
        let mut bytes = Vec::new();
        packet.write(checksums, &mut bytes);
        bytes
    }

    #[test]
    fn what_is_written_can_be_read() {
        for (data, mss) in [(&b""[..], None), (b"", Some(1460)), (b"odd", None), (&[7; 1460], None), (b"x", Some(1))] {
            let packet = packet(data, mss);
            let mut bytes = written(&packet, Checksums::Ours);
            assert_eq!(Packet::parse(&bytes, Checksums::Ours), Ok(packet));
            bytes.extend([0; 6]);
            assert_eq!(Packet::parse(&bytes, Checksums::Ours), Ok(packet), "padding of the link");
            let offloaded = written(&packet, Checksums::Offloaded);
            assert_eq!(Packet::parse(&offloaded, Checksums::Offloaded), Ok(packet));
            assert_eq!(Packet::parse(&offloaded, Checksums::Ours), Err(Rejection::Corrupt));
        }
    }

    /// What a device does with a partial checksum: it adds up everything from the TCP header on.
    #[test]
    fn a_device_completes_the_checksum() {
        let packet = packet(b"heartbeat", None);
        let mut bytes = written(&packet, Checksums::Offloaded);
        let checksum = Sum::default().add_bytes(&bytes[IP_HEADER_LEN..]).finish();
        bytes[IP_HEADER_LEN + CHECKSUM_OFFSET..][..2].copy_from_slice(&checksum.to_be_bytes());
        assert_eq!(bytes, written(&packet, Checksums::Ours));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = written(&packet(b"data", Some(1460)), Checksums::Ours);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Packet::parse(&flipped, Checksums::Ours).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(Packet::parse(&bytes[..len], Checksums::Ours).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn rejections_say_why() {
        let good = written(&packet(b"data", None), Checksums::Ours);
        let changed = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            bytes[10..12].fill(0);
            let checksum = Sum::default().add_bytes(&bytes[..IP_HEADER_LEN]).finish();
            bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
            bytes
        };
        for (bytes, expected) in [
            (Vec::new(), Rejection::Truncated),
            (good[..19].to_vec(), Rejection::Truncated),
            (good[..good.len() - 1].to_vec(), Rejection::Truncated),
            (vec![0x60; 80], Rejection::Foreign),
            (changed(9, 17), Rejection::Foreign),
            (changed(6, 0x20), Rejection::Fragment),
            (changed(7, 1), Rejection::Fragment),
            (changed(0, 0x44), Rejection::Malformed),
            (changed(3, 19), Rejection::Malformed),
            (changed(3, 39), Rejection::Truncated),
            (changed(32, 0x40), Rejection::Malformed),
            (changed(32, 0xf0), Rejection::Malformed),
            (changed(40, 0), Rejection::Corrupt),
        ] {
            assert_eq!(Packet::parse(&bytes, Checksums::Ours), Err(expected), "{bytes:?}");
        }
    }

    #[test]
    fn options_cannot_lead_astray() {
        for (options, expected) in [
            (&[2, 4, 5, 0xb4][..], Some(1460)),
            (&[1, 1, 2, 4, 5, 0xb4], Some(1460)),
            (&[3, 3, 7, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 0, 88], Some(88)),
            (&[0, 2, 4, 5, 0xb4], None),
            (&[3, 0, 2, 4, 5, 0xb4], None),
            (&[3, 1, 2, 4, 5, 0xb4], None),
            (&[3, 200, 2, 4], None),
            (&[2, 4, 5], None),
            (&[2, 3, 5, 2, 4], None),
            (&[2], None),
            (&[], None),
        ] {
            assert_eq!(find_mss(options), expected, "{options:?}");
        }
    }
}
