//! Pacing of raw frames over numbered hosts: a token bucket for the run, one for each network and one for each host.
//! Over any one-second window no more packets leave than the rate says.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::pace::Pace;

/// A second and a fiftieth: frames leave a moment after they are counted, and may be late by so much.
const SECOND_NS: u64 = 1_020_000_000;

/// A rate as the spacing of packets and the time by which they may run ahead of it (GCRA).
#[derive(Debug, Clone, Copy)]
pub(super) struct Spacing {
    pub(super) interval_ns: u64,
    ahead_ns: u64,
}

impl Spacing {
    /// A rate split into a burst of a hundredth and the rest as a steady stream, so that burst and stream together stay
    /// within the rate over any second.
    pub(super) fn new(per_second: u32) -> Self {
        let burst = (per_second / 100).max(1);
        let steady = (per_second - burst + 1).max(1);
        let interval_ns = SECOND_NS.div_ceil(u64::from(steady));
        Self { interval_ns, ahead_ns: interval_ns * u64::from(burst - 1) }
    }

    /// When a packet may leave, by the time it is due.
    pub(super) fn ready_at(self, due: u64) -> u64 {
        due.saturating_sub(self.ahead_ns)
    }

    /// When the next one is due.
    pub(super) fn after(self, due: u64, now: u64) -> u64 {
        due.max(now) + self.interval_ns
    }
}

pub(super) fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The hierarchy over numbered hosts: run, network, host. A rate that is not set costs no memory and no time.
#[derive(Debug, Default)]
pub(super) struct Rates {
    run: Option<(Spacing, u64)>,
    network: Option<Spacing>,
    networks: HashMap<NetworkKey, u32>,
    network_of: Vec<u32>,
    network_due: Vec<u64>,
    host: Option<Spacing>,
    /// Hosts with a lower rate of their own.
    own: HashMap<u32, Spacing>,
    host_due: Vec<u64>,
}

/// True for IPv6, and the first bits.
pub(super) type NetworkKey = (bool, u128);

/// The /24 or /64 of an address.
pub(super) fn network(addr: IpAddr) -> NetworkKey {
    match addr {
        IpAddr::V4(a) => (false, u128::from(u32::from(a) >> 8)),
        IpAddr::V6(a) => (true, u128::from(a) >> 64),
    }
}

impl Rates {
    /// Packets a second for the run, each network and each host.
    pub(super) fn new(
        run: Option<u32>,
        per_network: Option<u32>,
        per_host: Option<u32>,
        hosts: impl Iterator<Item = IpAddr>,
    ) -> Self {
        let mut rates = Self {
            run: run.map(|rate| (Spacing::new(rate), 0)),
            network: per_network.map(Spacing::new),
            host: per_host.map(Spacing::new),
            ..Self::default()
        };
        for addr in hosts {
            if rates.network.is_some() {
                let next = rates.networks.len() as u32;
                rates.network_of.push(*rates.networks.entry(network(addr)).or_insert(next));
            }
            if rates.host.is_some() {
                rates.host_due.push(0);
            }
        }
        rates.network_due = vec![0; rates.networks.len()];
        rates
    }

    /// Gives one host a lower rate; a higher one than the profile's changes nothing.
    pub(super) fn slow(&mut self, host: u32, per_second: u32, hosts: usize) {
        let spacing = Spacing::new(per_second.max(1));
        let present = self.own.get(&host).copied().or(self.host);
        if present.is_none_or(|p| p.interval_ns < spacing.interval_ns) {
            self.own.insert(host, spacing);
            self.host_due.resize(self.host_due.len().max(hosts), 0);
        }
    }

    fn spacing(&self, host: u32) -> Option<Spacing> {
        if self.own.is_empty() { self.host } else { self.own.get(&host).copied().or(self.host) }
    }

