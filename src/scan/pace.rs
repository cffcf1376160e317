//! Pacing: a token bucket for the run, one for each address and one for each network. Over any one-second window no
//! more packets leave than the rate says.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

/// A bucket as the time at which its next packet is due (GCRA).
#[derive(Debug, Clone, Copy)]
struct Bucket {
    interval: Duration,
    /// Time by which packets may run ahead of their interval.
    ahead: Duration,
    due: Duration,
}

impl Bucket {
    /// A rate split into a burst of a hundredth and the rest as a steady stream, so that burst and stream together stay
    /// within the rate over any second.
    fn new(per_second: u32, now: Duration) -> Self {
        let burst = (per_second / 100).max(1);
        let steady = (per_second - burst + 1).max(1);
        let interval = Duration::from_nanos(1_000_000_000u64.div_ceil(u64::from(steady)));
        Self { interval, ahead: interval * (burst - 1), due: now }
    }

    fn ready_at(&self) -> Duration {
        self.due.saturating_sub(self.ahead)
    }

    fn take(&mut self, now: Duration) {
        self.due = self.due.max(now) + self.interval;
    }
}

/// Buckets that come into being when first asked for.
#[derive(Debug)]
struct Buckets<K> {
    rate: Option<u32>,
    all: HashMap<K, Bucket>,
}

impl<K: Hash + Eq + Copy> Buckets<K> {
    fn new(rate: Option<u32>) -> Self {
        Self { rate, all: HashMap::new() }
    }

    fn ready_at(&self, key: K) -> Duration {
        self.all.get(&key).map_or(Duration::ZERO, Bucket::ready_at)
    }

    fn take(&mut self, key: K, rate: Option<u32>, now: Duration) {
        if let Some(rate) = rate.or(self.rate) {
            self.all.entry(key).or_insert_with(|| Bucket::new(rate, now)).take(now);
        }
    }
}

/// The hierarchy: run, network, address.
#[derive(Debug)]
pub(super) struct Pace {
    run: Buckets<()>,
    networks: Buckets<(bool, u128)>,
    hosts: Buckets<IpAddr>,
}

/// The /24 or /64 of an address.
fn network(addr: IpAddr) -> (bool, u128) {
    match addr {
        IpAddr::V4(a) => (false, u128::from(u32::from(a) >> 8)),
        IpAddr::V6(a) => (true, u128::from(a) >> 64),
    }
}

impl Pace {
    pub(super) fn new(run: Option<u32>, per_network: Option<u32>, per_host: Option<u32>) -> Self {
        Self { run: Buckets::new(run), networks: Buckets::new(per_network), hosts: Buckets::new(per_host) }
    }

    /// When the run as a whole may send again.
    pub(super) fn run_ready_at(&self) -> Duration {
        self.run.ready_at(())
    }

    /// When this address may be sent to, the run's own rate aside.
    pub(super) fn host_ready_at(&self, addr: IpAddr) -> Duration {
        self.hosts.ready_at(addr).max(self.networks.ready_at(network(addr)))
    }

    /// Takes a packet out of every bucket. `own` is a lower rate for this address.
    pub(super) fn take(&mut self, addr: IpAddr, own: Option<u32>, now: Duration) {
        self.run.take((), None, now);
        self.networks.take(network(addr), None, now);
        let own = match (own, self.hosts.rate) {
            (Some(own), Some(rate)) => Some(own.min(rate)),
            (own, _) => own,
        };
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
                now = now.max(pace.run_ready_at()).max(pace.host_ready_at(addr));
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
