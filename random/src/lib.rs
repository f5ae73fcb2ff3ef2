//! A seeded sequence: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
//! OOPSLA 2014). It is a few lines long, every seed is good, and results published with a seed can always be
//! replayed. It is not fit for secrets.
#![forbid(unsafe_code)]

/// The step between states: 2⁶⁴ over the golden ratio, made odd.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// A sequence of numbers.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The sequence of a seed.
    pub const fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// The number at `index` of a seed's sequence, without computing those before it.
    #[inline]
    pub fn at(seed: u64, index: u64) -> u64 {
        Random::new(seed.wrapping_add(index.wrapping_mul(GAMMA))).next_u64()
    }

    /// The next number.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GAMMA);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `most`, both included. The remainder favours low numbers, by less than one in 2⁴⁴ for a
    /// `most` below a million.
    pub fn up_to(&mut self, most: usize) -> usize {
        (self.next_u64() % (most as u64 + 1)) as usize
    }

    /// An index below `count`, which is not zero.
    ///
    /// The high half of a product (Lemire 2019) without its rejection: its bias is below 2⁻⁴⁴ for a `count` below
    /// a million.
    pub fn index(&mut self, count: usize) -> usize {
        ((u128::from(self.next_u64()) * count as u128) >> 64) as usize
    }

    /// From 0 (included) to 1 (excluded).
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True once in `count` times, on average.
    pub fn one_in(&mut self, count: u64) -> bool {
        self.next_u64().is_multiple_of(count)
    }

    /// True `count` times in a thousand, on average.
    pub fn permille(&mut self, count: u64) -> bool {
        self.next_u64() % 1000 < count
    }

    /// Fisher and Yates's shuffle.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.up_to(last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first values of the reference implementation for seed 1234567.
    #[test]
    fn the_sequence_is_the_published_one() {
        let mut random = Random::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.next_u64()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
        let found: Vec<u64> = (0..3).map(|index| Random::at(1_234_567, index)).collect();
        assert_eq!(found, first);
    }

    #[test]
    fn indices_reach_everything_and_no_further() {
        let mut random = Random::new(7);
        let (mut by_product, mut by_remainder) = ([0u32; 5], [0u32; 5]);
        for _ in 0..5000 {
            by_product[random.index(5)] += 1;
            by_remainder[random.up_to(4)] += 1;
        }
        for seen in [by_product, by_remainder] {
            assert!(seen.iter().all(|count| (850..1150).contains(count)), "{seen:?}");
        }
        assert!((0..5000).all(|_| (0.0..1.0).contains(&random.uniform())));
    }

    /// Orders of published runs come from their seeds.
    #[test]
    fn a_shuffle_is_that_of_its_seed() {
        let mut items = [0, 1, 2, 3, 4, 5, 6, 7];
        Random::new(1).shuffle(&mut items);
        assert_eq!(items, [4, 3, 2, 7, 5, 6, 0, 1]);
    }
}
