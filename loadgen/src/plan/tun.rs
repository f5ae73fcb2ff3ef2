//! The addresses that the engine `tun` uses.

use crate::plan::target::Address;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use tcp::client::Block;

/// The server's side of the devices. 198.18/15 is set aside for benchmarks (RFC 2544).
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// Each worker has one of the 511 other blocks of 256 addresses in 198.18/15.
pub(crate) const WORKERS_MAX: u32 = 511;

/// The addresses of a worker's peers.
pub(crate) fn block(worker: usize) -> Block {
    Block::around(Ipv4Addr::from_bits(SERVER.to_bits() + ((worker as u32 + 1) << 8)))
}

/// The target as this engine needs it.
pub(crate) fn server(target: &Address) -> Option<SocketAddrV4> {
    match target.tcp()? {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_have_blocks_of_their_own() {
        assert_eq!(block(0).endpoint(0).to_string(), "198.18.1.1:1024");
        assert_eq!(block(255).endpoint(0).to_string(), "198.19.0.1:1024");
        assert_eq!(block(WORKERS_MAX as usize - 1).endpoint(0).to_string(), "198.19.255.1:1024");
        assert!(!(0..WORKERS_MAX as usize).any(|worker| block(worker).contains(SERVER)));
    }
}