    /// The longest time between two packets that a rate over this host asks for; zero where none does.
    pub(super) fn slowest_interval(&self, host: u32) -> Duration {
        let spacings = [self.run.map(|(spacing, _)| spacing), self.network, self.spacing(host)];
        Duration::from_nanos(spacings.into_iter().flatten().map(|s| s.interval_ns).max().unwrap_or(0))
    }

    /// True where only the run as a whole is paced.
    pub(super) fn is_flat(&self) -> bool {
        self.network.is_none() && self.host.is_none() && self.own.is_empty()
    }

    /// Packets the run as a whole may send now, at most `most`.
    pub(super) fn allowance(&self, now: Duration, most: usize) -> usize {
        let Some((spacing, due)) = self.run else { return most };
        let room = (ns(now) + spacing.ahead_ns + spacing.interval_ns).saturating_sub(due.max(ns(now)));
        usize::try_from(room / spacing.interval_ns).unwrap_or(most).min(most)
    }

    /// When the run may send again as much as a small batch, so that a slow run does not wake for each packet.
    pub(super) fn run_ready_at(&self, packets: u64) -> Duration {
        let Some((spacing, due)) = self.run else { return Duration::ZERO };
        let batch = spacing.interval_ns * (packets.saturating_sub(1)).min(spacing.ahead_ns / spacing.interval_ns / 2);
        Duration::from_nanos(spacing.ready_at(due) + batch)
    }

    /// When this host may be sent to, the run's own rate aside; and whether its network is what holds it back.
    pub(super) fn host_ready_at(&self, host: u32) -> (Duration, bool) {
        let own = self.spacing(host).zip(self.host_due.get(host as usize)).map_or(0, |(s, due)| s.ready_at(*due));
        let net = self
            .network
            .zip(self.network_number(host))
            .and_then(|(s, n)| self.network_due.get(n as usize).map(|due| s.ready_at(*due)));
        let net = net.unwrap_or(0);
        (Duration::from_nanos(own.max(net)), net > own)
    }

    /// Number of a host's network, where networks are paced.
    pub(super) fn network_number(&self, host: u32) -> Option<u32> {
        self.network_of.get(host as usize).copied()
    }

    /// When a network may be sent to.
    pub(super) fn network_ready_at(&self, number: u32) -> Duration {
        let due = self.network.zip(self.network_due.get(number as usize)).map_or(0, |(s, due)| s.ready_at(*due));
        Duration::from_nanos(due)
    }

    /// Takes a packet out of every bucket.
    pub(super) fn take(&mut self, host: u32, now: Duration) {
        self.take_shared(self.network_number(host), now);
        let now = ns(now);
        if let Some(spacing) = self.spacing(host)
            && let Some(due) = self.host_due.get_mut(host as usize)
        {
            *due = spacing.after(*due, now);
        }
    }
}

impl Rates {
    fn take_shared(&mut self, network: Option<u32>, now: Duration) {
        let now = ns(now);
        if let Some((spacing, due)) = &mut self.run {
            *due = spacing.after(*due, now);
        }
        if let Some(spacing) = self.network
            && let Some(due) = network.and_then(|n| self.network_due.get_mut(n as usize))
        {
            *due = spacing.after(*due, now);
        }
    }

    /// Takes a packet to an address that may be none of the hosts out of every bucket, or says when that will be
    /// possible, and whether all addresses have to wait until then.
    pub(super) fn turn(&mut self, addr: IpAddr, host: Option<u32>, now: Duration) -> Result<(), (Duration, bool)> {
        let number = self.networks.get(&network(addr)).copied();
        let run = self.run_ready_at(1);
        let net = number.map_or(Duration::ZERO, |n| self.network_ready_at(n));
        let ready = host.map_or(net, |h| self.host_ready_at(h).0).max(run);
        if ready > now {
            return Err((ready, run > now));
        }
        match host {
            Some(host) => self.take(host, now),
            None => self.take_shared(number, now),
        }
        Ok(())
    }

