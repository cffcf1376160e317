//! Pacing by address, over all stages of a run: a token bucket for the run, one for each address and one for each
//! network. Over any one-second window no more packets leave than the rate says.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use super::rates::{NetworkKey, Spacing, network, ns};

/// Buckets that come into being when first taken from, each as the time at which its next packet is due.
#[derive(Debug, Clone)]
pub(super) struct Buckets<K> {
    spacing: Option<Spacing>,
    pub(super) due: HashMap<K, u64>,
}

impl<K: Hash + Eq + Copy> Buckets<K> {
    fn new(rate: Option<u32>) -> Self {
        Self { spacing: rate.map(Spacing::new), due: HashMap::new() }
    }

    /// The spacing where a packet may have a lower rate of its own.
    fn slower(&self, own: Option<u32>) -> Option<Spacing> {
        let own = own.map(Spacing::new);
        self.spacing.into_iter().chain(own).max_by_key(|s| s.interval_ns)
    }

    fn ready_at(&self, key: K, own: Option<u32>) -> Duration {
        let due = self.slower(own).zip(self.due.get(&key)).map_or(0, |(s, due)| s.ready_at(*due));
        Duration::from_nanos(due)
    }

    fn take(&mut self, key: K, own: Option<u32>, now: Duration) {
        if let Some(spacing) = self.slower(own) {
            let due = self.due.entry(key).or_default();
            *due = spacing.after(*due, ns(now));
        }
    }
}

/// The hierarchy: run, network, address.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    pub(super) run: Buckets<()>,
    pub(super) networks: Buckets<NetworkKey>,
    pub(super) hosts: Buckets<IpAddr>,
}

impl Pace {
    pub(super) fn new(run: Option<u32>, per_network: Option<u32>, per_host: Option<u32>) -> Self {
        Self { run: Buckets::new(run), networks: Buckets::new(per_network), hosts: Buckets::new(per_host) }
    }

    /// When the run as a whole may send again.
    pub(super) fn run_ready_at(&self) -> Duration {
        self.run.ready_at((), None)
    }

    /// When this address, with a lower rate of its `own`, may be sent to, the run's own rate aside.
    pub(super) fn host_ready_at(&self, addr: IpAddr, own: Option<u32>) -> Duration {
        self.hosts.ready_at(addr, own).max(self.networks.ready_at(network(addr), None))
    }

    /// Takes a packet out of every bucket. `own` is a lower rate for this address.
    pub(super) fn take(&mut self, addr: IpAddr, own: Option<u32>, now: Duration) {
        self.run.take((), None, now);
        self.networks.take(network(addr), None, now);
        self.hosts.take(addr, own, now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_second_holds_more_than_the_rate(run in 1u32..3_000, host in 1u32..500, net in 1u32..800, idle in 0u64..3_000) {
            let addrs: Vec<IpAddr> = ["192.0.2.1", "192.0.2.2", "198.51.100.1"].iter().map(|a| a.parse().unwrap()).collect();
            let mut pace = Pace::new(Some(run), Some(net), Some(host));
            let mut now = Duration::from_millis(idle);
            let mut sent: Vec<(Duration, IpAddr)> = Vec::new();
            for i in 0..2_000usize {
                let addr = addrs[i % 3];
                now = now.max(pace.run_ready_at()).max(pace.host_ready_at(addr, None));
                pace.take(addr, None, now);
                sent.push((now, addr));
                if i == 700 {
                    now += Duration::from_millis(idle);
                }
            }
            for (i, (start, _)) in sent.iter().enumerate() {
                let window: Vec<_> = sent[i..].iter().take_while(|(t, _)| *t < *start + Duration::from_secs(1)).collect();
                prop_assert!(window.len() <= run as usize, "run: {} in a second, {run} allowed", window.len());
                for addr in &addrs {
                    prop_assert!(window.iter().filter(|(_, a)| a == addr).count() <= host as usize);
                }
                let in_net = window.iter().filter(|(_, a)| network(*a) == network(addrs[0])).count();
                prop_assert!(in_net <= net as usize);
            }
        }
    }
}
