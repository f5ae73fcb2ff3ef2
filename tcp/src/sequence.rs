//! Sequence numbers: arithmetic and comparison modulo 2^32 (RFC 9293 §3.4).

/// A sequence number, of either direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sequence(pub u32);

impl Sequence {
    /// The number `count` places later.
    #[inline]
    pub const fn plus(self, count: u32) -> Sequence {
        Sequence(self.0.wrapping_add(count))
    }

    /// The number `count` places earlier.
    #[inline]
    pub const fn minus(self, count: u32) -> Sequence {
        Sequence(self.0.wrapping_sub(count))
    }

    /// How many places `earlier` lies before this number; if it lies after, the result is above 2^31.
    #[inline]
    pub const fn since(self, earlier: Sequence) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// Whether this number comes before `other`, given that at most 2^31 places lie between the two.
    #[inline]
    pub const fn is_before(self, other: Sequence) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// Whether this number is one of the `len` from `start` on.
    #[inline]
    pub const fn is_within(self, start: Sequence, len: u32) -> bool {
        self.since(start) < len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_wrap_around() {
        for start in [0, 1, u32::MAX / 2, u32::MAX - 1, u32::MAX] {
            let (one, two) = (Sequence(start), Sequence(start).plus(1000));
            assert!(one.is_before(two) && !two.is_before(one) && !one.is_before(one), "{start}");
            assert_eq!((two.since(one), two.minus(1000)), (1000, one));
            assert!(one.is_within(one, 1) && two.is_within(one, 1001), "{start}");
            assert!(!two.is_within(one, 1000) && !one.is_within(two, 1000), "{start}");
        }
    }
}
