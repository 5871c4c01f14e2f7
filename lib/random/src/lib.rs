//! Numbers that look random, for tests and fuzzing: the same seed gives the same numbers everywhere, on the board and on the host.
//!
//! The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014). Any seed will do, 0
//! included, and near seeds give unlike numbers. It is for nothing that must not be guessed.
//!
//! Barrelfish counterpart: none; its tests call `rand` of the C library.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

/// The generator.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Begins with a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = self.0;
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`; 0 if there is none.
    pub const fn below(&mut self, limit: u64) -> u64 {
        match self.next().checked_rem(limit) {
            Some(number) => number,
            None => 0,
        }
    }

    /// True once in `n` times.
    pub const fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of `all`; `None` if there is none.
    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let index = self.below(all.len() as u64);
        all.get(index as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn these_are_the_numbers_of_the_paper() {
        let mut random = Random::new(1_234_567);
        let first = [(); 3].map(|()| random.next());
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn all_numbers_below_a_limit_come() {
        let mut random = Random::new(0);
        let mut seen = [0; 7];
        for _ in 0..7_000 {
            seen[random.below(7) as usize] += 1;
        }
        assert!(seen.iter().all(|times| (900..1_100).contains(times)));
        assert_eq!(random.below(0), 0);
        assert!((0..20).all(|_| random.one_of(&[3, 4]).is_some()));
        assert_eq!(random.one_of::<u8>(&[]), None);
    }

    #[test]
    fn near_seeds_give_unlike_numbers() {
        let differing =
            |seed| (Random::new(seed).next() ^ Random::new(seed + 1).next()).count_ones();
        assert!((0..100).all(|seed| differing(seed) > 8));
    }
}
