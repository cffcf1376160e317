//! The most a scan can send, proven before launch: the packets of every probe and every further try. product.md F16.

use super::plan::{Cost, ProbeSet};
use crate::lang::job::{Ping, Profile};

/// Requests for a hardware address that one on-link target can cost.
pub const NEIGHBOUR_TRIES: u64 = 3;

/// Packets one try of all pings costs.
pub fn pings(profile: &Profile) -> u64 {
    profile
        .ping
        .iter()
        .map(|p| match p {
            Ping::Icmp => 1,
            Ping::Tcp(ports) | Ping::Udp(ports) => u64::from(ports.len()),
        })
        .sum()
}

/// The bound for so many targets.
pub fn bound(profile: &Profile, probes: &ProbeSet, targets: u64) -> Cost {
    let tries = 1 + u64::from(profile.retries);
    let probed = u64::from(probes.tcp.len()) + u64::from(probes.udp.len());
    let per_host_max = (pings(profile) + probed) * tries + NEIGHBOUR_TRIES;
    let packets_max = per_host_max.saturating_mul(targets);
    let per_second = profile.rate.map_or(u64::from(u32::MAX), |r| u64::from(r.per_second));
    Cost {
        packets_max,
        per_host_max: if targets == 0 { 0 } else { per_host_max },
        seconds: packets_max.div_ceil(per_second),
    }
}
