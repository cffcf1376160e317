//! A plan's targets in shards, so that several scanners share one scan: the same plan is cut in the same way everywhere,
//! the shards are disjoint, and together they are the whole.

use std::fmt;
use std::hash::Hasher;
use std::num::NonZeroU32;
use std::str::FromStr;

use siphasher::sip::SipHasher13;

use super::order::Order;
use super::plan::Plan;

/// Most shards of one plan.
pub const SHARDS: u32 = 10_000;

/// One of several parts: `2/4` is the second of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    index: u32,
    count: NonZeroU32,
}

impl Shard {
    /// Targets (by index) that other shards scan. Which they are depends on the plan's hash alone, not on the order of
    /// its probes: whoever has the same plan cuts it in the same way. Neighbouring targets fall into different shards.
    pub fn elsewhere(self, plan: &Plan) -> Vec<u32> {
        let mut hash = SipHasher13::new_with_keys(0x7368_6172, 0x6473);
        hash.write(plan.hash.as_bytes());
        let order = Order::new(plan.targets.len() as u64, hash.finish());
        let others = (0..self.count.get()).filter(|index| *index != self.index);
        let mut all: Vec<u32> = others
            .flat_map(|index| order.shard(u64::from(index), u64::from(self.count.get())).collect::<Vec<_>>())
            .filter_map(|target| u32::try_from(target).ok())
            .collect();
        all.sort_unstable();
        all
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once('/').and_then(|(i, n)| Some((i.parse::<u32>().ok()?, n.parse::<NonZeroU32>().ok()?)));
        match numbers {
            Some((number, count)) if (1..=count.get()).contains(&number) && count.get() <= SHARDS => {
                Ok(Self { index: number - 1, count })
            }
            _ => Err(format!("`{text}` is no shard; write 2/4 for the second of four, at most {SHARDS}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::base::addr_set::AddrSet;
    use crate::lang::job::Profile;
    use crate::plan::plan::ProbeSet;
    use crate::plan::sample;

    #[test]
    fn shards_are_disjoint_and_together_the_whole() {
        let addrs: Vec<IpAddr> = (0..100u8).map(|n| IpAddr::from([198, 18, 0, n])).collect();
        let probes = ProbeSet { tcp: [80].into_iter().collect(), udp: Default::default() };
        let expires = jiff::Timestamp::from_second(86_400).unwrap();
        let plan = sample::plan(&addrs, probes, Profile::initial_options(), AddrSet::default(), expires);
        for count in [1u32, 2, 3, 7, 100, 101] {
            let mut own = vec![0; 100];
            for number in 1..=count {
                let shard: Shard = format!("{number}/{count}").parse().unwrap();
                assert_eq!(shard.to_string(), format!("{number}/{count}"));
                let elsewhere = shard.elsewhere(&plan);
                assert!(elsewhere.is_sorted());
                (0..100u32).filter(|t| !elsewhere.contains(t)).for_each(|t| own[t as usize] += 1);
                let size = 100 - elsewhere.len();
                assert!(size as u32 == 100 / count || size as u32 == 100 / count + 1, "{size} of {count}");
            }
            assert!(own.iter().all(|n| *n == 1), "{count}");
        }
        for text in ["", "1", "0/3", "4/3", "1/0", "-1/2", "1/2/3", "1/10001", "a/b"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
