//! A peer's address and port: computed from its index, never stored.

use std::net::{Ipv4Addr, SocketAddrV4};

/// The first port used on each address; those below are for services (RFC 6335 §6).
const PORT_FIRST: u16 = 1024;
/// Ports used per address.
const PORTS: u32 = 65_536 - PORT_FIRST as u32;
/// Addresses used per block: all but the first (the network) and the last (broadcast).
const ADDRESSES: u32 = 254;

/// A block of 256 addresses (a /24) whose ports are given to peers one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    first: u32,
}

impl Block {
    /// Peers that fit a block: 16,386,048.
    pub const PEERS_MAX: u32 = ADDRESSES * PORTS;
    /// The netmask.
    pub const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);

    /// The block that contains `address`.
    pub const fn around(address: Ipv4Addr) -> Block {
        Block { first: address.to_bits() & Block::MASK.to_bits() }
    }

    /// The address that names the block.
    pub const fn network(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first)
    }

    /// Where peer `index`, below [`Block::PEERS_MAX`], is.
    #[inline]
    pub const fn endpoint(self, index: u32) -> SocketAddrV4 {
        let address = Ipv4Addr::from_bits(self.first + 1 + index / PORTS);
        SocketAddrV4::new(address, PORT_FIRST + (index % PORTS) as u16)
    }

    /// Whether a peer may have this address.
    #[inline]
    pub const fn contains(self, address: Ipv4Addr) -> bool {
        let host = address.to_bits().wrapping_sub(self.first);
        host >= 1 && host <= ADDRESSES
    }

    /// The peer at this address and port.
    #[inline]
    pub const fn index_of(self, endpoint: &SocketAddrV4) -> Option<u32> {
        if !self.contains(*endpoint.ip()) || endpoint.port() < PORT_FIRST {
            return None;
        }
        Some((endpoint.ip().to_bits() - self.first - 1) * PORTS + (endpoint.port() - PORT_FIRST) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_has_a_place_of_its_own() {
        let block = Block::around("198.18.3.77".parse().unwrap());
        assert_eq!(block.network().to_string(), "198.18.3.0");
        for (index, expected) in [
            (0, "198.18.3.1:1024"),
            (1, "198.18.3.1:1025"),
            (64_511, "198.18.3.1:65535"),
            (64_512, "198.18.3.2:1024"),
            (Block::PEERS_MAX - 1, "198.18.3.254:65535"),
        ] {
            assert_eq!(block.endpoint(index).to_string(), expected);
            assert_eq!(block.index_of(&block.endpoint(index)), Some(index));
        }
        for other in ["198.18.3.0:1024", "198.18.3.255:1024", "198.18.2.1:1024", "198.18.4.1:1024", "198.18.3.1:1023"] {
            assert_eq!(block.index_of(&other.parse().unwrap()), None, "{other}");
        }
    }
}