    /// Goes on where others who sent before have stopped. `ahead` is what our time is ahead of theirs.
    pub(super) fn carry_in(&mut self, pace: &Pace, hosts: impl Iterator<Item = IpAddr>, ahead: Duration) {
        let ahead = ns(ahead);
        if let (Some((_, due)), Some(theirs)) = (&mut self.run, pace.run.due.get(&())) {
            *due = (*due).max(theirs + ahead);
        }
        for (key, theirs) in &pace.networks.due {
            if let Some(due) = self.networks.get(key).and_then(|n| self.network_due.get_mut(*n as usize)) {
                *due = (*due).max(theirs + ahead);
            }
        }
        if !pace.hosts.due.is_empty() {
            for (due, addr) in self.host_due.iter_mut().zip(hosts) {
                *due = (*due).max(pace.hosts.due.get(&addr).map_or(0, |theirs| theirs + ahead));
            }
        }
    }

    /// Leaves to those who send next what is not yet made up for.
    pub(super) fn carry_out(
        &self,
        pace: &mut Pace,
        hosts: impl Iterator<Item = IpAddr>,
        now: Duration,
        ahead: Duration,
    ) {
        let (now, ahead) = (ns(now), ns(ahead));
        pace.run.due.extend(self.run.map(|(_, due)| ((), due.saturating_sub(ahead))));
        let due = |n: &u32| self.network_due.get(*n as usize).filter(|due| **due > now);
        let networks = self.networks.iter().filter_map(|(key, n)| Some((*key, due(n)?.saturating_sub(ahead))));
        pace.networks.due.extend(networks);
        let hosts = self.host_due.iter().zip(hosts).filter(|(due, _)| **due > now);
        pace.hosts.due.extend(hosts.map(|(due, addr)| (addr, due.saturating_sub(ahead))));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_second_holds_more_than_the_rate(run in 1u32..3_000, host in 1u32..500, net in 1u32..800, own in 1u32..400, idle in 0u64..3_000) {
            let addrs: Vec<IpAddr> = ["192.0.2.1", "192.0.2.2", "198.51.100.1"].iter().map(|a| a.parse().unwrap()).collect();
            let mut rates = Rates::new(Some(run), Some(net), Some(host), addrs.iter().copied());
            rates.slow(2, own, 3);
            let mut now = Duration::from_millis(idle);
            let mut sent: Vec<(Duration, u32)> = Vec::new();
            for i in 0..2_000usize {
                let number = (i % 3) as u32;
                now = now.max(rates.run_ready_at(1)).max(rates.host_ready_at(number).0);
                prop_assert!(rates.allowance(now, 64) >= 1);
                rates.take(number, now);
                sent.push((now, number));
                if i == 700 {
                    now += Duration::from_millis(idle);
                }
            }
            for (i, (start, _)) in sent.iter().enumerate() {
                let window: Vec<_> = sent[i..].iter().take_while(|(t, _)| *t < *start + Duration::from_secs(1)).collect();
                prop_assert!(window.len() <= run as usize, "run: {} in a second, {run} allowed", window.len());
                for number in 0..3 {
                    let most = if number == 2 { host.min(own) } else { host };
                    prop_assert!(window.iter().filter(|(_, n)| *n == number).count() <= most as usize);
                }
                prop_assert!(window.iter().filter(|(_, n)| *n < 2).count() <= net as usize);
            }
        }

        #[test]
        fn an_allowance_is_what_may_be_taken(run in 1u32..200_000, idle in 0u64..2_000) {
            let mut rates = Rates::new(Some(run), None, None, std::iter::empty());
            let now = Duration::from_millis(idle);
            let allowed = rates.allowance(now, 1_000_000);
            prop_assert!(allowed as u32 <= run.max(1));
            for _ in 0..allowed {
                prop_assert!(rates.run_ready_at(1) <= now);
                rates.take(0, now);
            }
            prop_assert!(rates.run_ready_at(1) > now);
            prop_assert_eq!(rates.allowance(now, 64), 0);
        }
    }
}
