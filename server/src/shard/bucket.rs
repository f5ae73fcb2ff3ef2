//! The rate at which a reactor takes in connections: a bucket that every tick of the clock fills a little. It knows
//! neither listeners nor the clock.

use std::num::NonZeroU32;

use super::tick::{TICK_MS, Tick};

const TICKS_PER_S: i64 = (1000 / TICK_MS) as i64;
/// Ticks whose share a bucket holds. One would lose what a reactor that wakes up a little late could not use.
const TICKS_MAX: i64 = 2;

/// One reactor's share of a rate.
///
/// Nothing is rounded: of N connections per second over R reactors, each reactor gets N units per tick, and a connection
/// costs 10 R units. Without a rate every number is zero, so a connection costs nothing and nobody asks for the setting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// Units at hand; below zero, what the next ticks owe for connections that came beyond the rate.
    level: i64,
    per_tick: i64,
    cost: i64,
    filled: Tick,
}

impl Bucket {
    /// The share of reactor `index` of `reactors` in `rate` connections per second.
    ///
    /// It begins with the share of one tick, and with `index / reactors` of a connection. So not every reactor gets its
    /// next whole connection in the same tick, and all of them together may take ⌊rate × (t + 1) / 10⌋ by tick t, exactly
    /// (Hermite's identity).
    pub(crate) fn new(rate: NonZeroU32, index: usize, reactors: usize) -> Bucket {
        let (rate, index, reactors) = (i64::from(rate.get()), index as i64, reactors as i64);
        Bucket { level: rate + TICKS_PER_S * index, per_tick: rate, cost: TICKS_PER_S * reactors, filled: Tick(0) }
    }

    /// Adds the share of the ticks until `now`, up to the share of two ticks and one connection that fractions make.
    pub(crate) fn fill(&mut self, now: Tick) {
        let ticks = i64::from(now.0.saturating_sub(self.filled.0));
        let most = TICKS_MAX * self.per_tick + self.cost;
        self.filled = now;
        self.level = self.level.saturating_add(ticks.saturating_mul(self.per_tick)).min(most);
    }

    /// Whether it holds a whole connection.
    #[inline]
    pub(crate) fn has_one(&self) -> bool {
        self.level >= self.cost
    }

    /// How many whole connections it holds.
    pub(crate) fn whole(&self) -> u32 {
        let whole = self.level.max(0).checked_div(self.cost);
        whole.map_or(u32::MAX, |whole| u32::try_from(whole).unwrap_or(u32::MAX))
    }

    /// Takes a connection out. False if it held none: then the next ticks owe it.
    #[inline]
    pub(crate) fn spend(&mut self) -> bool {
        let had_one = self.has_one();
        self.level -= self.cost;
        had_one
    }

    /// Ticks until it holds a whole connection, at least one.
    pub(crate) fn ticks_to_next(&self) -> u32 {
        let missing = (self.cost - self.level).max(1).unsigned_abs();
        let ticks = missing.div_ceil(self.per_tick.max(1).unsigned_abs());
        u32::try_from(ticks).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(rate: u32, index: usize, reactors: usize) -> Bucket {
        Bucket::new(NonZeroU32::new(rate).unwrap(), index, reactors)
    }

    /// Takes out all that it holds.
    fn empty(bucket: &mut Bucket) -> u64 {
        let count = u64::from(bucket.whole());
        (0..count).for_each(|_| assert!(bucket.spend()));
        assert!(!bucket.has_one() && bucket.whole() == 0);
        count
    }

    #[test]
    fn every_tick_gives_its_share_and_fractions_add_up() {
        for rate in [1, 3, 7, 10, 15, 99, 100, 1001, 123_457] {
            let mut bucket = bucket(rate, 0, 1);
            let mut taken = empty(&mut bucket);
            for tick in 1..=1000_u32 {
                bucket.fill(Tick(tick));
                taken += empty(&mut bucket);
                assert_eq!(taken, u64::from(rate) * u64::from(tick + 1) / 10, "{rate} at tick {tick}");
            }
        }
    }

    #[test]
    fn no_remainder_is_lost_over_reactors() {
        for (rate, reactors) in [(1, 4), (3, 7), (10, 3), (100, 3), (101, 16), (1000, 7), (65_537, 259)] {
            let mut buckets: Vec<Bucket> = (0..reactors).map(|index| bucket(rate, index, reactors)).collect();
            let mut each = vec![0; reactors];
            for tick in 0..=500_u32 {
                for (bucket, taken) in buckets.iter_mut().zip(&mut each) {
                    bucket.fill(Tick(tick));
                    *taken += empty(bucket);
                }
                let all: u64 = each.iter().sum();
                assert_eq!(all, u64::from(rate) * u64::from(tick + 1) / 10, "{rate} over {reactors} at tick {tick}");
            }
            let (least, most) = (each.iter().min().unwrap(), each.iter().max().unwrap());
            assert!(most - least <= 1, "{rate} over {reactors}: {each:?}");
        }
    }

    #[test]
    fn a_late_tick_loses_nothing_and_a_long_rest_saves_up_two() {
        let mut bucket = bucket(105, 0, 1);
        assert_eq!(empty(&mut bucket), 10);
        bucket.fill(Tick(2));
        assert_eq!(empty(&mut bucket), 21, "both ticks, and the fraction of the first");
        bucket.fill(Tick(100_000));
        assert_eq!(empty(&mut bucket), 22, "two ticks and what their fractions make");
        bucket.fill(Tick::NEVER);
        assert!(bucket.whole() <= 22, "no overflow");
    }

    #[test]
    fn what_came_beyond_the_rate_is_owed() {
        let mut bucket = bucket(20, 0, 1);
        assert_eq!(empty(&mut bucket), 2);
        assert!(!bucket.spend() && !bucket.spend() && !bucket.spend());
        assert_eq!((bucket.whole(), bucket.ticks_to_next()), (0, 2));
        bucket.fill(Tick(1));
        assert_eq!((bucket.has_one(), bucket.ticks_to_next()), (false, 1));
        bucket.fill(Tick(2));
        assert_eq!(empty(&mut bucket), 1);
    }

    #[test]
    fn a_slow_rate_waits_for_a_whole_connection() {
        let mut bucket = bucket(3, 0, 1);
        assert_eq!((bucket.has_one(), bucket.ticks_to_next()), (false, 3));
        bucket.fill(Tick(3));
        assert_eq!(empty(&mut bucket), 1);
        assert_eq!(bucket.ticks_to_next(), 3);
    }

    #[test]
    fn without_a_rate_there_is_no_end() {
        let mut bucket = Bucket::default();
        bucket.fill(Tick(7));
        assert!((0..100).all(|_| bucket.spend()));
        assert_eq!((bucket.has_one(), bucket.whole(), bucket.ticks_to_next()), (true, u32::MAX, 1));
    }
}
