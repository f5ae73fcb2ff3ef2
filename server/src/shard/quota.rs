//! How many connections a turn accepts from a level-triggered listener.

/// How many connections a turn accepts. An accept(2) that finds no connection costs as much as one that does,
/// because it makes a socket first. The listener is level-triggered, so leaving some for the next turn costs
/// little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    count: u32,
    /// Turns in a row that accepted `count` connections.
    full: u8,
}

impl Quota {
    /// Full turns until it doubles. If connections come one by one, one accept in nine finds none.
    const FULL_MAX: u8 = 8;
    pub(crate) const ONE: Quota = Quota { count: 1, full: 0 };

    /// As many as allowed were accepted: there may be more.
    fn met(&mut self) {
        self.full += 1;
        if self.full >= Quota::FULL_MAX {
            *self = Quota { count: self.count.saturating_mul(2), full: 0 };
        }
    }

    /// Only `accepted` connections were waiting.
    pub(crate) fn missed(&mut self, accepted: u32) {
        *self = Quota { count: accepted.max(1), full: 0 };
    }

    /// How many the next turn accepts, at most `most`.
    pub(crate) fn of(self, most: u32) -> u32 {
        self.count.min(most)
    }

    /// The turn accepted as many as allowed, with `most` as the upper limit: there may be more.
    pub(crate) fn used_up(&mut self, most: u32) {
        if self.count <= most {
            self.met();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_follows_what_comes() {
        let mut quota = Quota::ONE;
        (0..Quota::FULL_MAX).for_each(|_| quota.met());
        assert_eq!(quota, Quota { count: 2, full: 0 });
        quota.missed(1);
        assert_eq!(quota, Quota::ONE);
        quota.missed(0);
        assert_eq!(quota, Quota::ONE, "never none at all");
        (0..u8::MAX).for_each(|_| quota.met());
        assert!(quota.count >= 1 << 30, "a flood is met soon: {quota:?}");
        (0..u8::MAX).for_each(|_| quota.met());
    }
}
