//! Routes as the kernel would choose them: interface, source address and gateway for each destination. Asking sends no
//! packet.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use rtnetlink::packet_route::rule::{RuleAttribute, RuleMessage};
use rtnetlink::{Handle, IpVersion, RouteMessageBuilder};

use crate::base::fast::FastMap;

/// How packets to one destination leave this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::scan) struct Route {
    /// Interface index.
    pub(in crate::scan) interface: u32,
    /// Our address on it.
    pub(in crate::scan) source: IpAddr,
    /// The gateway; none where the destination is on the link.
    pub(in crate::scan) gateway: Option<IpAddr>,
    /// The destination is this machine itself.
    pub(in crate::scan) local: bool,
}

impl Route {
    /// The neighbour whose hardware address frames to a destination carry.
    pub(in crate::scan) fn next_hop(&self, destination: IpAddr) -> IpAddr {
        self.gateway.unwrap_or(destination)
    }
}

/// Looks up the routes of many destinations; those without a route are missing from the map.
///
/// The kernel is asked once for each group of destinations that its routing table cannot tell apart, not once for each
/// destination: it is the same answer, and a /16 behind one gateway is one question. Where policy rules or several
/// paths make the table more than a list of prefixes, each destination is asked for.
pub(in crate::scan) fn routes(destinations: &[IpAddr]) -> std::io::Result<BTreeMap<IpAddr, Route>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        let task = tokio::spawn(connection);
        let mut found = BTreeMap::new();
        for v6 in [false, true] {
            let wanted: Vec<IpAddr> = destinations.iter().copied().filter(|d| d.is_ipv6() == v6).collect();
            let prefixes = if wanted.len() > FEW { prefixes(&handle, v6).await } else { None };
            let mut answers: FastMap<usize, Option<Route>> = FastMap::default();
            for destination in wanted {
                let group = prefixes.as_ref().map(|p| p.group(destination));
                let known = group.and_then(|g| answers.get(&g).copied());
                let route = match known {
                    Some(route) => route,
                    None => one(&handle, destination).await,
                };
                if let Some(group) = group.filter(|_| known.is_none()) {
                    answers.insert(group, route);
                }
                found.extend(route.map(|r| (destination, r)));
            }
        }
        task.abort();
        Ok(found)
    })
}

/// So few destinations are asked for one by one.
const FEW: usize = 16;

/// All prefixes of a family's routing table, by length from the longest, each with its number.
#[derive(Debug, Default)]
struct Prefixes {
    by_len: BTreeMap<Reverse<u8>, FastMap<u128, usize>>,
    width: u8,
    count: usize,
}

impl Prefixes {
    fn new(v6: bool) -> Self {
        Self { width: if v6 { 128 } else { 32 }, ..Self::default() }
    }

    fn masked(&self, addr: IpAddr, len: u8) -> u128 {
        let bits = match addr {
            IpAddr::V4(a) => u128::from(u32::from(a)),
            IpAddr::V6(a) => u128::from(a),
        };
        bits.checked_shr(u32::from(self.width - len.min(self.width))).unwrap_or(0)
    }

    fn add(&mut self, addr: IpAddr, len: u8) {
        let key = self.masked(addr, len);
        self.count += 1;
        let number = self.count;
        self.by_len.entry(Reverse(len)).or_default().entry(key).or_insert(number);
    }

    /// The number of the longest prefix that holds an address; 0 for none.
    fn group(&self, addr: IpAddr) -> usize {
        let longest = self.by_len.iter().find_map(|(Reverse(len), all)| all.get(&self.masked(addr, *len)));
        longest.copied().unwrap_or(0)
    }
}

