//! The order of probes by arithmetic: a seeded permutation of `0..n` in constant memory, its inverse, and shards of it.
//!
//! A Feistel network over the smallest even number of bits that holds `n`, walked until the value falls below `n`
//! (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). Each number comes exactly once. The order keeps
//! probes apart and hides nothing, so its round function is a cheap mixer; only the keys come from a keyed hash.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

const ROUNDS: usize = 4;

/// A permutation of `0..n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    n: u64,
    half_bits: u32,
    keys: [u64; ROUNDS],
}

/// Multiply and fold, with the constants of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(value: u64, key: u64) -> u64 {
    let a = (value ^ key).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let b = (a ^ (a >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    b ^ (b >> 31)
}

impl Order {
    /// The permutation of `0..n` for a seed.
    pub fn new(n: u64, seed: u64) -> Self {
        let bits = u64::BITS - n.saturating_sub(1).leading_zeros();
        let keys = [0u64, 1, 2, 3].map(|round| {
            let mut hash = SipHasher13::new_with_keys(seed, round);
            hash.write_u64(n);
            hash.finish()
        });
        Self { n, half_bits: bits.div_ceil(2).max(1), keys }
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

    /// The position of a number: what [`Order::at`] turns back into it. None where there is no such number.
    pub fn position(&self, number: u64) -> Option<u64> {
        if number >= self.n {
            return None;
        }
        let mut value = self.unpermute(number);
        while value >= self.n {
            value = self.unpermute(value);
        }
        Some(value)
    }

    fn permute(&self, value: u64) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right, key) & mask));
        }
        (left << self.half_bits) | right
    }

    fn unpermute(&self, value: u64) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for key in self.keys.into_iter().rev() {
            (left, right) = (right ^ (mix(left, key) & mask), left);
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

    #[test]
    fn the_smallest_and_the_largest() {
        for (n, all) in [(0, vec![]), (1, vec![0]), (2, vec![0, 1])] {
            let order = Order::new(n, 7);
            let mut got: Vec<u64> = order.shard(0, 1).collect();
            got.sort_unstable();
            assert_eq!((order.len(), order.is_empty(), got, order.at(n)), (n, n == 0, all, None));
        }
        // Around powers of two and four, where the number of bits changes.
        for n in [3, 4, 5, 15, 16, 17, 255, 256, 257, 65_535, 65_536, 65_537] {
            let order = Order::new(n, 11);
            let mut got: Vec<u64> = (0..n).filter_map(|p| order.at(p)).collect();
            got.sort_unstable();
            assert!(got.into_iter().eq(0..n), "{n}");
        }
        assert!(Order::new(u64::MAX, 3).at(u64::MAX - 1).is_some());
        assert_eq!(Order::new(u64::MAX, 3).at(u64::MAX), None);
    }

    #[test]
    fn another_seed_is_another_order() {
        let of = |seed| Order::new(1_000, seed).shard(0, 1).collect::<Vec<_>>();
        assert_ne!(of(1), of(2));
        assert_ne!(of(1), (0..1_000).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn each_number_once_in_shards(n in 0u64..3_000, seed in any::<u64>(), count in 1u64..9) {
            let order = Order::new(n, seed);
            let mut all: Vec<u64> = (0..count).flat_map(|i| order.shard(i, count).collect::<Vec<_>>()).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..n).collect::<Vec<_>>());
            for position in 0..n {
                prop_assert_eq!(order.at(position).and_then(|v| order.position(v)), Some(position));
            }
            prop_assert_eq!(order.position(n), None);
        }

        /// In a domain that cannot be walked, no two of some positions may meet.
        #[test]
        fn large_domains_do_not_repeat(n in (1u64 << 32)..=u64::MAX, seed in any::<u64>(), start in any::<u64>()) {
            let order = Order::new(n, seed);
            let some: Vec<u64> = (0..64).filter_map(|i| order.at((start % n).saturating_add(i * 977))).collect();
            let distinct: std::collections::BTreeSet<u64> = some.iter().copied().collect();
            prop_assert_eq!(distinct.len(), some.len());
            prop_assert!(some.iter().all(|v| *v < n && order.position(*v).and_then(|p| order.at(p)) == Some(*v)));
        }

        #[test]
        fn large_domains_stay_inside(position in 0u64..(1 << 40), seed in any::<u64>()) {
            prop_assert!(Order::new(1 << 40, seed).at(position).unwrap() < 1 << 40);
        }
    }
}
