//! The most a scan can send, proven before launch: the packets of every probe and every further try. product.md F16.

use super::plan::{Cost, ProbeSet};
use crate::lang::job::{Checks, Ping, Profile};

/// Requests for a hardware address that one on-link target can cost.
pub const NEIGHBOUR_TRIES: u64 = 3;

/// SYNs to one open port of a live host that a closer look at it can cost, where the profile has checks.
pub const STUDY_SYNS: u8 = 10;
/// Rounds of an echo and a timestamp request that it can cost.
pub const STUDY_PINGS: u8 = 2;

/// Packets to canaries at most: so many, and one for each hundred others.
pub const CANARY_PACKETS: u64 = 200;
/// Of so many other packets, one may go to a canary.
pub const CANARY_SHARE: u64 = 100;

/// Packets one try of all pings costs.
pub fn pings(profile: &Profile) -> u64 {
    profile
        .ping
        .iter()
        .map(|p| match p {
            Ping::Icmp | Ping::Timestamp => 1,
            Ping::Tcp(ports) | Ping::TcpAck(ports) | Ping::Udp(ports) => u64::from(ports.len()),
        })
        .sum()
}

/// Packets that a closer look at one live host can cost: none for a profile without checks.
fn study(profile: &Profile) -> u64 {
    if talks(profile) { u64::from(STUDY_SYNS) + 2 * u64::from(STUDY_PINGS) } else { 0 }
}

/// True where open ports are talked to.
fn talks(profile: &Profile) -> bool {
    !matches!(&profile.checks, Checks::Some(none) if none.is_empty())
}

/// The bound for so many targets, the slowest of which a hook allows only `slowest` packets a second, where conversations
/// make at most `per_port` connections to one port, and some targets are `canaries`.
pub fn bound(
    profile: &Profile,
    probes: &ProbeSet,
    targets: u64,
    slowest: Option<u32>,
    per_port: u32,
    canaries: bool,
) -> Cost {
    if targets == 0 {
        return Cost::default();
    }
    let tries = 1 + u64::from(profile.retries);
    let probed = probes.count();
    let per_host_max = (pings(profile) + probed) * tries + NEIGHBOUR_TRIES + study(profile);
    let packets_max = per_host_max.saturating_mul(targets);
    let to_canaries = if canaries { CANARY_PACKETS + packets_max / CANARY_SHARE } else { 0 };
    let (packets_max, per_host_max) = (packets_max.saturating_add(to_canaries), per_host_max + to_canaries);
    let rate = profile.rate.map(|r| r.per_second);
    let host_rate = [slowest, profile.per_host.map(|r| r.per_second)].into_iter().flatten().min();
    let time = |packets: u64, rate: Option<u32>| packets.div_ceil(u64::from(rate.unwrap_or(u32::MAX)).max(1));
    // Canaries are asked while others are; nobody waits for them.
    let seconds = time(packets_max, rate).max(time(per_host_max - to_canaries, host_rate));
    let per_port = if talks(profile) { per_port } else { 0 };
    let connections_max = targets.saturating_mul(probed).saturating_mul(u64::from(per_port));
    Cost { packets_max, per_host_max, seconds, connections_per_port_max: per_port, connections_max }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::quantity::Rate;

    #[test]
    fn every_try_counts_and_the_slowest_host_decides_the_time() {
        let mut profile = Profile::initial_options();
        profile.ping = vec![Ping::Icmp, Ping::Tcp([80, 443].into_iter().collect())];
        profile.retries = 2;
        profile.rate = Some(Rate { per_second: 100 });
        profile.per_host = None;
        let probes = ProbeSet { tcp: (1..=7).collect(), udp: Default::default() };
        profile.checks = Checks::Some(Vec::new());
        let cost = bound(&profile, &probes, 10, None, 600, false);
        let none = Cost::default();
        assert_eq!(cost, Cost { packets_max: 330, per_host_max: 33, seconds: 4, ..none });
        assert_eq!(bound(&profile, &probes, 10, Some(1), 600, false).seconds, 33);
        assert_eq!(bound(&profile, &probes, 0, None, 600, false), none);
        // With checks: ten more SYNs, two more echo and timestamp requests, and conversations with every port that opens.
        profile.checks = Checks::All;
        let cost = bound(&profile, &probes, 10, None, 600, false);
        assert_eq!((cost.per_host_max, cost.packets_max), (47, 470));
        assert_eq!((cost.connections_per_port_max, cost.connections_max), (600, 42_000));
        // A canary may be asked 200 times, and once more for each hundred packets.
        let cost = bound(&profile, &probes, 10, None, 600, true);
        assert_eq!((cost.per_host_max, cost.packets_max), (47 + 204, 470 + 204));
        assert_eq!((cost.seconds, bound(&profile, &probes, 10, Some(1), 600, true).seconds), (7, 47));
    }
}
