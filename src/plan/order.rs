//! The order of probes by arithmetic: a seeded permutation of `0..n` in constant memory, and shards of it.
//!
//! A Feistel network over the smallest even number of bits that holds `n`, walked until the value falls below `n`
//! (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). Each number comes exactly once.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

const ROUNDS: u8 = 4;

/// A permutation of `0..n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    n: u64,
    half_bits: u32,
    seed: u64,
}

impl Order {
    /// The permutation of `0..n` for a seed.
    pub fn new(n: u64, seed: u64) -> Self {
        let bits = u64::BITS - n.saturating_sub(1).leading_zeros();
        Self { n, half_bits: bits.div_ceil(2).max(1), seed }
    }

    /// How many numbers there are.
    pub fn len(&self) -> u64 {
        self.n
    }

    /// True for none.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The number at a position; none past the end.
    pub fn at(&self, position: u64) -> Option<u64> {
        if position >= self.n {
            return None;
        }
        let mut value = self.permute(position);
        // The domain is less than four times `n`, so this walks a handful of steps on average and always ends.
        while value >= self.n {
            value = self.permute(value);
        }
        Some(value)
    }

    fn permute(&self, value: u64) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for round in 0..ROUNDS {
            let mut hash = SipHasher13::new_with_keys(self.seed, u64::from(round));
            hash.write_u64(right);
            (left, right) = (right, left ^ (hash.finish() & mask));
        }
        (left << self.half_bits) | right
    }

    /// The positions of shard `index` of `count`: every `count`-th one. Shards are disjoint and together complete.
    pub fn shard(&self, index: u64, count: u64) -> impl Iterator<Item = u64> + '_ {
        (index..self.n).step_by(usize::try_from(count.max(1)).unwrap_or(usize::MAX)).filter_map(|p| self.at(p))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_number_once_in_shards(n in 0u64..3_000, seed in any::<u64>(), count in 1u64..9) {
            let order = Order::new(n, seed);
            let mut all: Vec<u64> = (0..count).flat_map(|i| order.shard(i, count).collect::<Vec<_>>()).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..n).collect::<Vec<_>>());
        }

        #[test]
        fn large_domains_stay_inside(position in 0u64..(1 << 40), seed in any::<u64>()) {
            prop_assert!(Order::new(1 << 40, seed).at(position).unwrap() < 1 << 40);
        }
    }
}
