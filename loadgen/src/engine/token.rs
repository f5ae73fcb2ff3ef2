//! Names for sockets, valid only as long as the socket.

/// Names a socket for as long as it lives: the slot and how many sockets that slot had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) index: u32,
    pub(super) generation: u16,
}

impl Token {
    /// In the 64 bits that the kernel keeps with a socket.
    pub(super) fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(super) fn from_u64(data: u64) -> Token {
        Token { index: data as u32, generation: (data >> 32) as u16 }
    }
}
