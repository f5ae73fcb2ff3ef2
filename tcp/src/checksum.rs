//! The Internet checksum (RFC 1071), added up piece by piece.

/// A partial sum. Parts may be added in any order, as long as each begins at an even offset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// Adds bytes; an odd last one counts as if a zero followed it.
    #[inline]
    pub fn add_bytes(mut self, bytes: &[u8]) -> Sum {
        // Four bytes at a time: 2^32 of them fit before 64 bits could overflow (RFC 1071 §2).
        let mut words = bytes.chunks_exact(4);
        for word in &mut words {
            self.0 += u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
        }
        let mut pairs = words.remainder().chunks_exact(2);
        for pair in &mut pairs {
            self.0 += u64::from(u16::from_be_bytes([pair[0], pair[1]]));
        }
        if let [last] = pairs.remainder() {
            self.0 += u64::from(*last) << 8;
        }
        self
    }

    /// Adds a number of 16 or 32 bits.
    #[inline]
    pub fn add_number(mut self, number: u32) -> Sum {
        self.0 += u64::from(number);
        self
    }

    /// The sum in 16 bits, not inverted. With only the pseudo-header added, this is what a device that
    /// computes checksums expects in the checksum field.
    #[inline]
    pub fn folded(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    /// The checksum. Bytes that contain a correct checksum have the checksum zero.
    #[inline]
    pub fn finish(self) -> u16 {
        !self.folded()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::default().add_bytes(&bytes).folded(), 0xddf2);
        assert_eq!(Sum::default().add_bytes(&bytes).finish(), !0xddf2);
    }

    #[test]
    fn parts_make_the_whole() {
        let bytes: Vec<u8> = (0..=255).chain(0..77).collect();
        let whole = Sum::default().add_bytes(&bytes).finish();
        for at in (0..bytes.len()).step_by(2) {
            let (front, back) = bytes.split_at(at);
            assert_eq!(Sum::default().add_bytes(back).add_bytes(front).finish(), whole, "cut at {at}");
        }
        assert_eq!(
            Sum::default().add_number(0x1234_5678).finish(),
            Sum::default().add_bytes(&[0x12, 0x34, 0x56, 0x78]).finish()
        );
        assert_eq!(Sum::default().add_bytes(&[0xff; 65_535]).folded(), 0xff00, "sums do not overflow");
    }
}