/// The table's prefixes, where they alone decide: only the rules every kernel starts with, and no route of several
/// paths.
async fn prefixes(handle: &Handle, v6: bool) -> Option<Prefixes> {
    let version = if v6 { IpVersion::V6 } else { IpVersion::V4 };
    let rules: Vec<_> = handle.rule().get(version).execute().try_collect().await.ok()?;
    // Tables local, main and default. rtnetlink(7).
    let usual = |r: &RuleMessage| {
        let selects = |a: &RuleAttribute| {
            !matches!(
                a,
                RuleAttribute::Table(253..=255)
                    | RuleAttribute::Priority(0 | 32_766 | 32_767)
                    | RuleAttribute::SuppressPrefixLen(_)
                    | RuleAttribute::Protocol(_)
            )
        };
        r.header.src_len == 0 && r.header.dst_len == 0 && r.header.tos == 0 && !r.attributes.iter().any(selects)
    };
    if rules.len() > 3 || !rules.iter().all(usual) {
        return None;
    }
    let question = if v6 {
        RouteMessageBuilder::<std::net::Ipv6Addr>::new().build()
    } else {
        RouteMessageBuilder::<std::net::Ipv4Addr>::new().build()
    };
    let mut prefixes = Prefixes::new(v6);
    let mut answers = handle.route().get(question).execute();
    while let Some(route) = answers.try_next().await.ok()? {
        let any = if v6 { IpAddr::V6([0; 16].into()) } else { IpAddr::V4([0; 4].into()) };
        let mut addr = any;
        for attribute in &route.attributes {
            match attribute {
                RouteAttribute::Destination(a) => addr = ip(a)?,
                RouteAttribute::MultiPath(_) => return None,
                _ => {}
            }
        }
        prefixes.add(addr, route.header.destination_prefix_length);
    }
    Some(prefixes)
}

async fn one(handle: &Handle, destination: IpAddr) -> Option<Route> {
    let question = match destination {
        IpAddr::V4(a) => RouteMessageBuilder::<std::net::Ipv4Addr>::new().destination_prefix(a, 32).build(),
        IpAddr::V6(a) => RouteMessageBuilder::<std::net::Ipv6Addr>::new().destination_prefix(a, 128).build(),
    };
    let mut answers = handle.route().get(question).execute();
    // An error is the kernel's "network is unreachable": no route.
    let answer = answers.try_next().await.ok().flatten()?;
    read(&answer)
}

fn read(message: &RouteMessage) -> Option<Route> {
    let (mut interface, mut source, mut gateway) = (None, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::PrefSource(address) => source = ip(address),
            RouteAttribute::Gateway(address) => gateway = ip(address),
            // IPv4 by a next hop of IPv6: its hardware address would have to be asked for otherwise. RFC 5549.
            RouteAttribute::Via(_) => return None,
            _ => {}
        }
    }
    let blocked = matches!(message.header.kind, RouteType::Unreachable | RouteType::Prohibit | RouteType::BlackHole);
    (!blocked).then_some(Route {
        interface: interface?,
        source: source?,
        gateway,
        local: message.header.kind == RouteType::Local,
    })
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(a) => Some(IpAddr::V4(*a)),
        RouteAddress::Inet6(a) => Some(IpAddr::V6(*a)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_that_the_table_cannot_tell_apart_are_one_group() {
        let mut table = Prefixes::new(false);
        for (addr, len) in [("0.0.0.0", 0), ("198.18.0.0", 15), ("198.19.7.0", 24), ("192.0.2.2", 32)] {
            table.add(addr.parse().unwrap(), len);
        }
        let group = |a: &str| table.group(a.parse().unwrap());
        assert_eq!(group("198.18.0.1"), group("198.19.8.1"));
        assert_eq!(group("10.0.0.1"), group("192.0.2.3"));
        let all: std::collections::BTreeSet<usize> =
            ["198.18.0.1", "198.19.7.255", "192.0.2.2", "203.0.113.1"].map(group).into();
        assert_eq!(all.len(), 4);
        let mut table = Prefixes::new(true);
        table.add("fd00:18::".parse().unwrap(), 64);
        assert_ne!(table.group("fd00:18::1".parse().unwrap()), table.group("fd00:19::1".parse().unwrap()));
    }

    /// What the groups answer is what the kernel says of each: asked about the machine's own loopback, without a packet.
    #[test]
    fn groups_answer_as_single_questions_do() {
        let many: Vec<IpAddr> = (1..=40u8).map(|i| IpAddr::from([127, 0, i % 3, i])).collect();
        let Ok(grouped) = routes(&many) else { return };
        for addr in &many {
            assert_eq!(routes(&[*addr]).unwrap().get(addr), grouped.get(addr), "{addr}");
        }
    }
}
